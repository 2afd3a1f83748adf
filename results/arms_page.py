"""What each arm changes against its product's default one, arranged for the page of comparison."""

from typing import NamedTuple

from results.arm_differences import FOLDER, Written
from results.pages import root
from results.summary import Summary
from results.views import arm_name, product_arms
from results.wording import words

MOST_LINES = 400
MOST_CHARACTERS = 40_000
"""Of a difference on the page; the file holds the whole."""


class ArmView(NamedTuple):
    """One difference."""

    key: str
    name: str
    first: str
    second: str
    note: str
    """How it is known that this is what was run, or why nothing is shown."""
    changed: str
    text: str
    more: str | None
    """How many lines are not shown; None if all are."""
    file: str
    href: str | None
    """None where no difference is shown."""


def arm_views(differences: tuple[Written, ...], summary: Summary, language: str) -> list[ArmView]:
    """The values of `arms.html.j2`.

    Args:
        differences: of the campaign.
        summary: the same campaign, scored.
        language: `ja` or `en`.
    """
    say = words(language)
    names = {arm.arm_key: arm_name(arm, language) for arm in product_arms(summary)}
    found = []
    for about, text in differences:
        lines = (text or "").splitlines()
        shown = "\n".join(lines[:MOST_LINES])[:MOST_CHARACTERS]
        more = len(lines) - len(shown.splitlines())
        found.append(
            ArmView(
                key=about.key,
                name=names.get(about.key, about.key),
                first=about.first,
                second=about.second,
                note=say[f"arms.{about.basis.value}"],
                changed=say["arms.lines"].format(changed=about.changed),
                text=shown,
                more=say["more_lines"].format(count=more) if more > 0 else None,
                file=about.file,
                href=f"{root(language)}data/{FOLDER}/{about.file}" if text is not None else None,
            )
        )
    return found
