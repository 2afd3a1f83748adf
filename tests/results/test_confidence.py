"""Intervals: the textbook's where nothing is pooled, honest where it is."""

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import chi2
from statsmodels.stats.proportion import proportion_confint

from results.confidence import (
    count_limits,
    freedom,
    median_limits,
    mover_difference,
    mover_ratio,
    paired_difference,
    pooled,
    ratio_variance,
    resample_counts,
    resampled_ratio,
    rounded,
)
from results.metrics import bunched_share, repeated_share, wilson


def column(values):
    return np.array(values, dtype=float)[:, None]


def test_executions_that_stand_alone_have_wilsons_own_interval():
    found = pooled(column([1, 0, 1, 1, 0, 1, 1]), column([1] * 7))
    assert (found.low[0], found.high[0]) == pytest.approx(proportion_confint(5, 7, method="wilson"))


def test_copies_of_an_execution_do_not_narrow_the_interval():
    """Else running a trial again would look like knowing more techniques."""
    once = pooled(column([3, 0, 3, 3, 0, 0, 3]), column([3] * 7))
    often = pooled(column([30, 0, 30, 30, 0, 0, 30]), column([30] * 7))
    assert (often.low[0], often.high[0]) == pytest.approx((once.low[0], once.high[0]))


def test_a_rate_of_nothing_has_an_upper_limit_that_counts_techniques_not_executions():
    """The percentiles of resamples would say 0 to 0."""
    found = pooled(column([0] * 8), column([4] * 8))
    assert (found.low[0], found.high[0]) == (0.0, pytest.approx(proportion_confint(0, 8, method="wilson")[1]))
    assert found.effective_n[0] == 8


def test_few_techniques_take_off_for_the_variance_they_teach_but_never_below_one_answer_each():
    """Student's t, as Korn and Graubard put it; and what each technique says once is known without any variance."""
    hits, n = column([4, 0, 1, 3, 2, 0, 4, 2]), column([4] * 8)
    variance = resampled_ratio(hits, n).var() * 8 / 7
    taken = stdtrit(freedom(hits - 0.5 * n)[0], 0.975) / stdtrit(np.inf, 0.975)
    assert taken > 1.03
    assert pooled(hits, n).effective_n[0] == pytest.approx(0.25 / variance / taken**2)
    alike = pooled(column([4, 0, 0, 4, 4, 0, 4, 0]), n)
    assert (alike.low[0], alike.high[0]) == pytest.approx(proportion_confint(4, 8, method="wilson"))


def test_a_rate_without_executions_has_no_number():
    found = pooled(column([0, 0]), column([0, 0]))
    assert np.isnan([found.value[0], found.low[0], found.high[0]]).all()


def test_resampled_rates_are_those_of_a_loop_over_draws():
    """The matrix product is a bootstrap: each row a draw of whole clusters."""
    hits, n = column([3, 0, 2, 5]), column([4, 2, 2, 6])
    counts = resample_counts(4)
    assert set(counts.sum(axis=1)) == {4.0}
    drawn = [np.repeat(np.arange(4), row.astype(int)) for row in counts[:50]]
    expected = [hits[chosen].sum() / n[chosen].sum() for chosen in drawn]
    assert resampled_ratio(hits, n)[:50, 0] == pytest.approx(expected)


def test_the_bootstraps_variance_is_the_linearised_one():
    """A second way to the same number: the cluster-robust variance of a ratio."""
    random = np.random.default_rng(3)
    n = random.integers(2, 6, size=60).astype(float)
    hits = random.binomial(n.astype(int), random.beta(2, 2, size=60)).astype(float)
    p = hits.sum() / n.sum()
    linear = ((hits - p * n) ** 2).sum() / n.sum() ** 2
    assert resampled_ratio(hits[:, None], n[:, None]).var() == pytest.approx(linear, rel=0.05)
    many = ratio_variance(np.tile(hits, 20)[:, None], np.tile(n, 20)[:, None])
    assert many == pytest.approx(linear / 20 * 1200 / 1199)


def test_equal_products_have_a_difference_of_nothing_with_room_on_both_sides():
    """Else eight techniques would prove two products equal."""
    found = paired_difference(np.zeros(8), np.zeros(8), np.full(8, 3.0))
    assert found.value == 0
    assert found.low == pytest.approx(-found.high)
    assert found.high == pytest.approx(1.959963984540054 / 10)  # as of eight pairs, not of 24


