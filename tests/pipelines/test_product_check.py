"""`pij product check`: what is measured, what is said about it, and the forms that a vendor's CI reads."""

import json
import threading
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines import conformance_items as items
from pipelines.command import app
from pipelines.conformance import TITLES, Conformance, Status, failed, passed, skipped
from pipelines.conformance_live import Burst, Ended, Peak
from pipelines.conformance_measure import NANO, Answers, Completeness, Offset, Shown, clock_offset, completeness
from pipelines.conformance_report import as_junit, as_markdown, as_sarif, as_text, index_markdown
from pipelines.conformance_run import check_product
from pipelines.conformance_session import read_reports, write_page
from pipelines.product_new import new_product
from pipelines.submission import unfilled
from products.manifest import CanaryAction, read_product
from results.errors import EvaluationError, Problem
from results.records import Observation, Text

RUNNER = CliRunner()
SMALL = Path(__file__).parent.parent / "small" / "small_sensor"


def observation(**values):
    fields = {
        "observation_id": "a1", "component": "main", "time_ns": 1, "received_ns": 2, "raw": "{}", "raw_length": 2,
        "raw_sha256": "0" * 64,
    }  # fmt: skip
    return Observation.model_validate(fields | values)


def shown(began, ended, stamped, received):
    """Times in seconds."""
    return Shown(
        int(began * NANO), int(ended * NANO), None if stamped is None else int(stamped * NANO), int(received * NANO)
    )


def test_a_clock_that_agrees_has_none_within_the_bounds():
    assert clock_offset([shown(1, 1.1, 1.05, 1.5), shown(2, 2.1, 2.1, 2.2)], 0) == Offset(
        pytest.approx(-0.1), pytest.approx(0.05)
    )


@pytest.mark.parametrize("ahead", [3600.0, 5.0, -5.0, -32400.0])
def test_a_clock_that_is_off_is_found_within_the_time_an_alert_takes(ahead):
    offset = clock_offset([shown(t, t + 0.1, t + 0.05 + ahead, t + 0.3) for t in range(1, 6)], 0)
    assert offset.low_s <= ahead <= offset.high_s
    assert offset.high_s - offset.low_s == pytest.approx(0.3, abs=0.001)
    assert abs(offset.least_s) <= abs(ahead)


def test_a_product_that_stamps_late_is_not_said_to_have_a_wrong_clock():
    """It stamps when it notices: that is after the act, and before the receipt."""
    assert items.clock_item([shown(1, 1.1, 1.9, 2.0)], []).status is Status.PASSED


def test_times_cut_to_seconds_widen_the_bounds_and_accuse_nobody():
    """Cut down to 1, told as 2 (the latest that it can mean), but never after receipt."""
    assert clock_offset([shown(1.2, 1.3, 1.4, 1.4)], 1.0) == Offset(pytest.approx(-1.0), pytest.approx(1.2))


def test_a_clock_that_jumps_fits_no_offset():
    item = items.clock_item([shown(1, 1.1, 1.05, 1.5), shown(2, 2.1, 9.0, 2.2)], [])
    assert (item.status, item.allowed) == (Status.FAILED, "one offset for every alert")


def test_a_clock_in_another_zone_is_said_with_its_least_offset():
    item = items.clock_item([shown(1, 1.1, 32401.05, 1.5)], [])
    assert (item.status, item.measured["least_s"]) == (Status.FAILED, 32399.55)
    assert item.found.startswith("off by at least +32399.550 s")


def test_without_times_nothing_is_said_about_the_clock():
    assert items.clock_item([shown(1, 1.1, None, 2)], []).status is Status.SKIPPED


def test_each_canary_of_a_burst_is_told_by_its_nonce():
    answers = Answers({"title": "^canary ${nonce}$", "any": "${nonce}"})
    records = [observation(title=f"canary {nonce}", raw=nonce) for nonce in ("aaaaaaaa", "bbbbbbbb", "bbbbbbbb")]
    records.append(observation(title="canary cccccccc", raw="x"))
    assert answers.count(records, ["aaaaaaaa", "bbbbbbbb", "dddddddd"]) == {"aaaaaaaa": 1, "bbbbbbbb": 2}
    assert answers.most is None


def test_a_canary_that_knows_only_a_number_can_be_told_apart_250_times():
    answers = Answers({"source_address": r"^192\.0\.2\.${number}$"})
    assert (answers.most, answers.of(observation(source_address="192.0.2.77"))) == (250, "77")


def test_a_nonce_that_stands_twice_in_a_pattern_must_be_the_same():
    answers = Answers({"title": "${nonce} and ${nonce}"})
    assert answers.of(observation(title="aaaaaaaa and aaaaaaaa")) == "aaaaaaaa"
    assert answers.of(observation(title="aaaaaaaa and bbbbbbbb")) is None


def canary(**values):
    return CanaryAction.model_validate({"command": "x ${nonce}", "expect": {"any": "${nonce}"}} | values)


