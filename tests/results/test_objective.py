"""Whether the product spoke before the attack was where it wanted to be."""

import pytest

from results.chains import chain_line
from results.records import Outcome, StepKind, Verdict
from tests.campaign_builder import make_step, make_trial

STEPS = [make_step("cron", 0), make_step("pack", 1), make_step("wipe", 2)]
"""Each runs for a second; they begin at 0, 10 and 20 s. The last is the objective."""


def verdict(step_id, latency_s):
    """Alerted on so many seconds after the step; None: missed."""
    outcome = Outcome.MISSED if latency_s is None else Outcome.ALERTED
    return Verdict(
        trial_id="eyes-default-r1", step_id=step_id, position=0, kind=StepKind.MALICIOUS, technique="T1485",
        outcome=outcome, category=None, modifiers=(), reason="", alerts=(), telemetry=(), evidence_kind=None,
        wrong_techniques=(), latency_s=latency_s, delivery_s=None,
    )  # fmt: skip


def line(*latencies, objective="wipe"):
    verdicts = [verdict(step.step_id, after) for step, after in zip(STEPS, latencies, strict=True)]
    return chain_line(make_trial(), STEPS, verdicts, objective)


@pytest.mark.parametrize(
    ("latencies", "before", "seconds"),
    [
        ((None, 8.0, None), True, 19.0),  # a second before the objective begins
        ((None, 9.0, None), False, 20.0),  # as it begins: too late to keep anybody from it
        ((None, 60.0, None), False, 71.0),
        ((None, None, 0.5), False, 21.5),  # on the objective itself
        ((60.0, None, 0.5), False, 21.5),  # the first alert counts, whichever step it is on
        ((None, None, None), False, None),  # no alert is not before anything
    ],
)
def test_only_an_alert_before_the_objective_begins_came_before_it(latencies, before, seconds):
    """Else every product would be said to have warned in time."""
    found = line(*latencies)
    assert (found.before_objective, found.seconds) == (before, seconds)


def test_without_the_objective_nobody_can_say():
    assert line(0.5, None, None, objective="leave").before_objective is None
