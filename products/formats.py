"""From bytes to records: cutting what a source hands over into records, and reading one record's fields.

`records_of` cuts; `read_record` reads. A document that can't be cut is handed on whole, so that it is counted as
unreadable instead of vanishing. Sizes are capped: a product can't fill the memory with one document.
"""

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.parsers.expat import ExpatError

import jmespath
import xmltodict

from products.event_formats import read_cef, read_key_value, read_leef
from products.jmespath_functions import PLAIN
from products.source import Format, Source
from products.syslog_header import Header, split_header

LINE_CAP = 64 * 1024
"""Bytes of a record that are looked at; the rest counts in length and hash only."""
JSON_CAP = 1024 * 1024
"""The same for JSON, which is read in one pass, and of which a part can't be read at all."""
NO_UTF8 = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of bytes that are no UTF-8."""
DOCUMENT_CAP = 8 * 1024 * 1024
"""Bytes of one document; a larger one is one unreadable record."""
DOCUMENT_RECORDS = 50_000
"""Records of one document that are handed on."""
LINE_FORMATS = frozenset({Format.JSON_LINES, Format.REGEX, Format.CEF, Format.LEEF, Format.KEY_VALUE})
DOCUMENT_ERRORS = (ValueError, RecursionError, ExpatError, jmespath.exceptions.JMESPathError)
"""What reading hostile text may raise; everything else would be our own fault."""
EVENT_READERS = {Format.CEF: read_cef, Format.LEEF: read_leef, Format.KEY_VALUE: read_key_value}


def records_of(source: Source, data: bytes) -> Iterator[bytes]:
    """Cut what a source handed over at once (a line, a webhook's body, an answer to a poll, a row) into records.

    Formats of one event a line are cut at line ends. A document (`json`, `xml`) is one record, or, where the source
    names `items`, each of those as JSON; of several documents, one a line, each is one. What can't be cut comes as it
    is, so that it is counted as unreadable.

    Args:
        source: a linted source.
        data: as received.

    Yields:
        The bytes of one record each, never empty.
    """
    if source.format in LINE_FORMATS:
        yield from (line.removesuffix(b"\r") for line in data.split(b"\n") if line.strip())
        return
    if not data.strip():
        return
    if source.items is None:
        lines = [line.strip() for line in data.split(b"\n") if line.strip()]
        yield from lines if len(lines) > 1 and _is_whole(source, lines[0]) else [data.strip()]
        return
    try:
        if len(data) > DOCUMENT_CAP:
            raise ValueError("too large")
        found = jmespath.compile(source.items).search(_document(source.format, data.decode("utf-8-sig")), options=PLAIN)
        records = [] if found is None else found if isinstance(found, list) else [found]
        encoded = [json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace") for record in records]
    except DOCUMENT_ERRORS:
        yield data
        return
    yield from encoded[:DOCUMENT_RECORDS]


def cap_of(source: Source) -> int:
    """Bytes of a record of this source that are looked at."""
    return JSON_CAP if source.format in (Format.JSON, Format.JSON_LINES) else LINE_CAP


def text_of(source: Source, record: bytes) -> str:
    """The text of a record that is looked at.

    Bytes that are no UTF-8 become a backslash, `x` and two digits; in JSON the backslash is escaped, or it would not be
    JSON any more: an attack must not hide its alert by a byte that the product copies as it is.
    """
    if source.format not in (Format.JSON, Format.JSON_LINES):
        return record[:LINE_CAP].decode("utf-8", "backslashreplace")
    text = record[:JSON_CAP].decode("utf-8", "surrogateescape")
    return NO_UTF8.sub(lambda found: f"\\\\x{ord(found.group()) - 0xDC00:02x}", text)


def read_record(source: Source, pattern: re.Pattern[str] | None, text: str) -> dict[str, Any] | None:
    """Read one record's fields.

    A syslog header is taken off first wherever the source is syslog, and where other text than an event of the format
    stands at the beginning; its fields become the record's `syslog`.

    Args:
        source: a linted source.
        pattern: the source's regular expression, compiled.
        text: one record.

    Returns:
        Its fields, or None if the regular expression does not match.

    Raises:
        One of `DOCUMENT_ERRORS`: it can't be read.
    """
    header, message = _without_header(source, text)
    record = _fields(source, pattern, message)
    if record is None or header is None:
        return record
    return {**record, "syslog": header}


def identity_of(source: Source, record: bytes) -> str | None:
    """What `identity` gives for a record of a poll, as text; None if it says nothing or the record can't be read."""
    if source.identity is None:
        return None
    try:
        fields = read_record(source, re.compile(source.pattern) if source.pattern else None, text_of(source, record))
        found = jmespath.compile(source.identity).search(fields, options=PLAIN)
        return None if found is None else json.dumps(found, sort_keys=True)
    except (*DOCUMENT_ERRORS, TypeError):
        return None


def _is_whole(source: Source, line: bytes) -> bool:
    try:
        return read_record(source, None, text_of(source, line)) is not None
    except DOCUMENT_ERRORS:
        return False


def _without_header(source: Source, text: str) -> tuple[Header | None, str]:
    if source.syslog is not None:
        return split_header(text)
    if source.format is Format.REGEX or (source.format is not Format.KEY_VALUE and _begins(source.format, text)):
        return None, text
    return split_header(text)


def _begins(form: Format, text: str) -> bool:
    start = text.lstrip()[:5]
    if form in (Format.CEF, Format.LEEF):
        return start.startswith(f"{form.value.upper()}:")
    if form is Format.XML:
        return start.startswith("<") and not start[1:2].isdigit()
    return start.startswith(("{", "["))


def _fields(source: Source, pattern: re.Pattern[str] | None, text: str) -> dict[str, Any] | None:
    if source.format is Format.REGEX:
        found = pattern.search(text) if pattern is not None else None
        return found.groupdict() if found is not None else None
    if source.format in EVENT_READERS:
        return EVENT_READERS[source.format](text)
    # Records that were cut out of a document are JSON, whatever the document was.
    data = _document(Format.JSON if source.items is not None else source.format, text)
    if not isinstance(data, dict):
        raise ValueError("not a JSON object" + (" (see `items`)" if isinstance(data, list) else ""))
    return data


def _document(form: Format, text: str) -> Any:  # noqa: ANN401  # whatever it holds
    if form is Format.XML:
        return xmltodict.parse(text)
    return json.loads(text, strict=False)  # control characters in a string are read as they are
