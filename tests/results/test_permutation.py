"""Tests of `no difference`: exact where they say so, and the same as other people's."""

import itertools

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact
from statsmodels.duration.survfunc import survdiff
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from results.permutation import (
    cochran_q,
    holm,
    log_rank_scores,
    mcnemar_exact,
    swap_all_test,
    swap_test,
    within_step_test,
)


def test_mcnemars_exact_test_is_statsmodels():
    for first, second in ((0, 0), (3, 1), (10, 2), (0, 6)):
        table = [[5, first], [second, 7]]
        expected = mcnemar(table, exact=True).pvalue if first + second else 1.0
        assert mcnemar_exact(first, second) == pytest.approx(expected)


def test_exchanging_places_of_single_steps_is_mcnemars_test():
    """One test serves one repetition and several."""
    differences = np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 20)
    assert swap_test(differences) == pytest.approx(mcnemar_exact(8, 2)) == pytest.approx(binomtest(8, 10).pvalue)


def test_exchanging_places_counts_every_exchange():
    differences = np.array([3.0, -1.0, 2.0, 2.0])
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=4)]
    assert swap_test(differences) == np.mean([one >= 6 for one in sums])


def test_many_whole_differences_are_counted_too():
    """Drawn exchanges would leave it to the draw whether 0.049 is below 0.05."""
    assert swap_test(np.array([1.0] * 13 + [-1.0] * 4)) == pytest.approx(mcnemar_exact(13, 4), rel=1e-9)
    assert swap_test(np.ones(40)) == pytest.approx(2.0**-39, rel=1e-3)
    differences = np.array([3.0, -1.0, 2.0, 2.0] * 4)
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product((-1, 1), repeat=16)]
    assert swap_test(differences) == pytest.approx(np.mean([one >= 24 for one in sums]))


def test_many_other_differences_are_drawn_and_never_give_a_p_value_of_nothing():
    assert swap_test(np.full(40, 0.3)) == 1 / 10_001
    assert swap_test(np.array([0.3, -0.3] * 20)) == pytest.approx(1.0)


def test_products_that_never_differ_have_a_p_value_of_one():
    assert swap_test(np.zeros(5)) == 1.0
    assert within_step_test(np.array([2, 0]), np.array([2, 0]), np.array([2, 2])) == 1.0
    assert swap_all_test(np.ones((5, 3))) == 1.0
    assert cochran_q(np.ones((5, 3), dtype=int)) == (0.0, 1.0)


def test_the_test_within_one_step_is_fishers():
    """Its parts are hypergeometric, so that one step alone is Fisher's exact test."""
    for first, second in ((6, 1), (4, 4), (6, 0)):
        expected = fisher_exact([[first, 6 - first], [second, 6 - second]]).pvalue
        assert within_step_test(np.array([first]), np.array([second]), np.array([6])) == pytest.approx(expected)


def test_the_test_within_steps_counts_every_deal():
    first, second, n = np.array([2, 3, 1]), np.array([0, 1, 1]), np.array([3, 3, 2])
    decks = [[1] * (a + b) + [0] * (2 * m - a - b) for a, b, m in zip(first, second, n, strict=True)]
    deals = [[sum(chosen) for chosen in itertools.combinations(deck, m)] for deck, m in zip(decks, n, strict=True)]
    middle = sum(len(deck) and sum(deck) / 2 for deck in decks)
    sums = [abs(sum(one) - middle) for one in itertools.product(*deals)]
    expected = np.mean([one >= abs(first.sum() - middle) - 1e-9 for one in sums])
    assert within_step_test(first, second, n) == pytest.approx(expected)


def test_log_rank_scores_add_up_to_the_log_rank_statistics_numerator():
    """Observed less expected events of one group, as statsmodels' survdiff has it in its chi-square."""
    random = np.random.default_rng(8)
    times, events = random.exponential(5, size=80), random.random(80) < 0.7
    group = np.arange(80) % 2
    scores = log_rank_scores(times, events)
    assert scores.sum() == pytest.approx(0)
    observed = scores[group == 1].sum()
    risk = [(times >= t).sum() for t in np.sort(times[events])]
    ours = [((times >= t) & (group == 1)).sum() for t in np.sort(times[events])]
    variance = sum(o / r * (1 - o / r) for o, r in zip(ours, risk, strict=True))
    assert observed**2 / variance == pytest.approx(survdiff(times, events, group)[0])


def test_several_alike_products_are_not_called_different_and_unlike_ones_are():
    random = np.random.default_rng(1)
    alike = random.integers(0, 4, size=(30, 4)).astype(float)
    assert swap_all_test(alike) > 0.05
    assert swap_all_test(alike + np.array([0.0, 0.0, 0.0, 3.0])) < 0.01


def test_holms_adjustment_is_statsmodels():
    values = [0.01, 0.04, 0.03, 0.2, 0.001]
    assert holm(values) == pytest.approx(multipletests(values, method="holm")[1])
    assert holm([]) == []
