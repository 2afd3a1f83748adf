"""The bytes that go-ftw sends for one `input`, built as its own `ftwhttp` and `test` packages do."""

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import quote_plus

from pydantic import BaseModel, ConfigDict, field_validator

from attacks.request import Unsendable

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data;"
HAS_BODY = re.compile(r"^POST|PUT|PATCH|DELETE$")
"""Upstream's own expression, without brackets as upstream has it."""
MAX_BODY = 2_000_000
"""Bytes; a template could ask for more than the machine has."""
ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
TEXT = r'"(?:[^"\\\n]|\\.)*"|`[^`]*`'
REPEAT = re.compile(rf"\s*(?:({TEXT})\s*\|\s*repeat\s+(\d{{1,9}})|repeat\s+(\d{{1,9}})\s+({TEXT})|({TEXT}))\s*")


class Input(BaseModel):
    """One request, upstream's own keys; see coreruleset/ftw-tests-schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dest_addr: str | None = None
    port: int | None = None
    protocol: str | None = None
    uri: str | None = None
    uris: tuple[str, ...] | None = None
    follow_redirect: bool | None = None
    version: str | None = None
    method: str | None = None
    headers: dict[str, str | None] | None = None
    data: str | None = None
    encoded_data: str | None = None
    save_cookie: bool | None = None
    stop_magic: bool | None = None
    autocomplete_headers: bool | None = None
    encoded_request: str | None = None
    raw_request: str | None = None
    response: dict[str, Any] | None = None
    virtual_host_mode: bool | None = None

    @field_validator("encoded_request", "encoded_data")
    @classmethod
    def _is_base64(cls, text: str | None) -> str | None:
        decode(text or "")
        return text

    @property
    def completes(self) -> bool:
        """Whether go-ftw adds the headers that are missing."""
        if self.autocomplete_headers is not None:
            return self.autocomplete_headers
        return not self.stop_magic


def decode(text: str) -> bytes:
    """Base64 as Go decodes it: line breaks don't count.

    Raises:
        ValueError: it is no Base64.
    """
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", "").encode("utf-8"), validate=True)
    except binascii.Error:
        raise ValueError("Input should be Base64") from None


def build(given: Input) -> list[bytes]:
    """The requests of one stage: one, or one for each of its `uris`.

    Raises:
        Unsendable: it takes more than HTTP/1.1 over plain TCP.
    """
    if given.follow_redirect:
        raise Unsendable("it goes where the answer before it says (follow_redirect)")
    if (given.protocol or "http").lower() != "http":
        raise Unsendable(f"it takes {given.protocol}, not plain HTTP")
    if given.response:
        raise Unsendable("it needs a web server that answers what the test says (`response`, upstream's albedo)")
    if given.encoded_request:
        return [decode(given.encoded_request)]
    if given.raw_request:
        return [given.raw_request.encode("utf-8")]
    uri = "/" if given.uri is None else given.uri
    return [_build(given, one) for one in given.uris or (uri,)]


def _build(given: Input, uri: str) -> bytes:
    method = "GET" if given.method is None else given.method
    version = "HTTP/1.1" if given.version is None else given.version
    headers = [(name, value or "") for name, value in sorted((given.headers or {}).items())]
    data = _body(given)
    if data and given.completes:
        if not _values(headers, "content-type"):
            headers.append(("Content-Type", FORM))
        if any(value.lower() == FORM for value in _values(headers, "content-type")):
            data = _form_encoded(data)
    if any(MULTIPART in value.lower() for value in _values(headers, "content-type")):
        data = data.replace(b"\n", b"\r\n")
    if given.completes:
        if not _values(headers, "connection"):
            headers.append(("Connection", "close"))
        if not _values(headers, "content-length") and (data or HAS_BODY.search(method)):
            headers.append(("Content-Length", str(len(data))))
    lines = [f"{method} {uri} {version}", *(f"{name}: {value}" for name, value in headers)]
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8") + b"\r\n" + data


def _values(headers: list[tuple[str, str]], wanted: str) -> list[str]:
    return [value for name, value in headers if name.lower() == wanted]


def _body(given: Input) -> bytes:
    if given.data is not None:
        return fill_template(given.data).encode("utf-8")
    return decode(given.encoded_data or "")


def _form_encoded(data: bytes) -> bytes:
    """Names and values URL-encoded, if nothing of it looks encoded yet."""
    if b"%" in data or b"+" in data:
        return data
    pairs = [pair.partition(b"=") for pair in data.removesuffix(b"&").split(b"&")]
    return "&".join(quote_plus(name) + equals.decode() + quote_plus(value) for name, equals, value in pairs).encode()


def fill_template(text: str) -> str:
    """The Go template that `data` is. Of its functions only `repeat` is known: upstream's tests use no other.

    Raises:
        Unsendable: it is another template.
    """
    pieces: list[str] = []
    end = size = 0
    for action in ACTION.finditer(text):
        count, unit = _repetition(action.group(1))
        size += count * len(unit)
        if size > MAX_BODY:
            raise Unsendable(f"its body has more than {MAX_BODY} characters")
        pieces += [text[end : action.start()], unit * count]
        end = action.end()
    rest = text[end:]
    if "{{" in rest or any("{{" in piece for piece in pieces[::2]):
        raise Unsendable("its body is a Go template that does not end")
    return "".join([*pieces, rest])


def _repetition(action: str) -> tuple[int, str]:
    match = REPEAT.fullmatch(action)
    if match is None:
        raise Unsendable(f"its body is a Go template of which only `repeat` is known: {action.strip()[:80]!r}")
    piped, piped_count, count, given, alone = match.groups()
    literal = piped or given or alone
    try:
        unit = str(literal[1:-1] if literal.startswith("`") else json.loads(literal, strict=False))
        unit.encode("utf-8")
    except (json.JSONDecodeError, UnicodeEncodeError):
        raise Unsendable(f"its body is a Go template with a text that is not understood: {literal[:80]!r}") from None
    return int(piped_count or count or 1), unit
