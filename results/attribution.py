"""Attribution: the claim, with its evidence, that a step caused an alert (scoring.md §2).

No marker is planted. Evidence, strongest first: container, process lineage, object, time and node. An
observation is attributed by the strongest kind that points at exactly one step. If the strongest kind it has
fits several steps equally well, the next kind may decide among them; if none does, it is ambiguous and counts
for nobody. A step that began after an observation's own time can't have caused it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from results.records import (
    Attribution,
    AttributionStatus,
    Condition,
    Kind,
    Observation,
    Process,
    StepExecution,
    StepKind,
)

CLOCK_SLACK_NS = 1_000_000
"""Products round their times; a millisecond is the coarsest that still orders two steps."""
SEARCHED = 64 * 1024
NANO = 1_000_000_000


@dataclass(frozen=True)
class _Found:
    """Steps that one kind of evidence points at."""

    kind: Kind
    steps: tuple[int, ...]
    matched: dict[str, str]


class Attributor:
    """Attributes the observations of one trial. Built once, so that each observation costs a few look-ups."""

    def __init__(
        self, steps: Sequence[StepExecution], node_names: Mapping[str, Sequence[str]], latency_s: float
    ) -> None:
        """Index the steps that ran.

        Args:
            steps: of the trial, canaries included.
            node_names: node -> every name that a product may call it by.
            latency_s: the product's declared latency.
        """
        self._steps = [step for step in steps if step.started_ns is not None]
        self._steps.sort(key=lambda step: step.started_ns or 0)
        self._starts = [step.started_ns or 0 for step in self._steps]
        self._latency_ns = int(latency_s * NANO)
        self._node_of = {name: node for node, names in node_names.items() for name in (*names, node)}
        self._pids: dict[int, list[tuple[int, Process]]] = {}
        self._objects: dict[tuple[str, str], list[int]] = {}
        self._directories: dict[str, list[int]] = {}
        self._on_node: dict[str, list[int]] = {}
        self._in_container: dict[str, list[int]] = {}
        for index, step in enumerate(self._steps):
            self._on_node.setdefault(step.node, []).append(index)
            self._in_container.setdefault(step.container_id, []).append(index)
            for process in step.processes:
                self._pids.setdefault(process.pid, []).append((index, process))
            self._index_objects(index, step)
        self._longest_ns = max((self._end(index) - self._starts[index] for index in range(len(self._steps))), default=0)

    def attribute(self, trial_id: str, observation: Observation, alert: bool) -> Attribution:
        """Attribute one observation."""

        def claim(
            status: AttributionStatus, index: int | None = None, found: _Found | None = None, many: Sequence[int] = ()
        ) -> Attribution:
            step = self._steps[index] if index is not None else None
            return Attribution(
                trial_id=trial_id,
                observation_id=observation.observation_id,
                alert=alert,
                status=status,
                step_id=step.step_id if step else None,
                kind=found.kind if found else None,
                candidates=tuple(self._steps[one].step_id for one in many),
                matched=found.matched if found else {},
                meets_criteria=step is not None and meets(step.criteria, observation),
            )

        if observation.canary or observation.outside:
            return claim(AttributionStatus.HARNESS)
        candidates: tuple[int, ...] = ()
        for found in self._evidence(observation):
            fitting = tuple(i for i in found.steps if not candidates or i in candidates)
            if len(fitting) == 1:
                canary = self._steps[fitting[0]].kind is StepKind.CANARY
                status = AttributionStatus.HARNESS if canary else AttributionStatus.ATTRIBUTED
                return claim(status, fitting[0], found)
            candidates = fitting or candidates
        if candidates:
            return claim(AttributionStatus.AMBIGUOUS, many=candidates)
        return claim(AttributionStatus.UNATTRIBUTED)

    def _evidence(self, observation: Observation) -> Iterable[_Found]:
        """Every kind of evidence that the observation has, strongest first."""
        moment = observation.time_ns or observation.received_ns
        if observation.container_id:
            alone = self._alone(observation, moment)
            yield _Found(Kind.CONTAINER, alone, {"container_id": observation.container_id})
        node = self._node_of.get(observation.node) if observation.node else None
        if node is not None and len(self._on_node.get(node, ())) == 1:
            yield _Found(Kind.CONTAINER, self._begun(self._on_node[node], moment), {"node": str(observation.node)})
        for name, pid in (("pid", observation.pid), ("parent_pid", observation.parent_pid)):
            steps = self._by_pid(pid, moment) if pid is not None else ()
            if steps:
                yield _Found(Kind.LINEAGE, steps, {name: str(pid)})
        for name, value in _objects_of(observation):
            steps = self._begun(self._by_object(name, value), moment)
            if steps:
                yield _Found(Kind.OBJECT, steps, {name: value})
        steps = self._by_time(moment, node)
        if steps:
            yield _Found(Kind.TIME, steps, {"time_ns": str(moment)} | ({"node": node} if node else {}))

    def _alone(self, observation: Observation, moment: int) -> tuple[int, ...]:
        """The one step that ever ran in a container; none if the observation names what a canary did there."""
        inside = self._begun(self._in_container.get(observation.container_id or "", ()), moment)
        canaries = {index for index in inside if self._steps[index].kind is StepKind.CANARY}
        named = {
            index for pid in (observation.pid, observation.parent_pid) if pid for index in self._by_pid(pid, moment)
        }
        named |= {index for name, value in _objects_of(observation) for index in self._by_object(name, value)}
        return () if named & canaries else tuple(index for index in inside if index not in canaries)

    def _by_pid(self, pid: int, moment: int) -> tuple[int, ...]:
        """Steps with a process of this pid that had begun by then, and had not ended long before."""
        return tuple(
            dict.fromkeys(
                index
                for index, process in self._pids.get(pid, ())
                if process.started_ns - CLOCK_SLACK_NS <= moment
                and (process.ended_ns is None or moment <= process.ended_ns + self._latency_ns + CLOCK_SLACK_NS)
            )
        )

    def _by_object(self, name: str, value: str) -> list[int]:
        found = list(self._objects.get((name, value), ()))
        if name == "file":
            for length in range(len(value)):
                if value[length] == "/":
                    found += self._directories.get(value[: length + 1], ())
        return list(dict.fromkeys(found))

    def _by_time(self, moment: int, node: str | None) -> tuple[int, ...]:
        """Steps whose window holds the moment; only those that began at most the longest window before it."""
        last = bisect_right(self._starts, moment + CLOCK_SLACK_NS)
        first = bisect_right(self._starts, moment - self._longest_ns - CLOCK_SLACK_NS)
        return tuple(
            index
            for index in range(first, last)
            if moment <= self._end(index) and (node is None or self._steps[index].node == node)
        )

    def _begun(self, indices: Iterable[int], moment: int) -> tuple[int, ...]:
        return tuple(index for index in indices if self._starts[index] <= moment + CLOCK_SLACK_NS)

    def _end(self, index: int) -> int:
        step = self._steps[index]
        return (step.ended_ns or step.started_ns or 0) + self._latency_ns

    def _index_objects(self, index: int, step: StepExecution) -> None:
        for path in step.objects.files:
            if path.endswith("/"):
                self._directories.setdefault(path, []).append(index)
            else:
                self._objects.setdefault(("file", path), []).append(index)
        for user in step.objects.users:
            self._objects.setdefault(("user", user), []).append(index)
        for place in step.objects.connections:
            self._objects.setdefault(("connection", place), []).append(index)
        for url in step.objects.urls:
            self._objects.setdefault(("url", url), []).append(index)


def meets(criteria: Sequence[Sequence[Condition]], observation: Observation) -> bool:
    """Whether an observation holds a step's minimum evidence: all conditions of one alternative."""
    return any(
        alternative and all(re.search(c.matches, _field(observation, c.field)) for c in alternative)
        for alternative in criteria
    )


def _field(observation: Observation, name: str) -> str:
    value = observation.raw if name == "any" else getattr(observation, name, None)
    text = " ".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
    return text[:SEARCHED]


def _objects_of(observation: Observation) -> Iterable[tuple[str, str]]:
    if observation.file_path:
        yield "file", observation.file_path
    if observation.url:
        yield "url", observation.url
    if observation.user:
        yield "user", observation.user
    for address in (observation.source_address, observation.destination_address):
        if address and observation.destination_port:
            yield "connection", f"{address}:{observation.destination_port}"
        if address:
            yield "connection", address
