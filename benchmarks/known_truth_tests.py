"""How often each test calls equal products different, and unequal ones, on simulated campaigns."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from benchmarks.known_truth_worlds import Floats, Generator, World, answers, beta_of, draw, kin, pair
from results.comparison import contrast_rates
from results.confidence import resample_counts
from results.grid import make_grids
from results.permutation import (
    cochran_q,
    log_rank_scores,
    mcnemar_exact,
    swap_all_test,
    swap_test,
    within_step_test,
)
from results.power import Question
from results.ranks import place_limits
from results.recognition import gap
from results.sequential import Look, Rule, decide

LEVEL = 0.05


def equal_products(random: Generator, world: World) -> dict[str, bool | None]:
    """One campaign of two products with the same mean rate and delay: what each test says of them (True: different)."""
    first, second = pair(random, world, world, 0.5)
    grids = make_grids({"a": first.ledger, "b": second.ledger})
    found = contrast_rates("detected", "a", "b", grids["a"], grids["b"])
    said = {test.name: bool(test.p_value <= LEVEL) for test in found.tests if test.name == "swap"}
    scores = log_rank_scores(np.concatenate([first.times, second.times]), np.concatenate([first.events, second.events]))
    half = scores.size // 2
    swung = np.bincount(first.clusters, weights=scores[:half] - scores[half:], minlength=world.techniques)
    places = kin(random, world.techniques, 0.6)
    public, variants = (draw(random, world, np.repeat(places[:, i : i + 1], 2, axis=1)) for i in (0, 1))
    p_gap = gap("a", "detected", public.ledger, variants.ledger).p_value
    return said | {
        "log_rank": swap_test(swung) <= LEVEL,
        "recognition gap": p_gap is not None and p_gap <= LEVEL,
        "interval of the difference leaves out 0": not (found.difference.low or 0) <= 0 <= (found.difference.high or 0),
    }


def same_steps(random: Generator, world: World) -> dict[str, bool | None]:
    """Two products with the same chance on every single step: the null of McNemar's and of the test within step."""
    count = world.techniques
    rates = beta_of(random.random(count), world.sensitivity, world.spread)
    first, second = (answers(random, rates, world.repetitions, 1.0).sum(axis=1) for _ in range(2))
    if world.repetitions > 1:
        n = np.full(count, world.repetitions)
        return {"within_step": within_step_test(first, second, n) <= LEVEL}
    return {"mcnemar": mcnemar_exact(int((first > second).sum()), int((second > first).sum())) <= LEVEL}


def many_products(random: Generator, world: World, arms: int = 4) -> dict[str, bool | None]:
    """Several equal products: the tests that all are alike."""
    hits, table = _hits(random, world, np.full(arms, world.sensitivity))
    said: dict[str, bool | None] = {"swap_all": swap_all_test(hits) <= LEVEL}
    if world.repetitions == 1:
        said["cochran_q (chi-square)"] = cochran_q(table)[1] <= LEVEL
    return said


def ranks(random: Generator, world: World, truth: Floats) -> dict[str, bool | None]:
    """Whether the places from-to hold the true place of every arm at once; equal arms may hold any of theirs."""
    hits, _ = _hits(random, world, truth)
    low, high = place_limits(hits)
    best = 1 + (truth[None, :] > truth[:, None]).sum(axis=1)
    worst = (truth[None, :] >= truth[:, None]).sum(axis=1)
    drawn = resample_counts(hits.shape[0]).astype(float) @ hits
    places = 1 + (drawn[:, None, :] > drawn[:, :, None]).sum(axis=2)
    least, most = np.percentile(places, [2.5, 97.5], axis=0)
    return {
        "all hold": bool(((low <= best) & (high >= worst)).all()),
        "all hold by percentiles (not used)": bool(((least <= best) & (most >= worst)).all()),
    }


def _hits(random: Generator, world: World, truth: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """(techniques, arms) hits, one step a technique, and the first repetition's answers."""
    places = kin(random, world.techniques, 0.5, truth.size)
    told = [
        answers(random, beta_of(places[:, i], float(rate), world.spread), world.repetitions, world.flakiness)
        for i, rate in enumerate(truth)
    ]
    sums = np.stack([one.sum(axis=1) for one in told], axis=1)
    return sums.astype(float), np.stack([one[:, 0] for one in told], axis=1).astype(np.intp)


def stopped(random: Generator, world: World, other: float, rule: Rule) -> dict[str, bool | None]:
    """One campaign under the stopping rule: whether it called a difference, called them alike, and stopped early."""
    rates = kin(random, world.techniques, 0.5)
    first, second = (
        answers(random, beta_of(rates[:, i], rate, world.spread), rule.looks, world.flakiness)
        for i, rate in enumerate((world.sensitivity, other))
    )
    history = []
    for look in range(1, rule.looks + 1):
        a, b = first[:, :look], second[:, :look]
        history.append(
            Look(tuple((a & ~b).sum(axis=1).tolist()), tuple((b & ~a).sum(axis=1).tolist()), (look,) * world.techniques)
        )
        said = decide(history, rule)
        if said.stop:
            return {
                "called different": "detects more" in said.reason,
                "called alike": "is left possible" in said.reason,
                "stopped early": look < rule.looks,
            }
    raise AssertionError("the rule must stop at its last look")


@dataclass(frozen=True)
class PowerCase:
    """A question, and the campaign that is to answer it."""

    question: Question
    techniques: int
    repetitions: int


def power_of(random: Generator, case: PowerCase, copula: float) -> dict[str, bool | None]:
    """One campaign of two products as the question says: whether the swap test finds the difference."""
    normal = random.multivariate_normal([0, 0], [[1, copula], [copula, 1]], size=case.techniques)
    places = norm.cdf(normal)
    hits = [
        random.binomial(case.repetitions, beta_of(places[:, i], rate, case.question.stability))
        for i, rate in enumerate((case.question.first, case.question.second))
    ]
    return {"found": swap_test((hits[0] - hits[1]).astype(float)) <= case.question.level}


@cache
def copula_for(question: Question) -> float:
    """The correlation of normal scores under which the two products' lasting rates correlate as the question says."""
    random = np.random.default_rng(1)
    shared, own = random.standard_normal(20_000), random.standard_normal(20_000)

    def reached(copula: float) -> float:
        other = copula * shared + np.sqrt(1 - copula**2) * own
        a = beta_of(norm.cdf(shared), question.first, question.stability)
        b = beta_of(norm.cdf(other), question.second, question.stability)
        return float(np.corrcoef(a, b)[0, 1])

    low, high = (0.0, 0.999) if question.agreement >= 0 else (-0.999, 0.0)
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) < question.agreement else (low, middle)
    return (low + high) / 2
