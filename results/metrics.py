"""Rates of one product arm from its verdicts: never a share without its counts and its interval."""

from collections.abc import Iterable

import numpy as np

from results.confidence import (
    Floats,
    correlation_of,
    effective_size,
    freedom,
    learnt,
    mover_difference,
    mover_ratio,
    normal,
    paired_shares,
    pooled,
    ratio_variance,
    resampled_ratio,
    rounded,
    wilson_limits,
)
from results.ledger import BY_ALERT, METRICS, Ledger, Mask
from results.measures import Estimate, TechniqueLine
from results.records import Rate, StepKind, Verdict
from results.summary import RateLine

DENOMINATORS = ("applicable", "valid", "common")
EMPTY = "nothing to divide by: there is no such step execution"
NO_PLACEBO = "the plan has no placebo step, so the chance rate is unknown"
CLUSTERED = "effective sample size of a cluster bootstrap over techniques, less for Student's t, in Wilson's form"
CLUSTERED_PLAIN = "effective sample size of a cluster bootstrap over techniques, in Wilson's form"


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


def clustered(hits: Floats, n: Floats, *, student: bool = True) -> list[Rate]:
    """Rates over techniques.

    Args:
        hits: (clusters, rates), executions that count.
        n: (clusters, 1), executions.
        student: whether an effective size is less for Student's t.

    Where no technique has more than one execution, nothing is pooled and the interval is Wilson's own.
    """
    total = round(float(n.sum()))
    if total == 0:
        return [wilson(0, 0) for _ in range(hits.shape[1])]
    counts = [round(float(count)) for count in hits.sum(axis=0)]
    if float(n.max()) <= 1:
        return [wilson(count, total) for count in counts]
    found, used = pooled(hits, n, student=student), int((n > 0).sum())
    return [
        Rate(
            hits=count, n=total, value=rounded(found.value[i]), low=rounded(found.low[i]), high=rounded(found.high[i]),
            method=CLUSTERED if student else CLUSTERED_PLAIN, clusters=used,
        )
        for i, count in enumerate(counts)
    ]  # fmt: skip


def bunched_share(hits: Floats, n: Floats) -> Rate:
    """One rate over bunches, (bunches, 1) each, of which there may be very many: see `clustered`."""
    total = round(float(n.sum()))
    if total == 0 or float(n.max()) <= 1:
        return wilson(round(float(hits.sum())), total)
    value = hits.sum() / total
    left = learnt(freedom(hits - value * n))
    size = effective_size(np.array([value]), np.array([ratio_variance(hits, n)]), n, left)
    low, high = wilson_limits(np.array([value]), size, normal())
    return Rate(
        hits=round(float(hits.sum())), n=total, value=rounded(value), low=rounded(low[0]), high=rounded(high[0]),
        method=CLUSTERED, clusters=hits.shape[0],
    )  # fmt: skip


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
    attacks, twins = ledger.malicious & ledger.applicable, ledger.benign & ledger.valid
    alike, twins_alike = likeness(ledger, attacks, detected), likeness(ledger, twins, ledger.left_alone)
    lines = []
    for index, name in enumerate(ledger.clusters):
        if name.startswith("step "):
            continue
        here = ledger.cluster == index
        lines.append(
            TechniqueLine(
                technique=name,
                sensitivity=_by_step(ledger, here & attacks, detected, alike),
                specificity=_by_step(ledger, here & twins, ledger.left_alone, twins_alike),
            )
        )
    return tuple(line for line in lines if line.sensitivity.n or line.specificity.n)


def likeness(ledger: Ledger, rows: Mask, values: Mask) -> float:
    """How much more alike repetitions of a step are than answers to different steps of its technique, from 0 to 1.

    1 less the share of pairs of repetitions that disagree over that of pairs of different steps of one technique (of
    any steps, where no technique has two): the correlation within steps, of all techniques together, since one alone
    can't tell. 1, copies, where there is nothing to tell it from.
    """
    hits, n = ledger.by_step(rows, values)
    ran = n > 0
    clusters = np.zeros(len(ledger.steps), dtype=np.intp)
    clusters[ledger.step[rows]] = ledger.cluster[rows]
    hits, n, clusters = hits[ran], n[ran], clusters[ran]
    again = n >= 2
    if not again.any():
        return 1.0
    within = float((2 * hits * (n - hits))[again].sum() / (n * (n - 1))[again].sum())
    between: float | None = None
    for groups in (clusters, np.zeros_like(clusters)):
        yes, all_ = np.bincount(groups, weights=hits), np.bincount(groups, weights=n)
        pairs = float((all_**2).sum() - (n**2).sum())
        if between is None and pairs > 0:
            between = float(2 * (yes * (all_ - yes)).sum() - 2 * (hits * (n - hits)).sum()) / pairs
    return 1.0 if not between else min(1.0, max(0.0, 1 - within / between))


def repeated_share(hits: int, n: int, steps: int, alike: float) -> Rate:
    """A share over few steps, run n times in all, whose repetitions are alike.

    Source: the design effect 1 + (m - 1) rho of m alike answers (L. Kish, Survey Sampling, 1965), in Wilson's form.

    Args:
        hits: executions that count.
        n: executions.
        steps: that were executed.
        alike: see `likeness`.
    """
    if n == 0 or steps == n:
        return wilson(hits, n)
    size = n / (1 + (n / steps - 1) * alike)
    low, high = wilson_limits(np.array([hits / n]), np.array([size]), normal())
    return Rate(
        hits=hits, n=n, value=hits / n, low=rounded(low[0]), high=rounded(high[0]),
        method="Wilson's; repetitions count as far as they differ from copies (Kish's design effect, all techniques)",
    )  # fmt: skip


def _by_step(ledger: Ledger, rows: Mask, values: Mask, alike: float) -> Rate:
    """A rate within one technique."""
    return repeated_share(int(values[rows].sum()), int(rows.sum()), int(np.unique(ledger.step[rows]).size), alike)


def wrong_share(verdicts: Iterable[Verdict]) -> Rate:
    """Share of alerted or prevented steps whose counted alerts name a technique that the step does not carry."""
    chosen = [v for v in verdicts if v.kind is StepKind.MALICIOUS and v.evidence_kind and v.alerts]
    found: dict[str, list[int]] = {}
    for one in chosen:
        sums = found.setdefault(one.technique or f"step {one.step_id}", [0, 0])
        sums[0] += bool(one.wrong_techniques)
        sums[1] += 1
    table = np.array([found[name] for name in sorted(found)], dtype=float).reshape(-1, 2)
    return clustered(table[:, :1], table[:, 1:])[0]
