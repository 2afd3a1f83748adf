"""An alert without a time of its own is an alert: placed by its receipt, without a latency, and never a miss."""

import numpy as np
import pytest

import tests.campaign_builder as builder
from results.chains import chain, chain_line
from results.grid import RESTRICTED_S, make_grids
from results.latency import NO_ALERT, UNTIMED
from results.ranks import rank, vectors
from results.reading import Book, ledgers_of, read_book
from results.scoring import score_campaign
from tests.campaign_builder import BEGAN, SECOND, build_campaign, make_observation, make_trial, steps_of
from tests.results.rendered import first_text, metrics_text

UNTIMED_ALERTS = [
    make_observation("a000001", 0.0, file_path="/srv/cron", time_ns=None, received_ns=BEGAN + 37 * SECOND),
    make_observation("a000002", 0.0, file_path="/srv/look", time_ns=None, received_ns=BEGAN + 45 * SECOND),
]
"""On `cron` (ended at 31 s) and on `look` (ended at 21 s)."""


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """`eyes-default` gives its alerts no time, `eyes-tuned` says nothing at all: (folder, summary)."""
    real = builder.alerts_of
    said = {"eyes-default": UNTIMED_ALERTS, "eyes-tuned": []}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builder, "alerts_of", lambda arm: said.get(arm, real(arm)))
        folder = build_campaign(tmp_path_factory.mktemp("runs"))
        return folder, score_campaign(folder)


def arm(scored, name):
    return next(one for one in scored[1].arms if one.arm_key == name)


def test_the_chain_stands_at_the_receipt_of_an_alert_without_a_time_and_says_so(scored):
    """Else a product that is seen to alert would be published as one that never did."""
    found = arm(scored, "eyes-default").measures.chain
    assert [(one.first_step, one.steps_before, one.seconds, one.by_receipt) for one in found.trials] == [
        ("cron", 3, 37.0, True)
    ] * 2
    assert (found.seen.hits, found.before_objective.hits, found.seconds_to_first_alert.value) == (4, 2, 37.0)


def test_a_missing_delay_says_whether_there_was_no_alert_or_no_time(scored):
    untimed, silent = (arm(scored, name) for name in ("eyes-default", "eyes-tuned"))
    found, nothing = untimed.measures.delays, silent.measures.delays
    assert (found.product.events, found.product.censored, found.product.untimed) == (0, 8, 4)
    assert {one.estimate.reason for one in (*found.product.quantiles, *found.delivery.quantiles)} == {UNTIMED}
    assert (nothing.product.events, nothing.product.censored, nothing.product.untimed) == (0, 12, 0)
    assert {one.estimate.reason for one in (*nothing.product.quantiles, *nothing.delivery.quantiles)} == {NO_ALERT}
    assert silent.measures.chain.seconds_to_first_alert.reason == "no trial has an attributed alert"
    assert (untimed.latency.untimed, silent.latency.untimed) == (4, 0)


def test_a_weighed_delay_counts_an_alert_without_a_time_by_its_receipt_and_no_miss(scored):
    """The receipt is the latest that it can have come: 6 s after `cron`, 24 s after `look`."""
    found = {line.arm_key: line.values["delay"] for line in scored[1].comparison.vectors}
    assert found["eyes-default"] == pytest.approx((4 + (6 + 24) / RESTRICTED_S) / 6)
    assert found["eyes-tuned"] == 1.0


def older(folder):
    """The same campaign as a scorer wrote it that kept no receipts."""
    book = read_book(folder)
    verdicts = tuple(one.model_copy(update={"received_s": None}) for one in book.verdicts)
    return Book(book.name, book.summary, verdicts, book.trials, book.watched)


def test_where_not_even_the_receipt_is_known_the_delay_is_unknown_and_no_miss(scored):
    book = older(scored[0])
    grids = make_grids(ledgers_of([book]), book.watched)
    lines = vectors(grids, {})
    assert {line.arm_key: line.values["delay"] for line in lines}["eyes-default"] is None
    assert rank(grids, lines, {"delay": -1.0}).reason == "delay: not known for every arm"
    assert rank(grids, lines, {"technique": 1.0}).reason is None
    verdicts = [one for one in book.verdicts if one.trial_id == "eyes-default-r1"]
    line = chain_line(make_trial(), steps_of(), verdicts, "wipe")
    assert (line.seen, line.first_step, line.by_receipt) == (2, None, False)
    seen, n = np.array([[2.0]]), np.array([[8.0]])
    assert chain([line], "wipe", seen, n).seconds_to_first_alert.reason == UNTIMED


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "ja",
            (
                "警告はあるが、製品が警告に時刻を付けない",
                "製品の時刻がない警告の手順4件を除く",
                "受信時刻に置く（値は上限）",
                "4 時刻なし（除外）",
            ),
        ),
        (
            "en",
            (
                "alerted, but the product gives its alerts no time",
                "4 alerted on without a time of the product&#39;s own left out",
                "an alert without a time of the product&#39;s own stands at its receipt: an upper bound",
                "4 without a time (left out)",
            ),
        ),
    ],
)
def test_the_pages_say_how_many_were_left_out_and_what_is_an_upper_bound(scored, language, words):
    text = metrics_text(*scored, language) + first_text(*scored, language)
    assert [one for one in words if one not in text] == []
