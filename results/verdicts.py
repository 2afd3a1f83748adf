"""What a product achieved on a step (scoring.md §1 and §3), and, where nothing can be said, why.

A miss needs positive evidence: the attack happened, the product was alive, and the pipe was open.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from results.attack import Catalogue
from results.records import (
    Action,
    Attribution,
    AttributionStatus,
    Category,
    Kind,
    Observation,
    Outcome,
    StepExecution,
    StepKind,
    Trial,
    TrialStatus,
    Verdict,
)

NANO = 1_000_000_000
TELEMETRY_SHOWN = 20
STRENGTH = list(Kind)
GRADES = [Category.TECHNIQUE, Category.TACTIC, Category.GENERAL]


@dataclass(frozen=True)
class Claimed:
    """An observation and the attribution that gives it to a step."""

    observation: Observation
    attribution: Attribution


@dataclass(frozen=True)
class Grade:
    """How much an alert said about the step that caused it."""

    category: Category
    parent: bool
    """It named the parent technique only."""
    wrong: tuple[str, ...]
    """Techniques that it named and that the step does not carry."""


def judge_trial(
    trial: Trial,
    steps: Sequence[StepExecution],
    observations: Mapping[str, Observation],
    attributions: Sequence[Attribution],
    control: Mapping[str, StepExecution] | None,
    catalogue: Catalogue,
) -> list[Verdict]:
    """Judge every step of a trial, canaries left out.

    Args:
        trial: its record.
        steps: its steps.
        observations: its alerts and telemetry, by id.
        attributions: one for each of them.
        control: the steps of the control with the same seed, by id; None if there is none.
        catalogue: of the campaign's ATT&CK release.
    """
    claimed: dict[str, list[Claimed]] = {}
    for attribution in attributions:
        if attribution.status is AttributionStatus.ATTRIBUTED and attribution.step_id is not None:
            observation = observations[attribution.observation_id]
            claimed.setdefault(attribution.step_id, []).append(Claimed(observation, attribution))
    return [
        judge(trial, step, claimed.get(step.step_id, []), (control or {}).get(step.step_id), catalogue)
        for step in steps
        if step.kind is not StepKind.CANARY
    ]


def judge(
    trial: Trial, step: StepExecution, claimed: Sequence[Claimed], control: StepExecution | None, catalogue: Catalogue
) -> Verdict:
    """Judge one step.

    Args:
        trial: its trial.
        step: the evidence that it ran.
        claimed: what was attributed to it, alerts and telemetry.
        control: the same step in the control with the same seed.
        catalogue: of the campaign's ATT&CK release.
    """
    alerts = [one for one in claimed if one.attribution.alert and counts(one)]
    telemetry = [one for one in claimed if not one.attribution.alert and one.attribution.meets_criteria]
    alerts.sort(
        key=lambda one: (one.observation.time_ns or one.observation.received_ns, one.observation.observation_id)
    )
    outcome, reason = _outcome(trial, step, alerts, telemetry, control)
    grades = [grade(one, step, catalogue) for one in alerts]
    shown = alerts if outcome in (Outcome.ALERTED, Outcome.PREVENTED) else []
    best = min((g.category for g in grades), key=GRADES.index, default=None) if shown else None
    counted = shown or (telemetry if outcome is Outcome.LOGGED else [])
    latency_s, delivery_s = _latency(step, shown)
    return Verdict(
        trial_id=trial.trial_id,
        step_id=step.step_id,
        position=step.position,
        kind=step.kind,
        technique=step.technique,
        outcome=outcome,
        category=best,
        modifiers=_modifiers(trial, grades, best, latency_s) if shown else (),
        reason=reason,
        alerts=tuple(one.observation.observation_id for one in alerts),
        telemetry=tuple(one.observation.observation_id for one in telemetry[:TELEMETRY_SHOWN]),
        evidence_kind=min(
            (one.attribution.kind for one in counted if one.attribution.kind), key=STRENGTH.index, default=None
        ),
        wrong_techniques=tuple(sorted({wrong for g in grades for wrong in g.wrong})) if shown else (),
        latency_s=latency_s,
        delivery_s=delivery_s,
    )


def counts(claimed: Claimed) -> bool:
    """Whether an attributed alert is evidence: it names the step's process or object, or holds its criteria."""
    return claimed.attribution.kind is not Kind.TIME or claimed.attribution.meets_criteria


