"""Verdicts and validity (scoring.md §1 and §3)."""

import pytest

from attacks.catalogue import load_catalogue
from results.counting import StepEvidence
from results.grading import MOST_TACTICS, MOST_TACTICS_TOGETHER, MOST_TOGETHER, TACTICS_TOGETHER, TOGETHER
from results.records import Action, Canary, Category, Kind, Outcome, StepKind, TrialStatus
from results.techniques import Names
from results.verdicts import judge
from results.wording_reasons import reason_words
from tests.campaign_builder import BEGAN, SECOND, make_observation, make_step, make_trial
from tests.results import by_column

NAMES = Names(load_catalogue())
SEEN = object()


def judged(step, *observations, trial=None, control=SEEN, alert=True):
    trial = trial or make_trial()
    _claims, evidence, _times = by_column.attribute([step], trial, observations, alert)
    seen = make_step(step.step_id, step.position) if control is SEEN else control
    return judge(trial, step, evidence.get(step.step_id, StepEvidence()), seen, NAMES)


def test_a_step_whose_effect_was_seen_and_that_nobody_reported_is_missed():
    assert judged(make_step("cron")).outcome is Outcome.MISSED


def test_a_step_without_seen_effect_in_the_control_is_never_a_miss():
    """Else a command that silently failed would be blamed on the product."""
    verdict = judged(make_step("cron"), control=make_step("cron", verified=False))
    assert verdict.outcome is Outcome.INVALID
    assert verdict.reason.startswith("in the control")


def test_a_step_whose_effect_nobody_can_tell_is_invalid():
    assert judged(make_step("cron", verified=None)).outcome is Outcome.INVALID


def test_a_step_that_was_not_run_is_invalid_and_never_prevented():
    step = make_step("cron", verified=None, not_run="it needs step guess, whose effect was not there")
    verdict = judged(step, make_observation("a1", 0.5, pid=1000, action=Action.BLOCKED))
    assert verdict.outcome is Outcome.INVALID


@pytest.mark.parametrize(
    "status", [s for s in TrialStatus if s not in (TrialStatus.COMPLETED, TrialStatus.FLUSH_TIMED_OUT)]
)
def test_no_step_of_a_trial_that_failed_is_a_miss(status):
    verdict = judged(make_step("cron"), trial=make_trial(status=status, reason="it died"))
    assert (verdict.outcome, "it died" in verdict.reason) == (Outcome.INVALID, True)


def test_without_the_last_canary_neither_an_alert_nor_silence_counts():
    """Else a product that loses its last canary where it sees little would keep its hits and be rid of its misses."""
    trial = make_trial(status=TrialStatus.FLUSH_TIMED_OUT, reason="no canary")
    assert judged(make_step("cron"), trial=trial).outcome is Outcome.INVALID
    assert judged(make_step("cron"), make_observation("a1", 0.5, pid=1000), trial=trial).outcome is Outcome.INVALID


