"""The quick version of `python -m benchmarks.known_truth`: few campaigns, the same code, fixed seeds."""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks import known_truth
from benchmarks.known_truth_page import write_pages
from benchmarks.known_truth_worlds import World, draw
from results.metrics import youden
from results.recognition import gap
from results.volume import alerts_per_detected, duplicate_share


@pytest.fixture(scope="module")
def lines():
    return known_truth.simulate(6, processes=1)


def shares(lines, part):
    """What -> share over all worlds of a part."""
    counts = defaultdict(lambda: [0, 0])
    for line in lines:
        if line.part == part:
            counts[line.what][0] += line.hits
            counts[line.what][1] += line.n
    return {what: hits / n for what, (hits, n) in counts.items() if n}


def far_below(lines, part):
    """What holds the truth so seldom that 95 % would do so once in a thousand such runs."""
    counts = defaultdict(lambda: [0, 0])
    for line in lines:
        if line.part == part and "not used" not in line.what and "(share)" not in line.what:
            counts[line.what][0] += line.hits
            counts[line.what][1] += line.n
    return {what for what, (hits, n) in counts.items() if n and binom.cdf(hits, n, 0.95) < 0.001}


def test_intervals_hold_what_was_set(lines):
    """Far from 95 % here means a wrong formula, not chance: the full run is in docs/validation."""
    assert far_below(lines, "coverage") == set()
    found = shares(lines, "coverage")
    assert found["rate by percentiles (not used)"] < found["rate"]


PRINTED = {
    "rate", "rate, macro", "rate, chance-corrected", "specificity", "Youden's J", "balanced accuracy",
    "duplicate share (of malicious)", "alerts a detected step", "false alarms an hour", "twins alerted on",
    "chance by placebos", "stability (alpha)", "same answer in all repetitions", "sensitivity on one technique",
    "specificity on one technique", "claim on one technique", "chance by random windows", "wrong technique named",
    "right by luck of naming", "false alarms an hour, twins included", "alerts an hour", "ambiguous alerts",
    "delay, 50% quantile", "delivery delay, 50% quantile", "delay, share not alerted on after 5 s", "paired difference",
    "share on which it is sooner, difference", "score under weights", "recognition gap", "cost over the control",
}  # fmt: skip
BY_TRIALS = {
    "chain: seconds to the first alert", "chain: steps to the first alert (at least)",
    "chain: alert before the objective", "slow-down", "slow-down of one workload", "cost of its own containers",
}  # fmt: skip


def test_every_printed_interval_has_a_row(lines):
    """An interval that no simulation holds against a truth is a promise that nobody keeps."""
    drawn = {(line.part, line.what) for line in lines if line.name.endswith("any product")}
    assert {("coverage", what) for what in PRINTED} | {("trials", what) for what in BY_TRIALS} <= drawn
    assert far_below(lines, "trials") == set()


def test_fewer_than_six_trials_have_no_limits_of_a_first_alert(lines):
    few = [one for one in lines if one.part == "trials" and one.what.startswith("chain: steps to the first")]
    assert {one.name: one.n > 0 for one in few} == {
        f"{trials} trials; any product": trials >= 6 for trials in (2, 3, 6, 12)
    }


def test_equal_products_are_seldom_called_different(lines):
    assert {what for what, share in shares(lines, "error").items() if share > 0.17} == set()


def test_all_places_hold_at_once(lines):
    assert shares(lines, "ranks")["all hold"] >= 0.9


def test_the_stopping_rule_seldom_stops_for_a_difference_that_is_none(lines):
    alike = [line for line in lines if line.part == "sequential" and "60 % against 60%" in line.name]
    apart = [line for line in lines if line.part == "sequential" and "60 % against 30%" in line.name]
    wrong, right = (
        sum(line.hits for line in chosen if line.what == "called different")
        / sum(line.n for line in chosen if line.what == "called different")
        for chosen in (alike, apart)
    )
    assert wrong <= 0.07 < 0.4 <= right


def test_power_is_about_what_the_helper_says(lines):
    predicted = known_truth.predictions()
    off = [line.share - predicted[line.name] for line in lines if line.part == "power"]
    assert abs(sum(off) / len(off)) < 0.2


def test_the_page_shows_every_world_and_its_plots_are_small(lines, tmp_path):
    paths = write_pages(tmp_path, lines, known_truth.predictions(), 6, known_truth.in_all(6))
    page = paths[0].read_text("utf-8")
    assert {line.what for line in lines if line.part != "power" and line.what not in page} == set()
    assert {name.split(";")[0] for name in (line.name for line in lines) if name.split(";")[0] not in page} == set()
    assert all(path.stat().st_size < 100_000 for path in paths)


def test_single_answers_in_pairs_have_agresti_and_mins_limits_in_j_and_in_the_gap():
    """Two shares' limits put together, as for repetitions, would forget what pairs have in common."""
    campaign = draw(np.random.default_rng(4), World(techniques=12, steps=(1, 1), repetitions=1)).ledger
    detected = campaign.metric("detected")[campaign.malicious].astype(float)
    alarmed = (~campaign.left_alone)[campaign.benign].astype(float)
    a = (float((detected > alarmed).sum()) + 0.5) / 14
    b = (float((alarmed > detected).sum()) + 0.5) / 14
    half = 1.959963984540054 * ((a + b - (a - b) ** 2) / 14) ** 0.5
    j = youden(campaign)[0]
    assert (j.low, j.high) == pytest.approx((a - b - half, a - b + half), abs=1e-6)
    same = gap("eyes", "detected", campaign, campaign).gap
    assert (same.value, same.low, same.high) == pytest.approx(
        (0, -1.959963984540054 / 14, 1.959963984540054 / 14), abs=1e-6
    )


def test_the_duplicate_share_is_the_number_of_further_alerts_in_other_words():
    campaign = draw(np.random.default_rng(4), World()).ledger
    alone = replace(campaign, alerts=np.where(campaign.malicious, campaign.alerts, 0))
    share, each = duplicate_share(alone), alerts_per_detected(alone)
    assert (share.value, share.low, share.high) == pytest.approx(
        (1 - 1 / each.value, 1 - 1 / each.low, 1 - 1 / each.high), abs=1e-5
    )
    assert share.n == int(alone.alerts.sum())
