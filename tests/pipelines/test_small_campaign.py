"""A campaign with real containers in which every product misbehaves in its own way."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from environments.images import base_image
from environments.labels import CAMPAIGN, labels
from environments.standing import stand_up
from environments.sweep import sweep
from environments.waiting import wait_until
from environments.witness import Witness, witness_image
from pipelines.campaign import prepare
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule, run_plain
from results.errors import EvaluationError, TargetError
from results.publish import publish_campaign
from results.records import AttributionStatus, Kind, Outcome, StepKind, TrialStatus
from results.store import read_alerts, read_attributions, read_steps, read_trial, read_verdicts, sealed_trials

pytestmark = pytest.mark.docker
SMALL = Path(__file__).parent.parent / "small" / "small.yaml"
PIJ = [sys.executable, "-c", "from pipelines.command import main; main()"]


@pytest.fixture(scope="module")
def events():
    return []


@pytest.fixture(scope="module")
def campaign(engine, tmp_path_factory, events):
    """The whole campaign, run once."""
    prepared = prepare(str(SMALL))
    folder = open_campaign(prepared, tmp_path_factory.mktemp("runs"), fresh=False)
    run_plain(Schedule((CampaignRun(engine, prepared, folder, lambda name, line: events.append((name, line))),)))
    return folder


def trial(campaign, name):
    return read_trial(campaign / "trials" / name)


def verdicts(campaign, name):
    return {v.step_id: v.outcome for v in read_verdicts(campaign) if v.trial_id == name}


def leftovers(engine, campaign_id):
    wanted = {"label": f"{CAMPAIGN}={campaign_id}"}
    containers = engine.client.containers.list(all=True, filters=wanted)
    return [c.name for c in containers] + [n.name for n in engine.client.networks.list(filters=wanted)]


def test_a_working_product_is_credited_by_process_lineage(campaign):
    """The whole way: real act, real alert, real process tree."""
    assert verdicts(campaign, "small_sensor-good-r1") == {
        "add-job": Outcome.ALERTED,
        "find-users": Outcome.NOT_APPLICABLE,
        "backup-job": Outcome.ALERTED,
        "idle-one": Outcome.MISSED,
    }
    claims = [c for c in read_attributions(campaign) if c.trial_id == "small_sensor-good-r1"]
    assert {(c.step_id, c.kind) for c in claims if c.status is AttributionStatus.ATTRIBUTED} == {
        ("add-job", Kind.LINEAGE),
        ("backup-job", Kind.LINEAGE),
    }


def test_the_evidence_of_a_step_is_whole(campaign):
    step = next(s for s in read_steps(campaign / "trials" / "control-r1") if s.step_id == "find-users")
    assert (step.executor, step.executed, step.user) == ("sh", "getent passwd", "sato")
    assert (step.verified, step.exit_code, step.stdout.length > 100) == (True, 0, True)
    leader = next(process for process in step.processes if process.pid == step.leader_pid)
    assert (leader.started_ns, leader.ended_ns) == (step.started_ns, step.ended_ns)
    assert any("getent passwd" in line for process in step.processes for line in process.command_lines)


def test_a_step_is_carried_out_byte_for_byte(campaign):
    """Multi-line scripts stay multi-line."""
    step = next(s for s in read_steps(campaign / "trials" / "control-r1") if s.step_id == "add-job")
    assert step.executed.startswith('mkdir -p /etc/cron.d\necho "* * * * * root /bin/true" > /etc/cron.d/job-')
    assert [fact.before for fact in step.facts] == [False]


def test_repeated_arms_get_the_same_bytes_from_the_same_seed(campaign):
    executed = [
        {s.step_id: s.executed for s in read_steps(campaign / "trials" / name) if s.kind is not StepKind.CANARY}
        for name in ("control-r1", "small_sensor-good-r1")
    ]
    assert executed[0] == executed[1]


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("small_broken-good-r1", TrialStatus.BUILD_FAILED, "this product does not build"),
        ("small_sensor-silent-r1", TrialStatus.NOT_READY, "did not pass within"),
        ("small_sensor-dies-r1", TrialStatus.PRODUCT_FAILED, "the product ended"),
        ("small_sensor-hangs-r1", TrialStatus.FLUSH_TIMED_OUT, "last canary never came"),
        ("small_sensor-garbage-r1", TrialStatus.COMPLETED, ""),
        ("small_sensor-flood-r1", TrialStatus.COMPLETED, ""),
        ("small_sensor-good-r1", TrialStatus.COMPLETED, ""),
        ("control-r1", TrialStatus.COMPLETED, ""),
    ],
)
def test_how_each_product_misbehaves_is_said(campaign, name, status, words):
    found = trial(campaign, name)
    assert (found.status, words in found.reason) == (status, True)


@pytest.mark.parametrize("name", ["dies", "hangs", "silent"])
def test_a_product_that_fails_is_never_said_to_miss(campaign, name):
    found = verdicts(campaign, f"small_sensor-{name}-r1")
    assert Outcome.MISSED not in {found.get("add-job", Outcome.INVALID), found.get("find-users", Outcome.INVALID)}


def test_a_million_alerts_are_counted_and_bounded(campaign):
    (source,) = trial(campaign, "small_sensor-flood-r1").sources
    assert source.received > 1_000_000
    assert (source.kept, source.kept + source.dropped) == (50_000, source.received)
    assert len(read_alerts(campaign / "trials" / "small_sensor-flood-r1")) == 50_000


def test_garbage_is_counted_and_hurts_nobody(campaign):
    (source,) = trial(campaign, "small_sensor-garbage-r1").sources
    assert source.unreadable >= 2
    assert verdicts(campaign, "small_sensor-garbage-r1")["add-job"] is Outcome.ALERTED


def test_isolation_was_proven_before_anything_ran(campaign):
    proof = trial(campaign, "control-r1").isolation
    assert len(proof) == 2
    assert all("every one unreachable" in line for line in proof)


def test_nothing_is_left_running(campaign, engine):
    assert leftovers(engine, "small") == []


def test_progress_names_what_is_built_which_trial_and_which_step(campaign, events):
    assert any((name == "" and line.startswith("building ")) or "does not build" in line for name, line in events)
    assert ("control-r1", "step 1/4: ") in {(name, line[:10]) for name, line in events}


def test_the_page_shows_each_failure_as_what_it_is(campaign, tmp_path):
    page = publish_campaign(campaign, tmp_path / "page").read_text("utf-8")
    for name in ("small_broken-good-r1", "small_sensor-silent-r1", "small_sensor-dies-r1", "small_sensor-hangs-r1"):
        assert name in page


def test_a_second_run_has_nothing_to_do(campaign, engine):
    prepared = prepare(str(SMALL))
    again = open_campaign(prepared, campaign.parent, fresh=False)
    run = CampaignRun(engine, prepared, again, lambda *_: None)
    assert (again, run.unfinished()) == (campaign, [])


def test_a_changed_campaign_does_not_mix_with_old_results(campaign):
    """Else trials of two plans would be compared."""
    prepared = prepare(str(SMALL), only=("small_sensor-good",))
    with pytest.raises(EvaluationError, match="--fresh"):
        open_campaign(prepared, campaign.parent, fresh=False)


def start(runs, *options):
    environment = {**os.environ, "PIJ_RUNS": str(runs)}
    return subprocess.Popen(
        [*PIJ, "run", str(SMALL), "--no-prefect", "--only", "small_sensor-hangs", "--as", "cut", *options],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def until(process, words):
    for line in process.stdout:
        if words in line:
            return
    pytest.fail(f"it ended before it said {words!r}")


def test_ctrl_c_takes_everything_down_and_the_campaign_resumes(engine, runs):
    process = start(runs)
    until(process, "waiting for the last canary")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, "Run the same command to resume" in output) == (130, True)
    assert leftovers(engine, "cut") == []
    sealed = {path.name for path in sealed_trials(runs / "cut")}
    assert "small_sensor-hangs-r1" not in sealed
    process = start(runs)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert {path.name for path in sealed_trials(runs / "cut")} == {"control-r1", "small_sensor-hangs-r1"}
    for name in sealed:
        assert f"{name}: standing up" not in output


def test_after_kill_9_a_sweep_removes_what_is_left(engine, runs):
    process = start(runs)
    until(process, "waiting for the last canary")
    process.kill()
    process.communicate(timeout=60)
    assert leftovers(engine, "cut") != []
    done = subprocess.run([*PIJ, "sweep", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["containers"] >= 3
    assert leftovers(engine, "cut") == []


def test_a_sweep_leaves_alone_what_belongs_to_a_pij_that_runs(engine):
    marked = labels("alive", "x")
    with Witness(engine, witness_image(engine, print), marked):
        sweep(engine, print)
        assert len(leftovers(engine, "alive")) == 1


def test_a_node_that_can_reach_the_engine_host_is_refused(engine, monkeypatch):
    """The proof must fail when the isolation is broken, else it proves nothing."""
    import environments.standing as standing

    def open_network(engine, labels):
        return engine.client.networks.create("net-open-for-a-test", driver="bridge", labels=dict(labels))

    monkeypatch.setattr(standing, "_create_network", open_network)
    prepared = prepare(str(SMALL))
    images = dict.fromkeys(prepared.environment.nodes, base_image(engine, print))
    bare = prepared.environment.nodes["attacker"]
    environment = prepared.environment.model_copy(update={"nodes": {"target": bare, "attacker": bare}})
    marked = labels("open", "x")
    with (
        Witness(engine, witness_image(engine, print), marked) as witness,
        pytest.raises(TargetError, match="has a way out"),
        stand_up(engine, environment, images, witness, marked, {}, threading.Event()),
    ):
        pytest.fail("it stood up")
    assert leftovers(engine, "open") == []


def test_waiting_gives_up_after_its_time():
    assert wait_until(lambda: None, 0.01, threading.Event()) is None
