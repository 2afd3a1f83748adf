"""Atomic Red Team YAML: upstream's own files, our broken ones, and the bytes that come out."""

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from attacks.atomic import read_procedures
from attacks.procedure import Executor, InputArgument, Instance, Procedure, instantiate
from results.errors import EvaluationError

INVALID = Path(__file__).parents[1] / "invalid"
EXPECTED = "#= "
UPSTREAM = Path(os.environ.get("PIJ_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "atomic-red-team"


def procedure(command: str, cleanup: str | None = None, **defaults: str | None) -> Procedure:
    return Procedure(
        guid="11111111-1111-4111-8111-111111111111",
        name="one",
        technique="T1053.003",
        description="",
        platforms=("linux",),
        arguments={name: InputArgument.model_construct(default=default) for name, default in defaults.items()},
        dependencies=(),
        executor=Executor(name="bash", command=command, cleanup_command=cleanup),
        path="one.yaml",
        line=1,
    )


@pytest.mark.parametrize("broken", sorted((INVALID / "procedures").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_broken_procedure_file_gets_exactly_the_finding_that_mends_it(broken, tmp_path):
    """Else an author would search for the mistake."""
    lines = broken.read_text().splitlines()
    expected = [line.removeprefix(EXPECTED) for line in lines if line.startswith(EXPECTED)]
    assert expected != []
    shutil.copy(broken, tmp_path / "T1053.003.yaml")
    _found, problems = read_procedures(tmp_path)
    assert [str(problem).replace(str(tmp_path) + "/", "") for problem in problems] == expected


def test_one_broken_test_does_not_hide_the_sound_ones_of_its_file(tmp_path):
    """Else every step of the technique would be reported as an unknown procedure, too."""
    shutil.copy(INVALID / "procedures" / "executor_missing.yaml", tmp_path / "T1053.003.yaml")
    found, problems = read_procedures(tmp_path)
    assert (list(found), len(problems)) == (["22222222-2222-4222-8222-222222222222"], 1)


def test_of_two_procedures_with_one_guid_the_first_stays(tmp_path):
    """Else a file that is read later could quietly change what a plan runs."""
    shutil.copy(INVALID / "procedures" / "guid_twice.yaml", tmp_path / "T1053.003.yaml")
    found, _problems = read_procedures(tmp_path)
    assert [entry.name for entry in found.values()] == ["Cron - add a job"]


def test_upstreams_payload_and_index_files_are_passed_over(tmp_path):
    """Else the folder of the real Atomic Red Team could not be given as it is."""
    (tmp_path / "T1609" / "src").mkdir(parents=True)
    (tmp_path / "T1609" / "src" / "pod.yaml").write_text("kind: Pod\n---\nkind: Pod\n")
    (tmp_path / "Indexes").mkdir()
    (tmp_path / "Indexes" / "index.yaml").write_text("execution:\n  T1609:\n    atomic_tests: []\n")
    assert read_procedures(tmp_path) == ({}, [])


def test_a_file_of_any_name_is_read_if_it_holds_tests(tmp_path):
    """Else a procedure in a file named by its purpose would be silently missing."""
    text = (INVALID / "ground" / "T1053.003.yaml").read_text()
    (tmp_path / "cron_jobs.yml").write_text(text)
    found, problems = read_procedures(tmp_path)
    assert (len(found), problems) == (4, [])


def test_scalars_stay_as_they_are_written(tmp_path):
    """Else the file mode 0755 would be executed as 493, and the version 1.10 as 1.1."""
    (tmp_path / "T1222.002.yaml").write_text(
        "attack_technique: T1222.002\natomic_tests:\n- name: chmod\n  description: x\n"
        "  auto_generated_guid: 11111111-1111-4111-8111-111111111111\n  supported_platforms: [linux]\n"
        "  input_arguments:\n    mode: {description: m, type: integer, default: 0755}\n"
        "    release: {description: r, type: float, default: 1.10}\n    day: {description: d, default: 2020-01-01}\n"
        "    flag: {description: f, default: yes}\n    none: {description: n, default: }\n"
        "    needed: {description: n}\n  executor: {name: sh, command: 'x'}\n"
    )
    found, problems = read_procedures(tmp_path)
    assert problems == []
    assert {name: argument.default for name, argument in next(iter(found.values())).arguments.items()} == {
        "mode": "0755",
        "release": "1.10",
        "day": "2020-01-01",
        "flag": "yes",
        "none": "",
        "needed": None,
    }


@pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the real Atomic Red Team is not at hand (PIJ_TEST_DATA)")
def test_every_file_of_upstream_is_read_and_its_scripts_come_out_byte_for_byte():
    """Else what runs would not be what the rest of the world calls that procedure."""
    found, problems = read_procedures(UPSTREAM)
    written = {}
    for path in UPSTREAM.rglob("T*.yaml"):
        for test in yaml.safe_load(path.read_text("utf-8"))["atomic_tests"]:
            written[test["auto_generated_guid"]] = test["executor"].get("command")
    assert problems == []
    assert {guid: entry.executor.command for guid, entry in found.items()} == written
    assert Counter(entry.obstacle is None for entry in found.values()) == {True: 257, False: 392}


def test_arguments_are_filled_in_and_the_rest_stays_byte_for_byte():
    """Else a script of several lines, tabs and quotes would not be the one that was written."""
    script = "set -e\n\tcat <<'END' > #{file}\n  \\n ${#file} $(#{file}) ü\nEND\n\n"
    filled = "set -e\n\tcat <<'END' > /tmp/x y\n  \\n ${#file} $(/tmp/x y) ü\nEND\n\n"
    assert instantiate(procedure(script, "rm #{file}\n", file="/tmp/a"), {"file": "/tmp/x y"}) == Instance(
        command=filled, cleanup="rm /tmp/x y\n", executor="bash", prerequisite_executor="bash"
    )


def test_defaults_stand_in_for_arguments_that_are_not_given():
    """Else upstream's procedures would need every argument spelled out."""
    assert instantiate(procedure("touch #{a} #{b}", a="1", b="2"), {"b": "3"}).command == "touch 1 3"


@given(st.text(), st.text())
def test_a_value_is_never_expanded_again(first, second):
    """Else a value could smuggle in another argument, and the order of arguments would matter."""
    one = procedure("[#{a}][#{b}][\\1]", a=None, b=None)
    assert instantiate(one, {"a": first + "#{b}", "b": second + "#{a}"}).command == (
        f"[{first}#{{b}}][{second}#{{a}}][\\1]"
    )


def test_what_is_no_argument_of_the_procedure_stays():
    """Else Ruby's own `#{…}` in a one-liner would be eaten."""
    assert instantiate(procedure("ruby -e 'puts \"#{x}\"'"), {}).command == "ruby -e 'puts \"#{x}\"'"


def test_an_unknown_argument_is_an_error():
    """Else a mistyped argument would leave the default in place, unnoticed."""
    with pytest.raises(EvaluationError, match="found argument 'fil'; allowed: file"):
        instantiate(procedure("touch #{file}", file="/tmp/a"), {"fil": "/tmp/b"})


def test_a_missing_value_is_an_error():
    """Else `#{file}` itself would be executed."""
    with pytest.raises(EvaluationError, match="argument 'file': found no value and no default"):
        instantiate(procedure("touch #{file}", file=None), {})


@pytest.mark.parametrize(
    ("change", "obstacle"),
    [
        ({}, None),
        ({"executor": Executor(name="powershell", command="x")}, None),
        (
            {"executor": Executor(name="command_prompt", command="x")},
            "executor 'command_prompt'; replayed are bash, sh, powershell, python",
        ),
        ({"executor": Executor(name="manual", steps="click")}, "manual: click"),
        ({"missing": ("host.dir.staged",)}, "no fact source gives host.dir.staged"),
        ({"executor": Executor(name="sh")}, "it has no command"),
        ({"platforms": ("macos", "windows")}, "for macos, windows only"),
    ],
)
def test_what_cannot_be_replayed_says_why(change, obstacle):
    """Else a step would fail in the trial, and look like one that the product prevented."""
    assert procedure("true").model_copy(update=change).obstacle == obstacle
