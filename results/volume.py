"""How much a user would have to read, and how much of it for nothing."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from results.confidence import Floats, count_limits, freedom, learnt, poisson_limits, ratio_variance, rounded
from results.latency import NANO, observed_until_ns
from results.ledger import Ledger, Mask
from results.measures import Estimate, Volume
from results.metrics import bunched_share, wilson
from results.records import AttributionStatus, Rate, StepExecution, StepKind, Trial

COUNTED = (
    "Jeffreys' limits of a Poisson count, of several trials exact ones; divided by its overdispersion between "
    "techniques and between trials"
)

FURTHER = "alerts beyond a step's first, Jeffreys' limits of a count divided by its overdispersion between techniques"
ONE_TECHNIQUE = "all of one technique: no interval"


@dataclass(frozen=True)
class Tally:
    """Alerts of one trial by what became of them; those that the evaluation itself caused are in none."""

    malicious: int = 0
    benign: int = 0
    placebo: int = 0
    unattributed: int = 0
    ambiguous: int = 0
    of_step: Mapping[str, int] = field(default_factory=dict)
    """Step id -> alerts attributed to it."""
    fits: Mapping[str, int] = field(default_factory=dict)
    """Step id -> ambiguous alerts of which it is the first step that fits."""
    kinds: Mapping[str, StepKind] = field(default_factory=dict)
    """Of the steps."""

    @property
    def alerts(self) -> int:
        """All of them."""
        return self.malicious + self.benign + self.placebo + self.unattributed + self.ambiguous

    @property
    def false(self) -> int:
        """On ordinary work, on nothing, or explained by nothing."""
        return self.benign + self.placebo + self.unattributed


def tally_of(
    statuses: Mapping[tuple[AttributionStatus, str | None], int],
    kinds: Mapping[str, StepKind],
    fits: Mapping[str, int] | None = None,
) -> Tally:
    """Count the alerts of one trial.

    Args:
        statuses: (status, step id) -> number of alerts.
        kinds: of the trial's steps.
        fits: see `Tally`.
    """
    found: Counter[str] = Counter()
    of_step: dict[str, int] = {}
    for (status, step_id), number in statuses.items():
        if status is AttributionStatus.ATTRIBUTED and step_id is not None:
            found[kinds[step_id].value] += number
            of_step[step_id] = number
        elif status in (AttributionStatus.UNATTRIBUTED, AttributionStatus.AMBIGUOUS):
            found[status.value] += number
    return Tally(
        malicious=found["malicious"],
        benign=found["benign"],
        placebo=found["placebo"],
        unattributed=found["unattributed"],
        ambiguous=found["ambiguous"],
        of_step=of_step,
        fits=dict(fits or {}),
        kinds=kinds,
    )


def observed_span_ns(trial: Trial, steps: Iterable[StepExecution]) -> tuple[int, int]:
    """From the product's first canary (else the first step) to the end of the observation."""
    ready = [c.received_ns for c in trial.canaries if c.phase == "ready" and c.received_ns is not None]
    starts = [step.started_ns for step in steps if step.started_ns is not None]
    began = min([*ready, *starts], default=trial.started_ns)
    return began, max(began, observed_until_ns(trial))


def attack_free_s(trial: Trial, steps: Sequence[StepExecution]) -> float:
    """Seconds of observation in which no alert could be about a malicious step.

    A step's window lasts until the declared latency has passed, as in attribution: an alert that falls into it may be
    about the step and counts as false for nobody, so neither may the time. A long latency would hide false alarms else.
    """
    late = int(trial.latency_s * NANO)
    began, ended = observed_span_ns(trial, steps)
    left, reached = ended - began, began
    windows = sorted(
        (step.started_ns, step.ended_ns + late)
        for step in steps
        if step.kind is StepKind.MALICIOUS and step.started_ns is not None and step.ended_ns is not None
    )
    for start, end in windows:
        start, end = max(start, reached), min(end, ended)
        if end > start:
            left -= end - start
            reached = end
    return left / NANO


