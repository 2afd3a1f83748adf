"""What came of each case beside what upstream expects, the cause of each difference, and rates with intervals."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from attacks.request import Expectation
from benchmarks.waf_cases import Case
from benchmarks.waf_replay import Run, Seen
from results.metrics import wilson
from results.records import Rate

BLOCK, PASS = (403,), (200, 404)
"""GoTestWAF's defaults (`--blockStatusCodes`, `--passStatusCodes`)."""
REFUSED = range(400, 600)
ANSWER_RULES = range(950_000, 960_000)
"""CRS's rules that look at answers."""
API = "owasp-api"
PLAIN_NAME = re.compile(rb"[A-Za-z0-9-]+")
"""Header names that nginx passes on with its defaults (`ignore_invalid_headers on`, `underscores_in_headers off`)."""
XML = re.compile(rb"^content-type: *[a-z]+/(\w+\+)?xml", re.IGNORECASE | re.MULTILINE)


class Cause(StrEnum):
    """Why a regression test of CRS came out otherwise than upstream expects. The first that holds."""

    SERVER = "nginx refuses the request itself, also without ModSecurity, before any rule sees it"
    HEADER = "nginx leaves out headers whose names hold more than letters, digits and hyphens: no rule sees them"
    XML_BODY = "an XML body, which libmodsecurity shows to rules on the raw body, too; upstream's reference does not"
    OTHER_ANSWER = "the test is about the answer's status or text, and the server behind is another than upstream's"
    ANSWER_RULE = "the rule looks at answers, and the server behind does not give the one that the test counts on"
    WRITTEN_LATER = "the test was written after the installed release: its own set has neither it nor its number"
    CHANGED_SINCE = "the installed release's own set has another test under this number, and this one nowhere"
    ENGINE = "the installed release's own test, unchanged: libmodsecurity on nginx differs from upstream's reference"
    UNKNOWN = "the installed release's own tests were not given"


class Verdict(StrEnum):
    """GoTestWAF's own words."""

    BLOCKED = "blocked"
    BYPASSED = "bypassed"
    UNRESOLVED = "unresolved"
    """Neither of its codes for blocked nor of those for passed."""


@dataclass(frozen=True)
class Judged:
    """One regression test."""

    case: Case
    failures: tuple[str, ...]
    """In words; empty if it came out as expected."""
    cause: Cause | None
    """Of the failures."""


def judge(case: Case, run: Run, control: Run, lineage: str | None) -> Judged:
    """Whether a regression test came out as upstream expects.

    Args:
        case: one that was sent.
        run: with the product.
        control: the same requests through the gateway alone.
        lineage: see `OwnSet.lineage`; None if the release's own tests are not at hand.
    """
    failures: list[str] = []
    for number, expected in enumerate(case.expected):
        failures += _failures(expected, run.seen[case.name, number])
    cause = _cause(case, failures, run, control, lineage) if failures else None
    return Judged(case, tuple(failures), cause)


def _failures(expected: Expectation, seen: Seen) -> Iterable[str]:
    if expected.no_answer:
        if seen.status is not None:
            yield f"answered {seen.status} instead of breaking the connection"
        return
    for rule in expected.rules:
        if rule not in seen.rules:
            yield f"rule {rule} is silent"
    for rule in expected.no_rules:
        if rule in seen.rules:
            yield f"rule {rule} fires"
    if expected.isolated and seen.rules - set(expected.rules):
        yield f"other rules fire: {sorted(seen.rules - set(expected.rules))}"
    if expected.log_matches and not re.search(expected.log_matches, seen.log):
        yield f"its log lacks {expected.log_matches!r}"
    if expected.log_lacks and re.search(expected.log_lacks, seen.log):
        yield f"its log has {expected.log_lacks!r}"
    if expected.status and seen.status not in expected.status:
        yield f"status {seen.status} instead of {expected.status}"
    if expected.response_contains and not re.search(expected.response_contains, seen.head):
        yield f"its answer lacks {expected.response_contains!r}"


