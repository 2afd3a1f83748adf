"""What there is, as rows for a table or for JSON."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attacks.plan import read_plan
from environments.manifest import read_environment
from pipelines.definition import CampaignDefinition, of_part
from pipelines.procedures import Selector, rows
from pipelines.registry import campaigns, folders
from products.manifest import read_product
from products.mapping import mapping_folders, read_mapping
from results.documents import read_document
from results.errors import EvaluationError
from results.paths import runs_folder
from results.store import read_campaign, sealed_trials

Row = dict[str, Any]


def listing(kind: str, folders_of: Sequence[Path] = (), selector: Selector | None = None) -> list[Row]:
    """Rows of one kind of content.

    Args:
        kind: one of those below.
        folders_of: where procedures are read from; the checkout's own if none is given.
        selector: which procedures are meant.

    Raises:
        EvaluationError: no such kind.
        ContentError: a file can't be read.
    """
    makers = {
        "products": _products,
        "plans": _plans,
        "environments": _environments,
        "campaigns": _campaigns,
        "mappings": _mappings,
        "procedures": lambda: rows(folders_of, selector or Selector()),
        "results": _results,
    }
    if kind not in makers:
        raise EvaluationError(f"found {kind!r}; allowed: {', '.join(makers)}")
    return makers[kind]()


def _products() -> list[Row]:
    found = []
    for folder in folders("product"):
        product = read_product(folder)
        found.append(
            {
                "id": product.id,
                "name": product.name,
                "class": product.product_class.value,
                "arms": " ".join(arm.id for arm in product.arms),
                "licence": product.licence,
                "content": " ".join(
                    sorted({m.id for a in product.arms for c in a.components.values() for m in c.content})
                ),
            }
        )
    return found


def _plans() -> list[Row]:
    found = []
    for folder in folders("plan"):
        plan = read_plan(folder)
        kinds = [step.kind.value for step in plan.steps]
        counts = {kind: kinds.count(kind) for kind in ("malicious", "benign", "placebo")}
        found.append({"id": plan.id, "title": plan.title.en, "environment": plan.environment, **counts})
    return found


def _environments() -> list[Row]:
    found = [read_environment(folder) for folder in folders("environment")]
    return [{"id": entry.id, "title": entry.title.en, "nodes": " ".join(entry.nodes)} for entry in found]


def _campaigns() -> list[Row]:
    found = []
    for path in campaigns():
        definition = read_document(path, CampaignDefinition)
        own = [of_part(definition, part) for part in definition.blocks()]
        arms = " ".join(dict.fromkeys(f"{entry.product}-{entry.arm}" for one in own for entry in one.entries))
        plans = " ".join(part.plan for part in definition.blocks())
        found.append({"id": definition.id, "plan": plans, "repetitions": definition.repetitions, "arms": arms})
    return found


def _mappings() -> list[Row]:
    found = [read_mapping(folder) for folder in mapping_folders()]
    return [
        {
            "id": entry.id,
            "product": entry.product,
            "vendor": entry.vendor,
            "format": entry.format.value,
            "status": entry.status,
        }
        for entry in found
    ]


def _results() -> list[Row]:
    found = []
    for path in sorted(runs_folder().glob("*/campaign.json")):
        campaign = read_campaign(path.parent)
        sealed = len(sealed_trials(path.parent))
        found.append({"id": campaign.campaign, "plan": campaign.plan, "sealed": f"{sealed}/{len(campaign.trials)}"})
    return found
