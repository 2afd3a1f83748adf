"""Formats: how what a source hands over is cut into records, and what each record's fields are."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.formats import DOCUMENT_CAP, DOCUMENT_RECORDS, identity_of, records_of
from products.normalise import Normaliser, Skipped, Unreadable
from products.source import Format, Source
from products.syslog_header import split_header
from results.records import Observation


def make_source(form: Format, **changes: object) -> Source:
    place = {} if {"syslog", "webhook"} & set(changes) else {"file": "/log"}
    return Source.model_validate({"component": "agent", "format": form, "map": {}, **place, **changes})


def read(source: Source, line: str | bytes) -> Observation | Skipped | Unreadable:
    data = line.encode() if isinstance(line, str) else line
    return Normaliser(source, lambda _component, pid: pid).read(data, 1_795_872_339_000_000_000, "a000001")


def title(form: Format, expression: str, line: str, **changes: object) -> str | None:
    found = read(make_source(form, map={"title": expression}, **changes), line)
    assert isinstance(found, Observation), found
    return found.title


def test_a_line_format_is_cut_at_line_ends():
    """Else a webhook that posts several events at once would be one unreadable record."""
    source = make_source(Format.JSON_LINES)
    assert list(records_of(source, b'{"a": 1}\r\n\n{"b": 2}\n')) == [b'{"a": 1}', b'{"b": 2}']


def test_a_document_is_one_record_or_each_of_its_items():
    """Else ten alerts in one answer would count as one."""
    document = b'\xef\xbb\xbf{"hits": [{"id": 1}, {"id": 2, "text": "\xe6\x97\xa5"}]}\n'
    assert list(records_of(make_source(Format.JSON), document)) == [document.strip()]
    found = list(records_of(make_source(Format.JSON, items="hits"), document))
    assert [json.loads(record) for record in found] == [{"id": 1}, {"id": 2, "text": "日"}]


def test_several_documents_one_a_line_are_a_record_each_and_one_over_many_lines_stays_one():
    """Else a webhook that posts JSON lines, or an XML element a line, would be one unreadable record."""
    assert list(records_of(make_source(Format.JSON), b'{"a": 1}\n{"a": 2}\n')) == [b'{"a": 1}', b'{"a": 2}']
    pretty = b"<a>\n<b>1</b>\n</a>"
    assert list(records_of(make_source(Format.XML), pretty)) == [pretty]


def test_items_of_an_xml_document_are_read_as_json_records():
    """Else a report in XML could only ever be one alert."""
    source = make_source(Format.XML, items="report.alert", map={"title": '"#text"', "rule_id": '"@id"'})
    records = list(records_of(source, b'<report><alert id="1">a</alert><alert id="2">b</alert></report>'))
    found = [read(source, record) for record in records]
    assert [(one.rule_id, one.title) for one in found if isinstance(one, Observation)] == [("1", "a"), ("2", "b")]


def test_a_document_without_items_yields_none_and_a_single_item_one():
    """Else an empty answer to a poll would count as unreadable every time."""
    source = make_source(Format.JSON, items="hits")
    assert list(records_of(source, b'{"hits": []}')) == []
    assert list(records_of(source, b'{"other": 1}')) == []
    assert list(records_of(source, b'{"hits": {"id": 1}}')) == [b'{"id": 1}']


@pytest.mark.parametrize(
    "document",
    [b"not json", b"[" * 200_000, b"\xff\xfe", b'{"hits": ' + b"1" * 6000 + b"}", b"{" + b" " * DOCUMENT_CAP + b"}"],
    ids=["text", "deep", "bytes", "number", "large"],
)
def test_a_document_that_cannot_be_cut_is_one_unreadable_record(document: bytes):
    """Else it would vanish without being counted."""
    source = make_source(Format.JSON, items="hits")
    records = list(records_of(source, document))
    assert records == [document]
    assert isinstance(read(source, records[0]), Unreadable)


def test_the_records_of_one_document_are_bounded():
    """Else one answer could fill the memory."""
    document = json.dumps({"hits": [1] * (DOCUMENT_RECORDS + 5)}).encode()
    assert len(list(records_of(make_source(Format.JSON, items="hits"), document))) == DOCUMENT_RECORDS


def test_a_list_of_json_is_refused_with_the_remedy():
    """Else nobody would know that `items` is missing."""
    assert read(make_source(Format.JSON), "[1]") == Unreadable("ValueError: not a JSON object (see `items`)")


def test_an_identity_is_the_same_for_the_same_value_only():
    """Else a poll would count one alert again and again, or drop different ones."""
    source = make_source(Format.JSON, items="a", identity="[id, kind]")
    first, again, other = (identity_of(source, text) for text in (b'{"id":1}', b'{"id":1,"x":2}', b'{"id":2}'))
    assert (first, first == again, first == other) == ("[1, null]", True, False)
    assert identity_of(source, b"broken") is None


CEF = r"CEF:0|Ven\|dor|Pro\\duct|1.0|100|a \| b|10|"


@pytest.mark.parametrize(
    ("expression", "line", "expected"),
    [
        ("deviceVendor", CEF, "Ven|dor"),
        ("deviceProduct", CEF, r"Pro\duct"),
        ("name", CEF, "a | b"),
        ("severity", "CEF:0|v|p|1|id|name|7", "7"),
        ("msg", CEF + r"msg=a \= b\nc\\d src=1.2.3.4", "a = b\nc\\d"),
        ("fname", CEF + "fname=two words here dst=1.2.3.4", "two words here"),
        ("request", CEF + "request=http://x/?a=b&c=d src=1.1.1.1", "http://x/?a=b&c=d"),
        ('"Rule Name"', CEF + "cs1Label=Rule Name cs1=First rule", "First rule"),
        ("cn2", CEF + "cn2=77 cn2Label=src", "77"),
        ("src", CEF + "src=1.1.1.1 cs1=forged cs1Label=src", "1.1.1.1"),
        ("name", CEF + "name=forged", "a | b"),
        ("src", CEF + "src=1.1.1.1 msg=x src=2.2.2.2", "1.1.1.1"),
        ("syslog.host", "<134>Nov 28 13:25:39 fw01 " + CEF, "fw01"),
        ("syslog.app", "<134>1 2026-11-28T13:25:39Z fw01 agent 7 - - " + CEF, "agent"),
        ("name", "junk before " + CEF, "a | b"),
    ],
)
def test_cef_is_read_as_its_document_says(expression: str, line: str, expected: str):
    """Else a field with a bar, an equals sign or a space would be cut, or an event could overwrite its own header."""
    assert title(Format.CEF, expression, line) == expected


@pytest.mark.parametrize("line", ["", "CEF:0|a|b", "hello", "CEF:", r"CEF:0|a\|b|c|d|e|f", "CEF:0|a|b|c|d|e|"])
def test_what_is_no_cef_is_unreadable_with_a_reason(line: str):
    """Else half an event would count as an alert."""
    found = read(make_source(Format.CEF), line)
    assert isinstance(found, Unreadable)
    assert "CEF" in found.why


@pytest.mark.parametrize(
    ("expression", "line", "expected"),
    [
        ("eventId", "LEEF:1.0|Microsoft|MSExchange|4.0 SP1|15345|src=192.0.2.0\tmsg=a=b c", "15345"),
        ("msg", "LEEF:1.0|Microsoft|MSExchange|4.0 SP1|15345|src=192.0.2.0\tmsg=a=b c", "a=b c"),
        ("dst", "LEEF:2.0|Lancope|StealthWatch|1.0|41|^|src=10.0.1.8^dst=10.0.0.5", "10.0.0.5"),
        ("dst", "LEEF:2.0|v|p|1.0|41|x09|src=10.0.1.8\tdst=10.0.0.5", "10.0.0.5"),
        ("dst", "LEEF:2.0|v|p|1.0|41|0x7C|src=10.0.1.8|dst=10.0.0.5", "10.0.0.5"),
        ("dst", "LEEF:2.0|v|p|1.0|41||src=10.0.1.8\tdst=10.0.0.5", "10.0.0.5"),
        ("dst", "LEEF:2.0|v|p|1.0|41|src=10.0.1.8\tdst=10.0.0.5", "10.0.0.5"),
        ("syslog.host", "<13>Jan 18 11:07:53 192.168.1.1 LEEF:1.0|v|p|1|id|a=b", "192.168.1.1"),
    ],
)
def test_leef_is_read_in_both_versions(expression: str, line: str, expected: str):
    """Else a delimiter of its own would make one attribute of all."""
    assert title(Format.LEEF, expression, line) == expected


@pytest.mark.parametrize("line", ["LEEF:1.0|a", "LEEF:2.0|v|p|1|id|abc|a=b", "x"])
def test_what_is_no_leef_is_unreadable(line: str):
    """Else it would be an alert without fields."""
    assert isinstance(read(make_source(Format.LEEF), line), Unreadable)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('level=warn msg="two \\"words\\"" dur=1.5s', {"level": "warn", "msg": 'two "words"', "dur": "1.5s"}),
        (
            "type=SYSCALL msg='op=login res=success' pid=7",
            {"type": "SYSCALL", "msg": "op=login res=success", "pid": "7"},
        ),
        ("IN=eth0 OUT= SRC=10.0.0.1 DF", {"IN": "eth0", "OUT": "", "SRC": "10.0.0.1"}),
        ("a=1, b=2; c=3,4", {"a": "1", "b": "2", "c": "3,4"}),
        ('a="unended b=2', {"a": '"unended', "b": "2"}),
        ("a=1 a=2", {"a": "1"}),
        ('msg="line\\nnext"', {"msg": "line\nnext"}),
    ],
)
def test_key_value_pairs_may_be_quoted_empty_and_repeated(line: str, fields: dict[str, str]):
    """Else a quoted value would be cut at its first space."""
    assert json.loads(title(Format.KEY_VALUE, "to_string(@)", line) or "") == fields


def test_a_line_without_any_pair_is_unreadable():
    """Else the product's chatter would count as alerts."""
    assert isinstance(read(make_source(Format.KEY_VALUE), "just words"), Unreadable)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("event.name", "x"),
        ('event."@id"', "7"),
        ('event.note."#text"', "text"),
        ("event.tag[1]", "b"),
        ("event.none", None),
    ],
)
def test_xml_becomes_a_mapping(expression: str, expected: str | None):
    """Else attributes, texts and repeated elements could not be told apart."""
    line = '<event id="7"><name>x</name><note k="v">text</note><tag>a</tag><tag>b</tag><none/></event>'
    assert title(Format.XML, expression, line) == expected


