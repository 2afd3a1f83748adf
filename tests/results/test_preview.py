"""A vendor's own view names nobody else, and shows the numbers that would be published."""

import re
import zipfile

import pyarrow.parquet as pq
import pytest

from results.errors import EvaluationError
from results.preview import COVERED, complaints, others, write_preview
from results.registration import Registration, committed, write_registration
from results.scoring import score_campaign
from results.seal import verify_seal
from results.store import read_alerts, read_summary, read_trial, read_verdicts
from tests import campaign_builder as builder
from tests.campaign_builder import alerts_of, build_campaign, make_observation, make_trial

OTHERS = re.compile(rb"(?i)(?<![a-z])gate(?![a-z])")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = build_campaign(tmp_path_factory.mktemp("scored"))
    score_campaign(found)
    return found


def written(folder):
    """Every byte of a folder, tables and archives unpacked."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        yield str(path.relative_to(folder)).encode()
        yield path.read_bytes()
        if path.suffix == ".parquet":
            yield repr(pq.read_table(path).to_pylist()).encode()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                yield from (archive.read(name) for name in archive.namelist())


def test_nothing_of_a_view_names_another_product(folder, tmp_path):
    trials, covered = write_preview(folder, "eyes", tmp_path / "view")
    assert set(trials) == {f"{arm}-r{n}" for arm in ("control", "eyes-default", "eyes-tuned") for n in (1, 2)}
    assert covered == ()
    for data in written(tmp_path / "view"):
        assert not OTHERS.search(data)


def test_the_numbers_of_a_view_are_those_that_would_be_published(folder, tmp_path):
    write_preview(folder, "eyes", tmp_path / "view")
    whole, own = read_summary(folder), read_summary(tmp_path / "view")
    assert own.arms == tuple(arm for arm in whole.arms if arm.product in (None, "eyes"))
    assert own.comparison is None
    assert {one.trial_id for one in own.cells} == {one.trial_id for one in own.trials if one.status == "completed"}
    mine = [one for one in read_verdicts(folder) if not one.trial_id.startswith("gate")]
    assert read_verdicts(tmp_path / "view") == mine


def test_trials_that_name_nobody_else_are_handed_over_sealed(folder, tmp_path):
    write_preview(folder, "eyes", tmp_path / "view")
    for trial in (tmp_path / "view" / "trials").iterdir():
        assert verify_seal(trial) == verify_seal(folder / "trials" / trial.name)


def test_what_a_sensor_saw_of_other_products_is_covered_up_and_said(tmp_path, monkeypatch):
    """A sensor on the engine host sees more than its own trial."""
    seen = make_observation("a000009", 99.0, raw="exec /opt/gate/bin Gate-Default aggregate", command_line="gate -d")
    more = {"eyes-default": [seen]}
    monkeypatch.setattr(builder, "alerts_of", lambda arm: [*alerts_of(arm), *more.get(arm, [])])
    monkeypatch.setattr(builder, "make_trial", lambda name, **c: make_trial(name, **({"notes": ("beside gate",)} | c)))
    folder = build_campaign(tmp_path)
    score_campaign(folder)
    _trials, covered = write_preview(folder, "eyes", tmp_path / "view")
    arms = ("control", "eyes-default", "eyes-tuned")
    assert covered == tuple(f"{arm}-r{number}" for number in (1, 2) for arm in arms)
    trial = tmp_path / "view" / "trials" / "eyes-default-r1"
    last = read_alerts(trial)[-1]
    assert (last.raw, last.command_line) == (f"exec /opt/{COVERED}/bin {COVERED} aggregate", f"{COVERED} -d")
    assert (read_trial(trial).notes, (trial / "seal.json").exists()) == ((f"beside {COVERED}",), False)
    for data in written(tmp_path / "view"):
        assert not OTHERS.search(data)


def test_every_miss_and_every_false_alarm_is_a_complaint_and_nothing_else(folder):
    found = {(one.trial_id, one.step_id, what) for one, what in complaints(read_verdicts(folder), ["eyes-default-r1"])}
    assert found == {
        ("eyes-default-r1", "fetch", "miss"),
        ("eyes-default-r1", "wipe", "miss"),
        ("eyes-default-r1", "twin-cron", "false_alarm"),
    }
    assert not list(complaints(read_verdicts(folder), ["control-r1"]))


def test_a_product_that_is_not_there_and_a_folder_that_is_are_refused(folder, tmp_path):
    with pytest.raises(EvaluationError, match=r"found 'ears'; allowed: eyes, gate"):
        write_preview(folder, "ears", tmp_path / "view")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("x")
    with pytest.raises(EvaluationError, match="found files"):
        write_preview(folder, "eyes", tmp_path / "mine")
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["letter.txt"]


def test_names_of_others_are_all_by_which_a_reader_would_know_them(folder):
    assert others(folder, "eyes") == ("gate-default-r1", "gate-default-r2", "gate-default", "Gate", "gate")


def test_a_view_has_its_own_part_of_how_the_campaign_stands_to_its_registration(tmp_path):
    """Else a vendor would learn from it which others were registered."""
    folder = build_campaign(tmp_path)
    seeds = dict.fromkeys(("eyes-default-r3", "gate-tuned-r1", "control-r3"), 1)
    registration = Registration(
        campaign="demo", definition="f" * 64, plan="chain", plan_digest="p" * 64, held_out=False,
        environment="server", environment_digest="e" * 64, products={"gate-default": "b" * 64}, seeds=seeds,
        attack_release="enterprise 17.0", scorer_version="1", methodology="0" * 64, registered_ns=1,
    )  # fmt: skip
    write_registration(folder, committed(registration))
    score_campaign(folder)
    write_preview(folder, "eyes", tmp_path / "view")
    found = read_summary(tmp_path / "view").people.registration
    assert found.missing == ("control-r3", "eyes-default-r3")
    assert {one.subject for one in found.departures} == {
        None, *(f"{arm}-r{number}" for arm in ("control", "eyes-default", "eyes-tuned") for number in (1, 2)),
    }  # fmt: skip
    for data in written(tmp_path / "view"):
        assert not OTHERS.search(data)
