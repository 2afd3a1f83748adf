"""Metrics of scoring.md §4 on the built campaign and on small cases by hand."""

import numpy as np
import pytest

from results import latency
from results.claims import claim_lines
from results.costs import costs, own_containers, usage
from results.latency import clock_offset, curve, observed_until_ns, survival, watched_s
from results.measures import ClaimLine, ClockOffset
from results.metrics import wilson
from results.records import AttributionStatus, Canary, Outcome, ResourceSample, StepKind, Verdict
from results.scoring import score_campaign
from results.stability import alpha_limits, alpha_variance, by_technique, krippendorff_alpha
from results.volume import Tally, attack_free_s, per_hour, tally_of
from tests.campaign_builder import BEGAN, SECOND, build_campaign, make_step, make_trial, steps_of


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return score_campaign(build_campaign(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def eyes(summary):
    return next(arm for arm in summary.arms if arm.arm_key == "eyes-default").measures


def verdict(step_id, technique, outcome, kind=StepKind.MALICIOUS):
    return Verdict(
        trial_id="eyes-default-r1", step_id=step_id, position=0, kind=kind, technique=technique, outcome=outcome,
        category=None, modifiers=(), reason="", alerts=(), telemetry=(), evidence_kind=None, wrong_techniques=(),
        latency_s=None, delivery_s=None,
    )  # fmt: skip


def sample(container, second, cpu, memory=100, **more):
    return ResourceSample(time_ns=BEGAN + second * SECOND, container=container, cpu_s=cpu, memory_bytes=memory, **more)


def test_every_number_of_an_arm_has_an_interval_or_says_why_not(summary):
    """A share alone is an opinion."""

    def check(value, path):
        if isinstance(value, dict):
            if {"value", "low", "high", "method"} <= set(value):
                missing = [name for name in ("value", "low", "high") if value[name] is None]
                assert not missing or value["reason"], (path, value)
            for name, part in value.items():
                check(part, f"{path}.{name}")
        elif isinstance(value, list):
            for number, part in enumerate(value):
                check(part, f"{path}.{number}")

    check(summary.model_dump(mode="json"), "summary")


def test_the_control_and_a_lone_arm_have_nothing_to_compare(summary):
    assert next(arm for arm in summary.arms if arm.arm_key == "control").measures is None
    assert summary.comparison is not None


def test_specificity_and_sensitivity_stand_side_by_side(eyes):
    cron = next(line for line in eyes.techniques if line.technique == "T1053.003")
    assert (cron.sensitivity.hits, cron.sensitivity.n) == (2, 2)
    assert (cron.specificity.hits, cron.specificity.n) == (0, 2)
    assert eyes.youden_j.value == pytest.approx(6 / 12 + 4 / 6 - 1, abs=1e-6)
    assert eyes.balanced_accuracy.value == pytest.approx((6 / 12 + 4 / 6) / 2, abs=1e-6)
    assert eyes.youden_j.low < eyes.youden_j.value < eyes.youden_j.high


def test_the_chain_says_how_far_the_attack_had_come(eyes):
    """look (third step) is alerted on first, half a second after it began; the objective is the last step."""
    assert eyes.chain.objective == "wipe"
    assert [line.first_step for line in eyes.chain.trials] == ["look", "look"]
    assert [line.steps_before for line in eyes.chain.trials] == [2, 2]
    assert eyes.chain.seconds_to_first_alert.value == pytest.approx(20.6)  # when it was received
    assert (eyes.chain.before_objective.hits, eyes.chain.before_objective.n) == (2, 2)
    assert (eyes.chain.seen.hits, eyes.chain.seen.n) == (6, 16)


def test_alerts_by_what_became_of_them():
    kinds = {"cron": StepKind.MALICIOUS, "twin": StepKind.BENIGN, "idle": StepKind.PLACEBO}
    attributed = AttributionStatus.ATTRIBUTED
    statuses = {
        (attributed, "cron"): 3, (attributed, "twin"): 2, (attributed, "idle"): 1,
        (AttributionStatus.UNATTRIBUTED, None): 4, (AttributionStatus.AMBIGUOUS, None): 5,
        (AttributionStatus.HARNESS, None): 9,
    }  # fmt: skip
    found = tally_of(statuses, kinds)
    assert found == Tally(
        malicious=3, benign=2, placebo=1, unattributed=4, ambiguous=5,
        of_step={"cron": 3, "twin": 2, "idle": 1}, kinds=kinds,
    )  # fmt: skip
    assert (found.alerts, found.false) == (15, 7)


def test_time_without_an_attack_leaves_out_malicious_steps_once():
    """Two steps at once are one attack; time before the product was ready is nobody's."""
    steps = [
        make_step("cron", 0, started_ns=BEGAN + 10 * SECOND, ended_ns=BEGAN + 20 * SECOND),
        make_step("pack", 1, started_ns=BEGAN + 15 * SECOND, ended_ns=BEGAN + 30 * SECOND),
        make_step("twin", 2, kind=StepKind.BENIGN, started_ns=BEGAN + 50 * SECOND, ended_ns=BEGAN + 60 * SECOND),
    ]
    flush = Canary(phase="flush", nonce="b", sent_ns=0, received_ns=BEGAN + 90 * SECOND, attempts=1)
    ready = Canary(phase="ready", nonce="a", sent_ns=0, received_ns=BEGAN + 5 * SECOND, attempts=1)
    trial = make_trial(canaries=(ready, flush))
    assert observed_until_ns(trial) == BEGAN + 90 * SECOND
    assert trial.latency_s == 2
    assert attack_free_s(trial, steps) == 85 - 22  # an alert within the declared latency may be about the attack
    assert watched_s(trial, steps) == {"cron": 70.0, "pack": 60.0, "twin": 30.0}


def test_a_rate_per_hour_of_no_time_is_none():
    assert per_hour([3], [0.0]).reason == "no trial watched for any time"
    assert per_hour([6], [1800.0]).value == 12.0


def test_a_delay_that_most_steps_never_reach_has_no_median_but_a_lower_limit():
    times = np.array([1.0, 2.0, 60.0, 60.0, 60.0, 60.0])
    events = np.array([True, True, False, False, False, False])
    found = survival(times, events, np.arange(6))
    median = found.quantiles[0].estimate
    assert (found.events, found.censored) == (2, 4)
    assert (median.value, median.high) == (None, None)
    assert 1.0 < median.low < 1.6  # with six steps, half may well have been alerted on soon after the first
    assert survival(np.array([]), np.array([], dtype=bool), np.array([], dtype=int)).quantiles[0].estimate.reason


def test_a_quantile_without_an_upper_limit_has_all_its_error_below(monkeypatch):
    """Open above, with the lower limit of a closed one, it would hold in 97.5 of 100 campaigns."""
    times, every = np.arange(1.0, 26.0), np.ones(25, dtype=bool)
    median, _three_quarters, most = (q.estimate for q in survival(times, every, np.arange(25)).quantiles)
    monkeypatch.setattr(latency, "ONE_SIDED", 0.95)
    closed, _three_quarters, open_ = (q.estimate for q in survival(times, every, np.arange(25)).quantiles)
    assert median.high is not None
    assert (median.low, median.high) == (closed.low, closed.high)
    assert (most.high, open_.high) == (None, None)
    assert open_.low < most.low < most.value
    assert "95 %" in most.reason


def test_a_lower_limit_stands_alone_only_where_so_few_can_have_no_upper_one(monkeypatch):
    """Which limits a campaign gets must not depend on what it saw: an upper one is missing where the lower is late."""
    times = np.concatenate((np.arange(1.0, 32.0), np.full(9, 60.0)))
    told = [q.estimate for q in survival(times, times < 60, np.arange(40)).quantiles]
    monkeypatch.setattr(latency, "ONE_SIDED", 0.5)
    again = [q.estimate for q in survival(times, times < 60, np.arange(40)).quantiles]
    assert [one.high is None for one in told] == [False, True, True]
    assert told == again  # forty below the 90 % quantile: 1.5 %, so that an upper limit could be
    assert told[1].reason == "no upper limit: the curve's own does not come down that far"


def test_a_quantile_that_the_alerts_do_not_reach_is_later_than_the_watch():
    """Two of twenty alerted on in 60 s: half of all are not alerted on in that time, surely."""
    times, events = np.array([1.0, 2.0, *[60.0] * 17, 200.0]), np.array([True, True, *[False] * 18])
    median = survival(times, events, np.arange(20)).quantiles[0].estimate
    assert (median.value, median.low, median.high) == (None, 60.0, None)
    seven = np.concatenate((np.arange(1.0, 8.0), np.full(3, 60.0)))
    most = survival(seven, seven < 60, np.arange(10)).quantiles[2].estimate  # the seventh is not late, an eighth is
    assert 7.0 < most.low < 60.0


def test_a_curve_is_uncertain_before_its_first_alert():
    """Ten without an alert for three seconds: as many as 28 of 100 may have one by then (Wilson's for 10 of 10)."""
    first = survival(np.arange(3.0, 13.0), np.ones(10, dtype=bool), np.arange(10)).curve[0]
    assert (first.seconds, first.share, first.high) == (0.0, 1.0, 1.0)
    assert first.low == wilson(10, 10).low


def test_limits_of_a_median_are_order_statistics():
    """Of 17 delays the fifth is later than the median with 2.45 %, the sixth with 7.2 %: the limit is just behind."""
    times = np.cumsum(np.arange(1.0, 18.0))
    median = survival(times, np.ones(17, dtype=bool), np.arange(17)).quantiles[0].estimate
    assert (median.value, median.low, median.high) == pytest.approx((times[8], 15.0, 91.0), abs=0.3)


def test_three_alerts_have_no_limits():
    """From 0 to nothing would hold always, and say nothing."""
    median = survival(np.array([1.0, 2.0, 3.0]), np.ones(3, dtype=bool), np.arange(3)).quantiles[0].estimate
    assert (median.value, median.low, median.high) == (2.0, None, None)
    assert median.reason == "too few alerts for limits that hold with 95 %"


def test_copies_of_a_technique_do_not_narrow_a_curve():
    times = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0])
    once = curve(times, np.ones(8, dtype=bool), np.arange(8))
    often = curve(np.repeat(times, 5), np.ones(40, dtype=bool), np.repeat(np.arange(8), 5))
    assert often.share == pytest.approx(once.share)
    inner = slice(0, 7)  # after the last event nothing varies, and the techniques' number decides alone
    assert (often.high - often.low >= once.high - once.low)[inner].all()


