"""The stopping rule on sealed trials."""

import pytest

from attacks.catalogue import load_catalogue
from results.attack import write_catalogue
from results.comparison import ruled
from results.contrasts import ByRule, Comparison, Contrast, Ranking, RuleLine, Significance
from results.errors import EvaluationError
from results.measures import Estimate
from results.records import Campaign, StoppingRule
from results.scoring import score_campaign
from results.seal import seal_trial
from results.sequential import Rule
from results.stopping import settled_pairs
from results.store import read_summary, write_campaign, write_trial
from tests.campaign_builder import BEGAN, MALICIOUS, SEED, make_observation, make_trial, steps_of, text

RULE = Rule(looks=4, level=0.4, margin=None)
ARMS = ("eyes-default", "eyes-tuned", "eyes-blind")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three repetitions: two arms that alert on every step, one that never does."""
    place = tmp_path_factory.mktemp("runs") / "three"
    (place / "trials").mkdir(parents=True)
    catalogue = load_catalogue()
    trials = [f"{arm}-r{repetition}" for repetition in (1, 2, 3) for arm in ("control", *ARMS)]
    write_catalogue(place / "attack.json", catalogue)
    campaign = Campaign(
        campaign="three", title=text("Three"), plan="chain", environment="server", repetitions=4, seed=SEED,
        trials=tuple(trials), attack_release=catalogue.release, digest="9" * 64, started_ns=BEGAN,
        stopping=StoppingRule(metric="detected", alpha=0.4, smallest_difference=0.1),
    )  # fmt: skip
    write_campaign(place, campaign)
    for trial_id in trials:
        partial = place / "trials" / f".{trial_id}.partial"
        sees = trial_id.rpartition("-r")[0] in ARMS[:2]
        alerts = (
            [make_observation(f"a{n:06d}", n * 10 + 0.5, pid=1000 + n) for n in range(len(MALICIOUS))] if sees else []
        )
        arm, _r, repetition = trial_id.rpartition("-r")
        identity = {"arm": arm.partition("-")[2]} if arm != "control" else {}
        trial = make_trial(trial_id, repetition=int(repetition), seed=SEED + int(repetition), **identity)
        write_trial(partial, trial, steps_of(), alerts, [], [])
        (partial / "log.txt").write_text("0.000 standing up\n")
        seal_trial(partial)
    score_campaign(place)
    return place


def test_a_clear_difference_is_settled_early_and_no_difference_is_not(folder):
    """Else repetitions are spent on what is known, or an arm is dropped although nothing is known."""
    found = settled_pairs(folder, ARMS, "detected", RULE, done=3)
    assert {(pair.first, pair.second) for pair in found} == {
        ("eyes-blind", "eyes-default"), ("eyes-blind", "eyes-tuned"),
    }  # fmt: skip
    assert all("the second detects more" in pair.reason and pair.repetition <= 3 for pair in found)


def test_nothing_is_settled_before_the_first_look(folder):
    assert settled_pairs(folder, ARMS, "detected", RULE, done=1) == ()


def test_an_arm_that_never_ran_settles_nothing(folder):
    """Its pairs still share the level, because they were registered."""
    found = settled_pairs(folder, (*ARMS, "late-default"), "detected", RULE, done=3)
    assert not any("late-default" in (pair.first, pair.second) for pair in found)


def test_an_unknown_metric_is_refused_by_name(folder):
    told = r"campaign\.json: stopping\.metric: found 'speed'; allowed: prevented, alerted"
    with pytest.raises(EvaluationError, match=told):
        settled_pairs(folder, ARMS, "speed", RULE, done=3)


def test_the_rules_word_is_the_conclusion_of_a_campaign_that_may_stop(folder):
    """Else a page would test stopped pairs as if their repetitions had been fixed, against the schedule."""
    comparison = read_summary(folder).comparison
    rule = comparison.by_rule
    assert (rule.metric, rule.alpha, rule.looks, rule.done) == ("detected", 0.4, 4, 3)
    assert {(one.first, one.second): one.conclusion for one in rule.lines} == {
        ("eyes-blind", "eyes-default"): "second",
        ("eyes-blind", "eyes-tuned"): "second",
        ("eyes-default", "eyes-tuned"): "open",
    }
    shown = {(c.first, c.second): c.conclusion for c in comparison.contrasts if c.metric == "detected"}
    assert shown == {
        ("eyes-blind", "eyes-default"): "second",
        ("eyes-blind", "eyes-tuned"): "second",
        ("eyes-default", "eyes-tuned"): "no_difference_shown",
    }


def test_a_pair_that_the_rule_has_not_settled_is_no_difference_whatever_its_p_value():
    found = ruled(
        Comparison(
            contrasts=(_contrast("b", "a", "first"), _contrast("b", "c", "first"), _contrast("b", "a", "first", "x")),
            overall={}, vectors=(), ranking=NO_RANKING,
        ),
        ByRule(
            metric="detected", alpha=0.05, smallest_difference=0.1, looks=4, done=2,
            lines=(_line("a", "b", "first"), _line("b", "c", "open")),
        ),
    )  # fmt: skip
    assert [one.conclusion for one in found.contrasts] == ["second", "no_difference_shown", "first"]


NO_RANKING = Ranking(weights={}, basis="valid", lines=(), order_survives=None, redrawn=0, reason="none")


def _contrast(first, second, conclusion, metric="detected"):
    share = Estimate(value=0.5, low=0.1, high=0.8, n=9, of="techniques", unit="share", method="")
    return Contrast(
        metric=metric, first=first, second=second, n=9, techniques=9, first_only=5, second_only=0, difference=share,
        tests=(Significance(name="swap", p_value=0.01, of=5),), p_holm=0.01, beats=1.0, detectable=None,
        conclusion=conclusion,
    )  # fmt: skip


def _line(first, second, conclusion):
    return RuleLine(
        first=first, second=second, repetition=2, conclusion=conclusion, p_value=0.01, threshold=0.001, reason=""
    )
