"""Rates of one product arm from its verdicts: never a share without its counts and its interval."""

from collections.abc import Iterable

import numpy as np

from results.confidence import (
    Floats,
    correlation_of,
    freedom,
    learnt,
    mover_difference,
    mover_ratio,
    normal,
    paired_shares,
    pooled,
    resampled_ratio,
    rounded,
    wilson_limits,
)
from results.ledger import BY_ALERT, METRICS, Ledger, Mask
from results.measures import Estimate, TechniqueLine
from results.records import Attribution, AttributionStatus, Outcome, Rate, StepKind, Verdict
from results.summary import RateLine

DENOMINATORS = ("applicable", "valid", "common")
EMPTY = "nothing to divide by: there is no such step execution"
NO_PLACEBO = "the plan has no placebo step, so the chance rate is unknown"
CLUSTERED = "effective sample size of a cluster bootstrap over techniques, less for Student's t, in Wilson's form"


def wilson(hits: int, n: int) -> Rate:
    """A share with its Wilson score interval.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927). Tests hold it against statsmodels, whose import takes longer than all
    the rates of a campaign.
    """
    if n == 0:
        return Rate(hits=0, n=0, value=None, low=None, high=None, reason=EMPTY)
    low, high = wilson_limits(np.array([hits / n]), np.array([float(n)]), normal())
    return Rate(hits=hits, n=n, value=hits / n, low=rounded(low[0]), high=rounded(high[0]))


def clustered(hits: Floats, n: Floats) -> list[Rate]:
    """Rates over techniques.

    Args:
        hits: (clusters, rates), executions that count.
        n: (clusters, 1), executions.

    Where no technique has more than one execution, nothing is pooled and the interval is Wilson's own.
    """
    total = round(float(n.sum()))
    if total == 0:
        return [wilson(0, 0) for _ in range(hits.shape[1])]
    counts = [round(float(count)) for count in hits.sum(axis=0)]
    if float(n.max()) <= 1:
        return [wilson(count, total) for count in counts]
    found, used = pooled(hits, n), int((n > 0).sum())
    return [
        Rate(
            hits=count, n=total, value=rounded(found.value[i]), low=rounded(found.low[i]), high=rounded(found.high[i]),
            method=CLUSTERED, clusters=used,
        )
        for i, count in enumerate(counts)
    ]  # fmt: skip


def macro(hits: Floats, n: Floats) -> list[Rate]:
    """Mean over techniques of each technique's rate, so that one with many procedures does not dominate."""
    used = n[:, 0] > 0
    if not used.any():
        return [wilson(0, 0) for _ in range(hits.shape[1])]
    if float(n.max()) <= 1:  # every technique once: the mean over them is the share
        return clustered(hits, n)
    shares = hits[used] / n[used]
    found, clusters = pooled(shares, np.ones((int(used.sum()), 1))), int(used.sum())
    sizes = np.minimum(_macro_sizes(shares, found.resamples), float(n.sum()))
    low, high = wilson_limits(shares.mean(axis=0), sizes, normal())
    return [
        Rate(
            hits=round(float(hits[:, i].sum())), n=round(float(n.sum())), value=rounded(shares[:, i].mean()),
            low=rounded(low[i]), high=rounded(high[i]), method=f"mean over techniques; {CLUSTERED}", clusters=clusters,
        )
        for i in range(hits.shape[1])
    ]  # fmt: skip


def _macro_sizes(shares: Floats, resamples: Floats) -> Floats:
    """Effective number of techniques; a technique may say more than one yes or no, but at least as much."""
    left = learnt(freedom(shares - shares.mean(axis=0)))
    clusters, value = shares.shape[0], shares.mean(axis=0)
    variance = resamples.var(axis=0) * clusters / max(1, clusters - 1)
    inner = value * (1 - value)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.maximum(clusters, np.where(variance > 0, left * inner / variance, clusters)))


