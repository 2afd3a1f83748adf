"""Two implementations of attribution, by column and row by row, agree on random campaigns."""

from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from results.criteria import lend
from results.records import Condition, Objects, Process, StepKind
from tests.campaign_builder import BEGAN, SECOND, make_observation, make_step, make_trial
from tests.results import by_column
from tests.results.row_by_row import RowByRow, placed

NODES = ("target", "attacker", "spare")
NAMES = {"target": ("srv", "c" * 64, "10.0.0.2"), "attacker": ("ws", "a" * 64, "10.0.0.3"), "spare": ("sp", "10.0.0.4")}
CONTAINERS = tuple(letter * 64 for letter in "abc")
PATHS = ("/etc/passwd", "/var/spool/", "/var/spool/cron/", "/var/spool/cron/root", "/srv/a")
HALF_HOUR_S = 1800.0
TENTHS = st.integers(-30, 400).map(lambda tenths: tenths / 10)
CRITERIA = st.lists(
    st.lists(
        st.builds(
            Condition,
            field=st.sampled_from(("command_line", "any", "techniques", "destination_port", "file_path", "pid")),
            matches=st.sampled_from(("cron", "^/var", "T1053", "80", "1", "line", "")),
        ),
        max_size=2,
    ).map(tuple),
    max_size=2,
).map(tuple)


@st.composite
def processes(draw, started):
    began = started + draw(st.integers(0, 20)) * SECOND // 10
    ended = draw(st.none() | st.integers(0, 50).map(lambda tenths: began + tenths * SECOND // 10))
    return Process(
        pid=draw(st.integers(1, 6)), node_pid=None, parent_pid=1, started_ns=began, ended_ns=ended, exit_code=0,
        executables=(), command_lines=(),
    )  # fmt: skip


@st.composite
def steps(draw):
    found = []
    for number in range(draw(st.integers(0, 7))):
        started = BEGAN + draw(st.integers(0, 30)) * SECOND
        kind = draw(st.sampled_from(StepKind))
        mirrored = [one.step_id for one in found if one.kind is StepKind.MALICIOUS]
        found.append(
            make_step(
                f"s{number}",
                number,
                kind=kind,
                node=draw(st.sampled_from(NODES)),
                container_id=draw(st.sampled_from(CONTAINERS)),
                started_ns=draw(st.sampled_from((started, started, started, None))),
                ended_ns=started + draw(st.integers(0, 50)) * SECOND // 10,
                processes=tuple(draw(st.lists(processes(started), max_size=3))),
                objects=Objects(
                    files=tuple(draw(st.lists(st.sampled_from(PATHS), max_size=2))),
                    users=tuple(draw(st.lists(st.sampled_from(("root", "eve")), max_size=1))),
                    connections=tuple(draw(st.lists(st.sampled_from(("10.0.0.3", "10.0.0.3:80")), max_size=2))),
                    urls=tuple(draw(st.lists(st.sampled_from(("/a?b=1", "/")), max_size=1))),
                ),
                criteria=draw(CRITERIA),
                twin_of=draw(st.sampled_from(mirrored)) if kind is StepKind.BENIGN and mirrored else None,
            )
        )
    return found


@st.composite
def observations(draw):
    found = []
    for number in range(draw(st.integers(0, 25))):
        one = make_observation(
            f"a{number + 1:06d}",
            draw(TENTHS),
            component=draw(st.sampled_from(("agent", "sensor"))),
            raw=draw(st.sampled_from(("line 1 cron", "line 2", "x", "T1053 80"))),
            canary=draw(st.sampled_from((False, False, False, True))),
            outside=draw(st.sampled_from((False, False, False, True))),
            node=draw(st.sampled_from((None, None, "srv", "target", "10.0.0.3", "unheard", "d" * 12, ""))),
            pid=draw(st.none() | st.integers(1, 7)),
            parent_pid=draw(st.none() | st.integers(1, 7)),
            file_path=draw(st.sampled_from((None, None, *PATHS, "/var/spool/cron/eve", "/var/spoo", ""))),
            url=draw(st.sampled_from((None, None, "/a?b=1", "/c"))),
            user=draw(st.sampled_from((None, None, "root", "eve", "x"))),
            source_address=draw(st.sampled_from((None, None, "10.0.0.3", "10.0.0.9"))),
            destination_address=draw(st.sampled_from((None, None, "10.0.0.3", "10.0.0.9"))),
            destination_port=draw(st.sampled_from((None, 0, 80, 81))),
            container_id=draw(st.sampled_from((None, None, None, *CONTAINERS, "f" * 64))),
            command_line=draw(st.sampled_from((None, "bash cron", "x"))),
            techniques=draw(st.sampled_from(((), ("T1053",), ("T1053", "T1490")))),
        )
        own = draw(st.sampled_from(("kept", "kept", "kept", "none", "zero", "ahead", "zone", "long ago")))
        late = draw(st.integers(0, 40)) * SECOND // 10
        moved = {
            "kept": one.time_ns,
            "none": None,
            "zero": 0,
            "ahead": one.time_ns + 100 * SECOND,
            "zone": one.time_ns + draw(st.sampled_from((-18, -1, 3))) * int(HALF_HOUR_S) * SECOND,
            "long ago": one.time_ns - 1000 * SECOND,
        }
        found.append(one.model_copy(update={"time_ns": moved[own], "received_ns": one.received_ns + late}))
    if draw(st.booleans()):  # a whole component in the wrong zone
        found = [
            one.model_copy(update={"time_ns": one.time_ns and one.time_ns + 9 * 3600 * SECOND})
            if one.component == "sensor" else one
            for one in found
        ]  # fmt: skip
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(steps(), observations(), st.sampled_from((0.0, 2.0)), st.sampled_from((3, 1 << 18)), st.sampled_from((1, 2, 20)))
def test_by_column_and_row_by_row_agree(run, seen, latency_s, rows, most):
    """Ties, canaries, reused pids, wrong times, steps with containers of their own, and several batches."""
    trial = make_trial(node_names=NAMES, latency_s=latency_s)
    lent = lend(run, trial.seed)
    with mock.patch("results.counting.NAMED_AT_MOST", most):
        found, evidence, times = by_column.attribute(lent, trial, seen, rows=rows)
    slow = RowByRow(lent, NAMES, latency_s)
    moments = placed(seen, trial)
    assert times.moment.tolist() == [moment for moment, _rules in moments]
    expected = [
        slow.attribute(trial.trial_id, one, True, moment, rules)
        for one, (moment, rules) in zip(seen, moments, strict=True)
    ]
    assert found == expected
    counted = _counted(expected)
    moment = {one.observation_id: at for one, at in zip(seen, times.moment.tolist(), strict=True)}
    timed = {one.observation_id for one, own in zip(seen, times.timed.tolist(), strict=True) if own}
    assert evidence.keys() == counted.keys()
    for step, ids in counted.items():
        one = evidence[step]
        assert len(one.alerts) == min(most, len(ids))
        assert set(one.alerts) <= ids
        assert one.more_alerts == len(ids) - len(one.alerts)
        assert [moment[name] for name in one.alerts] == sorted(moment[name] for name in ids)[:most]
        assert one.first_ns == min((moment[name] for name in ids & timed), default=None)


def _counted(claims):
    """Step -> ids of the alerts that count for it."""
    found = {}
    for claim in claims:
        if claim.status != "attributed" or "repeated" in claim.irregular:
            continue
        own = [claim.step_id] if claim.kind != "time" or claim.meets_criteria else []
        for step in (*own, *claim.correlated):
            found.setdefault(step, set()).add(claim.observation_id)
    return found
