"""How much the alerts on a step said about it: its technique, its tactic, or only that something is malicious.

Names count while they say which is meant; a product that names everything, at once or alert by alert, names nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from results.counting import Said
from results.records import Category, StepExecution, StepKind
from results.techniques import Names

MOST_NAMED = 5
"""Techniques, sub-techniques with their parent, that one alert may name and still say which it means: as many as
any rule of the public Sigma collection for Linux."""
MOST_TOGETHER = 2 * MOST_NAMED
"""Techniques that all alerts on one step may name together: its several acts may each be named for what they are (in
the published fleets five at most), but a different name on every alert is no name."""
MOST_TACTICS = 4
"""Tactics that one alert may name: as many as any technique belongs to, and as any rule of that collection names."""
MOST_TACTICS_TOGETHER = 7
"""Tactics that all alerts on one step may name together: half of them (in the published fleets four at most)."""
TOGETHER = f"; its alerts together name more than {MOST_TOGETHER} techniques, so that none says which"
TACTICS_TOGETHER = f"; its alerts together name more than {MOST_TACTICS_TOGETHER} tactics, so that none says which"
GRADES = (Category.TECHNIQUE, Category.TACTIC, Category.GENERAL)
"""From the highest to the lowest."""


@dataclass(frozen=True)
class Grade:
    """How much an alert said about the step that caused it."""

    category: Category
    parent: bool
    """It named the parent technique only."""
    wrong: tuple[str, ...]
    """Techniques that it named and that the step does not carry."""


def grades_of(said: Sequence[Said], step: StepExecution, names: Names) -> tuple[list[Grade], str]:
    """How much each alert on a step said, and why that is less where together they named too much to say which.

    Else a product that names another technique, or tactic, on every alert would be right on every step.
    """
    grades, told = [grade(one, step, names) for one in said], [one for one in said if not one.by_time]
    reason = ""
    if len({family for one in told for family in _families(one, names)}) > MOST_TOGETHER:
        grades, reason = _lessened(grades, (Category.TECHNIQUE, Category.TACTIC), TOGETHER)
    elif len({tactic for one in told for tactic in _tactics(one, names)}) > MOST_TACTICS_TOGETHER:
        grades, reason = _lessened(grades, (Category.TACTIC,), TACTICS_TOGETHER)
    return grades, reason


def _lessened(grades: Sequence[Grade], categories: Sequence[Category], why: str) -> tuple[list[Grade], str]:
    """The grades, those of some categories as general ones; and why, if there are any."""
    found = [
        Grade(Category.GENERAL, parent=False, wrong=one.wrong) if one.category in categories else one for one in grades
    ]
    return found, why if found != list(grades) else ""


def _tactics(said: Said, names: Names) -> set[str]:
    """The tactics that an alert names, by id."""
    return {tactic for name in json.loads(said.tactics) if (tactic := names.tactic(name))}


def _families(said: Said, names: Names) -> set[str]:
    """The techniques that an alert names, sub-techniques with their parent."""
    named = {names.read(name).technique for name in json.loads(said.techniques)}
    return {name.partition(".")[0] for name in named if name}


def grade(said: Said, step: StepExecution, names: Names) -> Grade:
    """How much an alert said: names are compared as ids of the pinned release, revoked ids followed.

    By time alone an alert is `general` at most, whatever it names; so is one that names more than `MOST_NAMED`
    techniques. One that names more than `MOST_TACTICS` tactics names none.
    """
    named = {names.read(name).technique for name in json.loads(said.techniques)}
    catalogue = names.catalogue
    own = catalogue.resolve(step.technique) if step.technique else None
    parent = catalogue.parent_of(own) if own else None
    wrong = tuple(sorted(name for name in named if name not in (own, parent)))
    if said.by_time or step.kind is not StepKind.MALICIOUS or len(_families(said, names)) > MOST_NAMED:
        return Grade(Category.GENERAL, parent=False, wrong=wrong)
    if own is not None and own in named:
        return Grade(Category.TECHNIQUE, parent=False, wrong=wrong)
    if parent is not None and parent in named:
        return Grade(Category.TECHNIQUE, parent=True, wrong=wrong)
    tactics = _tactics(said, names)
    if len(tactics) <= MOST_TACTICS and tactics & set(step.tactics):
        return Grade(Category.TACTIC, parent=False, wrong=wrong)
    return Grade(Category.GENERAL, parent=False, wrong=wrong)
