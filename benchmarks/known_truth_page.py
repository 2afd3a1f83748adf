"""The page and the plots of a run of `benchmarks.known_truth`: numbers of that run, and what they mean."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

LOW, HIGH = 0.93, 0.97
ANY = "any product"
"""Name of the worlds in which everything is drawn."""
TRIALS = "trials"
"""Name of the part whose worlds differ by their number of trials."""
HEAD = """# Known truth

Simulated products with set sensitivity, specificity, latency, noise, flakiness and duplicate alerts, measured by the
code that measures real ones. Made by `python -m benchmarks.known_truth` (two processes; the same seed gives the same
numbers): {campaigns} campaigns of each kind, {total} in all, each with 2,000 resamples instead of 10,000. What is set,
and how campaigns are drawn: `benchmarks/known_truth_worlds.py`.

A share of {campaigns} campaigns near 95 % is itself uncertain by ±{noise:.1%} (two standard errors); the first two
tables have three to sixteen times as many; the 90 % quantile of the delay is asked of products that reach it.
"""
READING = """## Coverage of the 95 % intervals

Share of campaigns whose interval holds the truth. **Bold**: outside 93–97 %. In brackets: in so many campaigns of a
hundred the metric says itself that there is no such number or interval; they are left out.

Each campaign's product is drawn anew: sensitivity from 5 to 95 %, twins alerted on from 2 to 50 %, and so on for spread
between techniques, flakiness, latency, duplicates, noise and its overdispersion, chance (`any_product`). That is the
coverage that a reader may count on who does not know the truth: the mean over truths, as L. D. Brown, T. T. Cai and A.
DasGupta judge intervals (Statistical Science 16, 2001). For one fixed truth no interval of few yes-or-no answers can
have a given coverage, because ten answers have eleven possible shares; the tables further below show that.

![coverage](known-truth-coverage.svg)
"""
BY_TRIALS = """### What a campaign learns from its trials alone

The same for the chain's first alert, the slow-down and the cost, by number of trials; what is true of the chain is what
1,501 further trials of the same product on the same plan say. The median of fewer than six trials has no limits that
hold with 95 % whatever its distribution, so none are given. Steps are whole numbers, and a median of whole numbers is
known for certain in the end: their limits promise at least 95 %, as the page of a campaign says. Whether the alert came
before the objective is asked of products for which that is open, which in 5 to 95 % of their trials it does: for most
it is as good as certain (row "as good as certain"), and what was seen in every trial is then in every interval.
"""
FIXED = """### For a fixed sensitivity

Columns: the sensitivity that was set. Ten answers with a truth of 5 % have the shares 0, 1, 2 … with 60, 32, 7 … %: an
interval holds that truth in 91 or 99 % of campaigns, never in 95 %.
"""
SHARE = " (share)"
"""End of the name of a line that is no coverage."""
AT_LEAST = " (at least)"
"""End of the name of limits that promise at least 95 %."""
ONE_SIDED = """Where the curve's own upper limit never comes down to a quantile's share, the quantile has no upper
limit, as the page of a campaign says: the rows "without an upper limit" say how often that is. Where so few executions
could have none whatever they show, the lower limit holds with 95 % by itself.
"""


class Counted(Protocol):
    """What the page needs of a line."""

    part: str
    name: str
    what: str
    hits: int
    n: int
    none: int

    @property
    def share(self) -> float:
        """Of the campaigns in which there was a number."""


def write_pages(
    folder: Path, lines: Sequence[Counted], predicted: Mapping[str, float], campaigns: int, total: int
) -> list[Path]:
    """Write page and plots, and return their paths.

    Args:
        folder: for them.
        lines: what was counted.
        predicted: by the power helper.
        campaigns: of a kind.
        total: of all kinds.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head = HEAD.format(campaigns=campaigns, total=f"{total:,}", noise=2 * (0.95 * 0.05 / campaigns) ** 0.5)
    parts = [
        head,
        READING,
        drawn_table(lines),
        outside(lines),
        ONE_SIDED,
        BY_TRIALS,
        drawn_table(lines, TRIALS),
        FIXED,
        coverage_tables(lines),
        error_table(lines),
        rank_table(lines),
        sequential_table(lines),
    ]
    parts.append(power_table(lines, predicted))
    files = {
        "known-truth.md": "\n".join(parts),
        "known-truth-coverage.svg": coverage_plot(lines),
        "known-truth-power.svg": power_plot(lines, predicted),
    }
    for name, text in files.items():
        (folder / name).write_text(text.rstrip() + "\n", "utf-8")
    return [folder / name for name in files]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "\n".join(["| " + " | ".join(row) + " |" for row in (header, ["---"] * len(header), *rows)]) + "\n"


def percent(share: float, outside: bool = False) -> str:
    """A share, bold if it lies outside."""
    return f"**{share:.1%}**" if outside else f"{share:.1%}"


