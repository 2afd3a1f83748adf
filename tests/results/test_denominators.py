"""What was seen decides the numerator, never the denominator (scoring.md §1 and §4)."""

import pytest

import tests.campaign_builder as builder
from results.adjudication import applied
from results.chance import naming_luck
from results.claims import claim_lines
from results.grid import make_grids
from results.latency import NO_ALERT_WITHIN
from results.ledger import is_applicable
from results.people import Adjudication, Ruling
from results.reading import common_of, ledgers_of, read_book
from results.records import Action, Category, Outcome
from results.scoring import score_campaign
from results.store import read_verdicts
from tests.campaign_builder import BEGAN, build_campaign, make_observation
from tests.results.rendered import first_text, metrics_text
from tests.results.test_metrics_of_arms import verdict

BEYOND = [
    make_observation("a000007", 0.5, pid=1000, techniques=("T1110.001",)),
    make_observation("a000008", 10.5, pid=1001),
]
"""On `guess` and `enter`, which `eyes` does not declare to see."""
EVERYTHING = [make_observation(f"a00001{n}", n * 10 + 0.5, pid=1000 + n, action=Action.BLOCKED) for n in range(8)]
SEEN = {"as built": None, "beyond, too": BEYOND, "all": EVERYTHING, "nothing": []}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """What `eyes-default` said -> (folder, summary)."""
    found, real = {}, builder.alerts_of
    with pytest.MonkeyPatch.context() as patch:
        for name, alerts in SEEN.items():
            said = {"as built": real("eyes-default"), "beyond, too": [*real("eyes-default"), *BEYOND]}.get(name, alerts)
            patch.setattr(builder, "alerts_of", lambda arm, said=said: said if arm == "eyes-default" else real(arm))
            folder = build_campaign(tmp_path_factory.mktemp("runs"))
            found[name] = (folder, score_campaign(folder))
    return found


def eyes(scored, name):
    return next(arm for arm in scored[name][1].arms if arm.arm_key == "eyes-default")


def rate(arm, metric, denominator):
    found = next(line.rate for line in arm.rates if (line.metric, line.denominator) == (metric, denominator))
    return found.hits, found.n


def denominators(arm):
    """Every number that something of the arm's is divided by."""
    measures, product = arm.measures, arm.measures.delays.product
    return {
        "rates": {(line.metric, line.denominator): line.rate.n for line in arm.rates},
        "sensitivity": measures.sensitivity.n,
        "techniques": [(one.technique, one.sensitivity.n, one.specificity.n) for one in measures.techniques],
        "youden": (measures.youden_j.n, measures.balanced_accuracy.n),
        "stability": measures.stability.same.n,
        "delays": product.events + product.censored + product.untimed,
        "chain": measures.chain.seen.n,
        "beyond": measures.beyond_class.n,
    }


def test_whatever_a_product_sees_its_denominators_are_the_same(scored):
    """Else a product could choose what it is measured on by what it says."""
    found = {name: denominators(eyes(scored, name)) for name in SEEN}
    assert found["as built"]["rates"]["alerted", "applicable"] == 12
    assert all(one == found["as built"] for one in found.values())


def test_what_others_see_does_not_change_the_common_denominator(scored):
    gates = [next(arm for arm in scored[name][1].arms if arm.arm_key == "gate-default") for name in SEEN]
    assert {rate(arm, "detected", "common") for arm in gates} == {(1, 6)}


def test_hits_beyond_the_declared_class_are_shown_apart_and_raise_no_rate_over_what_it_can_see(scored):
    before, after = eyes(scored, "as built"), eyes(scored, "beyond, too")
    assert (before.measures.beyond_class.hits, before.measures.beyond_class.n) == (0, 4)
    assert (after.measures.beyond_class.hits, after.measures.beyond_class.n) == (4, 4)
    for denominator in ("applicable", "common"):
        assert rate(after, "detected", denominator) == rate(before, "detected", denominator)
    assert (rate(before, "detected", "valid"), rate(after, "detected", "valid")) == ((6, 16), (10, 16))
    for name in ("sensitivity", "youden_j", "techniques", "stability", "delays"):
        assert getattr(after.measures, name) == getattr(before.measures, name)
    assert (after.counts["alerted"], after.counts.get("not_applicable", 0)) == (before.counts["alerted"] + 4, 0)
    assert (after.measures.chain.seen.hits, after.measures.chain.seen.n) == (10, 16)


def test_a_step_that_one_arms_class_cannot_see_is_common_to_none_although_it_was_seen():
    """Else each hit beyond a class would widen what all arms are measured on."""
    within = [verdict("a", "T1053", Outcome.MISSED), verdict("b", "T1057", Outcome.MISSED)]
    beyond = [within[0], verdict("b", "T1057", Outcome.ALERTED).model_copy(update={"applicable": False})]
    assert common_of([within, beyond], {"eyes-default-r1": 1}) == {("a", 1)}
    assert common_of([within, within, []], {"eyes-default-r1": 1}) == {("a", 1), ("b", 1)}