WHY = Text(en="each act starts a scan", ja="毎回走査するため")


@pytest.mark.parametrize(
    ("burst", "action", "numbered", "status", "words"),
    [
        (Burst(1000, 1000, 1000, 1000, 9.0, 1.0), canary(), None, Status.PASSED, "1000 of 1000 acts answered"),
        (Burst(1000, 1000, 1000, 1007, 9.0, 1.0), canary(), None, Status.PASSED, "7 further alerts on the same acts"),
        (Burst(1000, 1000, 999, 999, 9.0, 1.0), canary(), None, Status.FAILED, "999 of 1000"),
        (Burst(1000, 400, 400, 400, 40.0, 1.0), canary(), None, Status.PASSED, "no more of the 1000 fitted"),
        (Burst(1000, 30, 30, 30, 40.0, 1.0), canary(), None, Status.FAILED, "30 of 30"),
        (
            Burst(20, 20, 20, 20, 30.0, 1.0),
            canary(burst=20, burst_why=WHY),
            None,
            Status.PASSED,
            "each act starts a scan",
        ),
        (Burst(250, 250, 250, 250, 9.0, 1.0), canary(), 250, Status.FAILED, "250 of 250"),
    ],
)
def test_a_burst_is_passed_only_with_an_answer_to_each_act(burst, action, numbered, status, words):
    item = items.burst_item(burst, action, numbered)
    assert (item.status, words in item.found, bool(item.mend)) == (status, True, status is Status.FAILED)


def test_the_share_of_what_could_not_be_read_is_said_with_examples():
    found = completeness(
        [observation(title="x", pid=1), observation(time_ns=None)], [(4, 2, 0, 0)], ["time", "title", "pid", "user"]
    )
    assert found == Completeness(4, 2, 2, 0, 0, 1, 1, {"pid": 1, "title": 1, "user": 2})
    item = items.mapping_item(found, [("not a JSON object", "[1]")], [])
    assert item.status is Status.FAILED
    assert "2 unreadable (50.0%), 1 without a time (25.0%), 1 without a rule or title (25.0%)" in item.found
    assert item.table[-1] == ("unreadable: not a JSON object", "[1]", "")


def test_a_product_whose_alerts_have_no_time_is_told_so_and_not_failed():
    found = Completeness(2, 2, 0, 0, 0, 2, 0, {})
    assert items.mapping_item(found, [], [], untimed=True).status is Status.PASSED
    assert items.mapping_item(found, [], [], untimed=False).status is Status.FAILED


def test_fields_that_some_alerts_lack_are_shown_and_not_held_against_it():
    found = Completeness(2, 2, 0, 0, 0, 0, 0, {"pid": 1, "user": 2})
    item = items.mapping_item(found, [], [])
    assert (item.status, item.table[1:]) == (Status.PASSED, (("pid", "1", "50%"), ("user", "2", "100%")))


@pytest.mark.parametrize(
    ("longest", "done", "status"), [(0.5, 1, Status.PASSED), (2.0, 1, Status.FAILED), (0.5, 2, Status.FAILED)]
)
def test_alerts_must_come_within_the_declared_time_each_at_once(longest, done, status):
    assert items.delay_item([shown(1, 1, 1, 1 + longest)], done, 1.0).status is status


def test_what_ends_late_or_leaves_programs_running_is_named():
    item = items.shutdown_item([Ended("a", None, ()), Ended("b", 0.1, ("/usr/bin/jq",))])
    assert item.found == "a still ran 10 s after SIGTERM; left running by b: /usr/bin/jq"
    assert items.shutdown_item([Ended("a", 0.1, ())]).status is Status.PASSED
    assert items.shutdown_item(None).status is Status.SKIPPED


def test_more_than_declared_or_killed_is_over_the_limit():
    product = read_product(SMALL)
    assert items.resources_item(product, Peak({"agent": 1 << 20})).status is Status.PASSED
    assert items.resources_item(product, Peak({"agent": 3 << 30})).status is Status.FAILED
    assert items.resources_item(product, Peak({"agent": 1}, oom_kills={"agent": 1})).status is Status.FAILED
    assert items.resources_item(product, Peak()).status is Status.SKIPPED


def test_right_after_new_exactly_the_lines_to_fill_in_are_named(tmp_path):
    folder = new_product("my-edr", "edr", None, tmp_path)
    item = items.filled_item(unfilled(folder))
    lines = (folder / "product.yaml").read_text("utf-8").splitlines()
    assert item.found == "product.yaml line 6 (vendor), product.yaml line 9 (homepage), README.md line 3"
    assert (lines[5][:7], lines[8][:9]) == ("vendor:", "homepage:")