def drawn_table(lines: Sequence[Counted], part: str = "coverage") -> str:
    """Intervals down, sizes of campaign across, for products drawn anew in each campaign."""
    rows: dict[str, dict[str, Counted]] = defaultdict(dict)
    for line in lines:
        size, world = line.name.split("; ") if line.part == part else ("", "")
        if world == ANY:
            rows[line.what][size] = line
    sizes = list(dict.fromkeys(size for row in rows.values() for size in row))
    return table(
        ["interval", *sizes], [[what, *(_cell(row.get(size)) for size in sizes)] for what, row in rows.items()]
    )


def outside(lines: Sequence[Counted]) -> str:
    """Which intervals of products that were drawn do not hold the truth as often as they should."""
    found = [
        f"- {line.what}, {line.name.split('; ')[0]}: {line.share:.1%} of {line.n} campaigns."
        for line in lines
        if line.part in ("coverage", TRIALS) and line.name.endswith(ANY) and _is_off(line)
        if "not used" not in line.what
    ]
    return "Outside 93–97 %:\n\n" + "\n".join(found or ["- none."]) + "\n"


def _is_off(line: Counted) -> bool:
    high = 1.0 if line.what.endswith(AT_LEAST) else HIGH
    return bool(line.n) and not line.what.endswith(SHARE) and not LOW <= line.share <= high


def coverage_tables(lines: Sequence[Counted]) -> str:
    """One table a size of campaign: intervals down, rates across."""
    sizes: dict[str, dict[str, dict[str, Counted]]] = defaultdict(lambda: defaultdict(dict))
    for line in lines:
        if line.part == "coverage":
            size, rate = line.name.split("; ")
            if rate != ANY:
                sizes[size][line.what][rate] = line
    found = []
    for size, rows in sizes.items():
        rates = list(dict.fromkeys(rate for row in rows.values() for rate in row))
        body = [[what, *(_cell(row.get(rate)) for rate in rates)] for what, row in rows.items()]
        found.append(f"#### {size}\n\n" + table(["interval", *(rate.removeprefix("rate ") for rate in rates)], body))
    return "\n".join(found)


def _cell(line: Counted | None) -> str:
    if line is None:
        return "–"
    if not line.n:
        return "(100)"
    without = 100 * line.none / (line.n + line.none)
    shown = percent(line.share, _is_off(line))
    return f"{shown} ({without:.0f})" if without >= 1 else shown


def error_table(lines: Sequence[Counted]) -> str:
    """How often equal products are called different."""
    chosen = [line for line in lines if line.part == "error"]
    names = list(dict.fromkeys(line.name for line in chosen))
    tests = list(dict.fromkeys(line.what for line in chosen))
    place = {(line.what, line.name): line for line in chosen}
    rows = [[test, *(_error_cell(place.get((test, name))) for name in names)] for test in tests]
    return (
        "## Type-I error at the level of 5 %\n\nShare of campaigns in which products with the same truth are called "
        "different. **Bold**: more than two standard errors above 5 %. McNemar's and the test within step are tried "
        "where their null hypothesis holds: the same chance on every single step. Cochran's Q by its chi-square "
        "approximation stands beside the exchange test (`swap_all`), which is the one that counts.\n\n"
        + table(["test", *names], rows)
    )


def _error_cell(line: Counted | None) -> str:
    if line is None or not line.n:
        return "–"
    return percent(line.share, line.share > 0.05 + 2 * (0.05 * 0.95 / line.n) ** 0.5)


def rank_table(lines: Sequence[Counted]) -> str:
    """How often all places hold at once."""
    chosen: dict[str, dict[str, Counted]] = defaultdict(dict)
    for line in lines:
        if line.part == "ranks":
            chosen[line.name][line.what] = line
    whats = list(dict.fromkeys(line.what for line in lines if line.part == "ranks"))
    rows = [
        [name, *(percent(row[what].share, row[what].share < LOW) for what in whats)] for name, row in chosen.items()
    ]
    return (
        "## Places\n\nShare of campaigns in which the places from-to hold the true place of all eight arms at once "
        "(at least 95 % is promised; more is the price of Holm's adjustment over 28 pairs). Beside it what percentiles "
        "of resampled places would hold. Equal arms share their places, all of which must lie within.\n\n"
        + table(["truth", *whats], rows)
    )


def sequential_table(lines: Sequence[Counted]) -> str:
    """What the stopping rule says."""
    whats = ("called different", "called alike", "stopped early")
    chosen: dict[str, dict[str, Counted]] = defaultdict(dict)
    for line in lines:
        if line.part == "sequential":
            chosen[line.name][line.what] = line
    rows = [[name, *(percent(row[what].share) for what in whats)] for name, row in chosen.items()]
    return (
        "## Stopping rule\n\nFive looks at most, level 5 % over all looks, margin 10 percentage points. Where both "
        "products have 60 %, `called different` is the type-I error.\n\n" + table(["campaign", *whats], rows)
    )


