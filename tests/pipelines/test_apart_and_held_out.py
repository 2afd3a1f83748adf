"""Every step in containers and with a product of its own; and a plan that is published by its digest only."""

import json
import shutil
import threading
from pathlib import Path

import pytest
import yaml

from pipelines.campaign import prepare
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule, run_plain
from pipelines.verify import verify_plan
from results.attire import read_attire, to_attire, to_steps
from results.errors import ContentError
from results.publish import publish_campaign
from results.records import AttributionStatus, Kind, Outcome, StepKind
from results.store import read_alerts, read_attributions, read_campaign, read_steps, read_trial, read_verdicts

SMALL = Path(__file__).parents[1] / "small"
SECRETS = ("add-job", "find-users", "getent", "/etc/cron.d", "Three steps", "small_chain")
"""What the plan and its procedures hold, and nothing public may."""

docker = pytest.mark.docker


@pytest.fixture(scope="module")
def opened(tmp_path_factory) -> Path:
    """The plan as its author keeps it, outside the checkout, with `isolation: step`."""
    folder = tmp_path_factory.mktemp("vault") / "small_chain"
    shutil.copytree(SMALL / "small_chain", folder)
    plan = folder / "plan.yaml"
    plan.write_text(plan.read_text("utf-8").replace("environment:", "isolation: step\nenvironment:", 1), "utf-8")
    return folder


@pytest.fixture(scope="module")
def campaign(engine, opened, tmp_path_factory) -> Path:
    """One product and the control over that plan."""
    place = tmp_path_factory.mktemp("held")
    definition = {
        "id": "held", "title": {"en": "Held out", "ja": "非公開"}, "plan": str(opened),
        "environment": str(SMALL / "small_server"), "repetitions": 1, "seed": 11, "parallel": 2,
        "procedures": str(SMALL / "procedures"), "entries": [{"product": str(SMALL / "small_sensor"), "arm": "good"}],
    }  # fmt: skip
    path = place / "held.yaml"
    path.write_text(yaml.safe_dump(definition), "utf-8")
    prepared = prepare(str(path))
    folder = open_campaign(prepared, place / "runs", fresh=False)
    run_plain(Schedule((CampaignRun(engine, prepared, folder, lambda *_: None, threading.Event()),)))
    return folder


@docker
def test_every_step_has_a_container_of_its_own(campaign):
    """Else what one step leaves behind could make the next one seen, or unseen."""
    for name in ("control-r1", "small_sensor-good-r1"):
        steps = [step for step in read_steps(campaign / "trials" / name) if step.kind is not StepKind.CANARY]
        assert len({step.container_id for step in steps}) == len(steps) == 4
        assert {step.step_id: step.verified for step in steps} == {
            "add-job": True, "find-users": True, "backup-job": True, "idle-one": None,
        }  # fmt: skip


@docker
def test_the_container_alone_tells_which_step_it_was(campaign):
    """Else an alert without a pid could not be attributed although only one step can have caused it."""
    trial = "small_sensor-good-r1"
    alerts = read_alerts(campaign / "trials" / trial)
    assert len({alert.observation_id for alert in alerts}) == len(alerts)
    claims = [one for one in read_attributions(campaign) if one.alert and one.trial_id == trial]
    mine = [one for one in claims if one.status is AttributionStatus.ATTRIBUTED]
    assert {(one.step_id, one.kind) for one in mine} >= {("add-job", Kind.CONTAINER)}
    verdicts = {one.step_id: one.outcome for one in read_verdicts(campaign) if one.trial_id == trial}
    assert verdicts["add-job"] is Outcome.ALERTED
    assert verdicts["idle-one"] is Outcome.MISSED


@docker
def test_nothing_of_a_held_out_plan_is_published_but_its_digest(campaign, opened, tmp_path):
    """Else vendors would train on it, and it would be a plan like any other."""
    assert read_campaign(campaign).held_out is True
    page = publish_campaign(campaign, tmp_path / "page")
    found = [
        (str(path.relative_to(tmp_path)), secret)
        for path in sorted((tmp_path / "page").rglob("*"))
        if path.is_file() and path.name != "plotly.min.js"
        for secret in SECRETS
        if secret.encode() in path.read_bytes()
    ]
    assert found == []
    digest = read_campaign(campaign).plan_digest
    assert digest is not None
    assert digest in page.read_text("utf-8")
    verdicts = read_verdicts(tmp_path / "page" / "data")
    assert sorted(one.outcome for one in verdicts) == sorted(one.outcome for one in read_verdicts(campaign))


