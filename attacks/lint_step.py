"""Linting one step: where it runs, what it claims of ATT&CK, and the procedure that it runs."""

import difflib
import re
from collections.abc import Mapping

from attacks.plan import Step
from attacks.procedure import PAYLOAD_FOLDER, PLACEHOLDER, Procedure, instantiate
from attacks.quoting import SHELLS, objection
from environments.lint import MARKERS, Place, Report
from environments.manifest import Environment
from results.attack import Catalogue
from results.errors import EvaluationError
from results.records import StepKind


def lint_step(
    step: Step,
    plan_id: str,
    procedures: Mapping[str, Procedure],
    catalogue: Catalogue,
    environment: Environment,
    report: Report,
) -> None:
    """Report every problem of a step but those of its evidence."""
    _lint_where(step, environment, report)
    procedure = procedures.get(step.procedure) if step.procedure else None
    _lint_attack(step, step.technique or (procedure.technique if procedure else None), catalogue, report)
    _lint_data_components(step, catalogue, report)
    lint_procedure(step, plan_id, procedures, report)


def lint_procedure(step: Step, plan_id: str, procedures: Mapping[str, Procedure], report: Report) -> None:
    """Report every problem of the procedure that a step, or one of its alternatives, runs."""
    procedure = procedures.get(step.procedure) if step.procedure else None
    if step.kind is StepKind.PLACEBO:
        if step.procedure is not None:
            report(("procedure",), step.procedure, "nothing: a placebo does nothing", "Remove it.")
    elif step.procedure is None:
        report(("procedure",), f"none on a {step.kind} step", "the GUID of a procedure", "Add it.")
    elif procedure is None:
        _suggest(step, step.procedure, procedures, report)
    else:
        _lint_arguments(step, procedure, report)
        _lint_command(step, plan_id, procedure, report)


def _lint_where(step: Step, environment: Environment, report: Report) -> None:
    node = environment.nodes.get(step.node)
    if node is None:
        report(("node",), repr(step.node), ", ".join(environment.nodes), "Name a node of the environment.")


def _lint_attack(step: Step, technique: str | None, catalogue: Catalogue, report: Report) -> None:
    place: Place = ("technique",) if step.technique else ("procedure",)
    if step.kind is StepKind.MALICIOUS and step.tactic is None:
        report(("tactic",), "none on a malicious step", "the tactic that it serves in this plan", "Add it.")
    if step.tactic is not None and step.tactic not in catalogue.tactics:
        report(("tactic",), step.tactic, ", ".join(catalogue.tactics), f"Name a tactic of {catalogue.release}.")
    if technique is None:
        return
    if technique not in catalogue.techniques:
        kin = [other for other in sorted(catalogue.techniques) if other.startswith(technique.split(".")[0])]
        near = kin[:4] or difflib.get_close_matches(technique, catalogue.techniques, n=3)
        report(place, technique, f"a technique of {catalogue.release}, e.g. {', '.join(near)}", "Correct the id.")
        return
    entry = catalogue.techniques[technique]
    successor = catalogue.resolve(technique)
    if successor is not None and successor != technique:
        name = catalogue.techniques[successor].name
        report(place, f"{technique} ({entry.name}), revoked", f"{successor} ({name})", "Use the successor.")
    elif successor is None or entry.deprecated:
        found = f"{technique} ({entry.name}), which ATT&CK has given up without a successor"
        report(place, found, f"a technique of {catalogue.release}", "Use another.")
    elif step.tactic in catalogue.tactics and step.tactic not in catalogue.tactics_of(technique):
        served = ", ".join(f"{tactic} ({catalogue.tactics[tactic].name})" for tactic in catalogue.tactics_of(technique))
        mend = f"Name a tactic that {technique} ({entry.name}) serves."
        report(("tactic",), f"{step.tactic} ({catalogue.tactics[step.tactic].name})", served, mend)


def _lint_data_components(step: Step, catalogue: Catalogue, report: Report) -> None:
    if step.kind is StepKind.MALICIOUS and not step.data_components:
        report(("data_components",), "none on a malicious step", "what a sensor would need to see it", "Add them.")
    for index, name in enumerate(step.data_components):
        if catalogue.data_components and name not in catalogue.data_components:
            near = difflib.get_close_matches(name, catalogue.data_components, n=3, cutoff=0.4)
            allowed = f"an ATT&CK data component, e.g. {', '.join(near or catalogue.data_components[:3])}"
            report(("data_components", index), repr(name), allowed, "Correct the name.")


