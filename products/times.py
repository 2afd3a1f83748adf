"""What a product prints as time, as UTC nanoseconds.

What can't be read is None, never a guess. Two things have to be inferred, and how is fixed here: a time without a year
(RFC 3164) is that of the year in which it is nearest to its receipt; a time without a zone is in the zone that the
source declares, UTC if it declares none. A printed zone that nobody can know (`XYZT`) counts as none if the source
declares one, and makes the time unknown if it does not.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SCALES = {"epoch_s": 9, "epoch_ms": 6, "epoch_us": 3, "epoch_ns": 0}
"""Format -> decimal places from its unit to nanoseconds."""
NAMED_FORMATS = ("iso8601", *SCALES, "filetime", "syslog", "cef")
"""Everything else with a `%` in it is a strptime format."""
FILETIME_EPOCH = 116_444_736_000_000_000
"""1970-01-01 in Windows' FILETIME, 100 ns units since 1601-01-01 (Microsoft, MS-DTYP 2.3.3)."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
PRINTED = re.compile(
    r"(?:\w{3},? )?(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2})(?: (?P<year>\d{4}))?,? "
    r"(?P<clock>\d\d:\d\d:\d\d)(?:[.,](?P<fraction>\d{1,9}))?(?: (?P<late_year>\d{4}))?"
    r"(?: ?(?P<zone>[A-Za-z/_]{1,40}|[+-]\d\d:?\d\d))?"
)
"""RFC 3164 (no year, no zone), ctime (`Fri Nov 28 13:00:00 2026 UTC`), CEF (`Nov 28 2026 13:00:00.123 UTC`)."""
ISO = re.compile(
    r"(?P<date>\d{4}-?\d\d-?\d\d)[Tt ](?P<clock>\d\d:?\d\d(?::?\d\d)?)(?:[.,](?P<fraction>\d{1,12}))?(?P<zone> ?.*)"
)
OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?")
ZERO_ZONES = frozenset({"Z", "UTC", "GMT", "z"})
LATEST_NS = 2**62
LONGEST = 100
"""Characters of a printed time that are looked at."""


def read_time(
    value: object, form: str, zone: tzinfo = UTC, received_ns: int | None = None, trust_printed_zone: bool = True
) -> int | None:
    """UTC nanoseconds of a product's own time; None if it can't be read.

    Args:
        value: as the product gave it.
        form: one of `NAMED_FORMATS`, or a strptime format.
        zone: of a time that prints none.
        received_ns: when it was received (UTC ns); a time without a year needs it.
        trust_printed_zone: False if the product is known to print a zone that is not the one it means.
    """
    if value is None or isinstance(value, bool):
        return None
    text = str(value)[:LONGEST].strip()
    reader = _Reader(zone, received_ns, trust_printed_zone)
    try:
        if form in SCALES:
            nanoseconds = _scaled(text, SCALES[form])
        elif form == "filetime":
            nanoseconds = (int(text) - FILETIME_EPOCH) * 100
        elif form == "iso8601":
            nanoseconds = reader.iso(text)
        elif form == "cef" and text.isascii() and text.isdigit():
            nanoseconds = _scaled(text, SCALES["epoch_ms"])
        elif form in ("syslog", "cef"):
            nanoseconds = reader.iso(text) if text[:4].isdigit() else reader.printed(text)
        else:
            nanoseconds = reader.declared(text, form)
    except (ValueError, OverflowError, TypeError):
        return None
    return nanoseconds if 0 < nanoseconds < LATEST_NS else None


def zone_named(name: str) -> tzinfo:
    """A zone by its name in the IANA database (`Asia/Tokyo`) or as an offset (`+09:00`).

    Raises:
        ValueError: there is no such zone.
    """
    offset = OFFSET.fullmatch(name)
    if offset is not None:
        hours, minutes = int(offset.group(2)), int(offset.group(3) or 0)
        distance = timedelta(hours=hours, minutes=minutes)
        return timezone(-distance if offset.group(1) == "-" else distance)
    if name in ZERO_ZONES:
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no zone {name[:40]!r}") from None