def test_an_alert_counts_only_where_a_canary_shows_the_pipe_open_like_a_miss():
    early = Canary(phase="flush", nonce="b", sent_ns=BEGAN, received_ns=BEGAN + SECOND // 10, attempts=1)
    trial = make_trial(canaries=(early,))
    found = [
        judged(make_step("cron"), *alerts, trial=trial) for alerts in ((), (make_observation("a1", 0.5, pid=1000),))
    ]
    assert [one.outcome for one in found] == [Outcome.INVALID] * 2
    assert "pipe" in found[1].reason


def test_ordinary_work_that_a_product_breaks_without_a_word_was_not_left_alone():
    step = make_step("twin", kind=StepKind.BENIGN, verified=False)
    seen = make_step("twin", kind=StepKind.BENIGN)
    assert judged(step, control=seen).outcome is Outcome.DISRUPTED
    assert judged(step, make_observation("a1", 0.5, pid=1000), control=seen).outcome is Outcome.ALERTED
    assert judged(seen, control=seen).outcome is Outcome.MISSED


def test_an_alert_that_names_every_technique_says_nothing_about_which():
    names = tuple(f"T{number}" for number in (1053, 1059, 1003, 1105, 1070, 1082))
    few = judged(make_step("cron"), make_observation("a1", 0.5, pid=1000, techniques=names[:5]))
    many = judged(make_step("cron"), make_observation("a1", 0.5, pid=1000, techniques=names))
    assert (few.category, many.category) == (Category.TECHNIQUE, Category.GENERAL)


def naming(*each, step="cron"):
    """The verdict on a step with one alert for each list of names."""
    alerts = [
        make_observation(f"a{number}", 0.1 + number / 100, pid=1000, techniques=names)
        for number, names in enumerate(each)
    ]
    return judged(make_step(step), *alerts)


def test_another_technique_on_every_alert_says_no_more_than_all_on_one():
    """Else naming a few at a time over many alerts would be right on every step."""
    each = [(name,) for name in sorted(NAMES.catalogue.techniques) if "." not in name]
    verdict = naming(*each)
    assert ("T1053",) in each
    assert (verdict.category, verdict.modifiers) == (Category.GENERAL, ())
    assert verdict.reason == f"an alert was attributed to it{TOGETHER}"
    assert len(verdict.wrong_techniques) > 200
    by_fives = [tuple(name for (name,) in each[place : place + 5]) for place in range(0, 60, 5)]
    assert any("T1053" in names for names in by_fives)
    assert naming(*by_fives).category is Category.GENERAL


def test_several_alerts_may_each_name_what_they_saw():
    """A step of several acts is told better by ten names than by one; sub-techniques stand with their parent."""
    others = ("T1059.004", "T1059.006", "T1003", "T1105", "T1070", "T1082", "T1033", "T1087", "T1222", "T1574")
    verdict = naming(("T1053.003", "T1053"), *((name,) for name in others))
    assert (verdict.category, verdict.reason) == (Category.TECHNIQUE, "an alert was attributed to it")
    assert naming(("T1053.003",), *((name,) for name in (*others, "T1567"))).category is Category.GENERAL


def test_what_was_general_already_is_said_to_have_lost_nothing():
    each = [(name,) for name in ("T1059", "T1003", "T1105", "T1070", "T1082", "T1033", "T1087", "T1222", "T1574")]
    verdict = naming(*each, ("T1567",), ("T1490",))
    assert (verdict.category, verdict.reason) == (Category.GENERAL, "an alert was attributed to it")


TACTICS = sorted(NAMES.catalogue.tactics)


def test_naming_every_tactic_says_nothing_about_which():
    """Once, all fourteen on every alert were right on every step."""
    own, *others = ["TA0003", *(one for one in TACTICS if one != "TA0003")]
    few, many = (
        judged(make_step("cron"), make_observation("a1", 0.5, pid=1000, tactics=(own, *others[:count])))
        for count in (3, 4)
    )
    assert (few.category, many.category) == (Category.TACTIC, Category.GENERAL)

    def together(count, **more):
        alerts = [
            make_observation(f"a{number}", 0.1 + number / 100, pid=1000, tactics=(name,), **more)
            for number, name in enumerate((own, *others[: count - 1]))
        ]
        return judged(make_step("cron"), *alerts)

    assert (together(7).category, together(7).reason) == (Category.TACTIC, "an alert was attributed to it")
    assert together(8).category is Category.GENERAL
    assert together(8).reason == f"an alert was attributed to it{TACTICS_TOGETHER}"
    assert together(14, techniques=("T1053.003",)).category is Category.TECHNIQUE  # that it names well


def test_no_technique_of_the_catalogue_belongs_to_more_tactics_than_an_alert_may_name():
    assert max(len(one.tactics) for one in NAMES.catalogue.techniques.values()) == MOST_TACTICS


def test_the_limit_of_names_is_said_in_japanese():
    assert str(MOST_TACTICS_TOGETHER) in TACTICS_TOGETHER
    assert "戦術" in reason_words(TACTICS_TOGETHER, "ja")
    assert str(MOST_TOGETHER) in TOGETHER
    assert reason_words(f"an alert was attributed to it{TOGETHER}", "ja") == (
        "帰属した警告がある。警告が合わせて10を超えるテクニックを挙げているので、どれとも特定していない"
    )


def test_what_comes_later_than_any_delivery_is_delayed_whatever_its_time_says():
    """Else a product would be quick that dates its alerts back."""
    dated_back = judged(make_step("cron"), make_observation("a1", 0.5, pid=1000, received_ns=BEGAN + 40 * SECOND))
    assert dated_back.latency_s < 0
    assert "delayed" in dated_back.modifiers


def test_an_absent_effect_with_the_products_word_is_prevented():
    step = make_step("cron", verified=False)
    verdict = judged(step, make_observation("a1", 0.5, pid=1000, action=Action.BLOCKED))
    assert verdict.outcome is Outcome.PREVENTED


def test_an_absent_effect_without_the_products_word_is_disrupted():
    """Else a product that breaks the machine would be credited with prevention."""
    step = make_step("cron", verified=False)
    assert judged(step, make_observation("a1", 0.5, pid=1000)).outcome is Outcome.DISRUPTED


def test_an_absent_effect_without_a_control_is_invalid():
    step = make_step("cron", verified=False)
    verdict = judged(step, make_observation("a1", 0.5, pid=1000, action=Action.BLOCKED), control=None)
    assert verdict.outcome is Outcome.INVALID


@pytest.mark.parametrize(
    ("named", "tactics", "category", "modifiers"),
    [
        (("T1053.003",), (), Category.TECHNIQUE, ()),
        (("T1053",), (), Category.TECHNIQUE, ("parent",)),
        (("T1168",), (), Category.TECHNIQUE, ("parent",)),  # revoked by T1053
        (("T1490",), (), Category.GENERAL, ()),
        ((), ("persistence",), Category.TACTIC, ()),
        ((), ("impact",), Category.GENERAL, ()),
        ((), (), Category.GENERAL, ()),
    ],
)
def test_the_category_is_what_the_alert_named_in_ids_of_the_pinned_release(named, tactics, category, modifiers):
    verdict = judged(make_step("cron"), make_observation("a1", 0.5, pid=1000, techniques=named, tactics=tactics))
    assert (verdict.outcome, verdict.category, verdict.modifiers) == (Outcome.ALERTED, category, modifiers)


def test_a_wrong_technique_is_counted_as_wrong():
    verdict = judged(make_step("cron"), make_observation("a1", 0.5, pid=1000, techniques=("T1490",)))
    assert verdict.wrong_techniques == ("T1490",)


def test_an_alert_by_time_alone_is_general_whatever_it_names():
    """Else a product that names every technique all the time would score."""
    observation = make_observation("a1", 0.5, command_line="cron", techniques=("T1053.003",))
    verdict = judged(make_step("cron"), observation)
    assert (verdict.category, verdict.evidence_kind) == (Category.GENERAL, Kind.TIME)


def test_an_alert_by_time_alone_without_the_criteria_does_not_count():
    assert judged(make_step("cron"), make_observation("a1", 0.5)).outcome is Outcome.MISSED


def test_telemetry_counts_only_with_the_minimum_evidence():
    full = make_observation("t1", 0.5, pid=1000, command_line="bash cron")
    assert judged(make_step("cron"), full, alert=False).outcome is Outcome.LOGGED
    assert judged(make_step("cron"), make_observation("t1", 0.5, pid=1000), alert=False).outcome is Outcome.MISSED


def test_a_step_beyond_the_declared_class_never_counts_for_it_whatever_was_seen():
    """Else a narrow declaration would buy sensitivity: hits beyond it would count, misses would not."""
    trial = make_trial(sees=("User Account Authentication",))
    silent = judged(make_step("cron"), trial=trial)
    alerted = judged(make_step("cron"), make_observation("a1", 0.5, pid=1000, techniques=("T1053.003",)), trial=trial)
    telemetry = make_observation("t1", 0.5, pid=1000, command_line="bash cron")
    logged = judged(make_step("cron"), telemetry, trial=trial, alert=False)
    assert [(one.outcome, one.applicable) for one in (silent, alerted, logged)] == [
        (Outcome.NOT_APPLICABLE, False), (Outcome.ALERTED, False), (Outcome.LOGGED, False),
    ]  # fmt: skip
    assert alerted.category is Category.TECHNIQUE
    assert alerted.reason == (
        "an alert was attributed to it; beyond its declared class and so in no denominator of it: the product's class "
        "sees none of File Creation, Process Creation"
    )


def test_a_step_within_the_declared_class_counts_for_it_whatever_was_seen():
    """One component in common is enough; a product or a step that declares nothing leaves nothing out."""
    within = [
        (make_step("cron"), make_trial(sees=("File Creation",))),
        (make_step("cron"), make_trial(sees=())),
        (make_step("cron", data_components=()), make_trial(sees=("File Creation",))),
        (make_step("cron", verified=False), make_trial()),
        (make_step("twin", kind=StepKind.BENIGN), make_trial(sees=("User Account Authentication",))),
    ]
    for step, trial in within:
        assert judged(step, trial=trial).applicable
        assert judged(step, make_observation("a1", 0.5, pid=1000), trial=trial).applicable


def test_an_alert_without_a_time_has_no_latency_but_its_receipt():
    untimed = make_observation("a1", 0.5, file_path="/srv/cron", time_ns=None, received_ns=BEGAN + 8 * SECOND)
    found = judged(make_step("cron"), untimed)
    assert (found.outcome, found.latency_s, found.delivery_s, found.received_s) == (Outcome.ALERTED, None, None, 7.0)
    both = judged(make_step("cron"), untimed, make_observation("a2", 3.0, pid=1000))
    assert (both.latency_s, both.delivery_s, both.received_s) == (2.0, 0.1, 2.1)


def test_an_alert_after_the_declared_latency_is_delayed():
    late = make_observation("a1", 60.0, file_path="/srv/cron")
    verdict = judged(make_step("cron"), late)
    assert (verdict.modifiers, verdict.latency_s, verdict.delivery_s) == (("delayed",), 59.0, 0.1)


def test_a_tuned_arm_carries_its_modifier():
    verdict = judged(make_step("cron"), make_observation("a1", 0.5, pid=1000), trial=make_trial("eyes-tuned-r1"))
    assert verdict.modifiers == ("configuration",)


def test_a_twin_is_alerted_or_left_alone():
    twin = make_step("twin", kind=StepKind.BENIGN, criteria=(), data_components=())
    assert judged(twin).outcome is Outcome.MISSED
    assert judged(twin, make_observation("a1", 0.5, pid=1000, techniques=("T1053.003",))).outcome is Outcome.ALERTED
