"""Tests whose level holds by construction: what would the difference be if the products' names were exchanged?

No test here assumes a distribution; each counts or draws the exchanges that its null hypothesis allows.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from results import confidence
from results.confidence import SEED, Floats

ENUMERATED = 14
"""Up to so many techniques that differ, every exchange is counted whatever they differ by."""
WHOLE = 1_000_000
"""Whole differences (hits) whose sizes add up to no more are counted, too, however many they are; else `RESAMPLES`
exchanges are drawn."""
SMALL_P = 1e-4
"""Below it the Fourier transform's errors, of some 1e-16 each, come near the p-value: it is summed term by term."""
MOST_SUMMED = 20_000
"""Values that the sum can have, up to which it is: twice as many take four times as long."""
LEAST = float(np.finfo(np.float64).tiny)
"""No test shows that two products can't be alike: where a float holds no smaller number, this is the p-value."""


def significant(p_value: float) -> float:
    """A p-value for a record: six significant digits, so that no two machines differ, and never 0."""
    return max(LEAST, float(f"{p_value:.6g}"))


@lru_cache(maxsize=8)
def _every_sign(clusters: int) -> Floats:
    """(exchanges, clusters) of +1 and -1: all there are."""
    bits = (np.arange(2**clusters)[:, None] >> np.arange(clusters)[None, :]) & 1
    return np.asarray(bits * 2.0 - 1.0)


@lru_cache(maxsize=2)
def _drawn_signs(clusters: int, drawn: int) -> Floats:
    """(exchanges, clusters) of +1 and -1: so many drawn."""
    bits = np.random.default_rng(SEED).integers(0, 2, size=(clusters, drawn), dtype=np.int8)
    return np.ascontiguousarray((bits * 2.0 - 1.0).T)


