"""What people decide is on the record: registration, adjudication, disputes (scoring.md §6)."""

import json
import shutil
from pathlib import Path

import pytest

from results.adjudication import adjudicate, adjudications, read_ruling
from results.disputes import answer, dispute, disputes, is_final, is_scored_since, open_window, people_of
from results.errors import EvaluationError
from results.journal import EntryKind, JournalError, append, read_journal
from results.people import Ruling
from results.records import SCORER_VERSION, Category, Outcome
from results.registration import (
    Registration,
    committed,
    departures,
    methodology_digest,
    read_registration,
    standing,
    write_registration,
)
from results.scoring import score_campaign
from results.store import read_summary, read_verdicts
from tests.campaign_builder import BEGAN, SECOND, build_campaign, make_trial

NOW = BEGAN + 10**15
WORDS = {"author": "A. Evaluator", "reason": "the alert names the job that the step made"}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    found = build_campaign(tmp_path_factory.mktemp("scored"))
    score_campaign(found)
    return found


@pytest.fixture
def folder(scored, tmp_path):
    return Path(shutil.copytree(scored, tmp_path / "demo"))


def verdict_of(folder, trial="eyes-default-r1", step="wipe"):
    return next(one for one in read_verdicts(folder) if (one.trial_id, one.step_id) == (trial, step))


def make_registration(**changed):
    trials = [
        make_trial(f"{arm}-r{n}") for n in (1, 2) for arm in ("control", "eyes-default", "eyes-tuned", "gate-default")
    ]
    fields = {
        "campaign": "demo", "definition": "f" * 64, "plan": "chain", "plan_digest": "p" * 64, "held_out": False,
        "environment": "server", "environment_digest": "e" * 64, "products": {"eyes-default": "a" * 64},
        "seeds": {trial.trial_id: trial.seed for trial in trials}, "attack_release": "enterprise 18.1",
        "scorer_version": SCORER_VERSION, "methodology": methodology_digest(), "registered_ns": BEGAN - SECOND,
    }  # fmt: skip
    return committed(Registration.model_validate(fields | changed))


def register(folder, **changed):
    registration = make_registration(**changed)
    write_registration(folder, registration)
    append(folder, EntryKind.REGISTERED, {"commitment": registration.commitment}, registration.registered_ns)
    return registration


def test_an_adjudication_recomputes_the_metrics_and_leaves_the_original_beside(folder):
    """Else nobody could tell what the scorer said from what a person said."""
    before = read_summary(folder)
    adjudicate(folder, "eyes-default-r1", "wipe", read_ruling("alerted:general"), WORDS, ["a000005"], NOW)
    after = score_campaign(folder)
    verdict = verdict_of(folder)
    assert (verdict.outcome, verdict.category, verdict.adjudicated_from) == (
        Outcome.ALERTED, Category.GENERAL, Outcome.MISSED,
    )  # fmt: skip
    assert (verdict.alerts, verdict.reason) == (("a000005",), f"adjudicated by A. Evaluator: {WORDS['reason']}")
    hits = {key: next(a for a in one.arms if a.arm_key == "eyes-default").counts for key, one in
            (("before", before), ("after", after), ("original", read_summary(folder / "original")))}  # fmt: skip
    assert hits["original"] == hits["before"]
    assert hits["after"]["alerted"] == hits["before"]["alerted"] + 1
    assert [one.outcome for one in read_verdicts(folder / "original") if one.step_id == "wipe"].count(
        Outcome.ALERTED
    ) == 0
    assert [(one.author, one.before, one.after) for one in after.people.adjudications] == [
        ("A. Evaluator", Ruling(outcome=Outcome.MISSED), Ruling(outcome=Outcome.ALERTED, category=Category.GENERAL))
    ]


def test_the_latest_adjudication_holds_and_the_earlier_one_stays_on_the_record(folder):
    adjudicate(folder, "eyes-default-r1", "cron", read_ruling("invalid"), WORDS, ["a note"], NOW)
    score_campaign(folder)
    adjudicate(folder, "eyes-default-r1", "cron", read_ruling("alerted:technique"), WORDS, ["a000001"], NOW + 1)
    score_campaign(folder)
    assert len(adjudications(folder)) == 2
    assert (verdict_of(folder, step="cron").outcome, verdict_of(folder, step="cron").adjudicated_from) == (
        Outcome.ALERTED, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "ruling", "words", "evidence", "complaint"),
    [
        ("nothing", "missed", WORDS, ["x"], "found no verdict"),
        ("wipe", "missed", WORDS, ["x"], "what holds already"),
        ("wipe", "alerted:general", WORDS, ["a note"], "found no alert"),
        ("wipe", "alerted:general", WORDS, ["a000999"], "ids that eyes-default-r1 has"),
        ("wipe", "invalid", WORDS | {"author": " "}, ["x"], "--author"),
        ("wipe", "invalid", WORDS | {"reason": ""}, ["x"], "--reason"),
        ("wipe", "invalid", WORDS, [], "--evidence"),
        ("wipe", "alerted", WORDS, ["x"], "--verdict"),
        ("wipe", "missed:general", WORDS, ["x"], "--verdict"),
        ("wipe", "good", WORDS, ["x"], "--verdict"),
    ],
)
def test_a_decision_that_says_too_little_is_refused(folder, step, ruling, words, evidence, complaint):
    with pytest.raises(EvaluationError, match=complaint):
        adjudicate(folder, "eyes-default-r1", step, read_ruling(ruling), words, evidence, NOW)
    assert read_journal(folder) == []


def test_a_control_is_not_adjudicated(folder):
    with pytest.raises(EvaluationError, match="control"):
        adjudicate(folder, "control-r1", "cron", read_ruling("invalid"), WORDS, ["x"], NOW)