def test_a_difference_without_clusters_is_agresti_and_mins():
    first, second = np.array([1.0] * 6 + [0.0] * 14), np.array([0.0] * 17 + [1.0] * 3)
    found = paired_difference(first, second, np.ones(20))
    a, b = 6.5 / 22, 3.5 / 22
    half = 1.959963984540054 * ((a + b - (a - b) ** 2) / 22) ** 0.5
    assert (found.value, found.low, found.high) == pytest.approx((0.15, a - b - half, a - b + half))


def test_limits_of_a_difference_and_of_a_ratio_are_those_of_their_parts():
    assert mover_difference((0.7, 0.5, 0.8), (0.0, 0.0, 0.0), 0.0) == pytest.approx((0.5, 0.8))
    assert mover_ratio((0.6, 0.4, 0.8), (1.0, 1.0, 1.0)) == pytest.approx((0.4, 0.8))
    assert mover_ratio((0.6, 0.4, 0.8), (0.1, 0.0, 0.3))[1] is None


def test_a_count_has_jeffreys_limits_and_of_several_trials_exact_ones_wider_where_they_differ():
    rate, low, high, spread = count_limits(np.array([7.0]), np.array([2.0]))
    assert (rate, low, high) == pytest.approx((3.5, chi2.ppf(0.025, 15) / 4, chi2.ppf(0.975, 15) / 4))
    assert count_limits(np.array([4.0, 3.0]), np.ones(2))[:3] == pytest.approx(
        (3.5, chi2.ppf(0.025, 14) / 4, chi2.ppf(0.975, 16) / 4)
    )
    assert spread == 1
    even = count_limits(np.array([5.0, 5.0, 5.0]), np.ones(3))
    uneven = count_limits(np.array([0.0, 0.0, 15.0]), np.ones(3))
    assert uneven[1] < even[1] < even[2] < uneven[2]
    assert count_limits(np.array([0.0]), np.array([2.0]))[1:3] == (0.0, pytest.approx(chi2.ppf(0.975, 1) / 4))


def test_a_number_that_is_none_is_said_to_be_none():
    assert [rounded(value) for value in (None, float("nan"), float("inf"), -0.0, 0.1234567)] == [
        None, None, None, 0.0, 0.123457,
    ]  # fmt: skip


def test_limits_of_a_median_are_order_statistics_from_six_values_on():
    """Five hold it between the least and the greatest with 94 % only; none of five is a limit of 95 %."""
    assert median_limits(np.arange(5.0)) == (None, None)
    low, high = median_limits(np.arange(6.0))
    assert 0 < low < 0.3
    assert high == pytest.approx(5 - low)
    assert median_limits(np.array([1.0, 2.0, 3.0, 4.0, np.inf, np.inf]))[1] is None
    assert median_limits(np.full(8, 3.0)) == (3.0, 3.0)


def test_bunches_count_as_bunches():
    """Ten alerts of one step that all fit two are one thing that was seen, not ten."""
    n = np.array([[10.0], [10.0], [10.0], [10.0]])
    bunched = bunched_share(np.array([[10.0], [0.0], [0.0], [0.0]]), n)
    assert (bunched.hits, bunched.n, bunched.value, bunched.clusters) == (10, 40, 0.25, 4)
    assert bunched.high > wilson(10, 40).high + 0.2
    apart = bunched_share(np.array([[1.0], [0.0]]), np.array([[1.0], [1.0]]))
    assert (apart.low, apart.high) == (wilson(1, 2).low, wilson(1, 2).high)
    assert bunched_share(np.zeros((0, 1)), np.zeros((0, 1))).value is None


def test_repetitions_of_a_step_count_as_far_as_they_differ():
    copies, apart = repeated_share(2, 4, 2, 1.0), repeated_share(2, 4, 2, 0.0)
    assert (copies.low, copies.high) == (wilson(1, 2).low, wilson(1, 2).high)
    assert (apart.low, apart.high) == (wilson(2, 4).low, wilson(2, 4).high)
    assert copies.low < repeated_share(2, 4, 2, 0.5).low < apart.low
