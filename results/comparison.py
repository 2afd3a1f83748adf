"""Product beside product, on the same steps and seeds (scoring.md §5). `No difference shown` is a result."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from results.confidence import CONFIDENCE, Difference, Floats, paired_difference, resampled_ratio, rounded
from results.contrasts import ByRule, Comparison, Contrast, Significance
from results.grid import Grid, make_grids
from results.ledger import Ledger, Mask
from results.measures import Estimate
from results.permutation import (
    cochran_q,
    holm,
    log_rank_scores,
    mcnemar_exact,
    significant,
    swap_all_test,
    swap_test,
    within_step_test,
)
from results.power import detectable_difference
from results.ranks import DEFAULT_WEIGHTS, rank, vectors

COMPARED = ("detected", "technique", "visible", "prevented", "twins_left_alone")
DELAY = "delay"
LEVEL = 1 - CONFIDENCE
TURNED = {"first": "second", "second": "first"}
"""A conclusion when a pair is read the other way round."""
METHOD = (
    "same executions; Agresti and Min's half pairs, effective number of pairs from a cluster bootstrap over "
    "techniques, less for Student's t"
)


def compare(
    ledgers: Mapping[str, Ledger],
    watched: Mapping[str, Mapping[str, float]] | None = None,
    costs: Mapping[str, float | None] | None = None,
) -> Comparison | None:
    """Compare every pair of arms; None for fewer than two.

    Args:
        ledgers: arm key -> ledger, without the control, all with the same clusters and steps.
        watched: trial id -> step id -> seconds that a miss was watched; without it, delays are compared on nothing.
        costs: arm key -> CPU cores that it uses.
    """
    if len(ledgers) < 2:
        return None
    grids = make_grids(ledgers, watched)
    contrasts: list[Contrast] = []
    for metric in COMPARED:
        contrasts += _adjusted([contrast_rates(metric, a, b, grids[a], grids[b]) for a, b in combinations(grids, 2)])
    contrasts += _adjusted([contrast_delays(a, b, grids[a], grids[b]) for a, b in combinations(grids, 2)])
    lines = vectors(grids, costs or {})
    return Comparison(
        contrasts=tuple(contrasts),
        overall={metric: overall(metric, list(grids.values())) for metric in COMPARED} if len(grids) > 2 else {},
        vectors=lines,
        ranking=rank(grids, lines, DEFAULT_WEIGHTS),
    )


def contrast_rates(metric: str, first: str, second: str, a: Grid, b: Grid) -> Contrast:
    """Two arms on a rate."""
    cells = a.rows(metric) & b.rows(metric)
    x, y = a.values[metric], b.values[metric]
    if not cells.any():
        return _not_comparable(metric, first, second)
    n = a.by_cluster(np.ones_like(x), cells)
    alone_first, alone_second = a.by_cluster(x * (1 - y), cells), a.by_cluster(y * (1 - x), cells)
    swap = swap_test(alone_first - alone_second)
    tests = [Significance(name="swap", p_value=significant(swap), of=int((alone_first != alone_second).sum()))]
    tests += _beside(x, y, cells)
    used = n > 0
    found = paired_difference(alone_first[used], alone_second[used], n[used])
    hits = np.stack([a.by_cluster(x, cells), a.by_cluster(y, cells)], axis=1)[used]
    return Contrast(
        metric=metric,
        first=first,
        second=second,
        n=int(n.sum()),
        techniques=int(used.sum()),
        first_only=int(alone_first.sum()),
        second_only=int(alone_second.sum()),
        difference=_estimate(found, int(used.sum())),
        tests=tuple(tests),
        p_holm=None,
        beats=beats(hits, n[used]),
        detectable=rounded(detectable_difference(found.error, int(n.sum()) if n.max() <= 1 else int(used.sum()))),
        conclusion="",
    )


def _beside(x: Floats, y: Floats, cells: Mask) -> list[Significance]:
    """The tests of scoring.md §5 that stand beside: McNemar's for one repetition, within step for several."""
    chosen = cells.any(axis=1)
    hits, others = np.where(cells, x, 0)[chosen], np.where(cells, y, 0)[chosen]
    runs = cells[chosen].sum(axis=1)
    if runs.max() <= 1:
        first, second = int((hits * (1 - others)).sum()), int((others * (1 - hits)).sum())
        return [Significance(name="mcnemar", p_value=significant(mcnemar_exact(first, second)), of=first + second)]
    sums, other_sums = hits.sum(axis=1).astype(np.intp), others.sum(axis=1).astype(np.intp)
    told = int(((sums + other_sums > 0) & (sums + other_sums < 2 * runs)).sum())
    return [
        Significance(
            name="within_step", p_value=significant(within_step_test(sums, other_sums, runs.astype(np.intp))), of=told
        )
    ]


