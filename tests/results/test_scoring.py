"""Scoring a whole sealed campaign: the same bytes each time, and refusals by name."""

import hashlib
import json
import subprocess
import sys

import pytest
from statsmodels.stats.proportion import proportion_confint

from results.errors import EvaluationError, RecordVersionError, SealError
from results.metrics import corrected, wilson
from results.paths import ROOT
from results.records import Outcome, TrialStatus
from results.scoring import score_campaign
from results.seal import verify_seal
from results.store import query, read_alerts, read_steps, read_trial, read_verdicts
from tests.campaign_builder import alerts_of, build_campaign, make_trial, steps_of

PRODUCTS = ("attributions.parquet", "verdicts.parquet", "summary.json")


@pytest.fixture
def folder(tmp_path):
    return build_campaign(tmp_path)


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in PRODUCTS}


def rewrite(path, change):
    """Change a sealed file, as nobody should."""
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))


def test_scoring_twice_gives_the_same_bytes(folder):
    """Else a reader could not verify a published result."""
    score_campaign(folder)
    first = digests(folder)
    score_campaign(folder)
    assert digests(folder) == first


def test_scoring_gives_the_same_bytes_in_another_process_without_docker(folder):
    """Hash seeds, working folder and the engine must not matter."""
    score_campaign(folder)
    first = digests(folder)
    code = (
        "import sys; sys.modules['docker'] = None; sys.modules['prefect'] = None\n"
        "from pathlib import Path; from results.scoring import score_campaign\n"
        "score_campaign(Path(sys.argv[1]))"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        check=True,
        cwd="/",
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )
    assert digests(folder) == first


def test_the_verdicts_of_the_synthetic_campaign_are_the_expected_ones(folder):
    score_campaign(folder)
    found = {
        (v.trial_id.rpartition("-r")[0], v.step_id): v.outcome
        for v in read_verdicts(folder)
        if v.trial_id.endswith("-r1") and not v.trial_id.startswith("control")
    }
    eyes = [found["eyes-default", step] for step in ("guess", "look", "cron", "shadow", "fetch", "pack", "wipe")]
    assert eyes == [
        Outcome.NOT_APPLICABLE, Outcome.ALERTED, Outcome.ALERTED, Outcome.ALERTED, Outcome.MISSED, Outcome.LOGGED,
        Outcome.MISSED,
    ]  # fmt: skip
    assert found["eyes-default", "twin-cron"] is Outcome.ALERTED
    assert found["gate-default", "fetch"] is Outcome.PREVENTED
    assert found["gate-default", "wipe"] is Outcome.DISRUPTED


def test_a_trial_that_was_never_ready_is_listed_and_counts_nowhere(folder):
    summary = score_campaign(folder)
    line = next(trial for trial in summary.trials if trial.trial_id == "gate-default-r2")
    assert line.status is TrialStatus.NOT_READY
    assert not [cell for cell in summary.cells if cell.trial_id == "gate-default-r2"]
    arm = next(arm for arm in summary.arms if arm.arm_key == "gate-default")
    applicable = [line.rate.n for line in arm.rates if line.denominator == "applicable"]
    assert set(applicable) == {6}  # eight steps in one trial, two of which its class can't see


