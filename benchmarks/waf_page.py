"""The page of rates: ours beside published ones, and the differences by cause, counted. Every number is measured."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.waf_cases import Case
from benchmarks.waf_judge import (
    Cause,
    Judged,
    Verdict,
    blocked_rate,
    by_family,
    passed_rate,
    same_mix,
    score,
    tally,
)
from benchmarks.waf_replay import Run
from results.records import Rate

ENGINES = (Cause.HEADER, Cause.XML_BODY, Cause.ENGINE)
"""Causes that lie in nginx and libmodsecurity."""
PUBLISHED = Path(__file__).parent / "waf_published.yaml"
COMMAND = """.venv/bin/python -m benchmarks.waf --crs ../shared/data/crs-regression \\
    --gotestwaf ../shared/data/gotestwaf --page docs/waf-rates.md"""


@dataclass(frozen=True)
class Crs:
    """Both sets of regression tests and what came of them."""

    cases: tuple[Case, ...]
    """The given set, all of it."""
    judged: tuple[Judged, ...]
    """Those of it that fit the installed release and can be sent."""
    lineage: Mapping[str, str]
    own: tuple[Case, ...]
    """The installed release's own set."""
    own_judged: tuple[Judged, ...]
    run: Run
    own_run: Run
    control: Run
    arm: str


@dataclass(frozen=True)
class Payloads:
    """GoTestWAF's payloads and a run for each paranoia level."""

    cases: tuple[Case, ...]
    runs: Mapping[int, Run]


def page(crs: Crs, payloads: Payloads) -> str:
    """The whole page, in Markdown."""
    published = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    lines = [
        "# ModSecurity with OWASP CRS: our rates beside published ones",
        "",
        f"Product: `products/modsecurity_crs`: libmodsecurity {crs.run.versions[0]}, {crs.run.versions[1]}, in the "
        "gateway of `environments/web_dmz` (nginx, Debian 13). Every request is sent byte for byte from the attacker's "
        "machine over a connection of its own, and judged by the product's own audit log, found by the client's port. "
        f"This page was written on {datetime.now(UTC):%Y-%m-%d} by one command and holds no figure of ours that it did "
        "not measure:",
        "",
        "```",
        COMMAND,
        "```",
        "",
        *crs_part(crs, published),
        *payload_part(payloads, published),
    ]
    return "\n".join(lines) + "\n"


def crs_part(crs: Crs, published: Mapping[str, Any]) -> list[str]:
    """CRS's regression tests."""
    unsendable = Counter(case.obstacle for case in crs.cases if case.obstacle)
    sendable = len(crs.cases) - unsendable.total()
    same = [entry for entry in crs.judged if crs.lineage[entry.case.name] == "same"]
    changed = [entry for entry in crs.judged if crs.lineage[entry.case.name] == "changed"]
    new = [entry for entry in crs.judged if crs.lineage[entry.case.name] == "new"]
    obstacles = "".join(f"; {count}: {why}" for why, count in unsendable.most_common())
    return [
        "## CRS's regression tests",
        "",
        f"Arm `{crs.arm}`: detection only at paranoia level 4, with the limits that CRS's tests ask for. What upstream "
        "expects of each test is that named rules fire or stay silent; on its own engine a release passes all of its "
        "own tests, so the published rate is 100 %.",
        "",
        f"- Given: {len(crs.cases)} tests, written for CRS 4.28. {unsendable.total()} can't be sent{obstacles}.",
        f"- Of the {sendable} others, {len(crs.judged)} are about rules that the installed release has.",
        f"- The installed release's own set (from Debian's source package): {len(crs.own)} tests, of which "
        f"{len(crs.own_judged)} can be sent.",
        "- *Same*: the release's own set has a test of the same rule with the same request and expectation, under "
        "whatever number (headers that the two harnesses fill differently and the paths of their test servers apart). "
        "*Changed*: it has another one under this number. *New*: neither.",
        "",
        "| tests | as expected | n | share | 95 % interval (Wilson) | published |",
        "| --- | --: | --: | --: | --- | --: |",
        rate_row("the release's own set", passed_rate(crs.own_judged), "100 %"),
        rate_row("4.28's that fit by their rules", passed_rate(crs.judged), "100 % on CRS 4.28"),
        rate_row("– of them *same*", passed_rate(same), "100 %"),
        rate_row("– of them *changed*", passed_rate(changed), "–"),
        rate_row("– of them *new*", passed_rate(new), "–"),
        "",
        "### Differences, by cause",
        "",
        "The first cause that holds counts. Whether nginx refuses a request by itself is measured: the same requests "
        "go through the gateway without ModSecurity.",
        "",
        "| cause | own set | 4.28's that fit |",
        "| --- | --: | --: |",
        *cause_rows(crs),
        "",
        "### By rule family",
        "",
        "| family | own set: as expected / n | interval | 4.28's: as expected / n | interval |",
        "| --- | --: | --- | --: | --- |",
        *family_rows(crs),
        "",
        "### Own tests that differ because of the engine",
        "",
        override_line(crs.own_judged, published["overrides"]),
        "",
        *difference_lines(crs.own_judged, ENGINES, published["reasons"]),
        "",
    ]


