"""Run folders of every schema version ever published are read and judged as expected; those to come are refused."""

import json
import shutil
from pathlib import Path

import pytest

from attacks.catalogue import load_catalogue
from results.attack import write_catalogue
from results.errors import RecordVersionError
from results.scoring import score_campaign
from results.store import read_alerts, read_steps, read_trial, read_verdicts

GOLDEN = Path(__file__).parent.parent / "golden"


def copied(name, tmp_path):
    """A golden campaign with its catalogue, which is too large to stand there once more."""
    folder = tmp_path / name
    shutil.copytree(GOLDEN / name, folder)
    write_catalogue(folder / "attack.json", load_catalogue())
    return folder


def test_records_of_version_1_are_read_with_what_they_lack_empty():
    trial = GOLDEN / "version_1" / "trials" / "fail2ban-default-r1"
    assert read_trial(trial).claims == {}
    assert [alert.url for alert in read_alerts(trial)] == [None] * len(read_alerts(trial))
    assert read_steps(trial)[0].objects.urls == ()


def test_a_campaign_of_version_1_has_the_expected_verdicts(tmp_path):
    """Else a change of the scorer would change what was published long ago without anyone seeing it."""
    folder = copied("version_1", tmp_path)
    score_campaign(folder)
    found = {}
    for verdict in read_verdicts(folder):
        found.setdefault(verdict.trial_id, {})[verdict.step_id] = [
            verdict.outcome.value, verdict.category and verdict.category.value, len(verdict.alerts),
        ]  # fmt: skip
    assert found == json.loads((GOLDEN / "version_1" / "verdicts.json").read_text())


def test_a_trial_from_the_future_is_refused_by_name(tmp_path):
    folder = copied("version_999", tmp_path)
    with pytest.raises(
        RecordVersionError, match=r"mind-default-r1/trial\.json: schema_version: found 999; allowed: 1, 2"
    ):
        score_campaign(folder)
    for read, name in ((read_steps, "steps"), (read_alerts, "alerts")):
        with pytest.raises(RecordVersionError, match=rf"{name}\.parquet: schema_version: found 999"):
            read(folder / "trials" / "mind-default-r1")
