"""`pij list procedures` and `pij show procedure`: what is told of a procedure before anything is run."""

import json

import pytest
from typer.testing import CliRunner

from attacks.proof import Proof, content_digest
from pipelines.command import app
from pipelines.procedures import Selector, gather_procedures, known_proofs, rows
from pipelines.prove import write_proof

RUN = CliRunner()
ATOMIC = """attack_technique: T1105
atomic_tests:
- name: Fetch a tool
  auto_generated_guid: aaaaaaaa-1111-4111-8111-111111111111
  description: "Fetches \\e[2J a file."
  supported_platforms: [linux, macos]
  input_arguments: {file: {description: what, type: path, default: PathToAtomicsFolder/T1105/src/tool.sh}}
  dependency_executor_name: bash
  dependencies: [{description: d, prereq_command: test -f /tmp/x, get_prereq_command: touch /tmp/x}]
  executor: {name: sh, elevation_required: true, command: "sh #{file}", cleanup_command: rm -f /tmp/x}
- name: Fetch a tool by hand
  auto_generated_guid: bbbbbbbb-1111-4111-8111-111111111111
  description: d
  supported_platforms: [linux]
  executor: {name: manual, steps: click}
- name: Fetch on another system
  auto_generated_guid: cccccccc-1111-4111-8111-111111111111
  description: d
  supported_platforms: [windows]
  executor: {name: command_prompt, command: dir}
"""


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """One file of a corpus with its payload, and a state folder of its own."""
    monkeypatch.setenv("PIJ_STATE", str(tmp_path / "state"))
    folder = tmp_path / "atomics"
    (folder / "T1105" / "src").mkdir(parents=True)
    (folder / "T1105" / "T1105.yaml").write_text(ATOMIC, "utf-8")
    (folder / "T1105" / "src" / "tool.sh").write_text("id\n", "utf-8")
    (tmp_path / "state" / "proofs").mkdir(parents=True)
    return folder


def test_show_prints_what_would_run_where_and_what_it_needs(corpus):
    """Else an evaluator would have to run a stranger's procedure to learn what it does."""
    done = RUN.invoke(app, ["show", "procedure", "aaaaaaaa", "--from", str(corpus)])
    assert done.exit_code == 0, done.output
    for line in (
        "runs with sh as root, on linux, macos",
        "  | sh /usr/local/share/tools/T1105/src/tool.sh",
        "payload /usr/local/share/tools/T1105/src/tool.sh",
        "  | test -f /tmp/x",
        "  | touch /tmp/x",
        "  | rm -f /tmp/x",
        "not proven yet: run `pij prove`",
    ):
        assert line in done.output
    assert "\x1b" not in done.output


def test_show_of_an_unknown_procedure_says_which_there_are(corpus):
    """Else a mistyped GUID would end in a traceback."""
    done = RUN.invoke(app, ["show", "procedure", "ffff", "--from", str(corpus)])
    assert (done.exit_code, "which 0 of the 3 procedures" in done.output) == (2, True)


def test_list_selects_by_technique_platform_and_what_can_run(corpus):
    """Else a battery or a person would choose what no node can run."""
    arguments = ["list", "procedures", "--from", str(corpus), "--json", "--technique", "T1105", "--platform", "linux"]
    every = json.loads(RUN.invoke(app, arguments).output)
    assert [row["proof"] for row in every] == ["not tried", "manual"]
    runnable = json.loads(RUN.invoke(app, [*arguments, "--runnable"]).output)
    assert [row["guid"][:8] for row in runnable] == ["aaaaaaaa"]
    assert json.loads(RUN.invoke(app, [*arguments[:5], "--technique", "T1053"]).output) == []


def test_what_is_proven_stands_in_the_list(corpus, tmp_path):
    """Else proofs would be kept for nobody."""
    one = gather_procedures([corpus])["aaaaaaaa-1111-4111-8111-111111111111"]
    proof = Proof(guid=one.guid, name=one.name, technique=one.technique, corpus=one.corpus, proven=True, digest="d",
                  procedure_digest=content_digest(one), runs=2, stable=True)  # fmt: skip
    write_proof(tmp_path / "state" / "proofs", proof)
    assert known_proofs()[one.guid] == proof
    (row,) = rows([corpus], Selector(technique="T1105", runnable=True))
    assert row["proof"] == "proven"


def test_a_proof_of_another_release_is_passed_over(corpus, tmp_path):
    """Else an upgrade of pij would end every list and every battery in a traceback."""
    (tmp_path / "state" / "proofs" / "old.json").write_text('{"guid": "x"}', "utf-8")
    assert len(rows([corpus], Selector())) == 3
