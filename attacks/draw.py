"""What the trial's seed decides: names, ports, users, words, and where benign steps are mixed in.

Nothing may be learnt by heart, and the same seed must give the same bytes for every product.
"""

import random
import re
import string
from collections.abc import Mapping

from attacks.atomic import PLACEHOLDER
from attacks.plan import Drawn, Fact, Plan, Step, Touches
from results.records import Condition, StepKind


def draw_values(plan: Plan, seed: int) -> dict[str, str]:
    """Draw every value of a plan. Each has a stream of its own, so adding one does not change the others."""
    return {name: _draw(drawn, _stream(seed, f"draw/{name}")) for name, drawn in plan.draw.items()}


def arrange(plan: Plan, seed: int) -> tuple[Step, ...]:
    """The order in which a trial runs the steps.

    Malicious steps keep the plan's order; benign and placebo steps are put anywhere after the steps they need.
    """
    ordered = [step for step in plan.steps if step.kind is StepKind.MALICIOUS]
    for step in plan.steps:
        if step.kind is StepKind.MALICIOUS:
            continue
        dependants = [index for index, other in enumerate(ordered) if step.id in other.needs]
        needed = [index + 1 for index, other in enumerate(ordered) if other.id in step.needs]
        first, last = max(needed, default=0), min(dependants, default=len(ordered))
        ordered.insert(_stream(seed, f"place/{step.id}").randint(first, max(first, last)), step)
    return tuple(ordered)


def fill(text: str, values: Mapping[str, str], pattern: bool = False) -> str:
    """Replace `#{name}` by its value, in one pass; in a pattern the value stands for itself."""

    def value(match: re.Match[str]) -> str:
        found = values.get(match.group(1), match.group(0))
        return re.escape(found) if pattern and match.group(1) in values else found

    return PLACEHOLDER.sub(value, text)


def fill_step(step: Step, values: Mapping[str, str]) -> Step:
    """A step with every value in its place.

    Args:
        step: as the plan has it.
        values: what the seed drew, and the nodes' addresses by the nodes' names. In the step's facts, criteria and
            touched objects, its own arguments are values too and go before these.
    """
    arguments = {name: fill(value, values) for name, value in step.arguments.items()}
    values = {**values, **arguments}
    return step.model_copy(
        update={
            "arguments": arguments,
            "verify": tuple(_fill_fact(fact, values) for fact in step.verify),
            "criteria": tuple(
                tuple(
                    Condition(field=condition.field, matches=fill(condition.matches, values, pattern=True))
                    for condition in alternative
                )
                for alternative in step.criteria
            ),
            "touches": Touches(
                files=tuple(fill(name, values) for name in step.touches.files),
                users=tuple(fill(name, values) for name in step.touches.users),
                connections=tuple(fill(name, values) for name in step.touches.connections),
            ),
        }
    )


def _fill_fact(fact: Fact, values: Mapping[str, str]) -> Fact:
    literal = {"file": fact.file}
    patterns = {"contains": fact.contains, "lacks": fact.lacks, "stdout": fact.stdout, "process": fact.process}
    changed = {name: fill(text, values) for name, text in literal.items() if text is not None}
    changed |= {name: fill(text, values, pattern=True) for name, text in patterns.items() if text is not None}
    return fact.model_copy(update=changed)


def _draw(drawn: Drawn, stream: random.Random) -> str:
    if drawn.one_of:
        return stream.choice(drawn.one_of)
    if drawn.between is not None:
        return str(stream.randint(*drawn.between))
    letters = {"?": string.ascii_lowercase, "#": string.digits}
    return "".join(stream.choice(letters[mark]) if mark in letters else mark for mark in drawn.pattern or "")


def _stream(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed}/{name}")  # noqa: S311  # drawn for variety, not for secrecy
