"""Atomic Red Team YAML, read as upstream writes it; its bytes are never changed, only `#{name}` filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from results.documents import Definition, Lines, load_yaml
from results.errors import ContentError, EvaluationError, Problem
from results.records import TechniqueId

REPLAYABLE = ("bash", "sh")
PLACEHOLDER = re.compile(r"#\{([A-Za-z0-9_]+)\}")


class InputArgument(BaseModel):
    """One argument of a procedure."""

    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)

    description: str = ""
    type: str = "string"
    default: str | None = None


class Executor(BaseModel):
    """How a procedure is carried out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    command: str | None = None
    cleanup_command: str | None = None
    elevation_required: bool = False
    steps: str | None = None


class Dependency(BaseModel):
    """What must be there before a procedure can run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    description: str
    prereq_command: str | None = None
    get_prereq_command: str | None = None


class _Test(BaseModel):
    """One entry of `atomic_tests`, upstream's own keys."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    auto_generated_guid: str
    description: str = ""
    supported_platforms: tuple[str, ...]
    input_arguments: dict[str, InputArgument] | None = None
    dependency_executor_name: str | None = None
    dependencies: tuple[Dependency, ...] | None = None
    executor: Executor


class Procedure(Definition):
    """One way to carry out a technique."""

    guid: str
    name: str
    technique: TechniqueId
    description: str
    platforms: tuple[str, ...]
    arguments: dict[str, InputArgument]
    dependencies: tuple[Dependency, ...]
    executor: Executor
    path: str
    line: int | None

    @property
    def obstacle(self) -> str | None:
        """Why it can't be replayed at all; None if it can."""
        if self.executor.name not in REPLAYABLE:
            return f"executor {self.executor.name!r}; replayed are {', '.join(REPLAYABLE)}"
        if not self.executor.command:
            return "it has no command"
        if "linux" not in self.platforms:
            return f"for {', '.join(self.platforms)} only"
        return None


class Instance(Definition):
    """A procedure with its arguments filled in: the bytes that are executed."""

    command: str
    cleanup: str | None
    executor: str


def read_procedures(folder: Path) -> tuple[dict[str, Procedure], list[Problem]]:
    """Read every Atomic Red Team file below a folder.

    Returns:
        The procedures by GUID, and every problem found.
    """
    found: dict[str, Procedure] = {}
    problems: list[Problem] = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        try:
            procedures = _read_file(path)
        except ContentError as error:
            problems.extend(error.problems)
            continue
        for procedure in procedures:
            if procedure.guid in found:
                problems.append(
                    _problem(
                        path,
                        procedure.line,
                        "auto_generated_guid",
                        f"{procedure.guid} again",
                        f"a GUID of its own; this one is in {found[procedure.guid].path}",
                        "Give it a new one (uuidgen).",
                    )
                )
            found[procedure.guid] = procedure
    return found, problems


def instantiate(procedure: Procedure, arguments: Mapping[str, str]) -> Instance:
    """Fill in the arguments, in one pass: a value that holds `#{x}` itself stays as it is.

    Raises:
        EvaluationError: an argument that it does not have, or one without value and default.
    """
    unknown = sorted(set(arguments) - set(procedure.arguments))
    if unknown:
        raise EvaluationError(
            f"{procedure.path}: procedure {procedure.guid}: found argument {unknown[0]!r}; allowed: "
            f"{', '.join(procedure.arguments) or 'none'}. Correct the step's `arguments`."
        )
    values = {name: argument.default for name, argument in procedure.arguments.items()} | dict(arguments)

    def fill(text: str) -> str:
        return PLACEHOLDER.sub(lambda match: _value(procedure, values, match), text)

    executor = procedure.executor
    return Instance(
        command=fill(executor.command or ""),
        cleanup=fill(executor.cleanup_command) if executor.cleanup_command else None,
        executor=executor.name,
    )


def _value(procedure: Procedure, values: Mapping[str, str | None], match: re.Match[str]) -> str:
    name = match.group(1)
    if name not in values:
        return match.group(0)  # upstream uses #{…} for other things too, e.g. in awk
    value = values[name]
    if value is None:
        raise EvaluationError(
            f"{procedure.path}: procedure {procedure.guid}: argument {name!r}: found no value and no default; "
            "allowed: a text. Give it in the step's `arguments`."
        )
    return value


def _read_file(path: Path) -> list[Procedure]:
    data, lines = load_yaml(path)
    if not isinstance(data, dict) or not isinstance(data.get("atomic_tests"), list):
        raise ContentError(
            [_problem(path, 1, "atomic_tests", "no list of tests", "Atomic Red Team YAML", "See the schema upstream.")]
        )
    procedures: list[Procedure] = []
    problems: list[Problem] = []
    for index, entry in enumerate(data["atomic_tests"]):
        try:
            procedures.append(_procedure(path, lines, index, str(data.get("attack_technique")), entry))
        except ValidationError as error:
            problems.extend(_explain(path, lines, index, dict(detail)) for detail in error.errors())
    if problems:
        raise ContentError(problems)
    return procedures


def _procedure(path: Path, lines: Lines, index: int, technique: str, entry: object) -> Procedure:
    test = _Test.model_validate(entry)
    return Procedure(
        guid=test.auto_generated_guid,
        name=test.name,
        technique=technique,
        description=test.description,
        platforms=test.supported_platforms,
        arguments=test.input_arguments or {},
        dependencies=test.dependencies or (),
        executor=test.executor,
        path=str(path),
        line=lines.of(("atomic_tests", index)),
    )


def _explain(path: Path, lines: Lines, index: int, detail: dict[str, Any]) -> Problem:
    location = ("atomic_tests", index, *detail["loc"])
    field = ".".join(str(part) for part in location)
    found = "nothing" if detail["type"] == "missing" else repr(detail["input"])[:120]
    return _problem(path, lines.of(location), field, found, detail["msg"], "Correct it as the schema upstream says.")


def _problem(path: Path, line: int | None, field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=str(path), line=line, field=field, found=found, allowed=allowed, mend=mend)
