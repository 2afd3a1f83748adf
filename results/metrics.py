"""Metrics of one product arm from its verdicts: never a share without its counts and its interval."""

from collections.abc import Callable, Collection, Iterable, Sequence

from results.records import Attribution, AttributionStatus, Category, Outcome, Rate, StepKind, Verdict
from results.summary import Latency, RateLine

CONFIDENCE = 0.95
BLANK = (Outcome.INVALID, Outcome.NOT_APPLICABLE)
OUTCOMES: dict[str, Callable[[Verdict], bool]] = {
    "prevented": lambda v: v.outcome is Outcome.PREVENTED,
    "alerted": lambda v: v.outcome is Outcome.ALERTED,
    "technique": lambda v: v.outcome is Outcome.ALERTED and v.category is Category.TECHNIQUE,
    "tactic": lambda v: v.outcome is Outcome.ALERTED and v.category is Category.TACTIC,
    "general": lambda v: v.outcome is Outcome.ALERTED and v.category is Category.GENERAL,
    "logged": lambda v: v.outcome is Outcome.LOGGED,
    "missed": lambda v: v.outcome is Outcome.MISSED,
    "visible": lambda v: v.outcome in (Outcome.PREVENTED, Outcome.ALERTED, Outcome.LOGGED),
}
"""Metric -> whether a verdict counts for it."""
Address = tuple[str, int]
"""(step id, repetition): what is compared between arms."""


def wilson(hits: int, n: int) -> Rate:
    """A share with its Wilson score interval.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927), by statsmodels' `proportion_confint(method="wilson")`.
    """
    if n == 0:
        return Rate(hits=0, n=0, value=None, low=None, high=None)
    from statsmodels.stats.proportion import proportion_confint  # slow to import; only scoring needs it

    low, high = proportion_confint(hits, n, alpha=1 - CONFIDENCE, method="wilson")
    return Rate(hits=hits, n=n, value=hits / n, low=max(0.0, float(low)), high=min(1.0, float(high)))


def corrected(rate: Rate, chance: Rate) -> float | None:
    """The rate without what chance explains: (p - c) / (1 - c), not below 0 (scoring.md §2)."""
    if rate.value is None or chance.value is None or chance.value >= 1:
        return None
    return max(0.0, (rate.value - chance.value) / (1 - chance.value))


def rate_lines(
    verdicts: Sequence[Verdict], repetition_of: Callable[[str], int], common: Collection[Address], chance: Rate
) -> tuple[RateLine, ...]:
    """Every outcome's rate over each of the three denominators.

    Args:
        verdicts: of one arm, all trials.
        repetition_of: trial id -> repetition.
        common: the step executions that are valid for every arm.
        chance: the share of placebos to which an alert was attributed.
    """
    malicious = [v for v in verdicts if v.kind is StepKind.MALICIOUS]
    denominators = {
        "applicable": [v for v in malicious if v.outcome not in BLANK],
        "valid": [v for v in malicious if v.outcome is not Outcome.INVALID],
        "common": [v for v in malicious if (v.step_id, repetition_of(v.trial_id)) in common],
    }
    lines = []
    for denominator, chosen in denominators.items():
        for metric, holds in OUTCOMES.items():
            rate = wilson(sum(holds(v) for v in chosen), len(chosen))
            by_alert = metric in ("alerted", "technique", "tactic", "general")
            lines.append(
                RateLine(
                    metric=metric,
                    denominator=denominator,
                    rate=rate,
                    chance_corrected=corrected(rate, chance) if by_alert else None,
                )
            )
    return tuple(lines)


def alerted_share(verdicts: Iterable[Verdict], kind: StepKind) -> Rate:
    """Share of the valid executions of a kind of step to which an alert was attributed."""
    chosen = [v for v in verdicts if v.kind is kind and v.outcome is not Outcome.INVALID]
    return wilson(sum(bool(v.alerts) for v in chosen), len(chosen))


def ambiguous_share(attributions: Iterable[Attribution]) -> Rate:
    """Share of alerts that fitted two or more steps equally well, of those not caused by the evaluation."""
    alerts = [a for a in attributions if a.alert and a.status is not AttributionStatus.HARNESS]
    return wilson(sum(a.status is AttributionStatus.AMBIGUOUS for a in alerts), len(alerts))


def wrong_share(verdicts: Iterable[Verdict]) -> Rate:
    """Share of alerted or prevented steps whose counted alerts name a technique that the step does not carry."""
    chosen = [v for v in verdicts if v.kind is StepKind.MALICIOUS and v.evidence_kind and v.alerts]
    return wilson(sum(bool(v.wrong_techniques) for v in chosen), len(chosen))


def latency(verdicts: Iterable[Verdict]) -> Latency:
    """Time from the end of a step to the product's own alert; steps without an alert are censored.

    The median is Kaplan and Meier's (E. L. Kaplan, P. Meier, "Nonparametric estimation from incomplete
    observations", Journal of the American Statistical Association 53 (1958)), by statsmodels' `SurvfuncRight`.
    A miss is censored at the slowest alert: it had not come by then.
    """
    chosen = [v for v in verdicts if v.kind is StepKind.MALICIOUS and v.outcome not in BLANK]
    times = [max(0.0, v.latency_s) for v in chosen if v.latency_s is not None]
    censored = sum(not v.alerts for v in chosen)
    deliveries = sorted(v.delivery_s for v in chosen if v.delivery_s is not None)
    return Latency(
        detected=len(times),
        censored=censored,
        median_s=_median(times, censored),
        fastest_s=min(times, default=None),
        slowest_s=max(times, default=None),
        delivery_median_s=deliveries[len(deliveries) // 2] if deliveries else None,
    )


def _median(times: list[float], censored: int) -> float | None:
    if not times:
        return None
    from statsmodels.duration.survfunc import SurvfuncRight  # slow to import; only scoring needs it

    durations = [*times, *[max(times)] * censored]
    statuses = [1] * len(times) + [0] * censored
    quantile = float(SurvfuncRight(durations, statuses).quantile(0.5))
    return round(quantile, 6) if quantile == quantile else None  # NaN: fewer than half were detected
