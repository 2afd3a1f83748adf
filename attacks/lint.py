"""Linting a plan: everything that the model alone can't see, all at once, each with its line."""

from collections.abc import Mapping
from pathlib import Path

from attacks.draw import in_way
from attacks.lint_evidence import lint_evidence
from attacks.lint_step import lint_procedure, lint_step
from attacks.plan import Drawn, Plan, Step
from attacks.procedure import PLACEHOLDER, Procedure
from environments.lint import MARKERS, Place, Report
from environments.manifest import Environment
from results.attack import Catalogue
from results.documents import check, load_yaml
from results.errors import ContentError, Problem
from results.records import StepKind

MOST_OCCURRENCES = 100
KINDS_OF_DRAWING = ("one_of", "pattern", "between")


def lint_plan(
    folder: Path, procedures: Mapping[str, Procedure], catalogue: Catalogue, environment: Environment
) -> list[Problem]:
    """Every problem of `<folder>/plan.yaml`.

    Args:
        folder: the plan's folder.
        procedures: every procedure there is, by GUID.
        catalogue: the release of ATT&CK that the plan is evaluated with.
        environment: the one that the plan names.
    """
    path = folder / "plan.yaml"
    try:
        data, lines = load_yaml(path)
        plan = check(path, data, lines, Plan)
    except ContentError as error:
        return list(error.problems)
    problems: list[Problem] = []

    def report(place: Place, found: str, allowed: str, mend: str) -> None:
        field = ".".join(str(part) for part in place)
        problems.append(
            Problem(path=str(path), line=lines.of(place), field=field, found=found, allowed=allowed, mend=mend)
        )

    _lint_names(plan, folder, environment, report)
    for name, drawn in plan.draw.items():
        _lint_drawn(drawn, plan.id, _below(report, ("draw", name)))
    _lint_order(plan, report)
    values = {*plan.draw, *environment.nodes}
    for index, step in enumerate(plan.steps):
        here = _below(report, ("steps", index))
        _lint_users(step, plan, environment, here)
        _lint_occurrence(step, plan, here)
        lint_step(step, plan.id, procedures, catalogue, environment, here)
        lint_evidence(step, values, environment, here)
        for number, way in enumerate(step.alternatives):
            there = _below(here, ("alternatives", number))
            other = in_way(step, number + 1)
            lint_procedure(other, plan.id, procedures, there)
            if way.verify or way.criteria or way.arguments:
                lint_evidence(other, values, environment, there)
    return problems


def _lint_users(step: Step, plan: Plan, environment: Environment, report: Report) -> None:
    """Every user that the seed may choose must be one of the node's logins."""
    node = environment.nodes.get(step.node)
    if node is None:
        return  # reported with the node
    names = [match.group(1) for match in PLACEHOLDER.finditer(step.user)]
    users = [step.user]
    for name in names:
        drawn = plan.draw.get(name)
        if drawn is None or not drawn.one_of:
            allowed = f"a drawn value with `one_of`: {', '.join(n for n, d in plan.draw.items() if d.one_of) or 'none'}"
            report(("user",), f"#{{{name}}}", allowed, "Draw the user among the node's logins.")
            return
        users = [user.replace(f"#{{{name}}}", value) for user in users for value in drawn.one_of]
    allowed = ", ".join(node.logins) or "nobody: the node has no logins"
    for user in users:
        if user not in node.logins:
            mend = f"Name one of {step.node}'s logins, or add it to the environment."
            report(("user",), repr(user), allowed, mend)


def _below(report: Report, parent: Place) -> Report:
    """The same report, for the fields below a place."""

    def below(place: Place, found: str, allowed: str, mend: str) -> None:
        report((*parent, *place), found, allowed, mend)

    return below


def _lint_names(plan: Plan, folder: Path, environment: Environment, report: Report) -> None:
    name = folder.resolve().name
    if plan.id != name:
        report(("id",), plan.id, f"the folder's name, {name}", "Rename one of the two.")
    if plan.environment != environment.id:
        report(("environment",), plan.environment, environment.id, "Use the plan with the environment that it names.")
    for drawn in plan.draw:
        if drawn in environment.nodes:
            report(("draw", drawn), f"{drawn!r}, which is a node too", "a name of its own", "Rename the drawn value.")
    _lint_isolation(plan, report)
    malicious = [index for index, step in enumerate(plan.steps) if step.kind is StepKind.MALICIOUS]
    if plan.baseline is None and plan.battery is None and not malicious:
        report(("steps",), "no malicious step", "at least one", "Without one there is nothing to detect.")
    if plan.baseline is not None:
        for index in malicious:
            report(("steps", index), "a malicious step", "benign steps only in a baseline", "Move it to a chain.")