def report(**values):
    problem = Problem(
        path="my_edr/product.yaml", line=7, field="class", found="'x'", allowed="a class", mend="Correct."
    )
    kinds = {
        "lint": failed("lint", "1 problem(s)", "none", "Mend it.", problems=(problem,)),
        "burst": failed("burst", "999 of 1000 \x1b[2J <b>|", "all", "Look for queues."),
        "clock": skipped("clock", "no time", "Map it."),
        "rights": passed("rights", "1 right", table=(("component", "right", "why"), ("main", "NET_RAW", "a|b"))),
    }
    fields = {
        "product": "my_edr", "product_name": "My EDR <x>", "vendor": "v", "product_class": "behaviour_detection",
        "version": "1", "arm": "default", "environment": "linux_server", "plan": "dry_run_linux",
        "provenance": {"git": "0" * 40, "engine": "Docker 26"}, "started": "2026-11-28T00:00:00+00:00", "seconds": 60.0,
        "build_seconds": 1.0, "items": [kinds.get(name) or passed(name, "fine") for name in TITLES],
    }  # fmt: skip
    return Conformance.model_validate(fields | values)


def test_the_json_report_is_read_back_as_it_was():
    assert Conformance.model_validate_json(as_text(report())) == report()


def test_junit_counts_each_item_once():
    text = as_junit(report())
    (suite,) = ElementTree.fromstring(text)
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == (str(len(TITLES)), "2", "1")
    assert [case.get("name") for case in suite] == [title.en for title in TITLES.values()]
    assert "\x1b" not in text
    assert "Look for queues." in text


def test_sarif_has_what_the_schema_requires():
    """Required by its schema: version, runs, tool.driver.name, result.message, rule.id, and known kinds and levels."""
    log = json.loads(as_sarif(report(), "my_edr/product.yaml"))
    assert (log["version"], log["$schema"][-15:]) == ("2.1.0", "sarif-2.1.0.json"[-15:])
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert run["tool"]["driver"]["name"]
    assert [rule["id"] for rule in rules] == list(TITLES)
    for result in run["results"]:
        assert result["message"]["text"]
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["kind"] in {"notApplicable", "pass", "fail", "review", "open", "informational"}
        assert result["level"] in {"none", "note", "warning", "error"}
        assert (result["level"] == "error") == (result["kind"] == "fail")  # 3.27.10: any other kind has level none
        (location,) = result["locations"]
        assert location["physicalLocation"]["artifactLocation"] == {"uri": "my_edr/product.yaml"}
    lint = next(result for result in run["results"] if result["ruleId"] == "lint")
    assert lint["locations"][0]["physicalLocation"]["region"] == {"startLine": 7}


def test_nothing_of_a_report_is_markup_on_its_page():
    page = as_markdown(report(), "pij product check my_edr")
    assert "My EDR \\<x\\>" in page
    assert "999 of 1000 \\\\x1b\\[2J \\<b\\>\\|" in page
    assert "| main | NET\\_RAW | a\\|b |" in page


def test_a_folder_of_pages_has_an_index_of_all_of_them(tmp_path):
    write_page(report(), tmp_path)
    write_page(report(product="other", arm="tuned"), tmp_path)
    assert [one.product for one in read_reports(tmp_path)] == ["my_edr", "other"]
    index = (tmp_path / "README.md").read_text("utf-8")
    assert index == index_markdown([report(), report(product="other", arm="tuned")])
    assert all((tmp_path / name).is_file() for name in ("my_edr-default.md", "other-tuned.md"))
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(EvaluationError, match=r"broken\.json"):
        read_reports(tmp_path)


def test_a_product_that_is_not_there_is_named_with_the_nearest(tmp_path):
    new_product("my-edr", "edr", None, tmp_path)
    done = RUNNER.invoke(app, ["product", "check", f"{tmp_path}/my_adr"])
    assert (done.exit_code, "Did you mean 'my_edr'?" in done.output) == (2, True)


def test_either_a_product_or_all_of_them(tmp_path):
    assert RUNNER.invoke(app, ["product", "check"]).exit_code == 2
    assert RUNNER.invoke(app, ["product", "check", "clamav", "--all"]).exit_code == 2


@pytest.mark.docker
def test_a_real_product_is_measured_from_its_build_to_its_end(engine, runs):
    """It alerts on everything, and does not pass the request to end on to its parts: both are found."""
    lines = []
    early = threading.Event()
    found = check_product(engine, SMALL, "good", None, {}, {}, lines.append, threading.Event(), early)
    by_id = {item.id: item for item in found.items}
    wrong = {name: item.found for name, item in by_id.items() if item.status is not Status.PASSED}
    assert set(wrong) - {"delay"} == {"shutdown"}, wrong  # it looks once a second, and declares one second
    assert "/usr/bin/tail" in wrong["shutdown"]
    burst = by_id["burst"].measured
    assert burst["answered"] == burst["done"] >= 100
    assert by_id["mapping"].measured["unreadable"] == 0
    assert {row[0] for row in by_id["dry-run"].table[1:]} >= {"guess-password", "add-cron-job", "idle"}
    assert not engine.client.containers.list(all=True, filters={"label": "pij.campaign=check-small_sensor"})
    assert any(line.startswith("burst: ") for line in lines)
