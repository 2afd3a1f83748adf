"""What lint says of how a source's records are read."""

import pytest

from products.lint_source import findings
from products.source import Source


def problems(**changes: object) -> list[tuple[tuple[str, ...], str]]:
    fields = {"component": "agent", "file": "/log", "format": "json_lines", "map": {}}
    return [(field, found) for field, found, _allowed, _mend in findings(Source.model_validate(fields | changes))]


@pytest.mark.parametrize(
    ("changes", "field", "found"),
    [
        ({"map": {"titel": "a"}}, ("map", "titel"), "titel"),
        ({"map": {"title": "a["}}, ("map", "title"), "a["),
        ({"map": {"title": "upper(a)"}}, ("map", "title"), "the function upper"),
        ({"where": "extract(a, '(x+)+')"}, ("where",), "(x+)+"),
        ({"where": "extract(a, pattern)"}, ("where",), "a pattern out of the record"),
        ({"map": {"severity": "severity(a, 'richter')"}}, ("map", "severity"), "the scale richter"),
        ({"map": {"title": "time(a, 'stardate')"}}, ("map", "title"), "the time format stardate"),
        ({"map": {"time": "time(a, 'cef')"}, "time_format": "epoch_s"}, ("time_format",), "epoch_s"),
        ({"time_format": "noon"}, ("time_format",), "noon"),
        ({"time_zone": "Mars"}, ("time_zone",), "Mars"),
        ({"printed_zone_is_wrong": True}, ("printed_zone_is_wrong",), "no time_zone"),
        ({"items": "a"}, ("items",), "a"),
        ({"format": "json", "items": "a["}, ("items",), "a["),
        ({"format": "regex"}, ("pattern",), "None"),
        ({"format": "regex", "pattern": "(a+)+"}, ("pattern",), "(a+)+"),
        ({"pattern": "a"}, ("pattern",), "'a'"),
        ({"where": " | ".join(["[@, @]"] * 11)}, ("where",), " | ".join(["[@, @]"] * 11)[:80]),
        ({"format": "json", "identity": "]"}, ("identity",), "]"),
    ],
)
def test_each_mistake_is_found_where_it_stands(changes: dict[str, object], field: tuple[str, ...], found: str):
    """Else it would show only in a trial, as alerts that never came."""
    assert problems(**changes) == [(field, found)]


def test_what_is_right_is_left_alone():
    """Else lint would have to be argued with."""
    assert (
        problems(
            map={"time": "time(rt, 'cef')", "severity": "severity(sev, 'cef')", "title": "first([lower(a), b])"},
            time_zone="Asia/Tokyo",
            where="contains(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11'], a) || extract(a, '^x') != null",
        )
        == []
    )