def cause_rows(crs: Crs) -> list[str]:
    """Causes, counted in both sets."""
    own = Counter(entry.cause for entry in crs.own_judged if entry.cause)
    given = Counter(entry.cause for entry in crs.judged if entry.cause)
    rows = [f"| {cause} | {own[cause]} | {given[cause]} |" for cause in Cause if own[cause] or given[cause]]
    return [*rows, f"| all | {own.total()} | {given.total()} |"]


def family_rows(crs: Crs) -> list[str]:
    """Rates by rule family, of both sets."""
    own, given = by_family(crs.own_judged), by_family(crs.judged)
    rows = []
    for family in sorted({*own, *given}):
        ours, theirs = passed_rate(own.get(family, ())), passed_rate(given.get(family, ()))
        cells = [f"{rate.hits}/{rate.n} | {interval(rate)}" for rate in (ours, theirs)]
        rows.append(f"| {family} | {' | '.join(cells)} |")
    return rows


def override_line(judged: Iterable[Judged], overrides: Mapping[str, Any]) -> str:
    """How many of the engine's differences upstream knows of."""
    engine = [entry for entry in judged if entry.cause in ENGINES]
    known = sum(int(entry.case.group) in overrides["rules"] for entry in engine)
    return (
        f"{known} of these {len(engine)} are about rules of which upstream itself expects tests to fail on nginx "
        f"({overrides['source']})."
    )


def difference_lines(judged: Iterable[Judged], causes: Sequence[Cause], reasons: Mapping[int, str]) -> list[str]:
    """Tests with one of some causes, by what is different, with the reason where one is known."""
    found: dict[str, list[str]] = {}
    for entry in judged:
        if entry.cause in causes:
            why = reasons.get(int(entry.case.group)) if entry.cause is Cause.ENGINE else str(entry.cause)
            what = "; ".join(dict.fromkeys(entry.failures)) + (f" ({why})" if why else "")
            found.setdefault(what, []).append(entry.case.name.removeprefix("own "))
    return [f"- {what}: {', '.join(names)}" for what, names in sorted(found.items())] or ["None."]


def payload_part(payloads: Payloads, published: Mapping[str, Any]) -> list[str]:
    """GoTestWAF's payloads."""
    sendable = [case for case in payloads.cases if case.requests]
    attacks = [case for case in sendable if not case.benign]
    texts = [case for case in sendable if case.benign]
    example = published["example"]
    return [
        "## GoTestWAF's payloads",
        "",
        f"{len(payloads.cases)} payloads ({len(payloads.cases) - len(sendable)} need gRPC over HTTP/2 and are not "
        f"sent), {len(attacks)} attacks and {len(texts)} ordinary texts. *Blocked* is status 403, *passed* 200 or 404, "
        "as GoTestWAF itself counts; every other status is *unresolved* and leaves the denominator.",
        "",
        "| paranoia level | attacks blocked | n | share | 95 % interval | unresolved | in its log as an alert "
        "| ordinary texts blocked | n | share | 95 % interval |",
        "| --: | --: | --: | --: | --- | --: | --: | --: | --: | --: | --- |",
        *[level_row(level, run, attacks, texts) for level, run in sorted(payloads.runs.items())],
        "",
        "### Beside published rates",
        "",
        "By GoTestWAF's own formula: API = attacks of `owasp-api` blocked; application = mean of other attacks blocked "
        "and ordinary texts passed; overall = mean of both.",
        "",
        f"Published: {published['summary']['source']} (date: {published['summary']['date']}).",
        "",
        "| paranoia level | API: ours | published | application: ours | published | overall: ours | published |",
        "| --: | --: | --: | --: | --: | --: | --: |",
        *[summary_row(level, run, sendable, published) for level, run in sorted(payloads.runs.items())],
        "",
        f"By file, at paranoia level 1 beside the run of {example['date']} in {example['source']} ({example['what']}):",
        "",
        "| file | ours: blocked / resolved | share | 95 % interval | unresolved | published: blocked / resolved "
        "| share |",
        "| --- | --: | --: | --- | --: | --: | --: |",
        *file_rows(sendable, payloads.runs, example["cases"]),
        "",
        *mix_lines(attacks, payloads.runs, example["cases"]),
    ]


