"""What the conformance kit computes from records: delays, clock offset, completeness. Times are in UTC ns."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from products.collect import value_of
from results.records import Observation

NANO = 1_000_000_000
NUMBERS = 250
"""`${number}` of a canary is one of 1 to 250."""
KEYS = {"nonce": "(?P<nonce>[a-z]{8})", "number": "(?P<number>[0-9]{1,3})"}


@dataclass(frozen=True)
class Shown:
    """One canary and its answer."""

    began_ns: int
    """The earliest moment of the act."""
    ended_ns: int
    time_ns: int | None
    """When it happened by the product's own account."""
    received_ns: int


@dataclass(frozen=True)
class Offset:
    """How far the product's clock is ahead of the host's (negative: behind), in seconds."""

    low_s: float
    high_s: float
    """The offset is certainly between the two: the alert was stamped after the act began and before it was received."""

    @property
    def least_s(self) -> float:
        """The offset nearest to none at all that the bounds allow."""
        return min(max(0.0, self.low_s), self.high_s)

    @property
    def is_consistent(self) -> bool:
        """One offset fits every canary."""
        return self.low_s <= self.high_s


def clock_offset(shown: Sequence[Shown], resolution_s: float) -> Offset | None:
    """The offset of a product's clock, from the times that it put on its canaries' alerts.

    An alert stamped P (by the product's clock) about an act that began at S and was received at R (by the host's)
    bounds the offset: P - R <= offset <= P - S. Cut to `resolution_s`, P may stand for an earlier moment by as much,
    and for a later one where it was brought down to the receipt (see `Source.time_resolution_s`). A product that stamps
    an alert when it notices the act, not when it happened, widens the bounds; it does not move them off the truth.

    Args:
        shown: canaries; those without a time say nothing.
        resolution_s: how coarse the product's times are.

    Returns:
        None if no alert has a time.
    """
    timed = [(one, one.time_ns) for one in shown if one.time_ns is not None]
    if not timed:
        return None
    coarse_ns = resolution_s * NANO
    low = max(time_ns - coarse_ns - one.received_ns for one, time_ns in timed)
    high = min(time_ns + (coarse_ns if time_ns == one.received_ns else 0) - one.began_ns for one, time_ns in timed)
    return Offset(low / NANO, high / NANO)


def delays_s(shown: Iterable[Shown]) -> list[float]:
    """From the beginning of each act to the receipt of its alert, in seconds."""
    return [(one.received_ns - one.began_ns) / NANO for one in shown]


class Answers:
    """Finds which of many canaries a record answers, in one look at each record."""

    def __init__(self, expect: Mapping[str, str]) -> None:
        """Answers to a canary's `expect`, as the manifest has it."""
        self._patterns = [(name, _compiled(pattern)) for name, pattern in expect.items()]
        self.key = "nonce" if any("${nonce}" in pattern for pattern in expect.values()) else "number"
        """What tells one canary from the other."""

    @property
    def most(self) -> int | None:
        """How many canaries can be told apart; None if as many as one likes."""
        return NUMBERS if self.key == "number" else None

    def of(self, record: Observation) -> str | None:
        """The key of the canary that a record answers; None if it answers none."""
        found: str | None = None
        for name, pattern in self._patterns:
            match = pattern.search(value_of(record, name))
            if match is None:
                return None
            found = found or match.groupdict().get(self.key)
        return found

    def count(self, records: Iterable[Observation], wanted: Iterable[str]) -> Counter[str]:
        """Key of a canary that was done -> how many records answer it."""
        keys = set(wanted)
        return Counter(key for key in map(self.of, records) if key in keys)


def _compiled(pattern: str) -> re.Pattern[str]:
    """The pattern with the canary's values as groups; a value that stands there twice must be the same both times."""
    for name, group in KEYS.items():
        first, mark, rest = pattern.partition(f"${{{name}}}")
        if mark:
            pattern = first + group + rest.replace(mark, f"(?P={name})")
    return re.compile(pattern)


@dataclass(frozen=True)
class Completeness:
    """How completely a product's records were read."""

    received: int
    kept: int
    unreadable: int
    dropped: int
    refused: int
    without_time: int
    without_words: int
    """Alerts with neither a rule nor a title."""
    empty: dict[str, int]
    """Field of the map -> in how many of the kept alerts it has no value."""


def completeness(
    alerts: Sequence[Observation], counts: Iterable[tuple[int, int, int, int]], fields: Iterable[str]
) -> Completeness:
    """How completely alerts were read.

    Args:
        alerts: those kept.
        counts: (received, unreadable, dropped, refused) of each source.
        fields: that the manifest maps.
    """
    rows = list(counts)
    received, unreadable, dropped, refused = (sum(row[index] for row in rows) for index in range(4))
    names = sorted(set(fields) - {"time", "action"})
    empty = {name: sum(getattr(alert, name) in (None, ()) for alert in alerts) for name in names}
    return Completeness(
        received=received,
        kept=len(alerts),
        unreadable=unreadable,
        dropped=dropped,
        refused=refused,
        without_time=sum(alert.time_ns is None for alert in alerts),
        without_words=sum(
            alert.rule_id is None and alert.rule_name is None and alert.title is None for alert in alerts
        ),
        empty=empty,
    )
