"""go-ftw's regression tests: upstream's own files, broken ones, the bytes sent, and the bash that sends them."""

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

from attacks.ftw import read_ftw, read_ftw_file
from attacks.ftw_request import Input, build, fill_template
from attacks.procedure import instantiate
from attacks.request import MAX_COMMAND_BYTES, Expectation, Unsendable, command, requests_of
from results.errors import EvaluationError, Problem

UPSTREAM = Path(os.environ.get("PIJ_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data") / "crs-regression"
ACCEPT = b"text/xml,application/xml,application/xhtml+xml,text/html;q=0.9,text/plain;q=0.8,image/png,*/*;q=0.5"
AGENT = b"OWASP CRS test agent"
ANSWER = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno\x00\xff"
needs_upstream = pytest.mark.skipif(not UPSTREAM.is_dir(), reason="the real CRS tests are not at hand (PIJ_TEST_DATA)")


def sent_by(command_text: str) -> list[bytes]:
    return [base64.b64decode(text) for text in re.findall(r"printf %s '([^']*)' \| timeout 5 base64 -d", command_text)]


def write(folder: Path, text: str, name: str = "942100.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def upstream():
    return read_ftw(UPSTREAM)


@needs_upstream
def test_every_test_of_upstream_is_read_without_a_problem(upstream):
    """Else the Core Rule Set's tests could not be used as they are."""
    found, problems = upstream
    written = Counter()
    for path in UPSTREAM.rglob("*.yaml"):
        data = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
        written.update(f"{data['rule_id']}-{test['test_id']}" for test in data["tests"])
    assert problems == []
    assert Counter(entry.name for entry in found.values()) == written
    assert Counter(entry.obstacle for entry in found.values()) == {None: 3855}
    assert max(len(entry.executor.command) for entry in found.values()) <= MAX_COMMAND_BYTES


@needs_upstream
@pytest.mark.parametrize(
    ("title", "requests"),
    [
        (
            "920171-1",  # `encoded_request`: nothing is added, whatever is missing
            [
                b"POST / HTTP/1.1\r\nAccept: */*\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
                b"User-Agent: ModSecurity CRS 3 Tests\r\n\r\n3\r\nHi \r\n3\r\nCRS\r\n0\r\n\r\n"
            ],
        ),
        (
            "944200-1",  # bytes that are no UTF-8, and a NUL
            [
                b"POST / HTTP/1.0\r\nHost: localhost\r\nUser-Agent: OWASP ModSecurity Core Rule Set\r\nAccept: "
                + ACCEPT
                + b"\r\nAccept-Charset: ISO-8859-1,utf-8;q=0.7,*;q=0.7\r\nAccept-Encoding: gzip,deflate\r\n"
                b"Accept-Language: en-us,en;q=0.5\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                b"Content-Length: 9\r\n\r\ntest=\xac\xed\x00\x05\r\n\r\n"
            ],
        ),
        (
            "920400-2",  # a template, multipart line ends, and headers that are completed
            [
                b"POST / HTTP/1.1\r\nAccept: " + ACCEPT + b"\r\n"
                b"Content-Type: multipart/form-data; boundary=--------111111\r\nHost: localhost\r\nUser-Agent: "
                + AGENT
                + b"\r\nConnection: close\r\nContent-Length: 289\r\n\r\n----------111111\r\n"
                b'Content-Disposition: form-data; name="smallfile"; filename="file.txt"\r\n'
                b"Content-Type: text/plain\r\n" + b"1" * 152 + b"\r\n----------111111--\r\n"
            ],
        ),
        (
            "920640-1",  # `autocomplete_headers: false`
            [
                b"POST / HTTP/1.1\r\nAccept: */*\r\nContent-Length: 33\r\nHost: localhost\r\nUser-Agent: "
                + AGENT
                + b'\r\n\r\n{"id_order":"select(sleep(10));"}'
            ],
        ),
        (
            "920160-1",  # a header that is wrong on purpose stays as it is
            [
                b"GET / HTTP/1.1\r\nAccept: " + ACCEPT + b"\r\nContent-Length: NotDigits\r\nHost: localhost\r\n"
                b"User-Agent: " + AGENT + b"\r\nConnection: close\r\n\r\n"
            ],
        ),
    ],
)
def test_a_request_is_byte_for_byte_what_go_ftw_sends(upstream, title, requests):
    """Else a product would be judged by another request than the one that upstream means."""
    procedure = next(entry for entry in upstream[0].values() if entry.name == title)
    assert sent_by(procedure.executor.command) == requests


@needs_upstream
def test_the_stages_of_a_test_are_sent_in_their_order(upstream):
    """Else a test of several requests would be only its first."""
    procedure = next(entry for entry in upstream[0].values() if entry.name == "934120-43")
    lines = [request.split(b"\r\n", 1)[0] for request in sent_by(procedure.executor.command)]
    assert lines == [
        b"GET /get HTTP/1.1",
        b"GET /get HTTP/1.1",
        b"POST /post HTTP/1.1",
        b"GET /get?http://2852039166/ HTTP/1.1",
        b"GET /get?ssrf=http://2852039166/ HTTP/1.1",
        b"POST /post HTTP/1.1",
    ]
    assert procedure.expected == (Expectation(rules=(934120,)),) * 6


def test_a_test_becomes_a_procedure_that_says_all_that_upstream_says(tmp_path):
    """Else a step could go to the address that upstream happens to name, or upstream's expectation would be lost."""
    path = write(
        tmp_path,
        "meta: {author: someone}\nrule_id: 942100\ntests:\n- test_id: 7\n  desc: union\n  stages:\n"
        "  - input: {dest_addr: 10.0.0.1, port: 8080, uri: '/?a=1', headers: {Host: localhost, Max: 010}}\n"
        "    output: {status: 403, isolated: true, log: {expect_ids: [942100], no_expect_ids: [1, 2]}}\n",
    )
    [procedure], problems = read_ftw_file(path)
    request = b"GET /?a=1 HTTP/1.1\r\nHost: localhost\r\nMax: 010\r\nConnection: close\r\n\r\n"
    assert problems == []
    assert procedure.model_dump(exclude={"arguments", "executor"}, exclude_defaults=True) == {
        "guid": "edc66a76-2761-5fe9-b345-5e626efa3627",
        "name": "942100-7",
        "technique": "T1190",
        "description": "union",
        "platforms": ("linux",),
        "dependencies": (),
        "corpus": "go-ftw",
        "timeout_s": 30.0,
        "path": str(path),
        "line": 4,
        "expected": ({"rules": (942100,), "no_rules": (1, 2), "status": (403,), "isolated": True},),
    }
    assert {name: argument.default for name, argument in procedure.arguments.items()} == {"host": None, "port": "80"}
    assert sent_by(procedure.executor.command) == [request]
    with pytest.raises(EvaluationError, match="'host'"):
        instantiate(procedure, {})


def test_files_of_older_releases_are_read(tmp_path):
    """Else a rule set of last year could not be used."""
    path = write(
        tmp_path,
        "meta: {enabled: true, name: 911100.yaml}\ntests:\n- test_title: 911100-1\n  stages:\n  - stage:\n"
        "      input: {method: TEST, stop_magic: true, headers: {User-Agent: x}}\n"
        "      output: {status: [403, 500], log_contains: 'id \"911100\"', no_log_contains: z}\n",
        "911100.yaml",
    )
    [procedure], problems = read_ftw_file(path)
    assert (procedure.name, problems) == ("911100-1", [])
    assert sent_by(procedure.executor.command) == [b"TEST / HTTP/1.1\r\nUser-Agent: x\r\n\r\n"]
    assert procedure.expected == (Expectation(status=(403, 500), log_matches='id "911100"', log_lacks="z"),)


@pytest.mark.parametrize(
    ("original", "encoded"),
    [  # TestRequestEncodesPostData of go-ftw
        ("hello=world", "hello=world"),
        ("foo bar", "foo+bar"),
        ("name=panda&food=bamboo", "name=panda&food=bamboo"),
        (
            "c4= ;c3=t;c2=a;c1=client;a1=/;$c1$c2",
            "c4=+%3Bc3%3Dt%3Bc2%3Da%3Bc1%3Dclient%3Ba1%3D%2F%3B%24c1%24c2",
        ),
        ("foo+bar", "foo+bar"),
        ("a=%zz b", "a=%zz b"),
        ("a b&&c&", "a+b&&c"),
    ],
)
def test_a_form_is_encoded_as_go_ftw_does(original, encoded):
    """Else the rules would see another body than upstream's."""
    [request] = build(Input(method="POST", data=original))
    assert request == (
        "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n"
        f"Content-Length: {len(encoded)}\r\n\r\n{encoded}"
    ).encode("ascii")


@pytest.mark.parametrize(
    ("given", "request_bytes"),
    [
        (Input(method="PUT"), b"PUT / HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
        (Input(method="", version="", uri=""), b"  \r\nConnection: close\r\n\r\n"),
        (
            Input(headers={"b": None, "B": "1", "connection": "x"}, encoded_data="AP8=\n", autocomplete_headers=False),
            b"GET / HTTP/1.1\r\nB: 1\r\nb: \r\nconnection: x\r\n\r\n\x00\xff",
        ),
        (
            Input(headers={"content-type": "Multipart/Form-Data; x", "content-length": "1"}, data="a\nb"),
            b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-type: Multipart/Form-Data; x\r\nConnection: close\r\n"
            b"\r\na\r\nb",
        ),
        (Input(raw_request="GET /\n"), b"GET /\n"),
    ],
)
def test_headers_are_completed_as_go_ftw_does(given, request_bytes):
    """Else malformed requests would come out well-formed, or the other way round."""
    assert build(given) == [request_bytes]


def test_each_of_several_uris_is_a_request():
    """Else only one of them would be tried."""
    requests = build(Input(uris=("/a", "/b"), uri="/c", autocomplete_headers=False))
    assert requests == [b"GET /a HTTP/1.1\r\n\r\n", b"GET /b HTTP/1.1\r\n\r\n"]


def test_the_template_of_a_body_is_filled_in():
    """Else the text of the template would be sent instead of what it makes."""
    assert fill_template('foo=%3d{{ "+" | repeat 3 }}{{repeat 2 `a"`}}}}{{"\\n"}}') == 'foo=%3d+++a"a"}}\n'


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"protocol": "https"}, "it takes https, not plain HTTP"),
        ({"follow_redirect": True}, "it goes where the answer before it says (follow_redirect)"),
        (
            {"response": {"status": 200}},
            "it needs a web server that answers what the test says (`response`, upstream's albedo)",
        ),
        ({"data": "{{7*7}}"}, "its body is a Go template of which only `repeat` is known: '7*7'"),
        ({"data": '{{ "+" | repeat 34 }'}, "its body is a Go template that does not end"),
        ({"data": '{{ "+" | repeat 999999999 }}'}, "its body has more than 2000000 characters"),
        (
            {"data": '{{ "\\ud800" }}'},
            "its body is a Go template with a text that is not understood: '\"\\\\ud800\"'",
        ),
    ],
)
def test_what_plain_http_cannot_carry_is_an_obstacle_with_its_reason(tmp_path, given, reason):
    """Else something else would be sent, and its failure blamed on the product."""
    stage = {"input": given, "output": {"log": {"expect_ids": [1]}}}
    path = write(tmp_path, yaml.safe_dump({"rule_id": 1, "tests": [{"test_id": 1, "stages": [stage]}]}))
    [procedure], problems = read_ftw_file(path)
    assert (procedure.obstacle, procedure.expected, problems) == (f"manual: {reason}", (Expectation(rules=(1,)),), [])


