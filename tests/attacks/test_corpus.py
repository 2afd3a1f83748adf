"""Reading upstream's corpora as they are: Caldera v0 and v1, fact sources, adversaries, CTID plans with quirks."""

import os
from collections import Counter
from pathlib import Path

import pytest

from attacks.caldera import Adversary
from attacks.catalogue import load_catalogue
from attacks.corpus import read_corpus
from attacks.ctid import PlanDetails, step_range
from attacks.lint_corpus import lint_corpus
from attacks.procedure import Executor, InputArgument, instantiate, payload_files

REAL = Path(os.environ.get("PIJ_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
needs_data = pytest.mark.skipif(not REAL.is_dir(), reason="the real corpora are not at hand (PIJ_TEST_DATA)")

V0 = """
- id: 30a8cf10-73dc-497c-8261-a64cc9e91505
  name: Pack
  description: packs
  tactic: collection
  technique: {attack_id: T1560.001, name: x}
  platforms:
    linux,darwin:
      sh,bash:
        command: |
          tar -C #{host.dir.staged[filters(max=1)]} -czf #{host.dir.staged}.tgz .;
          echo #{paw}
        cleanup: "rm #{host.dir.staged}.tgz"
        payloads: [pack.sh]
        timeout: 90
    windows:
      psh: {command: dir}
  privilege: Elevated
"""
V1 = """
id: 6f1c2a10-0000-4000-8000-000000000001
name: Look
tactic: discovery
technique_id: T1082
technique_name: System Information Discovery
executors:
- {platform: linux, name: sh, command: uname -a, cleanup: [":", "true"], timeout: 5}
- {platform: windows, name: psh, command: ver}
"""
CTID = """
- emulation_plan_details: {id: a, adversary_name: Sample, attack_version: 8.0, format_version: 1.0}
- id: 00000000-0000-4000-8000-00000000000a
  name: Reads accounts
  tactic: discovery
  technique: {attack_id: T1087.001, name: x}
  procedure_step: 1.A.1-1.A.3
  platforms: {"linux,darwin": {"sh,bash": {command: "cat #{file}", cleanup: [":"]}}}
  input_arguments: {file: {description: which, type: path, default: /etc/passwd}}
  dependencies: [{description: d, prereq_command: "true", get_prereq_command: "false"}]
- id: 2.A.1
  name: A person does it
  tactic: discovery
  technique: {attack_id: T1082}
  procedure_step: 2.A.1
"""


def write(folder: Path, name: str, text: str) -> Path:
    """One file of a corpus."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_an_ability_becomes_one_procedure_for_each_linux_executor(tmp_path):
    """Else what Caldera would run on Linux would be lost behind a name with a comma."""
    write(tmp_path, "data/abilities/collection/a.yml", V0)
    payload = write(tmp_path, "data/payloads/pack.sh", "exit 0")
    corpus = read_corpus(tmp_path, {"host.dir.staged": "/tmp/s"})
    assert corpus.problems == []
    first, second = corpus.procedures.values()
    assert (first.guid, first.technique, first.platforms) == (
        "30a8cf10-73dc-497c-8261-a64cc9e91505",
        "T1560.001",
        ("linux",),
    )
    assert [first.executor.name, second.executor.name] == ["sh", "bash"]
    assert instantiate(first, {}).command == "tar -C /tmp/s -czf /tmp/s.tgz .;echo kxqbzt"
    assert (instantiate(first, {}).cleanup, first.timeout_s, first.executor.elevation_required) == (
        "rm /tmp/s.tgz",
        90,
        True,
    )
    assert payload_files(first) == [(payload, "pack.sh")]
    assert first.obstacle is None


def test_a_fact_that_no_source_gives_is_named(tmp_path):
    """Else `#{host.dir.staged}` itself would be executed."""
    write(tmp_path, "a.yml", V0)
    (first, _second) = read_corpus(tmp_path).procedures.values()
    assert first.obstacle == "no fact source gives host.dir.staged"


def test_facts_come_from_the_fact_sources_of_the_corpus(tmp_path):
    """Else every user would have to write values that upstream ships."""
    write(tmp_path, "abilities/a.yml", V0)
    write(
        tmp_path, "sources/s.yml", "id: s\nname: s\nfacts:\n- {trait: host.dir.staged, value: /srv/x}\n- {trait: n}\n"
    )
    corpus = read_corpus(tmp_path)
    assert next(iter(corpus.procedures.values())).arguments["host.dir.staged"].default == "/srv/x"
    assert [str(problem).removeprefix(str(tmp_path)) for problem in corpus.problems] == [
        "/sources/s.yml:5: facts.1: found {'trait': 'n'}; allowed: `{trait: …, value: …}`. "
        "Write the fact as Caldera does."
    ]


def test_the_newer_ability_format_is_read_too(tmp_path):
    """Else abilities that were saved by Caldera 4 and later could not be run."""
    write(tmp_path, "a.yml", V1)
    (one,) = read_corpus(tmp_path).procedures.values()
    assert one.executor == Executor(name="sh", command="uname -a", cleanup_command=":true")
    assert (one.technique, one.timeout_s, one.corpus) == ("T1082", 5, "caldera")


def test_an_adversary_keeps_its_order_in_both_formats(tmp_path):
    """Else a chain would run in the order of the alphabet."""
    write(tmp_path, "new.yml", "id: n\nname: N\natomic_ordering: [b, a]\n")
    write(tmp_path, "old.yml", "name: O\nphases:\n  1: [x]\n  2: [z, y]\n")
    found = read_corpus(tmp_path).adversaries
    assert {name: adversary.atomic_ordering for name, adversary in found.items()} == {
        "n": ("b", "a"),
        "old": ("x", "z", "y"),
    }
    assert isinstance(found["n"], Adversary)


def test_an_emulation_plan_is_read_with_its_quirks(tmp_path):
    """Else a missing executor, a range of steps or a name with a comma would lose the whole plan."""
    path = write(tmp_path, "plan.yaml", CTID)
    corpus = read_corpus(tmp_path)
    assert corpus.problems == []
    assert corpus.plans == {
        str(path): PlanDetails(id="a", adversary_name="Sample", attack_version="8.0", format_version="1.0")
    }
    first, second = corpus.procedures.values()
    assert first.name == "1.A.1 to 1.A.3 Reads accounts"
    assert first.arguments == {"file": InputArgument(description="which", type="path", default="/etc/passwd")}
    assert instantiate(first, {}).command == "cat /etc/passwd"
    assert (instantiate(first, {}).cleanup, first.dependencies[0].get_prereq_command) == (":", "false")
    assert second.obstacle == "manual: upstream gives no executor"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.A.1", ("1.A.1", "1.A.1")), ("1.A.1-1.A.3", ("1.A.1", "1.A.3")), ("4.B.2 to 4.B.4", ("4.B.2", "4.B.4"))],
)
def test_a_step_number_may_be_a_range(text, expected):
    """Else steps could not be matched with upstream's description."""
    assert step_range(text) == expected


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)
ATOMIC = """attack_technique: {technique}
atomic_tests:
- name: n
  auto_generated_guid: 11111111-1111-4111-8111-111111111111
  description: d
  supported_platforms: [linux]
  {extra}
  executor: {{name: {name}, command: "{command}"}}
"""


def atomic(technique="T1053.003", extra="input_arguments: null", name="sh", command="true"):
    """One Atomic Red Team file."""
    return ATOMIC.format(technique=technique, extra=extra, name=name, command=command)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (atomic("T1999"), "unknown technique: found T1999"),
        (atomic("T1086"), "T1086, revoked; allowed: T1059.001"),
        (atomic(extra="input_argument: null"), "atomic_tests.0.input_argument: found None; allowed: Extra inputs"),
        (atomic(extra="dependencies: yes"), "atomic_tests.0.dependencies: found 'yes'"),
        (atomic(name="fish"), "executor.name: found 'fish'; allowed: bash, sh, powershell, python"),
        (atomic(command="rm #{fil}"), "executor.command: found #{fil}; allowed: no arguments"),
        (atomic(command="echo \\x07"), "executor.command: found the control character '\\x07'"),
        (BOMB, "more than 200000 nodes once every alias is followed"),
        ("[" * 2000, "more than 60 levels"),
        ("a: \x00", "special characters are not allowed"),
        ("atomic_tests: " + "x" * 5_000_000, "5000014 bytes; allowed: at most 4000000 bytes"),
    ],
    ids=[
        "unknown_technique", "revoked_technique", "unknown_key", "wrong_type", "unknown_executor", "unknown_argument",
        "control_character", "anchor_bomb", "nesting", "nul", "five_megabytes",
    ],
)  # fmt: skip
def test_hostile_content_is_a_problem_with_its_place(text, expected, tmp_path):
    """Else one bad file of a corpus could stop, fill or fool the evaluation."""
    path = write(tmp_path, "T1053.003.yaml", text)
    found = [str(problem) for problem in lint_corpus(tmp_path, load_catalogue())]
    assert found != []
    assert all(line.startswith(str(path)) for line in found)
    wanted = expected.removeprefix("unknown technique: ")
    assert any(wanted in line for line in found), found


@needs_data
def test_every_file_of_the_real_corpora_is_read_without_a_problem():
    """Else procedures would be missing that the rest of the world has."""
    atomics, caldera = read_corpus(REAL / "atomic-red-team"), read_corpus(REAL / "caldera-stockpile")
    assert (atomics.problems, caldera.problems) == ([], [])
    linux = [one for one in atomics.procedures.values() if "linux" in one.platforms]
    assert (len(atomics.procedures), len(linux)) == (649, 263)
    assert Counter(one.executor.name for one in linux) == {"sh": 199, "bash": 55, "manual": 6, "powershell": 3}
    assert (len(caldera.procedures), len(caldera.adversaries)) == (51, 27)


@needs_data
def test_lint_says_of_the_real_atomics_only_that_their_att_ck_is_newer():
    """Else an evaluator would see noise on upstream's own files."""
    found = lint_corpus(REAL / "atomic-red-team", load_catalogue())
    assert {problem.field for problem in found} == {"technique"}
    assert {problem.found for problem in found} == {"T1685", "T1689", "T1690"}