def test_canaries_bound_the_products_clock():
    """Sent at 10 s, received at 10.4 s: a clock that says 15.2 s is between 4.8 and 5.2 s ahead."""
    sent = Canary(phase="ready", nonce="a", sent_ns=10 * SECOND, received_ns=10 * SECOND + 400_000_000, attempts=1)
    received = 10 * SECOND + 400_000_000
    ahead = clock_offset([([sent], [(15 * SECOND + 200_000_000, received)])])
    assert ahead == ClockOffset(canaries=1, low_s=4.8, high_s=5.2, contradictory=False)
    jumps = clock_offset([([sent], [(15 * SECOND + 200_000_000, received), (10 * SECOND + 100_000_000, received)])])
    assert jumps.contradictory
    assert clock_offset([([sent], [(None, received)])]).reason == "no alert on a canary carries a time"


def test_a_product_pays_for_its_own_containers_and_for_what_it_adds_to_nodes():
    nodes = ("target",)
    with_it = [
        sample("target", 0, 1.0), sample("target", 10, 6.0), sample("agent", 0, 0.5, 50, disk_write_bytes=10),
        sample("agent", 10, 2.5, 150, disk_write_bytes=40), sample("intake", 0, 0.0), sample("intake", 10, 9.0),
    ]  # fmt: skip
    without = usage([sample("target", 0, 1.0), sample("target", 10, 3.0)], nodes)
    assert own_containers(with_it, nodes) == {"agent"}
    found = {one.resource: one for one in costs([(7, with_it, nodes)], {7: without})}
    assert found["cpu_seconds"].own.value == 2.0
    assert found["cpu_seconds"].on_nodes.value == 3.0
    assert found["cpu_cores"].own.value == pytest.approx(0.2)
    assert found["memory_mean_bytes"].own.value == 100.0
    assert found["memory_peak_bytes"].own.value == 150.0
    assert found["disk_write_bytes"].own.value == 30.0
    assert found["network_in_bytes"].own.reason == "the kernel or the container's network did not count it"
    assert found["cpu_seconds"].own.reason == "one trial has no spread"
    no_control = costs([(7, with_it, nodes)], {})[0]
    assert no_control.on_nodes.reason == "no control with the same seed was counted"