def per_hour(counts: Sequence[int], seconds: Sequence[float], bunches: Floats | None = None) -> Estimate:
    """Alerts per hour over trials.

    Args:
        counts: of each trial, alerts that come one by one.
        seconds: watched in each trial.
        bunches: (techniques,), alerts about the steps of each, in all trials: techniques are drawn, and what one sets
            off it sets off again in each repetition.
    """
    kept = [(count, time) for count, time in zip(counts, seconds, strict=True) if time > 0]
    if not kept:
        return Estimate(
            value=None, low=None, high=None, n=0, of="seconds", unit="per hour", method=COUNTED,
            reason="no trial watched for any time",
        )  # fmt: skip
    events, times = (np.array(column, dtype=float) for column in zip(*kept, strict=True))
    hours, total = float(times.sum()) / 3600, float(events.sum())
    rate, low, high, spread = count_limits(events, times / 3600)
    if bunches is not None and bunches.size:
        total += float(bunches.sum())
        rate, spread = total / hours, _bunched(bunches, float(events.sum()) * spread, events.size)
        low, high = poisson_limits(total / spread, hours / spread, exact=events.size > 1)
    return Estimate(
        value=rounded(rate), low=rounded(low), high=rounded(high), n=round(float(times.sum())), of="seconds",
        unit="per hour", method=f"{COUNTED} ({spread:.2f} over {len(kept)})",
    )  # fmt: skip


def _bunched(bunches: Floats, apart: float, trials: int) -> float:
    """Overdispersion of a count of which some come in bunches, a bunch a technique; at least 1.

    Args:
        bunches: (techniques,).
        apart: variance of the rest.
        trials: where nothing came, what one technique would set off in one trial it would in all.
    """
    total = float(bunches.sum())
    if total + apart == 0:
        return float(trials)
    off = bunches - bunches.mean()
    variance = float((off**2).sum()) * bunches.size / max(1, bunches.size - 1)
    if variance:
        variance /= float(learnt(freedom(off[:, None]))[0])
    return max(1.0, (variance + apart) / (total + apart))


def duplicate_share(ledger: Ledger) -> Rate:
    """Of the counted alerts, those beyond the first of their step; with m such alerts a step, m / (1 + m)."""
    rows = ledger.alerts > 0
    steps, alerts = int(rows.sum()), int(ledger.alerts[rows].sum())
    if not alerts:
        return wilson(0, 0)
    limits = _further(ledger, rows)
    low, high = (None, None) if limits is None else (limit / (1 + limit) for limit in limits)
    techniques = int(np.unique(ledger.cluster[rows]).size)
    return Rate(
        hits=alerts - steps, n=alerts, value=rounded(1 - steps / alerts), low=rounded(low), high=rounded(high),
        method=f"m / (1 + m); m: {FURTHER}", clusters=techniques, reason=ONE_TECHNIQUE if limits is None else None,
    )  # fmt: skip


def alerts_per_detected(ledger: Ledger) -> Estimate:
    """Alerts attributed to malicious steps, divided by the steps detected: one, and so many more."""
    rows = ledger.malicious & ledger.valid & ledger.metric("detected") & (ledger.alerts > 0)
    steps, alerts = int(rows.sum()), int(ledger.alerts[rows].sum())
    limits = _further(ledger, rows) if steps else None
    low, high = (None, None) if limits is None else (1 + limit for limit in limits)
    reason = None if limits else ONE_TECHNIQUE if steps else "no step was detected"
    return Estimate(
        value=rounded(alerts / steps) if steps else None, low=rounded(low), high=rounded(high), n=steps,
        of="detected step executions", unit="alerts", method=f"1 + m; m: {FURTHER}", reason=reason,
    )  # fmt: skip


