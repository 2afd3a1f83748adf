"""`pij product map-test`: what comes of sample records, field by field, without running anything.

A sample is read with the manifest's own sources by the code that reads a trial's alerts, so what is shown here is what
a trial would keep.
"""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from products.formats import records_of
from products.manifest import Arm, Product, Source, read_product
from products.mapping import FILE, read_mapping, source_of
from products.normalise import Normaliser, Skipped, Unreadable
from results.errors import EvaluationError
from results.records import Observation

SHOWN = 200
"""Characters of a value or record that are shown."""
REQUIRED = "time, and title or rule_id"


class FieldShown(BaseModel):
    """One field of one record."""

    model_config = ConfigDict(frozen=True)

    field: str
    expression: str
    """JMESPath, as declared."""
    gave: object
    """What the expression gave."""
    became: object
    """What the normalised field holds."""
    why: str | None
    """Why nothing became of it, if something should have."""


class RecordShown(BaseModel):
    """One sample record and what came of it."""

    model_config = ConfigDict(frozen=True)

    number: int
    """From 1, in the sample."""
    source: int
    """Number of the source that read it."""
    outcome: str
    """`read`, `skipped` or `unreadable`."""
    why: str | None
    """Why it was skipped or can't be read."""
    missing: tuple[str, ...]
    """Required fields that it lacks."""
    record: str
    """Its beginning, as received."""
    fields: tuple[FieldShown, ...]


class MapTest(BaseModel):
    """What came of a sample."""

    model_config = ConfigDict(frozen=True)

    records: tuple[RecordShown, ...]
    counts: dict[str, int]
    """`read`, `skipped`, `unreadable`, `incomplete` (read, but a required field is missing)."""

    @property
    def is_complete(self) -> bool:
        """Something was read, nothing was unreadable, and every record read has what is required."""
        return bool(self.counts["read"]) and not self.counts["unreadable"] and not self.counts["incomplete"]


def map_test(folder: Path, sample: Path, number: int | None = None) -> MapTest:
    """Read a sample with the sources of a product (or with a ready-made mapping) and say what came of it.

    Args:
        folder: a product's or a mapping's folder.
        sample: the records as the product writes them.
        number: which source, in the order of `sources_of`; every alert source if not given.

    Raises:
        ContentError: the manifest or mapping is wrong.
        EvaluationError: there is no such source, or the sample can't be read.
    """
    sources = sources_of(folder)
    if number is not None and number not in sources:
        known = ", ".join(f"{index} ({name})" for index, (name, _source) in sources.items())
        raise EvaluationError(f"--source: found {number}; allowed: {known}")
    chosen = [number] if number is not None else _alert_sources(sources)
    try:
        data = sample.read_bytes()
    except OSError as error:
        raise EvaluationError(f"{sample}: found {error.strerror}; allowed: a readable file. Check the path.") from None
    records = tuple(shown for index in chosen for shown in _shown(index, sources[index][1], data))
    outcomes = Counter(record.outcome for record in records)
    incomplete = sum(bool(record.missing) for record in records)
    counts = {name: outcomes[name] for name in ("read", "skipped", "unreadable")} | {"incomplete": incomplete}
    return MapTest(records=records, counts=counts)


def sources_of(folder: Path) -> dict[int, tuple[str, Source]]:
    """The numbered sources of a product's or mapping's folder: number -> where it stands, and the source.

    Raises:
        ContentError: the manifest or mapping is wrong.
    """
    if (folder / FILE).is_file():
        mapping = read_mapping(folder)
        return {1: (f"mapping {mapping.id}", source_of(mapping))}
    return dict(enumerate(_named(read_product(folder)), 1))


def _named(product: Product) -> Iterator[tuple[str, Source]]:
    parts: list[tuple[str, Product | Arm]] = [("", product), *((f"arms.{arm.id}.", arm) for arm in product.arms)]
    for name, part in parts:
        for kind, sources in (("alerts", part.alerts), ("telemetry", part.telemetry)):
            for index, source in enumerate(sources or ()):
                yield f"{name}{kind}.{index}", source


def _alert_sources(sources: dict[int, tuple[str, Source]]) -> list[int]:
    """The product's own alert sources; its arms' and its telemetry only if asked for by number."""
    alerts = [index for index, (name, _source) in sources.items() if name.startswith(("alerts.", "mapping "))]
    return alerts or list(sources)[:1]


def _shown(index: int, source: Source, data: bytes) -> Iterator[RecordShown]:
    normaliser = Normaliser(source, lambda _component, pid: pid)
    now = time.time_ns()
    for number, record in enumerate(records_of(source, data), 1):
        read = normaliser.read(record, now, f"a{number:06d}")
        text = record[:SHOWN].decode("utf-8", "backslashreplace")
        shown = RecordShown(number=number, source=index, outcome="read", why=None, missing=(), record=text, fields=())
        if isinstance(read, Observation):
            readings = normaliser.explain(record, now).items()
            fields = tuple(
                FieldShown(field=name, expression=one.expression, gave=one.gave, became=one.became, why=one.why)
                for name, one in readings
            )
            yield shown.model_copy(update={"missing": _missing(read), "fields": fields})
        elif isinstance(read, Unreadable):
            yield shown.model_copy(update={"outcome": "unreadable", "why": read.why})
        else:
            assert isinstance(read, Skipped)  # noqa: S101  # the third and last of them
            why = "`where` says no, or the pattern does not match"
            yield shown.model_copy(update={"outcome": "skipped", "why": why})


def _missing(read: Observation) -> tuple[str, ...]:
    lacks_time = () if read.time_ns is not None else ("time",)
    return lacks_time if read.title or read.rule_id else (*lacks_time, "title or rule_id")


def lines_of(found: MapTest, most: int = 20) -> Iterator[str | list[list[str]]]:
    """The result for a person: text, and, as a list of rows, a table of each record's fields.

    Args:
        found: the result.
        most: how many records that were read are shown field by field; the rest are counted.
    """
    shown = 0
    for one in found.records:
        place = f"record {one.number} (source {one.source})"
        if one.outcome != "read":
            yield f"{place}: {one.outcome}: {one.why}"
            yield f"  {one.record}"
            continue
        if shown >= most and not one.missing:
            continue
        shown += 1
        yield f"{place}: read" + (f", but without {' and '.join(one.missing)}" if one.missing else "")
        yield [[field.field, field.expression, _brief(field.gave), _outcome(field)] for field in one.fields]
    counts = found.counts
    read = counts["read"]
    if read > shown:
        yield f"{read - shown} more records were read; --json shows them all"
    yield (
        f"{read} read, {counts['incomplete']} of them without {REQUIRED}; "
        f"{counts['skipped']} skipped, {counts['unreadable']} unreadable"
    )


def _outcome(field: FieldShown) -> str:
    if field.why is not None:
        return field.why
    if field.field == "time" and isinstance(field.became, int):
        seconds, nanoseconds = divmod(field.became, 1_000_000_000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanoseconds:09d} UTC"
    return _brief(field.became)


def _brief(value: object) -> str:
    text = "–" if value is None or value == () else value if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
