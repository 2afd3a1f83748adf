"""Atomic Red Team YAML, read as upstream writes it; its bytes are never changed, only `#{name}` filled in."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from attacks.plan import Guid
from attacks.procedure import Dependency, Executor, InputArgument, Procedure
from results.documents import SAFE_LOADER, Lines, load_yaml
from results.errors import ContentError, Problem

GUID_FIELD = "auto_generated_guid"
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
OFFICIAL_NAME = re.compile(r"T\d{4}(\.\d{3})?\.ya?ml")
HOLDS_TESTS = re.compile(rb"^atomic_tests:", re.MULTILINE)


class _TextLoader(SAFE_LOADER):  # type: ignore[valid-type, misc]  # C or Python, as it is installed
    """Scalars stay as they are written: `0755` is a file mode, not the number 493."""


_TextLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in SAFE_LOADER.yaml_implicit_resolvers.items()
}


class _Test(BaseModel):
    """One entry of `atomic_tests`, upstream's own keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    auto_generated_guid: Guid
    description: str = ""
    supported_platforms: tuple[str, ...]
    input_arguments: dict[str, InputArgument] | None = None
    dependency_executor_name: str | None = None
    dependencies: tuple[Dependency, ...] | None = None
    executor: Executor


def read_procedures(folder: Path) -> tuple[dict[str, Procedure], list[Problem]]:
    """Read every Atomic Red Team file below a folder.

    These are the files that upstream's own tools would read (`T1053.003.yaml`) and any other YAML file that has
    `atomic_tests` at its top; upstream's payload and index files are passed over.

    Returns:
        The procedures by GUID, and every problem found.
    """
    found: dict[str, Procedure] = {}
    problems: list[Problem] = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        if not _holds_procedures(path):
            continue
        procedures, more = read_atomics(path)
        problems += more
        for procedure in procedures:
            first = found.setdefault(procedure.guid, procedure)
            if first is not procedure:
                allowed = f"a GUID of its own; this one is in {first.path}:{first.line}"
                problems.append(
                    _problem(path, procedure.line, GUID_FIELD, procedure.guid, allowed, "Give it a new one (uuidgen).")
                )
    return found, problems


def _holds_procedures(path: Path) -> bool:
    if OFFICIAL_NAME.fullmatch(path.name):
        return True
    try:
        return HOLDS_TESTS.search(path.read_bytes()) is not None
    except OSError:
        return False  # a payload that can't be read is not ours to judge


def read_atomics(path: Path) -> tuple[list[Procedure], list[Problem]]:
    """The file's sound procedures, and the problems of the others."""
    try:
        _data, lines = load_yaml(path)
    except ContentError as error:
        return [], list(error.problems)
    data = yaml.load(path.read_text("utf-8"), _TextLoader)  # noqa: S506  # a SafeLoader
    tests = data.get("atomic_tests") if isinstance(data, dict) else None
    if not isinstance(tests, list):
        mend = "Write the file as Atomic Red Team does."
        return [], [_problem(path, 1, "atomic_tests", "no list of tests", "`atomic_tests: [...]`", mend)]
    technique = data.get("attack_technique")
    if not isinstance(technique, str) or not TECHNIQUE.fullmatch(technique):
        line = lines.of(("attack_technique",))
        found = "nothing" if technique is None else repr(technique)
        mend = "Correct the id; without it no test of the file is read."
        return [], [_problem(path, line, "attack_technique", found, "an ATT&CK id such as T1053.003", mend)]
    procedures: list[Procedure] = []
    problems: list[Problem] = []
    for index, entry in enumerate(tests):
        try:
            procedures.append(_procedure(path, lines.of(("atomic_tests", index)), technique, entry))
        except ValidationError as error:
            problems.extend(_explain(path, lines, index, dict(detail)) for detail in error.errors())
    return procedures, problems


def _procedure(path: Path, line: int | None, technique: str, entry: object) -> Procedure:
    test = _Test.model_validate(entry)
    return Procedure(
        guid=test.auto_generated_guid,
        name=test.name,
        technique=technique,
        description=test.description,
        platforms=test.supported_platforms,
        arguments=test.input_arguments or {},
        dependencies=test.dependencies or (),
        dependency_executor=test.dependency_executor_name,
        executor=test.executor,
        payload_folder=str(_atomics_folder(path)),
        path=str(path),
        line=line,
    )


def _atomics_folder(path: Path) -> Path:
    """The folder that holds the techniques' folders: `atomics/T1105/T1105.yaml` lies two below it."""
    return path.parent.parent if TECHNIQUE.fullmatch(path.parent.name) else path.parent


def _explain(path: Path, lines: Lines, index: int, detail: dict[str, Any]) -> Problem:
    location = ("atomic_tests", index, *detail["loc"])
    field = ".".join(str(part) for part in location)
    missing = detail["type"] == "missing"
    found = "nothing" if missing else repr(detail["input"])[:120]
    mend = "Add it as Atomic Red Team writes it." if missing else "Correct it as Atomic Red Team writes it."
    if location[-1] == GUID_FIELD:
        mend = "Give the test a new one (uuidgen)."
    return _problem(path, lines.of(location), field, found, str(detail["msg"]), mend)


def _problem(path: Path, line: int | None, field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=str(path), line=line, field=field, found=found, allowed=allowed, mend=mend)
