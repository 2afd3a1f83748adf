"""`pij product new`: a product's folder that works at once, to be filled in.

The template of each placement is the shortest thing that really detects something: it is built, becomes ready, shows
its canary and alerts, so that a vendor replaces parts of something that works.
"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import jinja2

from products.manifest import CLASS_ALIASES, Placement, ProductClass
from results.errors import ContentError, Problem
from results.records import Text

TEMPLATES = Path(__file__).parent / "product_template"
COMMON = ("product.yaml", "README.md", "VERSION")
PARTS = ("component.yaml", "alerts.yaml", "canary.yaml")
"""Of a variant: they go into `product.yaml`."""
SCRIPTS = ("start.sh",)
LONGEST_ID = 40


@dataclass(frozen=True)
class Kind:
    """What the template says about a product class until the vendor says it."""

    placement: Placement
    node_variant: str
    """Which variant stands in a node: `log` follows a log, `files` watches folders."""
    sees: tuple[str, ...]
    what: Text
    blind: Text


_LOGS = ("Application Log Content", "Logon Session Creation", "User Account Authentication")
_FILES = ("File Creation", "File Modification")
_NETWORK = ("Network Connection Creation", "Network Traffic Content", "Network Traffic Flow")
KINDS = {
    ProductClass.ANTI_MALWARE: Kind(
        Placement.NODE,
        "files",
        _FILES,
        Text(en="Finds malicious files where they are written.", ja="書き込まれた悪性ファイルを見つけます。"),
        Text(en="What never becomes a file.", ja="ファイルにならないもの。"),
    ),
    ProductClass.BEHAVIOUR_DETECTION: Kind(
        Placement.NODE,
        "log",
        (*_LOGS, "Command Execution", "Process Creation"),
        Text(en="Finds what attackers do on a server.", ja="サーバー上の攻撃者の行動を見つけます。"),
        Text(en="What leaves no trace in the logs that it reads.", ja="読んでいるログに跡を残さない行動。"),
    ),
    ProductClass.FILE_INTEGRITY: Kind(
        Placement.NODE,
        "files",
        _FILES,
        Text(en="Reports changes of files.", ja="ファイルの変更を報告します。"),
        Text(en="Everything that changes no file.", ja="ファイルを変えない行動すべて。"),
    ),
    ProductClass.LOG_RESPONSE: Kind(
        Placement.NODE,
        "log",
        _LOGS,
        Text(en="Reads logs and reports attacks in them.", ja="ログを読み、攻撃を報告します。"),
        Text(en="What leaves no line in a log.", ja="ログに行を残さない行動。"),
    ),
    ProductClass.NETWORK_DETECTION: Kind(
        Placement.SENSOR,
        "log",
        _NETWORK,
        Text(en="Finds attacks in network traffic.", ja="通信の中の攻撃を見つけます。"),
        Text(en="Encrypted traffic, and what happens inside a host.", ja="暗号化された通信と、ホスト内部の行動。"),
    ),
    ProductClass.WEB_FIREWALL: Kind(
        Placement.GATEWAY,
        "log",
        ("Application Log Content", "Network Traffic Content"),
        Text(en="Stops attacks on web applications.", ja="Webアプリケーションへの攻撃を止めます。"),
        Text(en="Everything but web requests.", ja="Webリクエスト以外のすべて。"),
    ),
    ProductClass.APPLICATION_CONTROL: Kind(
        Placement.NODE,
        "files",
        (*_FILES, "Process Creation"),
        Text(en="Lets only known programs run.", ja="許可されたプログラムだけを実行させます。"),
        Text(en="What allowed programs are misused for.", ja="許可されたプログラムの悪用。"),
    ),
}
VARIANTS = {Placement.SENSOR: "network", Placement.GATEWAY: "gateway", Placement.COLLECTOR: "collector"}
DOCKERFILE = Text(en="how its image is made", ja="イメージの作り方")


def slug_of(name: str) -> str:
    """The id that a name as people type it becomes: `My-EDR` is `my_edr`.

    Raises:
        ContentError: nothing that can be an id is left.
    """
    slug = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug) or len(slug) > LONGEST_ID:
        allowed = f"letters a to z, digits and -, a letter first, at most {LONGEST_ID} characters"
        raise ContentError([_problem("NAME", repr(name), allowed, "Choose a short name, e.g. my-edr.")])
    return slug


def class_of(name: str) -> ProductClass:
    """A product class by its name or the market's short word for it.

    Raises:
        ContentError: there is no such class; the nearest is named.
    """
    word = name.strip().lower().replace("-", "_")
    if word in CLASS_ALIASES:
        return CLASS_ALIASES[word]
    if word in list(ProductClass):
        return ProductClass(word)
    known = [*(one.value for one in ProductClass), *CLASS_ALIASES]
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    mend = f"Did you mean {close[0]!r}?" if close else "Choose the class that buyers would look under."
    raise ContentError([_problem("--class", repr(name), ", ".join(known), mend)])


def placement_of(name: str | None, product_class: ProductClass, word: str) -> Placement:
    """The placement that was asked for, or the usual one of a class.

    Args:
        name: as the user typed it, if anything.
        product_class: the class.
        word: the class as the user typed it: a SIEM collects, other log products sit in the node.

    Raises:
        ContentError: there is no such placement.
    """
    if name is None:
        return Placement.COLLECTOR if word.strip().lower() == "siem" else KINDS[product_class].placement
    if name in list(Placement):
        return Placement(name)
    known = [one.value for one in Placement]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    mend = f"Did you mean {close[0]!r}?" if close else "Leave it out for the usual one."
    raise ContentError([_problem("--placement", repr(name), ", ".join(known), mend)])


def new_product(name: str, class_name: str, placement_name: str | None, to: Path) -> Path:
    """Write a product's folder.

    Args:
        name: as the user types it.
        class_name: a class or one of the market's short words.
        placement_name: where it runs; the class's usual one if None.
        to: the folder in which the product's folder is made.

    Returns:
        The product's folder.

    Raises:
        ContentError: a name is wrong, or the folder is there already; nothing was written.
    """
    slug, product_class = slug_of(name), class_of(class_name)
    placement = placement_of(placement_name, product_class, class_name)
    folder = to / slug
    if folder.exists():
        mend = "Choose another name, or another place with --to; nothing is overwritten."
        raise ContentError([_problem("NAME", f"{folder} is there already", "a folder that is not there yet", mend)])
    kind = KINDS[product_class]
    variant = VARIANTS.get(placement, kind.node_variant)
    values = {
        "id": slug,
        "name": name,
        "product_class": product_class.value,
        "variant": variant,
        "sees": f"[{', '.join(kind.sees)}]",
        "what": kind.what,
        "blind": kind.blind,
        "blocks": "true" if placement is Placement.GATEWAY else "false",
        "dockerfile": DOCKERFILE,
        "shown": folder,
    }
    pages = jinja2.Environment(  # noqa: S701  # YAML and shell, written for a person; no HTML
        loader=jinja2.FileSystemLoader(TEMPLATES),
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
    )
    own = [file.name for file in sorted((TEMPLATES / variant).iterdir()) if file.name not in PARTS]
    texts = {file: pages.get_template(file).render(values) for file in COMMON}
    texts |= {file: pages.get_template(f"{variant}/{file}").render(values) for file in own}
    folder.mkdir(parents=True)
    for file, text in texts.items():
        (folder / file).write_text(text, "utf-8")
        if file in SCRIPTS:
            (folder / file).chmod(0o755)
    return folder


def _problem(field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path="pij product new", line=None, field=field, found=found, allowed=allowed, mend=mend)
