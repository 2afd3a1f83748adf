"""The pages of metrics and comparison: whole numbers, nobody's markup, and the reader's weights."""

import json
import re
import shutil
import subprocess

import pytest

from results.pages import TEMPLATES
from results.publish import publish_campaign
from results.ranks import DEFAULT_WEIGHTS
from results.scoring import score_campaign
from results.store import read_summary
from tests.campaign_builder import HOSTILE, build_campaign

ARMS = [
    {"arm": "a", "name": "A", "values": {"technique": 0.5, "logged": 0.25, "twins_disturbed": 0.5}},
    {"arm": "b", "name": "B", "values": {"technique": 0.25, "logged": 0.75, "twins_disturbed": 0.0}},
    {"arm": "c", "name": "C", "values": {"technique": 0.5, "logged": 0.25, "twins_disturbed": 0.5}},
]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built campaign, published."""
    folder = build_campaign(tmp_path_factory.mktemp("runs"))
    score_campaign(folder)
    destination = tmp_path_factory.mktemp("site") / "demo"
    publish_campaign(folder, destination)
    return destination


def in_node(arms: list[dict[str, object]], weights: dict[str, float]) -> dict[str, object]:
    return evaluated(f"weigh({json.dumps(arms)}, {json.dumps(weights)})")


def evaluated(expression: str):
    """What the page's script makes of an expression, in node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the page's script can't be run beside the Python")
    code = f"const {{weigh, shown}} = require({json.dumps(str(TEMPLATES / 'weights.js'))});" + (
        f"console.log(JSON.stringify({expression}))"
    )
    done = subprocess.run([node, "-e", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_pages_script_scores_and_ranks_as_the_python_does(site):
    """Else a reader's order would differ from the published one under the very same weights."""
    ranking = read_summary(site / "data").comparison
    arms = [{"arm": one.arm_key, "name": one.arm_key, "values": one.values} for one in ranking.vectors]
    ours = {line.arm_key: (line.rank, round(line.score.value, 6)) for line in ranking.ranking.lines}
    found = in_node(arms, DEFAULT_WEIGHTS)
    assert {line["arm"]: (line["place"], round(line["score"], 6)) for line in found["lines"]} == ours


def test_equal_scores_share_the_better_place_and_weights_of_zero_weigh_nothing():
    found = in_node(ARMS, {"technique": 1, "logged": 0, "twins_disturbed": 0})
    assert [(line["arm"], line["place"]) for line in found["lines"]] == [("a", 1), ("c", 1), ("b", 3)]
    assert found["survives"] == 1


def test_the_pages_script_never_shows_a_negative_nothing():
    values = [-0.0001, -0.0, 0.0, -0.0006, 1.2345]
    assert evaluated(f"[{', '.join(map(str, values))}].map((one) => shown(one, 3))") == [
        "0.000", "0.000", "0.000", "-0.001", "1.235",
    ]  # fmt: skip


def test_what_is_not_known_for_every_arm_is_named_instead_of_ranked():
    arms = [*ARMS[:2], {"arm": "c", "name": "C", "values": {"technique": None}}]
    assert in_node(arms, {"technique": 1}) == {"missing": ["technique"], "lines": []}


@pytest.mark.parametrize("page", ["metrics.html", "comparison.html", "en/metrics.html", "en/comparison.html"])
def test_a_products_words_never_become_markup(site, page):
    text = (site / page).read_text("utf-8")
    assert HOSTILE.partition("=")[0] not in text
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("page", ["comparison.html", "en/comparison.html"])
def test_the_one_script_of_the_comparison_is_ours_by_its_hash(site, page):
    text = (site / page).read_text("utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert "script-src &#39;sha256-" in policy.group(1)
    assert "unsafe" not in policy.group(1)


def test_every_metric_has_its_n_or_the_reason_why_there_is_none(site):
    text = (site / "en" / "metrics.html").read_text("utf-8")
    empty = re.findall(r'<td class="num">–</td><td class="quiet">(.*?)</td>', text)
    assert empty
    assert all("n = " in words for words in empty)
