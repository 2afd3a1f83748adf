"""What the trial's seed decides: names, ports, users, words, and where benign steps are mixed in.

Nothing may be learnt by heart, and the same seed must give the same bytes for every product.
"""

import itertools
import random
import re
import string
from collections.abc import Mapping, Sequence

from attacks.plan import Baseline, Drawn, Fact, Plan, Step, Touches
from attacks.procedure import PLACEHOLDER
from results.records import Condition, StepKind


def realise(plan: Plan, seed: int, addresses: Mapping[str, str]) -> list[tuple[Step, float | None]]:
    """The steps of one trial, in order, with every value in its place.

    Args:
        plan: as it is written.
        seed: decides values, ways, shells, order, and the times of a baseline's actions.
        addresses: node -> address.

    Returns:
        Each step, and for a baseline the second (of real time, from the first action on) at which it begins.
    """
    if plan.baseline is None:
        values = {**draw_values(plan, seed), **addresses}
        return [(fill_step(choose_way(step, seed), values), None) for step in arrange(plan, seed)]
    return [
        (fill_step(choose_way(step, inner), {**draw_values(plan, inner), **addresses}), at_s)
        for step, at_s, inner in _occurrences(plan, plan.baseline, seed)
    ]


def begins(realised: Sequence[tuple[Step, float | None]], baseline: Baseline | None) -> list[float]:
    """Seconds from the first step on at which each step of a baseline is replayed; empty for a chain."""
    if baseline is None:
        return []
    return [(at_s or 0.0) / baseline.compress for _step, at_s in realised]


def draw_values(plan: Plan, seed: int | str) -> dict[str, str]:
    """Draw every value of a plan. Each has a stream of its own, so adding one does not change the others."""
    return {name: _draw(drawn, _stream(seed, f"draw/{name}")) for name, drawn in plan.draw.items()}


def arrange(plan: Plan, seed: int) -> tuple[Step, ...]:
    """The order in which a trial runs the steps.

    Malicious steps keep the plan's order, but for neighbours that the plan lets shuffle; benign and placebo steps are
    put anywhere after the steps they need.
    """
    ordered = _shuffled([step for step in plan.steps if step.kind is StepKind.MALICIOUS], seed)
    for step in plan.steps:
        if step.kind is StepKind.MALICIOUS:
            continue
        dependants = [index for index, other in enumerate(ordered) if step.id in other.needs]
        needed = [index + 1 for index, other in enumerate(ordered) if other.id in step.needs]
        first, last = max(needed, default=0), min(dependants, default=len(ordered))
        ordered.insert(_stream(seed, f"place/{step.id}").randint(first, max(first, last)), step)
    return tuple(ordered)


def _occurrences(plan: Plan, baseline: Baseline, seed: int) -> list[tuple[Step, float, str]]:
    """Every action of a baseline, by time: (step, its second, the seed of its own values)."""
    found = []
    for step in plan.steps:
        stream = _stream(seed, f"occurs/{step.id}")
        first, last = (part * baseline.duration_s for part in step.during)
        for number in range(1, stream.randint(*step.occurs) + 1):
            named = step.model_copy(update={"id": f"{step.id}-{number}"})
            found.append((named, round(stream.uniform(first, last), 3), f"{seed}/{step.id}/{number}"))
    return sorted(found, key=lambda entry: (entry[1], entry[0].id))


def choose_way(step: Step, seed: int | str) -> Step:
    """The step in the one way, and with the one shell, that the seed chooses."""
    ways = len(step.alternatives)
    chosen = _stream(seed, f"way/{step.id}").randint(0, ways) if ways else 0
    shells = (_stream(seed, f"shell/{step.id}").choice(step.shells),) if step.shells else ()
    if chosen == 0:
        return step.model_copy(update={"alternatives": (), "shells": shells})
    return in_way(step, chosen).model_copy(update={"shells": shells})


def in_way(step: Step, number: int) -> Step:
    """The step as one of its alternatives does it (from 1); 0 is its own way."""
    if number == 0:
        return step.model_copy(update={"alternatives": ()})
    way = step.alternatives[number - 1]
    return step.model_copy(
        update={
            "procedure": way.procedure,
            "arguments": way.arguments,
            "criteria": way.criteria or step.criteria,
            "verify": way.verify or step.verify,
            "alternatives": (),
        }
    )


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
            "user": fill(step.user, values),
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
                urls=tuple(fill(name, values) for name in step.touches.urls),
                nodes=step.touches.nodes,
            ),
        }
    )


def _shuffled(steps: list[Step], seed: int) -> list[Step]:
    """Steps in the plan's order, runs of neighbours that may shuffle in a drawn order that respects their needs."""
    ordered: list[Step] = []
    for name, run in itertools.groupby(steps, key=lambda step: step.shuffle):
        waiting = list(run)
        stream = _stream(seed, f"order/{name}/{waiting[0].id}")
        while waiting:
            inside = {step.id for step in waiting}
            ready = [step for step in waiting if not inside & set(step.needs)]
            step = stream.choice(ready) if name else waiting[0]
            waiting.remove(step)
            ordered.append(step)
    return ordered


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


def _stream(seed: int | str, name: str) -> random.Random:
    return random.Random(f"{seed}/{name}")  # noqa: S311  # drawn for variety, not for secrecy
