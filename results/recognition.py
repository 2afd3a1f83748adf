"""Recognition gap: what a product does on public plans, less what it does on variants it has not seen.

A product that knows public procedures by heart, rather than the behaviour, does better on them than on the same
techniques in other dress: the gap is the published measure of over-fitting.
"""

import numpy as np

from results.confidence import (
    Floats,
    correlation_of,
    mover_difference,
    paired_shares,
    resample_counts,
    rounded,
)
from results.ledger import Ledger
from results.measures import Estimate
from results.metrics import macro
from results.permutation import significant, swap_test
from results.reading import SAME_JUDGE, Book, clusters_in, ledgers_in, require_same
from results.records import Rate, Record, TechniqueId

METHOD = (
    "mean over the techniques of both campaigns of each one's rate; limits of a difference by variance recovery, "
    "techniques drawn in pairs (Agresti and Min's, where each was run once)"
)


GAUGED = ("detected", "alerted", "technique", "visible", "prevented")
"""Metrics of which more is better. Of the others (missed, a lesser name) a product that knows what is public by heart
has more on the variants, and the conclusion would be turned round."""


class GapTechnique(Record):
    """One technique in both campaigns."""

    technique: TechniqueId
    public: tuple[int, int]
    """Detected, and executions."""
    variants: tuple[int, int]


class Gap(Record):
    """One arm in two campaigns."""

    arm_key: str
    metric: str
    public: Rate
    """Mean over the shared techniques in the first campaign."""
    variants: Rate
    """The same in the second."""
    gap: Estimate
    """First less second: above 0 the product does better on what is public."""
    p_value: float | None
    """Of no gap, the campaigns changing places technique by technique; None without shared techniques."""
    conclusion: str
    """`recognises` (surely better on the first), `better_on_variants`, `no_gap_shown`, or `not_comparable`."""
    techniques: tuple[GapTechnique, ...]


def gaps(public: Book, variants: Book, metric: str = "detected") -> list[Gap]:
    """The gap of every arm that is in both campaigns.

    Raises:
        EvaluationError: ATT&CK release or scorer version differ.
    """
    require_same([public, variants], SAME_JUDGE)
    ours, theirs = clusters_in(public), clusters_in(variants)  # apart: a step's id may mean another one there
    techniques = {*ours.values(), *theirs.values()}
    first, second = ledgers_in(public, ours, techniques), ledgers_in(variants, theirs, techniques)
    return [gap(arm, metric, first[arm], second[arm]) for arm in first if arm in second]


def gap(arm: str, metric: str, public: Ledger, variants: Ledger) -> Gap:
    """The gap of one arm between two ledgers with the same clusters."""
    hits, n = public.by_cluster(public.malicious & public.applicable, public.metric(metric))
    others, m = variants.by_cluster(variants.malicious & variants.applicable, variants.metric(metric))
    both = (n[:, 0] > 0) & (m[:, 0] > 0)
    both &= np.array([not name.startswith("step ") for name in public.clusters], dtype=bool)
    first, second = macro(hits[both], n[both])[0], macro(others[both], m[both])[0]
    names = [name for name, held in zip(public.clusters, both, strict=True) if held]
    lines = tuple(
        GapTechnique(technique=name, public=(int(a), int(b)), variants=(int(c), int(d)))
        for name, a, b, c, d in zip(
            names, hits[both][:, 0], n[both][:, 0], others[both][:, 0], m[both][:, 0], strict=True
        )
    )
    if not lines:
        nothing = _estimate(None, None, None, 0, "the campaigns share no technique that was validly tested")
        return Gap(
            arm_key=arm, metric=metric, public=first, variants=second, gap=nothing, p_value=None,
            conclusion="not_comparable", techniques=(),
        )  # fmt: skip
    shares, other_shares = (hits / np.maximum(n, 1))[both][:, 0], (others / np.maximum(m, 1))[both][:, 0]
    if max(n[both].max(), m[both].max()) <= 1:  # single answers in pairs
        found = paired_shares(shares, other_shares)
        low, high = found.low, found.high
    else:
        low, high = gap_limits(first, second, shares, other_shares)
    p_value = swap_test(shares - other_shares)
    value = float((shares - other_shares).mean())
    conclusion = "no_gap_shown"
    if p_value <= 0.05 and value:
        conclusion = "recognises" if value > 0 else "better_on_variants"
    return Gap(
        arm_key=arm,
        metric=metric,
        public=first,
        variants=second,
        gap=_estimate(value, low, high, len(lines), None),
        p_value=significant(p_value),
        conclusion=conclusion,
        techniques=lines,
    )


def gap_limits(first: Rate, second: Rate, shares: Floats, others: Floats) -> tuple[float, float]:
    """Limits of a gap from both rates and how they vary together over resampled techniques."""
    counts = resample_counts(shares.size).astype(np.float64)
    together = correlation_of(counts @ shares / shares.size, counts @ others / others.size)
    ends = [(one.value or 0.0, one.low or 0.0, one.high or 0.0) for one in (first, second)]
    low, high = mover_difference(ends[0], ends[1], together)
    return max(-1.0, low), min(1.0, high)


def _estimate(value: float | None, low: float | None, high: float | None, n: int, reason: str | None) -> Estimate:
    return Estimate(
        value=rounded(value), low=rounded(low), high=rounded(high), n=n, of="techniques", unit="share", method=METHOD,
        reason=reason,
    )  # fmt: skip
