"""How many techniques and repetitions settle a question, and what the number at hand can settle.

A product's answers on one technique vary between techniques and, less, between repetitions: of the variance p(1-p) of
an answer the share `stability` stays when the step is repeated. Two products share some of what makes a technique hard
or easy: `agreement`. The difference of two rates over C techniques with R executions of each then has the variance

    [v(pA) + v(pB) - 2 agreement stability sqrt(pA(1-pA) pB(1-pB))] / C,  v(p) = p(1-p) (stability + (1-stability)/R)

and the test exchanges the products' places technique by technique. With one execution of each it is McNemar's, whose
few possible p-values cost much of its power; there the power is computed exactly, from the chances that only one of the
two detects. With several, whole hits cost it power likewise, and skewed differences win it some: `results.power_exact`
computes it from the test itself. Student's paired test (noncentral t), taken before, was off by up to six points.
Simulations of the test that is really used are held against this in docs/validation/known-truth.md.
"""

import math
from dataclasses import dataclass

from results.errors import EvaluationError

LASTING = 0.999
"""A stability from which on repetitions are copies of one another."""
LEVEL = 0.05
POWER = 0.8


@dataclass(frozen=True)
class Question:
    """Two products that are to be told apart."""

    first: float
    """Rate that the first is thought to have, 0 to 1."""
    second: float
    stability: float = 0.8
    """Share of an answer's variance that stays when the step is repeated (near Krippendorff's alpha), 0 to 1."""
    agreement: float = 0.3
    """Correlation of the two products' rates over techniques, -1 to 1."""
    level: float = LEVEL
    """Of the test; divide by the number of pairs for the hardest of Holm's steps."""

    def checked(self) -> "Question":
        """Itself, if it makes sense.

        Raises:
            EvaluationError: a value lies outside its range.
        """
        for name, value, low, high in (
            ("first", self.first, 0.0, 1.0), ("second", self.second, 0.0, 1.0),
            ("stability", self.stability, 0.0, 1.0), ("agreement", self.agreement, -1.0, 1.0),
            ("level", self.level, 1e-9, 0.5),
        ):  # fmt: skip
            if not low <= value <= high:
                raise EvaluationError(
                    f"pij power: --{name}: found {value}; allowed: {low} to {high}. Give a share, such as 0.6."
                )
        return self


def variance(question: Question, repetitions: int) -> float:
    """Of the difference on one technique."""

    def one(p: float) -> float:
        return p * (1 - p) * (question.stability + (1 - question.stability) / repetitions)

    shared = math.sqrt(question.first * (1 - question.first) * question.second * (1 - question.second))
    return max(1e-12, one(question.first) + one(question.second) - 2 * question.agreement * question.stability * shared)


def power(question: Question, techniques: int, repetitions: int) -> float:
    """Chance that the test finds the difference, with so many techniques and executions of each."""
    from results.power_exact import differences, exchange_power  # slow to import

    if techniques < 2:
        return 0.0
    if repetitions == 1 or question.stability >= LASTING:
        return _mcnemar_power(question, techniques)
    chances = differences(question.first, question.second, question.stability, question.agreement, repetitions)
    return exchange_power(chances, techniques, question.level)


def _mcnemar_power(question: Question, techniques: int) -> float:
    """Chance that McNemar's exact test finds the difference: over every number of steps that tell the two apart."""
    import numpy as np  # slow to import
    from scipy.stats import binom

    a, b = question.first, question.second
    shared = question.agreement * question.stability * math.sqrt(a * (1 - a) * b * (1 - b))
    both = min(min(a, b), max(a + b - 1, 0.0, a * b + shared))
    first, second = a - both, b - both
    if first + second <= 0:
        return 0.0
    told = np.arange(techniques + 1)
    limit = binom.ppf(question.level / 2, told, 0.5)
    limit = np.where(binom.cdf(limit, told, 0.5) <= question.level / 2, limit, limit - 1)
    share = first / (first + second)
    found = binom.cdf(limit, told, share) + binom.sf(told - limit - 1, told, share)
    return float(min(1.0, (binom.pmf(told, techniques, first + second) * np.where(limit >= 0, found, 0.0)).sum()))


def techniques_needed(question: Question, repetitions: int, wanted: float = POWER, most: int = 100_000) -> int | None:
    """Fewest techniques with which the test has the wanted power; None if more than `most`."""
    if question.first == question.second or power(question, most, repetitions) < wanted:
        return None
    low, high = 1, 2
    while power(question, high, repetitions) < wanted:
        low, high = high, min(most, high * 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(question, middle, repetitions) >= wanted else (middle, high)
    return high


def repetitions_needed(question: Question, techniques: int, wanted: float = POWER, most: int = 1000) -> int | None:
    """Fewest repetitions with which these techniques have the wanted power; None if no number of them is enough.

    Repetitions only take away what changes between repetitions; what differs between techniques stays.
    """
    if power(question, techniques, most) < wanted:
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(question, techniques, middle) >= wanted else (middle, high)
    return high


def detectable_difference(error: float, techniques: int, level: float = LEVEL, wanted: float = POWER) -> float | None:
    """Smallest true difference that a test at this level would find with this power, given its standard error.

    None for fewer than two techniques. At most 1, which means: none could be found.
    """
    from scipy.stats import t  # slow to import

    if techniques < 2:
        return None
    freedom = techniques - 1
    return float(min(1.0, (t.ppf(1 - level / 2, freedom) + t.ppf(wanted, freedom)) * error))
