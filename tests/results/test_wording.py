"""A Japanese page says in Japanese how its numbers were made, and why some are missing."""

import ast
import json
import re

import pytest

from results.measures_page import metrics_page
from results.paths import ROOT
from results.records import Rate
from results.scoring import score_campaign
from results.tables import mean_share
from results.wording_methods import method_words, rests_on
from results.wording_reasons import reason_words
from tests.campaign_builder import build_campaign
from tests.results.rendered import first_text

NAMED = ("METHOD", "METHOD_WHOLE", "CLUSTERED", "CLUSTERED_PLAIN", "COUNTED", "FURTHER", "method")
ENGLISH = re.compile(r"(?<![A-Za-z])[a-z]{2,}")
PUBLISHED = sorted((ROOT / "results" / "published").glob("*/data/summary.json"))


def texts_of(tree):
    """Every text that a module gives a number as its method."""
    for node in ast.walk(tree):
        given = [node.value] if isinstance(node, ast.keyword) and node.arg == "method" else []
        if isinstance(node, ast.Assign):
            names = {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
            values = node.value.elts[:1] if isinstance(node.value, ast.Tuple) else [node.value]
            given += values if names & set(NAMED) else []
        for value in given:
            parts = value.values if isinstance(value, ast.JoinedStr) else [value]
            found = "".join(part.value for part in parts if isinstance(part, ast.Constant))
            if isinstance(value, ast.Constant | ast.JoinedStr) and re.search(r"[a-z]{3}", found.replace("over", "")):
                yield found


def methods_in_code():
    """Of the modules whose numbers are on a page of ours."""
    files = [path for path in (ROOT / "results").glob("*.py") if not re.match("attack_eval|benchmark_", path.name)]
    return sorted({text for path in files for text in texts_of(ast.parse(path.read_text("utf-8")))})


def parts_of(value):
    """Every record with a method, at any depth."""
    if isinstance(value, dict):
        yield from [value] if "method" in value else []
        for part in value.values():
            yield from parts_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from parts_of(part)


def test_the_methods_in_the_code_are_found():
    found = methods_in_code()
    assert len(found) >= 12
    assert "mean over trials with Student's interval" in found


@pytest.mark.parametrize("method", methods_in_code())
def test_every_method_in_the_code_has_its_japanese(method):
    assert not ENGLISH.search(method_words(method, "ja")), method_words(method, "ja")
    assert method_words(method, "en") == method


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.parent.name)
def test_whatever_a_published_summary_says_of_a_number_has_its_japanese(path):
    parts = list(parts_of(json.loads(path.read_text("utf-8"))))
    said = {method_words(one["method"], "ja") for one in parts if one["method"]}
    said |= {reason_words(one["reason"], "ja") for one in parts if one.get("reason")}
    said |= {rests_on(one["n"], one["of"], "ja").removeprefix("n = ") for one in parts if "of" in one}
    assert said
    assert {one for one in said if ENGLISH.search(one)} == set()


@pytest.mark.parametrize(("language", "over"), [("ja", "（2テクニックの平均）"), ("en", " (mean over 2 techniques)")])
def test_a_mean_over_techniques_does_not_stand_beside_counts_that_it_is_not_the_ratio_of(tmp_path, language, over):
    """Once seen: 25% (1/3)."""
    mean = Rate(hits=1, n=3, value=0.25, low=0.037, high=0.745, method="mean over techniques; wilson", clusters=2)
    assert mean_share(mean, language) == f"25% [4–74]{over}"
    once = mean.model_copy(update={"hits": 1, "n": 2, "value": 0.5, "clusters": None})
    assert mean_share(once, language) == f"50% [4–74]{over}"
    assert mean_share(mean.model_copy(update={"value": None}), language) == "–"
    folder = build_campaign(tmp_path)
    summary = score_campaign(folder)
    text = first_text(folder, summary, language)
    for line in (line for arm in summary.arms for line in arm.rates if line.macro and line.macro.value is not None):
        assert mean_share(line.macro, language) in text


def test_the_page_of_metrics_says_it_in_the_pages_language(tmp_path):
    summary = score_campaign(build_campaign(tmp_path))
    lines = [line for view in metrics_page(summary, {}, "ja")["views"] for line in view.lines]
    assert {line.basis for line in lines if ENGLISH.search(line.basis)} == set()
    english = [line for view in metrics_page(summary, {}, "en")["views"] for line in view.lines]
    assert any("techniques; limits of a difference of shares" in line.basis for line in english)