def test_requests_that_fit_into_no_command_are_an_obstacle():
    """Else the shell would fail with `Argument list too long`, and the product would be judged by nothing."""
    with pytest.raises(Unsendable, match="requests of 200000 bytes don't fit into one command"):
        command([os.urandom(200_000)])


TEST = "- test_id: 1\n  stages: [{input: {}, output: {}}]\n"


@pytest.mark.parametrize(
    ("text", "line", "field", "found", "allowed", "mend"),
    [
        ("tests: 5\n", 1, "tests", "no list of tests", "`tests: [...]`", "Write the file as go-ftw does."),
        (
            f"rule_id: x\ntests:\n{TEST}",
            1,
            "rule_id",
            "'x'",
            "Input should be a valid integer, unable to parse string as an integer",
            "Correct it as upstream writes it.",
        ),
        (
            f"rules: 1\ntests:\n{TEST}",
            1,
            "rules",
            "unknown field 'rules'",
            "author, meta, rule_id, tests",
            "Remove the field.",
        ),
        (
            f"tests:\n{TEST}- stages: [{{input: {{}}, output: {{}}}}]\n",
            4,
            "tests.1.test_id",
            "nothing",
            "a number of its own",
            "Number the tests of a file from 1.",
        ),
        (
            f"tests:\n{TEST}- test_id: 2\n  stages: []\n",
            5,
            "tests.1.stages",
            "no stages",
            "one or more",
            "Write the test as go-ftw does.",
        ),
        (
            f"tests:\n{TEST}- test_id: 2\n  stages:\n  - output: {{}}\n",
            6,
            "tests.1.stages.0.input",
            "nothing",
            "this field is required",
            "Add it as upstream writes it.",
        ),
        (
            f"tests:\n{TEST}- test_id: 2\n  stages:\n  - input:\n      metod: GET\n    output: {{}}\n",
            7,
            "tests.1.stages.0.input.metod",
            "unknown field 'metod'",
            "fields of upstream",
            "Remove the field.",
        ),
        (
            f"tests:\n{TEST}- test_id: 2\n  stages:\n  - input:\n      encoded_request: '*'\n    output: {{}}\n",
            7,
            "tests.1.stages.0.input.encoded_request",
            "'*'",
            "Input should be Base64",
            "Correct it as upstream writes it.",
        ),
        (
            f"tests:\n{TEST}- test_id: 2\n  stages:\n  - input: {{data: a, encoded_request: YQ==}}\n    output: {{}}\n",
            6,
            "tests.1.stages.0",
            "{'input': {'data': 'a', 'encoded_request': 'YQ=='}, 'output': {}}",
            "`data` or `encoded_request`, not both",
            "Correct it as upstream writes it.",
        ),
    ],
)
def test_a_mistake_is_found_with_its_line_and_hides_no_sound_test(tmp_path, text, line, field, found, allowed, mend):
    """Else an author would search for the mistake, or lose the rest of the file."""
    path = write(tmp_path, text)
    procedures, problems = read_ftw_file(path)
    assert problems == [Problem(path=str(path), line=line, field=field, found=found, allowed=allowed, mend=mend)]
    assert [entry.name for entry in procedures] == (["942100-1"] if TEST in text else [])