def test_scoring_again_gives_the_same_bytes_with_decisions_too(folder):
    adjudicate(folder, "eyes-default-r1", "wipe", read_ruling("invalid"), WORDS, ["x"], NOW)
    names = ("summary.json", "verdicts.parquet", "attributions.parquet", "original/summary.json")
    score_campaign(folder)
    first = [(folder / name).read_bytes() for name in names]
    score_campaign(folder)
    assert [(folder / name).read_bytes() for name in names] == first


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [lines[0].replace("A. Evaluator", "B. Evaluator"), *lines[1:]], 1),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], "{}", *lines[1:]], 2),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [*lines[:2], lines[2].replace('"number":3', '"number":4')], 3),
    ],
)
def test_a_journal_that_was_changed_is_refused_by_its_line(folder, change, line):
    """Else a decision could be taken back, or put in, without anyone seeing it."""
    for ruling in ("invalid", "logged", "disrupted"):
        adjudicate(folder, "eyes-default-r1", "wipe", read_ruling(ruling), WORDS, ["t000001"], NOW)
    path = folder / "journal.jsonl"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    with pytest.raises(JournalError, match=rf"journal\.jsonl:{line}: found"):
        score_campaign(folder)


def test_a_line_that_was_cut_off_is_refused(folder):
    adjudicate(folder, "eyes-default-r1", "wipe", read_ruling("invalid"), WORDS, ["x"], NOW)
    path = folder / "journal.jsonl"
    path.write_text(path.read_text().rstrip("\n"))
    with pytest.raises(JournalError, match="without its end"):
        read_journal(folder)


def test_a_campaign_that_was_run_as_registered_stands_so_in_its_summary(folder):
    registration = register(folder)
    found = score_campaign(folder).people.registration
    assert (found.holds, found.commitment, found.early, found.departures) == (True, registration.commitment, (), ())


def test_a_campaign_that_was_never_registered_says_so(folder):
    found = read_summary(folder).people.registration
    assert (found.holds, found.registered_ns) == (False, None)


def test_trials_that_began_before_the_registration_are_named(folder):
    """Else what was seen first could be registered afterwards."""
    register(folder, registered_ns=BEGAN + SECOND)
    found = standing(folder)
    assert (found.holds, len(found.early)) == (False, 8)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"plan_digest": "0" * 64}, "plan_digest: registered as 0000"),
        ({"environment_digest": "0" * 64}, "environment_digest"),
        ({"seeds": {}}, "was not registered"),
        ({"scorer_version": "1"}, "scorer_version: registered as 1, now"),
        ({"attack_release": "enterprise 17.0"}, "attack_release"),
        ({"methodology": "0" * 64}, "methodology"),
    ],
)
def test_whatever_was_run_otherwise_than_registered_is_named(folder, changed, words):
    register(folder, **changed)
    found = standing(folder)
    assert not found.holds
    assert any(words in one for one in found.departures)


def test_another_product_than_the_registered_one_is_named():
    assert departures(make_registration(), {}, {"eyes-default": "b" * 64, "new-arm": "c" * 64}, {}) == [
        "arm eyes-default: registered as aaaaaaaaaaaaaaaa, now bbbbbbbbbbbbbbbb",
        "arm new-arm: registered as nothing, now cccccccccccccccc",
    ]


def test_a_registration_that_was_changed_is_refused(folder):
    register(folder)
    path = folder / "registration.json"
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"chain"', '"another"'))
    with pytest.raises(EvaluationError, match=r"registration\.json: commitment: found"):
        score_campaign(folder)
    path.write_text("{")
    with pytest.raises(EvaluationError, match=r"registration\.json"):
        read_registration(folder)
    path.write_text(json.dumps({"schema_version": 999}))
    with pytest.raises(EvaluationError, match="found 999"):
        read_registration(folder)


def test_a_registration_without_its_journal_or_taken_away_does_not_hold(folder):
    write_registration(folder, make_registration())
    assert not standing(folder).holds
    with pytest.raises(EvaluationError, match="one for each campaign"):
        write_registration(folder, make_registration())
    append(folder, EntryKind.REGISTERED, {"commitment": "x"}, NOW)
    (folder / "registration.json").unlink()
    assert standing(folder).departures == ("the journal names a registration, but there is none",)


def test_objections_and_answers_are_on_the_record_while_the_window_is_open(folder):
    with pytest.raises(EvaluationError, match="never opened"):
        dispute(folder, "eyes-default-r1", "wipe", "Vendor", "we saw it", ["a000005"], NOW)
    assert is_final(folder, NOW)
    found = open_window(folder, "eyes", 14, NOW)
    assert (found.until_ns, is_final(folder, NOW), is_final(folder, found.until_ns)) == (
        NOW + 14 * 86_400 * SECOND, False, True,
    )  # fmt: skip
    objection = dispute(folder, "eyes-default-r1", "wipe", "Vendor", "we saw it", ["a000005"], NOW + 1)
    answer(folder, objection.number, "A. Evaluator", "adjudicated", NOW + 2)
    with pytest.raises(EvaluationError, match=r"found no dispute 9; allowed: 2"):
        answer(folder, 9, "A", "b", NOW)
    with pytest.raises(EvaluationError, match="is over"):
        dispute(folder, "eyes-default-r1", "wipe", "Vendor", "too late", [], found.until_ns)
    assert not is_scored_since(folder)
    (listed,) = disputes(folder)
    assert (listed.reason, listed.answers) == ("we saw it", ("A. Evaluator: adjudicated",))
    assert score_campaign(folder).people == people_of(folder)
    assert is_scored_since(folder)
