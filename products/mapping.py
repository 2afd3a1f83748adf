"""Ready-made mappings: how the records of a widely used product are read, tested on its published sample events.

A mapping is a folder of `products/mappings/` with `mapping.yaml`, samples and what has to come of them. It is named
`sample-tested`: the product itself was not run here, so nothing is said about what it detects.
"""

import difflib
from pathlib import Path
from typing import Literal

from products.source import Format, Source
from results.documents import Definition, read_document
from results.errors import ContentError, Problem
from results.paths import ROOT
from results.records import Slug, Text

MAPPINGS = ROOT / "products" / "mappings"
FILE = "mapping.yaml"
TAKEN_OVER = ("items", "identity", "pattern", "where")
"""What a source that says none of its own takes over as it is."""
TIMES = ("time_format", "time_zone", "time_resolution_s", "printed_zone_is_wrong")
"""What goes with the expression for `time`: taken over unless the source has that expression itself."""
ALIKE = frozenset({Format.JSON, Format.JSON_LINES})
"""Formats whose records look the same, however they were cut."""


class Sample(Definition):
    """Published sample events, what has to come of them, and where they are from."""

    file: str
    """In the mapping's folder; records as the product writes them."""
    expected: str
    """In the mapping's folder: the normalised fields of each record, a JSON list."""
    url: str
    """Where it was published."""
    licence: str
    """Of the published text."""
    changes: str
    """What was cut or changed."""


class Mapping(Definition):
    """How the records of one product are read."""

    id: Slug
    title: Text
    product: str
    vendor: str
    homepage: str
    status: Literal["sample-tested"]
    """Never `evaluated`: that takes the running product."""
    format: Format
    items: str | None = None
    identity: str | None = None
    pattern: str | None = None
    skip_others: bool = False
    where: str | None = None
    map: dict[str, str]
    """As in a source."""
    time_format: str = "iso8601"
    time_zone: str | None = None
    time_resolution_s: float = 0.0
    printed_zone_is_wrong: bool = False
    samples: tuple[Sample, ...]
    notes: Text | None = None
    """What must be known to use it."""


def mapping_folders(place: Path = MAPPINGS) -> list[Path]:
    """Every ready-made mapping, by name."""
    return sorted(path.parent for path in place.glob(f"*/{FILE}"))


def read_mapping(folder: Path) -> Mapping:
    """Read `<folder>/mapping.yaml`.

    Raises:
        ContentError: every problem of the file.
    """
    return read_document(folder / FILE, Mapping)


def source_of(mapping: Mapping) -> Source:
    """A source that reads the mapping's own samples."""
    source = Source.model_validate({"component": "samples", "file": "/samples", "format": mapping.format})
    return with_mapping(source.model_copy(update={"mapping": mapping.id}), mapping)


def with_mapping(source: Source, mapping: Mapping) -> Source:
    """The source with everything from the mapping that it does not say itself; single fields of `map`, too."""
    said = source.model_fields_set
    taken = {name: getattr(mapping, name) for name in TAKEN_OVER if name not in said}
    if "time" not in source.map:
        taken |= {name: getattr(mapping, name) for name in TIMES if name not in said}
    if "skip_others" not in said:
        taken["skip_others"] = mapping.skip_others
    return source.model_copy(update={**taken, "map": {**mapping.map, **source.map}})


def resolved(source: Source, path: Path, line: int | None, field: str, place: Path = MAPPINGS) -> Source:
    """A manifest's source with its ready-made mapping, if it names one.

    Args:
        source: as read.
        path: the manifest.
        line: where `mapping` stands in it.
        field: its dotted path.
        place: the folder of mappings.

    Raises:
        ContentError: there is no such mapping, it can't be read, or it is for another format.
    """
    if source.mapping is None:
        return source
    folder = place / source.mapping
    if not (folder / FILE).is_file():
        known = [each.name for each in mapping_folders(place)]
        close = difflib.get_close_matches(source.mapping, known, n=1)
        mend = f"Did you mean {close[0]!r}?" if close else "Name one of them, or write a `map`."
        raise ContentError([_problem(path, line, field, repr(source.mapping), ", ".join(known), mend)])
    mapping = read_mapping(folder)
    if mapping.format is not source.format and not {mapping.format, source.format} <= ALIKE:
        found = f"format {source.format} with a mapping for {mapping.format}"
        raise ContentError([_problem(path, line, field, found, mapping.format.value, "Correct `format`.")])
    return with_mapping(source, mapping)


def _problem(path: Path, line: int | None, field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=str(path), line=line, field=field, found=found, allowed=allowed, mend=mend)
