"""Linting a plan: everything that the model alone can't see, all at once, each with its line."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from attacks.atomic import PLACEHOLDER, Procedure
from attacks.plan import Plan, Step, read_plan
from environments.manifest import Environment
from results.attack import Catalogue
from results.documents import load_yaml
from results.errors import ContentError, Problem
from results.patterns import objection
from results.records import Observation, StepKind

MARKERS = ("pij", "proven in japan")
CRITERIA_FIELDS = sorted({*Observation.model_fields} - {"observation_id", "canary", "outside", "raw"} | {"any"})
Report = Callable[[tuple[str | int, ...], str, str, str], None]


def lint_plan(
    folder: Path, procedures: Mapping[str, Procedure], catalogue: Catalogue, environment: Environment
) -> list[Problem]:
    """Every problem of `<folder>/plan.yaml`."""
    path = folder / "plan.yaml"
    try:
        plan = read_plan(folder)
        _data, lines = load_yaml(path)
    except ContentError as error:
        return list(error.problems)
    problems: list[Problem] = []

    def report(field: tuple[str | int, ...], found: str, allowed: str, mend: str) -> None:
        name = ".".join(str(part) for part in field)
        problems.append(
            Problem(path=str(path), line=lines.of(field), field=name, found=found, allowed=allowed, mend=mend)
        )

    if plan.id != folder.resolve().name:
        report(("id",), plan.id, f"the folder's name, {folder.resolve().name}", "Rename one of the two.")
    if plan.environment != environment.id:
        report(("environment",), plan.environment, environment.id, "Use the plan with its own environment.")
    _lint_draw(plan, report)
    _lint_order(plan, report)
    known = {*plan.draw, *environment.nodes}
    for index, step in enumerate(plan.steps):
        here: Report = lambda field, *words, index=index: report(("steps", index, *field), *words)  # noqa: E731
        _lint_place(step, environment, here)
        _lint_attack(step, procedures, catalogue, here)
        _lint_procedure(plan, step, procedures, here)
        _lint_evidence(step, here)
        _lint_values(step, known, here)
    return problems


def _lint_draw(plan: Plan, report: Report) -> None:
    for name, drawn in plan.draw.items():
        kinds = [kind for kind in ("one_of", "pattern", "between") if getattr(drawn, kind)]
        if len(kinds) != 1:
            report(
                ("draw", name), ", ".join(kinds) or "nothing", "exactly one of one_of, pattern, between", "Keep one."
            )
        if drawn.between and drawn.between[0] > drawn.between[1]:
            report(("draw", name, "between"), str(drawn.between), "[lowest, highest]", "Swap them.")


def _lint_order(plan: Plan, report: Report) -> None:
    seen: set[str] = set()
    malicious = {step.id for step in plan.steps if step.kind is StepKind.MALICIOUS}
    for index, step in enumerate(plan.steps):
        if step.id in seen:
            report(("steps", index, "id"), step.id, "an id of its own", "Rename it.")
        for needed in step.needs:
            if needed not in seen:
                report(("steps", index, "needs"), needed, "the id of an earlier step", "Move or correct it.")
            elif step.kind is StepKind.MALICIOUS and needed not in malicious:
                report(("steps", index, "needs"), needed, "a malicious step", "An attack can't need ordinary work.")
        if step.twin_of is not None and (step.twin_of not in malicious or step.kind is not StepKind.BENIGN):
            report(("steps", index, "twin_of"), step.twin_of, "a malicious step, on a benign one", "Correct it.")
        seen.add(step.id)


def _lint_place(step: Step, environment: Environment, report: Report) -> None:
    node = environment.nodes.get(step.node)
    if node is None:
        report(("node",), step.node, ", ".join(environment.nodes), "Name a node of the environment.")
    elif step.user not in node.logins:
        report(("user",), step.user, ", ".join(node.logins), "Name a user of that node's logins.")
    for index, fact in enumerate(step.verify):
        if fact.node is not None and fact.node not in environment.nodes:
            report(("verify", index, "node"), fact.node, ", ".join(environment.nodes), "Name a node.")


def _lint_attack(step: Step, procedures: Mapping[str, Procedure], catalogue: Catalogue, report: Report) -> None:
    procedure = procedures.get(step.procedure or "")
    technique = step.technique or (procedure.technique if procedure else None)
    if technique is not None and technique not in catalogue.techniques:
        report(("technique",), technique, f"a technique of {catalogue.release}", "Correct the id.")
    elif technique is not None and catalogue.resolve(technique) != technique:
        report(("technique",), f"{technique}, revoked", str(catalogue.resolve(technique)), "Use the successor.")
    elif technique is not None and step.tactic is not None and step.tactic not in catalogue.tactics_of(technique):
        report(("tactic",), step.tactic, ", ".join(catalogue.tactics_of(technique)), "Name one that it serves.")
    for name in step.data_components:
        if name not in catalogue.data_components:
            close = difflib.get_close_matches(name, catalogue.data_components, n=3)
            report(("data_components",), name, f"an ATT&CK data component, e.g. {', '.join(close)}", "Correct it.")
    if step.kind is StepKind.MALICIOUS and step.tactic is None:
        report(("tactic",), "nothing", "the tactic that the step serves here", "Add it.")


def _lint_procedure(plan: Plan, step: Step, procedures: Mapping[str, Procedure], report: Report) -> None:
    if step.procedure is None:
        if step.kind is not StepKind.PLACEBO:
            report(("procedure",), "nothing", "a procedure's GUID", "Only placebo steps have none.")
        return
    if step.kind is StepKind.PLACEBO:
        report(("procedure",), step.procedure, "nothing: a placebo does nothing", "Remove it.")
    procedure = procedures.get(step.procedure)
    if procedure is None:
        close = difflib.get_close_matches(step.procedure, procedures, n=1)
        report(
            ("procedure",), step.procedure, "the GUID of a known procedure", f"Nearest: {', '.join(close) or 'none'}."
        )
        return
    if procedure.obstacle:
        report(("procedure",), step.procedure, "a procedure that can be replayed", f"It can't: {procedure.obstacle}.")
    for name in step.arguments:
        if name not in procedure.arguments:
            report(("arguments", name), name, ", ".join(procedure.arguments) or "none", "Correct the name.")
    for name, argument in procedure.arguments.items():
        if argument.default is None and name not in step.arguments:
            report(("arguments",), f"no {name!r}", "a value: the procedure has no default for it", "Add it.")
    text = (procedure.executor.command or "").lower()
    for marker in (*MARKERS, plan.id, procedure.guid):
        if marker in text:
            report(("procedure",), f"{marker!r} in its command", "nothing that names the evaluation", "Remove it.")
    if "\0" in text:
        report(("procedure",), "a NUL byte in its command", "text", "Remove it.")


def _lint_evidence(step: Step, report: Report) -> None:
    if step.kind is not StepKind.PLACEBO and not step.verify:
        report(("verify",), "nothing", "facts that prove the effect", "Add them; an exit code is no proof.")
    if step.kind is StepKind.MALICIOUS:
        for name in ("criteria", "data_components"):
            if not getattr(step, name):
                report((name,), "nothing", "at least one", "Say what a sensor's record must show.")
    for index, fact in enumerate(step.verify):
        subjects = [name for name in ("file", "stdout", "process") if getattr(fact, name) is not None]
        if len(subjects) != 1:
            found = ", ".join(subjects) or "none"
            report(("verify", index), found, "exactly one of file, stdout, process", "Split or complete it.")
    for place, pattern in _patterns(step):
        complaint = objection(PLACEHOLDER.sub("x", pattern))
        if complaint:
            report(place, pattern, "a regular expression that ends", f"It is {complaint}.")
    for index, alternative in enumerate(step.criteria):
        for condition in alternative:
            if condition.field not in CRITERIA_FIELDS:
                report(("criteria", index), condition.field, ", ".join(CRITERIA_FIELDS), "Correct the field.")


def _lint_values(step: Step, known: set[str], report: Report) -> None:
    for place, text in _texts(step):
        for name in PLACEHOLDER.findall(text):
            if name not in known:
                report(place, f"#{{{name}}}", ", ".join(sorted(known)), "Draw it in `draw`, or correct the name.")


def _patterns(step: Step) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for index, fact in enumerate(step.verify):
        for name in ("contains", "lacks", "stdout", "process"):
            if getattr(fact, name) is not None:
                yield ("verify", index, name), getattr(fact, name)
    for index, alternative in enumerate(step.criteria):
        for number, condition in enumerate(alternative):
            yield ("criteria", index, number, "matches"), condition.matches


def _texts(step: Step) -> Iterator[tuple[tuple[str | int, ...], str]]:
    yield from _patterns(step)
    for name, value in step.arguments.items():
        yield ("arguments", name), value
    for index, fact in enumerate(step.verify):
        if fact.file is not None:
            yield ("verify", index, "file"), fact.file
    for kind in ("files", "users", "connections"):
        for value in getattr(step.touches, kind):
            yield ("touches", kind), value
