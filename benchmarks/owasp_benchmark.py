"""Does our code of sensitivity, specificity and Youden's J come to the rates published on the OWASP Benchmark?

    python -m benchmarks.owasp_benchmark [--markdown docs/validation/owasp-benchmark.md]
    python -m benchmarks.owasp_benchmark --expected expectedresults-0.1.csv RESULTS ...

The first compares with published rates (facts of them in tests/results/published_facts/), and ends with 1 if one
differs.
The second prints a tool's rates from an expectation file of any OWASP Benchmark and a tool's results: SARIF, or the
"actual results" of a scorecard (`Benchmark_v…_Scorecard_for_….csv`).
"""

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from results.benchmark_owasp import (
    ALL,
    Case,
    Matrix,
    ledger_of,
    matrices,
    means_of,
    read_expected,
    read_sarif,
    read_scorecard,
)
from results.errors import EvaluationError
from results.metrics import wilson

FACTS = Path(__file__).parent.parent / "tests" / "results" / "published_facts"
CASES, RATES, SCORECARDS = (
    FACTS / name for name in ("owasp_python_cases.txt", "owasp_python_rates.csv", "owasp_java_scorecards.csv")
)
HEADER = "# test name, category, real vulnerability, cwe, Benchmark version: 0.1, 2026-01-9"
"""First line of the expectation file of the Benchmark for Python."""
CHANNELS = {
    "candidates": ("advisory", "blocking", "both"), "advisory": ("advisory", "both"), "blocking": ("blocking", "both"),
}  # fmt: skip
UNSCORED = 501
PRINTED = 0.005 + 1e-9
"""In percent points; a published tie (15.625) is rounded either way."""
EXACT = 5e-7
"""Our estimates are rounded to six digits."""


@dataclass(frozen=True)
class Number:
    """One published number beside ours."""

    source: str
    cwe: str
    field: str
    theirs: float
    ours: float | None
    tolerance: float

    @property
    def same(self) -> bool:
        """To the digits published, or to those that we keep."""
        return self.ours is not None and abs(self.theirs - self.ours) <= self.tolerance


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]


def python_cases() -> tuple[list[Case], dict[str, str]]:
    """The cases of the Benchmark for Python, and case -> what the scanner said."""
    cases: list[Case] = []
    said: dict[str, str] = {}
    for line in _lines(CASES):
        span, category, cwe, real, channel = line.split()
        first, last = map(int, span.split("-"))
        for number in range(first, last + 1):
            name = f"BenchmarkTest{number:05d}"
            cases.append(Case(name=name, category=category, cwe=int(cwe), real=real == "real"))
            said[name] = channel
    return cases, said


def expectation_file(cases: Iterable[Case]) -> str:
    """The expectation file that the cases came from."""
    rows = [f"{case.name},{case.category},{str(case.real).lower()},{case.cwe}" for case in cases]
    return "\n".join([HEADER, *rows, ""])


def python_numbers() -> list[Number]:
    """Rates published on the Benchmark for Python beside ours, channel by channel."""
    cases, said = python_cases()
    unscored = {case.name for case in cases if case.cwe == UNSCORED}
    published = list(csv.reader(_lines(RATES)))
    found: list[Number] = []
    for channel, words in CHANNELS.items():
        ours = matrices(cases, {name for name, word in said.items() if word in words}, unscored)
        for cwe, name, *values in published:
            if name == channel:
                found += _python_row(f"Python, Aegify {channel}", cwe, ours[cwe], [float(value) for value in values])
    return found


def _python_row(source: str, cwe: str, ours: Matrix, theirs: Sequence[float]) -> list[Number]:
    fields = ("TP", "FP", "FN", "TN", "TPR", "FPR", "balanced accuracy", "TPR lower limit", "TPR upper limit")
    rate = ours.sensitivity if cwe != ALL else wilson(ours.sensitivity.hits, ours.sensitivity.n)
    mine = (
        ours.true_positive, ours.false_positive, ours.false_negative, ours.true_negative, ours.sensitivity.value,
        ours.false_positive_rate, ours.balanced_accuracy, rate.low, rate.high,
    )  # fmt: skip
    return [
        Number(source, cwe, field, value, own, EXACT) for field, value, own in zip(fields, theirs, mine, strict=True)
    ]


