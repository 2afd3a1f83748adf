"""Arms in an order under a reader's weights, with the places that the data really hold.

The places are confidence sets in the sense of M. Mogstad, J. P. Romano, A. M. Shaikh, D. Wilhelm, "Inference for ranks
with applications to mobility across neighbourhoods and academic achievement across countries", Review of Economic
Studies 91 (2024): an arm's best place is one more than the number of arms that are surely ahead of it, its worst leaves
out those surely behind, where `surely` is a test of every pair with Holm's adjustment. Percentiles of resampled ranks,
which look finer, do not hold: docs/decisions/intervals.md.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from results.confidence import (
    CONFIDENCE,
    SEED,
    Floats,
    freedom,
    learnt,
    normal,
    resample_counts,
    rounded,
    wilson_limits,
)
from results.contrasts import Ranking, RankLine, VectorLine
from results.errors import EvaluationError
from results.grid import COMPONENTS, Grid
from results.measures import Estimate
from results.permutation import holm, swap_test

COST = "cost"
DELAY = "delay"
TWINS = "twins_disturbed"
WEIGHED = (*COMPONENTS, COST)
HEAVIEST = 1_000_000
"""Only how weights stand to each other matters."""
DEFAULT_WEIGHTS = {
    "prevented": 1.0,
    "technique": 1.0,
    "tactic": 0.75,
    "general": 0.5,
    "logged": 0.25,
    "twins_disturbed": -1.0,
}
"""Of ours, where a reader gives none: what is not named weighs nothing."""
REDRAWN = 1000
"""Sets of weights, each of them between half and twice the reader's."""


def read_weights(texts: Sequence[str]) -> dict[str, float]:
    """Weights from `name=number` texts.

    Raises:
        EvaluationError: a text is none, or names nothing that can be weighed.
    """
    weights: dict[str, float] = {}
    for text in (part for one in texts for part in one.split(",")):
        name, equals, number = text.strip().partition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if name not in WEIGHED or not equals or not abs(value) <= HEAVIEST:
            raise EvaluationError(
                f"--weights: found {text!r}; allowed: NAME=NUMBER with a name of {', '.join(WEIGHED)}, and a number "
                f"from -{HEAVIEST:,} to {HEAVIEST:,}. For example --weights technique=1,twins_disturbed=-1."
            )
        if name in weights:
            raise EvaluationError(f"--weights: found {name} twice; allowed: each name once. Leave one out.")
        weights[name] = value
    return weights


def common_cells(grids: Sequence[Grid]) -> tuple[Floats, Floats, str]:
    """Malicious and benign executions common to all arms, as tables of 0 and 1, and what the malicious ones are.

    `applicable`: valid, and every arm's class can see them. Where there is none, `valid`: whatever an arm's class can
    see, so that products of different classes stand on the same plan, and what one can't see counts as not seen.
    """
    applicable = np.logical_and.reduce([one.malicious for one in grids])
    basis = "applicable" if applicable.any() else "valid"
    attacks = applicable if applicable.any() else np.logical_and.reduce([one.judged for one in grids])
    return attacks.astype(float), np.logical_and.reduce([one.benign for one in grids]).astype(float), basis


def vectors(grids: Mapping[str, Grid], costs: Mapping[str, float | None]) -> tuple[VectorLine, ...]:
    """What weights are applied to: each arm's components over the executions common to all.

    A cost below 0 (its nodes did less than the control's) is noise and counts as 0: no weight may pay an arm for it.
    """
    attacks, twins, _basis = common_cells(list(grids.values()))
    lines = []
    for arm, grid in grids.items():
        values: dict[str, float | None] = {}
        for name in COMPONENTS:
            cells = twins if name == TWINS else attacks
            total = np.where(cells > 0, grid.values[name], 0.0).sum()
            values[name] = rounded(total / cells.sum()) if cells.sum() else None
        cost = costs.get(arm)
        values[COST] = None if cost is None else rounded(max(0.0, cost))
        lines.append(VectorLine(arm_key=arm, values=values, steps=int(attacks.sum()), twins=int(twins.sum())))
    return tuple(lines)


