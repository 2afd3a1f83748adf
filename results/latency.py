"""Delays as censored survival, with intervals that know that steps of one technique go together.

A miss is not a missing delay: it says that the alert took longer than the trial watched for it. Leaving misses out
would make a product fast that alerts on little.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from results.confidence import (
    CONFIDENCE,
    Floats,
    effective_size,
    falls_to,
    freedom,
    learnt,
    normal,
    rounded,
    wilson_limits,
)
from results.ledger import DETECTED, Ledger
from results.measures import ClockOffset, CurvePoint, Delays, Estimate, Quantile, Survival
from results.records import Canary, StepExecution, StepKind, Trial

NANO = 1_000_000_000
NO_ALERT = "there was no alert"
NO_ALERT_WITHIN = "there was no alert on a step that its class can see"
UNTIMED = "alerted, but the product gives its alerts no time"
FEWER = "fewer were alerted on before the observation ended"
TOO_FEW = "too few alerts for limits that hold with 95 %"
NO_HIGH = "no upper limit: the curve's own does not come down that far"
LOWER_ALONE = "no upper limit, which so few executions can't have; 95 % that it is not below the lower one"
QUANTILES = (0.5, 0.75, 0.9)
ONE_SIDED = 0.90
"""The confidence of two limits each of which holds with 95 % by itself."""
POINTS = 40
MOMENTS = 1000
"""A curve with more events has its limits at so many of them."""
METHOD = (
    "Kaplan-Meier; limits by fractional order statistics with the curve's effective size (variance robust to "
    "techniques, less for Student's t); where so few can have no upper limit, a lower limit of 95 % by itself"
)


@dataclass(frozen=True)
class Curve:
    """A Kaplan-Meier curve at its event times, or at `MOMENTS` of them."""

    times: Floats
    share: Floats
    """Not yet at each time (just after it)."""
    low: Floats
    high: Floats
    every: Floats
    """All event times."""
    every_share: Floats
    earlier: Floats
    """Not yet just before each time."""
    size: Floats
    """Effective number of executions about each time."""
    alone: Floats
    """The same where one limit alone holds with 95 %."""
    until: float
    """All that are left were watched so long, in vain; infinite if none are left."""
    next_share: float
    """What the next alert would leave."""


def observed_until_ns(trial: Trial) -> int:
    """When the trial stopped watching: its last canary that came through, which everything earlier preceded."""
    flushed = [c.received_ns for c in trial.canaries if c.phase == "flush" and c.received_ns is not None]
    return max(flushed, default=trial.ended_ns)


def watched_s(trial: Trial, steps: Iterable[StepExecution]) -> dict[str, float]:
    """Step id -> seconds from its end to the end of the observation: as long as a miss is known to last."""
    end = observed_until_ns(trial)
    return {step.step_id: max(0.0, (end - step.ended_ns) / NANO) for step in steps if step.ended_ns is not None}


def delays(ledger: Ledger, watched: Mapping[str, Mapping[str, float]], clock: ClockOffset) -> Delays:
    """Product and delivery delay of one arm.

    A step that was alerted on without a time of the product's own is left out, and counted as `untimed`: its receipt
    bounds the sum of both delays, and tells neither.

    Args:
        ledger: of the arm.
        watched: trial id -> step id -> seconds watched after the step, see `watched_s`.
        clock: what its canaries tell about its clock.
    """
    chosen = np.flatnonzero(ledger.malicious & ledger.applicable)
    times, events, clusters, deliveries, theirs = [], [], [], [], []
    untimed = 0
    for index in chosen:
        verdict = ledger.verdicts[index]
        if verdict.latency_s is not None:
            times.append(max(0.0, verdict.latency_s))
            events.append(True)
        elif verdict.alerts or verdict.step_id not in watched.get(verdict.trial_id, {}):
            untimed += verdict.outcome in DETECTED
            continue  # alerted on without a time, or never ran: nothing is known of its delay
        else:
            times.append(watched[verdict.trial_id][verdict.step_id])
            events.append(False)
        clusters.append(ledger.cluster[index])
        if verdict.delivery_s is not None:
            deliveries.append(max(0.0, verdict.delivery_s))
            theirs.append(ledger.cluster[index])
    beyond = bool((ledger.malicious & ledger.valid & ~ledger.applicable & ledger.metric("detected")).any())
    silent = NO_ALERT_WITHIN if beyond else NO_ALERT
    why = "there is no step execution" if not chosen.size else UNTIMED if untimed else silent
    product = survival(np.array(times), np.array(events, dtype=bool), np.array(clusters, dtype=np.intp), why)
    every = np.ones(len(deliveries), dtype=bool)
    delivery = survival(np.array(deliveries), every, np.array(theirs, dtype=np.intp), why)
    return Delays(
        product=product.model_copy(update={"untimed": untimed}),
        delivery=delivery.model_copy(update={"untimed": untimed}),
        clock=clock,
    )


def survival(times: Floats, events: NDArray[np.bool_], clusters: NDArray[np.intp], why: str = NO_ALERT) -> Survival:
    """Quantiles and curve of a delay.

    Args:
        times: seconds, of events and of censored ones.
        events: whether each is an event.
        clusters: technique of each.
        why: there is no event, if there is none.
    """
    if not events.any():
        empty = tuple(Quantile(share=q, estimate=_seconds(None, None, None, 0, why)) for q in QUANTILES)
        return Survival(events=0, censored=int(times.size), quantiles=empty, curve=(), fastest_s=None, slowest_s=None)
    found = curve(times, events, clusters)
    used = int(np.unique(clusters).size)
    step = max(1, -(-found.times.size // POINTS))
    shown = sorted({*range(0, found.times.size, step), found.times.size - 1})
    return Survival(
        events=int(events.sum()),
        censored=int((~events).sum()),
        quantiles=tuple(Quantile(share=q, estimate=_quantile(found, q, used)) for q in QUANTILES),
        curve=(
            before_any(clusters),
            *(_point(found.times[i], found.share[i], found.low[i], found.high[i]) for i in shown),
        ),
        fastest_s=rounded(times[events].min()),
        slowest_s=rounded(times[events].max()),
    )  # fmt: skip


def before_any(clusters: NDArray[np.intp]) -> CurvePoint:
    """The curve from 0 s to the first alert: all are left, and what that tells is as if each technique had one."""
    sizes = np.bincount(clusters).astype(float)[:, None]
    start = np.ones(1)
    low, high = wilson_limits(start, effective_size(start, np.zeros(1), sizes, start), normal())
    return _point(0.0, 1.0, low[0], high[0])


def _point(seconds: float, share: float, low: float, high: float) -> CurvePoint:
    told = (rounded(one) or 0.0 for one in (seconds, share, low, high))
    return CurvePoint(**dict(zip(("seconds", "share", "low", "high"), told, strict=True)))


def curve(times: Floats, events: NDArray[np.bool_], clusters: NDArray[np.intp], confidence: float = 0.95) -> Curve:
    """Kaplan and Meier's curve with limits robust to clusters.

    The variance sums each cluster's influence on the curve (its infinitesimal jackknife) before squaring it; without
    clusters it is Greenwood's. Source: Z. Ying, L. J. Wei, "The Kaplan-Meier estimate for dependent failure time
    observations", Journal of Multivariate Analysis 50 (1994).
    """
    moments = np.unique(times[events])
    order = np.sort(times)
    at_risk = (times.size - np.searchsorted(order, moments, side="left")).astype(float)
    died = np.bincount(np.searchsorted(moments, times[events]), minlength=moments.size).astype(float)
    share = np.cumprod(1 - died / at_risk)
    left = np.where(at_risk > died, at_risk - died, at_risk)  # where none are left the curve is 0 and doesn't vary
    passed = np.cumsum(died / (at_risk * left))
    last = np.searchsorted(moments, times, side="right") - 1  # the last event time that each one lived to see
    own = np.where(events, 1 / left[np.maximum(last, 0)], 0.0)
    settled = own - np.where(last >= 0, passed[np.maximum(last, 0)], 0.0)
    names, where = np.unique(clusters, return_inverse=True)
    shown = np.unique(np.linspace(0, moments.size - 1, min(moments.size, MOMENTS)).round().astype(np.intp))
    every, every_share = moments, share
    moments, share, passed = moments[shown], share[shown], passed[shown]
    sums, gone = np.zeros((names.size, moments.size)), np.zeros((names.size, moments.size))
    first = np.searchsorted(moments, times, side="left")  # from this event time on it is no longer at risk
    inside = first < moments.size
    np.add.at(sums, (where[inside], first[inside]), settled[inside])
    np.add.at(gone, (where[inside], first[inside]), 1.0)
    sizes = np.bincount(where).astype(float)
    influence = share * (np.cumsum(sums, axis=1) - (sizes[:, None] - np.cumsum(gone, axis=1)) * passed)
    variance = (influence**2).sum(axis=0) * names.size / max(1, names.size - 1)
    degrees = None if sizes.max() <= 1 else freedom(influence)

    def sizes_for(level: float) -> Floats:
        left = np.ones(moments.size) if degrees is None else learnt(degrees, level)
        return effective_size(share, variance, sizes[:, None], left)

    size = sizes_for(confidence)
    low, high = wilson_limits(share, size, normal(confidence))
    earlier = np.concatenate(([1.0], every_share))[shown]
    until = float(times[~events & (times >= every[-1])].min(initial=np.inf))
    next_share = float(every_share[-1] * (1 - 1 / max(1.0, at_risk[-1] - died[-1])))
    about, alone = _about(size), _about(sizes_for(ONE_SIDED))
    return Curve(moments, share, low, high, every, every_share, earlier, about, alone, until, next_share)


def _about(size: Floats) -> Floats:
    """Sizes about each step of a curve: the mean of those before and after it."""
    return np.asarray((np.concatenate((size[:1], size[:-1])) + size) / 2)


def _quantile(found: Curve, share: float, techniques: int) -> Estimate:
    """Where the curve falls to 1 - share, and where its limits do; the lower one alone, where none can be above.

    All of n independent delays lie below the quantile with the chance share^n. While that is more than an upper limit
    may fail, none can ever be given, and the lower one may fail as often as both. Whether one is given in this campaign
    must not decide it: it is missing just where the lower one is too late.
    """
    value = _first(found.every, found.every_share <= 1 - share + 1e-12)
    may_fail = (1 - CONFIDENCE) / 2
    high = _crossing(found, found.size, share, may_fail)
    alone = high is None and share ** found.size[-1] > may_fail
    size, level = (found.alone, ONE_SIDED) if alone else (found.size, CONFIDENCE)
    low = _lower(found, size, share, (1 + level) / 2)
    if low == found.times[0]:
        low = None if high is None else 0.0  # at the first alert; before it, nothing says how much earlier
    if value is not None:
        low, high = None if low is None else min(low, value), None if high is None else max(high, value)
    why = [FEWER] if value is None else []
    if high is None:
        why.append(TOO_FEW if low is None else LOWER_ALONE if alone else NO_HIGH)
    return _seconds(value, low, high, techniques, "; ".join(why) or None)


def _lower(found: Curve, size: Floats, share: float, chance: float) -> float | None:
    """The lower limit; where the alerts don't reach it, from the next one, which was not before the watch ended."""
    low = _crossing(found, size, share, chance)
    if low is not None or not np.isfinite(found.until):
        return low
    waiting = replace(
        found, times=np.append(found.times, found.until), share=np.append(found.share, found.next_share),
        earlier=np.append(found.earlier, found.share[-1]),
    )  # fmt: skip
    low = _crossing(waiting, np.append(size, size[-1]), share, chance)
    return found.until if low is None else low


