"""Intervals of rates and of their differences where executions come in clusters (techniques).

Several procedures of one technique, and repetitions of one step, are not independent: a product that misses
once tends to miss again. Everything here therefore estimates a variance by resampling whole techniques, turns it
into the number of independent executions that would have that variance (the effective sample size), less what
Student's t takes off because the variance is learnt from so few techniques, and puts that number into Wilson's form.
Why not the percentiles of the resamples: docs/decisions/intervals.md.

Arrays are clusters down (axis 0) and rates across (axis 1). Nothing here knows a record of ours.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 10_000
"""Of every bootstrap and every drawn test; simulations of thousands of campaigns set it lower."""
SEED = 20_261_128
"""Of every resample: the same input gives the same bytes."""
FEWEST = 8.0
"""Degrees of freedom of a variance at least, where there are techniques enough; see `freedom`."""
MANY = 1000
"""Clusters beyond which `ratio_variance` draws no resamples."""
DIGITS = 6
"""Of every published number: the last bits of a sum may differ between machines, these digits do not."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pooled:
    """Rates over the same clusters, each with its interval."""

    value: Floats
    low: Floats
    high: Floats
    effective_n: Floats
    """Independent executions that would say as much."""
    resamples: Floats
    """(resamples, rates): each rate in each resample; NaN where a resample holds no execution of it."""


def resample_counts(clusters: int) -> NDArray[np.float32]:
    """How often each cluster is drawn in each resample: (RESAMPLES, clusters); each row sums to `clusters`."""
    return _drawn_counts(clusters, RESAMPLES)


@lru_cache(maxsize=8)
def _drawn_counts(clusters: int, resamples: int) -> NDArray[np.float32]:
    drawn = np.random.default_rng(SEED).integers(0, clusters, size=(resamples, clusters))
    drawn += (np.arange(resamples) * clusters)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * clusters).reshape(resamples, clusters).astype(np.float32)
    counts.setflags(write=False)
    return counts


