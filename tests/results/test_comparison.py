"""Comparing products: paired, honest about ranks, and refused where it would mislead."""

import json

import numpy as np
import pytest
from scipy.stats import nct, t

from benchmarks.known_truth_tests import PowerCase, copula_for, power_of
from pipelines.statistics_command import _interval
from results.comparison import contrast_rates
from results.costs import cores_used
from results.errors import EvaluationError
from results.grid import make_grids
from results.measures import Cost, Estimate
from results.measures_page import said
from results.power import LEVEL, Question, detectable_difference, power, repetitions_needed, techniques_needed, variance
from results.ranks import DEFAULT_WEIGHTS, place_limits, rank, read_weights, vectors
from results.reading import Book, ledgers_of, read_book, require_same
from results.recognition import gaps
from results.scoring import score_campaign
from results.sequential import Decision, Look, Rule, decide, decide_all, portion
from tests.campaign_builder import build_campaign


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = build_campaign(tmp_path_factory.mktemp("runs"))
    score_campaign(folder)
    return folder


@pytest.fixture(scope="module")
def book(folder):
    return read_book(folder)


def of(summary, metric, first, second):
    return next(
        one for one in summary.comparison.contrasts if (one.metric, one.first, one.second) == (metric, first, second)
    )


def test_arms_that_did_the_same_show_no_difference_and_say_what_they_could_have_shown(book):
    found = of(book.summary, "detected", "eyes-default", "eyes-tuned")
    assert (found.first_only, found.second_only, found.n, found.techniques) == (0, 0, 12, 6)
    assert (found.conclusion, found.tests[0].p_value, found.beats) == ("no_difference_shown", 1.0, 0.5)
    assert found.difference.low < 0 < found.difference.high
    assert 0 < found.detectable <= 1


def test_pairs_are_compared_on_what_is_valid_for_both(book):
    """One trial of the gate was never ready: one repetition is left."""
    found = of(book.summary, "detected", "eyes-default", "gate-default")
    assert (found.n, found.first_only, found.second_only) == (6, 3, 1)
    assert {test.name for test in found.tests} == {"swap", "mcnemar"}
    assert {test.name for test in book.summary.comparison.overall["detected"]} == {"swap_all", "cochran_q"}


def test_a_campaign_read_back_gives_the_comparison_that_scoring_wrote(book):
    from results.comparison import compare
    from results.reading import cores_of

    again = compare(ledgers_of([book]), book.watched, cores_of([book]))
    assert again == book.summary.comparison


