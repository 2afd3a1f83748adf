"""The cases of both corpora: what is sent, what upstream expects, and which of them fit the installed release."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from attacks.ftw import read_ftw
from attacks.gotestwaf import read_gotestwaf
from attacks.request import Expectation, WebProcedure, requests_of

RULE = re.compile(r'^id "(\d+)"$')
"""How CRS 3's tests name a rule in `log_contains`."""
TEST = re.compile(r"(\d{6})-")
HARNESS_HEADERS = re.compile(
    rb"(host|accept|connection|content-length)\b.*|user-agent: *(owasp .*|modsecurity crs 3 tests)",
    re.IGNORECASE | re.DOTALL,
)
"""Headers that the harnesses of the two releases fill differently, whatever is tested."""
ENDPOINT = re.compile(rb"^/(get|post|put|anything)(?=[/?#]|$)")
"""Paths at which later releases' test server answers; before, the same tests asked for `/`."""


@dataclass(frozen=True)
class Case:
    """One test or payload."""

    name: str
    """Upstream's: `942100-1` or `owasp/sql-injection-3 URL URLParam`."""
    group: str
    """CRS: the rule that it is for. GoTestWAF: the set and its file, `owasp/sql-injection`."""
    requests: tuple[bytes, ...]
    """Empty if it can't be sent."""
    expected: tuple[Expectation, ...]
    benign: bool
    """GoTestWAF: ordinary text."""
    obstacle: str | None
    """Why it can't be sent."""


def crs_cases(folder: Path) -> list[Case]:
    """CRS's regression tests below a folder, of any release."""
    found, _problems = read_ftw(folder)
    return [_case(procedure, _rule(procedure.name)) for procedure in found.values()]


def gotestwaf_cases(folder: Path) -> list[Case]:
    """GoTestWAF's payloads below a folder."""
    found, _problems = read_gotestwaf(folder)
    return [_case(entry, f"{Path(entry.path).parent.name}/{Path(entry.path).stem}") for entry in found.values()]


def _case(procedure: WebProcedure, group: str) -> Case:
    runs = procedure.executor.name == "bash"
    return Case(
        name=procedure.name,
        group=group,
        requests=tuple(requests_of(procedure.executor.command or "")) if runs else (),
        expected=tuple(_with_ids(entry) for entry in procedure.expected),
        benign=procedure.benign,
        obstacle=None if runs else procedure.executor.steps,
    )


def _rule(name: str) -> str:
    match = TEST.match(name)
    return match.group(1) if match else name.partition("-")[0]


def _with_ids(expected: Expectation) -> Expectation:
    """CRS 3's `log_contains: id "942100"` says what CRS 4 says with `expect_ids`."""
    wanted, unwanted = RULE.match(expected.log_matches or ""), RULE.match(expected.log_lacks or "")
    changes: dict[str, object] = {}
    if wanted:
        changes |= {"rules": (*expected.rules, int(wanted.group(1))), "log_matches": None}
    if unwanted:
        changes |= {"no_rules": (*expected.no_rules, int(unwanted.group(1))), "log_lacks": None}
    return expected.model_copy(update=changes)


def fits(case: Case, installed: frozenset[int]) -> bool:
    """Whether every rule that the test is about exists in the installed release."""
    named = {rule for entry in case.expected for rule in (*entry.rules, *entry.no_rules)}
    return case.group.isdigit() and {int(case.group), *named} <= installed


class OwnSet:
    """The regression tests of the installed release itself."""

    def __init__(self, cases: Iterable[Case]) -> None:
        """Index them by name and by what they test."""
        self.cases = {case.name: case for case in cases}
        self._tested = {_tested(case) for case in self.cases.values()}

    def lineage(self, case: Case) -> str:
        """`same`, `changed` or `new`: what the set says of a test of another release (which numbers them anew)."""
        if _tested(case) in self._tested:
            return "same"
        return "changed" if case.name in self.cases else "new"


def essence(requests: Iterable[bytes]) -> tuple[tuple[bytes, frozenset[bytes], bytes], ...]:
    """What of requests is the test: method and target, the headers that are not the harness's, the body.

    A later release's test server has other paths; what comes before its name is left out.
    """
    found = []
    for request in requests:
        head, _blank, body = request.partition(b"\r\n\r\n")
        line, *headers = head.split(b"\r\n")
        kept = frozenset(header.strip() for header in headers if not HARNESS_HEADERS.fullmatch(header))
        method, _blank, target = line.rpartition(b" ")[0].partition(b" ")
        rest = ENDPOINT.sub(b"", target)
        found.append((method + b" " + (rest if rest.startswith(b"/") else b"/" + rest), kept, body))
    return tuple(found)


def _tested(case: Case) -> tuple[object, ...]:
    claims = tuple((frozenset(entry.rules), frozenset(entry.no_rules)) for entry in case.expected)
    return case.group, essence(case.requests), claims