def test_luck_in_naming_is_over_the_same_steps_as_the_rate_that_it_is_held_against():
    named = [
        verdict(step, technique, Outcome.ALERTED).model_copy(update={"category": Category.GENERAL})
        for step, technique in (("a", "T1053"), ("b", "T1057"))
    ]
    beyond = named[1].model_copy(update={"applicable": False})
    assert (naming_luck(named).n, naming_luck([named[0], beyond]).n) == (2, 1)


def test_the_comparison_is_over_what_every_class_declares(scored):
    before, after = (scored[name][1].comparison for name in ("as built", "beyond, too"))
    assert (after.contrasts, after.vectors, after.ranking) == (before.contrasts, before.vectors, before.ranking)


def test_what_is_beyond_the_class_and_not_seen_is_no_smaller_a_miss_among_arms_of_other_classes(scored):
    """Where the arms' classes share no step, a weight on misses would else pay for a narrow declaration."""
    found = {}
    for name in ("as built", "beyond, too"):
        book = read_book(scored[name][0])
        ledger = ledgers_of([book])["eyes-default"]
        grid = make_grids({"eyes-default": ledger})["eyes-default"]
        found[name] = {step: grid.values["missed"][ledger.steps.index(step)].tolist() for step in ("guess", "cron")}
    assert found == {
        "as built": {"guess": [1.0, 1.0], "cron": [0.0, 0.0]},
        "beyond, too": {"guess": [0.0, 0.0], "cron": [0.0, 0.0]},
    }


def test_a_product_that_alerted_beyond_its_class_only_is_not_said_to_be_silent(tmp_path, monkeypatch):
    real = builder.alerts_of
    monkeypatch.setattr(builder, "alerts_of", lambda arm: BEYOND if arm == "eyes-default" else real(arm))
    summary = score_campaign(build_campaign(tmp_path))
    found = next(arm for arm in summary.arms if arm.arm_key == "eyes-default").measures
    assert (found.sensitivity.hits, found.chain.seen.hits) == (0, 4)
    assert found.delays.product.quantiles[0].estimate.reason == NO_ALERT_WITHIN


def test_the_pages_say_what_was_seen_beyond_the_declared_class(scored):
    english, japanese = (metrics_text(*scored["beyond, too"], language) for language in ("en", "ja"))
    assert '<td>Seen beyond its declared class (in no other denominator)</td><td class="num">100% (4/4)' in english
    assert '<td>宣言された分類の外で見えた手順（他の指標の分母には含めない）</td><td class="num">100% (4/4)' in japanese
    first = first_text(*scored["beyond, too"], "ja")
    assert "宣言の外で検知した手順は表に示しますが分母には含めず" in first
    assert "宣言された分類の外なので、その分母には含めない：この製品分類では次のいずれも見えない：" in first


def test_a_claim_is_measured_on_every_valid_step_of_its_technique():
    """What the vendor claims, it says that it can see; its declared class is no way out, seen or not."""
    missed = verdict("a", "T1053", Outcome.NOT_APPLICABLE).model_copy(update={"applicable": False})
    seen = missed.model_copy(update={"outcome": Outcome.ALERTED})
    assert [line.rate.n for one in (missed, seen) for line in claim_lines({"T1053": "alerted"}, [one])] == [1, 1]


def test_a_verdict_of_an_older_scorer_says_by_its_outcome_whether_it_applies():
    old = [verdict("a", "T1053", outcome) for outcome in Outcome]
    assert all(one.applicable for one in old)
    assert {one.outcome for one in old if not is_applicable(one)} == {Outcome.INVALID, Outcome.NOT_APPLICABLE}


@pytest.mark.parametrize(
    ("step", "ruling", "applicable"),
    [
        ("guess", Ruling(outcome=Outcome.ALERTED, category="general"), False),
        ("guess", Ruling(outcome=Outcome.LOGGED), False),
        ("guess", Ruling(outcome=Outcome.MISSED), True),
        ("cron", Ruling(outcome=Outcome.NOT_APPLICABLE), False),
        ("cron", Ruling(outcome=Outcome.MISSED), True),
        ("cron", Ruling(outcome=Outcome.INVALID), False),
    ],
)
def test_a_person_moves_a_step_in_or_out_only_by_ruling_about_the_class_or_validity(scored, step, ruling, applicable):
    own = next(
        one for one in read_verdicts(scored["as built"][0]) if (one.trial_id, one.step_id) == ("eyes-default-r1", step)
    )
    decision = Adjudication(
        trial_id=own.trial_id, step_id=step, author="A", reason="B", evidence=("a000001",), after=ruling, time_ns=BEGAN,
        before=Ruling(outcome=own.outcome, category=own.category),
    )  # fmt: skip
    assert is_applicable(applied([own], [decision])[0]) is applicable
