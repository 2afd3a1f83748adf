"""Atomic Red Team YAML, read as upstream writes it; its bytes are never changed, only `#{name}` filled in."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from attacks.plan import Guid
from results.documents import Definition, Lines, load_yaml
from results.errors import ContentError, EvaluationError, Problem
from results.records import TechniqueId

REPLAYABLE = ("bash", "sh")
PLACEHOLDER = re.compile(r"#\{([A-Za-z0-9_]+)\}")
PAYLOAD_FOLDER = "PathToAtomicsFolder"
"""What upstream writes for the folder with its payload files; no node has it."""
GUID_FIELD = "auto_generated_guid"
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
OFFICIAL_NAME = re.compile(r"T\d{4}(\.\d{3})?\.ya?ml")
HOLDS_TESTS = re.compile(rb"^atomic_tests:", re.MULTILINE)


class _TextLoader(yaml.SafeLoader):
    """Scalars stay as they are written: `0755` is a file mode, not the number 493."""


_TextLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class InputArgument(BaseModel):
    """One argument of a procedure."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    description: str = ""
    type: str = "string"
    default: str | None = None
    """None: a step must give a value. Upstream's `default:` with nothing behind it means the empty text."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty_text(cls, data: Any) -> Any:  # noqa: ANN401  # as pydantic hands it over
        if isinstance(data, dict) and "default" in data and data["default"] is None:
            return {**data, "default": ""}
        return data


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
    auto_generated_guid: Guid
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
        procedures, more = _read_file(path)
        problems += more
        for procedure in procedures:
            first = found.setdefault(procedure.guid, procedure)
            if first is not procedure:
                allowed = f"a GUID of its own; this one is in {first.path}:{first.line}"
                problems.append(
                    _problem(path, procedure.line, GUID_FIELD, procedure.guid, allowed, "Give it a new one (uuidgen).")
                )
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
        return match.group(0)  # not ours: other languages write `#{…}` too, e.g. Ruby
    value = values[name]
    if value is None:
        raise EvaluationError(
            f"{procedure.path}: procedure {procedure.guid}: argument {name!r}: found no value and no default; "
            "allowed: a text. Give it in the step's `arguments`."
        )
    return value


def _holds_procedures(path: Path) -> bool:
    if OFFICIAL_NAME.fullmatch(path.name):
        return True
    try:
        return HOLDS_TESTS.search(path.read_bytes()) is not None
    except OSError:
        return False  # a payload that can't be read is not ours to judge


def _read_file(path: Path) -> tuple[list[Procedure], list[Problem]]:
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
        executor=test.executor,
        path=str(path),
        line=line,
    )


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
