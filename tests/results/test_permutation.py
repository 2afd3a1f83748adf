"""Tests of `no difference`: exact where they say so, and the same as other people's."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binomtest, fisher_exact
from statsmodels.duration.survfunc import survdiff
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from results.comparison import contrast_rates
from results.grid import make_grids
from results.ledger import make_ledger
from results.permutation import (
    LEAST,
    cochran_q,
    holm,
    log_rank_scores,
    mcnemar_exact,
    significant,
    swap_all_test,
    swap_test,
    within_step_test,
)
from results.records import Verdict
from results.sequential import level_shown
from results.tables import p_shown


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


def within_step_by_hand(first, second, runs):
    """The same in whole numbers: ways of dealing each step's hits, counted."""
    ways, total = {0: 1}, 1
    for a, b, n in zip(first, second, runs, strict=True):
        dealt = {k: math.comb(n, k) * math.comb(n, a + b - k) for k in range(n + 1) if 0 <= a + b - k <= n}
        total *= sum(dealt.values())
        ways = {
            s: sum(ways.get(s - k, 0) * count for k, count in dealt.items()) for s in range(max(ways) + max(dealt) + 1)
        }
    expected = Fraction(sum(first) + sum(second), 2)
    return Fraction(sum(w for s, w in ways.items() if abs(s - expected) >= abs(sum(first) - expected)), total)


@pytest.mark.parametrize("steps", [1, 3, 10, 40])
def test_a_small_p_value_within_steps_is_exact(steps):
    """A Fourier transform errs by some 1e-16, and what that made negative was cut to 0."""
    first, second, runs = [5, 4, 5] * steps, [0, 1, 0] * steps, [5, 5, 5] * steps
    found = within_step_test(np.array(first), np.array(second), np.array(runs))
    assert found == pytest.approx(float(within_step_by_hand(first, second, runs)), rel=1e-9)


@pytest.mark.parametrize("steps", [400, 9000])
def test_a_p_value_of_very_many_executions_is_never_nothing(steps):
    many = np.full(steps, 5)
    assert 0 < within_step_test(many, np.zeros(steps, dtype=int), many) <= 1e-9


def test_a_recorded_p_value_has_six_digits_and_is_never_nothing():
    assert [significant(one) for one in (1.0, 0.12345678, 1.23456789e-9, 0.0)] == [1.0, 0.123457, 1.23457e-9, LEAST]
    assert mcnemar_exact(2000, 0) == LEAST
    assert cochran_q(np.array([[1, 0, 0]] * 3000))[1] == LEAST


def test_a_p_value_is_never_shown_as_nothing():
    shown = [p_shown(one) for one in (None, LEAST, 9.9e-5, 0.0001, 1.0)]
    assert shown == ["–", "< 0.0001", "< 0.0001", "0.0001", "1.0000"]
    assert [level_shown(one) for one in (None, 3e-5, 2e-6, 0.0125)] == ["–", "3.0e-05", "2.0e-06", "0.0125"]


def test_no_p_value_of_a_comparison_is_nothing():
    """Three executions of each of sixty steps, of which one product sees all and the other none: 2 / 2**60 by swaps."""
    steps, runs = [f"step {number}" for number in range(60)], range(1, 4)

    def ledger(name, outcome):
        shape = {
            "position": 0, "kind": "malicious", "technique": None, "outcome": outcome, "category": None,
            "modifiers": (), "reason": "", "alerts": (), "telemetry": (), "evidence_kind": None,
            "wrong_techniques": (), "latency_s": None, "delivery_s": None,
        }  # fmt: skip
        found = [Verdict(trial_id=f"{name}-r{run}", step_id=step, **shape) for step in steps for run in runs]
        return make_ledger(found, {f"{name}-r{run}": run for run in runs}, {step: step for step in steps}, ())

    grids = make_grids({"a": ledger("a", "alerted"), "b": ledger("b", "missed")})
    found = contrast_rates("detected", "a", "b", grids["a"], grids["b"])
    assert {test.name: test.p_value for test in found.tests} == {"swap": 1.73472e-18, "within_step": 1.73472e-78}


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
