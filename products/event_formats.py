r"""CEF, LEEF and key=value: one event's text becomes a flat mapping of strings.

Every function reads in time proportional to the length of its text, whatever stands in it, and raises `ValueError`
with the reason where the text is none of its format. Where a key comes twice the first holds: a value that a product
failed to escape can't overwrite what the product itself said before it.

Sources: ArcSight "Common Event Format Implementing", version 26 (header escapes `\|` and `\\`, extension escapes
`\=`, `\\`, `\n`, `\r`); IBM "Log Event Extended Format (LEEF)" versions 1.0 and 2.0.
"""

import re
from itertools import zip_longest

Fields = dict[str, object]

CEF_HEADER = ("cefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity")
LEEF_HEADER = ("leefVersion", "vendor", "product", "productVersion", "eventId")
CEF_KEY = re.compile(r"(?:^|(?<=\s))([\w.\[\]-]{1,128})=")
HEADER_FIELD = re.compile(r"((?:\\.|[^|\\])*+)\|", re.DOTALL)
HEADER_ESCAPE = re.compile(r"\\([|\\])")
VALUE_ESCAPE = re.compile(r"\\([=\\|nr])")
LABEL = re.compile(r"(.+)Label")
HEXADECIMAL = re.compile(r"(?:0?[xX])([0-9A-Fa-f]{1,4})")
PAIR = re.compile(
    r"""(?<![^\s,;])(?P<key>[^\s=",;]{1,256})=(?:"(?P<double>(?:[^"\\]|\\.)*+)"|'(?P<single>(?:[^'\\]|\\.)*+)'|(?P<plain>\S*))""",
    re.DOTALL,
)
QUOTED_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_cef(text: str) -> Fields:
    """Read an event in ArcSight's Common Event Format.

    Returns:
        The header by the names of `CEF_HEADER`, the extension's keys beside it, and, for each `xLabel` with a value
        `x`, that value under the label's own text, where no other field has that name.

    Raises:
        ValueError: the text is no CEF.
    """
    start = text.find("CEF:")
    if start < 0:
        raise ValueError("no CEF: in it")
    values, rest = _header(text[start + 4 :], len(CEF_HEADER), "CEF")
    fields: Fields = dict(zip(CEF_HEADER, values, strict=True))
    keys = list(CEF_KEY.finditer(rest))
    for key, following in zip_longest(keys, keys[1:]):
        # The one space before the next key belongs to neither.
        value = rest[key.end() : following.start() - 1] if following is not None else rest[key.end() :].rstrip()
        fields.setdefault(key.group(1), VALUE_ESCAPE.sub(_unescaped, value))
    for name, label in list(fields.items()):
        labelled = LABEL.fullmatch(name)
        if labelled is not None and isinstance(label, str) and label and labelled.group(1) in fields:
            fields.setdefault(label, fields[labelled.group(1)])
    return fields


def read_leef(text: str) -> Fields:
    """Read an event in IBM's Log Event Extended Format, version 1.0 or 2.0.

    Returns:
        The header by the names of `LEEF_HEADER`, and the attributes beside it.

    Raises:
        ValueError: the text is no LEEF.
    """
    start = text.find("LEEF:")
    if start < 0:
        raise ValueError("no LEEF: in it")
    values, rest = _header(text[start + 5 :], len(LEEF_HEADER), "LEEF")
    fields: Fields = dict(zip(LEEF_HEADER, values, strict=True))
    delimiter = "\t"
    if values[0].startswith("2"):
        declared, bar, after = rest.partition("|")
        # Some products leave the field for the delimiter out altogether; then an attribute stands there.
        if bar and "=" not in declared[1:]:
            delimiter, rest = _delimiter(declared), after
    for attribute in rest.rstrip("\r\n").split(delimiter):
        key, equals, value = attribute.partition("=")
        if equals and key.strip():
            fields.setdefault(key.strip(), value)
    return fields


def read_key_value(text: str) -> Fields:
    r"""Read `key=value key2="quoted value" key3='another'` (logfmt and its relatives).

    In quotes `\"`, `\\`, `\n`, `\r` and `\t` are escapes. Pairs are parted by spaces, commas or semicolons followed by
    a space; words that are no pair are left out.

    Raises:
        ValueError: there is no pair in it.
    """
    fields: Fields = {}
    for pair in PAIR.finditer(text):
        quoted = pair.group("double") if pair.group("double") is not None else pair.group("single")
        if quoted is not None:
            value = QUOTED_ESCAPE.sub(lambda match: ESCAPES.get(match.group(1), match.group(1)), quoted)
        else:
            value = pair.group("plain").rstrip(",;")
        fields.setdefault(pair.group("key"), value)
    if not fields:
        raise ValueError("no key=value in it")
    return fields


def _header(text: str, count: int, name: str) -> tuple[list[str], str]:
    values: list[str] = []
    position = 0
    while len(values) < count:
        field = HEADER_FIELD.match(text, position)
        if field is None:
            # An event without extension may end without the last bar.
            if len(values) == count - 1 and text[position:].strip():
                return [*values, HEADER_ESCAPE.sub(r"\1", text[position:].strip())], ""
            raise ValueError(f"{len(values)} of the {count} fields of a {name} header")
        values.append(HEADER_ESCAPE.sub(r"\1", field.group(1)).strip())
        position = field.end()
    return values, text[position:]


def _delimiter(declared: str) -> str:
    found = HEXADECIMAL.fullmatch(declared.strip())
    if found is not None:
        return chr(int(found.group(1), 16)) or "\t"
    if len(declared) > 1:
        raise ValueError(f"{declared[:20]!r} as LEEF's delimiter")
    return declared or "\t"


def _unescaped(match: re.Match[str]) -> str:
    return ESCAPES.get(match.group(1), match.group(1))
