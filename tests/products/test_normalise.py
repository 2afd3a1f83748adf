"""One line of a product's output: what is kept of it, and what is counted as unreadable."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.formats import LINE_CAP
from products.manifest import Format, PidNamespace, Source
from products.normalise import RAW_CAP, Normaliser, Skipped, Unreadable, technique_ids
from products.times import read_time
from results.records import Action, Observation


def make_source(**changes: object) -> Source:
    fields: dict[str, object] = {"component": "agent", "file": "/log", "format": Format.JSON_LINES, "map": {}}
    return Source.model_validate(fields | changes)


def read(source: Source, line: bytes, pids: dict[int, int] | None = None) -> Observation | Skipped | Unreadable:
    return Normaliser(source, lambda _component, pid: (pids or {}).get(pid)).read(line, 7, "a000001")


def test_a_line_becomes_the_declared_fields_and_keeps_its_raw_form():
    """Else a verdict would rest on something that the product did not say."""
    source = make_source(
        map={
            "time": "when",
            "rule_id": "rule.id",
            "techniques": "tags",
            "action": "verdict",
            "pid": "process.pid",
            "command_line": "joined(argv, ' ')",
            "file_path": "extract(message, 'file (\\S+)')",
        },
        time_format="epoch_s",
    )
    line = json.dumps(
        {
            "when": 1700000000.25,
            "rule": {"id": 4},
            "tags": ["attack.t1053.003", "T1059", "attack.persistence"],
            "verdict": "blocked",
            "process": {"pid": 42},
            "argv": ["rm", "-f", None, 1],
            "message": "file /tmp/x removed",
        }
    ).encode()
    assert read(source, line) == Observation(
        observation_id="a000001",
        component="agent",
        time_ns=1_700_000_000_250_000_000,
        received_ns=7,
        rule_id="4",
        techniques=("T1053.003", "T1059"),
        action=Action.BLOCKED,
        pid=42,
        command_line="rm -f 1",
        file_path="/tmp/x",
        raw=line.decode(),
        raw_sha256=hashlib.sha256(line).hexdigest(),
        raw_length=len(line),
    )


def test_a_line_for_which_where_says_no_is_no_record():
    """Else a product's chatter would count as alerts."""
    source = make_source(where="kind == 'alert'")
    assert read(source, b'{"kind": "status"}') == Skipped()
    assert isinstance(read(source, b'{"kind": "alert"}'), Observation)


def test_a_line_without_a_match_is_unreadable_unless_the_manifest_skips_others():
    """Else a changed log format would silently become `no alerts`."""
    source = make_source(format=Format.REGEX, pattern="^BAN (?P<who>.+)$", map={"source_address": "who"})
    assert read(source, b"hello") == Unreadable("no match of the pattern")
    assert read(source.model_copy(update={"skip_others": True}), b"hello") == Skipped()


def test_a_nodes_own_pid_is_translated_and_an_unknown_one_is_left_out():
    """Else pid 7 of the node would be taken for pid 7 of the engine host."""
    source = make_source(map={"pid": "pid"}, pid_namespace=PidNamespace.NODE)
    known, unknown = read(source, b'{"pid": 7}', {7: 4711}), read(source, b'{"pid": 8}', {7: 4711})
    assert isinstance(known, Observation)
    assert isinstance(unknown, Observation)
    assert (known.pid, unknown.pid) == (4711, None)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"pid": NaN, "time": 1}',
        b'{"pid": ' + b"9" * 5000 + b"}",
        b'{"pid": "x", "argv": 5}',
        b'{"time": 1e999}',
        b"x" * 1_000_000,
    ],
    ids=lambda line: repr(line[:12]),
)
def test_a_hostile_line_never_raises(line: bytes):
    """Else one line of a product could end the trial of everyone."""
    source = make_source(map={"time": "time", "pid": "pid", "command_line": "joined(argv, ' ')"})
    assert isinstance(read(source, line), Observation | Unreadable)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_raise(line: bytes):
    """Else a product could find the one byte that nobody thought of."""
    source = make_source(map={"time": "time", "pid": "pid", "techniques": "t"}, where="time")
    regex = make_source(format=Format.REGEX, pattern="(?P<time>.*)", map={"time": "time", "pid": "time"})
    for each in (source, regex):
        assert isinstance(read(each, line), Observation | Skipped | Unreadable)


def test_a_huge_line_is_capped_but_counted_and_hashed_in_full():
    """Else a product could fill the memory, or what was cut could never be proven."""
    line = b"A" * (LINE_CAP + 10)
    found = read(make_source(format=Format.REGEX, pattern="(?P<all>A+)", map={"title": "all"}), line)
    assert isinstance(found, Observation)
    assert found.raw == "A" * RAW_CAP
    assert found.title == "A" * 4096
    assert (found.raw_length, found.raw_sha256) == (len(line), hashlib.sha256(line).hexdigest())


@pytest.mark.parametrize(
    ("value", "form", "expected"),
    [
        ("2026-11-23T14:00:00.000001Z", "iso8601", 1_795_442_400_000_001_000),
        ("2026-11-23T23:00:00+09:00", "iso8601", 1_795_442_400_000_000_000),
        ("2026-11-23 14:00:00,5", "%Y-%m-%d %H:%M:%S,%f", 1_795_442_400_500_000_000),
        ("1795442400.123456789", "epoch_s", 1_795_442_400_123_456_789),
        (1795442400123, "epoch_ms", 1_795_442_400_123_000_000),
        ("yesterday", "iso8601", None),
        (-5, "epoch_s", None),
        (float("inf"), "epoch_s", None),
        (None, "iso8601", None),
        ("9" * 400, "epoch_s", None),
    ],
)
def test_a_products_time_is_utc_nanoseconds_or_unknown(value: object, form: str, expected: int | None):
    """Else an alert would be early or late by a time zone, or a broken clock would crash the collection."""
    assert read_time(value, form) == expected


@pytest.mark.parametrize(
    ("said", "action"),
    [("blocked", Action.BLOCKED), ("Denied", Action.BLOCKED), ("drop", Action.BLOCKED), ("allowed", Action.OBSERVED),
     ("would be blocked", Action.OBSERVED), (None, Action.OBSERVED), (True, Action.OBSERVED)],
)  # fmt: skip
def test_only_a_word_for_prevention_is_prevention(said: object, action: Action):
    """Else a product's `alert` would count as blocked, or its `denied` as nothing."""
    found = read(make_source(map={"action": "act"}), json.dumps({"act": said}).encode())
    assert isinstance(found, Observation)
    assert found.action is action


def test_only_attack_ids_are_kept_each_once():
    """Else `attack.discovery` or a product's own number would be scored as a technique."""
    names = ("attack.t1053.003", "T1053.003", "attack.discovery", "T99", "x-T1059", "mitre/T1003", "CVE-2024-1000")
    assert technique_ids(names) == ("T1053.003", "T1059", "T1003")


@pytest.mark.parametrize(
    ("said", "read_as"),
    [(b"/?q=\xff'", r"/?q=\xff'"), (b"/?q=\x01\x1b", "/?q=\x01\x1b"), (b"/?q=" + b"A" * LINE_CAP, "/?q=AAAA")],
)
def test_an_attack_can_not_make_its_own_alert_unreadable(said: bytes, read_as: str):
    """Else a raw byte, a control character or a long request, which products copy into JSON, would hide an attack."""
    found = read(make_source(map={"url": "uri"}), b'{"uri": "' + said + b'"}')
    assert isinstance(found, Observation)
    assert found.url is not None
    assert found.url.startswith(read_as)
