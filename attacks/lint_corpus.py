"""Linting a corpus as upstream publishes it: what can't be read, and what no node could run as it is meant."""

import difflib
import re
from pathlib import Path

from attacks.corpus import KINDS, Corpus, read_corpus
from attacks.procedure import EXECUTORS, PLACEHOLDER, Procedure
from results.attack import Catalogue
from results.errors import Problem

OTHER_EXECUTORS = (
    "command_prompt",
    "manual",
    "native",
    "cmd",
    "psh",
    "proc",
    "shellcode_amd64",
    "donut_amd64",
    "osascript",
)
"""Names that upstream has for what no Linux node runs."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def lint_corpus(folder: Path, catalogue: Catalogue) -> list[Problem]:
    """Every problem of the files below a folder that hold procedures, adversaries, facts or emulation plans."""
    corpus = read_corpus(folder)
    if not corpus.files and not corpus.problems:
        return [_problem(str(folder), None, "", "nothing to read", KINDS, "Check the path.")]
    problems = list(corpus.problems)
    for procedure in corpus.procedures.values():
        problems += _lint_procedure(procedure, catalogue)
    problems += _lint_adversaries(corpus)
    return problems


def _lint_procedure(procedure: Procedure, catalogue: Catalogue) -> list[Problem]:
    path, line = procedure.path, procedure.line
    problems = []
    successor = catalogue.resolve(procedure.technique)
    if procedure.technique not in catalogue.techniques:
        near = difflib.get_close_matches(procedure.technique, catalogue.techniques, n=2)
        allowed = f"a technique of {catalogue.release}, e.g. {', '.join(near)}"
        mend = "Correct the id, or use a release of ATT&CK that has it (`--attack FILE`)."
        problems.append(_problem(path, line, "technique", procedure.technique, allowed, mend))
    elif successor != procedure.technique:
        found = f"{procedure.technique}, revoked"
        problems.append(_problem(path, line, "technique", found, successor or "another", "Use the successor."))
    executor = procedure.executor
    if executor.name not in (*EXECUTORS, *OTHER_EXECUTORS):
        allowed = ", ".join((*EXECUTORS, *OTHER_EXECUTORS))
        problems.append(_problem(path, line, "executor.name", repr(executor.name), allowed, "Correct the name."))
    for field, text in (("executor.command", executor.command), ("executor.cleanup_command", executor.cleanup_command)):
        control = CONTROL.search(text or "")
        if control is not None:
            found = f"the control character {control.group(0)!r}"
            problems.append(_problem(path, line, field, found, "printable text, tabs and line breaks", "Remove it."))
        for name in dict.fromkeys(match.group(1) for match in PLACEHOLDER.finditer(text or "")):
            if name not in procedure.arguments:
                allowed = ", ".join(procedure.arguments) or "no arguments: the procedure has none"
                mend = "Add the argument, or correct the name."
                problems.append(_problem(path, line, field, f"#{{{name}}}", allowed, mend))
    return problems


def _lint_adversaries(corpus: Corpus) -> list[Problem]:
    """An adversary's abilities may be for other platforms and left out here; a list of none is a mistake."""
    return [
        _problem(adversary.path, adversary.line, "atomic_ordering", "no ability", "ids of abilities", "Name some.")
        for adversary in corpus.adversaries.values()
        if not adversary.atomic_ordering
    ]


def _problem(path: str, line: int | None, field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=path, line=line, field=field, found=found, allowed=allowed, mend=mend)
