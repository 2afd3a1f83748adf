"""What counts for each step of a trial: gathered by column from the claims, handed to the verdicts step by step."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from results.attribution import ATTRIBUTED, Claims
from results.columns import Batch
from results.intervals import Bools, Ints
from results.irregular import Irregular
from results.pointers import EVIDENCE, TIME
from results.quality import Times
from results.records import Action, Kind

NAMED_AT_MOST = 20
"""Observations that a verdict names of each kind: as many as a page shows. `attributions.parquet` has them all."""


@dataclass(frozen=True)
class Said:
    """What counted alerts named, once for each distinct way of saying it."""

    techniques: str
    """JSON list, as the product spelt them."""
    tactics: str
    by_time: bool
    """Attributed by time alone."""


@dataclass(frozen=True)
class StepEvidence:
    """All that speaks for a step."""

    alerts: tuple[str, ...] = ()
    """Ids of the first alerts that count, by their time."""
    more_alerts: int = 0
    """How many count beyond these."""
    said: tuple[Said, ...] = ()
    blocked: bool = False
    """One of them says that the product blocked."""
    shared: bool = False
    """Each of them counts for other steps, too."""
    alert_kind: Kind | None = None
    """Strongest evidence among them."""
    first_ns: int | None = None
    """The product's own time of the first of them that has one."""
    first_received_ns: int | None = None
    earliest_receipt_ns: int | None = None
    """Receipt of the first that came, whether it has a time of its own or not."""
    telemetry: tuple[str, ...] = ()
    """Ids of the first telemetry records that hold its minimum evidence."""
    telemetry_kind: Kind | None = None
    repeats: int = 0
    """Alerts that say byte for byte what one that counts says: no evidence, but volume."""


@dataclass(frozen=True)
class _Kept:
    """Some of the rows that count, in the order in which they were gathered."""

    steps: Ints
    moments: Ints
    """By which a step's rows are put in order."""
    timed: Bools
    received: Ints
    ids: pa.Array


def _joined(some: Sequence[_Kept]) -> _Kept:
    return _Kept(
        np.concatenate([one.steps for one in some]),
        np.concatenate([one.moments for one in some]),
        np.concatenate([one.timed for one in some]),
        np.concatenate([one.received for one in some]),
        pa.concat_arrays([one.ids for one in some]),
    )


def _in_turn(steps: Ints, moments: Ints) -> tuple[Ints, Ints, Ints]:
    """Rows by step and moment: their order, where each step begins in it, and each row's number within its step."""
    order = np.lexsort((moments, steps))
    _steps, first, counts = np.unique(steps[order], return_index=True, return_counts=True)
    return order, first, np.arange(len(order)) - np.repeat(first, counts)


