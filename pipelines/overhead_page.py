"""What `pij overhead` found, for people: tables for the terminal, a page of Markdown, and a picture a plan."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipelines.overhead import Measured
from pipelines.overhead_picture import picture
from results.costs import NEVER_COUNTED
from results.measures import Cost, Estimate

TOGETHER = "all together"
MIB = 1024 * 1024
NO_OWN = "the product has no container of its own"
HEAD = """# Overhead: ordinary work with and without products

Made by `{command}`.

In each round the work is done once without a product and once with each arm, one trial at a time, in an order drawn
from the seed. A ratio is made within a round: 1.2 means that the work takes 20 % longer with the product. Intervals are
95 %, by Student's t over rounds, and wide where rounds are few; one that holds 1 shows no difference, which is not to
say that there is none. Each is 95 % by itself: of twenty, about one is off by chance.

What the products themselves use stands apart from the work: means over the same rounds. A product in a container of its
own is counted there ("–": it has none). What runs in a node is the node's use less that of the control of the same
round; it holds what the work itself used more or less than in the control, and can be below 0 by that.

{given}
"""
OWN_WORK = "Each arm does the work that gives its product most to do, by what its manifest says that it sees:"
ALL_WORK = "Every arm does the work of every plan that was named:"


def rows(found: Measured) -> list[dict[str, str]]:
    """One row for each arm and kind of work, and one for all together."""
    table = []
    for one in found.overheads:
        table.append({"arm": one.arm_key, "work": TOGETHER, "without (s)": "", "with (s)": "",
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


def unmeasured_rows(found: Sequence[Measured]) -> list[dict[str, str]]:
    """The arms of which nothing is known, and why."""
    return [
        {"not measured": key, "plan": one.plan, "reason": reason}
        for one in found
        for key, reason in one.unmeasured.items()
    ]


def remark_rows(found: Measured) -> list[dict[str, str]]:
    """What is to be known of an arm's trials."""
    return [{"arm": key, "remark": text} for key, texts in found.remarks.items() for text in texts]


def cost_rows(costs: Mapping[str, Sequence[Cost]]) -> list[dict[str, str]]:
    """What the products themselves use, apart from the work."""
    return [
        {
            "arm": key, "resource": _resource(cost), "own containers": said(cost.own, _scale(cost)),
            "in the nodes, beyond the control": said(cost.on_nodes, _scale(cost)),
        }
        for key, found in sorted(costs.items())
        for cost in found
    ]  # fmt: skip


def said(estimate: Estimate, scale: float = 1.0) -> str:
    """A number with its interval, or why there is none."""
    if estimate.value is None:
        return f"– ({estimate.reason})"
    value = _number(estimate.value / scale)
    if estimate.low is None or estimate.high is None:
        return f"{value} ({estimate.reason})"
    return f"{value} [{_number(estimate.low / scale)}, {_number(estimate.high / scale)}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _scale(cost: Cost) -> float:
    return MIB if cost.resource.endswith("_bytes") else 1.0


def _resource(cost: Cost) -> str:
    """`memory_peak_bytes` -> `memory_peak (MiB)`."""
    return f"{cost.resource.removesuffix('_bytes')} (MiB)" if cost.resource.endswith("_bytes") else cost.resource


def write_page(file: Path, found: Sequence[Measured], command: str, forced: bool = False) -> list[Path]:
    """Write the page, and a picture for each plan beside it; returns their paths. See `markdown`."""
    pictures = {file.with_name(f"{file.stem}-{one.plan}.svg"): picture(one) for one in found if one.overheads}
    texts = {file: markdown(found, command, file.stem, forced), **pictures}
    for path, text in texts.items():
        path.write_text(text, "utf-8")
    return list(texts)


def markdown(found: Sequence[Measured], command: str, stem: str, forced: bool = False) -> str:
    """The measurement as a page of Markdown.

    Args:
        found: one for each plan.
        command: that makes it.
        stem: what the pictures' names begin with.
        forced: the user named the plans.
    """
    parts = [HEAD.format(command=command, given=ALL_WORK if forced else OWN_WORK)]
    parts += [
        f"- **{one.title.en}** (plan `{one.plan}` in environment `{one.environment}`): {_arms(one)}" for one in found
    ]
    for one in found:
        parts += ["", *_of_plan(one, stem)]
    missing = unmeasured_rows(found)
    if missing:
        parts += ["", "## Not measured", "", *_table(missing)]
    return "\n".join(parts) + "\n"


def _arms(one: Measured) -> str:
    keys = sorted({*(line.arm_key for line in one.overheads), *one.unmeasured})
    return ", ".join(f"`{key}`" + (f" ({one.versions[key]})" if key in one.versions else "") for key in keys) + "."


def _of_plan(one: Measured, stem: str) -> list[str]:
    if not one.overheads:
        return [f"## {one.title.en}", "", "Nothing was measured."]
    return [
        f"## {one.title.en}",
        "",
        f"![How many times as long each kind of work takes with each arm, with intervals]({stem}-{one.plan}.svg)",
        "",
        *_table([{"work": action.id, "what is done in one turn": action.title.en} for action in one.actions]),
        "",
        *_table(rows(one)),
        "",
        *(f"- `{row['arm']}`: {row['remark']}." for row in remark_rows(one)),
        *([""] if one.remarks else []),
        "### What the products themselves use",
        "",
        *_costs(one.costs),
    ]


def _costs(costs: Mapping[str, Sequence[Cost]]) -> list[str]:
    """The table without what nobody counted, which is said once."""
    dead = list(dict.fromkeys(
        _resource(cost) for found in costs.values() for cost in found
        if {cost.own.reason, cost.on_nodes.reason} <= {NEVER_COUNTED, NO_OWN} and cost.on_nodes.value is None
        and cost.own.value is None
    ))  # fmt: skip
    kept = [
        {name: "–" if cell == f"– ({NO_OWN})" else cell for name, cell in row.items()}
        for row in cost_rows(costs)
        if row["resource"] not in dead
    ]
    note = ["", f"Not in the table: {', '.join(dead)}; {NEVER_COUNTED}."] if dead else []
    return [*_table(kept), *note]


def _table(lines: Sequence[Mapping[str, str]]) -> list[str]:
    if not lines:
        return ["Nothing was measured."]
    header = list(lines[0])
    return [
        "| " + " | ".join(header) + " |",
        "|" + " --- |" * len(header),
        *("| " + " | ".join(_cell(text) for text in line.values()) + " |" for line in lines),
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
