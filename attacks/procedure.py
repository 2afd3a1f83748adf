"""A procedure: one way to carry out a technique, whichever corpus it was read from. Its bytes are never changed."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

from results.documents import Definition
from results.errors import EvaluationError
from results.records import TechniqueId

EXECUTORS = ("bash", "sh", "powershell", "python")
"""What a node's session can run, where the node has it; upstream's names."""
PLACEHOLDER = re.compile(r"#\{([A-Za-z0-9_.\- ]+)(?:\[[^\]}]*\])?\}")
"""`#{name}`; Caldera also writes `#{name[filters(max=3)]}`."""
PAYLOAD_FOLDER = "PathToAtomicsFolder"
"""What upstream writes, with or without `$`, for the folder with its payload files."""
NESTED_DEFAULTS = 5
PAYLOAD_CAP = 20_000_000


class InputArgument(BaseModel):
    """One argument of a procedure."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

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

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    command: str | None = None
    cleanup_command: str | None = None
    elevation_required: bool = False
    steps: str | None = None
    """For `manual`: what a person would do, or why only a person could."""


class Dependency(BaseModel):
    """What must be there before a procedure can run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = ""
    prereq_command: str | None = None
    """Exits 0 if it is there already."""
    get_prereq_command: str | None = None
    """Makes it be there."""


class Procedure(Definition):
    """One way to carry out a technique."""

    guid: str
    name: str
    technique: TechniqueId
    description: str
    platforms: tuple[str, ...]
    arguments: dict[str, InputArgument]
    dependencies: tuple[Dependency, ...]
    dependency_executor: str | None = None
    """Shell of the dependencies; the procedure's own if None."""
    executor: Executor
    corpus: str = "atomic-red-team"
    payload_folder: str | None = None
    """Folder that `PathToAtomicsFolder` stands for; for a Caldera ability, the one with its payloads."""
    payloads: tuple[str, ...] = ()
    """Files that a Caldera agent would have fetched into the folder where the command runs."""
    missing: tuple[str, ...] = ()
    """Facts that no fact source gives."""
    timeout_s: float | None = None
    path: str
    line: int | None

    @property
    def obstacle(self) -> str | None:
        """Why it can't be replayed at all, on no node; None if it can."""
        if "linux" not in self.platforms:
            return f"for {', '.join(self.platforms)} only"
        if self.executor.name == "manual":
            return f"manual: {self.executor.steps or 'a person has to do it'}".splitlines()[0]
        if self.executor.name not in EXECUTORS:
            return f"executor {self.executor.name!r}; replayed are {', '.join(EXECUTORS)}"
        if not (self.executor.command or "").strip():
            return "it has no command"
        if self.missing:
            return f"no fact source gives {', '.join(self.missing)}"
        return None

    @property
    def payload_places(self) -> tuple[str, ...]:
        """Folders below `payload_folder` that its texts name, e.g. `T1105/src`; they must be in the node."""
        texts = [text or "" for text in (self.executor.command, self.executor.cleanup_command)]
        texts += [argument.default or "" for argument in self.arguments.values()]
        for dependency in self.dependencies:
            texts += [dependency.prereq_command or "", dependency.get_prereq_command or ""]
        if not any(PAYLOAD_FOLDER in text for text in texts):
            return ()
        named = re.compile(PAYLOAD_FOLDER + r"[/\\]+(T\d{4}(?:\.\d{3})?)")
        found = {match.group(1) for text in texts for match in named.finditer(text)}
        return tuple(sorted(found | {self.technique}))


class Prerequisite(Definition):
    """One dependency with its arguments filled in."""

    check: str | None
    get: str | None


class Instance(Definition):
    """A procedure with its arguments filled in: the bytes that are executed."""

    command: str
    cleanup: str | None
    executor: str
    prerequisites: tuple[Prerequisite, ...] = ()
    prerequisite_executor: str = "sh"


def instantiate(procedure: Procedure, arguments: Mapping[str, str], payloads_at: str | None = None) -> Instance:
    """Fill in the arguments, in one pass: a given value that holds `#{x}` itself stays as it is.

    Args:
        procedure: as it was read.
        arguments: instead of its defaults.
        payloads_at: the folder of the node that holds the payload files; `PathToAtomicsFolder` stays if None.

    Raises:
        EvaluationError: an argument that it does not have, or one without value and default.
    """
    unknown = sorted(set(arguments) - set(procedure.arguments))
    if unknown:
        raise EvaluationError(
            f"{procedure.path}: procedure {procedure.guid}: found argument {unknown[0]!r}; allowed: "
            f"{', '.join(procedure.arguments) or 'none'}. Correct the step's `arguments`."
        )
    values = {**_defaults(procedure), **arguments}

    def fill(text: str) -> str:
        filled = PLACEHOLDER.sub(lambda match: _value(procedure, values, match), text)
        if payloads_at is None:
            return filled
        return filled.replace(f"${PAYLOAD_FOLDER}", payloads_at).replace(PAYLOAD_FOLDER, payloads_at)

    def maybe(text: str | None) -> str | None:
        return fill(text) if text else None

    executor = procedure.executor
    return Instance(
        command=fill(executor.command or ""),
        cleanup=maybe(executor.cleanup_command),
        executor=executor.name,
        prerequisites=tuple(
            Prerequisite(check=maybe(need.prereq_command), get=maybe(need.get_prereq_command))
            for need in procedure.dependencies
        ),
        prerequisite_executor=procedure.dependency_executor or executor.name,
    )


def payload_files(procedure: Procedure) -> list[tuple[Path, str]]:
    """Files that the node must have: (on this machine, relative to the folder they go to). Links are left out.

    For Atomic Red Team everything but the YAML and Markdown of the technique's folder, as upstream's tool finds it;
    for Caldera the ability's payloads.
    """
    if procedure.payload_folder is None:
        return []
    root = Path(procedure.payload_folder)
    names = [root / name for name in procedure.payloads]
    for place in procedure.payload_places:
        names += [path for path in sorted((root / place).rglob("*")) if path.suffix not in (".yaml", ".md")]
    return [
        (path, str(path.relative_to(root)))
        for path in names
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= PAYLOAD_CAP
    ]


def _defaults(procedure: Procedure) -> dict[str, str | None]:
    """Defaults may name other arguments, as upstream's tool lets them."""
    values = {name: argument.default for name, argument in procedure.arguments.items()}
    for _ in range(NESTED_DEFAULTS):
        values = {name: value and _nested(value, values) for name, value in values.items()}
    return values


def _nested(text: str, values: Mapping[str, str | None]) -> str:
    return PLACEHOLDER.sub(lambda match: values.get(match.group(1)) or match.group(0), text)


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
