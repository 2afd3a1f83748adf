"""The conformance report in every form: rows for a terminal, JSON, JUnit XML, SARIF 2.1.0, Markdown. Pure functions."""

import json
from collections.abc import Sequence
from importlib.metadata import version

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from pipelines.conformance import Conformance, Item, Status
from results.printable import printable

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
KINDS = {Status.PASSED: "pass", Status.FAILED: "fail", Status.SKIPPED: "notApplicable"}
MARKS = {Status.PASSED: "passed", Status.FAILED: "**FAILED**", Status.SKIPPED: "skipped"}
Row = tuple[str, ...]


def rows(report: Conformance) -> list[Row]:
    """One row an item: status, what, found, how to mend it."""
    return [(str(item.status), item.title.en, item.found, item.mend) for item in report.items]


def as_text(report: Conformance) -> str:
    """The report as JSON."""
    return json.dumps(report.model_dump(mode="json"), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def as_junit(report: Conformance) -> str:
    """The report as JUnit XML: an item is a test case."""
    suite = TestSuite(f"pij product check {report.product} ({report.arm})")
    for item in report.items:
        case = TestCase(item.title.en, classname=f"pij.{report.product}.{report.arm}.{item.id}", time=item.seconds)
        if item.status is Status.FAILED:
            failure = Failure(_xml(item.found), "conformance")
            failure.text = _xml(f"found: {item.found}\nallowed: {item.allowed}\n{item.mend}{_lines(item)}")
            case.result = [failure]
        elif item.status is Status.SKIPPED:
            case.result = [Skipped(_xml(item.found))]
        else:
            case.system_out = _xml(item.found)
        suite.add_testcase(case)
    suite.timestamp = report.started
    suite.update_statistics()
    whole = JUnitXml("pij product check")
    whole.add_testsuite(suite)
    whole.update_statistics()
    text: str = whole.tostring().decode()
    return text if text.endswith("\n") else text + "\n"


def as_sarif(report: Conformance, file: str) -> str:
    """The report as SARIF 2.1.0: an item is a rule, and its result says how it came out.

    Args:
        report: the report.
        file: the manifest's path, relative to the vendor's checkout.
    """
    rules = [
        {
            "id": item.id,
            "name": "".join(word.capitalize() for word in item.id.split("-")),
            "shortDescription": {"text": item.title.en},
            "defaultConfiguration": {"level": "error"},
        }
        for item in report.items
    ]
    results = [result for index, item in enumerate(report.items) for result in _results(item, index, file)]
    run = {
        "tool": {"driver": {"name": "pij product check", "version": version("pij"), "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"product": report.product, "arm": report.arm, "environment": report.environment},
    }
    log = {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _results(item: Item, index: int, file: str) -> list[dict[str, object]]:
    """One result an item, or one for each problem of a file."""
    whole = {"ruleId": item.id, "ruleIndex": index, "kind": KINDS[item.status]}
    level = "error" if item.status is Status.FAILED else "none"
    if item.problems:
        return [
            {**whole, "level": level, "message": {"text": _plain(str(problem))}, "locations": [_at(file, problem.line)]}
            for problem in item.problems
        ]
    words = f"{item.title.en}: {item.found}" + (f". Allowed: {item.allowed}. {item.mend}" if item.mend else "")
    return [{**whole, "level": level, "message": {"text": _plain(words)}, "locations": [_at(file, None)]}]


def _at(file: str, line: int | None) -> dict[str, object]:
    place: dict[str, object] = {"artifactLocation": {"uri": file.lstrip("/")}}
    if line is not None:
        place["region"] = {"startLine": line}
    return {"physicalLocation": place}


def as_markdown(report: Conformance, command: str) -> str:
    """One page: what was found, item by item, in English with the titles in Japanese, too."""
    counts = {status: sum(item.status is status for item in report.items) for status in Status}
    lines = [
        f"# {_cell(report.product_name)}: conformance",
        "",
        f"`{command}`: {counts[Status.PASSED]} passed, {counts[Status.FAILED]} failed, "
        f"{counts[Status.SKIPPED]} skipped, in {report.seconds:.0f} s "
        f"(images built in {report.build_seconds:.0f} s before).",
        "",
        f"Product {_cell(report.product)} {_cell(report.version or '(says no version)')}, arm {report.arm}, in the "
        f"environment {report.environment}, on {report.started[:10]}, {report.provenance.get('engine', '')}, "
        f"pij {report.provenance.get('git', '')[:12]}.",
        "",
        "| item | 項目 | result | found | how to mend it |",
        "| --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {item.title.en} | {item.title.ja} | {MARKS[item.status]} | {_cell(item.found)} | {_cell(item.mend)} |"
        for item in report.items
    ]
    for item in report.items:
        if item.table:
            lines += ["", f"## {item.title.en} / {item.title.ja}", "", *_table(item.table)]
    return "\n".join(lines) + "\n"


def index_markdown(reports: Sequence[Conformance]) -> str:
    """The index of pages."""
    lines = [
        "# Conformance of the products here / 製品の適合検査",
        "",
        "Made by `pij product check --all --markdown FOLDER`; measured, never written by hand. What each item means: "
        "[../walkthrough/README.md](../walkthrough/README.md).",
        "",
        "「pij product check」による測定結果です。手で書いた値はありません。",
        "",
        "| product | arm | passed | failed | skipped | seconds | longest delay | answers in a burst | failed items |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in sorted(reports, key=lambda report: (report.product, report.arm)):
        found = {item.id: item for item in one.items}
        counts = [str(sum(item.status is status for item in one.items)) for status in Status]
        delay, burst = found["delay"].measured.get("max_s"), found["burst"].measured
        wrong = ", ".join(item.title.en for item in one.items if item.status is Status.FAILED)
        cells = [
            f"[{_cell(one.product_name)}]({one.product}-{one.arm}.md)", one.arm, *counts, f"{one.seconds:.0f}",
            "–" if delay is None else f"{delay} s",
            f"{burst.get('answered')} of {burst.get('done')}" if burst else "–", wrong or "–",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _table(table: Sequence[Sequence[str]]) -> list[str]:
    header, *body = table
    rule = ["---"] * len(header)
    return [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in (header, rule, *body)]


def _cell(text: str) -> str:
    """Text of unknown origin in one cell of a Markdown table: nothing of it is markup."""
    flat = printable(text).replace("\n", " ").replace("\t", " ")
    return "".join(f"\\{character}" if character in "\\`*_[]<>|#" else character for character in flat)


def _plain(text: str) -> str:
    return printable(text)


def _xml(text: str) -> str:
    """Text without what XML 1.0 can't hold."""
    return printable(text)


def _lines(item: Item) -> str:
    return "".join(f"\n{problem}" for problem in item.problems)
