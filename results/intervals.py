"""Which steps hold at a moment, for many questions at once.

A piece of evidence (a pid, a file, a node) points at steps: at some while an interval lasts (`IntervalIndex`), at
others ever since they began (`StepSets`). Both answer arrays of questions by binary search, whatever the number of
steps. How an interval index does it: intervals that have begun less those that have ended are counted, and the sum of
the step numbers that have begun less the sum of those that have ended is the number of the one step that is left.
Steps are numbered in the order in which they began.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
FOREVER = 2**62
"""The end (UTC ns) of an interval that does not end."""


class Interval(NamedTuple):
    """A step holds for a key from `low` to `high` (UTC ns, both included). A tuple, because there are many."""

    key: int
    step: int
    low: int
    high: int


class Answers(Protocol):
    """What one kind of evidence says about some rows of a batch."""

    @property
    def rows(self) -> Ints:
        """The rows that have such evidence, ascending."""
        ...

    @property
    def count(self) -> Ints:
        """Number of steps that hold, for each of them."""
        ...

    @property
    def single(self) -> Ints:
        """The step, where `count` is 1; meaningless elsewhere."""
        ...

    @property
    def segment(self) -> Ints:
        """Equal for two rows only if the same steps hold for both (or none does)."""
        ...

    def members(self, place: int, most: int | None = None) -> list[int]:
        """The steps that hold for the row at a place of `rows`, ascending: every one, or so many at most."""
        ...

    def holds(self, place: int, step: int) -> bool:
        """Whether one step holds for the row at a place of `rows`."""
        ...


def merged(intervals: Sequence[Interval]) -> list[Interval]:
    """The same intervals with those of one key and step that overlap made one, so that no step is counted twice."""
    found: list[Interval] = []
    for one in sorted(intervals):
        last = found[-1] if found else None
        if last is not None and last[:2] == one[:2] and one.low <= last.high:
            found[-1] = Interval(one.key, one.step, last.low, max(last.high, one.high))
        else:
            found.append(one)
    return found


class IntervalIndex:
    """Intervals by key, ready to be asked."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        """Sort the beginnings and the ends by key and rank among all of this index's moments."""
        self._intervals = merged(intervals)
        columns = np.array(self._intervals, dtype=np.int64).reshape(-1, 4)
        keys, steps, low, high = columns[:, 0], columns[:, 1], columns[:, 2], columns[:, 3]
        self._moments: Ints = np.unique(np.concatenate((low, high + 1)))
        self._width = len(self._moments) + 1
        self._lows, self._highs = self.ranks(low), self.ranks(high + 1)
        begin, end = np.lexsort((self._lows, keys)), np.lexsort((self._highs, keys))
        self._begins = keys[begin] * self._width + self._lows[begin]
        self._ends = keys[end] * self._width + self._highs[end]
        self._begun_sum = np.concatenate(([0], np.cumsum(steps[begin])))
        self._ended_sum = np.concatenate(([0], np.cumsum(steps[end])))
        self._begin_list: list[int] = self._begins.tolist()
        self._step_list: list[int] = steps[begin].tolist()
        self._high_list: list[int] = self._highs[begin].tolist()
        self._latest = _latest_so_far(keys[begin].tolist(), self._high_list)
        self._spans: dict[tuple[int, int], list[tuple[int, int]]] | None = None

    def ranks(self, moments: Ints) -> Ints:
        """Rank of each moment (UTC ns): how many of the index's moments have come by then."""
        return np.searchsorted(self._moments, moments, side="right").astype(np.int64)

    def ask(self, rows: Ints, keys: Ints, moments: Ints) -> "Lasting":
        """Which steps hold for each key (at least 0) at each moment."""
        ranks = self.ranks(moments)
        questions = keys * self._width + ranks
        begun = np.searchsorted(self._begins, questions, side="right")
        ended = np.searchsorted(self._ends, questions, side="right")
        single = self._begun_sum[begun] - self._ended_sum[ended]
        return Lasting(rows, begun - ended, single, begun + ended, self, keys, ranks)

    def members(self, key: int, rank: int) -> list[int]:
        """Every step that holds, ascending."""
        first = bisect_left(self._begin_list, key * self._width)
        last = bisect_right(self._begin_list, key * self._width + rank, first)
        first = bisect_right(self._latest, rank, first, last)  # whatever stands before it has ended
        return sorted({self._step_list[one] for one in range(first, last) if self._high_list[one] > rank})

    def holds(self, key: int, step: int, rank: int) -> bool:
        """Whether one step holds."""
        if self._spans is None:
            spans: dict[tuple[int, int], list[tuple[int, int]]] = {}
            for one, low, high in zip(self._intervals, self._lows.tolist(), self._highs.tolist(), strict=True):
                spans.setdefault((one.key, one.step), []).append((low, high))
            self._spans = spans
        return any(low <= rank < high for low, high in self._spans.get((key, step), ()))


