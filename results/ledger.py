"""Verdicts of one arm as arrays, one row a step execution: what every metric counts over."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.confidence import Floats
from results.records import Category, Outcome, StepExecution, StepKind, Verdict

Address = tuple[str, int]
"""(step id, repetition): what is compared between arms."""
BLANK = (Outcome.INVALID, Outcome.NOT_APPLICABLE)
DETECTED = (Outcome.ALERTED, Outcome.PREVENTED)
METRICS: dict[str, Callable[[Verdict], bool]] = {
    "prevented": lambda v: v.outcome is Outcome.PREVENTED,
    "alerted": lambda v: v.outcome is Outcome.ALERTED,
    "technique": lambda v: v.outcome is Outcome.ALERTED and v.category is Category.TECHNIQUE,
    "tactic": lambda v: v.outcome is Outcome.ALERTED and v.category is Category.TACTIC,
    "general": lambda v: v.outcome is Outcome.ALERTED and v.category is Category.GENERAL,
    "logged": lambda v: v.outcome is Outcome.LOGGED,
    "missed": lambda v: v.outcome is Outcome.MISSED,
    "visible": lambda v: v.outcome in (Outcome.PREVENTED, Outcome.ALERTED, Outcome.LOGGED),
    "detected": lambda v: v.outcome in DETECTED,
}
"""Metric -> whether a verdict on a malicious step counts for it."""
BY_ALERT = ("alerted", "technique", "tactic", "general", "detected")
"""Metrics that chance can raise: an alert that falls on a step by accident."""
Mask = NDArray[np.bool_]


def is_applicable(verdict: Verdict) -> bool:
    """Whether an execution is in the `applicable` and `common` denominators: valid, and within the declared class.

    `Verdict.applicable` says the latter; verdicts of older scorers and a person's ruling say it by their outcome.
    """
    return verdict.outcome not in BLANK and verdict.applicable


@dataclass(frozen=True)
class Ledger:
    """The executions of one arm. All arrays have one row an execution, in the order of the verdicts."""

    verdicts: tuple[Verdict, ...]
    clusters: tuple[str, ...]
    """Of the whole campaign, so that arms can be compared cluster by cluster."""
    cluster: NDArray[np.intp]
    steps: tuple[str, ...]
    step: NDArray[np.intp]
    repetition: NDArray[np.intp]
    malicious: Mask
    benign: Mask
    placebo: Mask
    valid: Mask
    """Its outcome is not `invalid`."""
    applicable: Mask
    """And the product's declared class can see it, whatever was seen; see `is_applicable`."""
    common: Mask
    """Valid and applicable for every arm of the campaign."""
    disrupted: Mask
    """Its effect is absent without the product's word: it neither happened nor was it prevented."""
    holds: NDArray[np.bool_]
    """(executions, METRICS)."""
    alerts: NDArray[np.intp]
    """Counted alerts of each, and those that repeat one byte for byte."""
    left_alone: Mask
    """No alert, and its effect came about: what should become of a benign step."""

    def metric(self, name: str) -> Mask:
        """Whether each execution counts for a metric."""
        return np.asarray(self.holds[:, list(METRICS).index(name)])

    def by_cluster(self, rows: Mask, values: NDArray[np.bool_] | Floats) -> tuple[Floats, Floats]:
        """Sums over the chosen executions, cluster by cluster: (clusters, columns) and how many, (clusters, 1)."""
        where, count = self.cluster[rows], len(self.clusters)
        table = np.atleast_2d(values.astype(np.float64).T).T[rows]
        sums = [np.bincount(where, weights=column, minlength=count).astype(np.float64) for column in table.T]
        return np.stack(sums, axis=1), np.bincount(where, minlength=count).astype(np.float64)[:, None]

    def by_step(self, rows: Mask, values: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Sums over the chosen executions, step by step: (steps,) and how many, (steps,)."""
        where, count = self.step[rows], len(self.steps)
        sums = np.bincount(where, weights=values[rows].astype(np.float64), minlength=count).astype(np.float64)
        return sums, np.bincount(where, minlength=count).astype(np.float64)


def clusters_of(trials: Sequence[Sequence[StepExecution]]) -> dict[str, str]:
    """Step id -> what it is resampled with: its technique; for a twin that of the step it mirrors; else itself."""
    techniques: dict[str, str] = {}
    twins: dict[str, str] = {}
    for steps in trials:
        for step in steps:
            if step.kind is StepKind.CANARY or step.step_id in techniques:
                continue
            techniques[step.step_id] = step.technique or f"step {step.step_id}"
            if step.twin_of is not None:
                twins[step.step_id] = step.twin_of
    return techniques | {twin: techniques.get(mirrored, techniques[twin]) for twin, mirrored in twins.items()}


def make_ledger(
    verdicts: Sequence[Verdict],
    repetition_of: Mapping[str, int],
    cluster_of: Mapping[str, str],
    common: Collection[Address],
    clusters: Collection[str] = (),
) -> Ledger:
    """Lay out the verdicts of one arm.

    Args:
        verdicts: of all its trials; canaries have none.
        repetition_of: trial id -> repetition.
        cluster_of: step id -> cluster, of the whole campaign.
        common: step executions that are valid for every arm.
        clusters: others that its arrays must have a place for, e.g. those of another campaign.
    """
    clusters = tuple(sorted({*cluster_of.values(), *clusters}))
    steps = tuple(sorted(cluster_of))
    place = {name: index for index, name in enumerate(clusters)}
    row = {name: index for index, name in enumerate(steps)}
    kinds = np.array([v.kind.value for v in verdicts], dtype=object)
    outcomes = [v.outcome for v in verdicts]
    valid = np.array([o is not Outcome.INVALID for o in outcomes], dtype=bool)
    return Ledger(
        verdicts=tuple(verdicts),
        clusters=clusters,
        cluster=np.array([place[cluster_of[v.step_id]] for v in verdicts], dtype=np.intp),
        steps=steps,
        step=np.array([row[v.step_id] for v in verdicts], dtype=np.intp),
        repetition=np.array([repetition_of[v.trial_id] for v in verdicts], dtype=np.intp),
        malicious=kinds == StepKind.MALICIOUS.value,
        benign=kinds == StepKind.BENIGN.value,
        placebo=kinds == StepKind.PLACEBO.value,
        valid=valid,
        applicable=np.array([is_applicable(v) for v in verdicts], dtype=bool),
        common=np.array([(v.step_id, repetition_of[v.trial_id]) in common for v in verdicts], dtype=bool),
        disrupted=np.array([o is Outcome.DISRUPTED for o in outcomes], dtype=bool),
        holds=np.array([[holds(v) for holds in METRICS.values()] for v in verdicts], dtype=bool).reshape(
            len(verdicts), len(METRICS)
        ),
        alerts=np.array([v.volume for v in verdicts], dtype=np.intp),
        left_alone=np.array(
            [not v.alerts and v.outcome not in (Outcome.DISRUPTED, Outcome.PREVENTED) for v in verdicts], dtype=bool
        ),
    )
