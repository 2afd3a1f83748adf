"""Do our rules and our metrics come to the counts that MITRE published beside the detections?

    python -m benchmarks.attack_evaluations FOLDER_OR_FILE ... [--markdown docs/validation/attack-evaluations.md]

Takes the results files of the ATT&CK Evaluations (attackevals/website, `downloadable_JSON/`), whichever are there, and
leaves the layers of ATT&CK Navigator among them aside. Ends with 1 if a number does not come out.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from results.attack_evaluations import Participant, is_layer, load_json, read_participants
from results.attack_evaluations_counts import Check, compare
from results.errors import EvaluationError

COLUMNS = (
    "Participant",
    "Round",
    "Sub-steps",
    "Analytic",
    "Telemetry",
    "Visibility",
    "Published numbers",
    "Reproduced",
)
SHOWN = ("Total_Substeps", "Analytic_Coverage", "Telemetry_Coverage", "Visibility")


def files_in(paths: Iterable[Path]) -> list[Path]:
    """The files given, and those in the folders given."""
    return [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]


def read_all(files: Sequence[Path]) -> tuple[list[Participant], list[Path]]:
    """All participants, and the Navigator layers that were left aside."""
    participants: list[Participant] = []
    layers: list[Path] = []
    for file in files:
        data = load_json(file)
        if is_layer(data):
            layers.append(file)
        else:
            participants += read_participants(file, data)
    return participants, layers


def rows_of(checks: Iterable[Check]) -> list[tuple[str, ...]]:
    """One row a participant and round."""
    grouped: dict[tuple[str, str], list[Check]] = defaultdict(list)
    for one in checks:
        grouped[one.participant, one.adversary].append(one)
    rows = []
    for (participant, adversary), group in grouped.items():
        ours = {one.field: one.ours for one in group}
        shown = [str(ours.get(field, "–")) for field in SHOWN]
        rows.append((participant, adversary, *shown, str(len(group)), str(sum(not one.why for one in group))))
    return rows


def markdown(checks: Sequence[Check], layers: Sequence[Path], nulls: int) -> str:
    """The page of docs/validation."""
    right = sum(not one.why for one in checks)
    lines = [
        "# Published ATT&CK Evaluations",
        "",
        "Results that MITRE Engenuity published, read into our records, judged by `results/verdicts.py` and counted",
        "by `results/ledger.py` and `results/metrics.py`, the code that judges and counts our own trials. Each number",
        "that MITRE published beside the detections stands against ours. Written by",
        "",
        "    python -m benchmarks.attack_evaluations ../shared/data/attack-evaluations --markdown "
        "docs/validation/attack-evaluations.md",
        "",
        f"**{right} of {len(checks)} published numbers come out the same.** {nulls} more are null in the files"
        " (`Total_Alerts`): nothing to reproduce.",
        f"{len(layers)} files are layers of ATT&CK Navigator, without results.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---:|" * (len(COLUMNS) - 2),
        *("| " + " | ".join(row) + " |" for row in rows_of(checks)),
        "",
        *_differences(checks),
        *RULES,
    ]
    return "\n".join(lines) + "\n"


def _differences(checks: Sequence[Check]) -> list[str]:
    wrong = [one for one in checks if one.why]
    if not wrong:
        return ["No number differs.", ""]
    rows = [
        f"| {one.participant} | {one.adversary} | {one.field} | {one.theirs} | {one.ours} | {one.why} |"
        for one in wrong
    ]
    return ["| Participant | Round | Field | Theirs | Ours | Why |", "|---|---|---|---:|---:|---|", *rows, ""]


RULES = (
    "## How MITRE's words become ours",
    "",
    "| published | ours |",
    "|---|---|",
    "| `N/A` (no sensor there, e.g. none for Linux) | not applicable: not in the denominator |",
    "| `None` alone | missed |",
    "| `Telemetry` alone | logged |",
    "| any other (\"analytic\") | alerted |",
    "| `Technique`, `Specific Behavior` | category technique |",
    "| `Tactic` | category tactic |",
    "| `General`, `General Behavior`, `Enrichment`, `Indicator of Compromise`, `MSSP` | category general |",
    "| `Analytic_Coverage`, `Visibility` | our rates `alerted`, `visible` over the applicable steps |",
    "| `Telemetry_Coverage` | share of applicable steps with telemetry, alerted or not |",
    "| `Analytic_Detections`, `Telemetry_Detections` | counted alerts; telemetry records |",
    "| `… (without MSSP)` | the same with what the participant's people told left out |",
    "",
    "Two sub-steps have `None` beside a detection (BlackBerry Cylance, apt29, 16.C.2; F-Secure, carbanak_fin7,",
    "14.A.4): MITRE counts the detection, and so do we.",
    "",
    "## What this does not show",
    "",
    "The categories (general, tactic, technique) are our reading of each round's definitions: MITRE publishes no",
    "counts by category to compare with. Protection tests have no aggregates. Attribution is MITRE's; the files have",
    "neither times nor processes. A file that is not in that folder comes out the same: Microsoft's triton round, 7 of",
    "7 numbers (`tests/results/test_attack_evaluations.py`).",
)  # fmt: skip


def main() -> int:
    """Compare, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("paths", nargs="+", type=Path, help="results files, or folders of them")
    parser.add_argument("--markdown", type=Path, help="write the page there")
    chosen = parser.parse_args()
    participants, layers = read_all(files_in(chosen.paths))
    checks = [check for participant in participants for check in compare(participant)]
    nulls = sum(
        value is None
        for participant in participants
        for adversary in participant.adversaries
        for counts in participant.published(adversary).values()
        for value in counts.values()
    )
    table = Table(*COLUMNS)
    for row in rows_of(checks):
        table.add_row(*row)
    console = Console(width=140)
    console.print(table)
    for one in checks:
        if one.why:
            print(f"{one.participant}, {one.adversary}, {one.field}: theirs {one.theirs}, ours {one.ours}: {one.why}")
    right = sum(not one.why for one in checks)
    print(f"{right} of {len(checks)} published numbers reproduced; {nulls} published as null; {len(layers)} layers")
    if chosen.markdown:
        chosen.markdown.write_text(markdown(checks, layers, nulls), "utf-8")
    return 0 if checks and right == len(checks) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EvaluationError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
