"""Published ATT&CK Evaluations results in our own records, judged by our own rules.

A sub-step becomes a step execution, its detections become what speaks for it, and `verdicts.judge` decides as it does
for our own trials. What the files do not say stays unknown: they have no times, no processes, no texts of alerts. How
much a detection says is our reading of its round's definitions; MITRE's counts do not depend on it.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from results.attack import Catalogue, Tactic, Technique
from results.attack_evaluations import Adversary, Detection, Participant, PublishedDetection, Substep
from results.counting import Said, StepEvidence
from results.records import (
    Canary,
    Category,
    Objects,
    Outcome,
    Output,
    StepExecution,
    StepKind,
    Text,
    Trial,
    TrialStatus,
    Verdict,
)
from results.techniques import Names
from results.verdicts import FLUSH, judge

NOTHING = Output(text="", length=0, sha256=hashlib.sha256(b"").hexdigest())
SEEN = "in the participant's capabilities"
UNSEEN = "outside the participant's capabilities"
SILENT = (Detection.NONE, Detection.NOT_APPLICABLE, Detection.TELEMETRY)
"""All others are what MITRE counts as analytic: an alert, in our words."""
BY_TECHNIQUE = (Detection.TECHNIQUE, Detection.SPECIFIC_BEHAVIOR)
MODIFIERS = {
    "Delayed": "delayed",
    "Configuration Change": "configuration",
    "Correlat": "correlated",
    "Tainted": "correlated",
}
"""How a published modifier begins -> ours. The others (`Alert`, `Host Interrogation` …) say nothing that ours say."""


@dataclass(frozen=True)
class Judged:
    """One round of one participant, in our records."""

    trial: Trial
    steps: tuple[StepExecution, ...]
    verdicts: tuple[Verdict, ...]


def judge_round(participant: Participant, adversary: Adversary, managed: bool = True) -> Judged:
    """Judge one round of one participant.

    Args:
        participant: its file.
        adversary: the round.
        managed: count what the participant's own people told (`MSSP`, 2019).
    """
    substeps = [
        substep
        for scenario in adversary.detections_by_step.values()
        for step in scenario.steps
        for substep in step.substeps
    ]
    trial = _trial(participant.name, adversary.adversary_name)
    names = Names(catalogue_of(adversary.adversary_name, substeps))
    kept = [[d for d in one.detections if managed or d.detection_type is not Detection.MANAGED] for one in substeps]
    pairs = list(zip(substeps, kept, strict=True))
    steps = tuple(_execution(substep, position, found) for position, (substep, found) in enumerate(pairs))
    verdicts = []
    for step, (substep, found) in zip(steps, pairs, strict=True):
        verdict = judge(trial, step, _evidence(substep, found), None, names)
        verdicts.append(verdict.model_copy(update={"modifiers": _modifiers(verdict.category, found)}))
    return Judged(trial, steps, tuple(verdicts))


def catalogue_of(name: str, substeps: Iterable[Substep]) -> Catalogue:
    """The ATT&CK that a round names: its ids are of its own release, Enterprise or ICS."""
    tactics: dict[str, Tactic] = {}
    techniques: dict[str, Technique] = {}
    for one in substeps:
        tactic = one.tactic
        name_of, upper = tactic.tactic_name or "", one.technique.technique_id
        short = name_of.lower().replace(" ", "-")
        tactics.setdefault(tactic.tactic_id, Tactic(name=name_of, shortname=short))
        techniques.setdefault(upper, Technique(name=one.technique.technique_name or "", tactics=(tactic.tactic_id,)))
        if one.technique_id != upper:
            title = (one.subtechnique.subtechnique_name if one.subtechnique else None) or ""
            entry = Technique(name=title, tactics=(tactic.tactic_id,), parent=upper)
            techniques.setdefault(one.technique_id, entry)
    return Catalogue(release=f"as published for {name}", tactics=tactics, techniques=techniques)


def _is_blank(found: Sequence[PublishedDetection]) -> bool:
    return bool(found) and all(one.detection_type is Detection.NOT_APPLICABLE for one in found)


def _evidence(substep: Substep, found: Sequence[PublishedDetection]) -> StepEvidence:
    """`None` beside another detection says nothing: MITRE counts the other one."""
    numbered = [(f"{substep.substep}-{number}", one.detection_type) for number, one in enumerate(found, start=1)]
    return StepEvidence(
        alerts=tuple(name for name, kind in numbered if kind not in SILENT),
        said=tuple(_said(substep, kind) for _name, kind in numbered if kind not in SILENT),
        telemetry=tuple(name for name, kind in numbered if kind is Detection.TELEMETRY),
    )


def _said(substep: Substep, kind: Detection) -> Said:
    techniques = [substep.technique_id] if kind in BY_TECHNIQUE else []
    tactics = [substep.tactic.tactic_id] if kind is Detection.TACTIC else []
    return Said(json.dumps(techniques), json.dumps(tactics), by_time=False)


def _modifiers(category: Category | None, found: Sequence[PublishedDetection]) -> tuple[str, ...]:
    """Those that every alert of the category reached carries: one without says that it went without."""
    alike = [one for one in found if one.detection_type not in SILENT and _category(one) is category]
    carried = [
        {ours for name in one.modifiers or () for begin, ours in MODIFIERS.items() if name.startswith(begin)}
        for one in alike
    ]
    return tuple(sorted(set.intersection(*carried))) if carried else ()


def _category(one: PublishedDetection) -> Category:
    if one.detection_type in BY_TECHNIQUE:
        return Category.TECHNIQUE
    return Category.TACTIC if one.detection_type is Detection.TACTIC else Category.GENERAL


def _execution(substep: Substep, position: int, found: Sequence[PublishedDetection]) -> StepExecution:
    title = substep.procedure or substep.substep
    return StepExecution(
        step_id=substep.substep, position=position, kind=StepKind.MALICIOUS, title=Text(en=title, ja=title),
        technique=substep.technique_id, tactics=(substep.tactic.tactic_id,), procedure="", procedure_name=title,
        node="", container_id="", user="", executor="", executed="", started_ns=None, ended_ns=None, leader_pid=None,
        processes=(), exit_code=None, timed_out=False, stdout=NOTHING, stderr=NOTHING,
        verified=True if substep.detections else None,  # MITRE's team carried it out; an empty list is a hole
        facts=(), cleanup="not needed", twin_of=None, needs=(), not_run=None, objects=Objects(), criteria=(),
        data_components=(UNSEEN,) if _is_blank(found) else (SEEN,),
    )  # fmt: skip


def _trial(participant: str, adversary: str) -> Trial:
    """The canary stands for MITRE's testers, who looked for each detection until they had its screenshot."""
    watched = Canary(phase=FLUSH, nonce="", sent_ns=0, received_ns=0, attempts=1)
    return Trial(
        campaign=adversary, trial_id=f"{participant}-{adversary}", product=participant, product_name=participant,
        product_class=None, arm="default", arm_title=None, repetition=1, seed=0, plan=adversary,
        plan_title=Text(en=adversary, ja=adversary), plan_digest="", environment="", environment_digest="",
        product_digest=None, attack_release=f"as published for {adversary}", status=TrialStatus.COMPLETED, reason="",
        started_ns=0, ended_ns=0, product_version=None, content_version=None, notes=(), sees=(SEEN,), latency_s=0,
        blocks=False, canaries=(watched,), sources=(), isolation=(), node_names={}, process_truth="", phases_s={},
        provenance={},
    )  # fmt: skip


def outcomes_of(verdicts: Iterable[Verdict]) -> dict[Outcome, int]:
    """Outcome -> how many sub-steps came out so."""
    found = [verdict.outcome for verdict in verdicts]
    return {outcome: found.count(outcome) for outcome in Outcome if outcome in found}
