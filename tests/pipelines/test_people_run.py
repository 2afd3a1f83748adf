"""The people's part with real containers: registered, run, shown to its vendor, and one step run again."""

import json
import re
import threading
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.campaign import prepare
from pipelines.command import app
from pipelines.previewing import preview_product
from pipelines.registering import register_campaign
from pipelines.reproduce import defined, make_bundle, reproduce
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule, run_plain
from pipelines.submission_key import make_key, signature_objection
from results.arm_differences import Basis, read_differences
from results.decisions import read_decisions
from results.errors import EvaluationError
from results.journal import read_journal
from results.records import Outcome
from results.registration import read_registration
from results.reproduction import BundleError, read_bundle, write_bundle
from results.scoring import score_campaign
from results.store import read_summary, read_trial, sealed_trials
from tests.campaign_builder import build_campaign

SMALL = str(Path(__file__).parent.parent / "small" / "small.yaml")
ONLY = ("small_sensor-good", "small_sensor-silent")
PLACE = Path(SMALL).parent
TWO = f"""\
id: small
title: {{en: Two of the arms, ja: 二つの設定}}
plan: {PLACE}/small_chain
environment: {PLACE}/small_server
repetitions: 1
seed: 7
parallel: 2
procedures: {PLACE}/procedures
entries: [{{product: {PLACE}/small_sensor, arm: good}}, {{product: {PLACE}/small_sensor, arm: silent}}]
"""
NOW = 1_790_000_000 * 10**9


def say(_trial, _line):
    pass


@pytest.fixture(scope="module")
def campaign(engine, tmp_path_factory):
    """Registered, then run."""
    runs = tmp_path_factory.mktemp("runs")
    two = runs / "two.yaml"
    two.write_text(TWO)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIJ_RUNS", str(runs))
        register_campaign(str(two), None, {}, None, None, NOW)
    prepared = prepare(str(two))
    folder = open_campaign(prepared, runs, fresh=False)
    run_plain(Schedule((CampaignRun(engine, prepared, folder, say),)))
    return folder


@pytest.mark.docker
def test_what_was_registered_and_then_run_holds(campaign):
    found = read_summary(campaign).people.registration
    assert (found.holds, found.early, found.missing, found.departures, found.restarts) == (True, (), (), (), 0)
    assert found.not_recorded == {}


@pytest.mark.docker
def test_the_trial_seals_the_digest_that_was_registered(campaign):
    """Else nobody could tell whether the registered product was run."""
    registered = read_registration(campaign).products
    ran = {path.name: read_trial(path).entry_digest for path in sealed_trials(campaign)}
    assert ran == {"control-r1": None, **{f"{arm}-r1": digest for arm, digest in registered.items()}}


@pytest.mark.docker
def test_what_each_arm_changes_is_written_down_when_it_is_run(campaign):
    (found,) = read_differences(campaign)
    assert (found.about.key, found.about.first, found.about.basis) == ("small_sensor-silent", "good", Basis.RUN)
    assert found.about.digest == read_registration(campaign).products["small_sensor-silent"]
    assert "+++ silent/settings.yaml" in found.text


@pytest.mark.docker
def test_the_vendors_view_has_a_bundle_for_the_false_alarm_and_names_nobody_else(campaign, tmp_path):
    found = preview_product(campaign, "small_sensor", tmp_path / "view", SMALL, {}, 14, NOW)
    assert {(one.step_id, one.what) for one in found.bundles} == {("backup-job", "false_alarm")}
    bundle, files = read_bundle(tmp_path / "view" / found.bundles[0].file)
    step = json.loads(files["evidence/step.json"])
    assert (bundle.step_id, step["executed"]) == ("backup-job", files["evidence/executed"].decode())
    assert step["processes"]
    for path in (one for one in (tmp_path / "view").rglob("*") if one.is_file()):
        data = path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                data = b"".join(archive.read(name) for name in archive.namelist())
        assert not re.search(rb"small_broken|small_watcher", data)
    assert read_summary(campaign).people.window is None  # until it is scored again


