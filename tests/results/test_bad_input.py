"""Bad input: each kind has a rule, a count in the summary, and a test (the table in results/quality.py)."""

import json
from contextlib import suppress

import pytest

from attacks.catalogue import load_catalogue
from results.attribution_rows import json_text
from results.counting import Said
from results.criteria import lend
from results.errors import EvaluationError, RecordVersionError, SealError
from results.grading import grade
from results.judging import judge_sealed
from results.ledger import make_ledger
from results.measures_page import QUALITY
from results.records import SCORER_VERSION, AttributionStatus, Category, Observation, Outcome, StepKind
from results.scoring import score_campaign
from results.store import (
    read_alerts,
    read_attributions,
    read_rows,
    read_summary,
    read_verdicts,
    write_rows,
    write_trial,
)
from results.techniques import Names, read_name
from results.verdicts import was_open
from results.volume import duplicate_share
from results.wording import words
from tests.campaign_builder import (
    BEGAN,
    LAST,
    SECOND,
    build_campaign,
    make_observation,
    make_step,
    make_trial,
    steps_of,
)
from tests.results import by_column

CATALOGUE = load_catalogue()
HOUR = 3600 * SECOND
NOBODY = (AttributionStatus.UNATTRIBUTED, None)


def scored(tmp_path, *alerts):
    """What scoring made of a trial with these alerts, and its verdicts by step."""
    partial = tmp_path / ".eyes-default-r1.partial"
    steps, trial = steps_of(), make_trial()
    write_trial(partial, trial, steps, alerts, [], [])
    control = {step.step_id: step for step in steps}
    found = judge_sealed(partial, trial, "", tuple(steps), control, CATALOGUE, lambda _table: None)
    return found, {verdict.step_id: verdict for verdict in found.verdicts}


def test_alerts_out_of_order_are_placed_by_their_own_time_and_counted(tmp_path):
    late, early = make_observation("a000001", 40.5, pid=1004), make_observation("a000002", 30.5, pid=1003)
    found, verdicts = scored(tmp_path, late, early)
    assert (verdicts["cron"].alerts, verdicts["shadow"].alerts) == (("a000002",), ("a000001",))
    assert found.quality.out_of_order == 1


def test_a_repeated_alert_counts_once_and_is_counted_as_repeated(tmp_path):
    """Else a product that sends each alert twice would have twice the evidence."""
    one = make_observation("a000001", 30.5, pid=1003, raw="the same")
    again = one.model_copy(update={"observation_id": "a000002", "received_ns": one.received_ns + 5})
    found, verdicts = scored(tmp_path, one, again)
    assert (verdicts["cron"].alerts, verdicts["cron"].repeats) == (("a000001",), 1)
    assert (found.quality.repeated, found.quality.observations) == (1, 2)
    ledger = make_ledger(found.verdicts, {"eyes-default-r1": 1}, {s: s for s in verdicts}, set())
    share = duplicate_share(ledger)
    assert (share.hits, share.n) == (1, 2)  # no evidence, and yet what somebody has to read


def test_of_many_alerts_on_a_step_the_first_twenty_are_named_and_the_others_counted(tmp_path):
    """Else a product that shouts would fill memory, or its volume would look like twenty."""
    many = [make_observation(f"a{n:06d}", 31.5 - n / 100, pid=1003) for n in range(1, 61)]
    found, verdicts = scored(tmp_path, *many)
    assert verdicts["cron"].alerts == tuple(f"a{n:06d}" for n in range(60, 40, -1))
    assert (verdicts["cron"].more_alerts, verdicts["cron"].volume) == (40, 60)
    ledger = make_ledger(found.verdicts, {"eyes-default-r1": 1}, {s: s for s in verdicts}, set())
    share = duplicate_share(ledger)
    assert (share.hits, share.n) == (59, 60)


def test_an_alert_in_the_future_is_placed_by_its_receipt_and_has_no_latency(tmp_path):
    """Else a clock that runs ahead would look like a late alert of another step."""
    one = make_observation("a000001", 30.5, pid=1003)
    found, verdicts = scored(tmp_path, one.model_copy(update={"time_ns": one.time_ns + 100 * SECOND}))
    assert (verdicts["cron"].outcome, verdicts["cron"].latency_s) == (Outcome.ALERTED, None)
    assert found.quality.future == 1


def test_an_alert_without_time_is_placed_by_its_receipt_and_counted(tmp_path):
    one = make_observation("a000001", 30.5, pid=1003, time_ns=None)
    zero = make_observation("a000002", 40.5, pid=1004, time_ns=0)
    found, verdicts = scored(tmp_path, one, zero)
    assert {step for step, verdict in verdicts.items() if verdict.alerts} == {"cron", "shadow"}
    assert found.quality.without_time == 2


