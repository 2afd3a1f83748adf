"""Linting what a step offers as evidence: its oracle, its criteria, what it touches, and the values in them."""

import difflib
from collections.abc import Iterator
from datetime import datetime

from attacks.plan import Fact, Step
from attacks.procedure import PLACEHOLDER
from environments.lint import Place, Report
from environments.manifest import Environment
from results.patterns import objection
from results.records import Observation, StepKind

SUBJECTS = ("file", "stdout", "process")
OF_FILES = ("node", "absent", "contains", "lacks", "mode", "owner", "empty", "modified_before", "within_s")
OF_CONTENT = ("contains", "lacks", "mode", "owner", "empty", "modified_before")
PATTERNS = ("contains", "lacks", "stdout", "process")
CONDITION_FIELDS = tuple(
    sorted({*Observation.model_fields, "any"} - {"observation_id", "canary", "outside", "container_id"})
)
"""What a criterion may ask of a record; `any` is the raw record."""


def lint_evidence(step: Step, values: set[str], environment: Environment, report: Report) -> None:
    """Report every problem of a step's oracle, criteria and touched objects.

    Args:
        step: as the plan has it.
        values: names that `#{name}` may have everywhere in the plan: drawn values and nodes.
        environment: where it runs.
        report: receives the problems.
    """
    if step.kind is not StepKind.PLACEBO and not step.verify:
        report(("verify",), f"none on a {step.kind} step", "facts that prove its effect", "An exit code is no proof.")
    if step.kind is StepKind.MALICIOUS and not any(step.criteria):
        report(("criteria",), "none on a malicious step", "what a record must show to be evidence of it", "Add them.")
    for index, fact in enumerate(step.verify):
        _lint_fact(fact, ("verify", index), environment, report)
    for place, pattern in _patterns(step):
        complaint = objection(PLACEHOLDER.sub("x", pattern))
        if complaint:
            report(
                place, repr(pattern), "a regular expression without a repetition in a repetition", f"It is {complaint}."
            )
    for index, alternative in enumerate(step.criteria):
        for number, condition in enumerate(alternative):
            if condition.field not in CONDITION_FIELDS:
                near = difflib.get_close_matches(condition.field, CONDITION_FIELDS, n=1)
                mend = f"Did you mean {near[0]!r}?" if near else "Correct the field."
                report(("criteria", index, number, "field"), repr(condition.field), ", ".join(CONDITION_FIELDS), mend)
    for index, name in enumerate(step.touches.nodes):
        if name not in environment.nodes:
            report(
                ("touches", "nodes", index), repr(name), ", ".join(environment.nodes), "Name a node of the environment."
            )
    for place, text in _texts(step):
        known = values if place[0] == "arguments" else values | set(step.arguments)
        for name in PLACEHOLDER.findall(text):
            if name not in known:
                report(place, f"#{{{name}}}", ", ".join(sorted(known)), "Draw it in `draw`, or correct the name.")


def _lint_fact(fact: Fact, place: Place, environment: Environment, report: Report) -> None:
    subjects = [name for name in SUBJECTS if getattr(fact, name) is not None]
    if len(subjects) != 1:
        found = " and ".join(subjects) or "none of them"
        report(place, found, f"exactly one of {', '.join(SUBJECTS)}", "Split or complete it.")
    if fact.node is not None and fact.node not in environment.nodes:
        report((*place, "node"), repr(fact.node), ", ".join(environment.nodes), "Name a node of the environment.")
    stray = [name for name in OF_FILES if name in fact.model_fields_set and fact.file is None]
    stray += ["alive"] if fact.alive and fact.process is None else []
    for name in stray:
        subject = "process" if name == "alive" else "file"
        mend = "It would be ignored: remove it, or complete the fact."
        report((*place, name), f"`{name}` without `{subject}`", f"`{name}` in a fact about a {subject}", mend)
    if fact.absent and any(getattr(fact, name) is not None for name in OF_CONTENT):
        report(
            (*place, "absent"), "`absent` with what the file holds", "one of the two", "An absent file holds nothing."
        )
    if fact.file is not None and not fact.file.startswith(("/", "#{")):
        report((*place, "file"), repr(fact.file), "an absolute path", "Begin it with /.")
    if fact.modified_before is not None and not _is_moment(fact.modified_before):
        allowed = "ISO 8601 with its offset from UTC, e.g. 2020-01-01T00:00:00Z"
        report((*place, "modified_before"), repr(fact.modified_before), allowed, "Correct it.")


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _patterns(step: Step) -> Iterator[tuple[Place, str]]:
    for index, fact in enumerate(step.verify):
        for name in PATTERNS:
            if getattr(fact, name) is not None:
                yield ("verify", index, name), getattr(fact, name)
    for index, alternative in enumerate(step.criteria):
        for number, condition in enumerate(alternative):
            yield ("criteria", index, number, "matches"), condition.matches


def _texts(step: Step) -> Iterator[tuple[Place, str]]:
    """Everything in which `#{name}` is replaced."""
    yield from _patterns(step)
    for name, value in step.arguments.items():
        yield ("arguments", name), value
    for index, fact in enumerate(step.verify):
        if fact.file is not None:
            yield ("verify", index, "file"), fact.file
    for kind in ("files", "users", "connections", "urls"):
        for index, value in enumerate(getattr(step.touches, kind)):
            yield ("touches", kind, index), value
