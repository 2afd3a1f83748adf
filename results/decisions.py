"""What a campaign's own rules left out, as `schedule.jsonl` says it: its budget, and its stopping rule."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from results.errors import EvaluationError
from results.paths import DECISIONS
from results.records import CONTROL

LEFT_OUT, SETTLED, CHANGED = "not run", "settled", "pace changed"


def read_decisions(folder: Path) -> list[dict[str, Any]]:
    """Every decision, in order; none if nothing was left out.

    Raises:
        EvaluationError: a line is none.
    """
    path = folder / DECISIONS
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise EvaluationError(
                f"{path}:{number}: found {line[:60]!r}; allowed: a decision, as JSON, a line. Restore the file."
            )
        found.append(entry)
    return found


def explained(
    decisions: Collection[Mapping[str, Any]], trials: Collection[str], arms: Collection[str], has_budget: bool
) -> set[str]:
    """The trials that a decision left out.

    Args:
        decisions: of the campaign's schedule.
        trials: ids, `<arm>-r<repetition>`.
        arms: all that were to be compared.
        has_budget: without one, no trial can have been left out for it.
    """
    left_out = {str(one.get("trial")) for one in decisions if one.get("decision") == LEFT_OUT and has_budget}
    settled = {
        (frozenset((str(one.get("first")), str(one.get("second")))), int(one.get("repetition") or 0))
        for one in decisions
        if one.get("decision") == SETTLED
    }

    def is_settled(arm: str, before: int) -> bool:
        """All pairs of the arm were settled by an earlier repetition."""
        others = [other for other in arms if other != arm]
        pairs = {pair for pair, repetition in settled if 0 < repetition < before}
        return bool(others) and arm in arms and all(frozenset((arm, other)) in pairs for other in others)

    found = set()
    for trial in trials:
        arm, _dash, repetition = trial.rpartition("-r")
        if trial in left_out or (repetition.isdigit() and is_settled(arm, int(repetition))):
            found.add(trial)
        if arm == CONTROL and repetition.isdigit() and arms and all(is_settled(one, int(repetition)) for one in arms):
            found.add(trial)  # there was nothing left to be held against it
    return found


def note_decision(folder: Path, decision: dict[str, object]) -> None:
    """Append a decision to the campaign's schedule, once."""
    line = json.dumps(decision, sort_keys=True, ensure_ascii=False)
    path = folder / DECISIONS
    try:
        before = path.read_text("utf-8").splitlines() if path.is_file() else []
        if line not in before:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
    except OSError as error:
        raise EvaluationError(
            f"{path}: {error.strerror}; make room or correct the permissions, then run again."
        ) from error