@pytest.mark.parametrize("offset", [9 * HOUR, -5 * HOUR, int(5.5 * HOUR)])
def test_a_component_in_a_wrong_zone_is_put_right_and_named(tmp_path, offset):
    """Local time without its zone is the commonest fault of all; a product must neither lose nor gain by it."""
    right = [make_observation(f"a{n + 1:06d}", 10.0 * n + 0.5, pid=1000 + n) for n in range(4)]
    wrong = [one.model_copy(update={"time_ns": one.time_ns + offset}) for one in right]
    found, verdicts = scored(tmp_path, *wrong)
    assert verdicts["cron"].latency_s == -0.5
    assert (found.quality.wrong_zone, found.quality.zones_s) == (4, {"agent": -offset // SECOND})


def test_one_alert_in_a_wrong_zone_is_put_right_where_its_own_time_cannot_be(tmp_path):
    right = [make_observation(f"a{n + 1:06d}", 10.0 * n + 0.5, pid=1000 + n) for n in range(4)]
    right[3] = right[3].model_copy(update={"time_ns": right[3].time_ns - 9 * HOUR})
    found, verdicts = scored(tmp_path, *right)
    assert verdicts["cron"].latency_s == -0.5
    assert (found.quality.wrong_zone, found.quality.zones_s) == (1, {})


def test_an_alert_that_comes_hours_late_is_late_and_in_no_wrong_zone(tmp_path):
    one = make_observation("a000001", 30.5, pid=1003)
    prompt = [make_observation(f"a{n + 2:06d}", 50.5, pid=1005) for n in range(3)]
    late = one.model_copy(update={"received_ns": one.received_ns + HOUR})
    found, verdicts = scored(tmp_path, late, *prompt)
    assert (found.quality.wrong_zone, verdicts["cron"].delivery_s) == (0, 3600.1)


def test_an_alert_about_something_before_the_trial_belongs_to_no_step(tmp_path):
    """Else a product that reads an old log would be credited with it."""
    old = make_observation("a000001", -1234.5, file_path="/srv/cron", command_line="cron")
    found, verdicts = scored(tmp_path, old.model_copy(update={"received_ns": BEGAN + 31 * SECOND}))
    assert (found.quality.stale, found.statuses.get(NOBODY, 0), verdicts["cron"].alerts) == (1, 1, ())


def test_a_pid_of_several_steps_goes_to_the_process_that_lived_then_and_is_counted():
    first, second = make_step("cron", 0), make_step("look", 9)
    second = second.model_copy(update={"processes": (second.processes[0].model_copy(update={"pid": 1000}),)})
    (claim,), _evidence, _times = by_column.attribute(
        [first, second], make_trial(), [make_observation("a000001", 90.5, pid=1000)]
    )
    assert (claim.step_id, claim.irregular) == ("look", ("pid_reused",))


def test_an_alert_on_a_container_that_never_was_is_not_given_to_whoever_ran_then():
    """Else alerts of another trial on the same host would count."""
    strange = make_observation("a000001", 0.5, node="f" * 64, command_line="cron")
    process = make_observation("a000002", 0.5, node="f" * 12, pid=1000)
    claims, _evidence, _times = by_column.attribute([make_step("cron", 0)], make_trial(), [strange, process])
    assert [(claim.status, claim.irregular) for claim in claims] == [
        (AttributionStatus.UNATTRIBUTED, ("unknown_node",)),
        (AttributionStatus.ATTRIBUTED, ("unknown_node",)),
    ]


def test_what_other_trials_on_the_host_did_accuses_no_product_of_bad_input(tmp_path):
    """A sensor on the engine host sees their containers, too: they are real, and not this trial's."""
    strange = {"node": "f" * 64, "pid": 99, "techniques": ("T9999",), "outside": True}
    one = make_observation("a000001", 30.5, **strange)
    future = make_observation("a000002", 30.5, **strange)
    future = future.model_copy(update={"time_ns": future.time_ns + 100 * SECOND})
    inside = make_observation("a000003", 30.5, node="f" * 64, pid=1003)
    found, _verdicts = scored(tmp_path, one, future, inside)
    counts = found.quality.model_dump(exclude_defaults=True)
    assert {name: count for name, count in counts.items() if count} == {
        "observations": 3, "outside": 2, "unknown_node": 1,
    }  # fmt: skip


@pytest.mark.parametrize("language", ["ja", "en"])
def test_every_count_of_bad_input_has_a_column_with_words_of_its_own(language):
    """The rows of other trials on the host stand there, too: a reader sees that they were left out, and how many."""
    headings = [words(language)[f"quality.{name}"] for name in QUALITY]
    assert ("outside" in QUALITY, len(set(headings))) == (True, len(QUALITY))


@pytest.mark.parametrize("whose", ["outside", "canary"])
def test_pids_and_containers_of_what_is_not_the_products_are_not_looked_at(whose):
    first, second = make_step("cron", 0), make_step("look", 9)
    second = second.model_copy(update={"processes": (second.processes[0].model_copy(update={"pid": 1000}),)})
    one = make_observation("a000001", 90.5, pid=1000, node="f" * 64, **{whose: True})
    (claim,), _evidence, _times = by_column.attribute([first, second], make_trial(), [one])
    assert claim.irregular == (("outside",) if whose == "outside" else ())


@pytest.mark.parametrize(
    ("name", "meant", "faults"),
    [
        ("T1053.003", "T1053.003", ()),
        ("t1053.3", "T1053.003", ("misspelt",)),
        ("attack.t1053.003", "T1053.003", ("misspelt",)),
        ("T1053/003", "T1053.003", ("misspelt",)),
        ("T1168", "T1053", ("revoked",)),
        ("t1168", "T1053", ("misspelt", "revoked")),
        ("T9999", "T9999", ("unknown",)),
        ("Scheduled Task", "Scheduled Task", ("unknown",)),
        ("xT1053", "xT1053", ("unknown",)),
        ("", "", ("unknown",)),
    ],
)
def test_a_technique_is_read_as_it_was_meant_and_nothing_is_guessed(name, meant, faults):
    found = read_name(name, CATALOGUE)
    assert (found.technique, found.faults) == (meant, faults)


def test_a_misspelt_technique_counts_and_an_unknown_one_is_wrong(tmp_path):
    alerts = [
        make_observation("a000001", 30.5, pid=1003, techniques=("t1053.003", "T9999")),
        make_observation("a000002", 40.5, pid=1004, techniques=("T1168",)),
    ]
    found, verdicts = scored(tmp_path, *alerts)
    assert (verdicts["cron"].category, verdicts["cron"].wrong_techniques) == (Category.TECHNIQUE, ("T9999",))
    quality = found.quality
    assert (quality.misspelt_technique, quality.unknown_technique, quality.revoked_technique) == (1, 1, 1)


def test_an_alert_that_names_two_steps_counts_for_both_as_correlated(tmp_path):
    both = make_observation("a000001", 40.5, pid=1004, file_path="/srv/cron", command_line="shadow of cron")
    found, verdicts = scored(tmp_path, both)
    modifiers = {step: verdict.modifiers for step, verdict in verdicts.items() if verdict.alerts}
    assert modifiers == {"shadow": ("correlated",), "cron": ("delayed", "correlated")}
    assert found.statuses.get(NOBODY, 0) == 0


def test_an_alert_that_only_touches_what_another_step_made_does_not_count_for_it(tmp_path):
    """Else whoever runs as a user that an earlier step made would credit that step."""
    one = make_observation("a000001", 40.5, pid=1004, file_path="/srv/cron", command_line="shadow")
    _found, verdicts = scored(tmp_path, one)
    assert {step for step, verdict in verdicts.items() if verdict.alerts} == {"shadow"}


def test_silence_is_no_miss_unless_a_later_canary_came_through():
    """The pipe may have been cut after the last alert that came."""
    step = make_step("cron", 0)
    trial = make_trial()
    assert was_open(trial, step)
    ready, flush = trial.canaries
    for canary in (
        flush.model_copy(update={"received_ns": None}),
        flush.model_copy(update={"sent_ns": step.ended_ns, "received_ns": step.ended_ns + SECOND}),
        flush.model_copy(update={"phase": "ready"}),
        flush.model_copy(update={"sent_ns": step.ended_ns - 1, "received_ns": LAST}),
    ):
        assert not was_open(trial.model_copy(update={"canaries": (ready, canary)}), step)


def test_with_a_product_for_each_step_its_own_last_canary_decides():
    """Else a later step's product would answer for an earlier one that had gone deaf."""
    step, trial = make_step("cron", 0), make_trial()
    own = trial.canaries[1].model_copy(update={"sent_ns": step.ended_ns + 3 * SECOND, "received_ns": None})
    assert not was_open(trial.model_copy(update={"canaries": (own, trial.canaries[1])}), step)


def test_twins_and_placebos_are_lent_criteria_so_that_saying_the_right_words_gains_nothing():
    """An alert by time counts with the criteria's words only; without a loan it could never count on a twin."""
    cron = make_step("cron", 0)
    twin = make_step("twin-cron", 1, kind=StepKind.BENIGN, twin_of="cron", criteria=(), data_components=())
    idle = make_step("idle", 2, kind=StepKind.PLACEBO, technique=None, tactics=(), criteria=(), verified=None)
    lent = lend([cron, twin, idle], seed=7)
    assert [step.criteria for step in lent] == [cron.criteria] * 3
    words = [make_observation(f"a00000{n}", 10.0 * n + 0.5, command_line="always cron") for n in range(3)]
    _claims, evidence, _times = by_column.attribute(lent, make_trial(), words)
    assert {step: len(one.alerts) for step, one in evidence.items()} == {"cron": 1, "twin-cron": 1, "idle": 1}


def test_naming_every_technique_by_time_alone_is_general():
    said = Said(json_text(sorted(CATALOGUE.techniques)), "[]", by_time=True)
    assert grade(said, make_step("cron"), Names(CATALOGUE)).category is Category.GENERAL


def test_every_damaged_byte_of_a_table_is_an_error_that_names_the_file(tmp_path):
    """Never a traceback, and never a wrong record."""
    path = tmp_path / "alerts.parquet"
    alerts = [make_observation(f"a{n:06d}", n, pid=n, techniques=("T1053",), file_path="/a/b") for n in range(3)]
    write_rows(path, Observation, alerts)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        found = alerts  # some bytes Parquet does not use
        with suppress(EvaluationError):
            found = read_rows(path, Observation)
        assert found == alerts
    for length in range(0, len(whole), 11):
        path.write_bytes(whole[:length])
        with pytest.raises(EvaluationError, match=r"alerts\.parquet"):
            read_rows(path, Observation)


def flip(path, place):
    """Some bits of one byte."""
    path.chmod(0o644)
    whole = bytearray(path.read_bytes())
    whole[place] ^= 0x5A
    path.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "read", "place"),
    [
        ("verdicts.parquet", read_verdicts, 500),
        ("attributions.parquet", read_attributions, 500),
        ("summary.json", read_summary, 0),
    ],
)
def test_damaged_scores_are_mended_by_scoring_again(tmp_path, name, read, place):
    """They are made from the sealed trials: nothing need be restored, and no trial run again."""
    folder = build_campaign(tmp_path)
    score_campaign(folder)
    whole = read(folder)
    flip(folder / name, place)
    (folder / "original").mkdir()
    (folder / "original" / name).write_bytes((folder / name).read_bytes())
    for where in (folder, folder / "original"):
        with pytest.raises(EvaluationError) as refused:
            read(where)
        assert str(refused.value).startswith(f"{where}/{name}: found ")
        assert f". Run `pij score {folder}`: it is made from the sealed trials" in str(refused.value)
    score_campaign(folder)
    assert read(folder) == whole