def java_numbers() -> list[Number]:
    """OWASP's own scorecards of the Benchmark for Java beside ours, tool by tool."""
    rows = list(csv.reader(_lines(SCORECARDS)))
    return [number for tool in dict.fromkeys(row[0] for row in rows) for number in _java_tool(tool, rows)]


def _java_tool(tool: str, rows: Sequence[Sequence[str]]) -> list[Number]:
    own = {row[1]: row[2:] for row in rows if row[0] == tool}
    cases, detected = _java_cases(own)
    ours, means = matrices(cases, detected), means_of(ledger_of(cases, detected))
    source, found = f"Java, {tool}", []
    for cwe, (*_counts, total, tpr, fpr, score) in own.items():
        if cwe in ours:
            here = ours[cwe]
            found.append(Number(source, cwe, "total", float(total), here.sensitivity.n + here.specificity.n, 0))
            rates = (here.sensitivity.value, here.false_positive_rate, here.youden_j)
            found += _percents(source, cwe, (tpr, fpr, score), rates)
    whole = ours[ALL]
    counts = (whole.true_positive, whole.false_negative, whole.true_negative, whole.false_positive)
    totals = zip(("TP", "FN", "TN", "FP", "total"), own["totals"][:5], (*counts, sum(counts)), strict=True)
    found += [Number(source, "totals", field, float(theirs), mine, 0) for field, theirs, mine in totals]
    mean = (means.true_positive_rate, means.false_positive_rate, means.score)
    return found + _percents(source, "mean over categories", own["overall"][5:], mean)


def _percents(source: str, cwe: str, theirs: Sequence[str], ours: Sequence[float | None]) -> list[Number]:
    return [
        Number(source, cwe, field, float(value), None if own is None else 100 * own, PRINTED)
        for field, value, own in zip(("TPR", "FPR", "score"), theirs, ours, strict=True)
    ]


def _java_cases(rows: dict[str, Sequence[str]]) -> tuple[list[Case], set[str]]:
    """A case for each count: which case it was does not matter to a rate."""
    cases: list[Case] = []
    detected: set[str] = set()
    for cwe, values in rows.items():
        if not cwe.isdecimal():
            continue
        kinds = ((True, True), (True, False), (False, False), (False, True))  # TP, FN, TN, FP
        for (real, hit), count in zip(kinds, values[:4], strict=True):
            for _ in range(int(count)):
                name = f"case {len(cases)}"
                cases.append(Case(name=name, category=cwe, cwe=int(cwe), real=real))
                if hit:
                    detected.add(name)
    return cases, detected


def summary_rows(numbers: Sequence[Number]) -> list[tuple[str, int, int]]:
    """(source, published numbers, those that come out the same)."""
    sources = dict.fromkeys(number.source for number in numbers)
    groups = [(source, [n for n in numbers if n.source == source]) for source in sources]
    return [(source, len(group), sum(n.same for n in group)) for source, group in groups]


def matrix_rows(found: dict[str, Matrix]) -> list[tuple[str, ...]]:
    """One row a CWE, for people."""
    return [
        (
            name, str(one.true_positive), str(one.false_negative), str(one.true_negative), str(one.false_positive),
            _percent(one.sensitivity.value), _percent(one.false_positive_rate), _percent(one.youden_j),
        )
        for name, one in found.items()
    ]  # fmt: skip


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f} %"


