"""What people decided about a campaign, arranged for the first page: registration, adjudications, disputes, order."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from results.evidence import utc
from results.paths import DECISIONS
from results.people import Ruling
from results.summary import Summary
from results.views import anchor
from results.wording import words

MOST_LINES = 200


class Ruled(NamedTuple):
    """One adjudicated verdict."""

    where: str
    href: str
    before: str
    after: str
    author: str
    reason: str
    evidence: str
    when: str


def people_values(summary: Summary, campaign_folder: Path, is_final: bool, language: str) -> dict[str, Any]:
    """The values of the people's section of `index.html.j2`.

    Args:
        summary: a scored campaign.
        campaign_folder: where the schedule's decisions are.
        is_final: no dispute window is open.
        language: `ja` or `en`.
    """
    say, people = words(language), summary.people
    return {
        "people": people,
        "provisional": not is_final,
        "rulings": [
            Ruled(
                where=f"{one.trial_id} · {one.step_id}",
                href=f"trials/{one.trial_id}.html#{anchor(one.step_id)}",
                before=_ruling(one.before, say),
                after=_ruling(one.after, say),
                author=one.author,
                reason=one.reason,
                evidence=", ".join(one.evidence),
                when=(utc(one.time_ns) or "")[:19],
            )
            for one in (people.adjudications if people else ())
        ],
        "schedule": schedule_lines(campaign_folder),
    }


def _ruling(ruling: Ruling, say: Mapping[str, str]) -> str:
    outcome = say[f"outcome.{ruling.outcome.value}"]
    return f"{outcome} ({say[f'category.{ruling.category.value}']})" if ruling.category else outcome


def schedule_lines(campaign_folder: Path) -> list[str]:
    """What the budget or the stopping rule left out, a line each."""
    path = campaign_folder / DECISIONS
    if not path.is_file():
        return []
    found = []
    for line in path.read_text("utf-8").splitlines()[:MOST_LINES]:
        entry = json.loads(line)
        subject = entry.get("trial") or f"{entry.get('first')} : {entry.get('second')}"
        found.append(f"{subject}: {entry.get('decision')} – {entry.get('reason')}")
    return found
