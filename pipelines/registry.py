"""Folders are the registry: a product, environment, plan or campaign is a folder or file, named by its id.

A name is looked up beside the campaign file first, then in the checkout; anything with a slash is a path.
"""

import difflib
import hashlib
from pathlib import Path

from results.errors import ContentError, Problem, several
from results.paths import ROOT

PLACES = {
    "product": (ROOT / "products", "product.yaml"),
    "environment": (ROOT / "environments", "environment.yaml"),
    "plan": (ROOT / "attacks" / "plans", "plan.yaml"),
}
CAMPAIGNS = ROOT / "pipelines" / "campaigns"
PROCEDURES = (ROOT / "attacks" / "procedures", ROOT / "attacks" / "benign")


def folders(kind: str) -> list[Path]:
    """Every folder of a kind (`product`, `environment`, `plan`) in the checkout, by name."""
    place, file = PLACES[kind]
    return sorted(path.parent for path in place.glob(f"*/{file}"))


def campaigns() -> list[Path]:
    """Every campaign file in the checkout."""
    return sorted(CAMPAIGNS.glob("*.yaml"))


def find(kind: str, name: str, beside: Path | None = None) -> Path:
    """The folder of a product, environment or plan.

    Args:
        kind: `product`, `environment` or `plan`.
        name: its id, or a path (relative to `beside`, if that is given).
        beside: the folder of the campaign file that names it.

    Raises:
        ContentError: there is none; the names that exist are listed.
    """
    place, file = PLACES[kind]
    places = [beside or Path()] if "/" in name else [*([beside] if beside else []), place]
    for path in (folder / name for folder in places):
        if (path / file).is_file():
            return path
    known = [folder.name for folder in folders(kind)]
    raise _missing(kind, name, known, f"a folder with {file}")


def find_campaign(name: str) -> Path:
    """A campaign file, by its id or path.

    Raises:
        ContentError: there is none; the names that exist are listed.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else CAMPAIGNS / f"{name}.yaml"
    if path.is_file():
        return path
    raise _missing("campaign", name, [file.stem for file in campaigns()], "a campaign file")


def folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of every file below a folder."""
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            whole.update(f"{file.relative_to(folder)}\0{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def _missing(kind: str, name: str, known: list[str], wanted: str) -> ContentError:
    close = difflib.get_close_matches(name, known, n=1)
    mend = f"Did you mean {close[0]!r}?" if close else "Give one of these, or a path."
    found = f"no {kind} {name!r}"
    allowed = f"{wanted}; known: {several(known, name)}"
    return ContentError([Problem(path=name, line=None, field=kind, found=found, allowed=allowed, mend=mend)])