def corrected(rate: Rate, chance: Rate) -> float | None:
    """The rate without what chance explains: (p - c) / (1 - c), not below 0 (scoring.md §2)."""
    if rate.value is None or chance.value is None or chance.value >= 1:
        return None
    return max(0.0, (rate.value - chance.value) / (1 - chance.value))


def corrected_estimate(rate: Rate, chance: Rate) -> Estimate:
    """The chance-corrected rate with its interval: 1 - (1 - p) / (1 - c), both uncertain.

    The limits are those of a ratio of independent shares (`mover_ratio`), cut at 0.
    """
    value = corrected(rate, chance)
    reason = rate.reason or (NO_PLACEBO if chance.n == 0 else None)
    if value is None and reason is None:
        reason = "every placebo was alerted on: nothing is left that chance does not explain"
    low: float | None = None
    high: float | None = None
    if value is not None:
        left, spare = _complement(rate), _complement(chance)
        least, most = mover_ratio(left, spare)
        low, high = (0.0 if most is None else max(0.0, 1 - most)), min(1.0, max(0.0, 1 - least))
    return Estimate(
        value=rounded(value), low=rounded(low), high=rounded(high), n=chance.n, of="placebos", unit="share",
        method="(p - c) / (1 - c), limits of a ratio of shares by variance recovery", reason=reason,
    )  # fmt: skip


def _complement(rate: Rate) -> tuple[float, float, float]:
    return 1 - (rate.value or 0.0), 1 - (rate.high or 0.0), 1 - (rate.low or 0.0)


def rate_lines(ledger: Ledger, chance: Rate) -> tuple[RateLine, ...]:
    """Every outcome's rate over each of the three denominators: raw, chance-corrected and macro-averaged."""
    chosen = {"applicable": ledger.applicable, "valid": ledger.valid, "common": ledger.common}
    lines = []
    for denominator in DENOMINATORS:
        hits, n = ledger.by_cluster(ledger.malicious & chosen[denominator], ledger.holds)
        for metric, rate, mean in zip(METRICS, clustered(hits, n), macro(hits, n), strict=True):
            by_alert = metric in BY_ALERT
            lines.append(
                RateLine(
                    metric=metric,
                    denominator=denominator,
                    rate=rate,
                    chance_corrected=rounded(corrected(rate, chance)) if by_alert else None,
                    corrected=corrected_estimate(rate, chance) if by_alert else None,
                    macro=mean,
                )
            )
    return tuple(lines)


def left_alone_share(ledger: Ledger) -> Rate:
    """Specificity: the share of valid benign executions that were left alone."""
    hits, n = ledger.by_cluster(ledger.benign & ledger.valid, ledger.left_alone)
    return clustered(hits, n)[0]


def twins_alerted(ledger: Ledger) -> Rate:
    """Share of valid benign executions to which an alert was attributed."""
    hits, n = ledger.by_cluster(ledger.benign & ledger.valid, ledger.alerts > 0)
    return clustered(hits, n)[0]


def chance_share(ledger: Ledger) -> Rate:
    """Share of placebo executions to which an alert was attributed; each is a draw of its own."""
    rows = ledger.placebo & ledger.valid
    return wilson(int((ledger.alerts[rows] > 0).sum()), int(rows.sum()))


def sensitivity(ledger: Ledger) -> Rate:
    """Malicious steps alerted on or prevented, of the valid ones that the product's class can see."""
    hits, n = ledger.by_cluster(ledger.malicious & ledger.applicable, ledger.metric("detected"))
    return clustered(hits, n)[0]


