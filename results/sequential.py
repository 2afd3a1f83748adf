"""A stopping rule that is fixed before the first trial: after each repetition, go on or stop, and why.

The level is spent look by look (K. K. G. Lan, D. L. DeMets, "Discrete sequential boundaries for clinical trials",
Biometrika 70 (1983)): look k of K may use only its own portion of it, and the portions add up to the level. Each look
makes a valid test of all executions so far, so whatever the looks have to do with each other, the chance that any of
them calls two equal products different is at most the level. Simpler than exact boundaries, and a little less powerful.

Stopping because the products are shown to be alike within a margin spends a level of its own, in the same portions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from results.confidence import Floats, paired_difference
from results.errors import EvaluationError
from results.permutation import swap_test

Spending = Literal["pocock", "obrien_fleming"]


@dataclass(frozen=True)
class Rule:
    """What is registered before the first trial."""

    looks: int
    """Most repetitions, K; the campaign looks after each."""
    level: float = 0.05
    """Chance at most that equal products are called different."""
    margin: float | None = 0.1
    """Products whose difference surely lies within it are called alike; None: never."""
    spending: Spending = "obrien_fleming"
    """`obrien_fleming` saves the level for late looks, `pocock` spends it evenly."""
    first_look: int = 2
    """No look before so many repetitions: one of them shows nothing about stability."""

    def checked(self, where: str = "stopping rule") -> "Rule":
        """Itself, if it makes sense.

        Args:
            where: file and field that it was read from, for messages.

        Raises:
            EvaluationError: a value lies outside its range.
        """
        if not 1 <= self.first_look <= self.looks:
            raise EvaluationError(
                f"{where}: first_look: found {self.first_look}; allowed: 1 to looks ({self.looks}). Lower it."
            )
        if not 0 < self.level < 0.5:
            raise EvaluationError(
                f"{where}: level (alpha): found {self.level}; allowed: above 0 and below 0.5. Give one such as 0.05."
            )
        if self.margin is not None and not 0 < self.margin < 1:
            raise EvaluationError(
                f"{where}: margin (smallest_difference): found {self.margin}; allowed: above 0 and below 1, or none. "
                "Give one such as 0.1."
            )
        return self


@dataclass(frozen=True)
class Look:
    """Two products on the same executions so far, technique by technique."""

    first_only: tuple[int, ...]
    """Executions that only the first detected."""
    second_only: tuple[int, ...]
    n: tuple[int, ...]
    """Executions of each product."""


@dataclass(frozen=True)
class Decision:
    """What the rule says after a look."""

    stop: bool
    conclusion: str
    """`first`, `second` (detects more), `alike`, `no_difference_shown`, `not_comparable`, or `open`."""
    reason: str
    look: int
    p_value: float | None
    """None where the rule does not look yet."""
    threshold: float | None
    """The portion of the level that this look may use."""


def spent(rule: Rule, look: int) -> float:
    """Share of the level that may be used up to this look, 0 to 1."""
    from scipy.stats import norm  # slow to import

    share = look / rule.looks
    if look < rule.first_look:
        return 0.0
    if look >= rule.looks:
        return 1.0
    if rule.spending == "pocock":
        return math.log(1 + (math.e - 1) * share)
    quantile = norm.ppf(1 - rule.level / 2)
    return float(min(1.0, 2 * (1 - norm.cdf(quantile / math.sqrt(share))) / rule.level))


def portion(rule: Rule, look: int) -> float:
    """The level that this look alone may use."""
    return rule.level * (spent(rule, look) - spent(rule, look - 1))


def level_shown(value: float | None) -> str:
    """A p-value beside its threshold: two small ones can still be told apart."""
    if value is None:
        return "–"
    return f"{value:.4f}" if value >= 0.00005 or not value else f"{value:.1e}"


def decide(history: Sequence[Look], rule: Rule) -> Decision:
    """Go on or stop after the repetitions so far.

    Args:
        history: one look a repetition, each over all executions until then.
        rule: as it was registered.
    """
    look = len(history)
    if not look or look < rule.first_look:
        return Decision(False, "open", "continue: too early to look", look, None, None)
    now = history[-1]
    first, second, n = (np.array(column, dtype=float) for column in (now.first_only, now.second_only, now.n))
    used = n > 0
    allowed = portion(rule, look)
    if not used.any():
        return Decision(look >= rule.looks, "not_comparable", "no execution is valid for both", look, None, allowed)
    p_value = swap_test((first - second)[used])
    if p_value <= allowed:
        better = "first" if float((first - second).sum()) > 0 else "second"
        reason = f"stop: the {better} detects more (p {level_shown(p_value)} <= {level_shown(allowed)})"
        return Decision(True, better, reason, look, p_value, allowed)
    if rule.margin is not None and _alike(first[used], second[used], n[used], allowed, rule.margin):
        reason = f"stop: no difference of {rule.margin:.0%} or more is left possible"
        return Decision(True, "alike", reason, look, p_value, allowed)
    if look >= rule.looks:
        reason = "stop: no difference shown in the repetitions that were registered"
        return Decision(True, "no_difference_shown", reason, look, p_value, allowed)
    return Decision(
        False, "open", f"continue: p {level_shown(p_value)} > {level_shown(allowed)}", look, p_value, allowed
    )


def _alike(first: Floats, second: Floats, n: Floats, level: float, margin: float) -> bool:
    """Two one-sided tests at this level: the interval of confidence 1 - 2 * level lies within the margin."""
    if level <= 0 or first.size < 2:
        return False
    found = paired_difference(first, second, n, confidence=1 - 2 * level)
    return -margin < found.low and found.high < margin


def decide_all(history: Sequence[dict[tuple[str, str], Look]], rule: Rule) -> dict[tuple[str, str], Decision]:
    """The rule for every pair of products, the level divided by the number of pairs (Bonferroni).

    Args:
        history: one a repetition: (first, second) -> look.
        rule: as it was registered, its level meant for all pairs together.
    """
    pairs = list(history[-1]) if history else []
    shared = Rule(
        looks=rule.looks, level=rule.level / max(1, len(pairs)), margin=rule.margin, spending=rule.spending,
        first_look=rule.first_look,
    )  # fmt: skip
    return {pair: decide([one[pair] for one in history], shared) for pair in pairs}
