"""The OWASP Benchmark's expectation and result files, and a tool's rates on them by our own code.

A case with a real vulnerability takes the place of a malicious step, one with a fake the place of its benign twin, its
CWE that of the technique (`T0022` is CWE-22, so that our records take it). A case is detected if the tool reports that
very CWE in that case's file, which is the Benchmark's own rule. What follows is what our twins go through:
`metrics.sensitivity`, `left_alone_share`, `youden`, `technique_lines`, `macro`.
"""

import csv
import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from results.errors import ContentError, Problem
from results.ledger import Ledger, make_ledger
from results.metrics import left_alone_share, macro, sensitivity, technique_lines, twins_alerted, youden
from results.records import Outcome, Rate, Record, StepKind, Verdict

TRUTH = {"true": True, "false": False}
CWE = re.compile(r"cwe[^0-9a-z]{0,4}0*(\d{1,4})", re.IGNORECASE)
TRIAL = "benchmark"
ALL = "all"


class Case(Record):
    """One test case."""

    name: str
    """E.g. `BenchmarkTest00001`."""
    category: str
    cwe: int
    real: bool
    """A real vulnerability; else one that only looks like it."""


class Matrix(Record):
    """A tool's rates on one CWE, or on all."""

    cwe: str
    true_positive: int
    false_negative: int
    true_negative: int
    false_positive: int
    sensitivity: Rate
    """The true positive rate."""
    specificity: Rate
    false_positive_rate: float | None
    youden_j: float | None
    """The Benchmark's score."""
    balanced_accuracy: float | None


class Means(Record):
    """The Benchmark's overall results: means over the categories."""

    true_positive_rate: float | None
    false_positive_rate: float | None
    score: float | None


@dataclass(frozen=True)
class _Table:
    path: Path
    rows: list[tuple[int, list[str]]]
    problems: list[Problem]

    def refuse(self, line: int | None, field: str, found: str, allowed: str, mend: str) -> None:
        self.problems.append(
            Problem(path=str(self.path), line=line, field=field, found=found, allowed=allowed, mend=mend)
        )

    def truth(self, line: int, field: str, found: str) -> bool:
        if found.lower() not in TRUTH:
            self.refuse(line, field, repr(found), "true or false", "Correct the value, or fetch the file again.")
        return TRUTH.get(found.lower(), False)

    def number(self, line: int, field: str, found: str) -> int:
        if not found.isdecimal():
            self.refuse(line, field, repr(found), "the number of a CWE", "Correct the value, or fetch the file again.")
        return int(found) if found.isdecimal() else 0


