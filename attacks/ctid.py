"""Emulation plans of the Center for Threat-Informed Defense, read as upstream writes them.

A plan is one YAML list: `emulation_plan_details` first, then steps that look like Caldera abilities with Atomic Red
Team's `input_arguments`, `dependencies` and `executors` added. Upstream's files have quirks, which are tolerated: a
step without executors, a step number that is a range (`1.A.1-1.A.3`) or a list, names with commas.
https://github.com/center-for-threat-informed-defense/adversary_emulation_library/blob/master/structure/format.md
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from attacks.caldera import TECHNIQUE, explain, identifier
from attacks.procedure import Dependency, Executor, InputArgument, Procedure
from results.documents import Lines
from results.errors import Problem

CORPUS = "ctid"
EXECUTORS = {"sh": "sh", "bash": "bash", "pwsh": "powershell", "psh": "powershell", "powershell": "powershell"}
DETAILS = "emulation_plan_details"
STEP_RANGE = re.compile(r"^\s*(\S+?)\s*(?:-|–|to|,|;)\s*(\S+)\s*$")  # upstream writes an en dash, too


class PlanDetails(BaseModel):
    """What a plan says of itself."""

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    id: str = ""
    adversary_name: str
    adversary_description: str = ""
    attack_version: str = ""
    format_version: str = ""


class _Argument(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    description: str | None = None
    type: str | None = None
    default: str | None = None


class _Dependency(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    description: str = ""
    prereq_command: str | None = None
    get_prereq_command: str | None = None


class _Executor(BaseModel):
    """Keys of both corpora that the format was put together from."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str = ""
    platform: str = ""
    command: str | None = None
    cleanup_command: str | None = None
    cleanup: str | tuple[str, ...] | None = None
    elevation_required: bool | None = None


class _Step(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    id: str
    name: str = ""
    description: str = ""
    technique: Mapping[str, Any] | None = None
    procedure_step: str | tuple[str, ...] | None = None
    platforms: dict[str, dict[str, _Executor | None] | None] | None = None
    input_arguments: dict[str, _Argument | None] | None = None
    dependency_executor_name: str | None = None
    dependencies: tuple[_Dependency, ...] | None = None
    executors: tuple[_Executor, ...] | None = None


def read_emulation_plan(
    path: Path, data: Sequence[Any], lines: Lines
) -> tuple[PlanDetails | None, list[Procedure], list[Problem]]:
    """One emulation plan: what it says of itself, its steps as procedures in their order, and every problem."""
    details: PlanDetails | None = None
    procedures: list[Procedure] = []
    problems: list[Problem] = []
    for index, entry in enumerate(data):
        try:
            if isinstance(entry, dict) and DETAILS in entry:
                details = PlanDetails.model_validate(entry[DETAILS])
                continue
            step = _Step.model_validate(entry)
        except ValidationError as error:
            problems += [explain(path, lines, (index,), dict(detail)) for detail in error.errors()]
            continue
        technique = str((step.technique or {}).get("attack_id", ""))
        if TECHNIQUE.fullmatch(technique):
            procedures.append(_procedure(path, lines.of((index,)), step, technique))
            continue
        where = (index, "technique", "attack_id")
        problems.append(
            Problem(
                path=str(path), line=lines.of(where), field=".".join(map(str, where)), found=repr(technique),
                allowed="an ATT&CK id such as T1053.003", mend="Correct the id; without it the step is not read.",
            )
        )  # fmt: skip
    return details, procedures, problems


def step_range(text: str) -> tuple[str, str]:
    """First and last number of a step: `1.A.1-1.A.3` is a range, `1.A.1` stands for itself."""
    found = STEP_RANGE.match(text)
    return (found.group(1), found.group(2)) if found else (text.strip(), text.strip())


def _procedure(path: Path, line: int | None, step: _Step, technique: str) -> Procedure:
    platforms, executor = _chosen(step)
    first, last = step_range(step.procedure_step or "") if isinstance(step.procedure_step, str) else ("", "")
    number = first if first == last else f"{first} to {last}"
    return Procedure(
        guid=identifier(step.id),
        name=f"{number} {step.name}".strip(),
        technique=technique,
        description=step.description,
        platforms=platforms,
        arguments={
            name: InputArgument(
                description=(given.description or "") if given else "",
                type=(given.type or "string") if given else "string",
                default=given.default if given else None,
            )
            for name, given in (step.input_arguments or {}).items()
        },
        dependencies=tuple(
            Dependency(
                description=need.description,
                prereq_command=need.prereq_command,
                get_prereq_command=need.get_prereq_command,
            )
            for need in step.dependencies or ()
        ),
        dependency_executor=EXECUTORS.get(step.dependency_executor_name or ""),
        executor=executor,
        corpus=CORPUS,
        payload_folder=str(path.parent),
        path=str(path),
        line=line,
    )


def _chosen(step: _Step) -> tuple[tuple[str, ...], Executor]:
    """The step's platforms, and the executor for Linux if it has one, else its first."""
    found: list[tuple[str, str, _Executor]] = []
    for platforms, executors in (step.platforms or {}).items():
        for names, given in (executors or {}).items():
            if given is not None:
                found += [(one, name, given) for one in _split(platforms) for name in _split(names)]
    for given in step.executors or ():
        known = [platform for platform, _name, _given in found]
        for platform in _split(given.platform) or known or ["linux" if given.name in ("sh", "bash") else "windows"]:
            found += [(platform, name, given) for name in _split(given.name)]
    if not found:
        return ("linux",), Executor(name="manual", steps="upstream gives no executor")
    of_linux = [entry for entry in found if entry[0] == "linux"]
    _platform, name, given = (of_linux or found)[0]
    cleanup = given.cleanup_command or (given.cleanup if isinstance(given.cleanup, str) else None)
    if isinstance(given.cleanup, tuple):
        cleanup = "\n".join(given.cleanup)
    return tuple(dict.fromkeys(platform for platform, _name, _given in found)), Executor(
        name=EXECUTORS.get(name, name),
        command=given.command,
        cleanup_command=cleanup,
        elevation_required=bool(given.elevation_required),
    )


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
