"""Attribution: the claim, with its evidence, that a step caused an alert (scoring.md §2).

No marker is planted. Evidence, strongest first: container, process lineage, object, time and node. An
observation is attributed by the strongest kind that points at exactly one step. If the strongest kind it has
fits several steps equally well, the next kind may decide among them; if none does, it is ambiguous and counts
for nobody. A step that began after an observation's own time can't have caused it.

An observation may name other steps' processes or objects besides: it then counts for those, too (`correlated`), if it
holds their minimum evidence; else whoever runs as a user that an earlier step made would credit that step.

All of this is worked out by column (`results.pointers`, `results.intervals`). Only observations whose evidence
fits several steps are looked at in Python, once for each distinct case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from results.columns import Batch
from results.criteria import Criteria
from results.intervals import Answers, Bools, Ints
from results.irregular import Irregular
from results.pointers import NAMED, TIME, Pointers
from results.quality import unknown_nodes
from results.records import AttributionStatus, StepExecution, StepKind

CANDIDATES_SHOWN = 20
"""Of the steps that an ambiguous observation fits; a name like `root` may fit thousands."""
Words = npt.NDArray[np.uint64]
STATUSES = tuple(AttributionStatus)
ATTRIBUTED, AMBIGUOUS, UNATTRIBUTED, HARNESS = range(len(STATUSES))
FIELDS = (
    "observation_id", "time_ns", "received_ns", "techniques", "tactics", "action", "node", "pid", "parent_pid",
    "file_path", "url", "user", "source_address", "destination_address", "destination_port", "container_id",
    "canary", "outside",
)  # fmt: skip
"""Columns of an observation that attribution and verdicts read, besides those that criteria name."""


@dataclass
class Claims:
    """What became of each observation of a batch."""

    status: Ints
    """Place in `STATUSES`."""
    step: Ints
    """Place in `Attributor.steps`; -1 for none."""
    evidence: Ints
    """Place in `results.pointers.EVIDENCE`; -1 for none."""
    meets: Bools
    """It holds the step's minimum evidence."""
    irregular: Ints
    """`Irregular` flags about names."""
    case: Ints
    """Place in `cases`; -1 for rows that no two steps fitted, or that were decided."""
    cases: list[tuple[int, ...]] = field(default_factory=list)
    """The steps that fitted a row, where more than one did: once for all rows alike, by the first of them."""
    more: list[tuple[int, int, int]] = field(default_factory=list)
    """(row, step, evidence): steps that it names besides, and whose minimum evidence it holds."""


