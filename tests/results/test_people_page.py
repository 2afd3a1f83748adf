"""What people decided is on the first page, with the original beside it."""

import json

import pytest

from results import arms_page
from results.adjudication import adjudicate, read_ruling
from results.arm_differences import ArmDifference, Basis, Written, written
from results.disputes import dispute, open_window
from results.journal import EntryKind, append
from results.pages import environment
from results.people_page import MOST_LINES, schedule_lines
from results.publish import publish_campaign
from results.registration import Registration, RegistrationSignature, committed, write_registration
from results.scoring import score_campaign
from tests.campaign_builder import ARMS, BEGAN, HOSTILE, SECOND, SEED, build_campaign

FORGED = f"AAAAforged{HOSTILE}"


def register(folder):
    """A registration with a forged signature, another product, a trial without a result, and an older scorer."""
    signature = RegistrationSignature(algorithm="ed25519", public_key=FORGED, signature="AAAA")
    seeds = {f"{arm}-r{number}": SEED + number for number in (1, 2) for arm in ("control", *ARMS)}
    registration = committed(
        Registration(
            campaign="demo", definition="f" * 64, pace=None, plan="chain", plan_digest="p" * 64, held_out=False,
            environment="server", environment_digest="e" * 64,
            products=dict.fromkeys(ARMS, "a" * 64) | {"eyes-tuned": "b" * 64}, seeds=seeds | {"gone-default-r1": 1},
            attack_release="enterprise 18.1", scorer_version="1", methodology="0" * 64,
            registered_ns=BEGAN - SECOND, signature=signature,
        )
    )  # fmt: skip
    write_registration(folder, registration)
    append(folder, EntryKind.REGISTERED, {"commitment": registration.commitment}, BEGAN - SECOND)


def differences():
    """One that is too long for a page and hostile, and one that is withheld."""
    about = ArmDifference(product="eyes", first="default", second="tuned", basis=Basis.UNCHECKED, digest="a" * 64)
    withheld = ArmDifference(product="gate", first="default", second="default", basis=Basis.CHANGED)
    lines = "".join(f"+line {number}\n" for number in range(1, arms_page.MOST_LINES + 10))
    return (written(about, f"+{HOSTILE}\n{lines}"), Written(withheld, None))


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
    line = {"decision": "not run", "reason": "the budget", "trial": "late-default-r1"}
    lines = [line, *(line | {"trial": f"late-default-r{number}"} for number in range(2, MOST_LINES + 4))]
    (folder / "schedule.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines))
    register(folder)
    score_campaign(folder)
    destination = tmp_path_factory.mktemp("site") / "demo"
    publish_campaign(folder, destination, is_final=False, differences=differences())
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
    assert schedule_lines(site / "data")[0] == "late-default-r1: not run – the budget"
    assert "late-default-r1: not run – the budget" in (site / "index.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("page", "words", "place"),
    [("index.html", "ほかに3行", "data"), ("en/index.html", "3 more lines", "../data")],
)
def test_how_many_lines_of_the_schedule_are_not_shown_is_said_and_where_they_are(site, page, words, place):
    """Else a reader would take a part for the whole."""
    text = (site / page).read_text("utf-8")
    assert f"late-default-r{MOST_LINES}:" in text
    assert f"late-default-r{MOST_LINES + 1}:" not in text
    (line,) = [line for line in text.splitlines() if words in line]
    assert f'<a href="{place}/schedule.jsonl">schedule.jsonl</a>' in line
    assert len((site / "data" / "schedule.jsonl").read_text().splitlines()) == MOST_LINES + 3


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("index.html", ("無効です。", "署名（無効）：登録は", "gone-default-r1：登録されているのに結果がありません",
                        "eyes-tuned-r1：製品フォルダと設定：登録はbbbbbbbbbbbbbbbb、実際はaaaaaaaaaaaaaaaa",
                        "予算と再試行の上限", "改訂された採点プログラムで採点し直しています（第1版 →")),
        ("en/index.html", ("INVALID: it does not hold", "signature (invalid): registered",
                           "gone-default-r1: registered, but without a result",
                           "eyes-tuned-r1: product folder and arm: registered bbbbbbbbbbbbbbbb, found aaaaaaaaaaaaaaaa",
                           "budget and number of retries", "scored anew by a later scorer (from version 1 to")),
    ],
)  # fmt: skip
def test_how_the_campaign_stands_to_its_registration_is_said_in_both_languages(site, page, words):
    """Else a forged name, another product, a left-out arm or another scorer would pass for what was registered."""
    text = (site / page).read_text("utf-8")
    assert [one for one in words if one not in text] == []
    assert "AAAAforged&lt;script&gt;" in text
    assert "<script>" not in text


def test_scoring_what_is_published_gives_the_same_bytes(site):
    """The journal is part of the data: a reader's own scores hold the adjudication, too."""
    before = (site / "data" / "summary.json").read_bytes()
    score_campaign(site / "data")
    assert (site / "data" / "summary.json").read_bytes() == before


def test_the_templates_take_nothing_for_markup():
    assert environment().autoescape is True


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("comparison.html", ("設定の差", "確かめられません", "410行の差", "ほかに10行。", "差を示しません",
                             'href="data/arms/eyes-tuned.diff.txt"')),
        ("en/comparison.html", ("How the arms are configured", "can&#39;t be checked", "410 changed lines",
                                "10 more lines", "no difference is shown",
                                'href="../data/arms/eyes-tuned.diff.txt"')),
    ],
)  # fmt: skip
def test_what_a_tuned_arm_changes_can_be_read_in_both_languages_and_runs_nothing(site, page, words):
    """Else a buyer would see what tuning gained, and not what was tuned; and the text is a product's own."""
    text = (site / page).read_text("utf-8")
    assert [one for one in words if one not in text] == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert ("+line 399</pre>" in text, "+line 400" in text) == (True, False)
    assert "gate-default.diff.txt" not in text
    assert 'href="comparison.html#arms-eyes-tuned"' in (site / page).with_name("index.html").read_text("utf-8")
    assert 'id="arms-eyes-tuned"' in text
    whole = (site / "data" / "arms" / "eyes-tuned.diff.txt").read_text("utf-8")
    assert whole == differences()[0].text
    listed = json.loads((site / "manifest.json").read_text())["files"]
    assert {"data/arms/eyes-tuned.diff.txt", "data/arms/differences.json"} <= set(listed)
