"""How much longer ordinary work takes with a product."""

import pytest

from results.overhead import slow_down
from results.records import StepKind
from tests.campaign_builder import BEGAN, SECOND, make_step


def work(**seconds):
    """Benign steps of these lengths; a name that ends in `_gone` had no effect."""
    return [
        make_step(
            name.removesuffix("_gone"), place, kind=StepKind.BENIGN, started_ns=BEGAN,
            ended_ns=BEGAN + round(length * SECOND), verified=not name.endswith("_gone"),
        )
        for place, (name, length) in enumerate(seconds.items())
    ]  # fmt: skip


def test_work_is_timed_against_the_control_of_its_own_repetition():
    """What slows both down cancels out; each step weighs the same, whatever it lasts."""
    found = slow_down([(work(pack=2, ask=8), work(pack=1, ask=4)), (work(pack=40, ask=8), work(pack=10, ask=2))])
    assert (found.value, found.n, found.unit) == (pytest.approx(8**0.5, abs=1e-6), 2, "ratio")
    assert found.low < 1 < 2 < found.high


def test_a_step_that_came_about_in_one_of_the_two_only_says_nothing():
    found = slow_down([(work(pack=2, ask_gone=900), work(pack=1, ask=4))])
    assert (found.value, found.low, found.reason) == (2.0, None, "one repetition has no spread")


def test_without_work_there_is_no_ratio_but_a_reason():
    attack = [make_step("cron")]
    found = slow_down([(attack, attack)])
    assert (found.value, found.n, found.reason) == (None, 0, "no repetition in which both were done")
