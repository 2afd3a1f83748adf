"""What JMESPath lacks for logs. Every function answers null to what it can't do; none raises for a value's sake."""

import json
import ntpath
import posixpath
import re
from datetime import UTC, datetime, tzinfo
from urllib.parse import unquote

import jmespath
from jmespath import functions

from products.severities import severity_word
from products.times import read_time

TEXT_CAP = 64 * 1024
"""Characters of a text that a function looks at."""
ENCODER = json.JSONEncoder(ensure_ascii=False)


def short_json(value: object, most: int = TEXT_CAP) -> str:
    """JSON of a value, never longer than `most` characters and never made longer than that on the way."""
    parts: list[str] = []
    length = 0
    for part in ENCODER.iterencode(value):
        parts.append(part)
        length += len(part)
        if length >= most:
            break
    return "".join(parts)[:most]


class LogFunctions(functions.Functions):
    """The functions a `map` may call beside JMESPath's own."""

    def __init__(self, zone: tzinfo = UTC, received_ns: int | None = None, trust_printed_zone: bool = True) -> None:
        """Functions for one record.

        Args:
            zone: of times that print none.
            received_ns: when the record was received (UTC ns).
            trust_printed_zone: False if the product prints a zone that it does not mean.
        """
        super().__init__()
        self._time_context = (zone, received_ns, trust_printed_zone)

    @functions.signature({"types": []}, {"types": ["string"]})
    def _func_extract(self, text: object, pattern: str) -> str | None:
        """`extract(text, 'regex')`: the first group of the first match."""
        try:
            found = re.search(pattern, text[:TEXT_CAP]) if isinstance(text, str) else None
        except (re.error, RecursionError, OverflowError):
            return None
        return None if found is None else found.group(1) if found.groups() else found.group(0)

    @functions.signature({"types": []}, {"types": ["string"]})
    def _func_joined(self, items: object, separator: str) -> str | None:
        """`joined(list, ' ')`: like join, for lists with numbers and nulls in them."""
        if not isinstance(items, list):
            return None
        texts = (item if isinstance(item, str) else short_json(item, 4096) for item in items if item is not None)
        return separator.join(texts)

    @functions.signature({"types": []})
    def _func_to_string(self, value: object) -> str:
        """JMESPath's own, but bounded: a value may hold another a million times."""
        return value if isinstance(value, str) else short_json(value)

    @functions.signature({"types": []})
    def _func_percent_decoded(self, text: object) -> str | None:
        """`percent_decoded(text)`: `%2b` is `+`; bytes that are no UTF-8 become U+FFFD."""
        return unquote(text, errors="replace") if isinstance(text, str) else None

    @functions.signature({"types": []}, {"types": ["string"]})
    def _func_time(self, value: object, form: str) -> str | None:
        """`time(value, 'format')`: ISO 8601 in UTC with nanoseconds; formats as for `time_format`."""
        zone, received_ns, trusts = self._time_context
        nanoseconds = read_time(value, form, zone, received_ns, trusts)
        if nanoseconds is None:
            return None
        seconds, fraction = divmod(nanoseconds, 1_000_000_000)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}+00:00"

    @functions.signature({"types": []}, {"types": ["string"]})
    def _func_severity(self, value: object, scale: str) -> str | None:
        """`severity(value, 'scale')`: one word of products/severities.py."""
        return severity_word(value, scale)

    @functions.signature({"types": []})
    def _func_lower(self, text: object) -> str | None:
        """`lower(text)`: in lower case."""
        return text.lower() if isinstance(text, str) else None

    @functions.signature({"types": []}, {"types": ["string"]})
    def _func_split(self, text: object, separator: str) -> list[str] | None:
        """`split(text, ',')`: the parts without spaces around them; empty ones are left out."""
        if not isinstance(text, str) or not separator:
            return None
        return [part.strip() for part in text[:TEXT_CAP].split(separator) if part.strip()]

    @functions.signature({"types": []})
    def _func_first(self, items: object) -> object:
        """`first([a, b])`: the first that is neither null nor empty text; a value that is no list is itself."""
        if not isinstance(items, list):
            return items
        return next((item for item in items if item is not None and item != ""), None)

    @functions.signature({"types": []}, {"types": []})
    def _func_unless(self, value: object, nothing: object) -> object:
        """`unless(value, '-')`: null where the product prints its word for nothing."""
        return None if value == nothing else value

    @functions.signature({"types": []}, {"types": ["string"]}, {"types": ["string"]})
    def _func_named(self, items: object, name: str, value: str) -> dict[str, object] | None:
        """`named([{n: 'pid', v: 7}], 'n', 'v')`: one object, `{pid: 7}`; the first of a name holds."""
        found: dict[str, object] = {}
        for item in items if isinstance(items, list) else [items]:
            if isinstance(item, dict) and isinstance(item.get(name), str):
                found.setdefault(item[name], item.get(value))
        return found or None

    @functions.signature({"types": []})
    def _func_parse_json(self, text: object) -> object:
        """`parse_json(text)`: JSON inside of JSON."""
        try:
            return json.loads(text[:TEXT_CAP]) if isinstance(text, str) else None
        except (ValueError, RecursionError):
            return None

    @functions.signature({"types": []}, {"types": []})
    def _func_path_join(self, folder: object, name: object) -> str | None:
        """`path_join(folder, name)`: one path; null unless both are there. Windows' folders keep their backslash."""
        if not isinstance(folder, str) or not isinstance(name, str):
            return None
        is_windows = "\\" in folder and "/" not in folder
        return ntpath.join(folder, name) if is_windows else posixpath.join(folder, name)


PLAIN = jmespath.Options(custom_functions=LogFunctions())
"""For expressions outside of a record's map, where no time is read."""