class Counting:
    """Gathers the rows that count, batch by batch: for most of it one number for each step is enough."""

    def __init__(self, alert: bool, steps: int) -> None:
        """For the alerts or the telemetry of a trial with so many steps."""
        self._alert = alert
        self._kept: list[_Kept] = []
        self._counts = np.zeros(steps, dtype=np.int64)
        self._said: list[tuple[Ints, Ints]] = []
        self._ways: dict[tuple[int, int, bool], int] = {}
        self._texts: dict[str, int] = {}
        self._blocked = np.zeros(steps, dtype=bool)
        self._alone = np.zeros(steps, dtype=bool)
        self._repeats = np.zeros(steps, dtype=np.int64)
        self._evidence = np.full(steps, len(EVIDENCE), dtype=np.int64)
        self._received = np.full(steps, np.iinfo(np.int64).max)

    def add(self, batch: Batch, claims: Claims, times: Times) -> None:
        """Take a batch's alerts that name the step's process or object, or hold its criteria; or its telemetry.

        What repeats an earlier record counts for nothing more.
        """
        place = slice(batch.first, batch.first + batch.size)
        fresh = (times.irregular[place] & Irregular.REPEATED) == 0
        counts = claims.meets | ((claims.evidence != TIME) if self._alert else False)
        counts &= claims.status == ATTRIBUTED
        first = np.flatnonzero(counts & fresh)
        np.add.at(self._repeats, claims.step[counts & ~fresh], 1)
        more = [one for one in claims.more if fresh[one[0]]] if self._alert else []
        besides = np.array(more, dtype=np.int64).reshape(-1, 3)
        rows = np.concatenate((first, besides[:, 0]))
        steps = np.concatenate((claims.step[first], besides[:, 1]))
        evidence = np.concatenate((claims.evidence[first], besides[:, 2]))
        np.add.at(self._counts, steps, 1)
        self._keep(batch, rows, steps, times)
        self._alone[claims.step[first[~np.isin(first, besides[:, 0])]]] = True
        self._blocked[steps[self._is(batch, "action", Action.BLOCKED.value)[rows] > 0]] = True
        np.minimum.at(self._evidence, steps, evidence)
        np.minimum.at(self._received, steps, times.received[place][rows])
        if self._alert:
            self._note_said(batch, rows, steps, evidence)

    def steps(self) -> dict[int, StepEvidence]:
        """Step -> its evidence; steps without any are left out."""
        if not any(len(one.steps) for one in self._kept):
            return {}
        kept = _joined(self._kept)
        order, first, nth = _in_turn(kept.steps, kept.moments)
        steps, shown = kept.steps[order], nth < NAMED_AT_MOST
        ids = kept.ids.take(pa.array(order[shown])).to_pylist()
        ends = np.cumsum(np.add.reduceat(shown, first)).tolist()
        named = {
            step: tuple(ids[low:high]) for step, low, high in zip(steps[first].tolist(), [0, *ends], ends, strict=False)
        }
        if not self._alert:
            return {
                step: StepEvidence(telemetry=some, telemetry_kind=EVIDENCE[int(self._evidence[step])][1])
                for step, some in named.items()
            }
        timed = order[kept.timed[order]]
        has_time, place = np.unique(kept.steps[timed], return_index=True)
        earliest = timed[place]
        own = dict(zip(has_time.tolist(), kept.moments[earliest].tolist(), strict=True))
        receipt = dict(zip(has_time.tolist(), kept.received[earliest].tolist(), strict=True))
        said = self._ways_of_steps()
        return {
            step: StepEvidence(
                alerts=some,
                more_alerts=int(self._counts[step]) - len(some),
                said=tuple(said[step]),
                blocked=bool(self._blocked[step]),
                shared=not self._alone[step],
                alert_kind=EVIDENCE[int(self._evidence[step])][1],
                first_ns=own.get(step),
                first_received_ns=receipt.get(step),
                earliest_receipt_ns=int(self._received[step]),
                repeats=int(self._repeats[step]),
            )
            for step, some in named.items()
        }

    def _keep(self, batch: Batch, rows: Ints, steps: Ints, times: Times) -> None:
        """Of a batch only what may be named or be the first with a time of its own: a step can have any number."""
        if not len(rows):
            return
        at = rows + batch.first
        moments, timed = times.moment[at] if self._alert else at, times.timed[at]
        order, _first, nth = _in_turn(steps, moments)
        has_time = order[timed[order]]
        _steps, place = np.unique(steps[has_time], return_index=True)
        kept = np.unique(np.concatenate((order[nth < NAMED_AT_MOST], has_time[place])))
        ids = batch.ids.take(pa.array(rows[kept]))
        self._kept.append(_Kept(steps[kept], moments[kept], timed[kept], times.received[at[kept]], ids))

    def _note_said(self, batch: Batch, rows: Ints, steps: Ints, evidence: Ints) -> None:
        """The distinct ways in which a batch's alerts name techniques and tactics, step by step."""
        if not len(rows):
            return
        techniques, tactics = self._numbered(batch, "techniques")[rows], self._numbered(batch, "tactics")[rows]
        width = len(self._texts)
        ways, way = np.unique((techniques * width + tactics) * 2 + (evidence == TIME), return_inverse=True)
        each = [(one // 2 // width, one // 2 % width, bool(one % 2)) for one in ways.tolist()]
        numbers = np.array([self._ways.setdefault(one, len(self._ways)) for one in each], dtype=np.int64)
        pairs = np.unique(steps * len(ways) + way)
        self._said.append((pairs // len(ways), numbers[pairs % len(ways)]))

    def _ways_of_steps(self) -> dict[int, list[Said]]:
        """Step -> the distinct ways in which its alerts name techniques and tactics."""
        texts, ways = list(self._texts), list(self._ways)
        said = [Said(texts[techniques], texts[tactics], by_time) for techniques, tactics, by_time in ways]
        rank = np.empty(len(ways), dtype=np.int64)
        order = sorted(range(len(ways)), key=ways.__getitem__)
        rank[order] = np.arange(len(ways))
        steps, numbers = (np.concatenate(column) for column in zip(*self._said, strict=True))
        found: dict[int, list[Said]] = {}
        for pair in np.unique(steps * len(ways) + rank[numbers]).tolist():
            found.setdefault(pair // len(ways), []).append(said[order[pair % len(ways)]])
        return found

    def _numbered(self, batch: Batch, name: str) -> Ints:
        """A text column as numbers that hold for all batches."""
        coded = batch.codes(name)
        empty = self._texts.setdefault("[]", len(self._texts))
        return coded.of([self._texts.setdefault(text, len(self._texts)) for text in coded.texts], empty)

    @staticmethod
    def _is(batch: Batch, name: str, value: str) -> Ints:
        coded = batch.codes(name)
        return coded.of([int(text == value) for text in coded.texts], 0)
