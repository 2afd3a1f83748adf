"""Ordinary work, timed: which work an arm is given, what is said of one that gives no times, and the page."""

import json
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from pipelines.command import app
from pipelines.overhead import Measured, asked_arm, assign, read_measured, timed_work
from pipelines.overhead_page import markdown, unmeasured_rows
from pipelines.overhead_picture import picture
from pipelines.registry import folders
from results.costs import NEVER_COUNTED
from results.errors import ContentError
from results.measures import Cost, Estimate
from results.overhead import Overhead, WorkloadLine
from results.paths import ROOT
from results.records import ResourceSample, StepKind, TrialStatus
from results.seal import seal_trial
from results.store import write_trial
from tests.campaign_builder import BEGAN, HOSTILE, SECOND, make_step, make_trial, text

SMALL = ROOT / "tests" / "small"
WEB = {"crowdsec", "fail2ban", "modsecurity_crs", "suricata", "suricata_inline"}


def test_each_product_gets_the_work_that_it_sees():
    """Else a gateway would be timed on a machine without traffic, and a file monitor on one whose files rest."""
    arms = [asked_arm(folder.name) for folder in folders("product")]
    given = {work.plan.id: {arm.product.id for arm in its} for work, its in assign(arms, timed_work())}
    assert given == {"web_load": WEB, "working_load": {arm.product.id for arm in arms} - WEB}


def test_work_that_no_arm_is_given_is_not_run():
    assert [work.plan.id for work, _arms in assign([asked_arm("aide")], timed_work())] == ["working_load"]


def test_every_plan_that_is_named_is_run_with_every_arm():
    given = assign([asked_arm("aide-tuned"), asked_arm("yara")], timed_work(["web_load", "working_load"]), forced=True)
    assert [(work.plan.id, [arm.key for arm in its]) for work, its in given] == [
        ("web_load", ["aide-tuned", "yara-default"]),
        ("working_load", ["aide-tuned", "yara-default"]),
    ]


def test_arms_that_fit_nowhere_are_refused_by_name_all_at_once():
    """Else one would be told of after the other, or measured where it sees nothing."""
    arms = [asked_arm("suricata"), asked_arm("modsecurity_crs-blocking"), asked_arm("aide")]
    with pytest.raises(ContentError) as caught:
        assign(arms, timed_work(["working_load"]), forced=True)
    assert [(one.path, one.field, one.mend) for one in caught.value.problems] == [
        ("suricata-default", "plan working_load: canary.node", "Leave --plan out, or name web_load."),
        (
            "modsecurity_crs-blocking",
            "plan working_load: components.0.placement",
            "Leave --plan out, or name web_load.",
        ),
    ]


def test_an_arm_that_fits_none_of_the_work_is_told_why_for_each():
    only = [work for work in timed_work() if work.plan.id == "working_load"]
    with pytest.raises(
        ContentError, match=r"suricata-default: plan working_load: canary.node: found 'attacker'.*--plan"
    ):
        assign([asked_arm("suricata")], only)


def test_a_plan_that_is_not_there_to_be_timed_is_refused():
    with pytest.raises(ContentError, match=r"server_day.*baseline.timed.*such as web_load, working_load"):
        timed_work(["server_day"])


def work(*lengths_s):
    return [
        make_step(f"pack-{n}", n, kind=StepKind.BENIGN, started_ns=BEGAN, ended_ns=BEGAN + round(s * SECOND))
        for n, s in enumerate(lengths_s, 1)
    ]


def used(cpu_s, *names):
    return [
        ResourceSample(time_ns=BEGAN + n * SECOND, container=name, cpu_s=n * cpu_s, memory_bytes=2**20 * 8)
        for name in names
        for n in (0, 1)
    ]


@pytest.fixture
def measured(tmp_path):
    """Two rounds: one arm is late with its last canary, one fails, one was never started."""
    trials = {
        "control-r1": (TrialStatus.COMPLETED, "", work(1, 1), used(1, "target")),
        "control-r2": (TrialStatus.COMPLETED, "", work(2, 2), used(1, "target")),
        "eyes-default-r1": (TrialStatus.COMPLETED, "", work(2, 2), used(3, "target", "agent")),
        "eyes-default-r2": (TrialStatus.FLUSH_TIMED_OUT, "late", work(4, 4), used(3, "target", "agent")),
        "gate-default-r1": (TrialStatus.NOT_READY, f"no log\n{HOSTILE}", [], []),
    }
    for name, (status, reason, steps, resources) in trials.items():
        record = make_trial(name, status=status, reason=reason, node_names={"target": ("target",)})
        partial = tmp_path / "trials" / f".{name}.partial"
        write_trial(partial, record, steps, [], [], resources)
        seal_trial(partial)
    (load,) = [one for one in timed_work() if one.plan.id == "working_load"]
    return read_measured(load, ["eyes-default", "gate-default", "late-default"], tmp_path)