@pytest.mark.docker
def test_a_step_that_is_run_again_comes_out_the_same(campaign, engine, tmp_path):
    path = make_bundle(campaign, "small_sensor-good-r1", "add-job", defined(SMALL, {}), tmp_path / "one.pij.zip")
    found = reproduce(engine, path, {}, say, threading.Event())
    assert (found.is_same, found.found.outcome, found.found.verified) == (True, Outcome.ALERTED, True)


@pytest.mark.docker
def test_a_bundle_whose_definitions_are_not_those_that_were_run_is_refused(campaign, engine, tmp_path):
    """Else anything could be run under a step's name."""
    path = make_bundle(campaign, "small_sensor-good-r1", "add-job", defined(SMALL, {}), tmp_path / "one.pij.zip")
    bundle, files = read_bundle(path)
    name = "definitions/plan/plan.yaml"
    other = write_bundle(tmp_path / "two.pij.zip", bundle, files | {name: files[name] + b"# another\n"})
    with pytest.raises(BundleError, match="plan_digest: found definitions"):
        reproduce(engine, other, {}, say, threading.Event())


@pytest.mark.docker
def test_a_control_and_a_step_that_is_not_there_have_no_bundle(campaign, tmp_path):
    what = defined(SMALL, {})
    with pytest.raises(EvaluationError, match="found a control"):
        make_bundle(campaign, "control-r1", "add-job", what, tmp_path / "x.zip")
    with pytest.raises(EvaluationError, match="found no verdict"):
        make_bundle(campaign, "small_sensor-good-r1", "nothing", what, tmp_path / "x.zip")


@pytest.mark.docker
def test_the_commands_show_what_people_decided(campaign, monkeypatch):
    monkeypatch.setenv("PIJ_RUNS", str(campaign.parent))
    run = CliRunner().invoke
    words = ["--reason", "a job that an administrator makes", "--author", "A. Evaluator"]
    words += ["--verdict", "invalid", "--evidence", "a note"]
    done = run(app, ["adjudicate", "small/small_sensor-good-r1/backup-job", *words])
    assert done.exit_code == 0, done.output
    assert "alerted:general -> invalid, by A. Evaluator" in done.output
    shown = json.loads(run(app, ["people", "small", "--json"]).output)
    assert [(one["step_id"], one["after"]["outcome"]) for one in shown["adjudications"]] == [("backup-job", "invalid")]
    refused = run(app, ["adjudicate", "small/small_sensor-good-r1/nothing", *words])
    assert (refused.exit_code, "found no verdict" in refused.output) == (2, True)


def test_a_changed_campaign_is_refused_by_what_differs(tmp_path, monkeypatch):
    monkeypatch.setenv("PIJ_RUNS", str(tmp_path))
    key = tmp_path / "evaluator.key"
    public = make_key(key)
    (registered,) = register_campaign(SMALL, None, {}, None, key, NOW)
    assert registered.signature.public_key == public
    assert signature_objection(registered.signature, b"pij registration 1\n" + registered.commitment.encode()) is None
    prepared = prepare(SMALL, only=ONLY)
    open_campaign(prepared, tmp_path, fresh=False)
    with pytest.raises(EvaluationError, match="one for each campaign"):
        register_campaign(SMALL, None, {}, None, None, NOW)
    trials = tuple(replace(trial, seed=trial.seed + 1) for trial in prepared.trials)
    with pytest.raises(EvaluationError, match=r"registration\.json: found control-r1: seed: registered as"):
        open_campaign(replace(prepared, trials=trials), tmp_path, fresh=False)
    with pytest.raises(EvaluationError, match=r"plan_digest: registered as"):
        open_campaign(replace(prepared, plan_digest="0" * 64), tmp_path, fresh=False)
    definition = prepared.definition.model_copy(update={"budget_minutes": 30.0, "retries": 0})
    with pytest.raises(EvaluationError, match=r"budget_minutes: registered as no limit, now 30; retries: registered"):
        open_campaign(replace(prepared, definition=definition), tmp_path, fresh=False)


