"""Payload sets of GoTestWAF, read as upstream writes them.

Each payload in each of its encodings at each of its places becomes one procedure. What lies in a folder with `false`
in its name is ordinary text, by upstream's own rule; everything else is an attack that a product should block.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from attacks.go_yaml import explain, load_go_yaml, problem
from attacks.gotestwaf_request import CONFIGURED, ENCODERS, GRPC, PLACEHOLDERS, Settings, build
from attacks.request import Expectation, Unsendable, WebProcedure, web_procedure
from results.documents import MAX_DOCUMENT_BYTES, Lines
from results.errors import ContentError, Problem

CORPUS = "gotestwaf"
KNOWN = "encoder, payload, placeholder, type"
HOLDS_PAYLOADS = re.compile(rb"^(payload|encoder|placeholder):", re.MULTILINE)
PLACES = ", ".join(sorted([*PLACEHOLDERS, *CONFIGURED, GRPC]))
MAX_PROCEDURES = 20_000
"""Of one file; upstream's longest gives 224. Three short lists could ask for millions."""
Place = tuple[str, Settings | None]
Location = tuple[str | int, ...]


class _Set(BaseModel):
    """The file; what stands in its lists is checked one by one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    payload: tuple[Any, ...] = Field(min_length=1)
    encoder: tuple[Any, ...] = Field(min_length=1)
    placeholder: tuple[Any, ...] = Field(min_length=1)
    type: str | None = None


def read_gotestwaf(folder: Path) -> tuple[dict[str, WebProcedure], list[Problem]]:
    """Read every payload set below a folder; other YAML files are passed over.

    Returns:
        The procedures by GUID, and every problem found.
    """
    found: dict[str, WebProcedure] = {}
    problems: list[Problem] = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        if not holds_gotestwaf(path):
            continue
        procedures, more = read_gotestwaf_file(path)
        problems += more
        clashes = [one for one in procedures if found.setdefault(one.guid, one) is not one]
        if clashes:
            problems.append(_same_set(path, clashes[0], found[clashes[0].guid]))
    return found, problems


def read_gotestwaf_file(path: Path) -> tuple[list[WebProcedure], list[Problem]]:
    """One set's procedures, and the problems of its unsound parts."""
    try:
        data, lines = load_go_yaml(path)
    except ContentError as error:
        return [], list(error.problems)
    if not isinstance(data, dict):
        mend = "Write the file as GoTestWAF does."
        return [], [problem(path, lines, ("payload",), "no payload set", "`payload`, `encoder`, `placeholder`", mend)]
    problems: list[Problem] = []
    try:
        _Set.model_validate(data)
    except ValidationError as error:
        problems += [explain(path, lines, (), dict(detail), KNOWN) for detail in error.errors()]
    payloads = list(_payloads(path, lines, _entries(data, "payload"), problems))
    encoders = list(_encoders(path, lines, _entries(data, "encoder"), problems))
    places = list(_places(path, lines, _entries(data, "placeholder"), problems))
    kind = data.get("type")
    total = len(payloads) * len(encoders) * len(places)
    if total > MAX_PROCEDURES:
        found = f"{total} combinations of payload, encoder and placeholder"
        problems.append(problem(path, lines, (), found, f"at most {MAX_PROCEDURES}", "Split the file."))
    return _procedures(path, lines, kind if isinstance(kind, str) else "", payloads, encoders, places), problems


def holds_gotestwaf(path: Path) -> bool:
    """Whether a file holds a GoTestWAF payload set."""
    try:
        with path.open("rb") as file:
            return HOLDS_PAYLOADS.search(file.read(MAX_DOCUMENT_BYTES)) is not None
    except OSError:
        return False  # what can't be read is not ours to judge


def _entries(data: dict[Any, Any], name: str) -> list[Any]:
    entries = data.get(name)
    return entries if isinstance(entries, list) else []


def _payloads(path: Path, lines: Lines, entries: Sequence[Any], problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """The payloads with their places in the list, from 0."""
    for index, entry in enumerate(entries):
        if isinstance(entry, str):
            yield index, entry
        else:
            problems.append(
                problem(path, lines, ("payload", index), _shown(entry), "a text", "Put the payload into quotes.")
            )


def _encoders(path: Path, lines: Lines, entries: Sequence[Any], problems: list[Problem]) -> Iterator[str]:
    for index, entry in enumerate(entries):
        if isinstance(entry, str) and entry in ENCODERS:
            yield entry
        else:
            mend = "Correct the encoder's name; without it nothing is sent in this encoding."
            problems.append(problem(path, lines, ("encoder", index), _shown(entry), ", ".join(sorted(ENCODERS)), mend))


def _places(path: Path, lines: Lines, entries: Sequence[Any], problems: list[Problem]) -> Iterator[Place]:
    for index, entry in enumerate(entries):
        at: Location = ("placeholder", index)
        name, settings = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else (entry, None)
        if not isinstance(name, str) or name not in (*PLACEHOLDERS, *CONFIGURED, GRPC):
            mend = "Correct the placeholder's name; without it nothing is sent there."
            problems.append(problem(path, lines, at, _shown(entry), PLACES, mend))
        elif name not in CONFIGURED:
            yield name, None
        else:
            try:
                yield name, CONFIGURED[name].model_validate({} if settings is None else settings)
            except ValidationError as error:
                known = ", ".join(sorted(Settings.model_fields))
                problems += [explain(path, lines, (*at, name), dict(detail), known) for detail in error.errors()]


def _procedures(
    path: Path,
    lines: Lines,
    kind: str,
    payloads: Sequence[tuple[int, str]],
    encoders: Sequence[str],
    places: Sequence[Place],
) -> list[WebProcedure]:
    seen: Counter[str] = Counter()
    procedures: list[WebProcedure] = []
    name, benign = f"{path.absolute().parent.name}/{path.stem}", "false" in path.absolute().parent.name
    for (index, payload), encoder, (place, settings) in islice(product(payloads, encoders, places), MAX_PROCEDURES):
        said = json.dumps(settings.model_dump(), sort_keys=True) if settings else ""
        key = f"{name}:{encoder}:{place}{said}:{payload}"
        seen[key] += 1
        key = key if seen[key] == 1 else f"{key}:{seen[key]}"  # upstream's sets say some payloads twice
        procedures.append(
            web_procedure(
                corpus=CORPUS,
                key=key,
                name=f"{name}-{index + 1} {encoder} {place}",
                description=f"{kind or name}: {_readable(payload)}",
                requests=_requests(payload, encoder, place, settings, key),
                expected=(Expectation(blocked=not benign),),
                path=path,
                line=lines.of(("payload", index)),
                benign=benign,
            )
        )
    return procedures


def _requests(payload: str, encoder: str, place: str, settings: Settings | None, key: str) -> list[bytes] | Unsendable:
    try:
        return [build(payload, encoder, place, settings, key)]
    except Unsendable as reason:
        return reason


def _readable(text: str, limit: int = 200) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:limit])
    return shown if len(text) <= limit else f"{shown}… ({len(text)} characters)"


def _shown(entry: object) -> str:
    return "nothing" if entry is None else repr(entry)[:120]


def _same_set(path: Path, procedure: WebProcedure, first: WebProcedure) -> Problem:
    return Problem(
        path=str(path), line=procedure.line, field="", found="a set of the same name and payloads as another",
        allowed=f"a name of its own; this one is in {first.path}", mend="Rename the file or its folder.",
    )  # fmt: skip
