"""What a product achieved on a step (scoring.md §1 and §3), and, where nothing can be said, why.

A miss needs positive evidence: the attack happened, the product was alive, and the pipe was open. What a step needs to
be counted as missed it needs to be counted as detected, too: a product that falls silent where it sees nothing would
otherwise be rid of its misses and keep its hits.
"""

from collections.abc import Mapping, Sequence

from results.counting import StepEvidence
from results.grading import GRADES, Grade, grades_of
from results.quality import DELIVERY_NS
from results.records import (
    RAN_THROUGH,
    Canary,
    Category,
    Outcome,
    StepExecution,
    StepKind,
    Trial,
    TrialStatus,
    Verdict,
)
from results.techniques import Names

NANO = 1_000_000_000
FLUSH = "flush"
SEEN = (Outcome.PREVENTED, Outcome.ALERTED, Outcome.LOGGED)
BEYOND = "; beyond its declared class and so in no denominator of it: the product's class sees none of "


def judge_trial(
    trial: Trial,
    steps: Sequence[StepExecution],
    evidence: Mapping[str, StepEvidence],
    control: Mapping[str, StepExecution] | None,
    names: Names,
) -> list[Verdict]:
    """Judge every step of a trial, canaries left out.

    Args:
        trial: its record.
        steps: its steps.
        evidence: what speaks for each step, by id; a step that it lacks has none.
        control: the steps of the control with the same seed, by id; None if there is none.
        names: of the campaign's ATT&CK release.
    """
    return [
        judge(trial, step, evidence.get(step.step_id, StepEvidence()), (control or {}).get(step.step_id), names)
        for step in steps
        if step.kind is not StepKind.CANARY
    ]


def judge(
    trial: Trial, step: StepExecution, evidence: StepEvidence, control: StepExecution | None, names: Names
) -> Verdict:
    """Judge one step.

    Args:
        trial: its trial.
        step: the evidence that it ran.
        evidence: what counts for it, alerts and telemetry.
        control: the same step in the control with the same seed.
        names: of the campaign's ATT&CK release.
    """
    applicable = class_sees(trial, step)
    outcome, reason = _outcome(trial, step, evidence, control)
    shown = bool(evidence.alerts) and outcome in (Outcome.ALERTED, Outcome.PREVENTED)
    grades, lessened = grades_of(evidence.said, step, names) if shown else ([], "")
    reason += lessened
    if not applicable and outcome in SEEN:
        reason = f"{reason}{BEYOND}{', '.join(step.data_components)}"
    best = min((g.category for g in grades), key=GRADES.index, default=None)
    latency_s, delivery_s, received_s = _latency(step, evidence) if shown else (None, None, None)
    logged = evidence.telemetry_kind if outcome is Outcome.LOGGED else None
    return Verdict(
        trial_id=trial.trial_id,
        step_id=step.step_id,
        position=step.position,
        kind=step.kind,
        technique=step.technique,
        outcome=outcome,
        category=best,
        modifiers=_modifiers(trial, grades, best, (latency_s, received_s), evidence.shared) if shown else (),
        reason=reason,
        alerts=evidence.alerts,
        telemetry=evidence.telemetry,
        evidence_kind=evidence.alert_kind if shown else logged,
        wrong_techniques=tuple(sorted({wrong for g in grades for wrong in g.wrong})),
        latency_s=latency_s,
        delivery_s=delivery_s,
        applicable=applicable,
        received_s=received_s,
        repeats=evidence.repeats,
        more_alerts=evidence.more_alerts,
    )


def class_sees(trial: Trial, step: StepExecution) -> bool:
    """Whether the product's class can see an act, by what is declared of both: nothing that happened has a say.

    Else a narrow declaration would buy sensitivity: a hit beyond it would count, and a miss would not. Twins and
    placebos, and a product or a step that declares nothing, are always within it.
    """
    if step.kind is not StepKind.MALICIOUS or not trial.sees or not step.data_components:
        return True
    return bool(set(trial.sees) & set(step.data_components))


