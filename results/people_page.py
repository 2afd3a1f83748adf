"""What people decided about a campaign, arranged for the first page: registration, adjudications, disputes, order."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from results.decisions import read_decisions
from results.evidence import utc
from results.pages import root
from results.paths import DECISIONS
from results.people import Departure, Ruling, ScoredAnew, Standing
from results.summary import Summary
from results.views import anchor
from results.wording import words

MOST_LINES = 200
"""Of the schedule, and of what is not as registered; how many more there are is said."""


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
    schedule = schedule_lines(campaign_folder)
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
        "standing": standing_view(people.registration, say) if people else None,
        "schedule": schedule[:MOST_LINES],
        "schedule_more": say["more_lines"].format(count=len(schedule) - MOST_LINES)
        if len(schedule) > MOST_LINES
        else None,
        "schedule_file": (f"{root(language)}data/{DECISIONS}", DECISIONS),
        "standing_file": (f"{root(language)}data/summary.json", "summary.json"),
    }


class StandingView(NamedTuple):
    """How a campaign stands to its registration, in words."""

    when: str | None
    commitment: str | None
    signature: str
    as_registered: str
    lines: tuple[str, ...]
    more: str | None
    as_scored: str
    restarts: str | None


def standing_view(found: Standing, say: Mapping[str, str]) -> StandingView:
    """The same words for the page in both languages, and for a terminal."""
    lines = (
        *(say["early"].format(trial=name) for name in found.early),
        *(say["missing"].format(trial=name) for name in found.missing),
        *(_departure(one, say) for one in found.departures),
        *(say[f"not_recorded.{name}"].format(count=count) for name, count in found.not_recorded.items()),
    )
    forged = say["signature.forged"].format(key=found.forged_key) if found.forged_key is not None else None
    more = len(lines) - MOST_LINES
    is_open = found.is_unrefuted() and not found.holds
    return StandingView(
        when=(utc(found.registered_ns) or "")[:19] or None,
        commitment=found.commitment,
        signature=forged or found.signed_by or say["signature.none"],
        as_registered=say["as_registered.recorded"] if is_open else say["yes"] if found.holds else say["no"],
        lines=lines[:MOST_LINES],
        more=say["more_lines"].format(count=more) if more > 0 else None,
        as_scored=_anew(found.scored_anew, say) if found.scored_anew else say["yes"],
        restarts=say["restarts"].format(count=found.restarts) if found.restarts else None,
    )


def _departure(one: Departure, say: Mapping[str, str]) -> str:
    none = say["none"]
    field = say.get(f"departs.{one.field}", one.field)
    line = say["departure"].format(field=field, registered=one.registered or none, found=one.found or none)
    if one.field == "unplanned":
        line = field
    return say["departure.about"].format(subject=one.subject, line=line) if one.subject else line


def _anew(one: ScoredAnew, say: Mapping[str, str]) -> str:
    return say["as_scored.later" if one.is_later else "as_scored.other"].format(
        then=one.registered_version, now=one.version, then_digest=one.registered_methodology,
        now_digest=one.methodology,
    )  # fmt: skip


def _ruling(ruling: Ruling, say: Mapping[str, str]) -> str:
    outcome = say[f"outcome.{ruling.outcome.value}"]
    return f"{outcome} ({say[f'category.{ruling.category.value}']})" if ruling.category else outcome


def schedule_lines(campaign_folder: Path) -> list[str]:
    """What the budget or the stopping rule left out, a line each.

    Raises:
        EvaluationError: a line of the schedule is none.
    """
    found = []
    for entry in read_decisions(campaign_folder):
        pair = f"{entry['first']} : {entry.get('second')}" if "first" in entry else None
        subject = entry.get("trial") or pair or f"{entry.get('before')} -> {entry.get('after')}"
        found.append(f"{subject}: {entry.get('decision')} – {entry.get('reason')}")
    return found