def _crossing(found: Curve, size: Floats, share: float, chance: float) -> float | None:
    """When the chance that the quantile lies later falls to a value, between two alerts in proportion.

    Of n independent delays the k-th is later than the quantile of `share` with the chance that a Beta(k, n - k + 1)
    number is above it; k is n times the share alerted on by then, n - k + 1 n times that not alerted on just before. An
    effective n is less than the executions that make the curve's steps: what is missing of n + 1 goes to both halves.
    Source: A. D. Hutson, "Calculating nonparametric confidence intervals for quantiles using fractional order
    statistics", Journal of Applied Statistics 26 (1999); here with censored delays and an effective n.
    """
    from scipy.special import betainc  # slow to import; only scoring needs it

    gone, left = size * (1 - found.share), size * found.earlier
    rest = np.maximum(0.0, size + 1 - gone - left) / 2
    later = betainc(np.maximum(gone + rest, 1e-9), np.maximum(left + rest, 1e-9), share)
    return falls_to(found.times, later, chance)


def _first(times: Floats, holds: NDArray[np.bool_]) -> float | None:
    return float(times[int(np.argmax(holds))]) if holds.any() else None


def _seconds(value: float | None, low: float | None, high: float | None, n: int, reason: str | None) -> Estimate:
    return Estimate(
        value=rounded(value), low=rounded(low), high=rounded(high), n=n, of="techniques", unit="seconds",
        method=METHOD, reason=reason,
    )  # fmt: skip