def test_a_damaged_table_of_a_sealed_trial_says_that_the_seal_is_broken(tmp_path):
    folder = build_campaign(tmp_path)
    flip(folder / "trials" / "eyes-default-r1" / "alerts.parquet", 500)
    with pytest.raises(EvaluationError, match=r"alerts\.parquet: found a damaged file .*The trial's seal is broken: "):
        read_alerts(folder / "trials" / "eyes-default-r1")
    with pytest.raises(SealError, match=r"eyes-default-r1: is not what was sealed: alerts\.parquet: sealed as "):
        score_campaign(folder)


def test_damaged_json_is_an_error_that_names_the_file(tmp_path):
    folder = build_campaign(tmp_path)
    for text in ("", "{", "[]", '{"schema_version": 2}', '{"schema_version": "2"}', "null", "\udc80"):
        (folder / "summary.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(EvaluationError, match=r"summary\.json"):
            read_summary(folder)


def test_a_summary_of_another_scorer_is_refused_by_name(tmp_path):
    folder = build_campaign(tmp_path)
    score_campaign(folder)
    data = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(data | {"scorer_version": "1"}))
    with pytest.raises(EvaluationError, match=f"scorer_version: found '1'; allowed: '{SCORER_VERSION}'.*pij score"):
        read_summary(folder)


def test_a_table_from_the_future_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr("results.store.SCHEMA_VERSION", 999)
    write_rows(tmp_path / "alerts.parquet", Observation, [])
    monkeypatch.undo()
    with pytest.raises(RecordVersionError, match=r"alerts\.parquet: schema_version: found 999; allowed: 1, 2"):
        read_alerts(tmp_path)


def test_a_damaged_seal_is_refused_by_name(tmp_path):
    folder = build_campaign(tmp_path)
    seal = folder / "trials" / "eyes-default-r1" / "seal.json"
    for text in ("", "[]", '{"files": 3, "root": "x"}', "\udc80"):
        seal.chmod(0o644)
        seal.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(SealError, match=r"eyes-default-r1/seal\.json"):
            score_campaign(folder)
