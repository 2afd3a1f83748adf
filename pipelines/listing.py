"""What there is, as rows for a table or for JSON."""

from typing import Any

from attacks.plan import read_plan
from environments.manifest import read_environment
from pipelines.campaign import CampaignDefinition, all_procedures
from pipelines.registry import campaigns, folders
from products.manifest import read_product
from results.documents import read_document
from results.errors import EvaluationError
from results.paths import runs_folder
from results.store import read_campaign, sealed_trials

Row = dict[str, Any]


def listing(kind: str, technique: str | None = None) -> list[Row]:
    """Rows of one kind of content.

    Raises:
        EvaluationError: no such kind.
        ContentError: a file can't be read.
    """
    makers = {
        "products": _products,
        "plans": _plans,
        "environments": _environments,
        "campaigns": _campaigns,
        "procedures": lambda: _procedures(technique),
        "results": _results,
    }
    if kind not in makers:
        raise EvaluationError(f"found {kind!r}; allowed: {', '.join(makers)}")
    return makers[kind]()


def _products() -> list[Row]:
    rows = []
    for folder in folders("product"):
        product = read_product(folder)
        rows.append(
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
    return rows


def _plans() -> list[Row]:
    rows = []
    for folder in folders("plan"):
        plan = read_plan(folder)
        kinds = [step.kind.value for step in plan.steps]
        counts = {kind: kinds.count(kind) for kind in ("malicious", "benign", "placebo")}
        rows.append({"id": plan.id, "title": plan.title.en, "environment": plan.environment, **counts})
    return rows


def _environments() -> list[Row]:
    found = [read_environment(folder) for folder in folders("environment")]
    return [{"id": entry.id, "title": entry.title.en, "nodes": " ".join(entry.nodes)} for entry in found]


def _campaigns() -> list[Row]:
    rows = []
    for path in campaigns():
        definition = read_document(path, CampaignDefinition)
        arms = " ".join(f"{entry.product}-{entry.arm}" for entry in definition.entries)
        rows.append({"id": definition.id, "plan": definition.plan, "repetitions": definition.repetitions, "arms": arms})
    return rows


def _procedures(technique: str | None) -> list[Row]:
    found, _problems = all_procedures()
    return [
        {"guid": entry.guid, "technique": entry.technique, "name": entry.name, "executor": entry.executor.name}
        for entry in sorted(found.values(), key=lambda entry: (entry.technique, entry.name))
        if technique is None or entry.technique == technique or entry.technique.startswith(f"{technique}.")
    ]


def _results() -> list[Row]:
    rows = []
    for path in sorted(runs_folder().glob("*/campaign.json")):
        campaign = read_campaign(path.parent)
        sealed = len(sealed_trials(path.parent))
        rows.append({"id": campaign.campaign, "plan": campaign.plan, "sealed": f"{sealed}/{len(campaign.trials)}"})
    return rows
