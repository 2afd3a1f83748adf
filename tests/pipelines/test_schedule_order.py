"""Under a budget the most informative trial is run first; nothing is run here."""

import threading
from pathlib import Path

import pytest

from pipelines.campaign import prepare_parts
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule
from results.metrics import wilson
from results.paths import ROOT
from results.summary import ArmSummary, RateLine, Summary

SMALL = ROOT / "tests" / "small"
# With seed 3 the draw is: silent, good, control.
CAMPAIGN = f"""\
id: ordered
title: {{en: Ordered, ja: 順序}}
plan: {SMALL}/small_chain
environment: {SMALL}/small_server
procedures: {SMALL}/procedures
repetitions: 2
seed: 3
entries: [{{product: {SMALL}/small_sensor, arm: good}}, {{product: {SMALL}/small_sensor, arm: silent}}]
"""
GOOD, SILENT = "small_sensor-good", "small_sensor-silent"
NARROW, WIDE = wilson(50, 100), wilson(1, 2)


@pytest.fixture(scope="module")
def parts(tmp_path_factory, state):
    """The campaign with a budget and without one, prepared once."""
    folder, found = tmp_path_factory.mktemp("ordered"), {}
    for budget, more in ((True, "budget_minutes: 5\n"), (False, "")):
        path = folder / "ordered.yaml"
        path.write_text(CAMPAIGN + more)
        (found[budget],) = prepare_parts(str(path))
    return found


def schedule(part, runs: Path) -> Schedule:
    return Schedule((CampaignRun(None, part, open_campaign(part, runs, False), lambda *_: None, threading.Event()),))


def known(**rates):
    """Scores of which only the arms' rates of alerts matter, beside a decoy of each arm."""
    return {
        "ordered": Summary.model_construct(
            arms=tuple(
                ArmSummary.model_construct(
                    arm_key=f"small_sensor-{arm}",
                    rates=(
                        RateLine(metric="technique", denominator="common", rate=wilson(3, 9), chance_corrected=None),
                        RateLine(metric="alerted", denominator="applicable", rate=wilson(3, 9), chance_corrected=None),
                        *(
                            [RateLine(metric="alerted", denominator="common", rate=rate, chance_corrected=None)]
                            if rate
                            else []
                        ),
                    ),
                )
                for arm, rate in rates.items()
            )
        )
    }


def order(plan):
    """The arms of the next round, in order; None is the control."""
    return [job.trial.entry.key if job.trial.entry else None for job in next(iter(plan.rounds()))]


@pytest.mark.parametrize(
    ("good", "silent", "first", "second"),
    [
        (NARROW, WIDE, SILENT, GOOD),
        (WIDE, NARROW, GOOD, SILENT),
        (NARROW, None, SILENT, GOOD),  # nothing is known of it yet: it can tell most
        (None, NARROW, GOOD, SILENT),
    ],
)
def test_the_arm_whose_rate_is_known_least_is_run_first(parts, tmp_path, good, silent, first, second):
    """What is run before the budget ends must tell the most: whatever the draw was."""
    plan = schedule(parts[True], tmp_path)
    plan.summaries.update(known(good=good, silent=silent))
    assert order(plan) == [None, first, second]


def test_the_control_is_run_first_whatever_was_drawn(parts, tmp_path):
    """Without it nothing of its repetition can be judged, and the budget may end after any trial."""
    assert order(schedule(parts[False], tmp_path / "drawn"))[0] is not None
    assert order(schedule(parts[True], tmp_path / "budget"))[0] is None


def test_without_a_budget_the_drawn_order_stands_whatever_is_known(parts, tmp_path):
    """Order must not depend on results where nothing forces it to."""
    plan = schedule(parts[False], tmp_path)
    before = order(plan)
    for scores in (known(good=NARROW, silent=WIDE), known(good=WIDE, silent=NARROW)):
        plan.summaries.update(scores)
        assert order(plan) == before
