"""The header of a syslog message: RFC 5424, RFC 3164 as it is met in practice, and rsyslog's file format.

Nothing here raises: what has no header that can be read is a message without one.
"""

import re
from typing import Any

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""RFC 5424, table 2, by number."""
FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
"""RFC 5424, table 1, by number, with the names that Linux gives them."""
HEADER_CAP = 8192
"""Characters in which a header must end."""

PRIORITY = re.compile(r"<(\d{1,3})>")
RFC5424 = re.compile(
    r"1 (?P<time>\S{1,64}) (?P<host>\S{1,255}) (?P<app>\S{1,255}) (?P<pid>\S{1,128}) (?P<msgid>\S{1,64}) "
)
"""After the priority: VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID (RFC 5424, section 6)."""
ELEMENT = re.compile(
    r'\[(?P<id>[^\s=\]"]{1,64})(?P<parameters>(?: [^\s=\]"]{1,64}="(?:[^"\\\]]|\\.)*+")*+)\]', re.DOTALL
)
PARAMETER = re.compile(r' ([^\s=\]"]{1,64})="((?:[^"\\\]]|\\.)*+)"', re.DOTALL)
ESCAPED = re.compile(r'\\(["\\\]])')
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
TIME = re.compile(
    rf"(?P<time>{MONTH} [ \d]\d(?: \d{{4}})? \d\d:\d\d:\d\d(?:\.\d{{1,9}})?"
    r"|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)(?: |$)"
)
"""RFC 3164, section 4.1.2, and the ISO form that rsyslog writes to files and forwards."""
TAG = re.compile(r"(?P<app>[^\s:\[\]<>\"={}|]{1,64})(?:\[(?P<pid>[^\]\s]{1,64})\])?:(?: |$)")
HOST = re.compile(r"(?P<host>[^\s:\[\]<>\"={}|]{1,255}|[0-9A-Fa-f:.]{2,45})(?: |$)")

Header = dict[str, Any]


def split_header(text: str) -> tuple[Header | None, str]:
    """Take the syslog header off a message.

    Args:
        text: one message, without its framing.

    Returns:
        The header's fields as far as it has them (`host`, `app`, `pid`, `time` as printed, `severity` and `facility`
        by name, `msgid`, `structured`: element -> parameter -> value), or None if there is no header; and the rest.
    """
    start = text[:HEADER_CAP]
    header: Header = {}
    priority = PRIORITY.match(start)
    position = 0
    if priority is not None:
        number = int(priority.group(1))
        if number >= len(FACILITIES) * 8:
            return None, text
        header = {"severity": SEVERITIES[number % 8], "facility": FACILITIES[number // 8]}
        position = priority.end()
        modern = RFC5424.match(start, position)
        if modern is not None:
            return _modern(header, modern, text)
    legacy = _legacy(start, position)
    if legacy is None:
        return (header, text[position:]) if header else (None, text)
    fields, position = legacy
    return {**header, **fields}, text[position:]


def _modern(header: Header, found: re.Match[str], text: str) -> tuple[Header, str]:
    header |= {name: value for name, value in found.groupdict().items() if value != "-"}
    position = found.end()
    structured: dict[str, dict[str, str]] = {}
    if text.startswith("-", position):
        position += 1
    else:
        while (element := ELEMENT.match(text, position)) is not None:
            parameters = structured.setdefault(element.group("id"), {})
            for name, value in PARAMETER.findall(element.group("parameters")):
                parameters.setdefault(name, ESCAPED.sub(r"\1", value))
            position = element.end()
    if structured:
        header["structured"] = structured
    return header, text[position:].removeprefix(" ").removeprefix("\ufeff")


def _legacy(start: str, position: int) -> tuple[Header, int] | None:
    """`Mmm dd hh:mm:ss [host] [tag[pid]:]`; a program that logs to its own machine leaves the host out."""
    time = TIME.match(start, position)
    if time is None:
        return None
    header: Header = {"time": time.group("time")}
    position = time.end()
    tag = TAG.match(start, position)
    if tag is None:
        host = HOST.match(start, position)
        if host is not None:
            header["host"] = host.group("host")
            position = host.end()
            tag = TAG.match(start, position)
    if tag is not None:
        header |= {name: value for name, value in tag.groupdict().items() if value is not None}
        position = tag.end()
    return header, position
