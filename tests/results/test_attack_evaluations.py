"""Published ATT&CK Evaluations through our own judging and counting."""

import json
import os
from pathlib import Path

import pytest

from benchmarks.attack_evaluations import read_all
from results.attack_evaluations import is_layer, read_participants
from results.attack_evaluations_counts import Check, compare
from results.attack_evaluations_verdicts import judge_round, outcomes_of
from results.errors import ContentError
from results.records import Category, Outcome

ROOT = Path(__file__).parents[2]
PUBLISHED = Path(os.environ.get("PIJ_TEST_DATA") or ROOT.parent / "shared" / "data") / "attack-evaluations"
FACTS = Path(__file__).parent / "published_facts" / "attackevals_microsoft_triton.txt"
MICROSOFT = {
    "Total_Substeps": 100, "Total_Detections": 129, "Analytic_Detections": 33, "Telemetry_Detections": 96,
    "Analytic_Coverage": "33/100", "Telemetry_Coverage": "96/100", "Visibility": "96/100",
}  # fmt: skip


def substep(name, *types, tactic="TA0002", technique="T1059", sub="", modifiers=()):
    return {
        "Substep": name,
        "Criteria": "left aside",
        "Tactic": {"Tactic_Id": tactic, "Tactic_Name": "Execution"},
        "Technique": {"Technique_Id": technique, "Technique_Name": ""},
        "Subtechnique": {"Subtechnique_Id": sub, "Subtechnique_Name": ""},
        "Detections": [{"Detection_Type": one, "Modifiers": list(modifiers)} for one in types],
    }


def results(*substeps, counts=None, without=None, name="apt29"):
    total = dict(counts or {})
    aggregates = {"Adversary_Name": name, "Total_Substeps": total.pop("Total_Substeps", None), "Aggregates": total}
    if without:
        aggregates["Aggregates_Without_MSSP"] = without
    return {
        "Participant_Name": "someone",
        "Aggregate_Data": {"Evaluation_Aggregate_Data": {"Adversaries": [aggregates]}},
        "Adversaries": [
            {
                "Adversary_Name": name,
                "Detections_By_Step": {"Scenario_1": {"Steps": [{"Step_Num": 1, "Substeps": list(substeps)}]}},
            }
        ],
    }


def participant(data):
    return read_participants(Path("someone_Results.json"), data)[0]


def verdicts(*substeps, managed=True):
    one = participant(results(*substeps))
    return judge_round(one, one.adversaries[0], managed).verdicts


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published results are not at hand (PIJ_TEST_DATA)")
def test_every_number_that_mitre_published_comes_out_the_same():
    """Else our words, or our counting, are not those of the people we took them from."""
    participants, layers = read_all(sorted(PUBLISHED.glob("*.json")))
    checks = [check for one in participants for check in compare(one)]
    assert [check for check in checks if check.why] == []
    if PUBLISHED.parent == ROOT.parent / "shared" / "data":
        assert (len(participants), len(checks), len(layers)) == (22, 352, 4)


def test_a_file_that_is_not_in_that_folder_comes_out_the_same_too():
    """Rules fitted to the files at hand would fail on another."""
    lines = [line.split() for line in FACTS.read_text().splitlines() if not line.startswith("#")]
    substeps = [
        substep(name, *types.split(","), tactic=tactic, technique=technique) for name, tactic, technique, types in lines
    ]
    one = participant(results(*substeps, counts=MICROSOFT, name="triton"))
    assert compare(one) == tuple(
        Check(participant="someone", adversary="triton", field=field, theirs=value, ours=value, why="")
        for field, value in MICROSOFT.items()
    )
    assert outcomes_of(judge_round(one, one.adversaries[0]).verdicts) == {
        Outcome.ALERTED: 33, Outcome.LOGGED: 63, Outcome.MISSED: 4, Outcome.NOT_APPLICABLE: 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "outcome", "category"),
    [
        ("N/A", Outcome.NOT_APPLICABLE, None),
        ("None", Outcome.MISSED, None),
        ("Telemetry", Outcome.LOGGED, None),
        ("General", Outcome.ALERTED, Category.GENERAL),
        ("Tactic", Outcome.ALERTED, Category.TACTIC),
        ("Technique", Outcome.ALERTED, Category.TECHNIQUE),
        ("MSSP", Outcome.ALERTED, Category.GENERAL),
        ("Indicator of Compromise", Outcome.ALERTED, Category.GENERAL),
        ("Enrichment", Outcome.ALERTED, Category.GENERAL),
        ("General Behavior", Outcome.ALERTED, Category.GENERAL),
        ("Specific Behavior", Outcome.ALERTED, Category.TECHNIQUE),
    ],
)
def test_each_type_of_detection_has_its_verdict(kind, outcome, category):
    found = verdicts(substep("1.A.1", kind))[0]
    assert (found.outcome, found.category) == (outcome, category)


def test_the_highest_category_reached_counts_and_telemetry_beside_it_is_kept():
    found = verdicts(substep("1.A.1", "Telemetry", "General", "Technique", sub="T1059.003"))[0]
    assert (found.category, found.technique) == (Category.TECHNIQUE, "T1059.003")
    assert (len(found.alerts), len(found.telemetry)) == (2, 1)