def contrast_delays(first: str, second: str, a: Grid, b: Grid) -> Contrast:
    """Two arms on how soon they alert, misses censored: who was sooner, and the log-rank test by techniques."""
    cells = a.malicious & b.malicious & ~np.isnan(a.times) & ~np.isnan(b.times)
    if not cells.any() or not (a.events[cells].any() or b.events[cells].any()):
        return _not_comparable(DELAY, first, second)
    n = a.by_cluster(np.ones_like(a.times), cells)
    sooner = a.events & (~b.events | (a.times < b.times)) & (a.times < b.times)
    later = b.events & (~a.events | (b.times < a.times)) & (b.times < a.times)
    scores = log_rank_scores(
        np.concatenate([a.times[cells], b.times[cells]]), np.concatenate([a.events[cells], b.events[cells]])
    )
    half = scores.size // 2
    table = np.zeros_like(a.times)
    table[cells] = scores[:half] - scores[half:]
    swung = a.by_cluster(table, cells)
    alone_first, alone_second = a.by_cluster(sooner.astype(float), cells), a.by_cluster(later.astype(float), cells)
    used = n > 0
    found = paired_difference(alone_first[used], alone_second[used], n[used])
    return Contrast(
        metric=DELAY,
        first=first,
        second=second,
        n=int(n.sum()),
        techniques=int(used.sum()),
        first_only=int(alone_first.sum()),
        second_only=int(alone_second.sum()),
        difference=_estimate(found, int(used.sum())),
        tests=(
            Significance(name="log_rank", p_value=significant(swap_test(swung)), of=int((np.abs(swung) > 1e-12).sum())),
        ),
        p_holm=None,
        beats=beats(np.stack([alone_first, alone_second], axis=1)[used], n[used]),
        detectable=None,
        conclusion="",
    )


def beats(hits: Floats, n: Floats) -> float | None:
    """Share of resamples in which the first of two columns of hits is ahead of the second; ties count half."""
    drawn = resampled_ratio(hits, np.repeat(n[:, None], 2, axis=1))
    ahead = drawn[:, 0] - drawn[:, 1]
    return rounded(float((ahead > 1e-12).mean() + 0.5 * (np.abs(ahead) <= 1e-12).mean()))


def overall(metric: str, grids: Sequence[Grid]) -> tuple[Significance, ...]:
    """Tests that more than two arms are alike, over the executions that are valid for all."""
    cells = np.logical_and.reduce([one.rows(metric) for one in grids])
    if not cells.any():
        return ()
    hits = np.stack([one.by_cluster(one.values[metric], cells) for one in grids], axis=1)
    mixed = int((hits.max(axis=1) > hits.min(axis=1)).sum())
    tests = [Significance(name="swap_all", p_value=significant(swap_all_test(hits)), of=mixed)]
    if (cells.sum(axis=1) <= 1).all():
        table = np.stack([one.values[metric][cells] for one in grids], axis=1).astype(np.intp)
        told = int(((table.sum(axis=1) > 0) & (table.sum(axis=1) < table.shape[1])).sum())
        tests.append(Significance(name="cochran_q", p_value=significant(cochran_q(table)[1]), of=told))
    return tuple(tests)


def _adjusted(found: Sequence[Contrast]) -> list[Contrast]:
    """The contrasts of one metric, with Holm's adjustment over those that could be made, and what follows."""
    made = [one for one in found if one.tests]
    adjusted = dict(zip([id(one) for one in made], holm([one.tests[0].p_value for one in made]), strict=True))
    return [_concluded(one, adjusted[id(one)]) if one.tests else one for one in found]


def _concluded(one: Contrast, p_holm: float) -> Contrast:
    value = one.difference.value or 0.0
    ahead = "no_difference_shown"
    if p_holm <= LEVEL and value:
        ahead = "first" if value > 0 else "second"
    return one.model_copy(update={"p_holm": significant(p_holm), "conclusion": ahead})


def ruled(found: Comparison, rule: ByRule) -> Comparison:
    """A comparison with what the stopping rule says, which for the rule's metric is the conclusion.

    The tests here take the repetitions as given. Where a campaign stopped by what they had shown, they would call equal
    products different more often than they say.
    """
    said = {(line.first, line.second): line.conclusion for line in rule.lines}
    said |= {(line.second, line.first): TURNED.get(line.conclusion, line.conclusion) for line in rule.lines}
    contrasts = tuple(
        one.model_copy(update={"conclusion": _as_shown(said[one.first, one.second])})
        if one.metric == rule.metric and one.tests and (one.first, one.second) in said
        else one
        for one in found.contrasts
    )
    return found.model_copy(update={"by_rule": rule, "contrasts": contrasts})


def _as_shown(conclusion: str) -> str:
    return conclusion if conclusion in TURNED else "no_difference_shown"


def _not_comparable(metric: str, first: str, second: str) -> Contrast:
    reason = (
        "no execution is valid for both" if metric != DELAY else "neither has an alert with a time on a common step"
    )
    nothing = Estimate(
        value=None, low=None, high=None, n=0, of="techniques", unit="share", method=METHOD, reason=reason
    )
    return Contrast(
        metric=metric, first=first, second=second, n=0, techniques=0, first_only=0, second_only=0, difference=nothing,
        tests=(), p_holm=None, beats=None, detectable=None, conclusion="not_comparable", reason=reason,
    )  # fmt: skip


def _estimate(found: Difference, techniques: int) -> Estimate:
    return Estimate(
        value=rounded(found.value), low=rounded(found.low), high=rounded(found.high), n=techniques, of="techniques",
        unit="share", method=METHOD,
    )  # fmt: skip