def youden(ledger: Ledger) -> tuple[Estimate, Estimate]:
    """Youden's J (sensitivity + specificity - 1) and balanced accuracy ((sensitivity + specificity) / 2).

    A step and its twin are drawn together, so that what they have in common is not counted twice. J is sensitivity
    less the share of twins not left alone; its limits come from those of both and their correlation over the resamples.
    """
    hits, n = ledger.by_cluster(ledger.malicious & ledger.applicable, ledger.metric("detected"))
    alarms, twins = ledger.by_cluster(ledger.benign & ledger.valid, ~ledger.left_alone)
    techniques = int(((n > 0) | (twins > 0)).sum())
    method = (
        "limits of a difference of shares by variance recovery, techniques drawn with their twins (Agresti and Min's, "
        "where each was run once)"
    )
    if not n.sum() or not twins.sum():
        reason = EMPTY if not n.sum() else "the plan has no valid benign twin"
        empty = Estimate(
            value=None, low=None, high=None, n=techniques, of="techniques", unit="share", method=method, reason=reason
        )
        return empty, empty
    detected, alarmed = clustered(hits, n)[0], clustered(alarms, twins)[0]
    if n.max() <= 1 and (n == twins).all():  # single answers in pairs
        found = paired_shares(hits[n > 0], alarms[n > 0])
        low, high = found.low, found.high
    else:
        low, high = mover_difference(_ends(detected), _ends(alarmed), joint_correlation(hits, n, alarms, twins))
    # From the counts: rates already rounded would put the sixth digit of balanced accuracy off by one.
    value = float(hits.sum() / n.sum() - alarms.sum() / twins.sum())
    j = Estimate(
        value=rounded(value), low=rounded(max(-1.0, low)), high=rounded(min(1.0, high)), n=techniques, of="techniques",
        unit="share", method=method,
    )  # fmt: skip
    accuracy = j.model_copy(
        update={
            "value": rounded((value + 1) / 2), "low": rounded((max(-1.0, low) + 1) / 2),
            "high": rounded((min(1.0, high) + 1) / 2),
        }
    )  # fmt: skip
    return j, accuracy


def joint_correlation(hits: Floats, n: Floats, others: Floats, m: Floats) -> float:
    """Correlation of two rates when all clusters that hold either are drawn together."""
    used = ((n > 0) | (m > 0))[:, 0]
    drawn = resampled_ratio(np.hstack([hits, others])[used], np.hstack([n, m])[used])
    return correlation_of(drawn[:, 0], drawn[:, 1])


def _ends(rate: Rate) -> tuple[float, float, float]:
    return rate.value or 0.0, rate.low or 0.0, rate.high or 0.0


def technique_lines(ledger: Ledger) -> tuple[TechniqueLine, ...]:
    """Sensitivity and specificity side by side, technique by technique; steps are what is pooled within one."""
    detected = ledger.metric("detected")
    lines = []
    for index, name in enumerate(ledger.clusters):
        if name.startswith("step "):
            continue
        here = ledger.cluster == index
        lines.append(
            TechniqueLine(
                technique=name,
                sensitivity=_by_step(ledger, here & ledger.malicious & ledger.applicable, detected),
                specificity=_by_step(ledger, here & ledger.benign & ledger.valid, ledger.left_alone),
            )
        )
    return tuple(line for line in lines if line.sensitivity.n or line.specificity.n)


def _by_step(ledger: Ledger, rows: Mask, values: Mask) -> Rate:
    """A rate within one technique. Repetitions of a step are copies: the interval counts each step once."""
    hits, n = int(values[rows].sum()), int(rows.sum())
    steps = int(np.unique(ledger.step[rows]).size)
    if n == 0 or steps == n:
        return wilson(hits, n)
    share = np.array([hits / n])
    low, high = wilson_limits(share, np.array([float(steps)]), normal())
    return Rate(
        hits=hits, n=n, value=hits / n, low=rounded(low[0]), high=rounded(high[0]),
        method="Wilson's, each step counted once: its repetitions are no independent procedures",
    )  # fmt: skip


def alerted_share(verdicts: Iterable[Verdict], kind: StepKind) -> Rate:
    """Share of the valid executions of a kind of step to which an alert was attributed, each alone."""
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
