"""One record of a product's output becomes one normalised record, as the product's manifest declares.

Whatever a record holds, nothing is raised: what can't be read is `unreadable` and counted. Where one field's expression
fails on a record, that field is unknown; the alert itself is not lost for it.
"""

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import jmespath

from products.formats import DOCUMENT_ERRORS, LINE_CAP, cap_of, read_record, text_of
from products.jmespath_functions import LogFunctions, short_json
from products.severities import severity_word
from products.source import PidNamespace, Source
from products.times import read_time, zone_named
from results.records import Action, Observation

RAW_CAP = 16 * 1024
FIELD_CAP = 4096
LIST_CAP = 64
TECHNIQUE = re.compile(r"(?:^|[.:/_ -])(t\d{4}(?:\.\d{3})?)$", re.IGNORECASE)
NUMBERS = {"pid": 2**32, "parent_pid": 2**32, "source_port": 2**16, "destination_port": 2**16}
"""Field -> below what its number must be."""
LISTS = {"techniques", "tactics"}
SETTABLE = {"time"} | (
    set(Observation.model_fields)
    - {"observation_id", "component", "time_ns", "received_ns", "raw", "raw_sha256", "raw_length", "canary", "outside"}
)
"""What a manifest's `map` may name."""
BLOCKED = frozenset({"blocked", "block", "prevented", "denied", "deny", "drop", "dropped", "reject", "rejected"})
"""Words for what a product did that mean it kept the act from happening; any other is an observation."""
Translate = Callable[[str, int], int | None]


@dataclass(frozen=True)
class Skipped:
    """A line that is no record: `where` says no, or it is none of the product's kinds."""


@dataclass(frozen=True)
class Unreadable:
    """A line that the declared format can't read."""

    why: str


