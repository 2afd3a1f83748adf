"""What people decided is on the first page, with the original beside it."""

import pytest

from results.adjudication import adjudicate, read_ruling
from results.disputes import dispute, open_window
from results.pages import environment
from results.people_page import schedule_lines
from results.publish import publish_campaign
from results.scoring import score_campaign
from tests.campaign_builder import BEGAN, HOSTILE, SECOND, build_campaign


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A verdict changed by a person, an objection, an open window, and a trial that the budget left out."""
    folder = build_campaign(tmp_path_factory.mktemp("runs"))
    score_campaign(folder)
    now = BEGAN + 1000 * SECOND
    words = {"author": "A. Judge", "reason": f"Looked at it again {HOSTILE}"}
    adjudicate(folder, "eyes-default-r1", "cron", read_ruling("missed"), words, ("a000001",), now)
    open_window(folder, "eyes", 7, now)
    dispute(folder, "eyes-default-r1", "look", "The vendor", "It was told in time", ("a000003",), now + 1)
    (folder / "schedule.jsonl").write_text(
        '{"decision": "not run", "reason": "the budget", "trial": "late-default-r1"}\n'
    )
    score_campaign(folder)
    destination = tmp_path_factory.mktemp("site") / "demo"
    publish_campaign(folder, destination, is_final=False)
    return destination


def test_an_adjudicated_verdict_stands_beside_the_original_with_author_and_reason(site):
    text = (site / "en" / "index.html").read_text("utf-8")
    assert "Alerted (technique named) → Missed" in text
    assert "A. Judge" in text
    assert "Looked at it again &lt;script&gt;" in text
    assert "<script>" not in text


@pytest.mark.parametrize(("page", "words"), [("index.html", "暫定版"), ("en/index.html", "Provisional")])
def test_a_publication_within_the_dispute_window_says_so(site, page, words):
    """Else a vendor's objection would come too late."""
    text = (site / page).read_text("utf-8")
    assert words in text
    assert "It was told in time" in text


def test_what_the_budget_left_out_is_said_with_its_reason(site):
    assert schedule_lines(site / "data") == ["late-default-r1: not run – the budget"]
    assert "late-default-r1: not run – the budget" in (site / "index.html").read_text("utf-8")


def test_scoring_what_is_published_gives_the_same_bytes(site):
    """The journal is part of the data: a reader's own scores hold the adjudication, too."""
    before = (site / "data" / "summary.json").read_bytes()
    score_campaign(site / "data")
    assert (site / "data" / "summary.json").read_bytes() == before


def test_the_templates_take_nothing_for_markup():
    assert environment().autoescape is True