def grade(claimed: Claimed, step: StepExecution, catalogue: Catalogue) -> Grade:
    """How much one alert said: names are compared as ids of the pinned release, revoked ids followed.

    By time alone an alert is `general` at most, whatever it names.
    """
    observation = claimed.observation
    named = {catalogue.resolve(name) or name for name in observation.techniques}
    own = catalogue.resolve(step.technique) if step.technique else None
    parent = catalogue.parent_of(own) if own else None
    wrong = tuple(sorted(name for name in named if name not in (own, parent)))
    if claimed.attribution.kind is Kind.TIME or step.kind is not StepKind.MALICIOUS:
        return Grade(Category.GENERAL, parent=False, wrong=wrong)
    if own is not None and own in named:
        return Grade(Category.TECHNIQUE, parent=False, wrong=wrong)
    if parent is not None and parent in named:
        return Grade(Category.TECHNIQUE, parent=True, wrong=wrong)
    tactics = {catalogue.tactic_id(name) for name in observation.tactics}
    if tactics & set(step.tactics):
        return Grade(Category.TACTIC, parent=False, wrong=wrong)
    return Grade(Category.GENERAL, parent=False, wrong=wrong)


def _outcome(
    trial: Trial,
    step: StepExecution,
    alerts: Sequence[Claimed],
    telemetry: Sequence[Claimed],
    control: StepExecution | None,
) -> tuple[Outcome, str]:
    """The outcome and the rule that decided it."""
    blank = _blank(trial, step, control)
    if blank is not None:
        return blank
    malicious = step.kind is StepKind.MALICIOUS
    if malicious and step.verified is False:
        return _without_effect(alerts)
    if alerts:
        return Outcome.ALERTED, "an alert was attributed to it"
    if telemetry:
        return Outcome.LOGGED, "telemetry that holds its minimum evidence, and no alert"
    if trial.status is TrialStatus.FLUSH_TIMED_OUT:
        return Outcome.INVALID, "nothing came, but the last canary did not come either: the pipe was not open"
    if malicious and trial.sees and step.data_components and not set(trial.sees) & set(step.data_components):
        return Outcome.NOT_APPLICABLE, f"the product's class sees none of {', '.join(step.data_components)}"
    if malicious:
        return Outcome.MISSED, "its effect was seen, the product was alive, and nothing was attributed to it"
    return Outcome.MISSED, "left alone"


def _blank(trial: Trial, step: StepExecution, control: StepExecution | None) -> tuple[Outcome, str] | None:
    """Why nothing can be said about a step, whatever the product did; None if something can."""
    if trial.product is None:
        if step.kind is StepKind.MALICIOUS and step.verified is not True:
            return Outcome.INVALID, _why_unverified(step)
        return Outcome.MISSED, "the control: no product"
    if trial.status not in (TrialStatus.COMPLETED, TrialStatus.FLUSH_TIMED_OUT):
        return Outcome.INVALID, f"the trial is invalid ({trial.status}): {trial.reason.splitlines()[0]}"
    if step.kind is StepKind.PLACEBO:
        return None
    if control is not None and control.verified is not True:
        return Outcome.INVALID, f"in the control, without any product: {_why_unverified(control)}"
    if step.not_run is not None:
        return Outcome.INVALID, f"it was not run: {step.not_run}"
    if step.verified is None:
        return Outcome.INVALID, _why_unverified(step)
    if step.verified is False and control is None:
        return Outcome.INVALID, "its effect was not seen, and there is no control with the same seed to compare with"
    return None


def _without_effect(alerts: Sequence[Claimed]) -> tuple[Outcome, str]:
    """The effect is absent with the product; whether that is prevention is for the product to say."""
    if any(one.observation.action is Action.BLOCKED for one in alerts):
        return Outcome.PREVENTED, "its effect is absent, is present in the control, and the product says it blocked"
    return (
        Outcome.DISRUPTED,
        "its effect is absent and is present in the control, but the product does not say that it blocked",
    )


def _why_unverified(step: StepExecution) -> str:
    if step.not_run is not None:
        return f"it was not run: {step.not_run}"
    failed = [f"{fact.fact} ({fact.detail})" for fact in step.facts if not fact.after]
    if failed:
        return f"its effect was not seen: {'; '.join(failed)}"
    early = [fact.fact for fact in step.facts if fact.before]
    return (
        f"its effect was there before it: {'; '.join(early)}" if early else "nothing can tell whether it had an effect"
    )


def _modifiers(
    trial: Trial, grades: Sequence[Grade], best: Category | None, latency_s: float | None
) -> tuple[str, ...]:
    found = []
    if best is Category.TECHNIQUE and all(g.parent for g in grades if g.category is Category.TECHNIQUE):
        found.append("parent")
    if latency_s is not None and latency_s > trial.latency_s:
        found.append("delayed")
    if trial.tuned:
        found.append("configuration")
    return tuple(found)


def _latency(step: StepExecution, alerts: Sequence[Claimed]) -> tuple[float | None, float | None]:
    """Seconds from the end of the step to the first alert's own time, and from there to its receipt."""
    timed = [one.observation for one in alerts if one.observation.time_ns is not None]
    if not timed or step.ended_ns is None:
        return None, None
    first = timed[0]
    own = first.time_ns or 0
    return round((own - step.ended_ns) / NANO, 6), round((first.received_ns - own) / NANO, 6)