def test_times_and_use_are_of_the_same_rounds_also_where_the_last_canary_never_came(measured):
    """Else a product that is too busy to answer would have times, and no cost."""
    (one,) = measured.overheads
    assert (one.arm_key, one.repetitions, one.together.value) == ("eyes-default", (1, 2), 2.0)
    cpu = next(cost for cost in measured.costs["eyes-default"] if cost.resource == "cpu_seconds")
    assert [(part.value, part.n) for part in (cpu.own, cpu.on_nodes)] == [(3.0, 2), (2.0, 2)]
    assert [said.split(" did not")[0] for said in measured.remarks["eyes-default"]] == [
        "after the work of 1 of 2 rounds it"
    ]


def test_an_arm_without_times_is_named_with_the_reason(measured):
    """Else it would be missing from the table, and nobody would know why."""
    assert measured.unmeasured == {
        "gate-default": "1 of its trials not_ready: no log",
        "late-default": "no trial of it ran in the same round as a control that ran through",
    }
    assert [row["not measured"] for row in unmeasured_rows([measured])] == ["gate-default", "late-default"]


def estimate(value, low=None, high=None, reason=None):
    return Estimate(value=value, low=low, high=high, n=2, of="repetitions", unit="ratio", method="m", reason=reason)


def whole(*overheads, costs=None):
    return Measured(
        plan="web_load", title=text("Shop & <work>"), environment="web_dmz", results="overhead_web_load", actions=(),
        versions={"eyes-default": "1 | 2"}, overheads=overheads, costs=costs or {}, remarks={}, unmeasured={},
    )  # fmt: skip


def overhead(key, **lines):
    own = tuple(
        WorkloadLine(workload=name, title=text(name), without_s=1.0, with_s=2.0, ratio=one)
        for name, one in lines.items()
    )
    return Overhead(arm_key=key, repetitions=(1, 2), together=estimate(1.5, 1.2, 1.9), workloads=own)


def test_the_picture_shows_every_ratio_with_its_interval():
    """What people look at is the picture: it must hold what the table holds, and be one."""
    found = whole(
        overhead("eyes-default", browse=estimate(2.0, 1.5, 3.0), pack=estimate(None, reason="none was done")),
        overhead("gate-<b>", browse=estimate(0.5, 0.001, 90.0)),
    )
    drawn = ElementTree.fromstring(picture(found))
    titles = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert titles[0] == "Shop & <work>: how many times as long with a product"
    assert set(titles[1:]) == {
        "eyes-default, all together: 1.5 times as long, 95 % interval 1.2 to 1.9",
        "eyes-default, browse: 2 times as long, 95 % interval 1.5 to 3",
        "gate-<b>, all together: 1.5 times as long, 95 % interval 1.2 to 1.9",
        "gate-<b>, browse: 0.5 times as long, 95 % interval 0.001 to 90",
    }
    arrows = list(drawn.iter("{http://www.w3.org/2000/svg}path"))
    assert len(arrows) == 2  # both ends of the one interval that is wider than the picture


def test_one_round_has_a_picture_without_intervals():
    drawn = picture(whole(overhead("eyes-default", browse=estimate(2.0, reason="one repetition has no spread"))))
    assert "2 times as long (one repetition has no spread)" in drawn


def test_what_nobody_counted_is_said_once_and_bytes_are_megabytes():
    """Sixty rows of "not counted" hide the rows that say something."""
    none = estimate(None, reason=NEVER_COUNTED)
    costs = {
        key: (
            Cost(resource="disk_read_bytes", own=none, on_nodes=none),
            Cost(resource="memory_peak_bytes", own=estimate(2**21, 2**20, 2**22), on_nodes=estimate(0.0, 0.0, 0.0)),
        )
        for key in ("eyes-default", "gate-default")
    }
    page = markdown([whole(overhead("eyes-default", browse=estimate(2.0, 1.5, 3.0)), costs=costs)], "pij …", "page")
    assert page.count(NEVER_COUNTED) == 1
    assert "| eyes-default | memory_peak (MiB) | 2 [1, 4] | 0 [0, 0] |" in page
    assert "](page-web_load.svg)" in page


@pytest.mark.docker
def test_an_arm_is_timed_beside_a_control_and_one_that_does_not_build_is_named(engine, runs, tmp_path):
    """The whole way, with a plan and products of one's own: folders, no Python."""
    page = tmp_path / "page.md"
    asked = [str(SMALL / "small_sensor-good"), str(SMALL / "small_broken-good"), "--plan", str(SMALL / "small_load")]
    done = CliRunner().invoke(app, ["overhead", *asked, "--rounds", "1", "--markdown", str(page), "--json"])
    assert done.exit_code == 1, done.output
    (found,) = json.loads(done.stdout)
    (one,) = found["overheads"]
    assert (found["results"], one["arm_key"], one["repetitions"]) == ("overhead_small_load", "small_sensor-good", [1])
    assert one["together"]["value"] > 0
    assert "build_failed" in found["unmeasured"]["small_broken-good"]
    assert {cost["resource"] for cost in found["costs"]["small_sensor-good"]} >= {"cpu_seconds", "memory_peak_bytes"}
    assert "small_broken-good" in page.read_text("utf-8")
    assert (tmp_path / "page-small_load.svg").is_file()
