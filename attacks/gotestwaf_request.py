"""The bytes that GoTestWAF sends for one payload: its encoders, its placeholders, and how Go's `net/http` writes them.

GoTestWAF draws parameter names and multipart boundaries at random; here they are drawn from the procedure's own key,
so that a procedure is the same each time. The server is `http://localhost`, as if GoTestWAF had been told so.
"""

import base64
import hashlib
import html
import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import quote_plus, unquote_to_bytes

from pydantic import BaseModel, ConfigDict

from attacks.request import Unsendable

HEADERS = {
    "Connection": "close",
    "Pragma": "no-cache",
    "Cache-Control": "no-cache",
    "Upgrade-Insecure-Requests": "1",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/107.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,"
    "application/signed-exchange;v=b3;q=0.9",
    "Sec-Fetch-Site": "none",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-User": "?1",
    "Sec-Fetch-Dest": "document",
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "en-US,en;q=0.9",
}
"""GoTestWAF's own `config.yaml`."""
WRITTEN_APART = ("Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer")
"""Headers that Go writes itself, whatever a request says of them."""
TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
CONTROL_BUT_TAB = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
PATH_SAFE = re.compile(rb"[A-Za-z0-9\-_.~$&+,/:;=@!'()*\[\]%]*")
PATH_ESCAPED = re.compile(rb"[^A-Za-z0-9\-_.~$&+,/:;=@]")
BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
XML_ESCAPES = {"&#x27;": "&#39;", "&quot;": "&#34;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
BLANK = " \t\r\n"
SLOT = "{{payload}}"
SOAP = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
\txmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
\t<soapenv:Header>
\t\t<ns1:RequestHeader soapenv:actor="http://schemas.xmlsoap.org/soap/actor/next"
\t\t\tsoapenv:mustUnderstand="0" xmlns:ns1="https://www.google.com/apis/ads/publisher/v202002">
\t\t</ns1:RequestHeader>
\t</soapenv:Header>
\t<soapenv:Body>
\t\t<getAdUnitsByStatement xmlns="https://www.google.com/apis/ads/publisher/v202002">
\t\t\t<filterStatement>
\t\t\t\t<{name}>{payload}</{name}>
\t\t\t</filterStatement>
\t\t</getAdUnitsByStatement>
\t</soapenv:Body>
</soapenv:Envelope>"""
JSON = "application/json"
XML = "text/xml"
FORM = "application/x-www-form-urlencoded"


class Settings(BaseModel):
    """What a set may say of a `RawRequest` or `GraphQL` placeholder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    path: str = "/"
    headers: dict[str, str] = {}
    body: str = ""


class GraphQLSettings(Settings):
    """GraphQL knows two methods."""

    method: Literal["GET", "POST"]


class Sent(BaseModel):
    """A request as Go's client is given it."""

    model_config = ConfigDict(frozen=True)

    method: str = "GET"
    path: str = "/"
    """What follows the host in the URL, before Go looks at it."""
    headers: dict[str, str] = {}
    body: str = ""
    names_agent: bool = False
    """The User-Agent is the payload, even if that is empty."""


def encode_base64(text: str) -> str:
    """Base64."""
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def encode_js_unicode(text: str) -> str:
    r"""`\u` and four digits for each UTF-16 unit."""
    units = text.encode("utf-16-be")
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))


def encode_xml(text: str) -> str:
    """Go's `encoding/xml` of a text, which puts an element `string` around it."""
    escaped = html.escape(NOT_XML.sub("\ufffd", text), quote=True)
    for written, wanted in XML_ESCAPES.items():
        escaped = escaped.replace(written, wanted)
    return f"<string>{escaped}</string>"


ENCODERS: Mapping[str, Callable[[str], str]] = {
    "Base64": encode_base64,
    "Base64Flat": lambda text: encode_base64(text).replace("=", ""),
    "JSUnicode": encode_js_unicode,
    "Plain": lambda text: text,
    "URL": lambda text: quote_plus(text, safe=""),
    "XMLEntity": encode_xml,
}


def _html_multipart(payload: str, key: str) -> Sent:
    boundary = hashlib.sha256(key.encode("utf-8")).hexdigest()[:60]
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="{_name(key)}"\r\n\r\n{payload}\r\n--{boundary}--\r\n'
    return Sent(method="POST", headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}, body=part)


def _json_request(payload: str, key: str) -> Sent:
    body = f'{{"test":true, "{_name(key)}": "{encode_js_unicode(payload)}"}}'
    return Sent(method="POST", headers={"Content-Type": JSON}, body=body)


def _soap_body(payload: str, key: str) -> Sent:
    body = SOAP.format(name=f"ab{_name(key)}", payload=encode_xml(payload))
    action = '"http://schemas.xmlsoap.org/soap/actor/next"'
    return Sent(method="POST", headers={"SOAPAction": action, "Content-Type": XML}, body=body)


def _body(media_type: str | None, method: str = "POST") -> Callable[[str, str], Sent]:
    headers = {"Content-Type": media_type} if media_type else {}
    return lambda payload, key: Sent(method=method, headers=headers, body=payload)


