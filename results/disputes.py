"""Vendors' objections before the results are final, on the record: the dispute window (scoring.md §6).

A preview opens the window; until its end a publication is provisional. Objections and answers are entries of the
journal: none is ever taken back.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from results.adjudication import adjudications, require_verdict
from results.errors import EvaluationError, several
from results.journal import JOURNAL, EntryKind, append, head, read_journal
from results.people import Dispute, People, Window
from results.registration import standing
from results.store import read_summary

NANO = 1_000_000_000
DAY_NS = 86_400 * NANO
LONGEST_DAYS = 3650


def open_window(folder: Path, product: str, days: float, now_ns: int) -> Window:
    """Put a preview on the record; the window ends so many days later, and never earlier than it did.

    Raises:
        EvaluationError: so many days can't be meant.
        JournalError: the journal is not what was written.
    """
    if not 0 <= days <= LONGEST_DAYS:
        raise EvaluationError(
            f"--days: found {days:g}; allowed: 0 to {LONGEST_DAYS}. A window can be made longer later, never shorter."
        )
    before = window(folder)
    until = max(now_ns + int(days * DAY_NS), before.until_ns if before else 0)
    append(folder, EntryKind.PREVIEWED, {"product": product, "until_ns": until}, now_ns)
    found = window(folder)
    if found is None:
        raise EvaluationError(f"{folder}: found no preview in the journal; allowed: the one just written. Try again.")
    return found


def window(folder: Path) -> Window | None:
    """The dispute window; None if no vendor was given a view yet."""
    previews = [one for one in read_journal(folder) if one.kind is EntryKind.PREVIEWED]
    if not previews:
        return None
    until = max(int(one.about["until_ns"]) for one in previews)
    return Window(opened_ns=previews[0].time_ns, until_ns=until, previews=len(previews))


def is_final(folder: Path, now_ns: int) -> bool:
    """Whether nobody may object any more. Without any preview nobody was asked, and the results are what they are."""
    found = window(folder)
    return found is None or now_ns >= found.until_ns


def dispute(
    folder: Path, trial_id: str, step_id: str, author: str, reason: str, evidence: Sequence[str], now_ns: int
) -> Dispute:
    """Put an objection on the record.

    Raises:
        EvaluationError: there is no such verdict, something is not said, or the window is not open.
    """
    require_verdict(folder, trial_id, step_id)
    found = window(folder)
    if found is None or now_ns >= found.until_ns:
        ended = datetime.fromtimestamp(found.until_ns // NANO, UTC).isoformat(" ", "minutes") if found else ""
        state = f"one that is over since {ended}" if found else "none: it was never opened"
        raise EvaluationError(
            f"{folder / JOURNAL}: dispute window: found {state}; allowed: objections while it is open. Ask the "
            f"evaluator to open it{' again' if found else ''}: "
            f"`pij preview {folder.name} --product ID --to FOLDER --days DAYS`."
        )
    if not author.strip() or not reason.strip():
        raise EvaluationError("--author, --reason: found nothing; allowed: some words. Say who objects, and why.")
    about = {"trial_id": trial_id, "step_id": step_id, "author": author.strip(), "reason": reason.strip()}
    entry = append(folder, EntryKind.DISPUTED, about | {"evidence": list(evidence)}, now_ns)
    return next(one for one in disputes(folder) if one.number == entry.number)


def answer(folder: Path, number: int, author: str, words: str, now_ns: int) -> Dispute:
    """Put an answer to an objection on the record.

    Raises:
        EvaluationError: there is no such objection, or something is not said.
    """
    known = {one.number: one for one in disputes(folder)}
    if number not in known:
        numbers = several(str(one) for one in known)
        raise EvaluationError(f"{folder}: found no dispute {number}; allowed: {numbers}. See `pij people`.")
    if not author.strip() or not words.strip():
        raise EvaluationError("--author, --reason: found nothing; allowed: some words. Say who answers, and what.")
    append(folder, EntryKind.ANSWERED, {"number": number, "author": author.strip(), "words": words.strip()}, now_ns)
    return next(one for one in disputes(folder) if one.number == number)


def disputes(folder: Path) -> list[Dispute]:
    """Every objection with its answers, in order."""
    entries = read_journal(folder)
    answers: dict[int, list[str]] = {}
    for one in entries:
        if one.kind is EntryKind.ANSWERED:
            answers.setdefault(int(one.about["number"]), []).append(f"{one.about['author']}: {one.about['words']}")
    return [
        Dispute.model_validate(
            one.about | {"number": one.number, "time_ns": one.time_ns, "answers": answers.get(one.number, [])}
        )
        for one in entries
        if one.kind is EntryKind.DISPUTED
    ]


def people_of(folder: Path) -> People:
    """The people's part of a campaign's summary.

    Raises:
        EvaluationError: the registration or the journal is not what was written.
    """
    return People(
        registration=standing(folder),
        adjudications=tuple(adjudications(folder)),
        disputes=tuple(disputes(folder)),
        window=window(folder),
        journal_head=head(folder),
    )


def is_scored_since(folder: Path) -> bool:
    """Whether the scores know every entry of the journal; true where there are no scores yet.

    Raises:
        JournalError: the journal is not what was written.
        EvaluationError: the scores are another scorer's.
    """
    if not (folder / "summary.json").is_file():
        return True
    people = read_summary(folder).people
    return people is not None and people.journal_head == head(folder)