def _table(path: Path, columns: int, what: str) -> _Table:
    """Rows of a comma-separated file, comments and blank lines left out.

    Raises:
        ContentError: if it can't be read, or a row is too short.
    """
    table = _Table(path, [], [])
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        table.refuse(None, "", str(error)[:200], what, "Check the path.")
        raise ContentError(table.problems) from None
    for line, row in enumerate(csv.reader(text.splitlines()), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if len(cells) < columns:
            table.refuse(line, "", f"{len(cells)} columns", f"at least {columns}: {what}", "Fetch the file again.")
        else:
            table.rows.append((line, cells))
    if not table.rows and not table.problems:
        table.refuse(None, "", "no rows", what, "Fetch the file again.")
    return table


def read_expected(path: Path) -> tuple[Case, ...]:
    """Read `expectedresults-<version>.csv`: name, category, whether real, CWE.

    Raises:
        ContentError: with every problem, each with its line.
    """
    table = _table(path, 4, "test name, category, real vulnerability, cwe")
    cases = [
        Case(
            name=cells[0], category=cells[1], real=table.truth(line, "real vulnerability", cells[2]),
            cwe=table.number(line, "cwe", cells[3]),
        )
        for line, cells in table.rows
    ]  # fmt: skip
    _refuse_twice(table)
    return tuple(cases)


def read_scorecard(path: Path) -> tuple[tuple[Case, ...], frozenset[str]]:
    """Read the "actual results" of a scorecard: name, category, CWE, whether real, whether identified.

    Returns:
        The cases, and the names of those that the tool identified.

    Raises:
        ContentError: with every problem, each with its line.
    """
    table = _table(path, 5, "test name, category, CWE, real vulnerability, identified by tool")
    cases, found = [], set()
    for line, cells in table.rows:
        cwe, real = table.number(line, "CWE", cells[2]), table.truth(line, "real vulnerability", cells[3])
        cases.append(Case(name=cells[0], category=cells[1], cwe=cwe, real=real))
        if table.truth(line, "identified by tool", cells[4]):
            found.add(cells[0])
    _refuse_twice(table)
    return tuple(cases), frozenset(found)


def _refuse_twice(table: _Table) -> None:
    seen: set[str] = set()
    for line, cells in table.rows:
        if cells[0] in seen:
            table.refuse(line, "test name", f"{cells[0]} a second time", "each case once", "Remove one of the two.")
        seen.add(cells[0])
    if table.problems:
        raise ContentError(table.problems)


def read_sarif(path: Path, cases: Iterable[Case]) -> frozenset[str]:
    """Names of the cases that a tool's SARIF file reports with their very CWE.

    The CWE is looked for in the ids, properties (tags) and taxa of a result and of its rule, never in texts for people.

    Raises:
        ContentError: if it is no SARIF.
    """
    wanted = {case.name: case.cwe for case in cases}
    try:
        runs = json.loads(path.read_bytes().decode("utf-8-sig"))["runs"]
        return frozenset(name for run in runs for name, cwe in _reported(run) if wanted.get(name) == cwe)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        problem = Problem(
            path=str(path), line=None, field="runs", found=f"{type(error).__name__}: {error}"[:200],
            allowed="SARIF 2.1.0", mend="Let the tool write SARIF.",
        )  # fmt: skip
        raise ContentError([problem]) from None


def _reported(run: dict[str, Any]) -> Iterable[tuple[str, int]]:
    """(file without its suffix, CWE) of each result."""
    tool = run.get("tool", {})
    parts = [tool.get("driver", {}), *tool.get("extensions", [])]
    rules = {rule["id"]: _cwes(rule) for part in parts for rule in part.get("rules", [])}
    for result in run.get("results") or []:
        rule = result.get("ruleId") or result.get("rule", {}).get("id", "")
        named = _cwes(result) | rules.get(rule, set())
        for place in result.get("locations", []):
            uri = place.get("physicalLocation", {}).get("artifactLocation", {}).get("uri", "")
            yield from ((PurePosixPath(uri).stem, cwe) for cwe in named)


def _cwes(thing: dict[str, Any]) -> set[int]:
    """CWEs that a result or a rule names."""
    texts = json.dumps([thing.get(key) for key in ("id", "ruleId", "name", "properties")])
    taxa = [*thing.get("taxa", []), *(one.get("target", {}) for one in thing.get("relationships", []))]
    own = [str(one.get("id")) for one in taxa if "cwe" in str(one.get("toolComponent", {}).get("name", "cwe")).lower()]
    numbers = [found[1] for name in own if (found := re.fullmatch(r"(?:cwe-?)?0*(\d{1,4})", name, re.IGNORECASE))]
    return {int(number) for number in [*CWE.findall(texts), *numbers]}


def ledger_of(cases: Sequence[Case], detected: Collection[str], unscored: Collection[str] = ()) -> Ledger:
    """The cases laid out as the executions of one of our arms are.

    Args:
        cases: of one Benchmark.
        detected: names of those that the tool reports.
        unscored: names of those about which nothing can be said, e.g. where the tool has no rule for the CWE.
    """
    verdicts = [_verdict(case, position, detected, unscored) for position, case in enumerate(cases)]
    return make_ledger(verdicts, {TRIAL: 1}, {case.name: cluster_of(case.cwe) for case in cases}, common=())


def cluster_of(cwe: int) -> str:
    """The CWE in a technique's place."""
    return f"T{cwe:04d}"


def _verdict(case: Case, position: int, detected: Collection[str], unscored: Collection[str]) -> Verdict:
    hit = case.name in detected
    outcome = Outcome.ALERTED if hit else Outcome.MISSED
    return Verdict(
        trial_id=TRIAL, step_id=case.name, position=position,
        kind=StepKind.MALICIOUS if case.real else StepKind.BENIGN, technique=cluster_of(case.cwe),
        outcome=Outcome.INVALID if case.name in unscored else outcome, category=None, modifiers=(), reason="",
        alerts=(case.name,) if hit else (), telemetry=(), evidence_kind=None, wrong_techniques=(), latency_s=None,
        delivery_s=None,
    )  # fmt: skip


def matrix_of(name: str, ledger: Ledger) -> Matrix:
    """Rates over all of a ledger's cases."""
    found, spared, alarms = sensitivity(ledger), left_alone_share(ledger), twins_alerted(ledger)
    score, accuracy = youden(ledger)
    return Matrix(
        cwe=name, true_positive=found.hits, false_negative=found.n - found.hits, true_negative=spared.hits,
        false_positive=alarms.hits, sensitivity=found, specificity=spared, false_positive_rate=alarms.value,
        youden_j=score.value, balanced_accuracy=accuracy.value,
    )  # fmt: skip


def matrices(cases: Sequence[Case], detected: Collection[str], unscored: Collection[str] = ()) -> dict[str, Matrix]:
    """CWE, or `all`, -> rates. Within one CWE the intervals are those that we show technique by technique."""
    whole = ledger_of(cases, detected, unscored)
    lines = {line.technique: line for line in technique_lines(whole)}
    found = {ALL: matrix_of(ALL, whole)}
    for cwe in sorted({case.cwe for case in cases}):
        own = ledger_of([case for case in cases if case.cwe == cwe], detected, unscored)
        line = lines.get(cluster_of(cwe))
        rates = {} if line is None else {"sensitivity": line.sensitivity, "specificity": line.specificity}
        found[str(cwe)] = matrix_of(str(cwe), own).model_copy(update=rates)
    return found


def means_of(ledger: Ledger) -> Means:
    """Means over the categories: our macro-averages."""
    detected = macro(*ledger.by_cluster(ledger.malicious & ledger.applicable, ledger.metric("detected")))[0]
    alarms = macro(*ledger.by_cluster(ledger.benign & ledger.valid, ledger.alerts > 0))[0]
    known = detected.value is not None and alarms.value is not None
    score = (detected.value or 0.0) - (alarms.value or 0.0) if known else None
    return Means(true_positive_rate=detected.value, false_positive_rate=alarms.value, score=score)
