"""GoTestWAF's payload sets: upstream's own files, broken ones, and the bytes that GoTestWAF sends."""

import base64
import os
import re
import socket
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
import yaml

from attacks.go_yaml import load_go_yaml
from attacks.gotestwaf import KNOWN, PLACES, read_gotestwaf, read_gotestwaf_file
from attacks.gotestwaf_request import CONFIGURED, ENCODERS, GRPC, PLACEHOLDERS, Settings, build
from attacks.procedure import instantiate
from attacks.request import MAX_COMMAND_BYTES, Expectation, Unsendable
from results.errors import ContentError, Problem

UPSTREAM = Path(os.environ.get("PIJ_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "gotestwaf"
KEY = "key"
NAME = "7ed596f10a"
AGENT = (
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/107.0.0.0 Safari/537.36\r\n"
)
ACCEPT = (
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    b"application/signed-exchange;v=b3;q=0.9\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en-US,en;q=0.9\r\n"
    b"Cache-Control: no-cache\r\nConnection: close\r\n"
)
PRAGMA = b"Pragma: no-cache\r\n"
FETCH = b"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nSec-Fetch-User: ?1\r\n"
UPGRADE = b"Upgrade-Insecure-Requests: 1\r\n"
needs_upstream = pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the real GoTestWAF is not at hand (PIJ_TEST_DATA)")


def plain(first: bytes) -> bytes:
    return first + b" HTTP/1.1\r\nHost: localhost\r\n" + AGENT + ACCEPT + PRAGMA + FETCH + UPGRADE + b"\r\n"


def with_body(first: bytes, media_type: bytes | None, body: bytes) -> bytes:
    typed = b"Content-Type: " + media_type + b"\r\n" if media_type else b""
    length = b"Content-Length: %d\r\n" % len(body)
    return (
        first + b" HTTP/1.1\r\nHost: localhost\r\n" + AGENT + length + ACCEPT + typed + PRAGMA + FETCH + UPGRADE
        + b"\r\n" + body
    )  # fmt: skip


def sent_by(command: str) -> bytes:
    return base64.b64decode(re.search("printf %s '([^']*)'", command).group(1))


def write(folder: Path, text: str, name: str = "owasp/rce.yml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def upstream():
    return read_gotestwaf(UPSTREAM)


@needs_upstream
def test_every_set_of_upstream_is_read_without_a_problem(upstream):
    """Else GoTestWAF's sets could not be used as they are."""
    found, problems = upstream
    written = Counter()
    for path in UPSTREAM.rglob("*.yml"):
        data = yaml.load(path.read_text("utf-8").replace("\"\\'", "\"'"), yaml.CSafeLoader)
        written[path.parent.name] += len(data["payload"]) * len(data["encoder"]) * len(data["placeholder"])
    assert problems == []
    assert Counter(entry.name.split("/")[0] for entry in found.values()) == written
    assert len(found) == 822
    assert Counter(entry.obstacle for entry in found.values()) == {None: 820, "manual: gRPC takes HTTP/2": 2}
    assert max(len(entry.executor.command or "") for entry in found.values()) <= MAX_COMMAND_BYTES


@needs_upstream
def test_what_upstream_calls_false_positives_must_pass(upstream):
    """Else blocking ordinary text would count in favour of a product."""
    expected = {entry.name.split("/")[0]: (entry.benign, entry.expected) for entry in upstream[0].values()}
    assert expected == {
        "community": (False, (Expectation(blocked=True),)),
        "false-pos": (True, (Expectation(blocked=False),)),
        "owasp": (False, (Expectation(blocked=True),)),
        "owasp-api": (False, (Expectation(blocked=True),)),
    }


@needs_upstream
@pytest.mark.parametrize(
    ("name", "request_bytes"),
    [
        ("owasp/crlf-1 Plain URLPath", plain(b"GET /%0d%0aSet-Cookie:crlf=injection")),
        (
            "owasp/rce-urlpath-2 URL URLPath",
            plain(b"GET /%3B+cat+%2Fet%27c%2Fpa%27ss%27wd"),
        ),
        (
            "community/community-xxe-1 Plain XMLBody",
            with_body(
                b"POST /",
                b"text/xml",
                b'<!DOCTYPE foo [ <!ELEMENT foo ANY ><!ENTITY data SYSTEM "netdoc:/etc/passwd">]><foo>&data;</foo>',
            ),
        ),
        (
            "community/community-rce-rawrequests-1 Plain RawRequest",
            b"POST /clam.php HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0\r\nContent-Length: 19\r\n"
            + ACCEPT
            + b"Content-Encoding: gzip\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            + PRAGMA + FETCH + UPGRADE + b"\r\ncmd=cat /etc/passwd",
        ),
        (
            "community/community-user-agent-5 Plain UserAgent",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Microsoft WinRM Client OpenVASVT\r\n"
            + ACCEPT + PRAGMA + FETCH + UPGRADE + b"\r\n",
        ),
        ("owasp-api/non-crud-1 Plain RawRequest", with_body(b"CUST /", None, b"<script>aaa</script>\n")),
        (
            "owasp-api/graphql-1 URL GraphQL",
            plain(
                b"GET /graphql?query=%257B%2522query%2522%253A%2B%2522IntrospectionQuery%257B__schema%2B"
                b"%257BqueryType%2B%257B%2Bname%2B%257D%257D%2522%257D"
            ),
        ),
    ],
)  # fmt: skip
def test_a_request_is_byte_for_byte_what_gotestwaf_sends(upstream, name, request_bytes):
    """Else a product would be judged by another request than the one that upstream means."""
    procedure = next(entry for entry in upstream[0].values() if entry.name == name)
    assert sent_by(procedure.executor.command) == request_bytes


NAMED = NAME.encode()
BOUNDARY = b"2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826"


@pytest.mark.parametrize(
    ("placeholder", "request_bytes"),
    [
        ("URLParam", plain(b"GET /?" + NAMED + b"=a<'")),
        ("NonCrudUrlParam", plain(b"CUST /?" + NAMED + b"=a<'")),
        ("URLPath", plain(b"GET /a%3C%27")),
        ("NonCrudUrlPath", plain(b"CUST /a%3C%27")),
        ("HTMLForm", with_body(b"POST /", b"application/x-www-form-urlencoded", NAMED + b"=a<'")),
        (
            "HTMLMultipartForm",
            with_body(
                b"POST /",
                b"multipart/form-data; boundary=" + BOUNDARY,
                b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="' + NAMED + b'"\r\n\r\na<\'\r\n--'
                + BOUNDARY + b"--\r\n",
            ),
        ),
        ("JSONBody", with_body(b"POST /", b"application/json", b"a<'")),
        (
            "JSONRequest",
            with_body(
                b"POST /", b"application/json", b'{"test":true, "' + NAMED + b'": "\\u0061\\u003c\\u0027"}'
            ),
        ),
        ("RequestBody", with_body(b"POST /", None, b"a<'")),
        ("NonCRUDRequestBody", with_body(b"CUST /", None, b"a<'")),
        ("XMLBody", with_body(b"POST /", b"text/xml", b"a<'")),
    ],
)  # fmt: skip
def test_each_placeholder_is_filled_as_gotestwaf_does(placeholder, request_bytes):
    """Else the payload would stand where the product is not expected to look."""
    assert build("a<'", "Plain", placeholder, None, KEY) == request_bytes


def test_headers_stand_where_go_writes_them():
    """Else the request would be told from a real one by the order of its headers."""
    x_header = b"X-" + NAME.capitalize().encode() + b": a b\r\n"
    head = b" HTTP/1.1\r\nHost: localhost\r\n" + AGENT + ACCEPT + PRAGMA + FETCH + UPGRADE
    assert build(" a b\t", "Plain", "Header", None, KEY) == b"GET /" + head + x_header + b"\r\n"
    assert build(" a b\t", "Plain", "NonCRUDHeader", None, KEY) == b"CUST /" + head + x_header + b"\r\n"


def test_a_soap_body_carries_the_payload_as_an_xml_element():
    """Else the envelope would be broken by the payload instead of carrying it."""
    request = build("a<'\n", "Plain", "SOAPBody", None, KEY)
    assert b'Soapaction: "http://schemas.xmlsoap.org/soap/actor/next"\r\n' in request
    assert f"\t\t\t\t<ab{NAME}><string>a&lt;&#39;&#xA;</string></ab{NAME}>\n".encode() in request


@pytest.mark.parametrize(
    ("encoder", "encoded"),
    [
        ("Base64", "PCLDqfCfmIAiPg=="),
        ("Base64Flat", "PCLDqfCfmIAiPg"),
        ("JSUnicode", "\\u003c\\u0022\\u00e9\\ud83d\\ude00\\u0022\\u003e"),
        ("Plain", '<"é😀">'),
        ("URL", "%3C%22%C3%A9%F0%9F%98%80%22%3E"),
        ("XMLEntity", "<string>&lt;&#34;é😀&#34;&gt;</string>"),
    ],
)
def test_each_encoder_writes_what_gotestwafs_does(encoder, encoded):
    """Else an encoding would be reported as seen through that was never tried."""
    assert ENCODERS[encoder]('<"é😀">') == encoded


@pytest.mark.parametrize(
    ("payload", "uri"),
    [  # TestURLPath of GoTestWAF, and how Go's net/url writes paths
        ("hello-world", b"/hello-world"),
        ("//%2f/a/b", b"///%2f/a/b"),
        ("a b?c d#e", b"/a%20b?c d"),
        ("é%41", b"/%C3%A9A"),
        ("(x)%41", b"/(x)%41"),
        ("x?", b"/x?"),
    ],
)
def test_a_path_is_written_as_go_does(payload, uri):
    """Else an attack would be encoded away, or arrive where upstream's would not."""
    assert build(payload, "Plain", "URLPath", None, KEY) == plain(b"GET " + uri)


@pytest.mark.parametrize(
    ("payload", "placeholder", "settings", "reason"),
    [
        ("x", GRPC, None, "gRPC takes HTTP/2"),
        ("a\nb", "URLParam", None, "Go's client refuses control characters in a URL"),
        ("%zz", "URLPath", None, "Go's client refuses a URL with a `%` that escapes nothing"),
        ("a\r\nb", "UserAgent", None, "Go's client refuses the header User-Agent: 'a\\r\\nb'"),
        ("x", "RawRequest", Settings(method="A B"), "Go's client refuses the method 'A B'"),
        ("x", "RawRequest", Settings(method="A", headers={"a b": ""}), "Go's client refuses the header a b: ''"),
    ],
)
def test_what_gotestwaf_could_not_send_either_is_an_obstacle_with_its_reason(payload, placeholder, settings, reason):
    """Else a request that no one has ever sent would be counted as let pass."""
    with pytest.raises(Unsendable) as raised:
        build(payload, "Plain", placeholder, settings, KEY)
    assert str(raised.value) == reason


def test_a_raw_request_has_its_payload_everywhere_it_says():
    """Else a set's own request would be sent without its attack."""
    settings = Settings(method="", path="a/{{payload}}", headers={"x-y": "{{payload}};"}, body="{{payload}}{{payload}}")
    request = build("P", "Plain", "RawRequest", settings, KEY)
    assert (request.startswith(b"GET /a/P HTTP/1.1\r\n"), b"\r\nX-Y: P;\r\n" in request, request[-4:]) == (
        True, True, b"\r\nPP",
    )  # fmt: skip


def test_a_payload_becomes_the_same_procedure_each_time(tmp_path):
    """Else a plan could not name it, and a second release of the set would be another corpus."""
    text = "payload: [a, 010, a]\nencoder: [Plain, URL]\nplaceholder: [Header]\ntype: RCE\n"
    procedures, problems = read_gotestwaf_file(write(tmp_path, text))
    elsewhere, _same = read_gotestwaf_file(write(tmp_path / "owasp", text))
    assert problems == []
    assert [(entry.name, entry.description, entry.line) for entry in procedures] == [
        ("owasp/rce-1 Plain Header", "RCE: a", 1),
        ("owasp/rce-1 URL Header", "RCE: a", 1),
        ("owasp/rce-2 Plain Header", "RCE: 010", 1),
        ("owasp/rce-2 URL Header", "RCE: 010", 1),
        ("owasp/rce-3 Plain Header", "RCE: a", 1),
        ("owasp/rce-3 URL Header", "RCE: a", 1),
    ]
    assert [entry.guid for entry in procedures] == [entry.guid for entry in elsewhere]
    assert len({entry.guid for entry in procedures}) == 6
    assert procedures[0].guid == "0fb0b8fa-3543-5e07-a6d7-d5750019c71a"
    assert {name: argument.default for name, argument in procedures[0].arguments.items()} == {
        "host": None,
        "port": "80",
    }


LISTS = "payload:\n- a\nencoder:\n- Plain\nplaceholder:\n- URLPath\n"


@pytest.mark.parametrize(
    ("text", "count", "line", "field", "found", "allowed", "mend"),
    [
        ("[payload]\n", 0, 1, "payload", "no payload set", "`payload`, `encoder`, `placeholder`",
         "Write the file as GoTestWAF does."),
        (LISTS.removeprefix("payload:\n- a\n"), 0, 1, "payload", "nothing", "this field is required",
         "Add it as upstream writes it."),
        (LISTS.replace("\n- a", " []"), 0, 1, "payload", "[]",
         "Tuple should have at least 1 item after validation, not 0", "Correct it as upstream writes it."),
        (LISTS.replace("- a", "- a\n- {b: c}"), 1, 3, "payload.1", "{'b': 'c'}", "a text",
         "Put the payload into quotes."),
        (LISTS.replace("- a", "- a\n-"), 1, 3, "payload.1", "nothing", "a text", "Put the payload into quotes."),
        (LISTS.replace("- Plain", "- Plain\n- Rot13"), 1, 5, "encoder.1", "'Rot13'",
         "Base64, Base64Flat, JSUnicode, Plain, URL, XMLEntity",
         "Correct the encoder's name; without it nothing is sent in this encoding."),
        (LISTS + "- Cookie\n", 1, 7, "placeholder.1", "'Cookie'", PLACES,
         "Correct the placeholder's name; without it nothing is sent there."),
        (LISTS + "- {A: {}, B: {}}\n", 1, 7, "placeholder.1", "{'A': {}, 'B': {}}", PLACES,
         "Correct the placeholder's name; without it nothing is sent there."),
        (LISTS + "- RawRequest\n", 1, 7, "placeholder.1.RawRequest.method", "nothing", "this field is required",
         "Add it as upstream writes it."),
        (LISTS + "- RawRequest:\n    method: GET\n    haeders: {}\n", 1, 9, "placeholder.1.RawRequest.haeders",
         "unknown field 'haeders'", "body, headers, method, path", "Remove the field."),
        (LISTS + "- GraphQL:\n    method: PUT\n", 1, 8, "placeholder.1.GraphQL.method", "'PUT'",
         "Input should be 'GET' or 'POST'", "Correct it as upstream writes it."),
        (LISTS + "kind: RCE\n", 1, 7, "kind", "unknown field 'kind'", KNOWN, "Remove the field."),
        (LISTS + "type: [RCE]\n", 1, 7, "type", "['RCE']", "Input should be a valid string",
         "Correct it as upstream writes it."),
        (LISTS.replace("- a\n", "- a\n" * 20_001), 20_000, 1, "",
         "20001 combinations of payload, encoder and placeholder", "at most 20000", "Split the file."),
    ],
)  # fmt: skip
def test_a_mistake_is_found_with_its_line_and_hides_no_sound_part(
    tmp_path, text, count, line, field, found, allowed, mend
):
    """Else an author would search for the mistake, or lose the rest of the file."""
    path = write(tmp_path, text)
    procedures, problems = read_gotestwaf_file(path)
    assert problems == [Problem(path=str(path), line=line, field=field, found=found, allowed=allowed, mend=mend)]
    assert len(procedures) == count


def test_of_two_sets_with_one_name_the_first_stays(tmp_path):
    """Else a file that is read later could quietly change what a plan runs."""
    first = write(tmp_path, LISTS)
    second = write(tmp_path, LISTS, "owasp/rce.yaml")
    found, problems = read_gotestwaf(tmp_path)
    assert [entry.path for entry in found.values()] == [str(second)]
    assert problems == [
        Problem(
            path=str(first), line=2, field="", found="a set of the same name and payloads as another",
            allowed=f"a name of its own; this one is in {second}", mend="Rename the file or its folder.",
        )
    ]  # fmt: skip


def test_other_yaml_files_are_passed_over(tmp_path):
    """Else the folder of the real GoTestWAF could not be given as it is."""
    write(tmp_path, "headers: {Connection: close}\n", "owasp/config.yaml")
    assert read_gotestwaf(tmp_path) == ({}, [])


def test_an_escaped_quote_is_a_quote_as_go_reads_it(tmp_path):
    """Else three of upstream's files would be refused as broken YAML."""
    path = write(
        tmp_path,
        "plain: it\\'s\nsingle: 'a\\'\ndouble: \"\\'b\\\\'\\\n  \\\"c\\'\"\n? \"d\\'\"\n: [\"\\x41\\'\", no, 010]\n",
    )
    data, lines = load_go_yaml(path)
    assert data == {"plain": "it\\'s", "single": "a\\", "double": "'b\\'\"c'", "d'": ["A'", "no", "010"]}
    assert lines == {
        (): 1, ("plain",): 1, ("single",): 2, ("double",): 3, ("d'",): 5, ("d'", 0): 6, ("d'", 1): 6, ("d'", 2): 6
    }  # fmt: skip


def test_another_mistake_beside_an_escaped_quote_is_found_at_its_line(tmp_path):
    """Else an author would mend what is no mistake."""
    path = write(tmp_path, 'payload:\n- "\\\'"\n- "\\q"\n')
    with pytest.raises(ContentError) as raised:
        load_go_yaml(path)
    [problem] = raised.value.problems
    assert (problem.path, problem.line, "unknown escape character" in problem.found) == (str(path), 3, True)
    path.write_text('payload:\n- "\\\'"\npayload: []\n')
    with pytest.raises(ContentError) as raised:
        load_go_yaml(path)
    assert [(one.path, one.line, one.found) for one in raised.value.problems] == [
        (str(path), 3, "'payload' a second time")
    ]


@needs_upstream
def test_bash_sends_exactly_these_bytes(upstream):
    """Else everything above would be true of a text, not of what a product sees."""
    names = ("owasp/xss-scripting-27 Base64Flat URLParam", "community/community-lfi-multipart-1 Plain RawRequest")
    chosen = [entry for entry in upstream[0].values() if entry.name in names]
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in chosen:
                connection, _address = server.accept()
                with connection:
                    connection.settimeout(0.5)
                    data = b""
                    try:
                        while more := connection.recv(65536):
                            data += more
                    except TimeoutError:
                        received.append(data)
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        arguments = {"host": "127.0.0.1", "port": str(server.getsockname()[1])}
        printed = [
            subprocess.run(
                ["bash", "-c", instantiate(entry, arguments).command], capture_output=True, check=True
            ).stdout
            for entry in chosen
        ]
        thread.join()
    assert len(chosen) == 2
    assert received == [sent_by(entry.executor.command) for entry in chosen]
    assert printed == [b"HTTP/1.1 200 OK\r\n\r\n"] * 2


def test_every_name_that_upstream_knows_is_known():
    """Else a set that upstream runs would be half refused."""
    assert sorted([*PLACEHOLDERS, *CONFIGURED, GRPC]) == PLACES.split(", ")
    assert len(PLACES.split(", ")) == 18