@dataclass(frozen=True)
class Reading:
    """One field of one record: what its expression gave, and what became of it."""

    expression: str
    gave: object
    became: object
    why: str | None
    """Why nothing became of it, if something should have."""


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
        self._late: dict[str, dict[str, int]] = {}
        self._pattern = re.compile(source.pattern) if source.pattern is not None else None
        self._where = jmespath.compile(source.where) if source.where is not None else None
        self._map = {name: jmespath.compile(expression) for name, expression in source.map.items()}
        self._zone = zone_named(source.time_zone) if source.time_zone is not None else UTC

    def read(self, line: bytes, received_ns: int, observation_id: str) -> Observation | Skipped | Unreadable:
        """Read one record (a line without its end, or one record of a document)."""
        text = line[:LINE_CAP].decode("utf-8", "backslashreplace")
        try:
            fields = self._fields(text_of(self._source, line), received_ns)
            if isinstance(fields, Skipped | Unreadable):
                return fields
            values = {name: value for name, (value, _why) in fields.items()}
            return self._observation(values, line, text, received_ns, observation_id)
        except (*DOCUMENT_ERRORS, OverflowError, TypeError) as error:
            cap = cap_of(self._source)
            cut = f" (only the first {cap} of {len(line)} bytes were looked at)" if len(line) > cap else ""
            return Unreadable(f"{type(error).__name__}: {str(error)[:200]}{cut}")

    def explain(self, line: bytes, received_ns: int) -> dict[str, Reading]:
        """What each mapped field's expression gave for a record, and what became of it; empty if `read` reads none."""
        read = self.read(line, received_ns, "x")
        if not isinstance(read, Observation):
            return {}
        fields = self._fields(text_of(self._source, line), received_ns)
        assert not isinstance(fields, Skipped | Unreadable)  # noqa: S101  # `read` has just read it
        readings = {}
        for name, (gave, why) in fields.items():
            became = getattr(read, "time_ns" if name == "time" else name)
            lost = became is None or became == ()
            if why is None and lost and gave is not None and gave != []:
                why = _lost(name, self._source)
            readings[name] = Reading(self._source.map[name], gave, became, why)
        return readings

    def _fields(self, text: str, received_ns: int) -> dict[str, tuple[object, str | None]] | Skipped | Unreadable:
        """What each field's expression gives, and why it failed if it did."""
        record = read_record(self._source, self._pattern, text)
        if record is None:
            return Skipped() if self._source.skip_others else Unreadable("no match of the pattern")
        functions = LogFunctions(self._zone, received_ns, not self._source.printed_zone_is_wrong)
        options = jmespath.Options(custom_functions=functions)
        if self._where is not None and not self._where.search(record, options=options):
            return Skipped()
        return {name: _searched(expression, record, options) for name, expression in self._map.items()}

    def late_pids(self, observation_id: str) -> dict[str, int]:
        """Pids that could not be translated when the record came, and can be now.

        A program of a few milliseconds gets its pid in the node told by its neighbours' (see the witness).
        """
        pids = self._late.get(observation_id, {})
        found = {name: self._translate(self._source.component, pid) for name, pid in pids.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    def _observation(
        self, fields: Mapping[str, object], line: bytes, text: str, received_ns: int, observation_id: str
    ) -> Observation:
        values: dict[str, object] = {}
        for name, value in fields.items():
            if value is None or name in ("time", "action"):
                continue
            values[name] = _value(name, value)
        if "techniques" in values:
            values["techniques"] = technique_ids(values["techniques"])  # type: ignore[arg-type]
        if "tactics" in values:
            values["tactics"] = tactic_names(values["tactics"])  # type: ignore[arg-type]
        for name in ("pid", "parent_pid"):
            pid = values.get(name)
            if self._source.pid_namespace is PidNamespace.NODE and isinstance(pid, int):
                values[name] = self._translate(self._source.component, pid)
                if values[name] is None:
                    self._late.setdefault(observation_id, {})[name] = pid
        return Observation.model_validate(
            {
                **values,
                "observation_id": observation_id,
                "component": self._source.component,
                "time_ns": self._time(fields.get("time"), received_ns),
                "received_ns": received_ns,
                "action": Action.BLOCKED if str(fields.get("action")).lower() in BLOCKED else Action.OBSERVED,
                "raw": text[:RAW_CAP],
                "raw_sha256": hashlib.sha256(line).hexdigest(),
                "raw_length": len(line),
            }
        )

    def _time(self, value: object, received_ns: int) -> int | None:
        trusts = not self._source.printed_zone_is_wrong
        printed = read_time(value, self._source.time_format, self._zone, received_ns, trusts)
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


def _searched(
    expression: Any,  # noqa: ANN401  # a compiled expression; the library names no type
    record: Mapping[str, object],
    options: jmespath.Options,
) -> tuple[object, str | None]:
    try:
        return expression.search(record, options=options), None
    except (jmespath.exceptions.JMESPathError, ValueError, TypeError, RecursionError, OverflowError) as error:
        return None, f"{type(error).__name__}: {str(error)[:200]}"


def _lost(name: str, source: Source) -> str:
    if name == "time":
        return f"no time of the format {source.time_format}"
    if name in NUMBERS:
        return "no number in range, or no process of this number is known"
    return {
        "severity": "no word or number of a known scale: use severity(…, 'scale')",
        "techniques": "no ATT&CK id in it",
    }.get(name, "empty")


def _value(name: str, value: object) -> object:
    if name in NUMBERS:
        return _number(value, NUMBERS[name])
    if name == "severity":
        return severity_word(value)
    return _list(value) if name in LISTS else _text(value)


def _text(value: object) -> str:
    text = (value if isinstance(value, str) else short_json(value, FIELD_CAP))[:FIELD_CAP]
    # JSON may hold half of a character (`"\\ud800"`), which no file and no database takes.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")[:FIELD_CAP]


def _number(value: object, below: int) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    try:
        number = int(value)  # type: ignore[call-overload]
    except (ValueError, TypeError):
        return None
    return number if 0 <= number < below else None


def _list(value: object) -> tuple[str, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(_text(item) for item in items[:LIST_CAP] if item is not None)
