"""The page of comparison: every pair with its interval and test, and ranks under the reader's own weights."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from results.contrasts import Comparison, Contrast
from results.measures_page import number, said
from results.pages import TEMPLATES
from results.printable import printable, script_data
from results.ranks import WEIGHED
from results.sequential import level_shown
from results.summary import Summary
from results.tables import p_shown, percent
from results.views import arm_name, product_arms
from results.wording import words
from results.wording_reasons import reason_words

NEGATIVE = ("missed", "twins_disturbed", "delay", "cost")
"""What a reader would weigh below zero."""


class PairView(NamedTuple):
    """One pair on one metric."""

    first: str
    second: str
    css: str
    difference: str
    only: str
    n: int
    techniques: int
    test: str
    p_holm: str
    beats: str
    detectable: str
    conclusion: str


class Slider(NamedTuple):
    """One weight."""

    name: str
    label: str
    low: float
    high: float
    default: float


def comparison_page(summary: Summary, page: dict[str, Any], language: str) -> dict[str, Any]:
    """The values of `comparison.html.j2`.

    Args:
        summary: a scored campaign.
        page: what every page gets; its content policy is widened by our own script, by its hash.
        language: `ja` or `en`.
    """
    say = words(language)
    reason = reason_words(summary.comparison.ranking.reason or "", language) if summary.comparison else ""
    names = {arm.arm_key: arm_name(arm, language) for arm in product_arms(summary)}
    found = summary.comparison
    if found is None:
        return page | {"summary": summary, "found": None}
    script = (TEMPLATES / "weights.js").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return page | {
        "csp": page["csp"] + f"; script-src 'sha256-{digest}'",
        "summary": summary,
        "found": found,
        "no_ranking": reason,
        "script": Markup(script),  # noqa: S704  # our own file
        "vectors": Markup(script_data(_vectors(found, names))),  # noqa: S704  # nothing in it can end the element
        "sliders": [_slider(name, found.ranking.weights, say) for name in WEIGHED if _is_known(found, name)],
        "ranks": [
            (line.rank, f"{line.low}–{line.high}", names.get(line.arm_key, line.arm_key), said(line.score),
             percent(line.keeps))
            for line in found.ranking.lines
        ],
        "rule": found.by_rule,
        "ruled": [
            (names.get(line.first, line.first), names.get(line.second, line.second), line.repetition,
             level_shown(line.p_value), level_shown(line.threshold), say[f"conclusion.{line.conclusion}"])
            for line in (found.by_rule.lines if found.by_rule else ())
        ],
        "metrics": [
            (metric, say[f"compared.{metric}"], pairs, [(test.name, p_shown(test.p_value), test.of) for test in tests])
            for metric in dict.fromkeys(one.metric for one in found.contrasts)
            for pairs in [[_pair(one, names, language) for one in found.contrasts if one.metric == metric]]
            for tests in [found.overall.get(metric, ())]
        ],
    }  # fmt: skip


def _vectors(found: Comparison, names: Mapping[str, str]) -> dict[str, object]:
    return {
        "arms": [
            {"arm": line.arm_key, "name": printable(names.get(line.arm_key, line.arm_key)), "values": line.values}
            for line in found.vectors
        ]
    }


def _is_known(found: Comparison, name: str) -> bool:
    return all(line.values.get(name) is not None for line in found.vectors)


def _slider(name: str, weights: Mapping[str, float], say: Mapping[str, str]) -> Slider:
    low, high = (-2.0, 0.0) if name in NEGATIVE else (0.0, 2.0)
    return Slider(name, say[f"weigh.{name}"], low, high, weights.get(name, 0.0))


def _pair(one: Contrast, names: Mapping[str, str], language: str) -> PairView:
    say = words(language)
    first = one.tests[0] if one.tests else None
    return PairView(
        first=names.get(one.first, one.first),
        second=names.get(one.second, one.second),
        css="ahead" if one.conclusion in ("first", "second") else "same",
        difference=said(one.difference),
        only=f"{one.first_only} : {one.second_only}",
        n=one.n,
        techniques=one.techniques,
        test=f"{first.name} ({p_shown(first.p_value)}, {first.of})" if first else "–",
        p_holm=p_shown(one.p_holm),
        beats=percent(one.beats) if one.beats is not None else "–",
        detectable=number(one.detectable),
        conclusion=say[f"conclusion.{one.conclusion}"]
        + (f" ({reason_words(one.reason, language)})" if one.reason else ""),
    )