def watermark(trial: Trial, step: StepExecution) -> Canary | None:
    """The canary that shows whether the pipe was open after a step: the first last-canary that was sent after its end.

    With `isolation: step` each step has a product, and so a last canary, of its own.
    """
    ended = step.ended_ns or step.started_ns or 0
    later = [one for one in trial.canaries if one.phase == FLUSH and one.sent_ns >= ended]
    return min(later, key=lambda one: one.sent_ns, default=None)


def was_open(trial: Trial, step: StepExecution) -> bool:
    """Whether the watermark came through after the step's end and the product's declared latency (scoring.md §1)."""
    mark = watermark(trial, step)
    ended = step.ended_ns or step.started_ns or 0
    return mark is not None and mark.received_ns is not None and mark.received_ns >= ended + trial.latency_s * NANO


def _outcome(
    trial: Trial, step: StepExecution, evidence: StepEvidence, control: StepExecution | None
) -> tuple[Outcome, str]:
    """The outcome and the rule that decided it."""
    blank = _blank(trial, step, control)
    if blank is not None:
        return blank
    if trial.status is TrialStatus.FLUSH_TIMED_OUT:
        return Outcome.INVALID, "the last canary never came: neither an alert nor its absence counts"
    malicious, broken = step.kind is StepKind.MALICIOUS, step.kind is not StepKind.PLACEBO and step.verified is False
    silent = not evidence.alerts and not evidence.telemetry
    if silent and not broken and not class_sees(trial, step):
        return Outcome.NOT_APPLICABLE, f"the product's class sees none of {', '.join(step.data_components)}"
    if not was_open(trial, step):
        return Outcome.INVALID, (
            "no canary shows that the pipe was still open, so neither an alert nor its absence counts, after its end "
            f"and the declared latency of {trial.latency_s:g} s"
        )
    if broken and (malicious or not evidence.alerts):
        return _without_effect(evidence)
    if evidence.alerts:
        return Outcome.ALERTED, "an alert was attributed to it"
    if evidence.telemetry:
        return Outcome.LOGGED, "telemetry that holds its minimum evidence, and no alert"
    if malicious:
        return Outcome.MISSED, "its effect was seen, the product was alive, and nothing was attributed to it"
    return Outcome.MISSED, "left alone"


def _blank(trial: Trial, step: StepExecution, control: StepExecution | None) -> tuple[Outcome, str] | None:
    """Why nothing can be said about a step, whatever the product did; None if something can."""
    if trial.product is None:
        if step.kind is StepKind.MALICIOUS and step.verified is not True:
            return Outcome.INVALID, _why_unverified(step)
        return Outcome.MISSED, "the control: no product"
    if trial.status not in RAN_THROUGH:
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


def _without_effect(evidence: StepEvidence) -> tuple[Outcome, str]:
    """The effect is absent with the product; whether that is prevention is for the product to say."""
    if evidence.blocked:
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
    trial: Trial,
    grades: Sequence[Grade],
    best: Category | None,
    delay: tuple[float | None, float | None],
    shared: bool,
) -> tuple[str, ...]:
    """The modifiers; `delay` is by the product's own time and by receipt (seconds).

    What comes later than the declared latency and any delivery is delayed, whatever time the product gives it.
    """
    found = []
    own_s, received_s = delay
    too_late = own_s is not None and own_s > trial.latency_s
    too_late |= received_s is not None and received_s > trial.latency_s + DELIVERY_NS / NANO
    if best is Category.TECHNIQUE and all(g.parent for g in grades if g.category is Category.TECHNIQUE):
        found.append("parent")
    if too_late:
        found.append("delayed")
    if trial.tuned:
        found.append("configuration")
    if shared:
        found.append("correlated")
    return tuple(found)


def _latency(step: StepExecution, evidence: StepEvidence) -> tuple[float | None, float | None, float | None]:
    """Seconds from the end of the step to the first alert's own time, from there to its receipt; and to any receipt."""
    own, received, came = evidence.first_ns, evidence.first_received_ns, evidence.earliest_receipt_ns
    if step.ended_ns is None:
        return None, None, None
    until = None if came is None else round((came - step.ended_ns) / NANO, 6)
    if own is None or received is None:
        return None, None, until
    return round((own - step.ended_ns) / NANO, 6), round((received - own) / NANO, 6), until