def _latest_so_far(keys: Sequence[int], highs: Sequence[int]) -> list[int]:
    """For each interval the latest end among those of its key so far."""
    found: list[int] = []
    for place, (key, high) in enumerate(zip(keys, highs, strict=True)):
        found.append(max(high, found[-1]) if place and keys[place - 1] == key else high)
    return found


@dataclass(frozen=True)
class Lasting:
    """Answers of an `IntervalIndex`."""

    rows: Ints
    count: Ints
    single: Ints
    segment: Ints
    index: IntervalIndex
    keys: Ints
    ranks: Ints

    def members(self, place: int, most: int | None = None) -> list[int]:
        """See `Answers`."""
        return self.index.members(int(self.keys[place]), int(self.ranks[place]))[:most]

    def holds(self, place: int, step: int) -> bool:
        """See `Answers`."""
        return self.index.holds(int(self.keys[place]), step, int(self.ranks[place]))


class StepSets:
    """Sets of steps, each of which holds ever since it began."""

    def __init__(self, sets: Sequence[tuple[int, ...]]) -> None:
        """Sets of step numbers, ascending; an empty one never holds."""
        self.sets = sets
        self._sizes = np.array([len(one) for one in sets], dtype=np.int64)
        self._firsts = np.concatenate(([0], np.cumsum(self._sizes)))
        self._steps = np.array([*chain.from_iterable(sets)] or [0], dtype=np.int64)
        self._width = int(self._steps.max()) + 2
        owners = np.repeat(np.arange(len(sets), dtype=np.int64), self._sizes)
        self._sorted = owners * self._width + self._steps[: len(owners)]

    def ask(self, rows: Ints, keys: Ints, begun: Ints) -> "Since":
        """Which steps of the set with each key (at least 0) had begun.

        Args:
            rows: of the questions.
            keys: place of each question's set.
            begun: number of steps of the trial that had begun by then.
        """
        least = self._firsts[keys]
        count = np.searchsorted(self._sorted, keys * self._width + np.minimum(begun, self._width - 1)) - least
        single = self._steps[np.minimum(least, len(self._steps) - 1)]
        return Since(rows, count, single, least + keys + count, self, keys, begun)


@dataclass(frozen=True)
class Since:
    """Answers of `StepSets`."""

    rows: Ints
    count: Ints
    single: Ints
    segment: Ints
    index: StepSets
    keys: Ints
    begun: Ints

    def members(self, place: int, most: int | None = None) -> list[int]:
        """See `Answers`."""
        count = int(self.count[place])
        return list(self.index.sets[int(self.keys[place])][: count if most is None else min(count, most)])

    def holds(self, place: int, step: int) -> bool:
        """See `Answers`."""
        if step >= int(self.begun[place]):
            return False
        members = self.index.sets[int(self.keys[place])]
        at = bisect_left(members, step)
        return at < len(members) and members[at] == step