@pytest.mark.parametrize("begun", [False, True], ids=["registered", "begun"])
def test_a_registration_is_shown_before_there_are_results(tmp_path, monkeypatch, begun):
    """That is when its commitment is given to somebody; nothing is missing of what was not run yet."""
    monkeypatch.setenv("PIJ_RUNS", str(tmp_path))
    (registered,) = register_campaign(SMALL, None, {}, None, None, NOW)
    if begun:
        open_campaign(prepare(SMALL), tmp_path, fresh=False)
    shown = CliRunner().invoke(app, ["people", "small"])
    assert (shown.exit_code, shown.output.splitlines()) == (
        0,
        [
            f"registered: {datetime.fromtimestamp(NOW // 10**9, UTC):%Y-%m-%d %H:%M:%S} sha256 {registered.commitment}",
            "signature: none",
            f"no results yet: found no sealed trial of {len(registered.seeds)}; `pij run` makes them",
        ],
    )
    told = json.loads(CliRunner().invoke(app, ["people", "small", "--json"]).output)
    assert told["registration"]["commitment"] == registered.commitment
    refused = CliRunner().invoke(app, ["people", "smalls"])
    assert (refused.exit_code, "found no results; allowed: small (in " in refused.output) == (2, True)


def test_a_broken_registration_is_shown_before_there_are_results(tmp_path, monkeypatch):
    monkeypatch.setenv("PIJ_RUNS", str(tmp_path))
    register_campaign(SMALL, None, {}, None, None, NOW)
    (tmp_path / "small" / "journal.jsonl").unlink()
    shown = CliRunner().invoke(app, ["people", "small"]).output
    assert "as registered: no\n" in shown.lower()
    assert "journal" in shown


def test_a_budget_that_is_raised_on_the_way_is_on_the_record(tmp_path):
    """A campaign that was never registered may be resumed with more minutes; a reader must see that it was."""
    prepared = prepare(SMALL, only=ONLY)
    folder = open_campaign(prepared, tmp_path, fresh=False)
    assert read_decisions(folder) == []
    definition = prepared.definition.model_copy(update={"budget_minutes": 30.0})
    open_campaign(replace(prepared, definition=definition), tmp_path, fresh=False)
    (found,) = read_decisions(folder)
    assert (found["decision"], found["after"]) == ("pace changed", '{"budget_minutes":30.0,"retries":2}')


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("demo/none/none", "found no verdict; allowed: a trial: "),
        ("demo/eyes-default-r1/none", "found no verdict; allowed: a step of eyes-default-r1: cron"),
    ],
)
def test_a_bundle_of_a_step_that_is_not_there_is_refused_without_a_traceback(tmp_path, monkeypatch, address, complaint):
    monkeypatch.setenv("PIJ_RUNS", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "1000")
    folder = build_campaign(tmp_path)
    command = ["bundle", address, "--definition", SMALL, "--to", str(tmp_path / "x.zip")]
    unscored = CliRunner().invoke(app, command)
    assert (unscored.exit_code, "allowed: a scored campaign" in unscored.output) == (2, True)
    score_campaign(folder)
    refused = CliRunner().invoke(app, command)
    assert (refused.exit_code, complaint in refused.output) == (2, True)


def test_results_that_are_set_aside_leave_the_registration_and_are_counted(tmp_path, monkeypatch):
    """Else a run could be repeated under one registration until its results please."""
    monkeypatch.setenv("PIJ_RUNS", str(tmp_path))
    register_campaign(SMALL, None, {}, None, None, NOW)
    prepared = prepare(SMALL, only=ONLY)
    folder = open_campaign(prepared, tmp_path, fresh=False)
    sealed = folder / "trials" / "control-r1"
    sealed.mkdir()
    (sealed / "seal.json").write_text("{}")
    assert open_campaign(prepared, tmp_path, fresh=True) == folder
    assert [entry.kind for entry in read_journal(folder)] == ["registered", "restarted"]
    assert read_journal(folder)[-1].about["sealed_trials"] == ["control-r1"]
    assert sealed_trials(folder) == []
