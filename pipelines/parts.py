"""Putting together a trial whose steps had containers of their own."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from results.records import Observation, ResourceSample, SourceCount, StepExecution, StepKind, TrialStatus


@dataclass
class Gathered:
    """What a trial has so far; sealed however it ends."""

    started_ns: int = field(default_factory=time.time_ns)
    """When it was begun (UTC)."""
    status: TrialStatus = TrialStatus.COMPLETED
    reason: str = ""
    was_ready: bool = False
    """The product has shown its canary."""
    steps: list[StepExecution] = field(default_factory=list)
    alerts: Sequence[Observation] = ()
    telemetry: Sequence[Observation] = ()
    resources: list[ResourceSample] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    """Fields of `Trial` that were learnt on the way."""
    phases_s: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


def add_part(whole: Gathered, part: Gathered, number: int) -> None:
    """Add what one step's own containers gave to the trial.

    Args:
        whole: the trial so far.
        part: of one step, and of the canaries beside it.
        number: the step's place in the trial, from 0.
    """
    own = next((step for step in part.steps if step.kind is not StepKind.CANARY), None)
    container = own.container_id if own is not None else None
    for step in part.steps:
        if step.kind is StepKind.CANARY:
            whole.steps.append(step.model_copy(update={"step_id": f"{step.step_id}-{number}"}))
        else:
            whole.steps.append(step.model_copy(update={"position": number}))
    whole.alerts = [*whole.alerts, *_moved(part.alerts, "a", len(whole.alerts), container)]
    whole.telemetry = [*whole.telemetry, *_moved(part.telemetry, "t", len(whole.telemetry), container)]
    whole.resources += part.resources
    whole.log += [f"{own.step_id if own else number}: {line}" for line in part.log]
    for name, seconds in part.phases_s.items():
        whole.phases_s[name] = round(whole.phases_s.get(name, 0.0) + seconds, 3)
    for name, value in part.facts.items():
        whole.facts[name] = _joined(name, whole.facts.get(name), value)


def _moved(observations: Sequence[Observation], kind: str, first: int, container: str | None) -> list[Observation]:
    """The same observations with ids of the whole trial, and the container that they can only be about."""
    return [
        one.model_copy(update={"observation_id": f"{kind}{first + index}", "container_id": container})
        for index, one in enumerate(observations)
    ]


def _joined(name: str, before: object, value: object) -> object:
    if before is None or name not in ("canaries", "sources", "node_names", "isolation", "conduct"):
        return value
    if name == "node_names" and isinstance(before, dict) and isinstance(value, dict):
        return {node: tuple(dict.fromkeys([*before.get(node, ()), *names])) for node, names in value.items()}
    if name == "sources" and isinstance(before, tuple) and isinstance(value, tuple):
        return tuple(_added(one, other) for one, other in zip(before, value, strict=True))
    if name == "isolation":
        return before  # every step's own containers were tried; one proof is enough to read
    if name == "conduct" and isinstance(before, tuple) and isinstance(value, tuple):
        return tuple(dict.fromkeys([*before, *value]))
    return (*before, *value) if isinstance(before, tuple) and isinstance(value, tuple) else value


def _added(one: SourceCount, other: SourceCount) -> SourceCount:
    numbers = {
        name: getattr(one, name) + getattr(other, name)
        for name, info in SourceCount.model_fields.items()
        if info.annotation is int
    }
    return one.model_copy(update=numbers)