def clock_offset(canaries: Iterable[tuple[Sequence[Canary], Sequence[tuple[int | None, int]]]]) -> ClockOffset:
    """Bounds of the product's clock against the engine host's, from alerts on its canaries.

    The canary happened after it was sent and before its alert was received, so the product's own time for it, less
    either of the two, bounds the offset; several canaries narrow it. Times that are cut to whole seconds leave a
    second more.

    Args:
        canaries: for each trial its canaries, and (own time, receipt) of each alert on one, in ns.
    """
    low, high, used = -np.inf, np.inf, 0
    for sent, alerts in canaries:
        for own, received in alerts:
            before = [c.sent_ns for c in sent if c.sent_ns <= received]
            if own is None or not before:
                continue
            coarse = NANO if own % NANO in (0, NANO - 1) else 0
            low = max(low, (own - coarse - received) / NANO)
            high = min(high, (own + coarse - max(before)) / NANO)
            used += 1
    if not used:
        return ClockOffset(
            canaries=0, low_s=None, high_s=None, contradictory=False, reason="no alert on a canary carries a time"
        )
    return ClockOffset(canaries=used, low_s=rounded(low), high_s=rounded(high), contradictory=bool(low > high))


def malicious_in_order(steps: Iterable[StepExecution]) -> list[StepExecution]:
    """The malicious steps that were run, by start."""
    ran = [step for step in steps if step.kind is StepKind.MALICIOUS and step.started_ns is not None]
    return sorted(ran, key=lambda step: step.started_ns or 0)
