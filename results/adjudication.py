"""Adjudication (scoring.md §6): a person changes a verdict, on the record; the scorer's own stands beside.

Each is an entry of the campaign's journal: who, why, before, after, on what evidence. The latest about a step holds.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from results.errors import EvaluationError, several
from results.journal import EntryKind, append, read_journal
from results.people import Adjudication, Ruling
from results.records import Category, Outcome, Verdict
from results.store import read_alerts, read_telemetry, read_verdicts

ALLOWED = (
    "prevented, alerted:general, alerted:tactic, alerted:technique, logged, missed, disrupted, not_applicable, invalid"
)


def read_ruling(text: str) -> Ruling:
    """A verdict as a person writes it: `missed`, `alerted:technique`.

    Raises:
        EvaluationError: there is no such verdict.
    """
    outcome, _colon, category = text.partition(":")
    known = {one.value: one for one in Outcome}
    categories = {one.value: one for one in Category}
    alerted = outcome == Outcome.ALERTED.value
    if outcome not in known or ((category or alerted) and (not alerted or category not in categories)):
        raise EvaluationError(f"--verdict: found {text!r}; allowed: {ALLOWED}. Name one of these.")
    return Ruling(outcome=known[outcome], category=categories.get(category))


def adjudications(folder: Path) -> list[Adjudication]:
    """Every adjudication of a campaign, in the order in which they were made.

    Raises:
        JournalError: the journal is not what was written.
    """
    entries = read_journal(folder)
    return [
        Adjudication.model_validate(one.about | {"time_ns": one.time_ns})
        for one in entries
        if one.kind is EntryKind.ADJUDICATED
    ]


def adjudicate(
    folder: Path,
    trial_id: str,
    step_id: str,
    after: Ruling,
    words: Mapping[str, str],
    evidence: Sequence[str],
    now_ns: int,
) -> Adjudication:
    """Put a person's decision on the record; scoring the campaign again makes it count.

    Args:
        folder: of a scored campaign.
        trial_id: whose verdict.
        step_id: on which step.
        after: the verdict that shall hold.
        words: `author` and `reason`.
        evidence: ids of observations, or addresses of documents; for an alert at least one id of an alert.
        now_ns: the time (UTC).

    Raises:
        EvaluationError: there is no such verdict, something is not said, or nothing would change.
    """
    verdict = require_verdict(folder, trial_id, step_id)
    if trial_id.startswith("control-r"):
        raise EvaluationError(f"{trial_id}: found a control; allowed: a trial of a product. A control has no verdict.")
    for name in ("author", "reason"):
        if not words.get(name, "").strip():
            raise EvaluationError(f"--{name}: found nothing; allowed: some words. A decision without them is none.")
    named = tuple(one.strip() for one in evidence if one.strip())
    if not named:
        raise EvaluationError("--evidence: found nothing; allowed: ids of observations, or addresses. Name one.")
    _require_alert(folder / "trials" / trial_id, after, named)
    before = Ruling(outcome=verdict.outcome, category=verdict.category)
    if before == after:
        raise EvaluationError(f"--verdict: found what holds already ({_words(before)}); allowed: another.")
    found = Adjudication(
        trial_id=trial_id, step_id=step_id, author=words["author"].strip(), reason=words["reason"].strip(),
        evidence=named, before=before, after=after, time_ns=now_ns,
    )  # fmt: skip
    append(folder, EntryKind.ADJUDICATED, found.model_dump(mode="json", exclude={"time_ns"}), now_ns)
    return found


def require_verdict(folder: Path, trial_id: str, step_id: str) -> Verdict:
    """The verdict at an address.

    Raises:
        EvaluationError: there is none; those that exist are listed.
    """
    if not (folder / "verdicts.parquet").is_file():
        raise EvaluationError(
            f"{folder}: verdicts.parquet: found none; allowed: a scored campaign. Run `pij score {folder}` first."
        )
    verdicts = {(one.trial_id, one.step_id): one for one in read_verdicts(folder)}
    verdict = verdicts.get((trial_id, step_id))
    if verdict is None:
        trials = sorted({trial for trial, _step in verdicts})
        steps = sorted(step for trial, step in verdicts if trial == trial_id)
        known = f"a step of {trial_id}: {several(steps, step_id)}" if steps else f"a trial: {several(trials, trial_id)}"
        raise EvaluationError(f"{trial_id}/{step_id}: found no verdict; allowed: {known}. Check the address.")
    return verdict


def applied(verdicts: Sequence[Verdict], decisions: Sequence[Adjudication]) -> list[Verdict]:
    """The verdicts as people decided; each that was changed keeps the scorer's own beside it.

    Only a ruling about the class itself moves a step out of the denominators (`not_applicable`) or into them (`missed`:
    it could have been seen). To rule that it was seen moves nothing, as seeing it would not have.
    """
    latest = {(one.trial_id, one.step_id): one for one in decisions}
    return [_applied(one, latest.get((one.trial_id, one.step_id))) for one in verdicts]


def _applied(verdict: Verdict, decision: Adjudication | None) -> Verdict:
    if decision is None or decision.after == Ruling(outcome=verdict.outcome, category=verdict.category):
        return verdict
    outcome = decision.after.outcome
    detected = outcome in (Outcome.ALERTED, Outcome.PREVENTED)
    alerts = verdict.alerts or tuple(one for one in decision.evidence if _is_id(one, "a"))
    telemetry = verdict.telemetry or tuple(one for one in decision.evidence if _is_id(one, "t"))
    return verdict.model_copy(
        update={
            "outcome": outcome,
            "category": decision.after.category,
            "reason": f"adjudicated by {decision.author}: {decision.reason}",
            "modifiers": verdict.modifiers if detected else (),
            "alerts": alerts if detected else (),
            "telemetry": telemetry if outcome in (Outcome.LOGGED, Outcome.ALERTED, Outcome.PREVENTED) else (),
            "evidence_kind": verdict.evidence_kind if detected or outcome is Outcome.LOGGED else None,
            "wrong_techniques": verdict.wrong_techniques if detected else (),
            "latency_s": verdict.latency_s if detected else None,
            "delivery_s": verdict.delivery_s if detected else None,
            "received_s": verdict.received_s if detected else None,
            "repeats": verdict.repeats if detected else 0,
            "more_alerts": verdict.more_alerts if detected else 0,
            "applicable": {Outcome.NOT_APPLICABLE: False, Outcome.MISSED: True}.get(outcome, verdict.applicable),
            "adjudicated_from": verdict.outcome,
            "adjudicated_from_category": verdict.category,
        }
    )


def _require_alert(trial: Path, after: Ruling, evidence: Sequence[str]) -> None:
    """Ids must be of the trial, and a detection needs an alert: else anything could be called detected."""
    alerts = {one.observation_id for one in read_alerts(trial)}
    known = alerts | {one.observation_id for one in read_telemetry(trial)}
    for one in evidence:
        if (_is_id(one, "a") or _is_id(one, "t")) and one not in known:
            raise EvaluationError(f"--evidence: found {one!r}; allowed: ids that {trial.name} has. Check the id.")
    if after.outcome in (Outcome.ALERTED, Outcome.PREVENTED) and not alerts & set(evidence):
        raise EvaluationError(
            f"--evidence: found no alert among {', '.join(evidence)}; allowed: at least one id of an alert of "
            f"{trial.name}. What nobody alerted on was not detected."
        )


def _is_id(text: str, kind: str) -> bool:
    return text.startswith(kind) and text[1:].isdigit()


def _words(ruling: Ruling) -> str:
    return ruling.outcome.value + (f":{ruling.category.value}" if ruling.category else "")