def level_row(level: int, run: Run, attacks: Sequence[Case], texts: Sequence[Case]) -> str:
    """One paranoia level."""
    counts = tally(attacks, run)
    blocked, wrong = blocked_rate(counts), blocked_rate(tally(texts, run))
    alerted = sum(run.seen[case.name, 0].alerted for case in attacks)
    return (
        f"| {level} | {blocked.hits} | {blocked.n} | {percent(blocked.value)} | {interval(blocked)} "
        f"| {counts[Verdict.UNRESOLVED]} | {alerted}/{len(attacks)} "
        f"| {wrong.hits} | {wrong.n} | {percent(wrong.value)} | {interval(wrong)} |"
    )


def summary_row(level: int, run: Run, cases: Sequence[Case], published: Mapping[str, Any]) -> str:
    """GoTestWAF's summary at one paranoia level, ours and published."""
    ours, theirs = score(cases, run), published["summary"]["paranoia"].get(level, {})
    cells = [
        f"{number(getattr(ours, name))} | {number(theirs.get(name))}" for name in ("api", "application", "overall")
    ]
    return f"| {level} | {' | '.join(cells)} |"


def file_rows(cases: Sequence[Case], runs: Mapping[int, Run], published: Mapping[str, Sequence[int]]) -> list[str]:
    """Each file of payloads at the lowest paranoia level, ours and published."""
    run = runs[min(runs)]
    rows = []
    for group in sorted({*(case.group for case in cases), *published}):
        counts = tally([case for case in cases if case.group == group], run)
        rate = blocked_rate(counts)
        theirs = "– | –"
        if group in published:
            blocked, passed, _unresolved = published[group]
            share = blocked / (blocked + passed) if blocked + passed else None
            theirs = f"{blocked}/{blocked + passed} | {percent(share)}"
        rows.append(
            f"| {group} | {rate.hits}/{rate.n} | {percent(rate.value)} | {interval(rate)} "
            f"| {counts[Verdict.UNRESOLVED]} | {theirs} |"
        )
    return rows


def mix_lines(attacks: Sequence[Case], runs: Mapping[int, Run], published: Mapping[str, Sequence[int]]) -> list[str]:
    """How much of the difference is the mix of payloads, and how much the product."""
    run = runs[min(runs)]
    weights = {group: blocked + passed for group, (blocked, passed, _rest) in published.items() if "false" not in group}
    theirs = 100 * sum(published[group][0] for group in weights) / sum(weights.values())
    ours = blocked_rate(tally(attacks, run)).value
    mixed, both = same_mix(attacks, run, weights)
    by_mix = None if ours is None or mixed is None else 100 * ours - mixed
    by_rest = None if mixed is None else mixed - theirs
    return [
        "### The differences, taken apart",
        "",
        f"- All attacks, published: {number(theirs)} % of {sum(weights.values())}; ours: {percent(ours)} of "
        f"{blocked_rate(tally(attacks, run)).n}. The two sets hold the same kinds of payload in different numbers.",
        f"- *Mix*: with each of the {both} files that both have weighing what it weighs in the published run, ours are "
        f"{number(mixed)} %. So the mix of payloads makes {signed(by_mix)} points, and rule release, engine and set-up "
        f"make {signed(by_rest)} points.",
        f"- The largest shares of the latter, in points: {contributions(attacks, run, published, weights)}.",
    ]


def contributions(
    attacks: Sequence[Case], run: Run, published: Mapping[str, Sequence[int]], weights: Mapping[str, int]
) -> str:
    """The five files that make most of the difference at the published mix."""
    found = []
    for group, weight in weights.items():
        value = blocked_rate(tally([case for case in attacks if case.group == group], run)).value
        if value is not None and weight:
            found.append((100 * (value * weight - published[group][0]) / sum(weights.values()), group))
    largest = sorted(found, key=lambda entry: -abs(entry[0]))[:5]
    return ", ".join(f"{group} {signed(points)}" for points, group in largest)


def rate_row(name: str, rate: Rate, published: str) -> str:
    """A row of a rate."""
    return f"| {name} | {rate.hits} | {rate.n} | {percent(rate.value)} | {interval(rate)} | {published} |"


def percent(value: float | None) -> str:
    """A share as a percentage; – where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def number(value: float | None) -> str:
    """A number with two decimals; – where there is none."""
    return "–" if value is None else f"{value:.2f}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return "–" if value is None else f"{value:+.1f}"


def interval(rate: Rate) -> str:
    """The interval of a rate."""
    return "–" if rate.low is None or rate.high is None else f"{100 * rate.low:.1f}–{100 * rate.high:.1f}"