def _further(ledger: Ledger, rows: Mask) -> tuple[float, float] | None:
    """Limits of the mean number of alerts beyond a step's first; None if all steps are of one technique.

    A count for each step, divided by its overdispersion, which the resampled techniques show. Where nothing is further,
    all steps of a technique count as one.
    """
    more, n = ledger.by_cluster(rows, (ledger.alerts - 1).astype(float))
    more, n = more[n[:, 0] > 0], n[n[:, 0] > 0]
    total, steps, clusters = float(more.sum()), float(n.sum()), n.shape[0]
    if clusters < 2:
        return None
    spread = ratio_variance(more, n) * steps**2 / total if total else float((n**2).sum()) / steps
    if total:
        spread = max(1.0, spread / float(learnt(freedom(more - total / steps * n))[0]))
    return poisson_limits(total / spread, steps / spread)


def volume(
    ledger: Ledger,
    trials: Sequence[tuple[Trial, Sequence[StepExecution], Tally]],
    cluster_of: Mapping[str, str],
) -> Volume:
    """Alert volume of one arm.

    Args:
        ledger: of the arm.
        trials: each with its steps and what became of its alerts.
        cluster_of: step id -> technique, see `results.ledger.clusters_of`.
    """
    spans = [observed_span_ns(trial, steps) for trial, steps, _tally in trials]
    tallies = [one for _trial, _steps, one in trials]
    counts = [one.unattributed + one.placebo for one in tallies]
    bunches = _by_technique(tallies, cluster_of, (StepKind.MALICIOUS, StepKind.BENIGN), ambiguous=True)
    return Volume(
        alerts_per_detected_step=alerts_per_detected(ledger),
        alerts_per_hour=per_hour(counts, [(b - a) / NANO for a, b in spans], bunches),
        duplicate_share=duplicate_share(ledger),
    )


def false_positives_per_hour(
    trials: Sequence[tuple[Trial, Sequence[StepExecution], Tally]], cluster_of: Mapping[str, str]
) -> Estimate:
    """False alarms per hour without an attack."""
    tallies = [one for _trial, _steps, one in trials]
    return per_hour(
        [one.unattributed + one.placebo for one in tallies],
        [attack_free_s(trial, steps) for trial, steps, _tally in trials],
        _by_technique(tallies, cluster_of, (StepKind.BENIGN,)),
    )


def _by_technique(
    tallies: Sequence[Tally], cluster_of: Mapping[str, str], kinds: Sequence[StepKind], ambiguous: bool = False
) -> Floats:
    """Alerts about steps of these kinds, technique by technique; techniques without an alert are 0."""
    sums: dict[str, float] = {}
    for one in tallies:
        for step_id, kind in one.kinds.items():
            if kind in kinds:
                fits = one.fits.get(step_id, 0) if ambiguous else 0
                name = cluster_of[step_id]
                sums[name] = sums.get(name, 0.0) + one.of_step.get(step_id, 0) + fits
    return np.array([sums[name] for name in sorted(sums)])


def ambiguous_share(tallies: Sequence[Tally], cluster_of: Mapping[str, str]) -> Rate:
    """Share of alerts that fitted two or more steps equally well, of those not caused by the evaluation.

    What one step sets off fits others every time: alerts of a technique are one bunch, those that nothing explains are
    each one of their own.
    """
    found: dict[str, list[float]] = {}
    for one in tallies:
        for counts, fits in ((one.of_step, 0), (one.fits, 1)):
            for step_id, number in counts.items():
                sums = found.setdefault(cluster_of.get(step_id, f"step {step_id}"), [0.0, 0.0])
                sums[0] += number * fits
                sums[1] += number
    alone = sum(one.unattributed for one in tallies)
    table = np.array([found[name] for name in sorted(found)], dtype=float).reshape(-1, 2)
    table = np.vstack([table, np.repeat([[0.0, 1.0]], alone, axis=0)])
    return bunched_share(table[:, :1], table[:, 1:])
