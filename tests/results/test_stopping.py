"""The stopping rule on sealed trials."""

import pytest

from attacks.catalogue import load_catalogue
from results.attack import write_catalogue
from results.errors import EvaluationError
from results.records import Campaign
from results.scoring import score_campaign
from results.seal import seal_trial
from results.sequential import Rule
from results.stopping import settled_pairs
from results.store import write_campaign, write_trial
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