def power_table(lines: Sequence[Counted], predicted: Mapping[str, float]) -> str:
    """Predicted and measured power."""
    rows = [
        [
            line.name,
            percent(predicted[line.name]),
            percent(line.share, abs(line.share - predicted[line.name]) > 2 * _error(line)),
        ]
        for line in lines
        if line.part == "power"
    ]
    return (
        "## Power\n\nWhat `pij power` says, and how often the test that is really used (exchange of places, technique "
        "by technique) finds the difference. With one execution of each the helper is exact; with several it computes "
        "the power from the test itself, under Beta-distributed rates (`results/power_exact.py`). **Bold**: further "
        "apart than two standard errors of what was measured (5 % of cases are by chance).\n\n"
        "![power](known-truth-power.svg)\n\n" + table(["question", "helper", "measured"], rows)
    )


def _error(line: Counted) -> float:
    return float((line.share * (1 - line.share) / line.n) ** 0.5)


def coverage_plot(lines: Sequence[Counted]) -> str:
    """A row an interval, a dot a size of campaign with products drawn, on a scale from 85 % to 100 %."""
    chosen: dict[str, list[Counted]] = defaultdict(list)
    for line in lines:
        wanted = line.part in ("coverage", TRIALS) and line.n and line.name.endswith(ANY)
        if wanted and "not used" not in line.what and not line.what.endswith(SHARE):
            chosen[line.what].append(line)
    left, right, row, top = 230, 720, 22, 30
    height = top + row * len(chosen) + 30

    def x(share: float) -> float:
        return round(left + (max(0.85, share) - 0.85) / 0.15 * (right - left), 1)

    parts = [
        f'<rect x="{x(LOW)}" y="{top}" width="{x(HIGH) - x(LOW):.1f}" height="{row * len(chosen)}" fill="#d9ead3"/>',
        f'<line x1="{x(0.95)}" y1="{top}" x2="{x(0.95)}" y2="{top + row * len(chosen)}" stroke="#38761d"/>',
    ]
    parts += [
        f'<text x="{x(tick / 100)}" y="{top - 8}" text-anchor="middle">{tick} %</text>'
        for tick in (85, 90, 93, 95, 97, 100)
    ]
    for number, (what, found) in enumerate(chosen.items()):
        y = top + row * number + row / 2
        parts.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{_plain(what)}</text>')
        for line in found:
            shown = f"{_plain(line.name)}: {line.share:.1%} of {line.n}"
            parts.append(
                f'<circle cx="{x(line.share)}" cy="{y}" r="4" fill="#1155cc" fill-opacity="0.55">'
                f"<title>{shown}</title></circle>"
            )
    return _svg(right + 30, height, parts, "Coverage of the 95 % intervals; the band is 93 to 97 %")


def power_plot(lines: Sequence[Counted], predicted: Mapping[str, float]) -> str:
    """Measured power over predicted power; on the line they agree."""
    size, edge = 300, 50

    def place(share: float) -> float:
        return round(edge + share * size, 1)

    parts = [
        f'<rect x="{edge}" y="{edge}" width="{size}" height="{size}" fill="none" stroke="#999"/>',
        f'<line x1="{edge}" y1="{edge + size}" x2="{edge + size}" y2="{edge}" stroke="#38761d"/>',
        f'<text x="{edge + size / 2}" y="{2 * edge + size - 8}" text-anchor="middle">power by the helper</text>',
        f'<text x="16" y="{edge + size / 2}" text-anchor="middle" '
        f'transform="rotate(-90 16 {edge + size / 2})">measured</text>',
    ]
    for tick in (0, 50, 100):
        parts.append(f'<text x="{place(tick / 100)}" y="{edge + size + 18}" text-anchor="middle">{tick} %</text>')
        parts.append(
            f'<text x="{edge - 6}" y="{2 * edge + size - place(tick / 100) + 4}" text-anchor="end">{tick} %</text>'
        )
    for line in lines:
        if line.part == "power":
            title = f"{_plain(line.name)}: {predicted[line.name]:.1%}, measured {line.share:.1%}"
            parts.append(
                f'<circle cx="{place(predicted[line.name])}" cy="{2 * edge + size - place(line.share):.1f}" r="5" '
                f'fill="#1155cc" fill-opacity="0.6"><title>{title}</title></circle>'
            )
    return _svg(size + 2 * edge, size + 2 * edge, parts, "Power: measured over predicted")


def _plain(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _svg(width: float, height: float, parts: Sequence[str], title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>{title}</title>\n' + "\n".join(parts) + "\n</svg>"
    )
