"""Our own plans on a real engine: every oracle true without a product, in every run, each with another seed."""

import threading
from collections import Counter

import pytest

from attacks.draw import realise
from attacks.plan import read_plan
from attacks.procedure import Procedure
from pipelines.campaign import all_procedures, uses
from pipelines.registry import folders
from pipelines.rehearsal import rehearse
from results.attack import read_catalogue
from results.paths import ROOT
from results.records import StepKind

PLANS = [read_plan(folder) for folder in folders("plan")]
CHAINS = [plan for plan in PLANS if plan.baseline is None and plan.battery is None]
BASELINES = [plan for plan in PLANS if plan.baseline is not None]
TIMED = tuple(plan.id for plan in BASELINES if plan.baseline is not None and plan.baseline.timed)
"""Their work is timed with and without products; it is not what false alarms are counted over."""
ONCE = ("web_intrusion", *TIMED)
"""Plans that CI runs once: the environment that takes the longest to stand up, and the work that takes the longest."""
POST_RECONNAISSANCE = 12
RUNS = 3


def procedures() -> dict[str, Procedure]:
    """Every procedure of the checkout."""
    return all_procedures()[0]


@pytest.mark.docker
@pytest.mark.parametrize("plan", [plan.id for plan in (*CHAINS, *BASELINES)])
def test_every_oracle_is_true_in_every_run(engine, plan):
    """Else a step would be invalid for every product, or a miss would be said where nothing happened."""
    times = 1 if plan in ONCE else RUNS
    runs = rehearse(engine, plan, times, 1, 2, lambda *_: None, {"stop": threading.Event(), "early": threading.Event()})
    assert [(run.status, run.reason, run.failures) for run in runs] == [("completed", "", ())] * times
    assert len({run.seed for run in runs}) == times


def test_there_are_seven_chains_of_15_to_40_steps_with_a_twin_for_each():
    """Else there would be nothing to measure false alarms with beside an attack."""
    assert len(CHAINS) >= 7
    for plan in CHAINS:
        malicious = [step.id for step in plan.steps if step.kind is StepKind.MALICIOUS]
        twins = {step.twin_of for step in plan.steps if step.kind is StepKind.BENIGN}
        assert 15 <= len(malicious) <= 40, plan.id
        assert set(malicious) <= twins, (plan.id, sorted(set(malicious) - twins))


def test_the_chains_have_120_procedures_over_every_tactic_after_reconnaissance():
    """Else a product could be good at a few procedures and look good at all."""
    catalogue = read_catalogue(ROOT / "attacks" / "attack-enterprise-18.1.json")
    malicious = [step for plan in CHAINS for step in plan.steps if step.kind is StepKind.MALICIOUS]
    used = {step.procedure for step in malicious} | {way.procedure for step in malicious for way in step.alternatives}
    assert len({step.procedure for step in malicious}) >= 120
    assert used <= set(procedures())
    served = Counter(step.tactic for step in malicious)
    after = {
        name for name, one in catalogue.tactics.items() if one.name not in ("Reconnaissance", "Resource Development")
    }
    assert len(after) == POST_RECONNAISSANCE
    assert set(served) >= after


def test_the_chains_vary_in_tools_shells_users_names_and_order():
    """Else a product could learn a chain by heart."""
    for plan in CHAINS:
        assert len(plan.draw) >= 10, plan.id
    steps = [step for plan in CHAINS for step in plan.steps]
    assert sum(bool(step.alternatives) for step in steps) >= 20
    assert any(step.shells for step in steps)
    assert any(step.shuffle for step in steps)
    assert any("#{" in step.user for step in steps)


def test_a_baseline_stands_for_half_an_hour_of_labelled_work():
    """Else false alarms would be counted over too little ordinary work."""
    assert {plan.id for plan in BASELINES} >= {"office_day", "server_day"}
    for plan in BASELINES:
        if plan.id in TIMED:
            continue
        assert plan.baseline is not None
        assert plan.baseline.duration_s >= 1800
        actions = [step for step in plan.steps if step.kind is StepKind.BENIGN]
        assert len(actions) >= 35
        assert all(step.title is not None for step in actions)


def test_no_procedure_of_ours_lies_unused():
    """Else the library would grow things that nobody proves."""
    used = set().union(*(uses(plan) for plan in PLANS))
    assert sorted(set(procedures()) - used) == []


def test_the_requests_of_a_web_plan_can_be_told_apart():
    """Else an alert that names a request would fit several steps, and count for none."""
    plan = next(plan for plan in PLANS if plan.id == "web_intrusion")
    for seed in range(20):
        asked: dict[str, str] = {}
        for step, _at_s in realise(plan, seed, {node: f"10.0.0.{n}" for n, node in enumerate(("client", "attacker"))}):
            for url in step.touches.urls:
                assert asked.setdefault(url, step.id) == step.id, (seed, url)