def test_of_two_tests_with_one_id_the_first_stays(tmp_path):
    """Else a file that is read later could quietly change what a plan runs."""
    path = write(tmp_path, f"rule_id: 942100\ntests:\n{TEST}{TEST}")
    found, problems = read_ftw(tmp_path)
    assert [entry.line for entry in found.values()] == [3]
    assert problems == [
        Problem(
            path=str(path), line=5, field="test_id", found="942100-1 a second time",
            allowed=f"an id of its own; this one is in {path}:3", mend="Give it another one.",
        )
    ]  # fmt: skip


def test_other_yaml_files_are_passed_over(tmp_path):
    """Else the folder of the real rule set could not be given as it is."""
    write(tmp_path, "attack_technique: T1190\natomic_tests: []\n", "T1190.yaml")
    write(tmp_path, "tests: [a, b]\n", "workflow.yml")
    (tmp_path / "folder.yaml").mkdir()
    assert read_ftw(tmp_path) == ({}, [])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"rule_id: 1\ntests:\n- \x00\n", id="control characters"),
        pytest.param(b"rule_id: 1\ntests:\n- \xff\n", id="no UTF-8"),
        pytest.param(b"rule_id: 1\ntests:\n" + b"- x\n" * 12_500_000, id="50 MB"),
        pytest.param(
            b"rule_id: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
            + b"".join(b"k%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 8))
            + b"tests: []\n",
            id="anchor bomb",
        ),
        pytest.param(b"rule_id: 1\ntests:\n- 2020-99-99\n", id="a date that is none"),
        pytest.param(b"rule_id: 1\ntests: [" + b"[" * 100_000, id="nesting without end"),
    ],
)
def test_a_file_that_is_no_reasonable_yaml_is_one_problem(tmp_path, content):
    """Else one file could stop everything."""
    path = tmp_path / "1.yaml"
    path.write_bytes(content)
    found, problems = read_ftw(tmp_path)
    assert (found, [problem.path for problem in problems]) == ({}, [str(path)])


