"""The power of the exchange test with several executions of each technique, from the test itself.

A technique's lasting rates under the two products are Beta numbers whose normal scores are correlated (a Gaussian
copula), as in the simulations of docs/validation/known-truth.md. From them follows the distribution of what the test
sees of a technique: the first product's hits less the second's. Techniques are independent, so how many of them differ
by how much is a multinomial draw; what the test needs then, and how often it gets it, is computed, and the mean over
many draws is the power. No formula knows all of it: hits are whole numbers, most of them of a few sizes, so that an
exact test spends less than its level, and a difference of products that agree is skewed, so that it is found more often
than a normal one would be.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SEED = 20_261_128
DRAWN = 2000
"""Campaigns: the power is known to a fraction of a percentage point."""
LENGTH = 600
"""Hits that differ, in a campaign, up to which its p-value is computed; beyond, it hardly differs from a normal one."""
EXECUTIONS = 16
"""Of one technique at most; where there are more, their share is put on a grid of so many steps."""
SCORES = np.linspace(-6, 6, 601)
"""Normal scores of techniques, at which rates are taken: as close as 1 % of their standard deviation."""

TINY = 1e-12
"""Rates nearer to 0 or 1 overflow in scipy's binomial distribution."""


def beta_rates(mean: float, stability: float) -> Floats:
    """Lasting rate at each of `SCORES`: Beta-distributed, with the share `stability` of an answer's variance."""
    from scipy.special import betaincinv, ndtr  # slow to import

    if stability <= 0 or mean in (0.0, 1.0):
        return np.full(SCORES.size, mean)
    size = (1 - stability) / stability
    return np.asarray(betaincinv(mean * size, (1 - mean) * size, ndtr(SCORES)))


def weights(correlation: float) -> Floats:
    """Probability of each pair of scores: (scores, scores), a bivariate normal distribution."""
    x, y = SCORES[:, None], SCORES[None, :]
    density = np.exp(-(x * x - 2 * correlation * x * y + y * y) / (2 * (1 - correlation * correlation)))
    return np.asarray(density / density.sum())


def copula(first: Floats, second: Floats, agreement: float) -> Floats:
    """Probability of each pair of scores at which two products' rates correlate as said, or as far as they can."""
    alone = weights(0.0).sum(axis=0)
    a, b = first - alone @ first, second - alone @ second
    spread = float(np.sqrt((alone @ a**2) * (alone @ b**2)))
    if spread <= 0 or agreement == 0:
        return weights(0.0)
    low, high = (0.0, 0.999) if agreement > 0 else (-0.999, 0.0)
    for _ in range(14):
        middle = (low + high) / 2
        reached = float(a @ weights(middle) @ b) / spread
        low, high = (middle, high) if reached < agreement else (low, middle)
    return weights((low + high) / 2)


@lru_cache(maxsize=64)
def differences(first: float, second: float, stability: float, agreement: float, executions: int) -> Floats:
    """Chances that the first's hits less the second's on one technique are -n … n; n is at most `EXECUTIONS`."""
    from scipy.stats import binom  # slow to import

    a, b = beta_rates(first, stability), beta_rates(second, stability)
    told = np.arange(executions + 1)
    one, other = (binom.pmf(told[None, :], executions, np.clip(rate, TINY, 1 - TINY)[:, None]) for rate in (a, b))
    both = one.T @ copula(a, b, agreement) @ other
    chances = np.array([np.trace(both, offset=-d) for d in range(-executions, executions + 1)])
    if executions > EXECUTIONS:  # each value is shared by its two neighbours on the grid, which keeps the mean
        place = (np.arange(-executions, executions + 1) / executions + 1) * EXECUTIONS
        below = np.minimum(np.floor(place), 2 * EXECUTIONS - 1).astype(np.intp)
        coarse = np.zeros(2 * EXECUTIONS + 1)
        np.add.at(coarse, below, chances * (1 - (place - below)))
        np.add.at(coarse, below + 1, chances * (place - below))
        chances = coarse
    chances = np.clip(chances, 0.0, None)
    return np.asarray(chances / chances.sum())


def exchange_power(chances: Floats, techniques: int, level: float) -> float:
    """Chance that the exchange test finds a difference.

    How many techniques differ by 1, 2, … is drawn; given that, what the test needs and how often it gets it is exact.

    Args:
        chances: of each difference of one technique, see `differences`.
        techniques: in a campaign.
        level: of the test.
    """
    most = chances.size // 2
    ahead, behind = chances[most + 1 :], chances[:most][::-1]
    either = ahead + behind
    share = np.divide(ahead, either, out=np.full(most, 0.5), where=either > 0)
    drawn = np.random.default_rng(SEED).multinomial(techniques, np.append(either, chances[most]), size=DRAWN)
    sizes = drawn[:, :most]
    values = np.arange(1, most + 1)
    length = int((sizes @ values).max(initial=0)) + 1
    found = _counted(sizes, share, length, level) if length <= LENGTH else _normal(sizes, share, level)
    return float(found.mean())


def _counted(sizes: NDArray[np.intp], share: Floats, length: int, level: float) -> Floats:
    """Chance of each campaign that the test finds a difference.

    Args:
        sizes: (campaigns, most), how many techniques differ by 1, 2, …
        share: (most,) of these in which the first is ahead.
        length: more hits than differ in any campaign.
        level: of the test.
    """
    values = np.arange(1, share.size + 1)
    total, rows = sizes @ values, np.arange(sizes.shape[0])

    def below(ahead: Floats) -> Floats:
        """(campaigns, length): chance that so many of the hits that differ, or fewer, are the first's."""
        turns = np.exp(-2j * np.pi * values[:, None] * np.arange(length // 2 + 1)[None, :] / length)
        factors = np.log(1 - ahead[:, None] + ahead[:, None] * turns + 1e-300)
        mass = np.fft.irfft(np.exp(sizes @ factors), length, axis=1)
        return np.asarray(np.minimum(1.0, np.cumsum(np.clip(mass, 0.0, None), axis=1)))

    limit = (2 * below(np.full(share.size, 0.5)) <= level).sum(axis=1) - 1  # at most so many: a difference
    there = below(share)
    few = there[rows, np.maximum(limit, 0)]
    many = 1 - there[rows, np.maximum(total - limit - 1, 0)]
    return np.where((limit >= 0) & (total > 0), few + many, 0.0)


def _normal(sizes: NDArray[np.intp], share: Floats, level: float) -> Floats:
    """Likewise by normal distributions, half a step (the sum moves by two hits) added to what is needed."""
    from scipy.special import ndtr, ndtri  # slow to import

    values = np.arange(1, share.size + 1)
    needed = ndtri(1 - level / 2) * np.sqrt(sizes @ values**2) + 1
    middle = sizes @ (values * (2 * share - 1))
    error = np.sqrt(np.maximum(1e-12, sizes @ (values**2 * 4 * share * (1 - share))))
    return np.asarray(ndtr((middle - needed) / error) + ndtr((-middle - needed) / error))