@pytest.mark.parametrize(
    "line",
    [
        '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        "<a>" * 20_000,
        "<a/><b/>",
        "<a",
        "",
        "text",
    ],
    ids=["bomb", "external", "deep", "two", "cut", "empty", "text"],
)
def test_hostile_or_broken_xml_is_unreadable(line: str):
    """Else a product could read the evaluator's files or fill the memory."""
    assert isinstance(read(make_source(Format.XML), line), Unreadable)


def test_an_external_document_type_is_never_fetched():
    """Else a product could make the evaluator's machine ask for an address."""
    assert title(Format.XML, "a", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a>x</a>') == "x"


HEADERS: list[tuple[str, dict[str, Any] | None, str]] = [
    (
        "<165>1 2003-10-11T22:14:15.003Z m.example.com evntslog 12 ID47 "
        '[ex@32473 iut="3" e="a\\"b\\]c"][x@1] \ufeffHello',
        {
            "severity": "notice",
            "facility": "local4",
            "time": "2003-10-11T22:14:15.003Z",
            "host": "m.example.com",
            "app": "evntslog",
            "pid": "12",
            "msgid": "ID47",
            "structured": {"ex@32473": {"iut": "3", "e": 'a"b]c'}, "x@1": {}},
        },
        "Hello",
    ),
    ("<34>1 - - - - - - ", {"severity": "crit", "facility": "auth"}, ""),
    (
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        {"severity": "crit", "facility": "auth", "time": "Oct 11 22:14:15", "host": "mymachine", "app": "su"},
        "'su root' failed for lonvick on /dev/pts/8",
    ),
    (
        "<13>Nov 28 13:25:39 snoopy[12]: [uid:0]: ls",
        {"severity": "notice", "facility": "user", "time": "Nov 28 13:25:39", "app": "snoopy", "pid": "12"},
        "[uid:0]: ls",
    ),
    (
        "2026-11-28T13:25:39.123456+00:00 host app[12]: msg",
        {"time": "2026-11-28T13:25:39.123456+00:00", "host": "host", "app": "app", "pid": "12"},
        "msg",
    ),
    ("<13>only a message", {"severity": "notice", "facility": "user"}, "only a message"),
    ("<999>x", None, "<999>x"),
    ("no header", None, "no header"),
    ("", None, ""),
]


@pytest.mark.parametrize(("text", "header", "message"), HEADERS, ids=[text[:20] for text, _h, _m in HEADERS])
def test_a_syslog_header_is_taken_off_where_there_is_one(text: str, header: dict[str, Any] | None, message: str):
    """Else the host, the program and the severity of an alert would be lost, or part of its text."""
    assert split_header(text) == (header, message)


def test_a_syslog_source_reads_the_message_and_keeps_the_header():
    """Else a regular expression would have to know every syslog daemon's header."""
    source = make_source(
        Format.REGEX,
        syslog={"transport": "udp"},
        pattern=r"^\[uid:(?P<uid>\d+)\]: (?P<what>.+)$",
        map={
            "title": "what",
            "user": "uid",
            "node": "syslog.host",
            "time": "syslog.time",
            "severity": "severity(syslog.severity, 'syslog')",
        },
        time_format="syslog",
    )
    found = read(source, "<13>Nov 28 13:25:38 box snoopy[12]: [uid:0]: ls -l")
    assert isinstance(found, Observation)
    assert (found.title, found.user, found.node, found.severity) == ("ls -l", "0", "box", "low")
    assert found.time_ns == 1_795_872_338_000_000_000


def test_a_file_of_regex_lines_keeps_its_header_for_the_pattern():
    """Else the patterns of products that read whole lines would no longer match."""
    source = make_source(Format.REGEX, pattern="^(?P<all>Nov.*)$", map={"title": "all"})
    assert title(Format.REGEX, "all", "Nov 28 13:25:39 host app: x", pattern=source.pattern) == (
        "Nov 28 13:25:39 host app: x"
    )


def test_json_after_a_syslog_header_is_read():
    """Else a product that sends JSON by syslog could not be evaluated."""
    line = '<134>1 2026-11-28T13:25:39Z host falco 1 - - {"rule": "x"}'
    assert title(Format.JSON_LINES, "join(' ', [rule, syslog.app])", line) == "x falco"


TEXTS = st.one_of(
    st.text(alphabet="CEFL:|=\\\"' \t\n^x09<>&;[]{}1aé\x00", max_size=80),
    st.text(max_size=60),
    st.sampled_from(["CEF:0|", "LEEF:2.0|", "<13>1 ", "<?xml ", "a="]).flatmap(
        lambda start: st.text(alphabet='|=\\" \tab1', max_size=60).map(lambda rest: start + rest)
    ),
)


@given(TEXTS, st.sampled_from(list(Format)), st.booleans())
def test_no_text_at_all_raises_in_any_format(text: str, form: Format, is_syslog: bool):
    """Else a product could find the one text that ends everybody's trial."""
    pattern = {"pattern": "(?P<a>.*)"} if form is Format.REGEX else {}
    place = {"syslog": {}} if is_syslog else {}
    items = {"items": "a"} if form in (Format.JSON, Format.XML) else {}
    source = make_source(form, map={"title": "a", "time": "syslog.time"}, **pattern, **place, **items)
    for record in records_of(source, text.encode("utf-8", "surrogatepass")):
        found = read(source, record)
        assert isinstance(found, Observation | Skipped | Unreadable)
        assert not isinstance(found, Unreadable) or found.why


@pytest.mark.parametrize("form", [Format.CEF, Format.LEEF, Format.KEY_VALUE, Format.JSON_LINES, Format.XML])
@pytest.mark.parametrize("unit", ['a="', "=a", "\\", "|", '"', "a ", "a=b ", "<", "[a ", '\\"', "^", "a= "])
def test_reading_takes_time_in_proportion_to_the_text(form: Format, unit: str):
    """Else one line of 64 KiB could stop the collector: every pattern here must stay linear."""
    for start in ("", "CEF:0|a|b|c|d|e|f|", "CEF:", "LEEF:2.0|a|b|c|d|", "<34>1 2003-10-11T22:14:15Z h a p m ["):
        read(make_source(form), start + unit * (65_536 // len(unit)))