def _lint_isolation(plan: Plan, report: Report) -> None:
    if plan.battery is not None and plan.isolation != "step":
        report(("battery",), "a battery with `isolation: trial`", "`isolation: step`",
               "Independent procedures need containers of their own.")  # fmt: skip
    if plan.isolation == "step":
        for index, step in enumerate(plan.steps):
            if step.needs:
                report(("steps", index, "needs"), ", ".join(step.needs), "nothing with `isolation: step`",
                       "A step in fresh containers finds nothing of another's.")  # fmt: skip
        if plan.baseline is not None:
            report(("baseline",), "a baseline with `isolation: step`", "`isolation: trial`", "Remove one.")


def _lint_drawn(drawn: Drawn, plan_id: str, report: Report) -> None:
    kinds = [kind for kind in KINDS_OF_DRAWING if getattr(drawn, kind)]
    if len(kinds) != 1:
        report((), " and ".join(kinds) or "nothing", f"exactly one of {', '.join(KINDS_OF_DRAWING)}", "Keep one.")
    if drawn.pattern and not {"?", "#"} & set(drawn.pattern):
        report(("pattern",), repr(drawn.pattern), "`?` (a letter) or `#` (a digit) in it", "Else it never varies.")
    if drawn.between and drawn.between[0] > drawn.between[1]:
        report(("between",), str(list(drawn.between)), "[lowest, highest]", "Swap them.")
    for kind in ("one_of", "pattern"):
        for text in (drawn.pattern or "",) if kind == "pattern" else drawn.one_of:
            if any(marker in text.lower() for marker in (*MARKERS, plan_id)):
                report((kind,), repr(text), "nothing that names the evaluation", "A product could know it by heart.")


def _lint_occurrence(step: Step, plan: Plan, report: Report) -> None:
    fewest, most = step.occurs
    if plan.baseline is None and (step.occurs, step.during) != ((1, 1), (0.0, 1.0)):
        report(("occurs",), f"occurs {list(step.occurs)}, during {list(step.during)}", "these in a baseline only",
               "Remove them, or give the plan a `baseline`.")  # fmt: skip
    if not 0 <= fewest <= most <= MOST_OCCURRENCES or most == 0:
        report(("occurs",), str(list(step.occurs)), f"[at least, at most], up to {MOST_OCCURRENCES}", "Correct it.")
    if not 0.0 <= step.during[0] <= step.during[1] <= 1.0:
        report(("during",), str(list(step.during)), "[begin, end] between 0 and 1", "Correct it.")
    if plan.baseline is not None and step.needs:
        report(("needs",), ", ".join(step.needs), "nothing in a baseline", "Let the action stand alone.")


def _lint_order(plan: Plan, report: Report) -> None:
    earlier: set[str] = set()
    every = {step.id for step in plan.steps}
    malicious = {step.id for step in plan.steps if step.kind is StepKind.MALICIOUS}
    for index, step in enumerate(plan.steps):
        here = _below(report, ("steps", index))
        if step.id in earlier:
            here(("id",), f"{step.id!r} a second time", "an id of its own", "Rename it.")
        for number, needed in enumerate(step.needs):
            if needed not in every:
                here(("needs", number), repr(needed), "the id of a step of this plan", "Correct it.")
            elif needed not in earlier or needed == step.id:
                found = f"{needed!r}, which stands no earlier (so needs could go round in a circle)"
                here(("needs", number), found, "the id of an earlier step", "Move one of the two.")
            elif step.kind is StepKind.MALICIOUS and needed not in malicious:
                here(("needs", number), f"{needed!r}, which is no malicious step", "a malicious step",
                     "An attack can't need ordinary work: that work may be placed after it.")  # fmt: skip
        if step.twin_of is not None and step.kind is not StepKind.BENIGN:
            here(("twin_of",), f"a twin that is {step.kind}", "`twin_of` on benign steps only", "Remove it.")
        elif step.twin_of is not None and step.twin_of not in malicious:
            here(("twin_of",), repr(step.twin_of), "the id of a malicious step of this plan", "Correct it.")
        earlier.add(step.id)
