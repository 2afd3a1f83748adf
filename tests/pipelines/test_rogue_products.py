"""Products that try to look good: real sensors in real containers, through the whole pipeline, come out as they are."""

import pytest

from pipelines.campaign import prepare
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule, run_plain
from results.paths import ROOT
from results.records import Outcome, StepKind
from results.store import read_verdicts

pytestmark = pytest.mark.docker
ROGUES = ROOT / "tests" / "small" / "rogues.yaml"


@pytest.fixture(scope="module")
def scored(engine, tmp_path_factory):
    prepared = prepare(str(ROGUES))
    folder = open_campaign(prepared, tmp_path_factory.mktemp("runs"), fresh=False)
    (summary,) = run_plain(Schedule((CampaignRun(engine, prepared, folder, lambda *_: None),)))
    return summary, read_verdicts(folder)


def arm(scored, name):
    return next(one for one in scored[0].arms if one.arm_key == f"small_rogue-{name}")


def detected(scored, name):
    lines = arm(scored, name).rates
    return next(one for one in lines if (one.metric, one.denominator) == ("detected", "applicable"))


@pytest.mark.parametrize("name", ["always", "forged", "harness", "future", "random"])
def test_alerting_without_telling_attack_from_work_gains_nothing(scored, name):
    """Twins and placebos are done as the attack is: whoever alerts on the one alerts on the other."""
    assert arm(scored, name).measures.youden_j.low <= 0


@pytest.mark.parametrize("name", ["always", "forged", "future"])
def test_whoever_alerts_on_sessions_that_do_nothing_has_no_rate_beyond_chance(scored, name):
    """On a busy machine the pid of one program of a millisecond may be lost, and its alert with it."""
    one, line = arm(scored, name), detected(scored, name)
    assert one.chance.n - one.chance.hits <= 1
    assert one.measures.specificity.hits <= 1
    assert line.corrected.low is None or line.corrected.low <= 0


def test_a_product_that_never_alerts_has_missed_everything_and_disturbed_nobody(scored):
    one = arm(scored, "never")
    assert (one.counts, one.twins_alerted.hits, one.chance.hits) == ({"missed": 8}, 0, 0)


def test_names_by_the_dozen_are_named_wrong(scored):
    """Sixty techniques on every alert hold the right one by luck; the others are counted against it."""
    one = arm(scored, "forged")
    assert one.wrong_techniques.hits == one.wrong_techniques.n > 0
    right = next(line for line in one.rates if (line.metric, line.denominator) == ("technique", "applicable"))
    assert (right.rate.hits, right.rate.n) == (0, detected(scored, "forged").rate.n)


def test_alerts_beyond_the_declared_latency_are_never_credited_as_prompt(scored):
    """Those that come at all: a trial waits for the declared latency, and no longer."""
    late = [v for v in scored[1] if v.trial_id == "small_rogue-late-r1" and v.kind is StepKind.MALICIOUS]
    assert len(late) == 8
    assert all(v.outcome is Outcome.MISSED or "delayed" in v.modifiers for v in late)


def test_times_of_the_future_are_counted(scored):
    line = next(one for one in scored[0].trials if one.trial_id == "small_rogue-future-r1")
    assert line.quality.future > 0


def test_a_product_that_crashes_half_way_has_no_misses_and_no_rates(scored):
    line = next(one for one in scored[0].trials if one.trial_id == "small_rogue-crash-r1")
    verdicts = [v for v in scored[1] if v.trial_id == line.trial_id and v.kind is StepKind.MALICIOUS]
    assert line.status == "product_failed"
    assert {v.outcome for v in verdicts} <= {Outcome.INVALID}
    assert detected(scored, "crash").rate.value is None
