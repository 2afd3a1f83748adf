"""ATTiRe 1.1, the execution log that Invoke-AtomicRedTeam and VECTR exchange: what was run, when, with which output.

Upstream's own logger writes every time with `.000Z`; ours are the kernel's, to the millisecond.
https://github.com/SecurityRiskAdvisors/attire
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from results.errors import ContentError, Problem
from results.records import Objects, Output, StepExecution, StepKind, Text, Trial

VERSION = "1.1"
LARGEST_LOG = 64_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Part(BaseModel):
    """Upstream's keys have hyphens; others are passed over, as VECTR does."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class AttireOutput(_Part):
    """What a step printed."""

    content: str | None = ""
    level: str = "STDOUT"
    type: str = "console"


class AttireStep(_Part):
    """One command."""

    order: int
    time_start: AwareDatetime = Field(alias="time-start")
    time_stop: AwareDatetime = Field(alias="time-stop")
    executor: str
    command: str | None = ""
    process_id: int | None = Field(default=None, alias="process-id")
    exit_code: int | None = Field(default=None, alias="exit-code")
    is_timeout: bool = Field(default=False, alias="is-timeout")
    output: tuple[AttireOutput, ...] = ()


class AttireId(_Part):
    """Which procedure it was."""

    type: str = "guid"
    id: str


class AttireProcedure(_Part):
    """One procedure."""

    technique: str = Field(alias="mitre-technique-id", pattern=r"^T\d{4}(\.\d{3})?$")
    name: str = Field(alias="procedure-name")
    id: AttireId | None = Field(default=None, alias="procedure-id")
    description: str | None = Field(default="", alias="procedure-description")
    order: int | str = 0
    steps: tuple[AttireStep, ...]


class AttireTarget(_Part):
    """Where it was run."""

    user: str = ""
    host: str = ""
    ip: str | None = ""
    path: str | None = ""


class AttireExecution(_Part):
    """Who ran it, and how."""

    source: str = Field(alias="execution-source")
    id: str = Field(alias="execution-id")
    command: str | None = Field(default="", alias="execution-command")
    target: AttireTarget = AttireTarget()


class AttireLog(_Part):
    """One log."""

    version: str = Field(alias="attire-version", pattern=r"^1\.\d+$")
    execution: AttireExecution = Field(alias="execution-data")
    procedures: tuple[AttireProcedure, ...]


def to_attire(trial: Trial, steps: Sequence[StepExecution]) -> dict[str, Any]:
    """A trial's executed steps as an ATTiRe log; placebos, canaries and steps that were not run have no place in it."""
    ran = [step for step in steps if step.technique and step.started_ns is not None]
    identity = f"{trial.campaign}/{trial.trial_id}/{trial.started_ns}"
    digest = hashlib.sha256(identity.encode()).digest()
    names = [name for names in trial.node_names.values() for name in names]
    return {
        "attire-version": VERSION,
        "execution-data": {
            "execution-source": "Proven in Japan",
            "execution-id": base64.b64encode(digest).decode(),
            "execution-category": {"name": "Proven in Japan", "abbreviation": "PIJ"},
            "execution-command": f"pij run {trial.campaign}",
            "target": {
                "user": ran[0].user if ran else "",
                "host": names[0] if names else "",
                "ip": next((name for name in names if name.count(".") == 3), ""),
                "path": "",
            },
            "time-generated": _time(trial.ended_ns),
        },
        "procedures": [_procedure(step, order) for order, step in enumerate(ran, start=1)],
    }


def read_attire(path: Path) -> AttireLog:
    """Read a log, whoever wrote it (also with the byte order mark that PowerShell writes).

    Raises:
        ContentError: with every problem of the file.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ContentError([_problem(path, "", str(error.strerror), "a readable file", "Check the path.")]) from None
    if len(raw) > LARGEST_LOG:
        raise ContentError([_problem(path, "", f"{len(raw)} bytes", f"at most {LARGEST_LOG}", "Split the log.")])
    try:
        return AttireLog.model_validate(json.loads(raw.decode("utf-8-sig")))
    except ValidationError as error:
        problems = [
            _problem(path, ".".join(map(str, one["loc"])), repr(one["input"])[:120], one["msg"], "Correct the log.")
            for one in error.errors()
        ]
        raise ContentError(problems) from None
    except (ValueError, RecursionError) as error:
        raise ContentError([_problem(path, "", str(error)[:200], "JSON (ATTiRe 1.1)", "Correct the log.")]) from None


def to_steps(log: AttireLog) -> list[StepExecution]:
    """The ground truth that a log gives: times to its own precision, no process tree, no proof of any effect."""
    found: list[StepExecution] = []
    for procedure in log.procedures:
        found += [_step(log, procedure, step, len(found) + index) for index, step in enumerate(procedure.steps)]
    return found


def _procedure(step: StepExecution, order: int) -> dict[str, Any]:
    texts = (("STDOUT", step.stdout.text), ("STDERR", step.stderr.text))
    printed = [{"content": text, "level": level, "type": "console"} for level, text in texts if text]
    return {
        "mitre-technique-id": step.technique,
        "procedure-name": step.procedure_name or step.title.en,
        "procedure-id": {"type": "guid", "id": step.procedure},
        "procedure-description": step.title.en,
        "order": order,
        "steps": [
            {
                "order": 1,
                "time-start": _time(step.started_ns or 0),
                "time-stop": _time(step.ended_ns or step.started_ns or 0),
                "executor": step.executor,
                "command": step.executed,
                "process-id": step.leader_pid,
                "exit-code": step.exit_code,
                "is-timeout": step.timed_out,
                "output": printed or [{"content": "", "level": "STDOUT", "type": "console"}],
            }
        ],
    }


def _step(log: AttireLog, procedure: AttireProcedure, step: AttireStep, position: int) -> StepExecution:
    target = log.execution.target
    printed = {
        level: "".join(o.content or "" for o in step.output if o.level == level) for level in ("STDOUT", "STDERR")
    }
    return StepExecution(
        step_id=f"log-{position + 1}",
        position=position,
        kind=StepKind.MALICIOUS,
        title=Text(en=procedure.name, ja=procedure.name),
        technique=procedure.technique,
        tactics=(),
        procedure=procedure.id.id if procedure.id else "",
        procedure_name=procedure.name,
        node=target.host or "target",
        container_id="",
        user=target.user,
        executor=step.executor,
        executed=step.command or "",
        started_ns=_nanoseconds(step.time_start),
        ended_ns=_nanoseconds(step.time_stop),
        leader_pid=step.process_id,
        processes=(),
        exit_code=step.exit_code,
        timed_out=step.is_timeout,
        stdout=_output(printed["STDOUT"]),
        stderr=_output(printed["STDERR"]),
        verified=None,
        facts=(),
        cleanup="not known: the log does not say",
        twin_of=None,
        needs=(),
        not_run=None,
        objects=Objects(files=(), users=(), connections=()),
        criteria=(),
        data_components=(),
    )


def _output(text: str) -> Output:
    data = text.encode("utf-8", "surrogatepass")
    return Output(text=text, length=len(data), sha256=hashlib.sha256(data).hexdigest())


def _time(nanoseconds: int) -> str:
    moment = EPOCH + timedelta(milliseconds=nanoseconds // 1_000_000)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def _nanoseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def _problem(path: Path, field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=str(path), line=None, field=field, found=found, allowed=allowed, mend=mend)