COLUMNS = ("CWE", "TP", "FN", "TN", "FP", "TPR", "FPR", "Score (J)")
TEXT = """\
# OWASP Benchmark

Cases of which it is known whether each holds a real vulnerability, what scanners reported on them, and the rates that
others published: an outside check of the code that makes sensitivity, specificity and Youden's J from attack steps and
their benign twins (`results/ledger.py`, `results/metrics.py`; the cases are read by `results/benchmark_owasp.py`).
Written by

    python -m benchmarks.owasp_benchmark --markdown docs/validation/owasp-benchmark.md

**{same} of {all} published numbers come out the same.**

| source | published numbers | the same |
|---|---:|---:|
{summary}

{differences}## The Benchmark for Python

OWASP publishes cases and expectations for Python (version 0.1, 1,230 cases, 14 CWEs), but no results of any tool and no
scorecard: none is in its repository or its forks as far as stored copies show. Used instead:

- the **expectation file** `expectedresults-0.1.csv` of OWASP-Benchmark/BenchmarkPython, commit f129148 (GPL-3.0). What
  is kept of it here (which case is real) gives back that file byte for byte: its SHA-256 is the one published for it;
- the **results of one scanner on all 1,230 cases**, case by case, in three channels, with the confusion matrix, recall,
  false positive rate, balanced accuracy and Wilson limits that its authors computed from them with code of their own
  (Aeg1sx/Aegify, `scanner/benchmarks/owasp-python-v01`, commits 4fffd1c and 2111447). The 37 cases of CWE 501 were not
  scored: the scanner has no rule for it. Nothing is said here of the scanner's merits.

Our rates of the channel `candidates`:

{python}

Published precision, F1 and Matthews' coefficient have no counterpart in our metrics. The limits of the recall over all
CWEs are compared with our plain Wilson interval: the one that we show resamples CWEs and is wider by design.

This check found an error of ours: balanced accuracy was made from rates already rounded to six digits and was off by
one in the sixth in five of 42 places. It is made from the counts now.

## The Benchmark for Java

OWASP's own scorecards (version 1.2, 2,740 cases, 11 CWEs) of five tools: total, TPR, FPR and score of each category,
the row of totals, and the overall results, which are our macro-averages. The table's counts go in, its rates are
compared to the two digits printed (a tie such as 15.625 is rounded either way).

## A tool of your own

    python -m benchmarks.owasp_benchmark --expected expectedresults-0.1.csv results.sarif

prints the same table from an expectation file and a tool's SARIF, or the "actual results" of an OWASP scorecard. Only
the very CWE of the case counts; OWASP's own generator also accepts a few neighbouring CWEs of some tools.
"""


def markdown(numbers: Sequence[Number]) -> str:
    """The page of docs/validation."""
    cases, said = python_cases()
    unscored = {case.name for case in cases if case.cwe == UNSCORED}
    found = matrices(cases, {name for name, word in said.items() if word in CHANNELS["candidates"]}, unscored)
    table = ["| " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * (len(COLUMNS) - 1)]
    table += ["| " + " | ".join(row) + " |" for row in matrix_rows(found)]
    wrong = [f"- {n.source}, {n.cwe}, {n.field}: theirs {n.theirs:g}, ours {n.ours}" for n in numbers if not n.same]
    return TEXT.format(
        same=sum(n.same for n in numbers), all=len(numbers), python="\n".join(table),
        summary="\n".join(f"| {source} | {count} | {same} |" for source, count, same in summary_rows(numbers)),
        differences="\n".join([*wrong, "", ""]) if wrong else "No number differs.\n\n",
    )  # fmt: skip


def show(expected: Path, results: Sequence[Path]) -> int:
    """Print a tool's rates from files."""
    cases = read_expected(expected)
    for path in results:
        sarif = path.suffix.lower() in (".sarif", ".json")
        detected = read_sarif(path, cases) if sarif else read_scorecard(path)[1]
        table = Table(*COLUMNS, title=path.name)
        for row in matrix_rows(matrices(cases, detected)):
            table.add_row(*row)
        Console(width=120).print(table)
        means = means_of(ledger_of(cases, detected))
        print(f"mean over categories: TPR {means.true_positive_rate}, FPR {means.false_positive_rate}, {means.score}")
    return 0


def main() -> int:
    """Compare with what was published, or print the rates of the files given."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--expected", type=Path, help="an expectation file")
    parser.add_argument("results", nargs="*", type=Path, help="a tool's results: SARIF or a scorecard's CSV")
    parser.add_argument("--markdown", type=Path, help="write the page there")
    chosen = parser.parse_args()
    if chosen.expected:
        return show(chosen.expected, chosen.results)
    numbers = python_numbers() + java_numbers()
    for source, count, same in summary_rows(numbers):
        print(f"{source}: {same} of {count}")
    for number in numbers:
        if not number.same:
            print(number)
    right = sum(number.same for number in numbers)
    print(f"{right} of {len(numbers)} published numbers reproduced")
    if chosen.markdown:
        chosen.markdown.write_text(markdown(numbers), "utf-8")
    return 0 if right == len(numbers) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except EvaluationError as problem:
        print(problem, file=sys.stderr)
        sys.exit(2)