PLACEHOLDERS: Mapping[str, Callable[[str, str], Sent]] = {
    "Header": lambda payload, key: Sent(headers={f"X-{_name(key)}": payload}),
    "HTMLForm": lambda payload, key: Sent(
        method="POST", headers={"Content-Type": FORM}, body=f"{_name(key)}={payload}"
    ),
    "HTMLMultipartForm": _html_multipart,
    "JSONBody": _body(JSON),
    "JSONRequest": _json_request,
    "NonCRUDHeader": lambda payload, key: Sent(method="CUST", headers={f"X-{_name(key)}": payload}),
    "NonCRUDRequestBody": _body(None, "CUST"),
    "NonCrudUrlParam": lambda payload, key: Sent(method="CUST", path=f"/?{_name(key)}={payload}"),
    "NonCrudUrlPath": lambda payload, key: Sent(method="CUST", path=f"/{payload}"),
    "RequestBody": _body(None),
    "SOAPBody": _soap_body,
    "URLParam": lambda payload, key: Sent(path=f"/?{_name(key)}={payload}"),
    "URLPath": lambda payload, key: Sent(path=f"/{payload}"),
    "UserAgent": lambda payload, key: Sent(headers={"User-Agent": payload}, names_agent=True),
    "XMLBody": _body(XML),
}
"""Those without settings, also of older releases: (encoded payload, the procedure's key) -> request."""
CONFIGURED: Mapping[str, type[Settings]] = {"GraphQL": GraphQLSettings, "RawRequest": Settings}
"""Those that need settings."""
GRPC = "gRPC"


def build(payload: str, encoder: str, placeholder: str, settings: Settings | None, key: str) -> bytes:
    """The bytes of one request.

    Args:
        payload: as the set says it.
        encoder: one of `ENCODERS`.
        placeholder: one of `PLACEHOLDERS`, `CONFIGURED` or `GRPC`.
        settings: for those of `CONFIGURED`.
        key: what names and boundaries are drawn from.

    Raises:
        Unsendable: GoTestWAF would send it otherwise than as HTTP/1.1, or could not send it either.
    """
    if placeholder == GRPC:
        raise Unsendable("gRPC takes HTTP/2")
    encoded = ENCODERS[encoder](payload)
    if settings is None:
        return write(PLACEHOLDERS[placeholder](encoded, key))
    return write(_graphql(encoded, settings) if placeholder == "GraphQL" else _raw(encoded, settings))


def write(sent: Sent) -> bytes:
    """A request as Go's `net/http` writes it.

    Raises:
        Unsendable: Go refuses to.
    """
    if sent.method and not TOKEN.fullmatch(sent.method):
        raise Unsendable(f"Go's client refuses the method {sent.method!r}")
    headers = {_canonical(name): value for name, value in sent.headers.items()}
    for name, value in HEADERS.items():
        if not headers.get(name) and not (name == "User-Agent" and sent.names_agent):
            headers[name] = value
    for name, value in headers.items():
        if not TOKEN.fullmatch(name) or CONTROL_BUT_TAB.search(value):
            raise Unsendable(f"Go's client refuses the header {name}: {value[:40]!r}")
    method = sent.method or "GET"
    body = sent.body.encode("utf-8")
    lines = [f"{method} ".encode() + _request_uri(sent.path) + b" HTTP/1.1", b"Host: localhost"]
    if agent := headers["User-Agent"].strip(BLANK):
        lines.append(f"User-Agent: {agent}".encode())
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}".encode())
    lines += [f"{name}: {headers[name].strip(BLANK)}".encode() for name in sorted(headers) if name not in WRITTEN_APART]
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def _request_uri(path: str) -> bytes:
    """What Go makes of the part of a URL after the host: `url.Parse`, then `RequestURI`."""
    if CONTROL.search(path):
        raise Unsendable("Go's client refuses control characters in a URL")
    before, _hash, fragment = path.partition("#")
    where, question, query = before.partition("?")
    raw = where.encode("utf-8")
    if BAD_PERCENT.search(raw) or BAD_PERCENT.search(fragment.encode("utf-8")):
        raise Unsendable("Go's client refuses a URL with a `%` that escapes nothing")
    if not PATH_SAFE.fullmatch(raw):
        raw = PATH_ESCAPED.sub(lambda match: b"%%%02X" % match.group()[0], unquote_to_bytes(raw))
    return raw + question.encode() + query.encode("utf-8")


def _raw(payload: str, settings: Settings) -> Sent:
    return Sent(
        method=settings.method,
        path=f"/{settings.path.removeprefix('/')}".replace(SLOT, payload),
        headers={name: value.replace(SLOT, payload) for name, value in settings.headers.items()},
        body=settings.body.replace(SLOT, payload),
    )


def _graphql(payload: str, settings: Settings) -> Sent:
    if settings.method == "GET":
        return Sent(path=f"/graphql?query={quote_plus(payload, safe='')}")
    return Sent(method="POST", path="/graphql", body=payload)


def _name(key: str) -> str:
    """Ten hexadecimal digits, where GoTestWAF takes five random bytes."""
    return hashlib.sha256(f"name:{key}".encode()).hexdigest()[:10]


def _canonical(name: str) -> str:
    """Go's `CanonicalMIMEHeaderKey`."""
    return "-".join(part.capitalize() for part in name.split("-")) if TOKEN.fullmatch(name) else name
