"""A campaign's journal: what people decided about it, append-only, each entry bound to the one before by its hash.

`journal.jsonl` holds one JSON object a line. An entry that is changed, removed or put in between breaks the chain at
that line. That the end was cut off is seen only by whoever knows a later head: each summary and publication names it.
"""

import hashlib
import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from results.errors import EvaluationError
from results.records import Record

JOURNAL = "journal.jsonl"
GENESIS = "0" * 64


class EntryKind(StrEnum):
    """What was decided or done."""

    REGISTERED = "registered"
    RESTARTED = "restarted"
    """Results were set aside and the campaign begun again."""
    ADJUDICATED = "adjudicated"
    PREVIEWED = "previewed"
    """A vendor was given its own view: the dispute window opens."""
    DISPUTED = "disputed"
    ANSWERED = "answered"


class Entry(Record):
    """One line of the journal."""

    number: int
    """From 1."""
    previous: str
    """Hash of the entry before; zeros for the first."""
    time_ns: int
    """By the clock of whoever wrote it (UTC)."""
    kind: EntryKind
    about: dict[str, Any]
    """What it says; see the module that writes the kind."""
    hash: str
    """SHA-256 over all of the above."""


class JournalError(EvaluationError):
    """A journal is not what was written."""


def append(folder: Path, kind: EntryKind, about: dict[str, Any], now_ns: int) -> Entry:
    """Add an entry to a campaign's journal, after the whole of it has been verified.

    Raises:
        JournalError: what is there is not what was written.
    """
    entries = read_journal(folder)
    previous = entries[-1].hash if entries else GENESIS
    fields: dict[str, Any] = {"number": len(entries) + 1, "previous": previous, "time_ns": now_ns, "kind": kind.value}
    fields["about"] = json.loads(json.dumps(about))
    entry = Entry.model_validate(fields | {"hash": _hash(fields)})
    with (folder / JOURNAL).open("ab") as file:
        file.write(_text(entry.model_dump(mode="json")).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return entry


def read_journal(folder: Path) -> list[Entry]:
    """Every entry, verified; none if the campaign has no journal.

    Raises:
        JournalError: an entry was changed, removed or put in between; the text names the line.
    """
    path = folder / JOURNAL
    if not path.is_file():
        return []
    entries: list[Entry] = []
    *lines, rest = path.read_bytes().split(b"\n")
    if rest or not lines:
        raise _broken(path, len(lines) + 1, "a line without its end")
    for number, line in enumerate(lines, start=1):
        try:
            entry = Entry.model_validate_json(line)
        except (ValidationError, ValueError) as error:
            raise _broken(path, number, f"no entry ({type(error).__name__})") from None
        fields = entry.model_dump(mode="json")
        found = fields.pop("hash")
        if entry.number != number or entry.previous != (entries[-1].hash if entries else GENESIS):
            raise _broken(path, number, f"entry {entry.number}, which does not follow the one before")
        if found != _hash(fields):
            raise _broken(path, number, f"an entry that was changed (hash {found[:16]}, its text gives another)")
        entries.append(entry)
    return entries


def head(folder: Path) -> str | None:
    """Hash of the last entry; None if there is no journal."""
    entries = read_journal(folder)
    return entries[-1].hash if entries else None


def _hash(fields: dict[str, Any]) -> str:
    return hashlib.sha256(_text(fields).encode()).hexdigest()


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _broken(path: Path, line: int, found: str) -> JournalError:
    return JournalError(
        f"{path}:{line}: found {found}; allowed: the entries as they were written, in their order. Restore the file "
        "from a copy: what people decided can't be trusted as it stands."
    )
