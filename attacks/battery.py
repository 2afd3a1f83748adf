"""A battery: the steps of a plan are not written but chosen, by a selector, from a corpus whose procedures are proven.

Each step runs in containers of its own (`isolation: step`), with the proof's stable effects as its oracle.
"""

import random
import re
from collections.abc import Mapping, Sequence

from attacks.effects import EffectKind
from attacks.plan import Battery, Fact, Plan, Step
from attacks.procedure import Procedure
from attacks.proof import Proof, content_digest, oracle
from results.attack import Catalogue
from results.records import Condition, Text

MOST_CRITERIA = 12
COMPONENTS = {
    EffectKind.RAN: ("Process Creation", "Command Execution"),
    EffectKind.ATTEMPTED: ("Process Creation", "Command Execution"),
    EffectKind.LEFT_RUNNING: ("Process Creation",),
    EffectKind.CREATED: ("File Creation",),
    EffectKind.CHANGED: ("File Modification",),
    EffectKind.PERMISSIONS: ("File Metadata",),
    EffectKind.DELETED: ("File Deletion",),
    EffectKind.ACCOUNT: ("User Account Creation", "User Account Modification"),
    EffectKind.SOCKET: ("Network Connection Creation",),
    EffectKind.STARTED_ELSEWHERE: ("Process Creation",),
    EffectKind.ENDED: ("Process Termination",),
    EffectKind.OUTPUT: ("Command Execution",),
    EffectKind.NODE_DOWN: ("Host Status",),
}
"""ATT&CK data components that a sensor would need to see an effect."""


def fill_battery(
    plan: Plan,
    procedures: Mapping[str, Procedure],
    proofs: Mapping[str, Proof],
    values: Mapping[str, str],
    catalogue: Catalogue,
) -> tuple[Plan, tuple[str, ...]]:
    """The plan with the steps that its battery chooses.

    Args:
        plan: one with a battery.
        procedures: of the corpus, by GUID.
        proofs: what is proven, by GUID.
        values: argument -> value that the proofs were made with.
        catalogue: the release of ATT&CK.

    Returns:
        The plan with steps, and why procedures that the selector means are left out, one line each.
    """
    if plan.battery is None:
        return plan, ()
    steps: list[Step] = []
    left_out: list[str] = []
    for procedure in procedures.values():
        if not _is_meant(plan.battery, procedure, catalogue):
            continue
        proof = proofs.get(procedure.guid)
        objection = _objection(plan, procedure, proof, catalogue)
        if objection is not None or proof is None:
            left_out.append(f"{procedure.guid} {procedure.name}: {objection}")
        else:
            steps.append(_step(procedure, proof, values, catalogue))
    if plan.battery.at_most is not None and len(steps) > plan.battery.at_most:
        chosen = random.Random(plan.battery.seed).sample(range(len(steps)), plan.battery.at_most)  # noqa: S311
        steps = [steps[index] for index in sorted(chosen)]
    return plan.model_copy(update={"steps": (*plan.steps, *steps)}), tuple(left_out)


def _is_meant(battery: Battery, procedure: Procedure, catalogue: Catalogue) -> bool:
    if "linux" not in procedure.platforms:
        return False
    techniques = battery.technique
    if techniques and not any(f"{procedure.technique}.".startswith(f"{one}.") for one in techniques):
        return False
    return not battery.tactic or bool(set(battery.tactic) & set(catalogue.tactics_of(procedure.technique)))


def _objection(plan: Plan, procedure: Procedure, proof: Proof | None, catalogue: Catalogue) -> str | None:
    if catalogue.resolve(procedure.technique) != procedure.technique:
        return f"{procedure.technique} is no technique of {catalogue.release}"
    if proof is None or proof.procedure_digest != content_digest(procedure):
        return "not proven yet: run `pij prove` over the corpus"
    if not proof.proven:
        return f"{proof.reason}: {proof.detail}"
    if proof.environment != plan.environment:
        return f"proven in {proof.environment}, not in {plan.environment}"
    return None if oracle(proof, procedure.executor.command or "") else "no effect of it is the same each time"


def _step(procedure: Procedure, proof: Proof, values: Mapping[str, str], catalogue: Catalogue) -> Step:
    facts = oracle(proof, procedure.executor.command or "")
    components = [name for effect in proof.effects for name in COMPONENTS[effect.kind]]
    known = [name for name in dict.fromkeys(components) if name in catalogue.data_components]
    return Step(
        id=f"p-{procedure.guid[:13]}",
        procedure=procedure.guid,
        tactic=catalogue.tactics_of(procedure.technique)[0],
        title=Text(en=procedure.name, ja=procedure.name),
        node="target",
        user=proof.user or "root",
        arguments={name: value for name, value in values.items() if name in procedure.arguments},
        verify=facts,
        criteria=_criteria(proof, facts),
        data_components=tuple(known or ["Command Execution"]),
        timeout_s=procedure.timeout_s or 30.0,
    )


def _criteria(proof: Proof, facts: Sequence[Fact]) -> tuple[tuple[Condition, ...], ...]:
    """A record is evidence of the step if it shows a program that the proof saw run, or a file that it saw change."""
    ran = [effect.what for effect in proof.effects if effect.kind in (EffectKind.RAN, EffectKind.ATTEMPTED)]
    found = [(Condition(field="command_line", matches=f"^{re.escape(line)}"),) for line in dict.fromkeys(ran)]
    for fact in facts:
        if fact.file is not None and fact.contains is None and fact.lacks is None:
            found.append((Condition(field="file_path", matches=f"^{re.escape(fact.file)}$"),))
            found.append((Condition(field="command_line", matches=re.escape(fact.file)),))
    return tuple(found[:MOST_CRITERIA]) or ((Condition(field="command_line", matches=r"^(/bin/)?(ba|da)?sh -c "),),)