def rank(grids: Mapping[str, Grid], lines: Sequence[VectorLine], weights: Mapping[str, float]) -> Ranking:
    """Order the arms under weights.

    Args:
        grids: arm -> grid.
        lines: of the same arms, see `vectors`.
        weights: component -> weight; what is not named weighs nothing.
    """
    used = {name: weight for name, weight in weights.items() if weight}
    basis = common_cells(list(grids.values()))[2] if grids else "applicable"
    missing = sorted({name for name in used for line in lines if line.values[name] is None})
    if missing or not used or not lines:
        reason = f"{', '.join(missing)}: not known for every arm" if missing else "nothing is weighed"
        return Ranking(weights=dict(weights), basis=basis, lines=(), order_survives=None, redrawn=0, reason=reason)
    values = np.array([[float(line.values[name] or 0.0) for name in used] for line in lines])
    places = _places(values @ np.array(list(used.values())))
    # What a product costs does not come from techniques: it is laid on all of them, as if it were known without error.
    parts, n, fixed, drawn = _laid_out(grids, lines, used)
    low, high = place_limits(parts.sum(axis=2) + n[:, :1] * fixed)
    scores = _scores(values @ np.array(list(used.values())), used, parts, n, fixed, drawn)
    resampled = np.stack([_places(row) for row in drawn])
    keeps, survives = _redraw(values, np.array(list(used.values())), places)
    ranked = [
        RankLine(
            arm_key=line.arm_key,
            score=scores[i],
            rank=int(places[i]), low=int(low[i]), high=int(high[i]),
            places=tuple(round(float((resampled[:, i] == place + 1).mean()), 4) for place in range(len(lines))),
            keeps=round(float(keeps[i]), 4),
        )
        for i, line in enumerate(lines)
    ]  # fmt: skip
    ranked.sort(key=lambda one: (one.rank, one.arm_key))
    return Ranking(
        weights=dict(weights), basis=basis, lines=tuple(ranked), order_survives=round(survives, 4), redrawn=REDRAWN
    )


def scores_of(
    grids: Mapping[str, Grid], lines: Sequence[VectorLine], weights: Mapping[str, float]
) -> tuple[Estimate, ...]:
    """Each arm's score with its interval; arguments as of `rank`, nothing missing."""
    values = np.array([[float(line.values[name] or 0.0) for name in weights] for line in lines])
    return _scores(values @ np.array(list(weights.values())), weights, *_laid_out(grids, lines, weights))


def _scores(
    scores: Floats, weights: Mapping[str, float], parts: Floats, n: Floats, fixed: Floats, drawn: Floats
) -> tuple[Estimate, ...]:
    """The same from what `_laid_out` found."""
    means = parts.sum(axis=0)  # (arms, 2), attacks and twins apart
    residuals = (parts - n[:, None, :] * means[None, :, :]).sum(axis=2)
    clusters = parts.shape[0]
    variance = drawn.var(axis=0) * clusters / max(1, clusters - 1)
    low, high = _range(weights)
    found = []
    for arm, score in enumerate(scores.tolist()):
        share = min(1.0, max(0.0, (score - float(fixed[arm]) - low) / (high - low))) if high > low else 0.5
        left = float(learnt(freedom(residuals[:, [arm]]))[0])
        seen = float(variance[arm]) / (high - low) ** 2 if high > low else 0.0
        size = max(clusters, left * share * (1 - share) / seen) if seen > 1e-12 else clusters
        ends = wilson_limits(np.array([share]), np.array([size]), normal()) if high > low else None
        found.append(_score(score, ends, low + float(fixed[arm]), high - low, clusters))
    return tuple(found)


def _range(weights: Mapping[str, float]) -> tuple[float, float]:
    """The least and the greatest score there is, cost apart: an execution has one outcome, and a delay besides."""
    one = [0.0, *(weight for name, weight in weights.items() if name not in (TWINS, DELAY, COST))]
    more = [weights.get(name, 0.0) for name in (TWINS, DELAY)]
    return min(one) + sum(min(0.0, each) for each in more), max(one) + sum(max(0.0, each) for each in more)


def _laid_out(
    grids: Mapping[str, Grid], lines: Sequence[VectorLine], weights: Mapping[str, float]
) -> tuple[Floats, Floats, Floats, Floats]:
    """What each technique adds, their n, what is fixed (the cost), and the scores in each resample."""
    parts, n = _contributions(grids, weights)
    fixed = np.array([weights.get(COST, 0.0) * float(line.values[COST] or 0.0) for line in lines])
    return parts, n, fixed, _resampled(parts, n) + fixed


