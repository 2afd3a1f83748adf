"""Stability: does a product give the same answer when the same step is run again?"""

import warnings

import numpy as np
from numpy.typing import NDArray

from results.confidence import Floats, effective_size, normal, rounded, wilson_limits
from results.ledger import Ledger, Mask
from results.measures import Estimate, SometimesLine, Stability
from results.metrics import clustered, wilson

METHOD = (
    "Krippendorff's alpha (nominal); limits from the share of contradictions of the rarer answer, with the effective "
    "size that alpha's own variance between techniques gives it, in Wilson's form"
)


def stability(ledger: Ledger) -> Stability:
    """Agreement of the repetitions about `detected or not`, over valid malicious steps run at least twice."""
    detected, rows = ledger.metric("detected"), ledger.malicious & ledger.applicable
    hits, n = ledger.by_step(rows, detected)
    again = n >= 2
    if not again.any():
        reason = "no step has two valid repetitions"
        empty = Estimate(value=None, low=None, high=None, n=0, of="steps", unit="alpha", method=METHOD, reason=reason)
        return Stability(alpha=empty, same=wilson(0, 0).model_copy(update={"reason": reason}), sometimes=())
    cluster_of_step = np.zeros(len(ledger.steps), dtype=np.intp)
    cluster_of_step[ledger.step] = ledger.cluster
    same = (hits == 0) | (hits == n)
    agreed = np.bincount(cluster_of_step[again], weights=same[again].astype(float), minlength=len(ledger.clusters))
    steps = np.bincount(cluster_of_step[again], minlength=len(ledger.clusters)).astype(float)
    return Stability(
        alpha=_alpha(ledger, rows, detected, hits[again], n[again], cluster_of_step[again]),
        same=clustered(agreed[:, None].astype(float), steps[:, None], student=False)[0],  # steps hardly go together
        sometimes=tuple(
            SometimesLine(step_id=ledger.steps[i], detected=int(hits[i]), n=int(n[i]))
            for i in np.flatnonzero(again & ~same)
        ),
    )


def answers(ledger: Ledger, rows: Mask, values: Mask) -> Floats:
    """(repetitions, steps) of 0 and 1; NaN where a step has no valid execution."""
    repetitions = np.unique(ledger.repetition)
    table = np.full((repetitions.size, len(ledger.steps)), np.nan)
    place = np.searchsorted(repetitions, ledger.repetition[rows])
    table[place, ledger.step[rows]] = values[rows].astype(float)
    return table


def krippendorff_alpha(table: Floats) -> float | None:
    """Alpha of (repetitions, steps), nominal, by the package of that name; None where all answers are the same."""
    import krippendorff  # slow to import; only scoring needs it

    told = table[:, (~np.isnan(table)).sum(axis=0) >= 2]
    if np.unique(told[~np.isnan(told)]).size < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(krippendorff.alpha(reliability_data=told, level_of_measurement="nominal"))


def _alpha(ledger: Ledger, rows: Mask, values: Mask, hits: Floats, n: Floats, cluster: NDArray[np.intp]) -> Estimate:
    value = krippendorff_alpha(answers(ledger, rows, values))
    if value is None:
        reason = "every answer is the same, so that agreement beyond chance is not defined"
        return Estimate(
            value=None, low=None, high=None, n=int(hits.size), of="steps", unit="alpha", method=METHOD, reason=reason
        )
    low, high = alpha_limits(value, hits, n, cluster)
    return Estimate(
        value=rounded(value), low=rounded(low), high=rounded(high), n=int(hits.size), of="steps", unit="alpha",
        method=METHOD,
    )  # fmt: skip


def alpha_limits(value: float, hits: Floats, n: Floats, cluster: NDArray[np.intp]) -> tuple[float, float]:
    """Limits of alpha = 1 - s (T - 1) / (T - M).

    Of T answers, M are of the rarer kind, and s is the share of other answers to the same step that contradict one of
    these. Near 0 and 1 all that is known of alpha is what these few say, so s is the share whose interval is made; its
    effective size is the one with which it would vary as alpha does, T and M with it (linearised, techniques drawn).
    Not less for Student's t: counting only what the rarer answer says is wide enough (docs/validation/known-truth.md).

    Args:
        value: alpha.
        hits: (steps,) repetitions that answered yes.
        n: (steps,) repetitions, each at least 2.
        cluster: (steps,) technique of each.
    """
    against, few, all_ = by_technique(hits, n, cluster)
    total, rare = float(all_.sum()), float(few.sum())
    share, scale = float(against.sum()) / rare, (total - 1) / (total - rare)
    variance = np.array([alpha_variance(against, few, all_) / scale**2])
    size = effective_size(np.array([share]), variance, few[few > 0][:, None], np.ones(1))
    low, high = (1 - float(one[0]) * scale for one in reversed(wilson_limits(np.array([share]), size, normal())))
    return max(-1.0, min(low, value)), min(1.0, max(high, value))


def alpha_variance(against: Floats, few: Floats, all_: Floats) -> float:
    """Variance of alpha where techniques are drawn, linearised; arguments as `by_technique` gives them."""
    total, rare = float(all_.sum()), float(few.sum())
    share, scale = float(against.sum()) / rare, (total - 1) / (total - rare)
    swung = (against - share * few) / rare + share * ((1 - rare) / (total - 1) * all_ + few) / (total - rare)
    return float(((scale * (swung - swung.mean())) ** 2).sum()) * swung.size / max(1, swung.size - 1)


def by_technique(hits: Floats, n: Floats, cluster: NDArray[np.intp]) -> tuple[Floats, Floats, Floats]:
    """(techniques,) each: contradictions of the rarer answers, these, and all answers."""
    rarer = hits if 2 * hits.sum() <= n.sum() else n - hits
    _names, where = np.unique(cluster, return_inverse=True)
    against, few, all_ = (np.bincount(where, weights=one) for one in (rarer * (n - rarer) / (n - 1), rarer, n))
    return against.astype(float), few.astype(float), all_.astype(float)
