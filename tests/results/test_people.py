"""What people decide is on the record: registration, adjudication, disputes (scoring.md §6)."""

import base64
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from results.adjudication import adjudicate, adjudications, applied, read_ruling
from results.decisions import note_decision
from results.disputes import answer, dispute, disputes, is_final, is_scored_since, open_window, people_of
from results.errors import EvaluationError
from results.journal import EntryKind, JournalError, append, read_journal
from results.people import Adjudication, Departure, Ruling, ScoredAnew, Standing
from results.records import SCORER_VERSION, Category, Outcome, Pace
from results.registration import (
    Registration,
    RegistrationSignature,
    committed,
    departures,
    methodology_digest,
    read_registration,
    standing,
    write_registration,
)
from results.scoring import score_campaign
from results.signatures import public_text
from results.store import read_campaign, read_summary, read_verdicts, write_campaign
from tests.campaign_builder import ARMS, BEGAN, SECOND, build_campaign, make_trial

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


PRODUCTS = dict.fromkeys(ARMS, "a" * 64)
SEEDS = {f"{arm}-r{n}": make_trial(f"{arm}-r{n}").seed for n in (1, 2) for arm in ("control", *ARMS)}


def make_registration(**changed):
    fields = {
        "campaign": "demo", "definition": "f" * 64, "plan": "chain", "plan_digest": "p" * 64, "held_out": False,
        "environment": "server", "environment_digest": "e" * 64, "products": PRODUCTS,
        "pace": {"budget_minutes": None, "retries": 2},
        "seeds": SEEDS, "attack_release": "enterprise 18.1",
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


def test_a_step_that_is_ruled_missed_keeps_no_volume_of_alerts(folder):
    """Else the repeats of an alert that does not count any more would still call it alerted on."""
    verdict = verdict_of(folder, step="cron").model_copy(update={"repeats": 3, "more_alerts": 2})
    assert verdict.alerts
    ruled = Adjudication(
        time_ns=NOW, trial_id=verdict.trial_id, step_id=verdict.step_id, author="A", reason="not about it",
        before=read_ruling("alerted:general"), after=read_ruling("missed"), evidence=("a000001",),
    )  # fmt: skip
    (after,) = applied([verdict], [ruled])
    assert (after.alerts, after.volume) == ((), 0)


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
    assert found == Standing(
        registered_ns=registration.registered_ns, commitment=registration.commitment, signed_by=None, in_journal=True,
        early=(), departures=(), restarts=0, holds=True,
    )  # fmt: skip


def test_a_campaign_that_was_never_registered_says_so(folder):
    found = read_summary(folder).people.registration
    assert (found.holds, found.registered_ns) == (False, None)


def test_trials_that_began_before_the_registration_are_named(folder):
    """Else what was seen first could be registered afterwards."""
    register(folder, registered_ns=BEGAN + SECOND)
    found = standing(folder)
    assert (found.holds, len(found.early)) == (False, 8)


@pytest.mark.parametrize(
    ("changed", "departure"),
    [
        ({"plan_digest": "0" * 64}, ("plan_digest", "control-r1", "0" * 16, "p" * 16)),
        ({"environment_digest": "0" * 64}, ("environment_digest", "gate-default-r2", "0" * 16, "e" * 16)),
        ({"seeds": {}}, ("unplanned", "eyes-tuned-r1", None, None)),
        ({"seeds": SEEDS | {"eyes-tuned-r1": 7}}, ("seed", "eyes-tuned-r1", "7", "43")),
        ({"attack_release": "enterprise 17.0"}, ("attack_release", None, "enterprise 17.0", "enterprise 18.1")),
        ({"products": {"eyes-tuned": "a" * 64}}, ("product", "eyes-default-r1", None, "a" * 16)),
        ({"products": PRODUCTS | {"eyes-default": "b" * 64}}, ("product", "eyes-default-r2", "b" * 16, "a" * 16)),
        ({"campaign": "another"}, ("campaign", None, "another", "demo")),
        ({"pace": {"budget_minutes": 5, "retries": 2}}, ("budget_minutes", None, "5", "no limit")),
        ({"pace": {"budget_minutes": None, "retries": 1}}, ("retries", None, "1", "2")),
    ],
)
def test_whatever_was_run_otherwise_than_registered_is_named(folder, changed, departure):
    register(folder, **changed)
    found = standing(folder)
    assert not found.holds
    field, subject, registered, now = departure
    assert Departure(field=field, subject=subject, registered=registered, found=now) in found.departures


def test_a_later_scorer_is_named_apart_and_is_no_departure_of_the_trials(folder):
    """Else trials that were run as registered would be called others, because a mended scorer scored them anew."""
    register(folder, scorer_version="1", methodology="0" * 64)
    found = standing(folder)
    assert (found.holds, found.departures) == (True, ())
    assert found.scored_anew == ScoredAnew(
        registered_version="1", version=SCORER_VERSION, registered_methodology="0" * 64,
        methodology=methodology_digest(), is_later=True,
    )  # fmt: skip


def test_a_scorer_of_the_same_or_a_lower_version_is_not_called_later(folder):
    register(folder, scorer_version="9999")
    assert not standing(folder).scored_anew.is_later


def test_trials_that_do_not_say_which_product_they_ran_are_counted_as_not_recorded(tmp_path, monkeypatch):
    """Else a registration would seem to be kept, where nothing was compared."""
    monkeypatch.setattr("tests.campaign_builder.ENTRY_DIGEST", None)
    folder = build_campaign(tmp_path)
    register(folder)
    found = standing(folder)
    assert (found.holds, found.is_unrefuted(), found.not_recorded) == (False, True, {"entry_digest": 6})


def test_a_registration_without_budget_and_retries_still_reads(folder):
    """An older pij did not register them: its commitment holds as it is, and that they are unknown is said."""
    old = make_registration(pace=None)
    data = old.model_dump(mode="json", exclude={"commitment", "signature", "pace"})
    text = json.dumps(data, sort_keys=True, ensure_ascii=False)
    assert old.commitment == hashlib.sha256(text.encode()).hexdigest()
    (folder / "registration.json").write_text(json.dumps(data | {"commitment": old.commitment, "signature": None}))
    append(folder, EntryKind.REGISTERED, {"commitment": old.commitment}, old.registered_ns)
    found = standing(folder)
    assert (found.departures, found.not_recorded, found.holds) == ((), {"pace": 0}, False)


def test_the_commitment_covers_budget_and_retries():
    """Else a budget could be raised after a look at the scores, which is optional stopping."""
    one, other = make_registration(), make_registration(pace={"budget_minutes": 5, "retries": 2})
    assert one.commitment != other.commitment


def taken_out(folder, *trials):
    """As a forger would: the trials' folders and their names in the campaign go."""
    for name in trials:
        for path in (place := folder / "trials" / name).iterdir():
            path.chmod(0o644)
        place.chmod(0o755)
        shutil.rmtree(place)
    campaign = read_campaign(folder)
    left = tuple(name for name in campaign.trials if name not in trials)
    write_campaign(folder, campaign.model_copy(update={"trials": left}))


def test_a_registered_arm_that_was_taken_out_is_missing(folder):
    """Else an arm whose results displease could be left out."""
    register(folder)
    taken_out(folder, "gate-default-r1", "gate-default-r2")
    found = standing(folder)
    assert (found.holds, found.missing) == (False, ("gate-default-r1", "gate-default-r2"))


BUDGET = {"decision": "not run", "trial": "gate-default-r2", "budget_minutes": 5, "reason": "the budget"}
SETTLED = [
    {"decision": "settled", "first": "eyes-default", "second": "gate-default", "repetition": 1, "reason": "x"},
    {"decision": "settled", "first": "eyes-tuned", "second": "gate-default", "repetition": 1, "reason": "x"},
]


@pytest.mark.parametrize(
    ("pace", "decisions", "missing"),
    [
        ({"budget_minutes": 5, "retries": 2}, [BUDGET], ()),
        ({"budget_minutes": None, "retries": 2}, [BUDGET], ("gate-default-r2",)),
        ({"budget_minutes": None, "retries": 2}, SETTLED, ()),
        ({"budget_minutes": None, "retries": 2}, SETTLED[:1], ("gate-default-r2",)),
        ({"budget_minutes": None, "retries": 2}, [one | {"repetition": 2} for one in SETTLED], ("gate-default-r2",)),
    ],
)
def test_a_trial_that_a_registered_rule_left_out_is_not_missing(folder, pace, decisions, missing):
    register(folder, pace=pace)
    taken_out(folder, "gate-default-r2")
    (folder / "schedule.jsonl").write_text("".join(json.dumps(one) + "\n" for one in decisions))
    assert standing(folder).missing == missing


def test_a_budget_that_was_raised_is_a_departure(folder):
    register(folder, pace={"budget_minutes": 5, "retries": 2})
    campaign = read_campaign(folder)
    write_campaign(folder, campaign.model_copy(update={"pace": Pace(budget_minutes=5, retries=2)}))
    assert standing(folder).holds
    note_decision(folder, {"decision": "pace changed", "before": "5", "after": "9", "reason": "resumed"})
    note_decision(folder, BUDGET | {"budget_minutes": 9})
    found = standing(folder)
    assert [one.said() for one in found.departures] == [
        "pace: registered as 5, now 9", "gate-default-r2: budget_minutes: registered as 5, now 9",
    ]  # fmt: skip


def test_a_schedule_that_is_none_is_refused_by_its_line(folder):
    register(folder)
    taken_out(folder, "gate-default-r2")
    (folder / "schedule.jsonl").write_text('{"decision": "x"}\nnothing\n')
    with pytest.raises(EvaluationError, match=r"schedule\.jsonl:2: found 'nothing'"):
        standing(folder)


def signed(key, registration):
    signature = key.sign(b"pij submission 1\npij registration 1\n" + registration.commitment.encode())
    public = public_text(key.public_key())
    text = base64.b64encode(signature).decode()
    return RegistrationSignature(algorithm="ed25519", public_key=public, signature=text)


def test_a_signature_is_verified_when_a_registration_is_read(folder):
    """Else anybody's name could be put under a registration."""
    registration = make_registration()
    signature = signed(Ed25519PrivateKey.generate(), registration)
    write_registration(folder, registration.model_copy(update={"signature": signature}))
    append(folder, EntryKind.REGISTERED, {"commitment": registration.commitment}, registration.registered_ns)
    found = standing(folder)
    assert (found.holds, found.signed_by, found.forged_key) == (True, signature.public_key, None)


@pytest.mark.parametrize(
    "forged", [{"public_key": "AAAAforged"}, {"signature": "AAAA"}, {"algorithm": "none"}, "other"]
)
def test_a_forged_signature_is_a_departure(folder, forged):
    registration = make_registration()
    signature = signed(Ed25519PrivateKey.generate(), registration)
    other = signed(Ed25519PrivateKey.generate(), registration)
    changed = {"public_key": other.public_key} if forged == "other" else forged
    signature = signature.model_copy(update=changed)
    write_registration(folder, registration.model_copy(update={"signature": signature}))
    append(folder, EntryKind.REGISTERED, {"commitment": registration.commitment}, registration.registered_ns)
    found = standing(folder)
    assert (found.holds, found.signed_by, found.forged_key) == (False, None, signature.public_key)
    assert found.departures == (Departure(field="signature", found=signature.public_key[:16]),)


def test_a_second_registration_in_the_journal_is_a_departure(folder):
    """Else one could be chosen among several, afterwards."""
    append(folder, EntryKind.REGISTERED, {"commitment": "f" * 64}, NOW)
    registration = register(folder)
    found = standing(folder)
    assert found.departures == (
        Departure(field="journal", registered="f" * 16, found=registration.commitment[:16]),
    )  # fmt: skip


def test_another_product_than_the_registered_one_is_named():
    found = departures(make_registration(), {}, PRODUCTS | {"eyes-default": "b" * 64, "new-arm": "c" * 64}, {})
    assert [one.said() for one in found] == [
        "eyes-default: product: registered as aaaaaaaaaaaaaaaa, now bbbbbbbbbbbbbbbb",
        "new-arm: product: registered as nothing, now cccccccccccccccc",
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
    assert [one.said() for one in standing(folder).departures] == ["registration: registered as x, now nothing"]


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