def _score(value: float, ends: tuple[Floats, Floats] | None, least: float, span: float, techniques: int) -> Estimate:
    """A weighted sum with its interval: a mean of numbers that lie between the least and the greatest possible score.

    Its place between them has the limits of a share. Student's interval of it held 92 to 95 % of simulated campaigns.
    Cost alone has none.
    """
    low, high = (None, None) if ends is None else (least + span * float(end[0]) for end in ends)
    return Estimate(
        value=rounded(value), low=rounded(low), high=rounded(high), n=techniques, of="techniques", unit="score",
        method="weighted sum; its place between the least and the greatest one, effective size of a cluster bootstrap "
        "over techniques, less for Student's t, in Wilson's form",
        reason=None if ends is not None else "only the cost is weighed: no interval",
    )  # fmt: skip


def _contributions(grids: Mapping[str, Grid], weights: Mapping[str, float]) -> tuple[Floats, Floats]:
    """What each technique adds to each arm's score: (techniques, arms, 2), attacks and twins apart; and their n."""
    attacks, twins, _basis = common_cells(list(grids.values()))
    tables = []
    for grid in grids.values():
        marks = {True: np.zeros_like(attacks), False: np.zeros_like(attacks)}
        for name, weight in weights.items():
            if name != COST:
                marks[name == TWINS] += weight * grid.values[name]
        tables.append(
            np.stack(
                [
                    grid.by_cluster(marks[False] * attacks, attacks > 0) / max(1.0, attacks.sum()),
                    grid.by_cluster(marks[True] * twins, twins > 0) / max(1.0, twins.sum()),
                ],
                axis=1,
            )
        )
    some = next(iter(grids.values()))
    n = np.stack(
        [
            some.by_cluster(attacks, attacks > 0) / max(1.0, attacks.sum()),
            some.by_cluster(twins, twins > 0) / max(1.0, twins.sum()),
        ],
        axis=1,
    )
    held = n.sum(axis=1) > 0
    return np.stack(tables, axis=1)[held], n[held]


def _resampled(parts: Floats, n: Floats) -> Floats:
    """Scores in each resample of techniques: (resamples, arms)."""
    counts = resample_counts(parts.shape[0]).astype(np.float64)
    total = np.zeros((counts.shape[0], parts.shape[1]))
    for kind in range(2):
        size = counts @ n[:, kind]
        with np.errstate(invalid="ignore", divide="ignore"):
            total += np.where(size[:, None] > 0, (counts @ parts[:, :, kind]) / size[:, None], 0.0)
    return total


def place_limits(parts: Floats) -> tuple[Floats, Floats]:
    """Best and worst place of each arm, for all arms at once.

    Args:
        parts: (techniques, arms), what each technique adds to each score.
    """
    arms = parts.shape[1]
    pairs = list(combinations(range(arms), 2))
    adjusted = holm([swap_test(parts[:, a] - parts[:, b]) for a, b in pairs])
    low, high = np.ones(arms), np.full(arms, float(arms))
    for (a, b), p_value in zip(pairs, adjusted, strict=True):
        ahead = float((parts[:, a] - parts[:, b]).sum())
        if p_value <= 1 - CONFIDENCE and ahead:
            better, worse = (a, b) if ahead > 0 else (b, a)
            low[worse] += 1
            high[better] -= 1
    return low, high


def _places(scores: Floats) -> Floats:
    """Place of each score, the highest first; equal ones share the better place."""
    rounded_scores = np.round(scores, 9)
    return np.asarray(1.0 + (rounded_scores[None, :] > rounded_scores[:, None]).sum(axis=1))


def _redraw(values: Floats, weights: Floats, places: Floats) -> tuple[Floats, float]:
    """How often each arm, and the whole order, keeps its place when each weight is drawn anew around itself."""
    factors = np.exp2(np.random.default_rng(SEED).uniform(-1, 1, size=(REDRAWN, weights.size)))
    drawn = np.stack([_places(values @ (weights * factor)) for factor in factors])
    same = drawn == places
    return same.mean(axis=0), float(same.all(axis=1).mean())
