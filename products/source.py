"""Where a product's records come out, how they are read, and what of them is kept: the source part of a manifest."""

from enum import StrEnum

from pydantic import Field

from results.documents import Definition
from results.records import Slug


class Transport(StrEnum):
    """How syslog travels."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class SyslogListener(Definition):
    """The product sends syslog (RFC 5424 or RFC 3164) to 127.0.0.1, where pij listens in its network namespace."""

    transport: Transport = Transport.UDP
    port: int = Field(default=5514, ge=1024, le=65535)


class Webhook(Definition):
    """The product posts to http://127.0.0.1:<port><path>, where pij listens in its network namespace."""

    port: int = Field(default=8088, ge=1024, le=65535)
    path: str = "/alerts"
    secret: Slug
    """The shared secret (see `secrets`, or `generated`: pij draws one and fills `${webhook_secret}`)."""
    header: str = "Authorization"
    """The header that must hold the secret, alone or after `Bearer `; what comes without it is counted, not read."""


class HttpPoll(Definition):
    """pij asks an HTTP API of the product, from inside its network namespace."""

    url: str
    """`http://127.0.0.1:…`; `${since}` is the time of the latest record read so far (ISO 8601)."""
    headers: dict[str, str] = {}
    """`${secret:ID}` is one of the product's secrets."""
    every_s: float = Field(default=0.5, ge=0.1, le=60)


class CommandPoll(Definition):
    """pij runs a command in the component's container again and again and reads what it prints."""

    command: tuple[str, ...]
    every_s: float = Field(default=0.5, ge=0.1, le=60)


class SqliteTable(Definition):
    """A SQLite database in the component's container, read again and again."""

    file: str
    query: str
    """One SELECT; each row becomes a JSON object with the columns' names. `:last` is the largest value of `cursor` so
    far (0 at first)."""
    cursor: str
    """Column that grows with each row."""
    every_s: float = Field(default=0.5, ge=0.1, le=60)


class Format(StrEnum):
    """How a record of a source is read."""

    JSON_LINES = "json_lines"
    """One JSON object a line."""
    JSON = "json"
    """A whole document (webhook, poll, or a file that is written anew); `items` says where its records are."""
    REGEX = "regex"
    CEF = "cef"
    """ArcSight Common Event Format, with or without a syslog header."""
    LEEF = "leef"
    """IBM Log Event Extended Format 1.0 and 2.0."""
    KEY_VALUE = "key_value"
    """`key=value key2="quoted value"`."""
    XML = "xml"
    """A whole element a line or document; attributes are `@name`, text is `#text`."""


class PidNamespace(StrEnum):
    """Where the pids that a product reports come from."""

    HOST = "host"
    NODE = "node"


class Source(Definition):
    """Where a product's alerts or telemetry come out, and how a line becomes a normalised record."""

    component: Slug
    file: str | None = None
    """A file in the component's container that lines are appended to; rotation is followed."""
    container_log: bool = False
    """What the component's `start` command writes to stdout."""
    syslog: SyslogListener | None = None
    webhook: Webhook | None = None
    http: HttpPoll | None = None
    command: CommandPoll | None = None
    sqlite: SqliteTable | None = None
    format: Format
    items: str | None = None
    """JMESPath to the list of records in one document; the whole document is one record if not given."""
    identity: str | None = None
    """JMESPath; with a poll, a record whose value here was read before is not read again (else: the same record)."""
    mapping: Slug | None = None
    """A ready-made mapping of `products/mappings/`, whose `where`, `map` and times hold where this source says none."""
    pattern: str | None = None
    """For `regex`: named groups become the record's fields; lines without a match are skipped silently
    only if `skip_others` says so."""
    skip_others: bool = False
    where: str | None = None
    """JMESPath; the line is a record only where it is true."""
    map: dict[str, str] = {}
    """Field of `Observation` -> JMESPath over the line. Literals are JMESPath literals (`'blocked'`)."""
    time_format: str = "iso8601"
    """`iso8601`, `epoch_s` (may have decimals), `epoch_ms`, `epoch_us`, `epoch_ns`, `filetime` (Windows), `syslog`
    (RFC 3164 or ISO 8601), `cef`, or a strptime format. A missing year is the one nearest to receipt."""
    time_zone: str | None = None
    """Of times that print none: a name (`Asia/Tokyo`) or an offset (`+09:00`); UTC if not given."""
    printed_zone_is_wrong: bool = False
    """The product prints a zone that it does not mean; `time_zone` holds instead."""
    time_resolution_s: float = 0.0
    """How coarse the printed time is: 1.0 if cut to whole seconds. It is then taken as the latest moment that it can
    mean, but never after receipt, so that an alert does not seem to come before its cause."""
    pid_namespace: PidNamespace = PidNamespace.HOST
