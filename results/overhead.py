"""How much slower ordinary work is with a product: paired ratios of times, each with its interval.

The same work, drawn from the same seed, is done in a trial with the product and in the control beside it. A ratio is
made within a repetition, so that what slows both down cancels out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from results.confidence import mean_limits, rounded
from results.errors import EvaluationError
from results.measures import Estimate
from results.records import CONTROL, RAN_THROUGH, Record, StepExecution, StepKind, Text
from results.store import read_steps, read_trial, sealed_trials

METHOD = "geometric mean of paired ratios over repetitions, with Student's interval of their logarithms"
TOGETHER = "together"
NANO = 1_000_000_000
Times = Mapping[str, float]
"""Workload -> mean logarithm of its seconds in one trial."""


class WorkloadLine(Record):
    """One kind of ordinary work."""

    workload: str
    title: Text
    without_s: float | None
    """Seconds in the controls (geometric mean)."""
    with_s: float | None
    """Seconds with the product."""
    ratio: Estimate
    """1.2: it takes 20 % longer with the product."""


class Overhead(Record):
    """What one arm does to ordinary work."""

    arm_key: str
    repetitions: tuple[int, ...]
    """Those in which both the product's trial and the control ran through."""
    together: Estimate
    """All workloads, each with the same weight."""
    workloads: tuple[WorkloadLine, ...]


def overheads(folder: Path) -> tuple[Overhead, ...]:
    """The overhead of every arm of a campaign.

    Raises:
        EvaluationError: no repetition has a control and a product's trial that both ran through.
    """
    times: dict[str, dict[int, Times]] = {}
    titles: dict[str, Text] = {}
    for path in sealed_trials(folder):
        trial = read_trial(path)
        if trial.status not in RAN_THROUGH:
            continue
        steps = read_steps(path)
        key = f"{trial.product}-{trial.arm}" if trial.product else CONTROL
        times.setdefault(key, {})[trial.repetition] = workload_times(steps)
        titles |= {workload_of(step): step.title for step in steps if step.kind is StepKind.BENIGN}
    control = times.pop(CONTROL, {})
    found = tuple(_arm(key, ours, control, titles) for key, ours in sorted(times.items()) if set(ours) & set(control))
    if not found:
        raise EvaluationError(
            f"{folder}: found no repetition in which a control and a product both ran through; allowed: at least one. "
            "Look at the trials' reasons (`pij score`), mend them and run again."
        )
    return found


def workload_of(step: StepExecution) -> str:
    """The workload that a step is one turn of: its id without the number of the turn."""
    name, _dash, number = step.step_id.rpartition("-")
    return name if number.isdigit() and name else step.step_id


def workload_times(steps: Iterable[StepExecution]) -> Times:
    """Mean logarithm of the seconds of each workload; turns without effect are left out."""
    found: dict[str, list[float]] = {}
    for step in steps:
        if step.kind is StepKind.BENIGN and step.verified is True and step.started_ns and step.ended_ns:
            seconds = (step.ended_ns - step.started_ns) / NANO
            if seconds > 0:
                found.setdefault(workload_of(step), []).append(math.log(seconds))
    return {name: float(np.mean(values)) for name, values in found.items()}


def slow_down(pairs: Iterable[tuple[Iterable[StepExecution], Iterable[StepExecution]]]) -> Estimate:
    """How much longer ordinary work takes with a product: over all benign steps that came about in both.

    Args:
        pairs: for each repetition the steps of the product's trial and those of the control with the same seed.
    """
    found = []
    for ours, control in pairs:
        with_it, without = workload_times(ours), workload_times(control)
        both = sorted(with_it.keys() & without.keys())
        if both:
            found.append(float(np.mean([with_it[name] - without[name] for name in both])))
    return ratio_of(found)


def _arm(key: str, ours: Mapping[int, Times], control: Mapping[int, Times], titles: Mapping[str, Text]) -> Overhead:
    both = sorted(set(ours) & set(control))
    lines, differences = [], dict[str, dict[int, float]]()
    for workload, title in sorted(titles.items()):
        had = [one for one in both if workload in ours[one] and workload in control[one]]
        differences[workload] = {one: ours[one][workload] - control[one][workload] for one in had}
        lines.append(
            WorkloadLine(
                workload=workload,
                title=title,
                without_s=_seconds([control[one][workload] for one in had]),
                with_s=_seconds([ours[one][workload] for one in had]),
                ratio=ratio_of(list(differences[workload].values())),
            )
        )
    whole = [
        float(np.mean([found[one] for found in differences.values()]))
        for one in both
        if all(one in found for found in differences.values())
    ]
    return Overhead(arm_key=key, repetitions=tuple(both), together=ratio_of(whole), workloads=tuple(lines))


def _seconds(logarithms: Sequence[float]) -> float | None:
    return rounded(math.exp(float(np.mean(logarithms)))) if logarithms else None


def ratio_of(logarithms: Sequence[float]) -> Estimate:
    """A ratio of times from its logarithm in each repetition."""
    shape = {"n": len(logarithms), "of": "repetitions", "unit": "ratio", "method": METHOD}
    if not logarithms:
        return Estimate(value=None, low=None, high=None, reason="no repetition in which both were done", **shape)
    mean, low, high = mean_limits(np.array(logarithms))
    return Estimate(
        value=rounded(math.exp(mean)),
        low=rounded(math.exp(low)) if low is not None else None,
        high=rounded(math.exp(high)) if high is not None else None,
        reason="one repetition has no spread" if low is None else None,
        **shape,
    )