def test_published_data_without_trials_can_still_be_compared(folder, tmp_path):
    for name in ("summary.json", "verdicts.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    published = read_book(tmp_path)
    assert set(ledgers_of([published])) == {"eyes-default", "eyes-tuned", "gate-default"}


def test_campaigns_that_differ_are_refused_by_name(book):
    other = Book(
        "other", book.summary.model_copy(update={"scorer_version": "0", "attack_release": "enterprise 17.0"}),
        book.verdicts, {}, {},
    )  # fmt: skip
    with pytest.raises(
        EvaluationError, match=r"attack_release: found enterprise 17\.0 in other; .*scorer_version: found 0 in other"
    ):
        require_same([book, other])
    with pytest.raises(EvaluationError, match="plan_digest: found"):
        require_same([book, other])
    with pytest.raises(EvaluationError, match="scorer_version"):
        gaps(book, other)


def test_a_folder_that_was_not_scored_says_what_to_run(tmp_path):
    with pytest.raises(EvaluationError, match=r"found no summary\.json; allowed: a scored campaign\. Run `pij score"):
        read_book(tmp_path)


def test_the_gap_between_a_campaign_and_itself_is_nothing(book):
    found = gaps(book, Book("again", book.summary, book.verdicts, {}, {}))
    assert [one.arm_key for one in found] == ["eyes-default", "eyes-tuned", "gate-default"]
    assert {(one.gap.value, one.p_value, one.conclusion) for one in found} == {(0.0, 1.0, "no_gap_shown")}


def test_a_gap_pairs_techniques_and_leaves_out_those_of_one_campaign_only(book):
    """A product that knows public procedures by heart does worse on the same techniques in other dress."""
    dressed = [
        v.model_copy(update={"outcome": "missed", "alerts": (), "category": None, "latency_s": None})
        if v.technique != "T1560.001"
        else v.model_copy(update={"technique": "T1490"})
        for v in book.verdicts
    ]
    lines = tuple(
        line.model_copy(update={"technique": "T1490"}) if line.technique == "T1560.001" else line
        for line in book.summary.steps
    )
    variants = Book("variants", book.summary.model_copy(update={"steps": lines}), tuple(dressed), {}, {})
    found = gaps(book, variants)[0]
    assert "T1490" not in {one.technique for one in found.techniques}
    assert (found.public.value, found.variants.value, found.gap.value) == (0.6, 0.0, 0.6)


def test_a_rank_is_an_interval_and_moves_with_the_readers_weights(book):
    ledgers = ledgers_of([book])
    grids = make_grids(ledgers, book.watched)
    lines = vectors(grids, {})
    quiet = rank(grids, lines, {"twins_disturbed": -1.0})
    loud = rank(grids, lines, {"technique": 1.0})
    assert quiet.lines[0].arm_key == "gate-default"
    assert [one.rank for one in loud.lines] == [1, 1, 3]
    assert {(one.low, one.high) for one in quiet.lines} == {(1, 3)}  # three techniques with a twin tell nobody apart
    assert loud.order_survives == 1.0  # one weight alone can't change an order
    assert rank(grids, lines, {"cost": -1.0}).reason == "cost: not known for every arm"
    assert rank(grids, lines, {}).reason == "nothing is weighed"
    assert sum(book.summary.comparison.ranking.lines[0].places) == pytest.approx(1)
    assert book.summary.comparison.ranking.weights == DEFAULT_WEIGHTS


def test_what_costs_less_than_nothing_costs_nothing(book):
    """Else a weight on cost would pay an arm for noise between its nodes and the control's."""
    grids = make_grids(ledgers_of([book]))
    lines = vectors(grids, {"eyes-default": -0.1, "eyes-tuned": 0.0, "gate-default": 0.2})
    assert [line.values["cost"] for line in lines] == [0.0, 0.0, 0.2]
    cheap = {one.arm_key: one.score.value for one in rank(grids, lines, {"cost": -1.0}).lines}
    assert cheap == {"eyes-default": 0.0, "eyes-tuned": 0.0, "gate-default": -0.2}
    assert [cores_used([cpu(own, more)]) for own, more in ((0.2, -0.1), (0.2, 0.1), (None, -0.1), (0.2, None))] == [
        0.2, pytest.approx(0.3), 0.0, 0.2,
    ]  # fmt: skip
    assert cores_used([cpu(None, None)]) is cores_used([]) is None


def cpu(own, on_nodes):
    """A cost in CPU cores."""
    made = [
        Estimate(value=value, low=None, high=None, n=1, of="trials", unit="cores", method="", reason="one trial")
        for value in (own, on_nodes)
    ]
    return Cost(resource="cpu_cores", own=made[0], on_nodes=made[1])


def test_a_score_of_nothing_has_no_sign():
    """`-0.00` would read as a little less than nothing."""
    found = cpu(-0.001, -0.0).own.model_copy(update={"low": -0.004, "high": -0.0})
    assert _interval(found) == "+0.00 [+0.00, +0.00]"
    assert _interval(found.model_copy(update={"value": -0.006, "low": None})) == "-0.01"
    assert said(found.model_copy(update={"value": -0.0, "unit": "score"})) == "0 [-0.004, 0]"


def test_twins_disturbed_are_exactly_those_not_left_alone(book):
    """Blocked or disrupted ordinary work is disturbed, whether there was an alert or not."""
    changed = [
        one.model_copy(update={"outcome": "disrupted", "alerts": ()})
        if (one.trial_id, one.step_id) == ("eyes-default-r1", "twin-pack")
        else one
        for one in book.verdicts
    ]
    grids = make_grids(ledgers_of([Book(book.name, book.summary, tuple(changed), {}, {})]))
    lines = {line.arm_key: line.values["twins_disturbed"] for line in vectors(grids, {})}
    assert lines == {"eyes-default": pytest.approx(2 / 3, abs=1e-6), "eyes-tuned": pytest.approx(1 / 3, abs=1e-6),
                     "gate-default": 0.0}  # fmt: skip
    one = grids["eyes-default"]
    assert (one.values["twins_disturbed"] + one.values["twins_left_alone"])[one.benign].tolist() == [1.0] * 6


def test_places_narrow_only_where_a_pair_is_surely_apart():
    strong, weak = np.full(30, 1.0), np.zeros(30)
    low, high = place_limits(np.stack([strong, weak, weak], axis=1))
    assert (low.tolist(), high.tolist()) == ([1, 2, 2], [1, 3, 3])


def test_weights_are_read_or_refused_with_what_is_allowed():
    assert read_weights(["technique=1, twins_disturbed=-0.5", "cost=-2"]) == {
        "technique": 1.0, "twins_disturbed": -0.5, "cost": -2.0,
    }  # fmt: skip
    for text in ("technique", "speed=1", "technique=much", "technique=nan", ""):
        with pytest.raises(EvaluationError, match="allowed: NAME=NUMBER with a name of prevented"):
            read_weights([text])


def test_products_of_classes_that_share_no_step_are_not_compared(book):
    grids = make_grids(ledgers_of([book]))
    some = grids["eyes-default"]
    nothing = type(some)(**{**some.__dict__, "malicious": np.zeros_like(some.malicious)})
    found = contrast_rates("detected", "a", "b", some, nothing)
    assert (found.conclusion, found.reason, found.difference.value) == (
        "not_comparable", "no execution is valid for both", None,
    )  # fmt: skip


def test_power_with_very_many_techniques_is_that_of_the_noncentral_t():
    """There whole hits and skewed differences no longer matter."""
    question = Question(0.7, 0.68, 0.8, 0.3, LEVEL)
    away, limit = 0.02 * (20_000 / variance(question, 3)) ** 0.5, t.ppf(1 - LEVEL / 2, 19_999)
    expected = nct.sf(limit, 19_999, away) + nct.cdf(-limit, 19_999, away)
    assert power(question, 20_000, 3) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("question", "techniques", "repetitions"),
    [(Question(0.7, 0.5), 60, 2), (Question(0.3, 0.1, agreement=0.6), 40, 3), (Question(0.6, 0.45, 0.3), 40, 4)],
)
def test_power_is_how_often_the_test_finds_the_difference(question, techniques, repetitions):
    """The noncentral t said 79, 93 and 57 %; the test finds 75, 97 and 53 %."""
    random = np.random.default_rng(11)
    case = PowerCase(question, techniques, repetitions)
    correlation = copula_for(question)
    found = [power_of(random, case, correlation)["found"] for _ in range(3000)]
    assert power(question, techniques, repetitions) == pytest.approx(np.mean(found), abs=0.025)


