"""The evidence of one trial, step by step, arranged for its page. Long lists are cut and say so."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from results.records import (
    Attribution,
    AttributionStatus,
    Observation,
    Output,
    Process,
    StepExecution,
    StepKind,
    Trial,
    Verdict,
)
from results.views import anchor, said, sign_of
from results.wording_reasons import reason_words

SHOWN_ALERTS = 20
SHOWN_TELEMETRY = 5
SHOWN_PROCESSES = 40
SHOWN_RAW = 2_000
SHOWN_OUTPUT = 2_000
NANO = 1_000_000_000


class TrialEvidence(NamedTuple):
    """Everything known about one trial."""

    trial: Trial
    steps: tuple[StepExecution, ...]
    alerts: Mapping[str, Observation]
    telemetry: Mapping[str, Observation]
    attributions: tuple[Attribution, ...]
    verdicts: Mapping[str, Verdict]
    seal: str


class Seen(NamedTuple):
    """One alert or telemetry record with the claim that ties it to a step."""

    observation: Observation
    attribution: Attribution | None
    counted: bool
    raw: str
    cut: bool


class Listed(NamedTuple):
    """Some of a list, and how many are left out."""

    seen: tuple[Seen, ...]
    more: int


class TreeProcess(NamedTuple):
    """One process, as deep as its ancestors within the step."""

    depth: int
    process: Process


class StepView(NamedTuple):
    """One step with its verdict and all that speaks for it."""

    step: StepExecution
    anchor: str
    title: str
    verdict: Verdict | None
    sign: str
    css: str
    verdict_words: str
    rule: str
    processes: tuple[TreeProcess, ...]
    more_processes: int
    alerts: Listed
    telemetry: Listed
    ambiguous: Listed


class TrialView(NamedTuple):
    """One trial's page."""

    trial: Trial
    steps: tuple[StepView, ...]
    unattributed: Listed


def utc(time_ns: int | None) -> str | None:
    """A moment in UTC with all its nanoseconds."""
    if time_ns is None:
        return None
    moment = datetime.fromtimestamp(time_ns // NANO, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns % NANO:09d} UTC"


def is_cut(output: Output) -> bool:
    """Whether the page holds less than the step wrote."""
    return len(output.text) > SHOWN_OUTPUT or len(output.text.encode("utf-8", "replace")) < output.length


def trial_view(evidence: TrialEvidence, language: str) -> TrialView:
    """Arrange one trial. A step's alerts are those attributed to it; the ones that counted come first."""
    by_step: dict[str, list[Attribution]] = {}
    candidates: dict[str, list[Attribution]] = {}
    unattributed = []
    for claim in evidence.attributions:
        if claim.step_id is not None and claim.status is AttributionStatus.ATTRIBUTED:
            by_step.setdefault(claim.step_id, []).append(claim)
        elif claim.alert and claim.status is AttributionStatus.AMBIGUOUS:
            for step_id in claim.candidates:
                candidates.setdefault(step_id, []).append(claim)
        elif claim.alert and claim.status is AttributionStatus.UNATTRIBUTED:
            unattributed.append(claim)
    steps = tuple(
        _step_view(step, evidence, by_step.get(step.step_id, []), candidates.get(step.step_id, []), language)
        for step in sorted(evidence.steps, key=lambda step: step.position)
    )
    return TrialView(evidence.trial, steps, _listed(unattributed, evidence, frozenset(), SHOWN_ALERTS))


def _step_view(
    step: StepExecution,
    evidence: TrialEvidence,
    claims: Sequence[Attribution],
    ambiguous: Sequence[Attribution],
    language: str,
) -> StepView:
    # A control has no product that could have missed anything.
    verdict = evidence.verdicts.get(step.step_id) if evidence.trial.product is not None else None
    sign, css, text = "", "control", ""
    if verdict is not None:
        sign, css, text = sign_of(verdict.outcome, verdict.category, step.kind, language)
    counted = frozenset((*verdict.alerts, *verdict.telemetry)) if verdict else frozenset()
    tree = process_tree(step.processes)
    telemetry = [claim for claim in claims if not claim.alert and claim.observation_id in counted]
    return StepView(
        step=step,
        anchor=anchor(step.step_id),
        title=said(step.title, language),
        verdict=verdict,
        sign=sign,
        css=css,
        verdict_words=text,
        rule=reason_words(verdict.reason, language) if verdict else "",
        processes=tree[:SHOWN_PROCESSES],
        more_processes=max(0, len(tree) - SHOWN_PROCESSES),
        alerts=_listed([claim for claim in claims if claim.alert], evidence, counted, SHOWN_ALERTS),
        telemetry=_listed(telemetry, evidence, counted, SHOWN_TELEMETRY),
        ambiguous=_listed(ambiguous, evidence, counted, SHOWN_ALERTS),
    )


def _listed(claims: Sequence[Attribution], evidence: TrialEvidence, counted: frozenset[str], limit: int) -> Listed:
    ordered = sorted(claims, key=lambda claim: (claim.observation_id not in counted, claim.observation_id))
    seen = tuple(_seen(claim, evidence, claim.observation_id in counted) for claim in ordered[:limit])
    return Listed(tuple(one for one in seen if one is not None), max(0, len(ordered) - limit))


def _seen(claim: Attribution, evidence: TrialEvidence, counted: bool) -> Seen | None:
    records = evidence.alerts if claim.alert else evidence.telemetry
    observation = records.get(claim.observation_id)
    if observation is None:
        return None
    raw = observation.raw
    cut = len(raw) > SHOWN_RAW or observation.raw_length > len(raw.encode("utf-8", "surrogatepass"))
    return Seen(observation, claim, counted, raw[:SHOWN_RAW], cut)


def process_tree(processes: Iterable[Process]) -> tuple[TreeProcess, ...]:
    """The processes in tree order, parents before children, by start time.

    A pid may be used twice, and a parent may be unknown or (in a forged record) its own ancestor: every
    process comes out exactly once all the same.
    """
    ordered = sorted(processes, key=lambda process: (process.started_ns, process.pid))
    latest: dict[int, int] = {}
    children: dict[int | None, list[int]] = {}
    for index, process in enumerate(ordered):
        # Only an earlier start can be the parent, so no cycle can arise.
        children.setdefault(latest.get(process.parent_pid), []).append(index)
        latest[process.pid] = index
    tree = []
    waiting = [(0, index) for index in reversed(children.get(None, []))]
    while waiting:
        depth, index = waiting.pop()
        tree.append(TreeProcess(depth, ordered[index]))
        waiting.extend((depth + 1, child) for child in reversed(children.get(index, [])))
    return tuple(tree)


def effects_of(steps: Iterable[StepExecution]) -> dict[str, bool | None]:
    """For each step that has a record: was its effect confirmed?"""
    return {step.step_id: step.verified for step in steps if step.kind is not StepKind.CANARY}