class _Reader:
    def __init__(self, zone: tzinfo, received_ns: int | None, trust_printed_zone: bool) -> None:
        self._zone, self._received_ns, self._trusts = zone, received_ns, trust_printed_zone

    def iso(self, text: str) -> int:
        found = ISO.fullmatch(text)
        if found is None:
            if text.isdigit():
                raise ValueError("a number")
            return _ns(self._zoned(datetime.fromisoformat(text)), None)
        moment = datetime.fromisoformat(f"{found['date']}T{found['clock']}")
        return _ns(self._in_zone(moment, found["zone"].strip()), found["fraction"])

    def printed(self, text: str) -> int:
        found = PRINTED.fullmatch(text)
        if found is None or found["month"] not in MONTHS:
            raise ValueError("no printed time")
        hour, minute, second = (int(part) for part in found["clock"].split(":"))
        place = (MONTHS.index(found["month"]) + 1, int(found["day"]), hour, minute, second)
        year = found["year"] or found["late_year"]
        years = [int(year)] if year else self._years()
        return self._nearest([(each, place) for each in years], found["zone"] or "", found["fraction"])

    def declared(self, text: str, form: str) -> int:
        plain = form.replace("%%", "")
        if any(directive in plain for directive in ("%Y", "%y", "%G", "%c", "%x", "%s")):
            return _ns(self._zoned(datetime.strptime(text, form)), None)  # noqa: DTZ007  # the zone follows
        moments: list[datetime] = []
        for year in self._years():
            try:
                moments.append(self._zoned(datetime.strptime(f"{year} {text}", f"%Y {form}")))  # noqa: DTZ007
            except ValueError:  # 29 February of another year
                continue
        return self._closest([_ns(moment, None) for moment in moments])

    def _nearest(
        self, places: list[tuple[int, tuple[int, int, int, int, int]]], zone: str, fraction: str | None
    ) -> int:
        moments: list[int] = []
        for year, (month, day, hour, minute, second) in places:
            try:
                moment = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001  # the zone follows
            except ValueError:  # 29 February of another year
                continue
            moments.append(_ns(self._in_zone(moment, zone), fraction))
        return self._closest(moments)

    def _closest(self, moments: list[int]) -> int:
        if not moments:
            raise ValueError("no such day")
        return min(moments, key=lambda moment: abs(moment - (self._received_ns or 0)))

    def _years(self) -> list[int]:
        if self._received_ns is None:
            raise ValueError("no year")
        year = datetime.fromtimestamp(self._received_ns / 1e9, UTC).year
        return [year - 1, year, year + 1]

    def _in_zone(self, moment: datetime, name: str) -> datetime:
        if not name or not self._trusts:
            return moment.replace(tzinfo=self._zone)
        try:
            return moment.replace(tzinfo=zone_named(name))
        except ValueError:
            if self._zone is UTC:
                raise
            return moment.replace(tzinfo=self._zone)

    def _zoned(self, moment: datetime) -> datetime:
        return moment if moment.tzinfo and self._trusts else moment.replace(tzinfo=self._zone)


def _scaled(text: str, scale: int) -> int:
    whole, _point, fraction = text.partition(".")
    unit: int = 10**scale
    return int(whole) * unit + int(fraction.ljust(scale, "0")[:scale] or "0")


def _ns(moment: datetime, fraction: str | None) -> int:
    """Exact: a float of seconds since 1970 has no nanoseconds left."""
    distance = moment - datetime(1970, 1, 1, tzinfo=UTC)
    whole = (distance.days * 86_400 + distance.seconds) * 1_000_000_000
    return whole + (int(fraction.ljust(9, "0")[:9]) if fraction is not None else distance.microseconds * 1000)
