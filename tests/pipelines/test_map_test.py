"""`pij product map-test`: what comes of sample records is shown field by field, whatever the records hold."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.command import app
from products.mapping import MAPPINGS

RUNNER = CliRunner()
PRODUCTS = MAPPINGS.parent
MAPPING = """
id: {id}
title: {{en: Some, ja: ある}}
product: Some
vendor: Someone
homepage: https://example.com/
status: sample-tested
format: json_lines
where: kind == 'alert'
map:
  time: when
  title: name
  severity: severity(level, 'cef')
  techniques: tags
samples: []
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "mapping.yaml").write_text(MAPPING.format(id="some"), "utf-8")
    return folder


def map_test(folder: Path, *lines: object) -> dict[str, object]:
    sample = folder.parent / "sample.log"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    sample.write_text("".join(f"{text}\n" for text in texts), "utf-8")
    result = RUNNER.invoke(app, ["product", "map-test", str(folder), str(sample), "--json"])
    return {"exit": result.exit_code, **json.loads(result.output)}


GOOD = {"kind": "alert", "when": "2026-11-28T12:00:00Z", "name": "x", "level": 9, "tags": ["T1059", "other"]}


def test_a_complete_record_is_shown_with_what_each_expression_gave_and_what_became_of_it(mapping: Path):
    """Else a vendor would have to guess which of the two is wrong."""
    found = map_test(mapping, GOOD)
    assert (found["exit"], found["complete"]) == (0, True)
    assert found["counts"] == {"read": 1, "skipped": 0, "unreadable": 0, "incomplete": 0}
    (record,) = found["records"]  # type: ignore[misc]
    assert record["fields"] == [
        {
            "field": "time",
            "expression": "when",
            "gave": "2026-11-28T12:00:00Z",
            "became": 1795867200000000000,
            "why": None,
        },
        {"field": "title", "expression": "name", "gave": "x", "became": "x", "why": None},
        {
            "field": "severity",
            "expression": "severity(level, 'cef')",
            "gave": "critical",
            "became": "critical",
            "why": None,
        },
        {"field": "techniques", "expression": "tags", "gave": ["T1059", "other"], "became": ["T1059"], "why": None},
    ]


@pytest.mark.parametrize(
    ("line", "counts", "why"),
    [
        ({**GOOD, "when": "noon"}, {"read": 1, "incomplete": 1}, "no time of the format iso8601"),
        ({**GOOD, "name": None}, {"read": 1, "incomplete": 1}, None),
        ({**GOOD, "tags": ["other"]}, {"read": 1}, "no ATT&CK id in it"),
        ({"kind": "status"}, {"skipped": 1}, "`where` says no, or the pattern does not match"),
        ("broken", {"unreadable": 1}, "JSONDecodeError"),
    ],
    ids=["time", "title", "techniques", "skipped", "unreadable"],
)
def test_what_is_missing_skipped_or_unreadable_is_named_with_its_reason(
    mapping: Path, line: object, counts: dict[str, int], why: str | None
):
    """Else a mapping that loses alerts would look like one that works."""
    found = map_test(mapping, line)
    assert found["counts"] == {"read": 0, "skipped": 0, "unreadable": 0, "incomplete": 0} | counts
    assert found["exit"] == (0 if counts == {"read": 1} else 1)
    (record,) = found["records"]  # type: ignore[misc]
    reasons = [record["why"], *(field["why"] for field in record["fields"])]
    assert why is None or any(reason and reason.startswith(why) for reason in reasons)


@pytest.mark.parametrize("folder", sorted(MAPPINGS.glob("*/mapping.yaml")), ids=lambda path: path.parent.name)
def test_every_ready_made_mapping_can_be_shown(folder: Path):
    """Else the samples that ship with it could not be looked at."""
    for sample in folder.parent.glob("samples.*"):
        result = RUNNER.invoke(app, ["product", "map-test", str(folder.parent), str(sample)])
        assert result.exit_code in (0, 1), result.output
        assert "unreadable" in result.output.splitlines()[-1]
        assert ", 0 unreadable" in result.output


def test_a_product_is_read_with_its_own_sources_and_any_other_by_number():
    """Else a product's telemetry or an arm's alerts could not be tried."""
    sample = "tests/products/samples/fail2ban.log"
    command = ["product", "map-test", str(PRODUCTS / "fail2ban"), str(PRODUCTS.parent / sample)]
    alerts, telemetry = RUNNER.invoke(app, command), RUNNER.invoke(app, [*command, "--source", "2"])
    assert (alerts.exit_code, telemetry.exit_code) == (0, 0)
    assert "Ban 192.0.2.17" in alerts.output
    assert "Found 192.0.2.17" in telemetry.output
    unknown = RUNNER.invoke(app, [*command, "--source", "99"])
    assert unknown.exit_code == 2
    assert "allowed: 1 (alerts.0)" in unknown.output
    missing = RUNNER.invoke(app, [*command[:3], "/does/not/exist"])
    assert missing.exit_code == 2
    assert "Check the path" in missing.output


def test_hostile_text_in_a_sample_is_made_visible(mapping: Path):
    """Else a sample could rewrite what stands on the evaluator's screen."""
    sample = mapping.parent / "sample.log"
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e[red]x[/red]\r"
    sample.write_text(json.dumps({**GOOD, "name": hostile}, ensure_ascii=False) + f"\n{hostile}\n", "utf-8")
    result = RUNNER.invoke(app, ["product", "map-test", str(mapping), str(sample)])
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(result.output)
    assert "[red]" in result.output
