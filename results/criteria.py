"""Minimum evidence: what a record must show to be evidence of a step (scoring.md §3), for many records at once.

Each pattern is tried once on each distinct text of its field.
"""

import hashlib
import json
from collections.abc import Callable, Sequence

import numpy as np

from results.columns import Batch, Codes
from results.intervals import Bools, Ints
from results.literals import searcher
from results.records import Condition, StepExecution, StepKind

SEARCHED = 64 * 1024
"""Characters of a field that are searched."""
WHOLE = "any"
"""The name by which a condition means the raw record."""
LISTS = ("techniques", "tactics")
Alternatives = tuple[tuple[Condition, ...], ...]


class Criteria:
    """The criteria of a trial's steps."""

    def __init__(self, criteria: Sequence[Alternatives]) -> None:
        """Number every distinct condition; an alternative without conditions is never met."""
        numbers: dict[tuple[str, str], int] = {}
        for alternatives in criteria:
            for condition in (one for alternative in alternatives for one in alternative):
                numbers.setdefault((condition.field, condition.matches), len(numbers))
        self._conditions = list(numbers)
        self._searchers: dict[int, Callable[[str], bool]] = {}
        named = sorted({"raw" if field == WHOLE else field for field, _pattern in numbers})
        self.fields: tuple[str, ...] = tuple(named)
        """Columns of an observation that the conditions are about."""
        place = {field: number for number, field in enumerate(named)}
        self._field_of = np.array(
            [place["raw" if field == WHOLE else field] for field, _pattern in numbers] or [0], dtype=np.int64
        )
        usable = [[one for one in alternatives if one] for alternatives in criteria]
        self._widest = max((len(one) for one in usable), default=0)
        self._longest = max((len(one) for alternatives in usable for one in alternatives), default=0)
        self._table = np.full((max(1, len(usable)), self._widest, self._longest), -1, dtype=np.int64)
        for step, nonempty in enumerate(usable):
            for row, alternative in enumerate(nonempty):
                for column, condition in enumerate(alternative):
                    self._table[step, row, column] = numbers[condition.field, condition.matches]

    def met(self, batch: Batch, rows: Ints, steps: Ints) -> Bools:
        """For pairs of a row and a step: whether all conditions of one alternative hold."""
        found = np.zeros(len(rows), dtype=bool)
        for alternative in range(self._widest):
            open_ = np.flatnonzero(~found)
            open_ = open_[self._table[steps[open_], alternative, 0] >= 0]
            for place in range(self._longest):
                conditions = self._table[steps[open_], alternative, place]
                asked = conditions >= 0
                holds = np.ones(len(open_), dtype=bool)
                holds[asked] = self._hold(batch, rows[open_[asked]], conditions[asked])
                open_ = open_[holds]
            found[open_] = True
        return found

    def _hold(self, batch: Batch, rows: Ints, conditions: Ints) -> Bools:
        """For pairs of a row and a condition: whether it holds."""
        found = np.zeros(len(rows), dtype=bool)
        fields = self._field_of[conditions]
        for number in np.unique(fields).tolist():
            mine = np.flatnonzero(fields == number)
            if self.fields[number] == "raw":  # hardly ever the same twice
                texts = batch.rows.column("raw").take(rows[mine]).to_pylist()
                searchers = [self._searcher(one) for one in conditions[mine].tolist()]
                found[mine] = [finds(text[:SEARCHED]) for finds, text in zip(searchers, texts, strict=True)]
                continue
            texts = text_of(batch, self.fields[number])
            width = len(texts.texts) + 1
            pairs, which = np.unique(conditions[mine] * width + texts.codes[rows[mine]] + 1, return_inverse=True)
            shown = ("", *texts.texts)
            held = [self._searcher(pair // width)(shown[pair % width][:SEARCHED]) for pair in pairs.tolist()]
            found[mine] = np.array(held, dtype=bool)[which]
        return found

    def _searcher(self, condition: int) -> Callable[[str], bool]:
        found = self._searchers.get(condition)
        if found is None:
            found = self._searchers[condition] = searcher(self._conditions[condition][1])
        return found


def text_of(batch: Batch, field: str) -> Codes:
    """A field as the text that patterns are tried on: numbers as digits, several names joined by spaces."""
    if field not in LISTS:
        return batch.as_text(field)
    coded = batch.codes(field)
    return Codes(coded.codes, tuple(" ".join(json.loads(text)) for text in coded.texts))


def lend(steps: Sequence[StepExecution], seed: int) -> list[StepExecution]:
    """The steps of a trial, with criteria lent to those that have none of their own.

    A twin is lent those of the malicious step that it mirrors, a placebo those of one that the seed draws. Without, no
    alert could count for them by time, and a product that says the right words all the time would be charged nothing
    for it where nothing happened.
    """
    lenders = {step.step_id: step.criteria for step in steps if step.kind is StepKind.MALICIOUS and step.criteria}
    drawn = sorted(lenders)
    lent: list[StepExecution] = []
    for step in steps:
        criteria = step.criteria
        if not criteria and step.kind is StepKind.BENIGN and step.twin_of is not None:
            criteria = lenders.get(step.twin_of, ())
        elif not criteria and step.kind is StepKind.PLACEBO and drawn:
            digest = hashlib.sha256(f"{seed}/{step.step_id}".encode()).digest()
            criteria = lenders[drawn[int.from_bytes(digest[:8], "big") % len(drawn)]]
        lent.append(step if criteria is step.criteria else step.model_copy(update={"criteria": criteria}))
    return lent