class Server:
    """Takes whole requests until the other side has been silent for a moment, and answers the same each time."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _address = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(0.5)
                data = b""
                try:
                    while more := connection.recv(65536):
                        data += more
                except TimeoutError:
                    pass
                self.received.append(data)
                connection.sendall(ANSWER)

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.close()


@pytest.mark.parametrize(
    "requests",
    [
        [bytes(range(256)) * 3 + b"\r\n\r\n"],
        [b"GET /1 HTTP/1.1\r\n\r\n", b"'$(id)` \\ %s #{port} \xff\xfe\x00", b"\n"],
        [b"A" * 200_000],  # too long for one argument of a shell unless it is packed
    ],
)
def test_bash_sends_exactly_these_bytes_and_prints_the_answers(tmp_path, server, requests):
    """Else everything above would be true of a text, not of what a product sees."""
    encoded = [base64.b64encode(request).decode() for request in requests]
    stages = [{"input": {"encoded_request": text}, "output": {}} for text in encoded]
    path = write(tmp_path, yaml.safe_dump({"rule_id": 1, "tests": [{"test_id": 1, "stages": stages}]}))
    [procedure], problems = read_ftw_file(path)
    port = str(server.socket.getsockname()[1])
    instance = instantiate(procedure, {"host": "127.0.0.1", "port": port})
    done = subprocess.run(["bash", "-c", instance.command], capture_output=True, check=False, timeout=60)
    assert (problems, done.returncode, done.stderr) == ([], 0, b"")
    assert server.received == requests
    assert done.stdout == ANSWER * len(requests)


def test_bash_fails_where_nobody_listens(tmp_path):
    """Else a request that was never sent would look like one that the product let pass."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    [procedure], _problems = read_ftw_file(write(tmp_path, f"rule_id: 1\ntests:\n{TEST}"))
    instance = instantiate(procedure, {"host": "127.0.0.1", "port": port})
    done = subprocess.run(["bash", "-c", instance.command], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_requests_of_a_command_are_read_back_byte_for_byte():
    """Else what a sender of another kind sends would not be what the corpus says, packed requests above all."""
    plain = [b"GET /?q=%27 HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00\xff'\n"]
    packed = [b"POST / HTTP/1.1\r\n\r\n" + b"A" * MAX_COMMAND_BYTES]
    assert [requests_of(command(plain)), requests_of(command(packed))] == [plain, packed]