def test_power_with_lasting_answers_is_that_of_one_execution():
    question = Question(0.7, 0.5, stability=1.0)
    assert power(question, 40, 5) == power(question, 40, 1)
    assert power(Question(0.7, 0.5, stability=0.99), 40, 5) == pytest.approx(power(question, 40, 1), abs=0.05)
    assert power(Question(0.7, 0.5, stability=0.0), 40, 40) > 0.999


def test_a_difference_of_many_standard_errors_is_found_with_one_repetition():
    """scipy's noncentral t is no number there, and no number is less than any power: 54 were asked for."""
    question = Question(0.7, 0.5, 0.8, 0.3, LEVEL)
    assert [power(question, 1000, repetitions) for repetitions in (1, 2, 10, 100)] == pytest.approx([1.0] * 4)
    assert repetitions_needed(question, 1000, 0.8) == 1


def test_power_grows_with_techniques_and_repetitions_only_as_far_as_techniques_agree():
    question = Question(0.7, 0.5)
    needed = techniques_needed(question, 2)
    assert needed is not None
    assert power(question, needed, 2) >= 0.8 > power(question, needed - 1, 2)
    assert repetitions_needed(question, needed, 0.8) == 2
    assert repetitions_needed(question, 20, 0.8) is None  # what differs between techniques stays
    assert techniques_needed(Question(0.5, 0.5), 1) is None
    assert power(question, 1, 1) == 0.0
    assert detectable_difference(0.05, 1) is None
    assert detectable_difference(0.05, 1000) == pytest.approx(0.05 * 2.8, rel=0.01)
    with pytest.raises(EvaluationError, match=r"--first: found 7; allowed: 0\.0 to 1\.0"):
        Question(7, 0.5).checked()


