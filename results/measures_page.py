"""What the page of metrics shows, arm by arm: every number with its interval and n, or the reason why there is none."""

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from results.irregular import DataQuality
from results.measures import ArmMeasures, Cost, CurvePoint, Estimate, Survival
from results.records import CONTROL, Rate, Trial
from results.summary import ArmSummary, Summary
from results.tables import share
from results.views import arm_name, product_arms
from results.wording import words
from results.wording_methods import method_words, rests_on
from results.wording_reasons import reason_words

MEBI = 1 << 20
WIDE, HIGH = 320.0, 96.0
"""Size of a curve's drawing, in its own units."""
QUALITY = tuple(name for name in DataQuality.model_fields if name not in ("zones_s",))


class Line(NamedTuple):
    """One metric, in words."""

    label: str
    value: str
    basis: str
    """What it rests on, e.g. `n = 12 techniques`."""
    reason: str
    """Why value or interval is missing."""


class Curve(NamedTuple):
    """A Kaplan-Meier curve as SVG paths, and the seconds at its right edge."""

    step: str
    band: str
    end: str


class ArmView(NamedTuple):
    """One arm's part of the page."""

    name: str
    anchor: str
    lines: tuple[Line, ...]
    curve: Curve | None
    clock: str
    costs: tuple[tuple[str, str, str], ...]
    techniques: tuple[tuple[str, str, str], ...]
    claims: tuple[tuple[str, str, str, str], ...]
    sometimes: tuple[tuple[str, str], ...]
    conduct: tuple[str, ...]


def metrics_page(summary: Summary, trials: Mapping[str, Trial], language: str) -> dict[str, Any]:
    """The values of `metrics.html.j2`."""
    arms = [arm for arm in product_arms(summary) if arm.measures is not None]
    conduct = {arm.arm_key: _conduct(arm, trials) for arm in arms}
    return {
        "summary": summary,
        "views": [_arm(arm, conduct[arm.arm_key], language) for arm in arms],
        "quality": [
            (line.trial_id, [getattr(line.quality, name) for name in QUALITY])
            for line in summary.trials
            if line.quality is not None and line.arm_key != CONTROL
        ],
        "quality_columns": QUALITY,
    }


def _conduct(arm: ArmSummary, trials: Mapping[str, Trial]) -> tuple[str, ...]:
    found = [f"{name}: {words}" for name in arm.trials if name in trials for words in trials[name].conduct]
    return tuple(dict.fromkeys(found))


def _arm(arm: ArmSummary, conduct: tuple[str, ...], language: str) -> ArmView:
    say, found = words(language), arm.measures
    assert found is not None  # noqa: S101  # `metrics_page` chose those that have some
    product = found.delays.product
    clock = found.delays.clock
    between = say["clock.between"].format(low=number(clock.low_s), high=number(clock.high_s))
    return ArmView(
        name=arm_name(arm, language),
        anchor=arm.arm_key,
        lines=tuple(one._replace(reason=reason_words(one.reason, language)) for one in _lines(arm, found, language)),
        curve=curve(product),
        clock=say["clock.contradictory"] if clock.contradictory else clock.reason or between,
        costs=tuple(_cost(cost, say, language) for cost in found.costs),
        techniques=tuple((one.technique, share(one.sensitivity), share(one.specificity)) for one in found.techniques),
        claims=tuple(
            (
                one.technique,
                say.get(f"outcome.{one.claimed}", one.claimed),
                say[f"claim.{one.verdict}"],
                share(one.rate),
            )
            for one in found.claims
        ),
        sometimes=tuple((one.step_id, f"{one.detected}/{one.n}") for one in found.stability.sometimes),
        conduct=conduct,
    )


