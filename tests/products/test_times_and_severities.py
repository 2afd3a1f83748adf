"""Times and severities: every product's own way of printing them, on one scale each."""

from datetime import UTC, datetime

import jmespath
import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.jmespath_functions import LogFunctions
from products.normalise import Normaliser
from products.severities import SCALES, WORDS, severity_word
from products.source import Source
from products.times import NAMED_FORMATS, read_time, zone_named
from results.records import Observation

RECEIVED = int(datetime(2026, 11, 28, 13, 30, tzinfo=UTC).timestamp()) * 1_000_000_000
NOON = int(datetime(2026, 11, 28, 12, 0, tzinfo=UTC).timestamp()) * 1_000_000_000
TOKYO = zone_named("Asia/Tokyo")


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2026-11-28T12:00:00Z", "iso8601", NOON),
        ("2026-11-28T12:00:00.123456789Z", "iso8601", NOON + 123_456_789),
        ("2026-11-28T21:00:00+0900", "iso8601", NOON),
        ("2026-11-28 12:00:00,5", "iso8601", NOON + 500_000_000),
        ("20261128", "iso8601", None),
        (NOON // 10**9, "epoch_s", NOON),
        (NOON // 10**3, "epoch_us", NOON),
        (str(NOON + 7), "epoch_ns", NOON + 7),
        (NOON // 100 + 116_444_736_000_000_000, "filetime", NOON),
        ("Nov 28 12:00:00", "syslog", NOON),
        ("Nov 28 12:00:00.250", "syslog", NOON + 250_000_000),
        ("2026-11-28T12:00:00Z", "syslog", NOON),
        ("Nov 31 12:00:00", "syslog", None),
        ("Nov 28 2026 12:00:00.250 UTC", "cef", NOON + 250_000_000),
        ("Nov 28 2026 21:00:00 +09:00", "cef", NOON),
        (str(NOON // 10**6), "cef", NOON),
        ("Sat Nov 28 12:00:00 2026 UTC", "syslog", NOON),
        ("28/Nov/2026:21:00:00 +0900", "%d/%b/%Y:%H:%M:%S %z", NOON),
        ("11/28 12:00:00", "%m/%d %H:%M:%S", NOON),
        (True, "epoch_s", None),
        ({}, "iso8601", None),
        ("12:00", "no format", None),
    ],
)
def test_each_format_of_time_gives_utc_nanoseconds(value: object, form: str, expected: int | None):
    """Else a product with another clock format would seem early or late, or timeless."""
    assert read_time(value, form, received_ns=RECEIVED) == expected


def test_a_year_that_is_missing_is_the_one_nearest_to_receipt():
    """Else an alert of New Year's Eve, read after midnight, would be a year late."""
    new_year = int(datetime(2027, 1, 1, 0, 0, 2, tzinfo=UTC).timestamp()) * 1_000_000_000
    assert read_time("Dec 31 23:59:59", "syslog", received_ns=new_year) == new_year - 3_000_000_000
    leap = int(datetime(2028, 2, 29, 1, 0, tzinfo=UTC).timestamp()) * 1_000_000_000
    assert read_time("Feb 29 01:00:00", "syslog", received_ns=leap) == leap
    assert read_time("Nov 28 12:00:00", "syslog") is None


def test_a_missing_zone_is_the_sources_and_a_wrong_one_can_be_overruled():
    """Else a product that prints local time would seem nine hours late in Tokyo."""
    local, wrong = "2026-11-28T21:00:00", "2026-11-28T21:00:00Z"
    assert read_time(local, "iso8601", TOKYO) == NOON
    assert read_time(wrong, "iso8601", TOKYO) == NOON + 9 * 3600 * 10**9
    assert read_time(wrong, "iso8601", TOKYO, trust_printed_zone=False) == NOON
    assert read_time("Nov 28 2026 21:00:00 JST", "cef") is None
    assert read_time("Nov 28 2026 21:00:00 JST", "cef", TOKYO) == NOON


def test_a_source_says_its_zone_once_for_its_map_and_its_functions():
    """Else `time()` and `time_format` would disagree about the same product."""
    source = Source.model_validate(
        {
            "component": "agent",
            "file": "/log",
            "format": "json_lines",
            "map": {"time": "time(first([b, a]), '%Y/%m/%d %H:%M:%S')"},
            "time_zone": "+09:00",
        }
    )
    found = Normaliser(source, lambda _component, pid: pid).read(b'{"a": "2026/11/28 21:00:00"}', RECEIVED, "x")
    assert isinstance(found, Observation)
    assert found.time_ns == NOON


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "+25:99", "../etc/passwd", "JST"])
def test_a_zone_that_does_not_exist_is_refused(name: str):
    """Else a typing mistake would silently mean UTC."""
    with pytest.raises(ValueError, match=r"zone|offset|strictly"):
        zone_named(name)


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats(), st.none()), st.sampled_from([*NAMED_FORMATS, "%H"]))
def test_no_value_raises_and_every_time_is_in_range(value: object, form: str):
    """Else one odd clock would end the collection."""
    found = read_time(value, form, TOKYO, RECEIVED)
    assert found is None or 0 < found < 2**62


