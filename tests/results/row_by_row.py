"""Attribution a second time, row by row and with no array in it: what the one by column is compared with.

It knows the rules of scoring.md §2 and of `results.quality` only, and shares no code with the other but the records.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from results.records import (
    Attribution,
    AttributionStatus,
    Condition,
    Kind,
    Observation,
    StepExecution,
    StepKind,
    Trial,
)

SLACK = 1_000_000
NANO = 1_000_000_000
HALF_HOUR = 1800 * NANO
SHOWN = 20


def placed(observations: Sequence[Observation], trial: Trial) -> list[tuple[int, list[str]]]:
    """When each observation is placed, and the rules about times that met it."""
    patience = min(int(trial.latency_s * NANO) + 30 * NANO, HALF_HOUR // 2)
    zones = {name: _zone(observations, name, patience) for name in {one.component for one in observations}}
    found: list[tuple[int, list[str]]] = []
    latest: dict[str, int] = {}
    seen: set[tuple[str, int, str]] = set()
    for one in observations:
        own, rules = one.time_ns or None, []
        if own is None:
            found.append((one.received_ns, ["without_time"]))
            continue
        key = (one.component, own, one.raw_sha256)
        repeated = key in seen
        seen.add(key)
        shift = zones[one.component]
        if shift == 0 and (own < trial.started_ns - 2 * NANO or own > one.received_ns + 2 * NANO):
            shift = _off(one, patience)
        own += shift
        future = own > one.received_ns + 2 * NANO
        if future:
            rules.append("future")
        if shift:
            rules.append("wrong_zone")
        if not future and own < trial.started_ns - 2 * NANO:
            rules.append("stale")
        if repeated:
            rules.append("repeated")
        if not future:
            if own < latest.get(one.component, own):
                rules.append("out_of_order")
            latest[one.component] = max(own, latest.get(one.component, own))
        found.append((one.received_ns if future else own, rules))
    return found


def _off(one: Observation, patience: int) -> int:
    late = one.received_ns - (one.time_ns or 0)
    halves = (late + 2 * NANO) // HALF_HOUR
    fits = halves != 0 and abs(halves) <= 28 and late - halves * HALF_HOUR <= patience
    return halves * HALF_HOUR if fits else 0


def _zone(observations: Sequence[Observation], component: str, patience: int) -> int:
    timed = [one for one in observations if one.component == component and one.time_ns]
    offs = [off for one in timed if (off := _off(one, patience))]
    if not offs:
        return 0
    best = max(sorted(set(offs)), key=offs.count)
    return best if offs.count(best) >= 0.9 * len(timed) else 0


class RowByRow:
    """Attributes one observation at a time, looking at every step."""

    def __init__(self, steps: Sequence[StepExecution], names: Mapping[str, Sequence[str]], latency_s: float) -> None:
        self.steps = sorted((s for s in steps if s.started_ns is not None), key=lambda s: s.started_ns or 0)
        self.node_of = {name: node for node, many in names.items() for name in (*many, node)}
        self.latency = int(latency_s * NANO)

    def attribute(self, trial_id: str, one: Observation, alert: bool, moment: int, rules: Sequence[str]) -> Attribution:
        rules = [*rules]
        own = one.canary or one.outside
        if one.outside:
            rules.append("outside")
        if not own and one.node and _looks_like_container(one.node) and one.node not in self.node_of:
            rules.append("unknown_node")
        if (
            not own
            and one.pid is not None
            and len({i for i, s in enumerate(self.steps) for p in s.processes if p.pid == one.pid}) > 1
        ):
            rules.append("pid_reused")
        fields = {
            "trial_id": trial_id,
            "observation_id": one.observation_id,
            "alert": alert,
            "irregular": _sorted(rules),
        }
        blank = {"step_id": None, "kind": None, "candidates": (), "matched": {}, "meets_criteria": False}
        if own:
            return Attribution(**fields, **blank, status=AttributionStatus.HARNESS)
        left: list[int] = []
        for kind, steps, matched in self.evidence(one, moment):
            fitting = [step for step in steps if not left or step in left]
            if len(fitting) == 1:
                step = self.steps[fitting[0]]
                canary = step.kind is StepKind.CANARY
                more = () if canary or kind in (Kind.CONTAINER, Kind.TIME) else self.others(one, moment, fitting[0])
                return Attribution(
                    **fields,
                    status=AttributionStatus.HARNESS if canary else AttributionStatus.ATTRIBUTED,
                    step_id=step.step_id,
                    kind=kind,
                    candidates=(),
                    matched=matched,
                    meets_criteria=meets(step.criteria, one),
                    correlated=more,
                )
            left = fitting or left
        if left:
            named = tuple(self.steps[step].step_id for step in left[:SHOWN])
            return Attribution(**fields, **(blank | {"candidates": named}), status=AttributionStatus.AMBIGUOUS)
        return Attribution(**fields, **blank, status=AttributionStatus.UNATTRIBUTED)

    def others(self, one: Observation, moment: int, own: int) -> tuple[str, ...]:
        found = set()
        for _kind, steps, _matched in self.named(one, moment):
            if len(steps) == 1 and steps[0] != own:
                step = self.steps[steps[0]]
                if step.kind is not StepKind.CANARY and meets(step.criteria, one):
                    found.add(steps[0])
        return tuple(self.steps[step].step_id for step in sorted(found))

    def evidence(self, one: Observation, moment: int) -> Iterable[tuple[Kind, list[int], dict[str, str]]]:
        named = list(self.named(one, moment))
        if one.container_id:
            inside = [i for i in self.begun(moment) if self.steps[i].container_id == one.container_id]
            canaries = {i for i in inside if self.steps[i].kind is StepKind.CANARY}
            if any(canaries & set(steps) for _kind, steps, _matched in named):
                inside = []
            yield Kind.CONTAINER, [i for i in inside if i not in canaries], {"container_id": one.container_id}
        node = self.node_of.get(one.node) if one.node else None
        if node is not None and sum(step.node == node for step in self.steps) == 1:
            yield Kind.CONTAINER, [i for i in self.begun(moment) if self.steps[i].node == node], {"node": str(one.node)}
        yield from named
        if one.node and node is None and _looks_like_container(one.node):
            return
        within = [
            i
            for i in self.begun(moment)
            if moment <= (self.steps[i].ended_ns or self.steps[i].started_ns or 0) + self.latency
            and (node is None or self.steps[i].node == node)
        ]
        yield Kind.TIME, within, {"time_ns": str(moment)} | ({"node": node} if node else {})

    def named(self, one: Observation, moment: int) -> Iterable[tuple[Kind, list[int], dict[str, str]]]:
        for name, pid in (("pid", one.pid), ("parent_pid", one.parent_pid)):
            if pid is not None:
                yield (
                    Kind.LINEAGE,
                    [i for i, step in enumerate(self.steps) if self.lived(step, pid, moment)],
                    {name: str(pid)},
                )
        for name, value in self.objects(one):
            yield Kind.OBJECT, [i for i in self.begun(moment) if _touches(self.steps[i], name, value)], {name: value}

    def lived(self, step: StepExecution, pid: int, moment: int) -> bool:
        return any(
            p.pid == pid
            and p.started_ns - SLACK <= moment
            and (p.ended_ns is None or moment <= p.ended_ns + self.latency + SLACK)
            for p in step.processes
        )

    def begun(self, moment: int) -> list[int]:
        return [i for i, step in enumerate(self.steps) if (step.started_ns or 0) <= moment + SLACK]

    @staticmethod
    def objects(one: Observation) -> Iterable[tuple[str, str]]:
        for name, value in (("file", one.file_path), ("url", one.url), ("user", one.user)):
            if value:
                yield name, value
        for address in (one.source_address, one.destination_address):
            if address and one.destination_port:
                yield "connection", f"{address}:{one.destination_port}"
            if address:
                yield "connection", address


def meets(criteria: Sequence[Sequence[Condition]], one: Observation) -> bool:
    return any(
        bool(alternative) and all(re.search(c.matches, _text(one, c.field)) for c in alternative)
        for alternative in criteria
    )


def _text(one: Observation, name: str) -> str:
    value = one.raw if name == "any" else getattr(one, name, None)
    return (" ".join(value) if isinstance(value, tuple) else "" if value is None else str(value))[: 64 * 1024]


def _touches(step: StepExecution, name: str, value: str) -> bool:
    touched = step.objects
    if name == "file":
        return any(value.startswith(path) if path.endswith("/") else value == path for path in touched.files)
    return value in {"url": touched.urls, "user": touched.users, "connection": touched.connections}[name]


def _looks_like_container(name: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{12,64}", name) is not None


def _sorted(rules: Sequence[str]) -> tuple[str, ...]:
    order = (
        "without_time", "future", "wrong_zone", "stale", "repeated", "out_of_order", "unknown_node", "pid_reused",
        "outside",
    )  # fmt: skip
    return tuple(rule for rule in order if rule in rules)