def test_agreement_is_krippendorffs_and_undefined_where_all_say_the_same():
    table = np.array([[1, 0, 1, 1, 0.0], [1, 0, 0, 1, 0], [1, 0, 1, np.nan, 0]])
    hits, n = np.nansum(table, axis=0), (~np.isnan(table)).sum(axis=0).astype(float)
    apart = (2 * hits * (n - hits) / (n - 1)).sum()
    total, yes = n.sum(), hits.sum()
    value = krippendorff_alpha(table)
    assert value == pytest.approx(1 - apart * (total - 1) / (2 * yes * (total - yes)))
    low, high = alpha_limits(value, hits, n, np.arange(5))
    assert -1 <= low < value < high <= 1
    assert krippendorff_alpha(np.ones((2, 4))) is None
    assert krippendorff_alpha(np.array([[1.0, 0.0]])) is None


@pytest.mark.parametrize("redrawn", [0.6, 0.9])
def test_the_variance_of_agreement_is_that_of_resampled_techniques(redrawn):
    """Of alpha itself, as the package computes it: that of the share of contradictions alone is half as great again."""
    random = np.random.default_rng(1)
    rates = np.repeat(random.beta(0.5, 0.5, 30), 4)
    first = random.random(120) < rates
    steps = np.where(random.random((2, 120)) < redrawn, random.random((2, 120)) < rates, first)
    resampled = []
    for _one in range(1500):
        drawn = random.integers(0, 30, 30)
        resampled.append(krippendorff_alpha(steps[:, (4 * drawn[:, None] + np.arange(4)).ravel()].astype(float)))
    found = alpha_variance(*by_technique(steps.sum(axis=0).astype(float), np.full(120, 2.0), np.arange(120) // 4))
    assert found == pytest.approx(np.var(resampled), rel=0.15)


def test_a_claim_is_held_partly_held_not_held_or_not_tested():
    """Another sub-technique counts for a claim about its parent, an invalid execution for none."""
    verdicts = [
        verdict("a", "T1053.003", Outcome.ALERTED), verdict("b", "T1053.005", Outcome.PREVENTED),
        verdict("c", "T1105", Outcome.LOGGED), verdict("d", "T1105", Outcome.ALERTED),
        verdict("e", "T1057", Outcome.NOT_APPLICABLE), verdict("f", "T1070", Outcome.INVALID),
        verdict("g", "T1070", Outcome.ALERTED, StepKind.BENIGN),
    ]  # fmt: skip
    claims = {"T1053": "alerted", "T1105": "alerted", "T1057": "logged", "T1070": "alerted"}
    untested = wilson(0, 0).model_copy(update={"reason": "no valid execution of this technique"})
    assert claim_lines(claims, verdicts) == (
        ClaimLine(technique="T1053", claimed="alerted", verdict="held", rate=wilson(2, 2)),
        ClaimLine(technique="T1057", claimed="logged", verdict="not_held", rate=wilson(0, 1)),
        ClaimLine(technique="T1070", claimed="alerted", verdict="not_tested", rate=untested),
        ClaimLine(technique="T1105", claimed="alerted", verdict="partly", rate=wilson(1, 2)),
    )


def test_stability_names_the_steps_that_were_detected_sometimes(tmp_path, monkeypatch):
    import tests.campaign_builder as builder

    real = builder.alerts_of

    def flaky(arm):
        flaky.calls[arm] = flaky.calls.get(arm, 0) + 1
        return [one for one in real(arm) if not (arm == "eyes-default" and flaky.calls[arm] == 2 and one.pid == 1002)]

    flaky.calls = {}
    monkeypatch.setattr(builder, "alerts_of", flaky)
    found = score_campaign(builder.build_campaign(tmp_path))
    stability = next(arm for arm in found.arms if arm.arm_key == "eyes-default").measures.stability
    assert [(one.step_id, one.detected, one.n) for one in stability.sometimes] == [("look", 1, 2)]
    assert (stability.same.hits, stability.same.n) == (5, 6)
    assert stability.alpha.low < stability.alpha.value < stability.alpha.high <= 1


def test_one_repetition_has_no_stability(summary):
    gate = next(arm for arm in summary.arms if arm.arm_key == "gate-default").measures
    assert gate.stability.alpha.reason == "no step has two valid repetitions"
    assert gate.stability.same.value is None


def test_a_plan_without_placebos_has_no_chance_rate(tmp_path, monkeypatch):
    import tests.campaign_builder as builder

    monkeypatch.setattr(
        builder, "steps_of", lambda blocked=False: [s for s in steps_of(blocked) if s.kind is not StepKind.PLACEBO]
    )
    arm = next(arm for arm in score_campaign(builder.build_campaign(tmp_path)).arms if arm.arm_key == "eyes-default")
    line = next(line for line in arm.rates if line.metric == "alerted")
    assert arm.chance.value is None
    assert (line.corrected.value, line.corrected.reason) == (
        None,
        "the plan has no placebo step, so the chance rate is unknown",
    )