@docker
def test_an_opened_plan_is_proven_to_be_the_one(campaign, opened, tmp_path):
    """Else the commitment would be a number that nobody can check."""
    publish_campaign(campaign, tmp_path / "page")
    for results, steps in ((campaign, 6), (tmp_path / "page", 0)):
        found = verify_plan(results, opened, SMALL / "procedures")
        assert (found.holds, found.trials, found.steps, found.problems) == (True, 2, steps, ())


@docker
def test_another_plan_is_not(campaign, opened, tmp_path):
    """Else a plan could be changed after its results were known."""
    other = tmp_path / "small_chain"
    shutil.copytree(opened, other)
    plan = other / "plan.yaml"
    plan.write_text(plan.read_text("utf-8").replace("sato", "root", 1), "utf-8")
    found = verify_plan(campaign, other, SMALL / "procedures")
    assert found.holds is False
    assert found.commitment != found.plan_digest


@docker
def test_a_trial_goes_out_and_comes_in_as_an_attire_log_with_real_milliseconds(campaign, tmp_path):
    """Else other tools would have to be told by hand what was run, and when."""
    folder = campaign / "trials" / "control-r1"
    steps = [step for step in read_steps(folder) if step.technique]
    path = tmp_path / "log.json"
    path.write_text("\ufeff" + json.dumps(to_attire(read_trial(folder), steps)), "utf-8")
    log = read_attire(path)
    assert log.version == "1.1"
    again = to_steps(log)
    kept = ("technique", "procedure", "procedure_name", "executor", "executed", "exit_code", "timed_out", "stdout")
    assert [[getattr(one, name) for name in kept] for one in again] == [
        [getattr(one, name) for name in kept] for one in steps
    ]
    assert [one.started_ns for one in again] == [(one.started_ns or 0) // 1_000_000 * 1_000_000 for one in steps]
    assert len({one.started_ns for one in again}) == len(again)


UPSTREAM_LOG = {
    "attire-version": "1.1",
    "execution-data": {
        "execution-source": "Invoke-Atomicredteam", "execution-id": "eA==",
        "execution-category": {"name": "Atomic Red Team", "abbreviation": "ART"}, "execution-command": "x",
        "target": {"user": "root", "host": "srv", "ip": "10.0.0.2/24", "path": ""},
        "time-generated": "2026-11-23T10:00:09.000Z",
    },
    "procedures": [
        {
            "mitre-technique-id": "T1057", "procedure-name": "Process Discovery - ps",
            "procedure-id": {"type": "guid", "id": "4ff64f0b-aaf2-4866-b39d-38d9791407cc"},
            "procedure-description": "", "order": 1,
            "steps": [
                {
                    "order": 1, "time-start": "2026-11-23T10:00:00.000Z", "time-stop": "2026-11-23T10:00:01.000Z",
                    "executor": "sh", "command": "ps",
                    "output": [{"content": "PID", "level": "STDOUT", "type": "console"}],
                }
            ],
        }
    ],
}  # fmt: skip


def test_a_log_of_upstreams_own_logger_is_read(tmp_path):
    """Else only our own logs could come back."""
    path = tmp_path / "log.json"
    path.write_text(json.dumps(UPSTREAM_LOG), "utf-8")
    (step,) = to_steps(read_attire(path))
    assert (step.technique, step.executed, step.started_ns, step.ended_ns, step.stdout.text) == (
        "T1057", "ps", 1795428000 * 10**9, 1795428001 * 10**9, "PID",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"attire-version": "2.0"}, "attire-version"),
        ({"procedures": 1}, "procedures"),
        ({"execution-data": {}}, "execution-data.execution-source"),
    ],
)  # fmt: skip
def test_a_broken_log_is_refused_with_its_field(change, field, tmp_path):
    """Else a log of another version would be read as if it were this one."""
    path = tmp_path / "log.json"
    path.write_text(json.dumps(UPSTREAM_LOG | change), "utf-8")
    with pytest.raises(ContentError) as caught:
        read_attire(path)
    assert field in [problem.field for problem in caught.value.problems]
    assert str(caught.value).startswith(str(path))