def _signs(clusters: int) -> Floats:
    """Exchanges of so many techniques: all there are, or as many as are drawn."""
    if clusters <= ENUMERATED:
        return _every_sign(clusters)
    return _drawn_signs(-(-clusters // 64) * 64, confidence.RESAMPLES)[:, :clusters]


def swap_test(differences: Floats) -> float:
    """Two-sided p-value of a difference when the two products change places technique by technique.

    With one repetition and one step a technique this is McNemar's exact test. Repetitions and steps of a technique
    change places together, so that copies of one observation never count as several.

    Args:
        differences: (techniques,) of the first product's hits less the second's.
    """
    told = differences[np.abs(differences) > 1e-12]
    if not told.size:
        return 1.0
    enumerated = told.size <= ENUMERATED
    if not enumerated and np.abs(told).sum() <= WHOLE and bool((told == np.floor(told)).all()):
        return _whole_swap_test(told)
    sums = np.abs(_signs(int(told.size)) @ told)
    reached = int((sums >= abs(told.sum()) - 1e-9 * np.abs(told).sum()).sum())
    if enumerated:
        return reached / sums.size
    return (reached + 1) / (sums.size + 1)  # the observed one is one of those drawn


def _whole_swap_test(told: Floats) -> float:
    """The same for whole differences, exactly: by the convolution of what each technique adds to the sum.

    Drawn exchanges left it to their draw whether a p-value that lies at the level is below it.
    """
    sizes, counts = np.unique(np.abs(told).astype(np.intp), return_counts=True)
    total = int((sizes * counts).sum())
    angles = 2 * np.pi * np.arange((total + 1) // 2 + 1) / (total + 1)
    spectrum = np.ones(angles.size, dtype=np.complex128)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spectrum *= ((1 + np.exp(-1j * size * angles)) / 2) ** count
    far = np.abs(2 * np.arange(total + 1) - total) >= abs(float(told.sum()))
    parts = [
        (np.concatenate(([0.5], np.zeros(size - 1), [0.5])), count)
        for size, count in zip(sizes.tolist(), counts.tolist(), strict=True)
    ]
    return _probability(spectrum, parts, far)


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Two-sided exact p-value of McNemar's test (Q. McNemar, Psychometrika 12, 1947), by scipy's binomial test."""
    from scipy.stats import binomtest  # slow to import; only scoring needs it

    n = first_only + second_only
    return max(LEAST, float(binomtest(first_only, n, 0.5).pvalue)) if n else 1.0


def within_step_test(first: NDArray[np.intp], second: NDArray[np.intp], n: NDArray[np.intp]) -> float:
    """Two-sided exact p-value when the executions of each step are dealt to the two products anew.

    It asks whether any step tells the products apart; steps that always give one product the same answer weigh fully.
    Exact by the convolution of the steps' hypergeometric distributions (R. A. Fisher's idea, step by step).

    Args:
        first: (steps,) hits of the first product.
        second: (steps,) hits of the second.
        n: (steps,) executions of each product.
    """
    from scipy.stats import hypergeom  # slow to import; only scoring needs it

    told = (first + second > 0) & (first + second < 2 * n)
    if not told.any():
        return 1.0
    hits, runs = (first + second)[told], n[told]
    cases, counts = np.unique(np.stack([hits, runs], axis=1), axis=0, return_counts=True)
    parts = [
        (hypergeom.pmf(np.arange(size + 1), 2 * size, total, size), count)
        for (total, size), count in zip(cases.tolist(), counts.tolist(), strict=True)
    ]
    length = int((cases[:, 1] * counts).sum()) + 1
    expected = float((hits / 2).sum())
    far = np.abs(np.arange(length) - expected) >= abs(float(first[told].sum()) - expected) - 1e-9
    spectrum = np.ones(length // 2 + 1, dtype=np.complex128)
    for mass, count in parts:
        spectrum *= np.fft.rfft(mass, length) ** count
    return _probability(spectrum, parts, far)


def _probability(
    spectrum: NDArray[np.complex128], parts: Sequence[tuple[Floats, int]], far: NDArray[np.bool_]
) -> float:
    """How likely a sum of independent whole numbers is to have one of some values.

    Args:
        spectrum: Fourier transform of the sum's distribution.
        parts: a distribution over 0, 1, 2 … and how many of the numbers have it.
        far: (values,) the values.
    """
    length = far.size
    found = float(np.clip(np.fft.irfft(spectrum, length), 0.0, None)[far].sum())
    if found < SMALL_P:
        # Of a longer one all that is known is that it is not above what the transform may err by.
        found = float(_summed(parts)[far].sum()) if length <= MOST_SUMMED else max(found, length * 1e-15)
    return min(1.0, max(LEAST, found))


def _summed(parts: Sequence[tuple[Floats, int]]) -> Floats:
    """The distribution of a sum, each part so often, with no subtraction: small shares are right in every digit.

    Args:
        parts: a distribution over 0, 1, 2 … and how many things have it.
    """
    whole = np.ones(1)
    for mass, count in parts:
        power, left = mass, count
        while left:
            if left % 2:
                whole = np.convolve(whole, power)
            left //= 2
            power = np.convolve(power, power) if left else power
    return whole


def cochran_q(table: NDArray[np.intp]) -> tuple[float, float]:
    """Cochran's Q and its p-value by the chi-square approximation, from statsmodels.

    Args:
        table: (steps, products) of 0 and 1.
    """
    from statsmodels.stats.contingency_tables import cochrans_q  # slow to import; only scoring needs it

    mixed = table[(table.sum(axis=1) > 0) & (table.sum(axis=1) < table.shape[1])]
    if not mixed.size:
        return 0.0, 1.0
    found = cochrans_q(mixed)
    return float(found.statistic), max(LEAST, float(found.pvalue))


def swap_all_test(hits: Floats) -> float:
    """P-value that more than two products are alike: their places change technique by technique.

    The statistic is that of Cochran's Q, the spread of the products' totals.

    Args:
        hits: (techniques, products), sums over the same executions.
    """
    told = hits[hits.max(axis=1) > hits.min(axis=1)]
    if not told.size:
        return 1.0
    random = np.random.default_rng(SEED)
    observed = float(((told.sum(axis=0) - told.sum() / told.shape[1]) ** 2).sum())
    reached, drawn, wanted = 0, 0, confidence.RESAMPLES
    chunk = max(1, min(wanted, 4_000_000 // told.size))
    while drawn < wanted:
        size = min(chunk, wanted - drawn)
        dealt = random.permuted(np.broadcast_to(told, (size, *told.shape)), axis=2).sum(axis=1)
        spread = ((dealt - told.sum() / told.shape[1]) ** 2).sum(axis=1)
        reached += int((spread >= observed * (1 - 1e-9)).sum())
        drawn += size
    return (reached + 1) / (drawn + 1)


def log_rank_scores(times: Floats, events: NDArray[np.bool_]) -> Floats:
    """What each delay adds to the log-rank statistic: its event less the hazard it has lived through.

    Made from all delays together, so that they don't depend on which product is which.
    Source: R. Peto, J. Peto, "Asymptotically efficient rank invariant test procedures", Journal of the Royal
    Statistical Society A 135 (1972).
    """
    moments = np.unique(times[events])
    at_risk = times.size - np.searchsorted(np.sort(times), moments, side="left")
    died = np.bincount(np.searchsorted(moments, times[events]), minlength=moments.size)
    hazard = np.concatenate([[0.0], np.cumsum(died / at_risk)])
    return np.asarray(events - hazard[np.searchsorted(moments, times, side="right")])


def holm(p_values: list[float]) -> list[float]:
    """P-values adjusted for how many there are (S. Holm, Scandinavian Journal of Statistics 6, 1979)."""
    if not p_values:
        return []
    order = np.argsort(p_values, kind="stable")
    steps = np.array(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(one) for one in adjusted]
