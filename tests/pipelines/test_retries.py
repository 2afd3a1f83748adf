"""What is tried again, how often, and what is kept of the attempts before; nothing is run here."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from pipelines import trial
from pipelines.parts import Gathered
from pipelines.retrying import until_valid
from results.errors import ProductError, TargetError
from results.records import TrialStatus

FAILED = TrialStatus.TARGET_FAILED


class Attempts:
    """Ends each attempt as it was told to."""

    def __init__(self, *statuses):
        self.statuses, self.begun = list(statuses), []

    def __call__(self, gathered):
        self.begun.append(gathered)
        number = len(self.begun)
        gathered.status = self.statuses[number - 1]
        gathered.reason = "" if gathered.status is TrialStatus.COMPLETED else f"reason {number}\nand its detail"
        gathered.notes.append(f"note {number}")
        gathered.log.append(f"line {number}")


@pytest.mark.parametrize("status", [status for status in TrialStatus if status is not FAILED])
def test_whatever_is_the_products_own_doing_is_never_tried_again(status):
    """A second go would be a second chance: a product that came up late, or died, would be run until it did not."""
    attempts, said = Attempts(status, TrialStatus.COMPLETED), []
    found = until_valid(attempts, 2, said.append)
    assert (len(attempts.begun), found.status, found.notes, found.log, said) == (1, status, ["note 1"], ["line 1"], [])


@pytest.mark.parametrize(("retries", "begun"), [(0, 1), (1, 2), (2, 3)])
def test_a_trial_that_fails_through_no_fault_of_the_product_is_tried_again_up_to_the_cap(retries, begun):
    attempts, said = Attempts(*[FAILED] * 9), []
    found = until_valid(attempts, retries, said.append)
    assert (len(attempts.begun), found.status, found.reason) == (begun, FAILED, f"reason {begun}\nand its detail")
    assert said == [f"failed through no fault of the product: reason {number}" for number in range(1, begun + 1)]


def test_the_first_attempt_that_is_valid_counts_and_the_reasons_of_all_before_it_are_kept():
    """A reader must see that a trial was repeated, how often, and each time why."""
    attempts = Attempts(FAILED, FAILED, TrialStatus.COMPLETED, TrialStatus.COMPLETED)
    found = until_valid(attempts, 5, lambda _line: None)
    assert (len(attempts.begun), found is attempts.begun[2], found.status) == (3, True, TrialStatus.COMPLETED)
    assert found.notes == [
        "attempt 1 of 3 failed through no fault of the product: reason 1\nand its detail",
        "attempt 2 of 3 failed through no fault of the product: reason 2\nand its detail",
        "note 3",
    ]
    assert found.log == ["attempt 1: line 1", "attempt 2: line 2", "line 3"]


def test_nothing_that_a_failed_attempt_gathered_is_taken_over():
    attempts = Attempts(FAILED, TrialStatus.COMPLETED)
    found = until_valid(attempts, 2, lambda _line: None)
    assert (attempts.begun[0] is not found, found.steps, found.reason) == (True, [], "")


@pytest.mark.parametrize(
    ("ends", "begun", "reason", "failed"),
    [
        ([None], 1, None, []),
        ([TargetError("a"), TargetError("b"), None], 3, None, ["a", "b"]),
        ([TargetError("a"), TargetError("b"), TargetError("c")], 3, "its containers were not to be had: c", ["a", "b"]),
        ([ProductError("never ready")], 1, "the product was not there: never ready", []),
        ([TargetError("a"), ProductError("gone")], 2, "the product was not there: gone", ["a"]),
    ],
)
def test_a_step_with_containers_of_its_own_is_tried_again_by_the_same_rule(monkeypatch, ends, begun, reason, failed):
    left = [*ends, *[None] * 5]

    def environment(*_words):
        end = left.pop(0)
        if end is not None:
            raise end

    monkeypatch.setattr(trial, "_one_environment", environment)
    prepared = SimpleNamespace(definition=SimpleNamespace(retries=2))
    _part, why, before = trial._apart(prepared, None, None, None, SimpleNamespace(id="cron"), None)
    assert (len(ends) + 5 - len(left), why, before) == (begun, reason, failed)


@pytest.mark.parametrize(
    ("ends", "quits"),
    [
        (((TrialStatus.COMPLETED, None), (TrialStatus.COMPLETED, "its containers were not to be had: a")), None),
        (((TrialStatus.COMPLETED, None), (TrialStatus.PRODUCT_FAILED, "the product was not there: gone")), "copy"),
        (((TrialStatus.FLUSH_TIMED_OUT, "flush_timed_out: no canary"), (TrialStatus.COMPLETED, None)), "cron"),
    ],
)
def test_a_product_that_quits_in_one_steps_containers_has_failed_in_the_trial(monkeypatch, ends, quits):
    """Else it could quit wherever it sees nothing, and keep what it sees."""
    left = list(ends)

    def apart(*_words):
        status, reason = left.pop(0)
        return Gathered(status=status, was_ready=True), reason, []

    steps = [SimpleNamespace(id=name, procedure=None) for name in ("cron", "copy")]
    monkeypatch.setattr(trial, "_apart", apart)
    monkeypatch.setattr(trial, "realise", lambda *_words: [(step, None) for step in steps])
    monkeypatch.setattr(trial, "not_run_record", lambda *_words: None)
    monkeypatch.setattr(trial, "add_part", lambda *_words: None)
    prepared = SimpleNamespace(plan=None, procedures={}, catalogue=None)
    planned = SimpleNamespace(seed=1, entry=object())
    expected = nullcontext() if quits is None else pytest.raises(ProductError, match=f"1 of 2 steps: {quits}")
    with expected:
        trial._each_apart(prepared, None, planned, None, Gathered(), lambda _line: None, None)