def _cause(case: Case, failures: Sequence[str], run: Run, control: Run, lineage: str | None) -> Cause:
    if all(failure.startswith(("status", "its answer", "answered")) for failure in failures):
        return Cause.OTHER_ANSWER
    silent = [number for number in range(len(case.requests)) if not run.seen[case.name, number].rules]
    for number in silent:
        alone = control.seen[case.name, number].status
        if alone is None or (alone in REFUSED and alone == run.seen[case.name, number].status and alone != PASS[1]):
            return Cause.SERVER
    if int(case.group) in ANSWER_RULES:
        return Cause.ANSWER_RULE
    if all(failure.endswith("is silent") for failure in failures) and any(map(_has_odd_header, case.requests)):
        return Cause.HEADER
    if all(failure.endswith("fires") for failure in failures) and any(map(XML.search, case.requests)):
        return Cause.XML_BODY
    if lineage is None:
        return Cause.UNKNOWN
    return {"new": Cause.WRITTEN_LATER, "changed": Cause.CHANGED_SINCE}.get(lineage, Cause.ENGINE)


def _has_odd_header(request: bytes) -> bool:
    names = [line.partition(b":")[0] for line in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]]
    return any(not PLAIN_NAME.fullmatch(name) for name in names)


def passed_rate(judged: Iterable[Judged]) -> Rate:
    """Share of regression tests that came out as upstream expects."""
    results = [not entry.failures for entry in judged]
    return wilson(sum(results), len(results))


def by_family(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    """By the first three digits of the rule: CRS's rule files."""
    found: dict[str, list[Judged]] = {}
    for entry in judged:
        found.setdefault(entry.case.group[:3], []).append(entry)
    return dict(sorted(found.items()))


def verdict(case: Case, run: Run) -> Verdict:
    """A payload's verdict by its answer's status, as GoTestWAF gives it."""
    status = run.seen[case.name, 0].status
    return Verdict.BLOCKED if status in BLOCK else Verdict.BYPASSED if status in PASS else Verdict.UNRESOLVED


def tally(cases: Iterable[Case], run: Run) -> Counter[Verdict]:
    """Verdicts of payloads, counted."""
    return Counter(verdict(case, run) for case in cases)


def blocked_rate(counts: Mapping[Verdict, int]) -> Rate:
    """Share of blocked payloads among the resolved ones, as GoTestWAF counts."""
    blocked = counts.get(Verdict.BLOCKED, 0)
    return wilson(blocked, blocked + counts.get(Verdict.BYPASSED, 0))


@dataclass(frozen=True)
class Score:
    """GoTestWAF's summary, in percent."""

    api: float | None
    attacks: float | None
    texts: float | None

    @property
    def application(self) -> float | None:
        """The mean of attacks blocked and ordinary texts passed."""
        return None if self.attacks is None or self.texts is None else (self.attacks + self.texts) / 2

    @property
    def overall(self) -> float | None:
        """The mean of API and application security."""
        return None if self.api is None or self.application is None else (self.api + self.application) / 2


def score(cases: Sequence[Case], run: Run) -> Score:
    """GoTestWAF's summary: see "Summary" in its README."""

    def percent(chosen: list[Case]) -> float | None:
        value = blocked_rate(tally(chosen, run)).value
        return None if value is None else 100 * value

    texts = percent([case for case in cases if case.benign])
    return Score(
        api=percent([case for case in cases if not case.benign and case.group.startswith(f"{API}/")]),
        attacks=percent([case for case in cases if not case.benign and not case.group.startswith(f"{API}/")]),
        texts=None if texts is None else 100 - texts,
    )


def same_mix(cases: Sequence[Case], run: Run, weights: Mapping[str, int]) -> tuple[float | None, int]:
    """Our share of blocked attacks if each file weighed what it weighs in a published run.

    Args:
        cases: the payloads.
        run: ours.
        weights: file -> payloads resolved in the published run.

    Returns:
        (percent, number of files that both have).
    """
    total = hits = 0.0
    both = 0
    for group, weight in weights.items():
        rate = blocked_rate(tally([case for case in cases if case.group == group], run))
        if rate.value is not None and weight:
            total, hits, both = total + weight, hits + weight * rate.value, both + 1
    return (100 * hits / total if total else None), both
