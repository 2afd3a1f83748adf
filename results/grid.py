"""The executions of one arm as a table of steps and repetitions, so that two arms can be laid on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.confidence import Floats
from results.ledger import DETECTED, METRICS, Ledger, Mask

RESTRICTED_S = 60.0
"""A delay counts up to here in a weighted score; a miss counts as this long. An alert without a time of its own
counts by its receipt: it came at the latest then."""
COMPONENTS = ("prevented", "technique", "tactic", "general", "logged", "missed", "twins_disturbed", "delay")
"""What a reader may weigh, besides `cost`; each is a mean over executions, from 0 to 1."""


@dataclass(frozen=True)
class Grid:
    """One arm. Tables are (steps, repetitions), and the same cell is the same step with the same seed in every arm."""

    clusters: tuple[str, ...]
    cluster: NDArray[np.intp]
    """(steps,) technique of each step."""
    malicious: Mask
    """(steps, repetitions): a valid malicious execution that the product's class can see."""
    judged: Mask
    """(steps, repetitions): a valid malicious execution, whether its class can see it or not."""
    benign: Mask
    """(steps, repetitions): a valid benign execution."""
    values: Mapping[str, Floats]
    """Metric -> table; `missed` with what is beyond the class and was not seen; `twins_left_alone`, `twins_disturbed`
    (not left alone: alerted on, blocked or disrupted) and `delay` (share of `RESTRICTED_S`; NaN for an alert of which
    not even the receipt is known), too."""
    times: Floats
    """Delay of each alert, else how long the miss was watched, in seconds; NaN where neither is known."""
    events: Mask
    """Whether `times` is a delay."""

    def rows(self, metric: str) -> Mask:
        """The executions over which a metric is a mean."""
        return self.benign if metric.startswith("twins") else self.malicious

    def by_cluster(self, table: Floats, cells: Mask) -> Floats:
        """Sums of a table over chosen cells, technique by technique: (clusters,)."""
        sums = np.where(cells, table, 0.0).sum(axis=1)
        return np.bincount(self.cluster, weights=sums, minlength=len(self.clusters)).astype(np.float64)


def make_grids(
    ledgers: Mapping[str, Ledger], watched: Mapping[str, Mapping[str, float]] | None = None
) -> dict[str, Grid]:
    """Lay the ledgers of several arms out alike.

    Args:
        ledgers: arm -> ledger, all made with the same clusters and steps.
        watched: trial id -> step id -> seconds that a miss was watched; None if that is not known any more.
    """
    repetitions = np.unique(np.concatenate([one.repetition for one in ledgers.values()]))
    return {arm: _grid(ledger, repetitions, watched or {}) for arm, ledger in ledgers.items()}


def _grid(ledger: Ledger, repetitions: NDArray[np.intp], watched: Mapping[str, Mapping[str, float]]) -> Grid:
    shape = (len(ledger.steps), repetitions.size)
    where = (ledger.step, np.searchsorted(repetitions, ledger.repetition))

    def table(values: Sequence[object] | NDArray[np.generic], fill: float = 0.0) -> Floats:
        laid = np.full(shape, fill)
        laid[where] = values
        return laid

    times, events, delays = _times(ledger, watched)
    values = {name: table(ledger.holds[:, i]) for i, name in enumerate(METRICS)}
    values["missed"] = np.maximum(values["missed"], table(_not_seen(ledger)))
    values["twins_left_alone"] = table(ledger.left_alone)
    values["twins_disturbed"] = table(~ledger.left_alone)
    values["delay"] = table(delays, 1.0)
    cluster = np.zeros(shape[0], dtype=np.intp)
    cluster[ledger.step] = ledger.cluster
    return Grid(
        clusters=ledger.clusters,
        cluster=cluster,
        malicious=table(ledger.malicious & ledger.applicable) > 0,
        judged=table(ledger.malicious & ledger.valid) > 0,
        benign=table(ledger.benign & ledger.valid) > 0,
        values=values,
        times=table(times, np.nan),
        events=table(events) > 0,
    )


def _not_seen(ledger: Ledger) -> Mask:
    """Valid executions beyond the class that nothing came of.

    Where arms of different classes stand on the same steps these are misses: else a weight on misses would pay for a
    narrow declaration.
    """
    seen = ledger.metric("visible") | ledger.disrupted
    return ledger.malicious & ledger.valid & ~ledger.applicable & ~seen


def _times(ledger: Ledger, watched: Mapping[str, Mapping[str, float]]) -> tuple[Floats, Mask, Floats]:
    """For each execution: seconds (NaN where not known), whether they are a delay, and the delay as weighed."""
    times, events = np.full(ledger.step.size, np.nan), np.zeros(ledger.step.size, dtype=bool)
    delays = np.ones(ledger.step.size)
    for index, verdict in enumerate(ledger.verdicts):
        if verdict.latency_s is not None:
            times[index], events[index] = max(0.0, verdict.latency_s), True
            delays[index] = _share(verdict.latency_s)
        elif verdict.outcome in DETECTED:
            delays[index] = np.nan if verdict.received_s is None else _share(verdict.received_s)
        elif not verdict.alerts:
            times[index] = watched.get(verdict.trial_id, {}).get(verdict.step_id, np.nan)
    return times, events, delays


def _share(seconds: float) -> float:
    """Of `RESTRICTED_S`."""
    return min(max(0.0, seconds), RESTRICTED_S) / RESTRICTED_S
