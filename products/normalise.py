"""One line of a product's output becomes one normalised record, as the product's manifest declares.

Whatever a line holds, nothing is raised: what can't be read is `unreadable` and counted.
"""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import jmespath
from jmespath import functions

from products.manifest import Format, PidNamespace, Source
from results.records import Action, Observation

LINE_CAP = 64 * 1024
"""Bytes of a line that are looked at; the rest counts in length and hash only."""
RAW_CAP = 16 * 1024
FIELD_CAP = 4096
LIST_CAP = 64
TECHNIQUE = re.compile(r"(?:^|[.:/_ -])(t\d{4}(?:\.\d{3})?)$", re.IGNORECASE)
NUMBERS = {"pid", "parent_pid", "destination_port"}
LISTS = {"techniques", "tactics"}
SETTABLE = {"time"} | (
    set(Observation.model_fields)
    - {"observation_id", "component", "time_ns", "received_ns", "raw", "raw_sha256", "raw_length", "canary", "outside"}
)
"""What a manifest's `map` may name."""
Translate = Callable[[str, int], int | None]


@dataclass(frozen=True)
class Skipped:
    """A line that is no record: `where` says no, or it is none of the product's kinds."""


@dataclass(frozen=True)
class Unreadable:
    """A line that the declared format can't read."""

    why: str


class _Functions(functions.Functions):
    """What JMESPath lacks for logs. Every function answers null to what it can't do."""

    @functions.signature({"types": ["string", "null"]}, {"types": ["string"]})
    def _func_extract(self, text: str | None, pattern: str) -> str | None:
        """`extract(text, 'regex')`: the first group of the first match."""
        found = re.search(pattern, text[:LINE_CAP]) if text is not None else None
        return None if found is None else found.group(1) if found.groups() else found.group(0)

    @functions.signature({"types": ["array", "null"]}, {"types": ["string"]})
    def _func_joined(self, items: list[object] | None, separator: str) -> str | None:
        """`joined(list, ' ')`: like join, for lists with numbers and nulls in them."""
        return None if items is None else separator.join(str(item) for item in items if item is not None)

    @functions.signature({"types": ["string", "null"]})
    def _func_percent_decoded(self, text: str | None) -> str | None:
        """`percent_decoded(text)`: `%2b` is `+`; bytes that are no UTF-8 become U+FFFD."""
        return None if text is None else unquote(text, errors="replace")


OPTIONS = jmespath.Options(custom_functions=_Functions())


class Normaliser:
    """Reads the lines of one source."""

    def __init__(self, source: Source, translate_pid: Translate) -> None:
        """Compile the manifest's expressions.

        Args:
            source: a linted source.
            translate_pid: (component, pid in the node's namespace) -> pid in the engine host's.
        """
        self._source = source
        self._translate = translate_pid
        self._pattern = re.compile(source.pattern) if source.pattern is not None else None
        self._where = jmespath.compile(source.where) if source.where is not None else None
        self._map = {name: jmespath.compile(expression) for name, expression in source.map.items()}

    def read(self, line: bytes, received_ns: int, observation_id: str) -> Observation | Skipped | Unreadable:
        """Read one line (without its end)."""
        text = line[:LINE_CAP].decode("utf-8", "backslashreplace")
        try:
            data = self._parse(text)
            if data is None:
                return Skipped() if self._source.skip_others else Unreadable("no match of the pattern")
            if self._where is not None and not self._where.search(data, options=OPTIONS):
                return Skipped()
            fields = {name: expression.search(data, options=OPTIONS) for name, expression in self._map.items()}
            return self._observation(fields, line, text, received_ns, observation_id)
        except (ValueError, RecursionError, OverflowError, TypeError, jmespath.exceptions.JMESPathError) as error:
            return Unreadable(f"{type(error).__name__}: {str(error)[:200]}")

    def _parse(self, text: str) -> Any:  # noqa: ANN401  # whatever the line holds
        if self._source.format is Format.JSON_LINES:
            data = json.loads(text)
            if not isinstance(data, dict):
                raise ValueError("not a JSON object")
            return data
        found = self._pattern.search(text) if self._pattern is not None else None
        return found.groupdict() if found is not None else None

    def _observation(
        self, fields: Mapping[str, object], line: bytes, text: str, received_ns: int, observation_id: str
    ) -> Observation:
        values: dict[str, object] = {}
        for name, value in fields.items():
            if value is None or name in ("time", "action"):
                continue
            values[name] = _number(value) if name in NUMBERS else _list(value) if name in LISTS else _text(value)
        if "techniques" in values:
            values["techniques"] = technique_ids(values["techniques"])  # type: ignore[arg-type]
        if "tactics" in values:
            values["tactics"] = tactic_names(values["tactics"])  # type: ignore[arg-type]
        for name in ("pid", "parent_pid"):
            pid = values.get(name)
            if self._source.pid_namespace is PidNamespace.NODE and isinstance(pid, int):
                values[name] = self._translate(self._source.component, pid)
        return Observation.model_validate(
            {
                **values,
                "observation_id": observation_id,
                "component": self._source.component,
                "time_ns": self._time(fields.get("time"), received_ns),
                "received_ns": received_ns,
                "action": Action.BLOCKED if fields.get("action") == "blocked" else Action.OBSERVED,
                "raw": text[:RAW_CAP],
                "raw_sha256": hashlib.sha256(line).hexdigest(),
                "raw_length": len(line),
            }
        )

    def _time(self, value: object, received_ns: int) -> int | None:
        printed = read_time(value, self._source.time_format)
        coarse_ns = int(self._source.time_resolution_s * 1_000_000_000)
        if printed is None or not coarse_ns:
            return printed
        return max(printed, min(printed + coarse_ns, received_ns))


def technique_ids(names: tuple[str, ...]) -> tuple[str, ...]:
    """ATT&CK ids among what a product named, e.g. `attack.t1053.003` or `T1053.003`; the rest is left out."""
    found = (TECHNIQUE.search(name) for name in names)
    return tuple(dict.fromkeys(match.group(1).upper() for match in found if match))


def tactic_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Tactics as the product named them, without the `attack.` of Sigma's tags."""
    return tuple(dict.fromkeys(name.removeprefix("attack.") for name in names))


def read_time(value: object, form: str) -> int | None:
    """UTC nanoseconds of a product's own time; None if it can't be read.

    Args:
        value: as the product gave it.
        form: `iso8601`, `epoch_s`, `epoch_ms`, or a strptime format, taken as UTC if it has no zone.
    """
    if value is None:
        return None
    try:
        if form in ("epoch_s", "epoch_ms"):
            whole, _point, fraction = str(value).partition(".")
            scale = 9 if form == "epoch_s" else 6
            nanoseconds = int(whole) * 10**scale + int(fraction.ljust(scale, "0")[:scale] or "0")
        else:
            text = str(value)
            moment = datetime.fromisoformat(text) if form == "iso8601" else datetime.strptime(text, form)  # noqa: DTZ007
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            nanoseconds = int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    except (ValueError, OverflowError):
        return None
    return nanoseconds if 0 < nanoseconds < 2**62 else None


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:FIELD_CAP]


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except (ValueError, TypeError):
        return None
    return number if 0 <= number < 2**32 else None


def _list(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(_text(item) for item in items[:LIST_CAP] if item is not None)
