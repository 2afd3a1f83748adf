"""The oracle: did a step's effect really happen? Looked at from outside the node's processes.

A file fact must be false before the step and true after it; facts about the step's own output and processes
cannot be true before it. Exit codes are no proof (scoring.md §1).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from attacks.plan import Fact
from environments.standing import Target
from results.records import FactResult, Output, Process

SEARCHED = 64 * 1024
"""Characters of output that a pattern is tried on."""


def look_at_files(target: Target, node: str, facts: Sequence[Fact]) -> dict[int, tuple[bool, str]]:
    """Look at the file facts now: index of the fact -> (holds, what was seen)."""
    by_node: dict[str, list[int]] = {}
    for index, fact in enumerate(facts):
        if fact.file is not None:
            by_node.setdefault(fact.node or node, []).append(index)
    found: dict[int, tuple[bool, str]] = {}
    for name, indices in by_node.items():
        questions = [_question(facts[index]) for index in indices]
        found.update(zip(indices, target.witness.facts(target.nodes[name].pid, questions), strict=True))
    return found


def judge_facts(
    facts: Sequence[Fact],
    node: str,
    before: Mapping[int, tuple[bool, str]],
    after: Mapping[int, tuple[bool, str]],
    stdout: Output,
    processes: Sequence[Process],
) -> tuple[bool | None, tuple[FactResult, ...]]:
    """Put the looks before and after together.

    Returns:
        (verified, one result a fact). None: nothing can tell, because there is no fact, or because one
        held already before the step.
    """
    results = []
    for index, fact in enumerate(facts):
        if fact.file is not None:
            was, (holds, seen) = before[index][0], after[index]
        else:
            was, (holds, seen) = None, _look_at_run(fact, stdout, processes)
        results.append(FactResult(fact=describe(fact, node), before=was, after=holds, detail=seen))
    if any(result.after is False for result in results):
        return False, tuple(results)
    if not results or any(result.before for result in results):
        return None, tuple(results)
    return True, tuple(results)


def describe(fact: Fact, node: str) -> str:
    """A fact in words."""
    if fact.stdout is not None:
        return f"stdout matches {fact.stdout}"
    if fact.process is not None:
        return f"a process that matches {fact.process}" + (" still runs" if fact.alive else " was started")
    words = [f"file {fact.file} on {fact.node or node}"]
    words.append("is absent" if fact.absent else "exists")
    for name in ("contains", "lacks", "mode", "owner", "empty", "modified_before"):
        value = getattr(fact, name)
        if value is not None:
            words.append(f"{name.replace('_', ' ')} {value}")
    return ", ".join(words)


def _look_at_run(fact: Fact, stdout: Output, processes: Sequence[Process]) -> tuple[bool, str]:
    if fact.stdout is not None:
        found = re.search(fact.stdout, stdout.text[:SEARCHED], re.MULTILINE)
        return found is not None, f"{stdout.length} bytes of output"
    wanted = re.compile(fact.process or "")
    matching = [p for p in processes if any(wanted.search(line) for line in p.command_lines)]
    if fact.alive:
        matching = [process for process in matching if process.ended_ns is None]
    return bool(matching), f"pids {[process.pid for process in matching]} of {len(processes)} processes"


def _question(fact: Fact) -> dict[str, object]:
    question: dict[str, object] = fact.model_dump(
        include={"file", "absent", "contains", "lacks", "mode", "owner", "empty"}, exclude_none=True
    )
    if fact.modified_before is not None:
        moment = datetime.fromisoformat(fact.modified_before)
        question["modified_before_ns"] = int(moment.timestamp()) * 1_000_000_000
    return question