def normal(confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of the normal distribution."""
    from scipy.special import ndtri  # slow to import; only scoring needs it

    return float(ndtri(1 - (1 - confidence) / 2))


def student_t(clusters: int, confidence: float = CONFIDENCE) -> float:
    """Two-sided quantile of Student's t for so many clusters; the normal one where there is only one cluster."""
    from scipy.special import stdtrit  # slow to import; only scoring needs it

    return float(stdtrit(clusters - 1, 1 - (1 - confidence) / 2)) if clusters > 1 else normal(confidence)


def freedom(residuals: Floats) -> Floats:
    """Degrees of freedom of a variance that is learnt from clusters: (rates,) from (clusters, rates).

    2 clusters / (kurtosis - 1), after the variance of a sample variance: a few clusters that hold nearly all of it, as
    in rates near 0 and 1, tell it less surely than answers that are as often yes as no. A kurtosis of few clusters is
    itself uncertain, so never fewer than `FEWEST`, or clusters - 1.
    """
    clusters = residuals.shape[0]
    if clusters < 2:
        return np.full(residuals.shape[1], np.inf)
    square = (residuals**2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        kurtosis = np.where(square > 0, clusters * (residuals**4).sum(axis=0) / square**2, 1.0)
        told = np.where(kurtosis > 1, 2 * clusters / (kurtosis - 1), np.inf)
    return np.asarray(np.maximum(told, min(FEWEST, clusters - 1)))


def learnt(degrees: Floats, confidence: float = CONFIDENCE) -> Floats:
    """Share of an effective sample size that is left, because its variance is learnt with so many degrees of freedom.

    Source: Korn and Graubard 1998, equation 2 (see `pooled`): the square of normal over Student quantile.
    """
    return (normal(confidence) / quantile_of(degrees, confidence)) ** 2


def quantile_of(degrees: Floats, confidence: float = CONFIDENCE) -> Floats:
    """Two-sided quantiles of Student's t."""
    from scipy.special import stdtrit  # slow to import; only scoring needs it

    return np.asarray(stdtrit(degrees, 1 - (1 - confidence) / 2))


def resampled_ratio(hits: Floats, n: Floats) -> Floats:
    """Ratio of sums in each resample: (resamples, rates). NaN where a resample holds no execution."""
    sums = _product(resample_counts(hits.shape[0]), np.hstack([hits, n]))
    numerator, denominator = sums[:, : hits.shape[1]], sums[:, hits.shape[1] :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def ratio_variance(hits: Floats, n: Floats) -> float:
    """Variance of one ratio of sums, (clusters, 1) each: of its resamples, or, of very many clusters, its linear form.

    The linear form is where the resamples' variance tends to; of ten thousand clusters they would fill 400 MB.
    """
    clusters = hits.shape[0]
    if clusters > MANY:
        found = float(((hits - hits.sum() / n.sum() * n) ** 2).sum() / n.sum() ** 2)
    else:
        found = float(resampled_ratio(hits, n).var())
    return float(found * clusters / max(1, clusters - 1))


def _product(counts: NDArray[np.float32], values: Floats) -> Floats:
    """Sums over the drawn clusters; whole numbers in single precision, where they are exact and twice as fast."""
    whole = bool((values == np.floor(values)).all()) and float(np.abs(values).sum()) * 4 < 2**24
    if whole:
        return np.asarray(counts @ values.astype(np.float32), dtype=np.float64)
    return np.asarray(counts.astype(np.float64) @ values)


def pooled(hits: Floats, n: Floats, confidence: float = CONFIDENCE, *, student: bool = True) -> Pooled:
    """Rates hits/n with intervals from a cluster bootstrap.

    Args:
        hits: (clusters, rates), executions that count; may be fractional.
        n: (clusters, rates) or (clusters, 1), executions; clusters without any are left out rate by rate.
        confidence: of the intervals.
        student: whether an effective size is less for Student's t.

    Returns:
        For each rate its value (NaN where n is 0) and interval.

    Source: effective sample size and Student's t after E. L. Korn, B. I. Graubard, "Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data", Survey Methodology 24
    (1998), in E. B. Wilson's form (1927), as C. Franco et al. compare them (Journal of Survey Statistics and
    Methodology 7, 2019).
    """
    n = np.broadcast_to(n, hits.shape).astype(np.float64)
    value = np.full(hits.shape[1], np.nan)
    low, high, size = value.copy(), value.copy(), value.copy()
    draws = np.full((RESAMPLES, hits.shape[1]), np.nan)
    for columns in _same_clusters(n):
        used = n[:, columns[0]] > 0
        if not used.any():
            continue
        h, m = hits[used][:, columns], n[used][:, columns]
        clusters = int(used.sum())
        value[columns] = h.sum(axis=0) / m.sum(axis=0)
        drawn = resampled_ratio(h, m)
        draws[:, columns] = drawn
        variance = drawn.var(axis=0) * clusters / max(1, clusters - 1)
        plain = bool((m <= 1).all())
        left = learnt(freedom(h - value[columns] * m), confidence) if student else np.ones(len(columns))
        size[columns] = m.sum(axis=0) if plain else effective_size(value[columns], variance, m, left)
        low[columns], high[columns] = wilson_limits(value[columns], size[columns], normal(confidence))
    return Pooled(value, low, high, size, draws)


def _same_clusters(n: Floats) -> list[list[int]]:
    """Columns that use the same clusters, together, so that they share their resamples."""
    groups: dict[bytes, list[int]] = {}
    for column in range(n.shape[1]):
        groups.setdefault((n[:, column] > 0).tobytes(), []).append(column)
    return list(groups.values())


def effective_size(value: Floats, variance: Floats, n: Floats, left: Floats) -> Floats:
    """Independent executions with this variance: at most all there are, at least as if each cluster said one thing.

    At 0 and 1 no variance can be seen; there the least is taken, since nothing speaks for more.

    Args:
        value: (rates,) shares.
        variance: (rates,) of them.
        n: (clusters, rates) executions, or (clusters, 1).
        left: (rates,) of a size that is learnt, see `learnt`.
    """
    most = n.sum(axis=0)
    least = most**2 / (n**2).sum(axis=0)
    inner = value * (1 - value)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where(variance > 0, left * inner / variance, np.where(inner > 0, most, least))
    return np.asarray(np.clip(size, least, most))


def wilson_limits(value: Floats, size: Floats, quantile: float) -> tuple[Floats, Floats]:
    """Limits of a share by Wilson's score form with any effective size."""
    square = quantile**2 / size
    middle = (value + square / 2) / (1 + square)
    half = quantile / (1 + square) * np.sqrt(value * (1 - value) / size + square / (4 * size))
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


@dataclass(frozen=True)
class Difference:
    """A difference of two rates on the same executions."""

    value: float
    low: float
    high: float
    error: float
    """Standard error that the limits use."""


def paired_difference(first: Floats, second: Floats, n: Floats, confidence: float = CONFIDENCE) -> Difference:
    """First rate less second, over the same executions.

    Args:
        first: (clusters,), executions that counted for the first alone.
        second: (clusters,), executions that counted for the second alone.
        n: (clusters,), executions, each above 0.
        confidence: of the interval.

    Source: half a pair in each of the four cells, after A. Agresti and Y. Min, "Simple improved confidence intervals
    for comparing matched proportions", Statistics in Medicine 24 (2005), with the effective number of pairs instead of
    their number.
    """
    total, clusters = float(n.sum()), n.size
    alone_first, alone_second = float(first.sum()) / total, float(second.sum()) / total
    difference = alone_first - alone_second
    drawn = resampled_ratio((first - second)[:, None], n[:, None])[:, 0]
    variance = float(drawn.var()) * clusters / max(1, clusters - 1)
    inner = alone_first + alone_second - difference**2
    least = total**2 / float((n**2).sum())
    plain = bool((n <= 1).all())
    left = float(learnt(freedom((first - second - difference * n)[:, None]), confidence)[0])
    size = total if plain else min(total, max(least, left * inner / variance)) if variance > 0 else least
    a, b = (alone_first * size + 0.5) / (size + 2), (alone_second * size + 0.5) / (size + 2)
    error = float(np.sqrt((a + b - (a - b) ** 2) / (size + 2)))
    half = normal(confidence) * error
    return Difference(difference, max(-1.0, a - b - half), min(1.0, a - b + half), error)


def paired_shares(first: Floats, second: Floats, confidence: float = CONFIDENCE) -> Difference:
    """First mean less second of single answers in pairs, (pairs,) of 0 and 1 each."""
    return paired_difference(first * (1 - second), second * (1 - first), np.ones(first.size), confidence)


def mover_difference(
    first: tuple[float, float, float], second: tuple[float, float, float], correlation: float
) -> tuple[float, float]:
    """Limits of first - second from each one's (value, low, high) and their correlation.

    Source: G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general approach",
    Statistics in Medicine 27 (2008), the method of variance estimates recovery.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    below = (a - a_low) ** 2 + (b_high - b) ** 2 - 2 * correlation * (a - a_low) * (b_high - b)
    above = (a_high - a) ** 2 + (b - b_low) ** 2 - 2 * correlation * (a_high - a) * (b - b_low)
    return a - b - float(np.sqrt(max(0.0, below))), a - b + float(np.sqrt(max(0.0, above)))


def mover_ratio(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float | None]:
    """Limits of first / second for independent positive estimates; no upper one where the second may be 0.

    Source: A. Donner, G. Y. Zou, "Closed-form confidence intervals for functions of the normal mean and standard
    deviation", Statistical Methods in Medical Research 21 (2012), section on ratios.
    """
    (a, a_low, a_high), (b, b_low, b_high) = first, second
    down = b_high * (2 * b - b_high)
    up = b_low * (2 * b - b_low)
    inside_low = (a * b) ** 2 - a_low * b_high * (2 * a - a_low) * (2 * b - b_high)
    inside_high = (a * b) ** 2 - a_high * b_low * (2 * a - a_high) * (2 * b - b_low)
    low = (a * b - np.sqrt(max(0.0, inside_low))) / down if down > 0 else 0.0
    high = (a * b + np.sqrt(max(0.0, inside_high))) / up if up > 0 else None
    return float(max(0.0, low)), None if high is None else float(high)


def correlation_of(first: Floats, second: Floats) -> float:
    """Correlation of two rates over the resamples; 0 where one of them does not vary."""
    seen = ~(np.isnan(first) | np.isnan(second))
    a, b = first[seen], second[seen]
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def count_limits(counts: Floats, exposure: Floats, confidence: float = CONFIDENCE) -> tuple[float, float, float, float]:
    """Events per unit of exposure over trials: (rate, low, high, overdispersion).

    For a single trial Jeffreys' limits of a Poisson count. For several the exact ones, with count and exposure divided
    by the overdispersion that the trials show (Pearson's chi-square over its degrees of freedom, at least 1): what
    exact limits hold too often makes up for an overdispersion that few trials show too small.

    Args:
        counts: (trials,) events.
        exposure: (trials,) in the unit of the rate, each above 0.
        confidence: of the interval.
    """
    total, time = float(counts.sum()), float(exposure.sum())
    spread = 1.0
    if counts.size > 1 and total > 0:
        expected = total * exposure / time
        spread = max(1.0, float(((counts - expected) ** 2 / expected).sum()) / (counts.size - 1))
    low, high = poisson_limits(total / spread, time / spread, confidence, exact=counts.size > 1)
    return total / time, low, high, spread


def poisson_limits(
    events: float, exposure: float, confidence: float = CONFIDENCE, *, exact: bool = False
) -> tuple[float, float]:
    """Jeffreys' or exact limits of a Poisson rate, the lower one 0 where there is no event; events need not be whole.

    On average over rates Jeffreys' hold as often as they say, where the exact ones hold more often. Sources: L. D.
    Brown, T. T. Cai, A. DasGupta, "Interval estimation in exponential families", Statistica Sinica 13 (2003); F.
    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936).
    """
    from scipy.special import gammaincinv  # slow to import; only scoring needs it

    tail, less, more = (1 - confidence) / 2, (0.0 if exact else 0.5), (1.0 if exact else 0.5)
    low = float(gammaincinv(events + less, tail)) / exposure if events > 0 else 0.0
    return low, float(gammaincinv(events + more, 1 - tail)) / exposure


def mean_limits(values: Floats, confidence: float = CONFIDENCE) -> tuple[float, float | None, float | None]:
    """Mean of independent values with Student's interval; no limits for a single one."""
    mean = float(values.mean())
    if values.size < 2:
        return mean, None, None
    half = student_t(values.size, confidence) * float(values.std(ddof=1)) / float(np.sqrt(values.size))
    return mean, mean - half, mean + half


def median_limits(values: Floats, confidence: float = CONFIDENCE) -> tuple[float | None, float | None]:
    """Limits of a median by fractional order statistics, whatever the distribution; an infinite one is None.

    None for fewer than six values: the least and the greatest of five hold it with 94 %.
    Source: A. D. Hutson, "Calculating nonparametric confidence intervals for quantiles using fractional order
    statistics", Journal of Applied Statistics 26 (1999).
    """
    from scipy.special import betainc  # slow to import; only scoring needs it

    tail, ranked = (1 - confidence) / 2, np.sort(values)
    if 0.5**values.size > tail:
        return None, None
    order = np.arange(1, values.size + 1)
    later = betainc(order, order[::-1], 0.5)
    ends = (falls_to(ranked, later, 1 - tail), falls_to(ranked, later, tail))
    low, high = (None if end is None or not np.isfinite(end) else end for end in ends)
    return low, high


def falls_to(times: Floats, chances: Floats, chance: float) -> float | None:
    """When falling chances reach a value, between two times in proportion to their normal scores; None if never."""
    from scipy.special import ndtri  # slow to import; only scoring needs it

    line, wanted = np.clip(ndtri(chances), -9.0, 9.0), float(ndtri(chance))  # it falls nearly straight
    if not (line <= wanted).any():
        return None
    after = int(np.argmax(line <= wanted))
    if after == 0:
        return float(times[0])
    passed = (line[after - 1] - wanted) / (line[after - 1] - line[after])
    if times[after] == times[after - 1]:
        return float(times[after])
    return float(times[after - 1] + passed * (times[after] - times[after - 1]))


def rounded(value: Any) -> float | None:  # noqa: ANN401  # numpy's scalars, too
    """A float for a record, rounded so that no two machines differ; None for NaN, infinity and None."""
    if value is None or not np.isfinite(value):
        return None
    return round(float(value), DIGITS) + 0.0
