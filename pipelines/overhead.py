"""`pij overhead`: ordinary work, timed with and without a product in alternation."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from pipelines.registry import find
from pipelines.session import Wishes, run_campaign
from products.manifest import read_product
from results.errors import EvaluationError
from results.measures import Cost, Estimate
from results.overhead import Overhead, overheads
from results.paths import runs_folder, state_folder
from results.store import read_summary

PLAN, ENVIRONMENT = "working_load", "build_server"
NAME = "overhead"


def measure(
    arms: Sequence[str], rounds: int, seed: int, name: str = NAME, content: dict[str, Path] | None = None,
    fresh: bool = False, quiet: bool = False,
) -> tuple[tuple[Overhead, ...], dict[str, tuple[Cost, ...]]]:  # fmt: skip
    """Run the work in rounds, in each once without a product and once with each arm, in drawn order, one at a time.

    Args:
        arms: `<product>-<arm>`, or a product's id or folder for its arm `default`.
        rounds: repetitions.
        seed: of the order and the drawn values.
        name: id of the results.
        content: what only the user can give, by id.
        fresh: set earlier results aside.
        quiet: show no progress.

    Returns:
        What each arm does to the work; and arm -> what the product itself uses.

    Raises:
        ContentError: there is no such product.
        EvaluationError: an arm is unknown, or nothing could be measured.
    """
    entries = [_entry(arm) for arm in arms]
    path = state_folder() / f"{name}.yaml"
    definition = {
        "id": name,
        "title": {"en": "Ordinary work with and without products", "ja": "製品の有無による通常業務の所要時間"},
        "plan": PLAN,
        "environment": ENVIRONMENT,
        "repetitions": rounds,
        "seed": seed,
        "parallel": 1,  # what runs beside it would be measured, too
        "entries": entries,
    }
    path.write_text(yaml.safe_dump(definition, allow_unicode=True, sort_keys=False), "utf-8")
    run_campaign(Wishes(str(path), content=content or {}, fresh=fresh, prefect=False, quiet=quiet))
    folder = runs_folder() / name
    costs = {arm.arm_key: arm.measures.costs for arm in read_summary(folder).arms if arm.measures is not None}
    return overheads(folder), costs


def _entry(text: str) -> dict[str, str]:
    """A product's folder and arm; a product's id has no dash in it."""
    place, dash, arm = text.rpartition("-") if "/" not in text.rpartition("-")[2] else (text, "", "")
    folder = find("product", place if dash else text)
    chosen = arm if dash else "default"
    known = [one.id for one in read_product(folder).arms]
    if chosen not in known:
        raise EvaluationError(f"{text}: found arm {chosen!r}; allowed: {', '.join(known)}. Name one of these.")
    return {"product": str(folder.resolve()), "arm": chosen}


def rows(found: Sequence[Overhead]) -> list[dict[str, str]]:
    """One row for each arm and workload, and one for all together."""
    table = []
    for one in found:
        table.append({"arm": one.arm_key, "work": "all together", "without (s)": "", "with (s)": "",
                      "times": said(one.together), "rounds": str(one.together.n)})  # fmt: skip
        for line in one.workloads:
            table.append(
                {
                    "arm": one.arm_key,
                    "work": line.workload,
                    "without (s)": _number(line.without_s),
                    "with (s)": _number(line.with_s),
                    "times": said(line.ratio),
                    "rounds": str(line.ratio.n),
                }
            )
    return table


def cost_rows(costs: dict[str, tuple[Cost, ...]]) -> list[dict[str, str]]:
    """What the products themselves use, apart from the work."""
    return [
        {
            "arm": key, "resource": cost.resource, "own containers": said(cost.own),
            "in the nodes, beyond the control": said(cost.on_nodes),
        }
        for key, found in sorted(costs.items())
        for cost in found
    ]  # fmt: skip


def said(estimate: Estimate) -> str:
    """A number with its interval, or why there is none."""
    if estimate.value is None:
        return f"– ({estimate.reason})"
    if estimate.low is None or estimate.high is None:
        return f"{_number(estimate.value)} ({estimate.reason})"
    return f"{_number(estimate.value)} [{_number(estimate.low)}, {_number(estimate.high)}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def markdown(found: Sequence[Overhead], costs: dict[str, tuple[Cost, ...]], command: str) -> str:
    """The measurement as a page of Markdown."""
    parts = [
        "# Overhead: ordinary work with and without products",
        "",
        f"Made by `{command}`. In each round the plan `{PLAN}` is run once without a product and once with each arm, "
        "one trial at a time, in an order drawn from the seed. A ratio is made within a round: 1.2 means that the work "
        "takes 20 % longer with the product; an interval that holds 1 shows no difference. Intervals are 95 %, by "
        "Student's t over rounds, and wide where rounds are few.",
        "",
        *_table(rows(found)),
        "",
        "## What the products themselves use",
        "",
        "Means over the rounds. A product in a container of its own is counted there; one that runs in a node is what "
        "the node used beyond the control of the same round.",
        "",
        *_table(cost_rows(costs)),
    ]
    return "\n".join(parts) + "\n"


def _table(lines: Sequence[dict[str, str]]) -> list[str]:
    if not lines:
        return ["Nothing was measured."]
    header = list(lines[0])
    return [
        "| " + " | ".join(header) + " |",
        "|" + " --- |" * len(header),
        *("| " + " | ".join(line.values()) + " |" for line in lines),
    ]
