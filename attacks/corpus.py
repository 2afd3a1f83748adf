"""Reading what exists: what kind of upstream file each is, is told by what stands in it, never by its name alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attacks.atomic import read_atomics
from attacks.caldera import Adversary, Entry, read_abilities, read_adversary, read_facts
from attacks.ctid import DETAILS, PlanDetails, read_emulation_plan
from attacks.ftw import holds_ftw, read_ftw_file
from attacks.gotestwaf import holds_gotestwaf, read_gotestwaf_file
from attacks.procedure import Procedure
from results.documents import Lines, load_yaml
from results.errors import ContentError, Problem

KINDS = (
    "Atomic Red Team tests (`atomic_tests`), Caldera abilities (`platforms` or `executors`), adversaries "
    "(`atomic_ordering`) and fact sources (`facts`), CTID emulation plans (`emulation_plan_details`), go-ftw tests "
    "(`tests` with `meta`), GoTestWAF payload sets (`payload` with `encoder`)"
)


@dataclass
class Corpus:
    """What was read below one folder."""

    procedures: dict[str, Procedure] = field(default_factory=dict)
    """GUID -> procedure, in the order of the files."""
    adversaries: dict[str, Adversary] = field(default_factory=dict)
    plans: dict[str, PlanDetails] = field(default_factory=dict)
    """File -> what a CTID plan says of itself."""
    facts: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    files: int = 0
    """Files that held something of these kinds."""

    def add(self, procedures: list[Procedure]) -> None:
        """Add procedures; a GUID that is there already is a problem."""
        for procedure in procedures:
            first = self.procedures.setdefault(procedure.guid, procedure)
            if first is not procedure:
                self.problems.append(
                    Problem(
                        path=procedure.path, line=procedure.line, field="id", found=procedure.guid,
                        allowed=f"a GUID of its own; this one is in {first.path}:{first.line}",
                        mend="Give it a new one (uuidgen).",
                    )
                )  # fmt: skip


def read_corpus(folder: Path, facts: Mapping[str, str] | None = None) -> Corpus:
    """Read every file of a known kind below a folder (or the one file); others are passed over.

    Args:
        folder: of a corpus as upstream publishes it, or any part of it.
        facts: values for Caldera's facts, besides the fact sources found below the folder.
    """
    corpus = Corpus(facts=dict(facts or {}))
    documents: list[tuple[Path, Any, Lines]] = []
    for path in _files(folder):
        if holds_ftw(path) or holds_gotestwaf(path):
            read = read_ftw_file if holds_ftw(path) else read_gotestwaf_file
            requests, problems = read(path)
            corpus.add(list(requests))
            corpus.problems += problems
            corpus.files += 1
            continue
        try:
            data, lines = load_yaml(path)
        except ContentError as error:
            corpus.problems += error.problems
            continue
        if _holds_facts(data):
            found, problems = read_facts(path, data, lines)
            corpus.facts = {**found, **corpus.facts}
            corpus.problems += problems
            corpus.files += 1
        else:
            documents.append((path, data, lines))
    for path, data, lines in documents:
        corpus.files += _read(corpus, path, data, lines)
    return corpus


def _files(folder: Path) -> list[Path]:
    if folder.is_file():
        return [folder]
    return sorted(path for ending in ("yaml", "yml") for path in folder.rglob(f"*.{ending}") if path.is_file())


def _read(corpus: Corpus, path: Path, data: Any, lines: Lines) -> bool:  # noqa: ANN401  # plain YAML data
    """Read one document into the corpus; False if it is of no known kind."""
    procedures: list[Procedure] = []
    problems: list[Problem] = []
    if isinstance(data, dict) and "atomic_tests" in data:
        procedures, problems = read_atomics(path)
    elif isinstance(data, dict) and ("atomic_ordering" in data or "phases" in data):
        adversary, problems = read_adversary(path, data, lines)
        if adversary is not None:
            corpus.adversaries[adversary.id] = adversary
    elif isinstance(data, list) and any(isinstance(entry, dict) and DETAILS in entry for entry in data):
        details, procedures, problems = read_emulation_plan(path, data, lines)
        if details is not None:
            corpus.plans[str(path)] = details
    elif entries := _abilities(data):
        procedures, problems = read_abilities(path, entries, lines, corpus.facts)
    else:
        return False
    corpus.add(procedures)
    corpus.problems += problems
    return True


def _holds_facts(data: Any) -> bool:  # noqa: ANN401
    return isinstance(data, dict) and isinstance(data.get("facts"), list) and "atomic_tests" not in data


def _abilities(data: Any) -> list[Entry]:  # noqa: ANN401
    """The abilities of a document: a list of them, or one alone."""
    if isinstance(data, dict):
        return [((), data)] if _is_ability(data) else []
    if isinstance(data, list) and data and all(isinstance(entry, dict) and _is_ability(entry) for entry in data):
        return [((index,), entry) for index, entry in enumerate(data)]
    return []


def _is_ability(entry: Mapping[str, Any]) -> bool:
    return ("platforms" in entry or "executors" in entry) and ("tactic" in entry or "technique" in entry)