def test_none_beside_a_detection_says_nothing():
    """MITRE has two such sub-steps, and counts the detection."""
    assert verdicts(substep("16.C.2", "None", "MSSP"))[0].outcome is Outcome.ALERTED
    assert verdicts(substep("16.C.2", "None", "MSSP"), managed=False)[0].outcome is Outcome.MISSED


def test_a_modifier_counts_if_every_alert_of_the_category_carries_it():
    """One alert in time is in time, whatever came later."""
    late = substep("1.A.1", "Technique", modifiers=["Delayed (Manual)", "Alert", "Correlated"])
    assert verdicts(late)[0].modifiers == ("correlated", "delayed")
    both = late | {"Detections": [*late["Detections"], {"Detection_Type": "Technique", "Modifiers": []}]}
    assert verdicts(both)[0].modifiers == ()


def test_a_number_that_does_not_come_out_is_named_with_what_the_detections_say():
    one = participant(results(substep("1.A.1", "Telemetry"), substep("1.A.2", "N/A"), counts={"Visibility": "2/2"}))
    assert compare(one) == (
        Check(
            participant="someone", adversary="apt29", field="Visibility", theirs="2/2", ours="1/1",
            why="the detections in the same file give 2 sub-steps: 1 logged, 1 not_applicable",
        ),
    )  # fmt: skip


def test_a_field_without_a_rule_is_named_and_a_null_is_no_number():
    one = participant(results(substep("1.A.1", "None"), counts={"Total_Alerts": None, "Total_Steps": 1}))
    assert [(check.field, check.ours, check.why) for check in compare(one)] == [
        ("Total_Steps", None, "no rule for the field Total_Steps")
    ]


def test_counts_without_what_people_told_are_made_apart():
    step = substep("1.A.1", "MSSP")
    one = participant(results(step, counts={"Visibility": "1/1"}, without={"Visibility": "0/1"}))
    assert [(check.field, check.ours) for check in compare(one)] == [
        ("Visibility", "1/1"), ("Visibility (without MSSP)", "0/1"),
    ]  # fmt: skip


def test_an_export_of_the_website_is_read_too():
    """Since 2022 a file is a list, and the counts stand in the round."""
    data = results(substep("1.A.1", "Technique"), name="wizard-spider-sandworm")
    del data["Aggregate_Data"]
    data["Adversaries"][0]["Aggregate_Data"] = {"Aggregates": {"Total_Substeps": 1, "Analytic_Coverage": "1/1"}}
    one = read_participants(Path("export.json"), [data])[0]
    assert [(check.field, check.ours, check.why) for check in compare(one)] == [
        ("Total_Substeps", 1, ""), ("Analytic_Coverage", "1/1", ""),
    ]  # fmt: skip


def test_an_unknown_type_of_detection_is_refused_with_file_and_field(tmp_path):
    file = tmp_path / "other_Results.json"
    file.write_text(json.dumps(results(substep("1.A.1", "Guess"))))
    with pytest.raises(ContentError) as caught:
        read_participants(file)
    (problem,) = caught.value.problems
    assert (problem.path, problem.found) == (str(file), "'Guess'")
    assert problem.field == (
        "Adversaries.0.Detections_By_Step.Scenario_1.Steps.0.Substeps.0.Detections.0.Detection_Type"
    )
    assert "'MSSP'" in problem.allowed
    assert problem.mend == "A new round's new word needs its meaning: add it to `Detection`."


def test_a_sub_step_of_which_the_file_says_nothing_is_invalid_and_no_miss():
    """Silence is written `None`; an empty list is a hole in the file."""
    assert verdicts(substep("1.A.1"))[0].outcome is Outcome.INVALID
    one = participant(results(substep("1.A.1"), substep("1.A.2", "None"), counts={"Total_Substeps": 2}))
    assert [(check.ours, check.why) for check in compare(one)] == [
        (1, "the detections in the same file give 2 sub-steps: 1 missed, 1 invalid")
    ]


def test_nulls_in_place_of_names_and_lists_are_read():
    """The exports have null where older files have an empty text."""
    step = substep("1.A.1", "Technique") | {"Subtechnique": None, "Procedure": None}
    step["Technique"]["Technique_Name"] = step["Tactic"]["Tactic_Name"] = None
    step["Detections"][0]["Modifiers"] = None
    found = verdicts(step)[0]
    assert (found.category, found.technique, found.modifiers) == (Category.TECHNIQUE, "T1059", ())


def test_an_id_that_is_none_is_refused_with_its_field():
    with pytest.raises(ContentError) as caught:
        verdicts(substep("1.A.1", "None", technique="1059"))
    assert [(one.field.rsplit(".", 3)[1:], one.found) for one in caught.value.problems] == [
        (["0", "Technique", "Technique_Id"], "'1059'")
    ]


@pytest.mark.parametrize(("text", "field"), [("{", ""), ('{"Participant_Name": "x"}', "Adversaries")])
def test_a_file_that_holds_no_results_is_refused(tmp_path, text, field):
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(ContentError) as caught:
        read_participants(file)
    assert [(one.path, one.field) for one in caught.value.problems] == [(str(file), field)]


def test_a_navigator_layer_is_known_as_one():
    assert is_layer({"techniques": [], "domain": "enterprise-attack"})
    assert not is_layer(results(substep("1.A.1", "None")))