class Attributor:
    """Attributes the observations of one trial. Built once, so that each observation costs a few look-ups."""

    def __init__(
        self, steps: Sequence[StepExecution], node_names: Mapping[str, Sequence[str]], latency_s: float
    ) -> None:
        """Index the steps that ran.

        Args:
            steps: of the trial, canaries included, with lent criteria (`results.criteria.lend`).
            node_names: node -> every name that a product may call it by.
            latency_s: the product's declared latency.
        """
        ran = [step for step in steps if step.started_ns is not None]
        self.steps = tuple(sorted(ran, key=lambda step: step.started_ns or 0))
        self.names = tuple(step.step_id for step in self.steps)
        self.criteria = Criteria([step.criteria for step in self.steps])
        self._node_names, self._latency_s = node_names, latency_s
        self._canary = np.array([*(step.kind is StepKind.CANARY for step in self.steps), False])

    @cached_property
    def _pointers(self) -> Pointers:
        """Made when the first observation asks: a control has thousands of steps, and hardly ever an alert."""
        return Pointers(self.steps, self._node_names, self._latency_s)

    def node_of(self, name: str) -> str | None:
        """The node that a product calls by a name."""
        return self._pointers.node_of.get(name)

    def attribute(self, batch: Batch, moments: Ints) -> Claims:
        """Attribute a batch.

        Args:
            batch: with the columns `FIELDS` and those that `criteria.fields` names.
            moments: when each observation is placed (`results.quality.Times.moment`).
        """
        outside = batch.flags("outside")
        own = batch.flags("canary") | outside
        answers = self._pointers.ask(batch, moments)
        claims = self._decide(batch, moments, answers, own)
        claims.status[self._canary[claims.step]] = HARNESS
        rows = np.flatnonzero(claims.step >= 0)
        more = [] if not len(rows) else self._more(answers, claims)
        pairs = np.concatenate((rows, np.array([one[0] for one in more], dtype=np.int64)))
        steps = np.concatenate((claims.step[rows], np.array([one[1] for one in more], dtype=np.int64)))
        met = self.criteria.met(batch, pairs, steps)
        claims.meets[rows] = met[: len(rows)]
        claims.more = [one for one, holds in zip(more, met[len(rows) :].tolist(), strict=True) if holds]
        claims.irregular[unknown_nodes(batch, self._pointers.node_of) & ~own] |= Irregular.UNKNOWN_NODE
        claims.irregular[self._pointers.reused(batch) & ~own] |= Irregular.PID_REUSED
        claims.irregular[outside] |= Irregular.OUTSIDE
        return claims

    def _decide(self, batch: Batch, moments: Ints, answers: dict[int, Answers], own: Bools) -> Claims:
        """Each row by its strongest evidence that points at one step; rows that several fit, case by case."""
        step = np.full(batch.size, -1, dtype=np.int64)
        evidence = np.full(batch.size, -1, dtype=np.int64)
        several = np.zeros(batch.size, dtype=bool)
        for number, one in answers.items():
            _settle(number, one, step, evidence, several, own)
        left = np.flatnonzero((step < 0) & ~own)
        answers[TIME] = self._pointers.ask_time(batch, moments, left)
        _settle(TIME, answers[TIME], step, evidence, several, own)
        status = np.where(step >= 0, ATTRIBUTED, UNATTRIBUTED)
        status[own] = HARNESS
        meets, irregular = np.zeros(batch.size, dtype=bool), np.zeros(batch.size, dtype=np.int64)
        claims = Claims(status, step, evidence, meets, irregular, np.full(batch.size, -1, dtype=np.int64))
        self._decide_cases(np.flatnonzero(several), answers, claims)
        return claims

    def _decide_cases(self, rows: Ints, answers: Mapping[int, Answers], claims: Claims) -> None:
        """Rows that several steps fit: what one kind of evidence leaves open, the next may decide."""
        if not len(rows):
            return
        places = {number: _places(one, rows) for number, one in answers.items() if len(one.rows)}
        counts = {
            number: np.where(at >= 0, answers[number].count[np.maximum(at, 0)], 0) for number, at in places.items()
        }
        words = np.zeros(len(rows), dtype=np.uint64)
        for number, at in places.items():
            segment = answers[number].segment[np.maximum(at, 0)]
            words = _mixed(words, np.where(counts[number] > 0, segment, -1))
        _values, first, case = np.unique(words, return_index=True, return_inverse=True)
        order = np.argsort(first)
        first, case = first[order], np.argsort(order)[case]
        asked: list[list[tuple[int, Answers, int, int]]] = [[] for _case in first]
        for number, at in places.items():
            some = np.flatnonzero(counts[number][first] > 0)
            each = zip(some.tolist(), at[first[some]].tolist(), counts[number][first[some]].tolist(), strict=True)
            for one, place, count in each:
                asked[one].append((number, answers[number], place, count))
        found = [_decided(one) for one in asked]
        evidence = np.array([-1 if number is None else number for number, _steps in found], dtype=np.int64)
        alone = np.array([-1 if number is None else steps[0] for number, steps in found], dtype=np.int64)
        claims.cases = [steps for number, steps in found if number is None]
        claims.status[rows] = np.where(evidence[case] < 0, AMBIGUOUS, ATTRIBUTED)
        claims.step[rows], claims.evidence[rows] = alone[case], evidence[case]
        claims.case[rows] = np.where(evidence < 0, np.cumsum(evidence < 0) - 1, -1)[case]

    def _more(self, answers: Mapping[int, Answers], claims: Claims) -> list[tuple[int, int, int]]:
        """Where other evidence of a row, attributed by process or object, points at one other step."""
        found: dict[tuple[int, int], int] = {}
        by_name = (claims.evidence >= NAMED.start) & (claims.evidence < NAMED.stop)
        by_name &= ~self._canary[claims.step]
        for number in NAMED:
            one = answers[number]
            other = (one.count == 1) & by_name[one.rows] & (one.single != claims.step[one.rows])
            other &= ~self._canary[np.where(other, one.single, -1)]
            for pair in zip(one.rows[other].tolist(), one.single[other].tolist(), strict=True):
                found.setdefault(pair, number)
        return [(row, step, number) for (row, step), number in sorted(found.items())]


def _settle(number: int, one: Answers, step: Ints, evidence: Ints, several: Bools, own: Bools) -> None:
    """Note which open rows one kind of evidence decides, and which it leaves to several steps."""
    open_ = (step[one.rows] < 0) & ~several[one.rows] & ~own[one.rows]
    alone = open_ & (one.count == 1)
    step[one.rows[alone]] = one.single[alone]
    evidence[one.rows[alone]] = number
    several[one.rows[open_ & (one.count > 1)]] = True


def _places(one: Answers, rows: Ints) -> Ints:
    """Where each of these rows stands among an answer's own; -1 where it does not."""
    at = np.searchsorted(one.rows, rows)
    if not len(one.rows):
        return np.full(len(rows), -1, dtype=np.int64)
    at = np.minimum(at, len(one.rows) - 1)
    return np.where(one.rows[at] == rows, at, -1)


def _mixed(words: Words, values: Ints) -> Words:
    """64 bits that stand for a row's answers so far and one more (splitmix64's finaliser, by S. Vigna)."""
    mixed = words * np.uint64(0x9E3779B97F4A7C15) + values.astype(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def _decided(asked: Sequence[tuple[int, Answers, int, int]]) -> tuple[int | None, tuple[int, ...]]:
    """The evidence that decides one row and its step, or None and the first of the steps that fit.

    The larger of two sets is never written out: its members are looked up one by one.

    Args:
        asked: the kinds of evidence that point at any step, strongest first: number, answers, place, how many steps.
    """
    (_number, whole, at, size), *others = asked
    some: list[int] | None = None
    for number, one, place, count in others:
        if some is None and count > size:
            some = whole.members(at)
        if some is not None:
            fitting = [step for step in some if one.holds(place, step)]
        else:
            fitting = [step for step in one.members(place) if whole.holds(at, step)]
        if len(fitting) == 1:
            return number, tuple(fitting)
        some = fitting or some
    return None, tuple(whole.members(at, CANDIDATES_SHOWN) if some is None else some[:CANDIDATES_SHOWN])
