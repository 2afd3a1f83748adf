"""What is wrong with how a source's records are read: expressions, functions, patterns, formats of time and zones.

The same rules hold for a manifest's sources and for ready-made mappings.
"""

import math
from collections.abc import Iterator
from typing import Any

import jmespath

from products.formats import LINE_FORMATS
from products.jmespath_functions import LogFunctions
from products.mapping import Mapping
from products.normalise import SETTABLE
from products.severities import SCALES
from products.source import Format, Source
from products.times import NAMED_FORMATS, zone_named
from results.patterns import objection

COPIES = 1000
"""How often an expression may repeat what it is given: `[@, @] | [@, @] | …` would fill any memory."""
Finding = tuple[tuple[str, ...], str, str, str]
"""Field, found, allowed, how to mend it."""


def findings(source: Source | Mapping) -> Iterator[Finding]:
    """Everything that is wrong with how the records of a source or mapping are read."""
    yield from _pattern(source)
    yield from _times(source)
    if source.items is not None and source.format in LINE_FORMATS:
        yield ("items",), source.items, "with format json or xml only", "Remove it, or change the format."
    for name in source.map:
        if name not in SETTABLE:
            yield ("map", name), name, ", ".join(sorted(SETTABLE)), "Correct the field."
    whole: dict[tuple[str, ...], str | None] = {
        ("where",): source.where,
        ("items",): source.items,
        ("identity",): source.identity,
    }
    for name, text in source.map.items():
        whole["map", name] = text
    for field, expression in whole.items():
        if expression is not None:
            yield from _expression(field, expression)


def _pattern(source: Source | Mapping) -> Iterator[Finding]:
    if (source.pattern is not None) != (source.format is Format.REGEX):
        yield ("pattern",), repr(source.pattern), "a pattern with format regex, and only there", "Correct it."
    complaint = objection(source.pattern) if source.pattern is not None else None
    if complaint:
        yield ("pattern",), str(source.pattern), "a regular expression that ends", f"It is {complaint}."


def _times(source: Source | Mapping) -> Iterator[Finding]:
    if not _is_time_format(source.time_format):
        yield ("time_format",), source.time_format, _time_formats(), "Correct it."
    if "time(" in source.map.get("time", "") and source.time_format != "iso8601":
        yield ("time_format",), source.time_format, "iso8601 where `map` reads the time with time()", "Remove it."
    if source.time_zone is None:
        if source.printed_zone_is_wrong:
            yield ("printed_zone_is_wrong",), "no time_zone", "the zone that is meant", "Add `time_zone`."
        return
    try:
        zone_named(source.time_zone)
    except ValueError:
        yield ("time_zone",), source.time_zone, "a name like Asia/Tokyo or an offset like +09:00", "Correct it."


def _expression(field: tuple[str, ...], text: str) -> Iterator[Finding]:
    try:
        tree = jmespath.compile(text).parsed
    except (jmespath.exceptions.JMESPathError, RecursionError) as error:
        yield field, text, "JMESPath", f"{str(error).splitlines()[0]}."
        return
    if _copies(tree) > COPIES:
        yield field, text[:80], f"lists and objects that copy their input at most {COPIES} times", "Write it shorter."
    for name, arguments in _calls(tree):
        if name not in LogFunctions.FUNCTION_TABLE:
            known = ", ".join(sorted(LogFunctions.FUNCTION_TABLE))
            yield field, f"the function {name}", known, "Use one of them."
        literal = arguments[1].get("value") if len(arguments) > 1 else None
        if name == "extract" and (len(arguments) < 2 or arguments[1].get("type") != "literal"):
            yield field, "a pattern out of the record", "a literal pattern", "A product must not choose it at run time."
        elif isinstance(literal, str):
            yield from _literal(field, name, literal)


def _literal(field: tuple[str, ...], name: str, literal: str) -> Iterator[Finding]:
    if name == "extract":
        complaint = objection(literal)
        if complaint:
            yield field, literal, "a regular expression that ends", f"It is {complaint}."
    if name == "severity" and literal not in SCALES:
        yield field, f"the scale {literal}", ", ".join(SCALES), "Use one of them."
    if name == "time" and not _is_time_format(literal):
        yield field, f"the time format {literal}", _time_formats(), "Use one of them."


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # the library's own tree
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(child for child in node.get("children", ()) if isinstance(child, dict))


def _calls(tree: Any) -> Iterator[tuple[str, list[dict[str, Any]]]]:  # noqa: ANN401  # the library's own tree
    for node in _nodes(tree):
        if node.get("type") == "function_expression":
            yield str(node["value"]), list(node["children"])


def _copies(tree: Any) -> int:  # noqa: ANN401  # the library's own tree
    selects = (node for node in _nodes(tree) if node.get("type") in ("multi_select_list", "multi_select_dict"))
    widths = (sum(child.get("type") != "literal" for child in node["children"]) for node in selects)
    return math.prod(max(width, 1) for width in widths)


def _is_time_format(form: str) -> bool:
    return form in NAMED_FORMATS or "%" in form


def _time_formats() -> str:
    return f"{', '.join(NAMED_FORMATS)}, or a strptime format"
