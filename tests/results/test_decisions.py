"""Which missing trials the campaign's own rules explain."""

from results.decisions import explained

ARMS = ("eyes-default", "eyes-tuned")
SETTLED = {"decision": "settled", "first": "eyes-default", "second": "eyes-tuned", "repetition": 2}


def test_once_all_pairs_are_settled_neither_arm_nor_control_is_missing():
    """A control is there to hold arms against it."""
    trials = [f"{arm}-r{repetition}" for arm in (*ARMS, "control") for repetition in (2, 3)]
    assert explained([SETTLED], trials, ARMS, has_budget=False) == {"eyes-default-r3", "eyes-tuned-r3", "control-r3"}


def test_a_control_is_missing_as_long_as_one_arm_is_not_settled():
    assert explained([SETTLED], ["control-r3"], (*ARMS, "gate-default"), has_budget=False) == set()
