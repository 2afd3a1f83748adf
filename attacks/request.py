"""A web request as a procedure: the exact bytes, sent by bash alone, and what upstream expects of a product."""

import base64
import gzip
import re
import uuid
from collections.abc import Sequence
from pathlib import Path

from attacks.procedure import Executor, InputArgument, Procedure
from results.documents import Definition

TECHNIQUE = "T1190"
"""Exploit Public-Facing Application; neither corpus names a technique."""
MAX_COMMAND_BYTES = 120_000
"""Linux takes at most 131072 bytes as one argument of a program, and a command is one argument of its shell."""
ANSWER_BYTES = 4096
SEND_S = 5
"""Seconds for sending one request, and again for its answer."""

SENT = re.compile(r"^printf %s '([A-Za-z0-9+/=]*)' \| (.*)$", re.MULTILINE)
"""A request in the text of `command`, and what it goes through."""


class Unsendable(ValueError):
    """The request can't be sent as HTTP/1.1 over plain TCP; its text says why, for a person."""


class Expectation(Definition):
    """What upstream expects of one request. Nothing stated means that upstream doesn't look at it."""

    rules: tuple[int, ...] = ()
    """OWASP CRS rules that must be in the product's log."""
    no_rules: tuple[int, ...] = ()
    """OWASP CRS rules that must not be."""
    log_matches: str | None = None
    """Regular expression that the product's log must match."""
    log_lacks: str | None = None
    """Regular expression that it must not match."""
    status: tuple[int, ...] = ()
    """HTTP status codes of the answer, any of them."""
    response_contains: str | None = None
    """Regular expression that the answer must match."""
    no_answer: bool | None = None
    """True: the connection must fail instead of an answer."""
    isolated: bool = False
    """No other rule than those of `rules` may be in the log."""
    blocked: bool | None = None
    """Whether the product must refuse the request (an attack) or let it pass (ordinary text)."""


class WebProcedure(Procedure):
    """A procedure that sends web requests."""

    benign: bool = False
    """Ordinary text that only looks like an attack. A go-ftw test never says so of itself: see `expected`."""
    expected: tuple[Expectation, ...]
    """One for each request, in their order; none where the obstacle kept the requests from being built."""


def web_procedure(
    *,
    corpus: str,
    key: str,
    name: str,
    description: str,
    requests: Sequence[bytes] | Unsendable,
    expected: tuple[Expectation, ...],
    path: Path,
    line: int | None,
    benign: bool = False,
) -> WebProcedure:
    """The procedure that sends requests one after the other.

    Args:
        corpus: where it is from.
        key: what tells it from all others of its corpus, wherever the files lie.
        name: upstream's.
        description: upstream's.
        requests: their bytes, or why they can't be sent.
        expected: by upstream, of each.
        path: of its file.
        line: in its file.
        benign: whether upstream calls it harmless.
    """
    arguments = {
        "host": InputArgument(description="name or address of the web server"),
        "port": InputArgument(description="its port for plain HTTP", type="integer", default="80"),
    }
    return WebProcedure(
        guid=identify(corpus, key),
        name=name,
        technique=TECHNIQUE,
        description=description,
        platforms=("linux",),
        arguments=arguments,
        dependencies=(),
        executor=_executor(requests),
        corpus=corpus,
        timeout_s=None if isinstance(requests, Unsendable) else 20.0 + 2 * SEND_S * len(requests),
        path=str(path),
        line=line,
        benign=benign,
        expected=expected,
    )


def identify(corpus: str, key: str) -> str:
    """The GUID of a procedure of a corpus that gives none."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{corpus}:{key}"))


def command(requests: Sequence[bytes]) -> str:
    """Bash that sends each request over a connection of its own and prints the beginning of each answer.

    Raises:
        Unsendable: they don't fit into one command.
    """
    plain = "".join(_sending(request, "", "timeout {s} base64 -d >&3") for request in requests)
    if len(plain) <= MAX_COMMAND_BYTES:
        return plain
    packed = "".join(
        _sending(gzip.compress(request, mtime=0), " | timeout {s} gzip -d >&3", "base64 -d") for request in requests
    )
    if len(packed) <= MAX_COMMAND_BYTES:
        return packed
    total = sum(len(request) for request in requests)
    raise Unsendable(f"requests of {total} bytes don't fit into one command")


def requests_of(text: str) -> list[bytes]:
    """The requests that a text of `command` sends, for who sends them by other means."""
    found = []
    for data, pipe in SENT.findall(text):
        decoded = base64.b64decode(data)
        found.append(gzip.decompress(decoded) if "gzip -d" in pipe else decoded)
    return found


def _sending(data: bytes, then: str, decode: str) -> str:
    text = base64.b64encode(data).decode("ascii")
    pipe = f"{decode}{then}".replace("{s}", str(SEND_S))
    return (
        'exec 3<>"/dev/tcp/#{host}/#{port}" || exit 1\n'
        f"printf %s '{text}' | {pipe}\n"
        f"timeout {SEND_S} head -c {ANSWER_BYTES} <&3\n"
        "exec 3>&-\n"
    )


def _executor(requests: Sequence[bytes] | Unsendable) -> Executor:
    if isinstance(requests, Unsendable):
        return Executor(name="manual", steps=str(requests))
    try:
        return Executor(name="bash", command=command(requests))
    except Unsendable as error:
        return Executor(name="manual", steps=str(error))
