"""The picture of a measurement: kinds of work down, arms across, in each cell the ratio with its interval."""

import math
from collections.abc import Sequence
from html import escape

from pipelines.overhead import Measured
from results.measures import Estimate
from results.overhead import Overhead

LABELS, PANEL, NUMBER, ROW, HEADER, LEGEND = 150, 176, 46, 24, 64, 62
"""Pixels: the names of the work, a column, the number in it, a row, and what stands above and below the rows."""
ACROSS = 5
"""Columns in a row of columns."""
SLOWER, FASTER, NEITHER = "#b3261e", "#1b6e3c", "#5f6368"
Line = tuple[str, Estimate]


def picture(found: Measured) -> str:
    """SVG; on a scale of logarithms, so that twice as long and half as long lie as far from 1."""
    blocks = [found.overheads[start : start + ACROSS] for start in range(0, len(found.overheads), ACROSS)]
    low, high = _range(found.overheads)
    parts: list[str] = []
    top = 34.0
    for block in blocks:
        parts += _block(block, top, low, high)
        top += HEADER + ROW * (1 + max(len(one.workloads) for one in block)) + 12
    parts += _legend(top + 14)
    width = LABELS + PANEL * max(len(block) for block in blocks) + 10
    title = f"{found.title.en}: how many times as long with a product"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {max(width, 560)} {top + LEGEND:.0f}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>{escape(title)}</title>\n'
        '<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="10" y="20" font-size="14" font-weight="bold">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _lines(one: Overhead) -> list[Line]:
    return [("all together", one.together), *((line.workload, line.ratio) for line in one.workloads)]


def _range(found: Sequence[Overhead]) -> tuple[float, float]:
    """Wide enough for every ratio, and for intervals up to twice as wide; longer ones end in an arrow."""
    lines = [estimate for one in found for _name, estimate in _lines(one) if estimate.value is not None]
    values = [one.value for one in lines if one.value is not None]
    ends = [end for one in lines for end in (one.low, one.high) if end is not None]
    least, most = min([0.8, *values]), max([1.25, *values])
    low = max(least / 2, min([least, *ends]))
    high = min(most * 2, max([most, *ends]))
    return low * 0.95, high * 1.05


def _block(block: Sequence[Overhead], top: float, low: float, high: float) -> list[str]:
    """Some arms beside each other, with the names of the work before them."""
    names = list(dict.fromkeys(name for one in block for name, _estimate in _lines(one)))
    first = top + HEADER
    parts = []
    for number, name in enumerate(names):
        y, weight = first + ROW * (number + 0.5), ' font-weight="bold"' if number == 0 else ""
        parts.append(f'<text x="{LABELS - 12}" y="{y + 4}" text-anchor="end"{weight}>{escape(name)}</text>')
        if number % 2 == 0:
            width = PANEL * len(block)
            parts.insert(0, f'<rect x="{LABELS - 6}" y="{y - ROW / 2}" width="{width}" height="{ROW}" fill="#f4f5f7"/>')
    for place, one in enumerate(block):
        parts += _column(one, names, LABELS + PANEL * place, top, low, high)
    return parts


def _column(one: Overhead, names: Sequence[str], left: float, top: float, low: float, high: float) -> list[str]:
    wide = PANEL - NUMBER - 14

    def x(ratio: float) -> float:
        return round(left + math.log(ratio / low) / math.log(high / low) * wide, 1)

    first, last = top + HEADER, top + HEADER + ROW * len(names)
    product, _dash, arm = one.arm_key.rpartition("-")
    parts = [
        f'<text x="{left}" y="{top + 16}" font-weight="bold">{escape(product)}</text>',
        f'<text x="{left}" y="{top + 32}" fill="#5f6368">{escape(arm)}</text>',
    ]
    for tick in _ticks(low, high):
        stroke = ' stroke="#202124"' if tick == 1 else ' stroke="#d5d7db"'
        parts.append(f'<line x1="{x(tick)}" y1="{first - 4}" x2="{x(tick)}" y2="{last}"{stroke}/>')
        label = f"{tick:g}"
        parts.append(f'<text x="{x(tick)}" y="{first - 8}" text-anchor="middle" font-size="10">{label}</text>')
    estimates = dict(_lines(one))
    for number, name in enumerate(names):
        estimate, y = estimates.get(name), first + ROW * (number + 0.5)
        if estimate is None or estimate.value is None:
            parts.append(f'<text x="{left + wide + 10}" y="{y + 4}" fill="{NEITHER}">–</text>')
            continue
        colour = _colour(estimate)
        title = f"<title>{escape(f'{one.arm_key}, {name}: {_told(estimate)}')}</title>"
        if estimate.low is not None and estimate.high is not None:
            begin, end = x(max(estimate.low, low)), x(min(estimate.high, high))
            parts.append(
                f'<line x1="{begin}" y1="{y}" x2="{end}" y2="{y}" stroke="{colour}" stroke-width="2">{title}</line>'
            )
            parts += [_arrow(begin, y, -1, colour)] if estimate.low < low else []
            parts += [_arrow(end, y, 1, colour)] if estimate.high > high else []
        parts.append(_dot(x(estimate.value), y, colour, title))
        parts.append(f'<text x="{left + wide + 10}" y="{y + 4}" fill="{colour}">{estimate.value:.2f}</text>')
    return parts


def _told(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3g} times as long ({estimate.reason})"
    return f"{estimate.value:.3g} times as long, 95 % interval {estimate.low:.3g} to {estimate.high:.3g}"


def _colour(estimate: Estimate) -> str:
    if estimate.low is not None and estimate.low > 1:
        return SLOWER
    return FASTER if estimate.high is not None and estimate.high < 1 else NEITHER


def _ticks(low: float, high: float) -> list[float]:
    """1 and as many powers of two as have room."""
    powers = [2.0**n for n in range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)]
    every = 1 + (len(powers) - 1) // 5
    return [power for power in powers if round(math.log2(power)) % every == 0]


def _dot(x: float, y: float, colour: str, title: str = "") -> str:
    """Hollow where no difference is shown, so that colour is not all that tells."""
    inside = "#ffffff" if colour == NEITHER else colour
    return f'<circle cx="{x}" cy="{y}" r="4" fill="{inside}" stroke="{colour}" stroke-width="1.5">{title}</circle>'


def _arrow(x: float, y: float, way: int, colour: str) -> str:
    """The interval goes on beyond the picture."""
    return f'<path d="M {x} {y - 4} L {x + 6 * way} {y} L {x} {y + 4} Z" fill="{colour}"/>'


def _legend(y: float) -> list[str]:
    parts, x = [], 10.0
    for colour, words, width in (
        (SLOWER, "slower: the 95 % interval is above 1", 236),
        (FASTER, "faster: it is below 1", 146),
        (NEITHER, "no difference shown, or no interval (one round)", 140),
    ):
        parts.append(_dot(x + 5, y, colour))
        parts.append(f'<text x="{x + 14}" y="{y + 4}" font-size="11">{words}</text>')
        x += width
    words = "Scale of logarithms. An arrow: the interval goes on beyond the picture."
    parts.append(f'<text x="10" y="{y + 24}" font-size="11" fill="{NEITHER}">{words}</text>')
    return parts