def test_a_rate_is_wilsons_and_an_empty_one_is_none():
    """Two implementations agree: statsmodels' and the formula written out."""
    rate = wilson(7, 10)
    z, p, n = 1.959963984540054, 0.7, 10
    middle, half = p + z * z / (2 * n), z * ((p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5)
    assert (rate.low, rate.high) == pytest.approx(
        ((middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))
    )
    assert (rate.low, rate.high) == pytest.approx(proportion_confint(7, 10, method="wilson"))
    assert wilson(0, 0).value is None


def test_chance_takes_away_what_it_explains():
    assert corrected(wilson(6, 10), wilson(2, 10)) == pytest.approx(0.5)
    assert corrected(wilson(6, 10), wilson(10, 10)) is None
    assert corrected(wilson(1, 10), wilson(5, 10)) == 0.0


def test_a_latency_with_too_many_misses_has_no_median(folder):
    """Else a product that detects little but fast would look fast."""
    arms = {arm.arm_key: arm for arm in score_campaign(folder).arms}
    eyes, gate = arms["eyes-default"].latency, arms["gate-default"].latency
    assert (eyes.detected, eyes.censored, eyes.median_s) == (6, 6, 0.0)
    assert (gate.detected, gate.censored, gate.median_s) == (1, 5, None)
    assert arms["control"].latency.median_s is None


def test_a_changed_alert_is_refused_by_name(folder):
    path = folder / "trials" / "eyes-default-r1" / "alerts.parquet"
    rewrite(path, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SealError, match=r"eyes-default-r1.*alerts\.parquet: sealed as"):
        score_campaign(folder)


def test_an_added_file_and_a_missing_file_are_refused_by_name(folder):
    trial = folder / "trials" / "eyes-default-r1"
    trial.chmod(0o755)
    (trial / "more.txt").write_text("x")
    (trial / "log.txt").unlink()
    with pytest.raises(SealError, match=r"log\.txt: sealed as .* now nothing; more\.txt: sealed as nothing"):
        verify_seal(trial)


def test_trials_of_one_repetition_with_two_seeds_are_refused_by_name(tmp_path, monkeypatch):
    """Else arms would be compared in pairs that are none: another seed draws other steps at other times."""
    import tests.campaign_builder as builder

    def mixed(trial_id="x", **changed):
        return make_trial(trial_id, **({"seed": 999} if trial_id == "eyes-tuned-r2" else {}) | changed)

    monkeypatch.setattr(builder, "make_trial", mixed)
    with pytest.raises(
        EvaluationError, match=r"eyes-tuned-r2/trial\.json: seed: found 999; allowed: 44, that of control-r2"
    ):
        score_campaign(builder.build_campaign(tmp_path))


def test_trials_of_two_attack_releases_are_refused_by_name(tmp_path, monkeypatch):
    import tests.campaign_builder as builder

    def mixed(trial_id="x", **changed):
        release = "enterprise 17.0" if trial_id == "eyes-tuned-r2" else "enterprise 18.1"
        return make_trial(trial_id, attack_release=release, **changed)

    monkeypatch.setattr(builder, "make_trial", mixed)
    with pytest.raises(EvaluationError, match=r"attack_release: found enterprise 17\.0 in eyes-tuned-r2"):
        score_campaign(builder.build_campaign(tmp_path))


def test_a_record_from_the_future_is_refused_before_its_body_is_read(folder):
    path = folder / "trials" / "eyes-default-r1" / "trial.json"
    data = {"schema_version": 99, "something": "new"}
    rewrite(path, lambda _old: json.dumps(data).encode())
    with pytest.raises(RecordVersionError, match=r"found 99; allowed: 1"):
        read_trial(path.parent)


def test_a_campaign_without_sealed_trials_says_what_to_run(folder):
    for trial in (folder / "trials").iterdir():
        trial.rename(trial.with_name(f".{trial.name}.partial"))
    with pytest.raises(EvaluationError, match=r"no sealed trial.*pij run demo"):
        score_campaign(folder)


def test_records_come_back_from_the_store_as_they_went_in(folder):
    trial = folder / "trials" / "eyes-tuned-r1"
    assert read_trial(trial) == make_trial("eyes-tuned-r1")
    assert read_steps(trial) == steps_of()
    assert read_alerts(trial) == alerts_of("eyes-tuned")


def test_the_counts_agree_with_a_query_over_the_files(folder):
    """A second way to the same numbers: SQL over what was published."""
    summary = score_campaign(folder)
    found = query(folder, "SELECT count(*) AS n FROM verdicts WHERE kind = 'malicious' AND outcome = 'alerted'")
    assert int(found.n[0]) == sum(arm.counts.get("alerted", 0) for arm in summary.arms)
    rows = query(folder, "SELECT trial_id, count(*) AS n FROM steps GROUP BY trial_id ORDER BY trial_id")
    assert list(rows.n) == [13] * 7
