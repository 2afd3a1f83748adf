"""The long-lived shell: exact bytes, separate outputs, honest lengths, and the process tree beside it."""

import hashlib
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.images import base_image
from environments.labels import labels
from environments.session import OUTPUT_CAP, quote
from environments.standing import stand_up
from environments.witness import Witness, witness_image
from pipelines.build import build_nodes
from pipelines.campaign import prepare

SMALL = Path(__file__).parent.parent / "small" / "small.yaml"


@pytest.fixture(scope="module")
def target(engine):
    prepared = prepare(str(SMALL))
    images = build_nodes(engine, prepared.environment, prepared.environment_folder, base_image(engine, print), print)
    marked = labels("session", "x")
    with (
        Witness(engine, witness_image(engine, print), marked) as witness,
        stand_up(engine, prepared.environment, images, witness, marked, {}, threading.Event()) as target,
    ):
        yield target


@pytest.fixture(scope="module")
def session(target):
    with target.open_session("target", "sato") as session:
        yield session


@pytest.mark.docker
@pytest.mark.parametrize(
    "script", ["a\nb", "'\"\\$`!", "tab\there", "日本語 ⟦‮⟧", "$'x' \\n", " # no comment", "\x01\x7f"]
)
def test_the_executor_gets_exactly_the_bytes(session, script):
    """Else what ran would not be what upstream wrote."""
    finished = session.run("bash", f"cat <<'END OF IT'\n{script}\nEND OF IT\n", 10)
    assert (finished.exit_code, finished.stdout.text) == (0, f"{script}\n")


@pytest.mark.docker
def test_outputs_are_apart_and_their_length_and_hash_are_of_the_whole(session):
    finished = session.run("sh", "head -c 200000 /dev/zero | tr '\\0' x; echo oh >&2; exit 7", 10)
    assert (finished.exit_code, finished.stderr.text) == (7, "oh\n")
    assert (finished.stdout.length, len(finished.stdout.text)) == (200_000, OUTPUT_CAP)
    assert finished.stdout.sha256 == hashlib.sha256(b"x" * 200_000).hexdigest()


@pytest.mark.docker
def test_a_step_is_a_process_group_of_its_own_and_its_tree_is_known(session, target):
    finished = session.run("bash", "cut -d' ' -f5 /proc/$$/stat; /bin/true; (exec sleep 0.01)", 10)
    target.witness.sync()
    leader = target.witness.children(session.pid)[-1]
    assert leader.node_pid == finished.node_pid == int(finished.stdout.text)
    tree = [process.record() for process in target.witness.tree(leader)]
    assert tree[0].pid == leader.pid
    assert any("sleep 0.01" in line for process in tree for line in process.command_lines)
    assert all(process.ended_ns is not None and process.ended_ns >= process.started_ns for process in tree)


@pytest.mark.docker
def test_a_step_that_runs_too_long_is_killed_with_all_it_started(session, target):
    assert session.run("bash", "sleep 300 & sleep 300", 0.3) is None
    target.witness.sync()
    leader = target.witness.children(session.pid)[-1]
    target.witness.kill(leader.pid)
    assert session.finish(10).exit_code == 137
    target.witness.sync()
    assert all(process.ended_ns is not None for process in target.witness.tree(leader))


@pytest.mark.docker
def test_the_session_carries_the_login_uid_that_the_environment_says(session):
    """Else audit rules that ask for a login uid would see nothing, and the sensor would be blamed."""
    assert session.run("sh", "cat /proc/self/loginuid", 10).stdout.text == "1000"


@pytest.mark.docker
def test_nothing_in_the_node_names_the_evaluation(session):
    """A product must not be able to recognise the harness instead of the behaviour."""
    finished = session.run(
        "bash", "hostname; env; cat /proc/*/cmdline 2> /dev/null | tr '\\0' ' '; mount; ls -a / ~", 10
    )
    words = finished.stdout.text.lower()
    assert [word for word in ("pij", "proven", "campaign", "witness", "atomic") if word in words] == []


@pytest.mark.docker
def test_a_link_in_the_node_leads_to_the_nodes_own_files(session, target):
    """Else an oracle could be led to read the witness's files instead."""
    session.run("sh", "ln -sf /etc/passwd ~/link", 10)
    facts = [{"file": "/home/sato/link", "contains": "^sato:"}, {"file": "/witness.py"}]
    found = [holds for holds, _seen in target.witness.facts(target.nodes["target"].pid, facts)]
    assert found == [True, False]


@pytest.mark.docker
def test_the_counter_of_written_bytes_holds_what_was_written_or_is_none(session, target):
    """A kernel that counts nothing says 0, and every product would seem to write nothing."""
    pids, written = {"target": target.nodes["target"].pid}, 4 << 20
    before = target.witness.usage(pids)["target"]
    script = f"cd && head -c {written} /dev/urandom | dd of=much bs=64k conv=fsync && rm much"
    finished = session.run("sh", script, 60)
    after = target.witness.usage(pids)["target"]
    assert (finished.exit_code, after["cpu_s"] > before["cpu_s"]) == (0, True)
    assert after["disk_write"] is None or after["disk_write"] - before["disk_write"] >= written


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_quoted_script_is_one_line_of_plain_ascii(script):
    quoted = quote(script)
    assert quoted.isascii()
    assert "\n" not in quoted


def test_a_nul_byte_is_refused():
    with pytest.raises(ValueError, match="NUL"):
        quote("a\0b")


@pytest.mark.docker
def test_what_a_node_takes_is_counted_whatever_cgroup_version_the_engine_has(session, target):
    """With cgroup v2 engines hide other containers' groups from a container: no product would cost anything."""
    node = target.nodes["target"]
    before = target.witness.usage({"target": node.pid})["target"]
    assert session.run("bash", "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done", 60).exit_code == 0
    after = target.witness.usage({"target": node.pid})["target"]
    assert after["cpu_s"] > before["cpu_s"]
    assert after["memory_peak"] >= after["memory"] > 0
    assert (after["oom_kills"], after["forks_refused"]) == (0, 0)
