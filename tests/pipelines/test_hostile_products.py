"""Products that tell their secret, fill the disk, fork without end: they gain nothing, and it is reported."""

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from pipelines.campaign import prepare
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule, run_plain
from results.publish import publish_campaign
from results.records import AttributionStatus, TrialStatus
from results.store import read_alerts, read_attributions, read_summary, read_trial

HOSTILE = Path(__file__).parent.parent / "small" / "hostile.yaml"
KEY = 'k3y of/the <API>+for "tests"'
FORMS = (
    KEY, quote(KEY), quote(KEY, safe=""), KEY.encode().hex(), json.dumps(KEY)[1:-1],
    *(base64.b64encode(before + KEY.encode()).decode()[4:-4] for before in (b"", b"a", b"ab", b"key=")),
)  # fmt: skip


@pytest.fixture(scope="module")
def secret(tmp_path_factory):
    file = tmp_path_factory.mktemp("secrets") / "key"
    file.write_text(KEY + "\n")
    return file


@pytest.fixture(scope="module")
def events():
    return []


@pytest.fixture(scope="module")
def campaign(engine, tmp_path_factory, events, secret):
    prepared = prepare(str(HOSTILE), secrets={"api_key": secret})
    folder = open_campaign(prepared, tmp_path_factory.mktemp("runs"), fresh=False)
    run = CampaignRun(engine, prepared, folder, lambda name, line: events.append(f"{name} {line}"))
    run_plain(Schedule((run,)))
    return folder


def trial(campaign, arm):
    return read_trial(campaign / "trials" / f"small_sources-{arm}-r1")


@pytest.mark.docker
def test_a_product_that_fills_the_disk_is_stopped_and_the_bytes_are_told(campaign):
    """Also what it writes into a file that it has deleted: else the engine's disk would be full."""
    found = trial(campaign, "fills")
    (line,) = found.conduct
    written = int(line.split()[1])
    assert (found.status, found.reason) == (TrialStatus.PRODUCT_FAILED, f"it was stopped: {line}")
    assert line == f"disk: {written} bytes written by component 'eyes', allowed {64 << 20}"
    assert 64 << 20 < written < 2 << 30


@pytest.mark.docker
def test_a_product_that_fills_its_nodes_disk_is_the_one_that_failed(campaign):
    """Nothing less than ending the node stops what has detached itself; that must not look like our own failure."""
    found = read_trial(campaign / "trials" / "small_sensor-fills-r1")
    (line,) = found.conduct
    assert (found.status, found.reason) == (TrialStatus.PRODUCT_FAILED, f"it was stopped: {line}")
    assert "node 'target', which component 'agent' shares" in line


@pytest.mark.docker
def test_a_product_that_forks_and_eats_without_end_harms_itself_only_and_it_is_told(campaign):
    found = trial(campaign, "grabs")
    assert found.status is TrialStatus.COMPLETED
    words = sorted(line.partition(":")[0] for line in found.conduct)
    assert words == ["memory", "processes"]


@pytest.mark.docker
def test_no_way_out_of_its_container_is_open_to_a_product(campaign):
    """Engine socket, host, other processes, mounts, namespaces, devices, frames: it really tried, and says so."""
    titles = {alert.title for alert in read_alerts(campaign / "trials" / "small_sources-reaches-r1")}
    assert trial(campaign, "reaches").status is TrialStatus.COMPLETED
    assert "tried 14 ways, open: []" in titles
    assert {title for title in titles if "open: [" in title} == {"tried 14 ways, open: []"}


@pytest.mark.docker
def test_a_forged_alert_is_its_senders_own_and_counts_for_no_step(campaign):
    """Whatever product, container or time it names: an alert belongs to the trial that it came in."""
    folder = campaign / "trials" / "small_sources-reaches-r1"
    forged = {a.observation_id for a in read_alerts(folder) if a.title == "the other product missed everything"}
    claims = [one for one in read_attributions(campaign) if one.observation_id in forged]
    assert forged
    assert {one.trial_id for one in claims if one.trial_id == folder.name} == {folder.name}
    mine = [one for one in claims if one.trial_id == folder.name]
    assert {one.step_id for one in mine if one.status is AttributionStatus.ATTRIBUTED} == set()
    line = next(one for one in read_summary(campaign).trials if one.trial_id == folder.name)
    assert line.quality.outside >= len(forged)  # it names a process that is in none of the trial's nodes


@pytest.mark.docker
def test_a_secret_is_in_no_file_of_a_run_whatever_the_product_does_with_it(campaign, tmp_path, events):
    """Printed, encoded, in an alert, an answer, a last word: a licence key must not be published with the results."""
    found = trial(campaign, "leaks")
    assert found.status is TrialStatus.PRODUCT_FAILED
    assert (found.product_version, "died with [secret api_key]" in found.reason) == ("1.2.3 [secret api_key]", True)
    alerts = read_alerts(campaign / "trials" / "small_sources-leaks-r1")
    assert any(alert.raw.count("[secret api_key]") == 5 for alert in alerts)
    publish_campaign(campaign, tmp_path / "page")
    texts = {"events": "\n".join(events)}
    for path in [*campaign.rglob("*"), *(tmp_path / "page").rglob("*")]:
        if path.suffix == ".parquet":
            texts[str(path)] = json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False)
        elif path.is_file():
            texts[str(path)] = path.read_text("utf-8", "replace")
    assert len(texts) > 10
    assert [(name, form) for name, text in texts.items() for form in FORMS if form in text] == []


def test_a_secret_is_no_part_of_a_campaigns_digest(tmp_path, secret, monkeypatch):
    """Else two evaluators with two licences would have two campaigns, and a short key could be guessed from it."""
    monkeypatch.setenv("PIJ_SECRET_API_KEY", "another-key-altogether")
    assert prepare(str(HOSTILE)).digest == prepare(str(HOSTILE), secrets={"api_key": secret}).digest


def test_a_secret_that_was_not_given_is_asked_for(monkeypatch):
    monkeypatch.delenv("PIJ_SECRET_API_KEY", raising=False)
    (missing,) = prepare(str(HOSTILE)).entries[0].missing_content
    assert missing == ("secret api_key: The key of its API. (give it as PIJ_SECRET_API_KEY or --secret api_key=FILE)")