def _suggest(step: Step, guid: str, procedures: Mapping[str, Procedure], report: Report) -> None:
    """The procedure that was probably meant: named alike, of the same technique, or with almost that GUID."""
    names = {procedure.name: procedure for procedure in procedures.values()}
    wanted = step.title.en if step.title else step.id.replace("-", " ")
    near = [procedures[other] for other in difflib.get_close_matches(guid, procedures, n=1, cutoff=0.85)]
    near += [names[name] for name in difflib.get_close_matches(wanted, names, n=2, cutoff=0.5)]
    near += [procedure for procedure in procedures.values() if procedure.technique == step.technique][:2]
    known = list(dict.fromkeys(f"{procedure.guid} ({procedure.name})" for procedure in near))[:3]
    mend = f"Did you mean {' or '.join(known)}?" if known else "Add the procedure, or correct the GUID."
    report(("procedure",), guid, f"the GUID of one of the {len(procedures)} known procedures", mend)


def _lint_arguments(step: Step, procedure: Procedure, report: Report) -> None:
    for name in step.arguments:
        if name not in procedure.arguments:
            near = difflib.get_close_matches(name, procedure.arguments, n=1)
            mend = f"Did you mean {near[0]!r}?" if near else "Remove it."
            report(("arguments", name), repr(name), ", ".join(procedure.arguments) or "no arguments", mend)
    for name, value in step.arguments.items():
        _lint_value(name, value, procedure, report)
    for name, argument in procedure.arguments.items():
        if argument.default is None and name not in step.arguments:
            allowed = f"a value for {name!r}: {argument.description}".strip().rstrip(":.")
            report(("arguments",), f"no {name!r}", allowed, "Add it: the procedure has no default for it.")


def _lint_value(name: str, value: str, procedure: Procedure, report: Report) -> None:
    """A value must stay one argument, and be of the type that upstream says."""
    argument = procedure.arguments.get(name)
    if argument is None:
        return  # reported as unknown
    plain = PLACEHOLDER.sub("x", value)
    if procedure.executor.name in SHELLS:
        for text in (procedure.executor.command, procedure.executor.cleanup_command):
            found = objection(text or "", name, plain)
            if found is not None:
                mend = "Leave it out, or write a procedure that has it in its command."
                report(("arguments", name), found, "a value that stays one argument of the shell", mend)
                return
    if argument.type.lower() == "integer" and value == plain and not re.fullmatch(r"-?\d+", value):
        report(("arguments", name), repr(value), "an integer", "Correct the value.")


def _lint_command(step: Step, plan_id: str, procedure: Procedure, report: Report) -> None:
    if procedure.obstacle:
        mend = f"{procedure.name!r} can't be: {procedure.obstacle}. Use another."
        report(("procedure",), procedure.guid, "a procedure that can be replayed", mend)
        return
    arguments = {name: value for name, value in step.arguments.items() if name in procedure.arguments}
    try:
        command = instantiate(procedure, arguments).command
    except EvaluationError:
        return  # an argument without value: reported with the arguments
    if PAYLOAD_FOLDER in command:
        mend = "Give the arguments that name it a path of the node, or use another procedure."
        report(("procedure",), f"{PAYLOAD_FOLDER!r} in its command", "what is in the node", mend)
    if "\0" in command:
        report(("procedure",), "a NUL byte in its command", "text", "Remove it.")
    _lint_markers(step, (*MARKERS, plan_id, procedure.guid), procedure, report)


def _lint_markers(step: Step, markers: tuple[str, ...], procedure: Procedure, report: Report) -> None:
    """What would tell a product that it is being evaluated, and by what."""
    texts: list[tuple[Place, str]] = [(("procedure",), procedure.executor.command or "")]
    for name, argument in procedure.arguments.items():
        given = name in step.arguments
        texts.append(
            (("arguments", name) if given else ("procedure",), step.arguments.get(name, argument.default or ""))
        )
    for place, text in texts:
        for marker in dict.fromkeys(markers):
            if marker in text.lower():
                allowed = "nothing that a product could recognise as the evaluation"
                report(place, f"{marker!r} in what is executed", allowed, "Use another word.")