@pytest.mark.parametrize(
    ("value", "scale", "expected"),
    [
        ("Warning", "words", "medium"),
        ("Very-High", "cef", "critical"),
        (3, "cef", "low"),
        ("6", "cef", "medium"),
        (8, "cef", "high"),
        (11, "cef", None),
        (0, "syslog", "critical"),
        (3, "syslog", "high"),
        (6, "syslog", "informational"),
        (6, "wazuh", "low"),
        (12, "wazuh", "high"),
        (15, "wazuh", "critical"),
        (21, "0-100", "low"),
        (73, "0-100", "high"),
        (99, "0-100", "critical"),
        (30, "crowdstrike", "low"),
        (70, "crowdstrike", "high"),
        (1, "priority", "high"),
        (4, "priority", "informational"),
        (5, "ocsf", "critical"),
        ("unknown", "words", None),
        (7, "words", None),
        (float("nan"), "0-100", None),
        (None, "cef", None),
        (True, "cef", None),
    ],
)
def test_each_scale_of_severity_becomes_one_of_five_words(value: object, scale: str, expected: str | None):
    """Else two products' severities could not be set beside each other."""
    assert severity_word(value, scale) == expected


@given(st.one_of(st.text(max_size=20), st.integers(), st.floats()), st.sampled_from(SCALES))
def test_a_severity_is_one_of_the_words_or_unknown(value: object, scale: str):
    """Else a sixth word would turn up in the published tables."""
    assert severity_word(value, scale) in {*WORDS, None}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("lower(a)", "text"),
        ("split(b, ',')", ["x", "y z"]),
        ("first([n, e, a])", "TEXT"),
        ("first(a)", "TEXT"),
        ("parse_json(j).k[0]", 1),
        ("parse_json(a)", None),
        ("path_join(d, a)", "/tmp/TEXT"),
        (r"path_join('C:\temp', a)", r"C:\temp\TEXT"),
        ("path_join(n, a)", None),
        ("unless(a, 'TEXT')", None),
        ("unless(d, '-')", "/tmp"),
        ("named(l, 'n', 'v').pid", 7),
        ("named(a, 'n', 'v')", None),
        ("time(t, 'epoch_ms')", "2026-11-28T12:00:00.000000000+00:00"),
        ("time(a, 'iso8601')", None),
        ("severity(t, 'cef')", None),
        ("extract(a, 'T(.)')", "E"),
        ("extract(t, 'T(.)')", None),
        ("extract(a, '(')", None),
        ("joined(b, ' ')", None),
        ("joined([a, n, t], ' ')", f"TEXT {NOON // 10**6}"),
        ("percent_decoded('%41%2b')", "A+"),
    ],
)
def test_functions_of_the_map_answer_null_to_what_they_cannot_do(expression: str, expected: object):
    """Else one odd value would cost the whole alert."""
    data: dict[str, object] = {
        "a": "TEXT",
        "b": "x, y z,",
        "n": None,
        "e": "",
        "j": '{"k": [1]}',
        "d": "/tmp",
        "t": NOON // 10**6,
    }
    data["l"] = [{"n": "pid", "v": 7}, {"n": "pid", "v": 8}, {"n": 5}, None]
    assert jmespath.search(expression, data, jmespath.Options(custom_functions=LogFunctions())) == expected


def test_a_field_whose_expression_fails_does_not_lose_the_alert():
    """Else a product could hide an alert from its own evaluation by one field of the wrong type."""
    source = Source.model_validate(
        {
            "component": "agent",
            "file": "/log",
            "format": "json_lines",
            "map": {"title": "title", "file_path": "join(' ', path)", "severity": "level"},
        }
    )
    normaliser = Normaliser(source, lambda _component, pid: pid)
    line = b'{"title": "x", "path": 5, "level": "purple"}'
    found = normaliser.read(line, RECEIVED, "x")
    assert isinstance(found, Observation)
    assert (found.title, found.file_path, found.severity) == ("x", None, None)
    readings = normaliser.explain(line, RECEIVED)
    assert (readings["title"].why, readings["title"].became) == (None, "x")
    assert "invalid type for value: 5" in str(readings["file_path"].why)
    assert "severity(" in str(readings["severity"].why)
