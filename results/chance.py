"""What a product would be credited with by chance: windows drawn at random, and names given at random (scoring.md §2).

Both use the seed of the trial, so the same trial gives the same numbers.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from results.attribution import ATTRIBUTED, UNATTRIBUTED, Attributor, Claims
from results.columns import Batch
from results.confidence import Floats, normal, rounded, wilson_limits
from results.intervals import Ints
from results.ledger import is_applicable
from results.metrics import wilson
from results.records import Objects, Rate, StepExecution, StepKind, Trial, Verdict

NANO = 1_000_000_000
WINDOWS = 200
"""Windows that are tried for a trial; those that overlap an attack or each other are left out."""


@dataclass
class RandomWindows:
    """Windows of the time without an attack, matched like steps: how often would an alert fall on one?

    Each has the length, the node and the criteria of a malicious step that the seed draws, and nothing else: no process
    and no object. An alert that another step explains falls on none.
    """

    trial: Trial
    steps: Sequence[StepExecution]

    def __post_init__(self) -> None:
        """Draw them."""
        windows = _draw(self.trial, self.steps)
        self.number = len(windows)
        self._matcher = Attributor(windows, self.trial.node_names, self.trial.latency_s)
        self.fields = self._matcher.criteria.fields
        self._alerted: set[int] = set()

    def note(self, batch: Batch, claims: Claims, moments: Ints) -> None:
        """Look for alerts of a batch that fall on a window."""
        rows = np.flatnonzero(claims.status == UNATTRIBUTED)
        if not self.number or not len(rows):
            return
        found = self._matcher.attribute(batch.some(rows), moments[rows])
        hits = (found.status == ATTRIBUTED) & found.meets
        self._alerted.update(found.step[hits].tolist())

    def share(self) -> Rate:
        """Share of the windows on which an alert fell."""
        return wilson(len(self._alerted), self.number)


def windows_share(trials: Iterable[Rate | None]) -> Rate:
    """The windows of several trials together, which count for less where trials differ more than windows do.

    The overdispersion is Pearson's chi-square over its degrees of freedom, at least 1, as for counts.
    """
    found = [one for one in trials if one is not None and one.n]
    plain = wilson(sum(one.hits for one in found), sum(one.n for one in found))
    if len(found) < 2 or plain.hits in (0, plain.n):
        return plain
    hits, n = (np.array(column, dtype=float) for column in zip(*((one.hits, one.n) for one in found), strict=True))
    value = float(hits.sum() / n.sum())
    spread = float(((hits - n * value) ** 2 / (n * value * (1 - value))).sum()) / (len(found) - 1)
    low, high = wilson_limits(np.array([value]), np.array([n.sum() / max(1.0, spread)]), normal())
    method = "Wilson's; windows divided by their overdispersion between trials"
    return plain.model_copy(update={"low": rounded(low[0]), "high": rounded(high[0]), "method": method})


def naming_luck(verdicts: Sequence[Verdict]) -> Rate:
    """How often the techniques named on one step would have been right on another, of another technique.

    A product that names every technique is right on every step, and by this measure by luck alone. Counted over pairs
    of an alerted step, of those that its class can see, and another technique of the plan; what was named is what was
    wrong, besides the step's own.
    """
    malicious = [one for one in verdicts if one.kind is StepKind.MALICIOUS and one.technique]
    techniques = sorted({one.technique for one in malicious if one.technique})
    place = {name: number for number, name in enumerate(techniques)}
    hits, pairs = np.zeros((len(techniques), len(techniques))), np.zeros((len(techniques), len(techniques)))
    ways = Counter((one.technique or "", one.wrong_techniques) for one in malicious if _names(one))
    for (technique, named), times in ways.items():
        wrong = set(named)
        others = [other for other in techniques if _family(other) != _family(technique)]
        pairs[place[technique], [place[other] for other in others]] += times
        right = [place[other] for other in others if other in wrong or _family(other) in wrong]
        hits[place[technique], right] += times
    return _of_pairs(hits, pairs)


def _names(one: Verdict) -> bool:
    return one.category is not None and is_applicable(one)


def _of_pairs(hits: Floats, pairs: Floats) -> Rate:
    """A share over pairs of techniques, (named on, named) each: a pair says little that others don't say.

    The variance is the jackknife's over techniques, each left out both as the one named on and as the one named, after
    J. N. Arvesen, "Jackknifing U-statistics", Annals of Mathematical Statistics 40 (1969). It is too great more often
    than too small (B. Efron, C. Stein, "The jackknife estimate of variance", Annals of Statistics 9, 1981), so nothing
    is taken off for Student's t.
    """
    total, n = float(hits.sum()), float(pairs.sum())
    named_on = float((pairs.sum(axis=1) > 0).sum())
    if n == 0 or named_on < 1:
        return wilson(0, 0)
    value, count = total / n, hits.shape[0]
    own, of = hits.sum(axis=0) + hits.sum(axis=1), pairs.sum(axis=0) + pairs.sum(axis=1)
    rest = np.where(n > of, n - of, 1.0)
    without = np.where(n > of, (total - own) / rest, value)
    variance = float(((without - without.mean()) ** 2).sum()) * (count - 1) / count
    size = named_on  # where nothing can be seen to vary, a technique says one thing
    if variance > 0:
        size = min(n, max(1.0, value * (1 - value) / variance))
    low, high = wilson_limits(np.array([value]), np.array([size]), normal())
    return Rate(
        hits=round(total), n=round(n), value=rounded(value), low=rounded(low[0]), high=rounded(high[0]),
        method="effective number of pairs, from a jackknife over techniques, in Wilson's form", clusters=count,
    )  # fmt: skip


def _family(technique: str) -> str:
    return technique.partition(".")[0]


def _draw(trial: Trial, steps: Sequence[StepExecution]) -> list[StepExecution]:
    malicious = [step for step in steps if step.kind is StepKind.MALICIOUS and step.started_ns and step.ended_ns]
    lenders = [step for step in malicious if step.criteria]
    ran = [step for step in steps if step.started_ns is not None]
    if trial.product is None or not lenders:
        return []
    late = int(trial.latency_s * NANO)
    began = min(step.started_ns or 0 for step in ran)
    ended = max(step.ended_ns or step.started_ns or 0 for step in ran) + late
    taken = np.zeros((len(malicious) + WINDOWS, 2), dtype=np.int64)
    taken[: len(malicious)] = [(step.started_ns or 0, (step.ended_ns or 0) + late) for step in malicious]
    seed = hashlib.sha256(f"windows/{trial.seed}".encode()).digest()
    draw = random.Random(int.from_bytes(seed[:8], "big"))  # noqa: S311  # where to look, no secret
    found: list[StepExecution] = []
    for number in range(WINDOWS):
        lender = draw.choice(lenders)
        length = (lender.ended_ns or 0) - (lender.started_ns or 0)
        if ended - began <= length + late:
            continue
        start = draw.randrange(began, ended - length - late)
        place = len(malicious) + len(found)
        low, high = taken[:place, 0], taken[:place, 1]
        free = bool(((start > high) | (start + length + late < low)).all())
        if free:
            taken[place] = start, start + length + late
            found.append(
                lender.model_copy(
                    update={
                        "step_id": f"window-{number}", "kind": StepKind.PLACEBO, "started_ns": start,
                        "ended_ns": start + length, "processes": (), "objects": Objects(), "container_id": "",
                    }
                )
            )  # fmt: skip
    return found
