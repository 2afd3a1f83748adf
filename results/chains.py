"""The plan as one chain: how far the attack had come when the product first spoke, and how much of it was seen."""

from collections.abc import Iterable, Sequence

import numpy as np

from results.confidence import Floats, median_limits, rounded
from results.latency import NANO, UNTIMED, malicious_in_order, observed_until_ns
from results.ledger import DETECTED
from results.measures import Chain, ChainLine, Estimate
from results.metrics import clustered, wilson
from results.records import Outcome, Rate, StepExecution, Trial, Verdict

METHOD = "median over trials, those without an alert counted as later than any; limits by fractional order statistics"
METHOD_WHOLE = f"{METHOD}, which hold whole steps with at least 95 %"
FEW_TRIALS = "fewer than six trials: no limits of a median hold with 95 %"
NO_HIGH = "no upper limit: too many trials without an alert"
WITHOUT = "trials without an attributed alert: "
WITHOUT_TIME = "trials without an attributed alert with a time: "
HAPPENED = (Outcome.PREVENTED, Outcome.ALERTED, Outcome.LOGGED, Outcome.MISSED, Outcome.NOT_APPLICABLE)


def chain_line(
    trial: Trial, steps: Sequence[StepExecution], verdicts: Sequence[Verdict], objective: str | None
) -> ChainLine | None:
    """The chain in one trial; None if no malicious step came to anything there.

    Every step that came about belongs to it, whatever the product's class can see: the attack is one. An alert is
    placed by its receipt: a defender can act on it from then on, whatever time the product gives it.

    Args:
        trial: its record.
        steps: its steps.
        verdicts: its verdicts.
        objective: id of the objective step.
    """
    judged = {v.step_id: v for v in verdicts}
    ran = [s for s in malicious_in_order(steps) if s.step_id in judged and judged[s.step_id].outcome in HAPPENED]
    if not ran:
        return None
    began = ran[0].started_ns or 0
    alerted: list[tuple[int, StepExecution]] = []
    for step in ran:
        verdict = judged[step.step_id]
        after = verdict.latency_s if verdict.received_s is None else verdict.received_s
        if verdict.outcome in DETECTED and after is not None and step.ended_ns is not None:
            alerted.append((step.ended_ns + round(after * NANO), step))
    moment, first = min(alerted, key=lambda one: one[0], default=(None, None))
    target = next((step for step in ran if step.step_id == objective), None)
    before = None if target is None else moment is not None and moment < (target.started_ns or 0)
    return ChainLine(
        trial_id=trial.trial_id,
        steps=len(ran),
        seen=sum(judged[s.step_id].outcome in DETECTED for s in ran),
        first_step=first.step_id if first else None,
        steps_before=None if moment is None else sum((s.started_ns or 0) <= moment for s in ran) - 1,
        seconds=None if moment is None else rounded(max(0.0, (moment - began) / NANO)),
        watched_s=rounded(max(0.0, (observed_until_ns(trial) - began) / NANO)),
        before_objective=before,
        by_receipt=first is not None and judged[first.step_id].latency_s is None,
    )


def objective_of(trials: Iterable[Sequence[StepExecution]]) -> str | None:
    """The plan's last malicious step: where the attack arrives."""
    for steps in trials:
        ran = malicious_in_order(steps)
        if ran:
            return ran[-1].step_id
    return None


def chain(lines: Sequence[ChainLine], objective: str | None, seen: Floats, n: Floats) -> Chain:
    """Chain measures of one arm.

    Args:
        lines: one a trial.
        objective: id of the objective step.
        seen: (clusters, 1), executions that were seen, of all trials.
        n: (clusters, 1), executions that came about or were prevented.
    """
    decided = [line.before_objective for line in lines if line.before_objective is not None]
    return Chain(
        seen=clustered(seen, n)[0],
        steps_to_first_alert=_first(lines, [line.steps_before for line in lines], "steps"),
        seconds_to_first_alert=_first(lines, [line.seconds for line in lines], "seconds"),
        before_objective=_trials_share(decided),
        objective=objective,
        trials=tuple(lines),
    )


def _trials_share(decided: Sequence[bool]) -> Rate:
    rate = wilson(sum(decided), len(decided))
    return rate if decided else rate.model_copy(update={"reason": "the objective step was carried out in no trial"})


def _first(lines: Sequence[ChainLine], found: Sequence[float | None], unit: str) -> Estimate:
    """Median over trials, those without an alert later than any; where two are in the middle, between them.

    Steps are whole numbers that trials repeat, and the median of many trials says such a number for certain: no limits
    hold it with just 95 %, these hold it with more.

    No mean: a chain's first alert comes at one step or at the next, so that two or three trials that say the same have
    no spread: Student's interval of 2 to 12 trials held 52 to 85 % of simulated steps, 88 to 92 % of seconds.
    """
    known = [value for value in found if value is not None]
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    untimed = any(line.seen and line.first_step is None for line in lines)
    if not lines:
        reason = "no trial carried out a malicious step"
    elif not known:
        reason = UNTIMED if untimed else "no trial has an attributed alert"
    else:
        ranked = np.array(sorted(known) + [np.inf] * (len(found) - len(known)))
        lower, upper = float(ranked[(ranked.size - 1) // 2]), float(ranked[ranked.size // 2])
        value = (lower + upper) / 2 if np.isfinite(upper) else lower
        low, high = median_limits(ranked)
        silent = f"{WITHOUT_TIME if untimed else WITHOUT}{len(found) - len(known)} of {len(found)}"
        why = [FEW_TRIALS] if low is None else [NO_HIGH] if high is None else []
        reason = "; ".join([*why, *([silent] if len(known) < len(found) else [])]) or None
    return Estimate(
        value=rounded(value), low=rounded(low), high=rounded(high), n=len(found), of="trials", unit=unit,
        method=METHOD_WHOLE if unit == "steps" else METHOD, reason=reason,
    )  # fmt: skip