def look(first, second, n=None):
    return Look(tuple(first), tuple(second), tuple(n or [4] * len(first)))


def test_a_stopping_rule_spends_its_level_and_no_more():
    for spending in ("pocock", "obrien_fleming"):
        rule = Rule(looks=6, spending=spending)
        portions = [portion(rule, one) for one in range(1, 7)]
        assert sum(portions) == pytest.approx(0.05)
        assert portions[0] == 0.0  # no look before the second repetition
        assert min(portions[1:]) > 0


def test_a_campaign_goes_on_until_it_knows_or_has_run_what_was_registered():
    rule = Rule(looks=3, spending="pocock")
    apart, alike = look([3] * 20, [0] * 20), look([0] * 20, [0] * 20)
    unclear = look([1, 0] * 10, [0, 1] * 10)
    assert decide([apart], rule) == Decision(False, "open", "continue: too early to look", 1, None, None)
    assert decide([apart, apart], rule).reason.startswith("stop: the first detects more (p 1.9e-06 <= ")
    assert decide([alike] * 2, Rule(looks=3, margin=None)).stop is False
    assert decide([unclear, unclear], rule).reason.startswith("continue: p 1.0000 > ")
    assert decide([unclear] * 3, Rule(looks=3, margin=None)).reason == (
        "stop: no difference shown in the repetitions that were registered"
    )
    many = look([0] * 400, [0] * 400)
    assert decide([many, many], rule).reason == "stop: no difference of 10% or more is left possible"
    both = decide_all([{("a", "b"): apart, ("a", "c"): unclear}] * 2, rule)
    assert (both["a", "b"].stop, both["a", "c"].stop) == (True, False)
    assert both["a", "b"].threshold == pytest.approx(portion(rule, 2) / 2)


def test_a_stopping_rule_that_makes_no_sense_is_refused():
    for rule in (Rule(looks=0), Rule(looks=2, first_look=3), Rule(looks=2, level=0.7), Rule(looks=2, margin=2.0)):
        with pytest.raises(EvaluationError, match="allowed"):
            rule.checked()


def test_the_commands_answer_for_people_and_programs(folder, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from pipelines.command import app

    monkeypatch.setenv("PIJ_RUNS", str(folder.parent))
    run = CliRunner().invoke
    assert "no difference shown" in run(app, ["compare", "demo"]).output
    assert "places that hold" in run(app, ["rank", "demo", "--weights", "technique=1"]).output
    assert json.loads(run(app, ["rank", "demo", "--json"]).output)["weights"] == DEFAULT_WEIGHTS
    for name in ("summary.json", "verdicts.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    summary = json.loads((tmp_path / "summary.json").read_text())
    others = [line | {"seal": f"{number:064}"} for number, line in enumerate(summary["trials"])]
    (tmp_path / "summary.json").write_text(json.dumps(summary | {"trials": others}))
    assert "no gap shown" in run(app, ["gap", "demo", str(tmp_path)]).output
    asked = ["power", "--first", "0.7", "--second", "0.5", "--techniques", "30"]
    assert "techniques with 1 execution(s) each find a difference of 20%" in run(app, asked).output
    refused = run(app, ["compare", "demo", "--metric", "speed"])
    assert (refused.exit_code, "allowed: detected" in refused.output) == (2, True)
