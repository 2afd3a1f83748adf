"""The order of trials, the budget, and campaigns of several parts; nothing is run here."""

import json
import threading
from pathlib import Path

import pytest

from pipelines.campaign import prepare, prepare_parts
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Job, Schedule
from results.errors import ContentError, EvaluationError
from results.paths import DECISIONS, ROOT

SMALL = ROOT / "tests" / "small"
PLACE = f"plan: {SMALL}/small_chain, environment: {SMALL}/small_server"
GOOD = f"{{product: {SMALL}/small_sensor, arm: good}}"
HEAD = f"""\
id: several
title: {{en: Several, ja: 複数}}
repetitions: 3
procedures: {SMALL}/procedures
seed: 7
entries: [{GOOD}, {{product: {SMALL}/small_sensor, arm: silent}}]
"""
ONE = PLACE.replace(", ", "\n") + "\n"
PARTS = f"parts: [{{id: first, {PLACE}}}, {{id: second, {PLACE}, entries: [{GOOD}]}}]\n"


def written(folder: Path, more: str) -> str:
    path = folder / "several.yaml"
    path.write_text(HEAD + more)
    return str(path)


def schedule(parts, runs: Path) -> Schedule:
    stop = threading.Event()
    return Schedule(
        tuple(CampaignRun(None, one, open_campaign(one, runs, fresh=False), lambda *_: None, stop) for one in parts)
    )


def test_parts_are_campaigns_of_their_own_run_in_one_drawn_order(tmp_path, state):
    parts = prepare_parts(written(tmp_path, PARTS))
    assert [one.definition.id for one in parts] == ["several_first", "several_second"]
    (jobs,) = schedule(parts, tmp_path / "runs").rounds()
    assert [job.trial.repetition for job in jobs] == [1] * 5 + [2] * 5 + [3] * 5
    order = [(job.run.prepared.definition.id, job.trial.trial_id) for job in jobs]
    (again,) = schedule(parts, tmp_path / "again").rounds()
    assert order == [(job.run.prepared.definition.id, job.trial.trial_id) for job in again]
    parts_in_order = [part for part, _trial in order]
    assert any(parts_in_order[at : at + 5] != sorted(parts_in_order[at : at + 5]) for at in (0, 5, 10))


def test_a_campaign_of_one_plan_can_be_prepared_alone_and_one_of_several_says_so(tmp_path, state):
    with pytest.raises(ContentError, match=r"parts: found 2 parts \(several_first, several_second\)"):
        prepare(written(tmp_path, PARTS))


def test_plan_and_parts_together_are_refused(tmp_path, state):
    with pytest.raises(ContentError, match="either `plan` and `environment`, or `parts`"):
        prepare_parts(written(tmp_path, ONE + PARTS))


def test_under_a_budget_each_repetition_is_a_round_and_its_control_comes_first(tmp_path, state):
    """Without a control nothing of a repetition can be judged."""
    parts = prepare_parts(written(tmp_path, ONE + "budget_minutes: 5"))
    first = next(iter(schedule(parts, tmp_path / "runs").rounds()))
    assert [job.trial.repetition for job in first] == [1, 1, 1]
    assert first[0].trial.entry is None


def test_a_spent_budget_starts_nothing_and_is_written_down(tmp_path, state):
    parts = prepare_parts(written(tmp_path, ONE + "budget_minutes: 0.000000001"))
    plan = schedule(parts, tmp_path / "runs")
    run = plan.runs[0]
    trial = run.prepared.trials[0]
    assert plan.start(Job(run, trial)) is None
    (line,) = (run.folder / DECISIONS).read_text().splitlines()
    assert (json.loads(line)["trial"], json.loads(line)["decision"]) == (trial.trial_id, "not run")


def test_a_budget_may_change_on_resumption_and_a_stopping_rule_may_not(tmp_path, state):
    digests = [
        prepare(written(tmp_path, ONE + more)).digest
        for more in ("budget_minutes: 5", "budget_minutes: 6", "stopping: {alpha: 0.01}")
    ]
    assert (digests[0] == digests[1], digests[0] == digests[2]) == (True, False)


def test_a_pair_is_settled_only_by_a_metric_of_which_more_is_better(tmp_path, state):
    """Else the arm that misses more would be called ahead."""
    with pytest.raises(EvaluationError, match=r"stopping\.metric: .*more is better"):
        prepare_parts(written(tmp_path, ONE + "stopping: {metric: missed}"))


@pytest.mark.parametrize(
    ("settled", "left"),
    [
        (set(), {None, "small_sensor-good", "small_sensor-silent"}),
        ({"small_sensor-good"}, {None, "small_sensor-silent"}),
        ({"small_sensor-good", "small_sensor-silent"}, set()),
    ],
)
def test_a_settled_arm_is_run_no_more_and_a_control_as_long_as_one_arm_is(tmp_path, state, settled, left):
    """A control that nothing is held against would only cost time."""
    parts = prepare_parts(written(tmp_path, ONE + "stopping: {metric: alerted}"))
    plan = schedule(parts, tmp_path / "runs")
    plan._settled = lambda run, repetition: settled
    jobs = next(iter(plan.rounds()), [])
    assert {job.trial.entry and job.trial.entry.key for job in jobs} == left
