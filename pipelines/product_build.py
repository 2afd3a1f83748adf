"""One product on its own, ready to be run: found by its name, linted, its images built."""

import difflib
import tempfile
from pathlib import Path

import yaml

from attacks.plan import read_plan
from environments.engine import Engine, Say
from pipelines.build import Images, build_all
from pipelines.campaign import Prepared, prepare
from pipelines.product_new import slug_of
from pipelines.registry import PLACES, find, folders
from products.manifest import Placement, Product, read_product
from results.errors import ContentError, EvaluationError, Problem
from results.paths import ROOT

DRY_RUNS = ROOT / "attacks" / "dry_runs"
PROCEDURES = DRY_RUNS / "procedures"
ENVIRONMENTS = {Placement.GATEWAY: "web_dmz", Placement.COLLECTOR: "web_dmz"}
"""Where a product is checked, if nothing else is asked for; all others in `linux_server`."""
SEED = 20260401
"""Of dry runs: the same for everyone."""


def find_product(name: str) -> Path:
    """A product's folder, by a path, the name as `pij product new` took it, or an id of the checkout.

    Raises:
        ContentError: there is none.
    """
    _place, file = PLACES["product"]
    names = [name] if "/" in name else [name, slug_of(name)]
    for path in (Path(one) for one in names):
        if (path / file).is_file():
            return path
    if "/" not in name:
        known = {folder.name: folder for folder in folders("product")}
        for one in names:
            if one in known:
                return known[one]
        return find("product", name)
    close = difflib.get_close_matches(Path(name).name, [path.name for path in Path(name).parent.glob("*")], n=1)
    mend = f"Did you mean {close[0]!r}?" if close else "Check the path, or make one: pij product new."
    allowed = f"a folder with {file}"
    raise ContentError(
        [Problem(path=name, line=None, field="product", found="no such folder", allowed=allowed, mend=mend)]
    )


def environment_for(product: Product) -> str:
    """Where a product is checked: where its kind of placement has something to do."""
    placements = [component.placement for component in product.components]
    return next((ENVIRONMENTS[one] for one in placements if one in ENVIRONMENTS), "linux_server")


def dry_run_for(environment: str) -> Path | None:
    """The public dry run of an environment, if it has one."""
    plans = sorted(folder.parent for folder in DRY_RUNS.glob("*/plan.yaml"))
    return next((folder for folder in plans if read_plan(folder).environment == environment), None)


def prepare_product(
    folder: Path,
    arm: str,
    environment: str,
    content: dict[str, Path] | None = None,
    secrets: dict[str, Path] | None = None,
    plan: Path | None = None,
) -> Prepared:
    """Read and lint a product with an environment and a plan, as a campaign of one.

    Args:
        folder: the product's.
        arm: which configuration.
        environment: id or path.
        content: what only the user can give.
        secrets: secret id -> file that holds it.
        plan: the dry run of the environment, if none is given.

    Raises:
        ContentError: every problem.
    """
    plan = plan or dry_run_for(environment)
    if plan is None:
        known = ", ".join(sorted({read_plan(one.parent).environment for one in DRY_RUNS.glob("*/plan.yaml")}))
        found = f"{environment!r}, which has no dry run"
        raise ContentError(
            [
                Problem(
                    path=str(folder), line=None, field="--environment", found=found, allowed=known,
                    mend="Choose one of these, or name a plan of it with --plan.",
                )
            ]
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="one-") as scratch:
        path = Path(scratch) / "one.yaml"
        definition = {
            "id": "one",
            "title": {"en": "One product", "ja": "一製品"},
            "plan": str(plan.resolve()),
            "environment": environment if "/" not in environment else str(Path(environment).resolve()),
            "procedures": str(PROCEDURES),
            "repetitions": 1,
            "control": False,
            "seed": SEED,
            "entries": [{"product": str(folder.resolve()), "arm": arm}],
        }
        path.write_text(yaml.safe_dump(definition, allow_unicode=True), "utf-8")
        return prepare(str(path), content=content, secrets=secrets)


def build_one(engine: Engine, prepared: Prepared, say: Say) -> Images:
    """Build everything; a product that does not build is an error here.

    Raises:
        EvaluationError: it does not build, or content of it was not given.
    """
    (entry,) = prepared.entries
    if entry.missing_content:
        raise EvaluationError(
            f"{entry.product.id}: found no {'; '.join(entry.missing_content)}; allowed: a folder for each. "
            "Give it with --content ID=FOLDER."
        )
    images = build_all(engine, prepared, say)
    if entry.product.id in images.failed:
        raise EvaluationError(images.failed[entry.product.id])
    return images


def default_arm(folder: Path) -> str:
    """The arm that is meant if none is named: `default`, else the first."""
    arms = [arm.id for arm in read_product(folder).arms]
    return "default" if "default" in arms or not arms else arms[0]