def _lines(arm: ArmSummary, found: ArmMeasures, language: str) -> list[Line]:
    say, chain, delays = words(language), found.chain, found.delays
    _rate, _estimate = partial(_of_rate, language), partial(_of_estimate, language)
    untimed = say["delays.untimed"].format(n=delays.product.untimed) if delays.product.untimed else ""
    by_receipt = say["chain.by_receipt"] if any(line.by_receipt for line in chain.trials) else ""
    lines = [
        _rate(say["measure.sensitivity"], found.sensitivity),
        _rate(say["measure.specificity"], found.specificity),
        *([_rate(say["measure.beyond_class"], found.beyond_class)] if found.beyond_class else []),
        _estimate(say["measure.youden_j"], found.youden_j),
        _estimate(say["measure.balanced_accuracy"], found.balanced_accuracy),
        _rate(say["measure.chance"], arm.chance),
        _estimate(say["measure.false_positives"], found.false_positives_per_hour),
        _estimate(say["measure.alerts_per_step"], found.volume.alerts_per_detected_step),
        _estimate(say["measure.alerts_per_hour"], found.volume.alerts_per_hour),
        _rate(say["measure.duplicates"], found.volume.duplicate_share),
        _rate(say["measure.wrong"], arm.wrong_techniques),
        *([_rate(say["measure.naming_luck"], arm.naming_luck)] if arm.naming_luck else []),
        *([_rate(say["measure.windows"], arm.windows)] if arm.windows else []),
    ]
    for quantile in delays.product.quantiles:
        label = say["measure.median"] if quantile.share == 0.5 else f"{say['measure.quantile']} {quantile.share:.0%}"
        lines.append(_noted(_estimate(label, quantile.estimate), untimed))
    lines.append(_noted(_estimate(say["measure.delivery"], delays.delivery.quantiles[0].estimate), untimed))
    return [
        *lines,
        _rate(say["measure.chain_seen"], chain.seen),
        _noted(_estimate(say["measure.steps_before"], chain.steps_to_first_alert), by_receipt),
        _noted(_estimate(say["measure.seconds_before"], chain.seconds_to_first_alert), by_receipt),
        _noted(_rate(say["measure.objective"], chain.before_objective), by_receipt),
        *([_estimate(say["measure.slow_down"], found.slow_down)] if found.slow_down else []),
        _estimate(say["measure.alpha"], found.stability.alpha),
        _rate(say["measure.same"], found.stability.same),
    ]


def _of_rate(language: str, label: str, rate: Rate) -> Line:
    basis = method_words(rate.method, language) if rate.value is not None else ""
    return Line(label, share(rate), basis, "" if rate.n else "n = 0")


def _of_estimate(language: str, label: str, estimate: Estimate) -> Line:
    basis = f"{rests_on(estimate.n, estimate.of, language)}; {method_words(estimate.method, language)}"
    return Line(label, said(estimate), basis, estimate.reason or "")


def _noted(line: Line, note: str) -> Line:
    """The line with a note of what it rests on; an empty note is none."""
    return line._replace(basis="; ".join(part for part in (line.basis, note) if part))


def said(estimate: Estimate, scale: float = 1.0) -> str:
    """A number with its interval; an end that is not known, or not there, is `–`."""
    if estimate.value is None:
        return "–"
    unit = {"seconds": " s"}.get(estimate.unit, "") if scale == 1.0 else ""
    low, high = (number(end / scale) if end is not None else "–" for end in (estimate.low, estimate.high))
    return f"{number(estimate.value / scale)}{unit} [{low}, {high}]"


def number(value: float | None) -> str:
    """Three significant digits; thousands in full."""
    if value is None:
        return "–"
    value += 0.0  # -0.0 becomes 0
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _cost(cost: Cost, say: Mapping[str, str], language: str) -> tuple[str, str, str]:
    scale = MEBI if cost.resource.endswith("_bytes") else 1.0

    def shown(estimate: Estimate) -> str:
        missing = f"– ({reason_words(estimate.reason or '', language)})"
        return f"{said(estimate, scale)} (n = {estimate.n})" if estimate.value is not None else missing

    return say.get(f"cost.{cost.resource}", cost.resource), shown(cost.own), shown(cost.on_nodes)


def curve(survival: Survival) -> Curve | None:
    """The curve as steps from 1 down, with the band of its interval; None without any alert."""
    points = survival.curve
    if not points:
        return None
    end = max(point.seconds for point in points) or 1.0

    def path(values: list[tuple[float, float]]) -> str:
        at = [f"M0 {HIGH * (1 - values[0][1]):.1f}"]
        for before, (seconds, value) in pairwise(values):
            at.append(f"H{WIDE * seconds / end:.1f}V{HIGH * (1 - value):.1f}" if before[1] != value else "")
        return "".join(at) + f"H{WIDE:.0f}"

    upper, lower = _steps(points, "high"), _steps(points, "low")
    return Curve(step=path(_steps(points, "share")), band=_band(upper, lower, end), end=number(end))


def _steps(points: tuple[CurvePoint, ...], field: str) -> list[tuple[float, float]]:
    return [(0.0, 1.0), *((point.seconds, float(getattr(point, field))) for point in points)]


def _band(upper: list[tuple[float, float]], lower: list[tuple[float, float]], end: float) -> str:
    there = [f"{WIDE * s / end:.1f} {HIGH * (1 - v):.1f}" for s, v in _cornered(upper)]
    back = [f"{WIDE * s / end:.1f} {HIGH * (1 - v):.1f}" for s, v in reversed(_cornered(lower))]
    return "M" + "L".join([*there, *back]) + "Z"


def _cornered(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    corners = [points[0]]
    for (_s0, v0), (s1, v1) in pairwise(points):
        corners += [(s1, v0), (s1, v1)]
    return corners
