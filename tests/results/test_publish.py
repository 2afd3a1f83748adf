"""The published site of a whole synthetic campaign."""

import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from results.errors import EvaluationError, RecordVersionError
from results.paths import ROOT
from results.publish import publish_campaign
from results.scoring import score_campaign
from results.store import read_summary
from results.tables import summary_table
from results.wording import words
from tests.campaign_builder import build_campaign

EXTERNAL = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


class Links(HTMLParser):
    """Every anchor, link and source of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.sources: list[str] = []
        self.policy = ""
        self.handlers: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        self.links += [given["href"]] if given.get("href") else []
        self.sources += [given["src"]] if given.get("src") else []
        self.handlers += [name for name in given if name.startswith("on")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Path:
    folder = build_campaign(tmp_path_factory.mktemp("runs"))
    score_campaign(folder)
    return folder


@pytest.fixture(scope="module")
def site(campaign: Path, tmp_path_factory) -> Path:
    return publish_campaign(campaign, tmp_path_factory.mktemp("published") / "demo").parent


def pages(site: Path) -> dict[Path, Links]:
    return {path: Links(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}


@pytest.mark.notebook
def test_no_page_asks_anything_of_a_network(site: Path):
    """Else reading a result would tell others who reads it, and an old page would break with its CDN."""
    found = {
        (path.name, link)
        for path, page in pages(site).items()
        for link in (*page.links, *page.sources)
        if EXTERNAL.match(link)
    }
    styled = [
        path.name
        for path in site.rglob("*.html")
        if re.search(r"@import|url\(", path.read_text("utf-8").partition("</style>")[0])
    ]
    assert (found, styled) == (set(), [])


@pytest.mark.notebook
def test_every_page_forbids_what_it_does_not_ship(site: Path):
    """Else one missed escape would be enough for an alert to run code or send data out."""
    for path, page in pages(site).items():
        assert page.policy.startswith("default-src 'none'; "), path
        assert page.handlers == [], path
        assert "unsafe-eval" not in page.policy
        assert "script-src 'unsafe-inline'" not in page.policy


@pytest.mark.notebook
def test_every_link_leads_to_an_existing_file_and_anchor(site: Path):
    """Else a cell of the matrix would claim evidence that nobody can find."""
    found = pages(site)
    broken = []
    for path, page in found.items():
        for link in page.links:
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            known = found.get(target)
            missing = not target.is_file() or (known is not None and anchor and anchor not in known.ids)
            if missing:
                broken.append((path.name, link))
    assert broken == []


@pytest.mark.notebook
def test_every_verdict_has_a_cell_that_leads_to_its_step(site: Path, campaign: Path):
    """Else a verdict could be published without the evidence behind it."""
    text = (site / "index.html").read_text("utf-8")
    matrix = Links(text[text.index('<table class="matrix">') : text.index('id="noise"')]).links
    summary = read_summary(campaign)
    assert len(matrix) == len(summary.steps) * len(summary.trials)
    judged = {trial.trial_id for trial in summary.trials if trial.status == "completed"}
    wanted = {f"trials/{cell.trial_id}.html#step-{cell.step_id}" for cell in summary.cells if cell.trial_id in judged}
    assert wanted - set(matrix) == set()


@pytest.mark.notebook
def test_the_manifest_names_every_file_with_its_true_hash(site: Path):
    """Else a reader could not tell a changed page from the published one."""
    manifest = json.loads((site / "manifest.json").read_text("utf-8"))
    truth = {
        path.relative_to(site).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in site.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert manifest == {"schema_version": 1, "files": truth}


@pytest.mark.notebook
def test_both_languages_show_the_same_numbers(site: Path):
    """Else a Japanese and an English reader could come to different conclusions."""
    shown = re.compile(r"\d+% \(\d+/\d+\) \[\d+–\d+\]|\d+\.\d\d s|[0-9a-f]{64}")
    for path in sorted((site / "en").rglob("*.html")):
        other = site / path.relative_to(site / "en")
        numbers = shown.findall(path.read_text("utf-8"))
        assert numbers == shown.findall(other.read_text("utf-8")), path


@pytest.mark.notebook
def test_no_rate_stands_without_its_counts_and_interval(site: Path):
    """Else 100 % of one step would look like 100 % of a hundred."""
    text = re.sub(r"<style>.*?</style>", "", (site / "en/index.html").read_text("utf-8"), flags=re.DOTALL)
    body = re.sub(r"<(svg|details).*?</\1>|<span class=\"scale\".*?</span></span>", "", text, flags=re.DOTALL)
    bare = re.findall(r"[^>]{0,30}\d%(?! \(\d+/\d+\) \[\d+–\d+\])(?! interval)", body)
    assert bare == []


@pytest.mark.notebook
def test_a_trial_that_never_got_ready_is_shown_as_such_and_never_as_a_miss(site: Path, campaign: Path):
    """Else a product that did not start would be published as having seen nothing."""
    summary = read_summary(campaign)
    (trial,) = (trial for trial in summary.trials if trial.status == "not_ready")
    text = (site / "en/index.html").read_text("utf-8")
    signs = re.findall(rf'<a class="sign ([a-z -]+)" href="trials/{trial.trial_id}\.html#(\w+)"', text)
    assert set(signs) == {("o-no-trial", "status")}
    assert len(signs) == len(summary.steps)
    assert words("en")["status.not_ready"] in text


@pytest.mark.notebook
def test_no_path_or_name_of_this_machine_is_published(site: Path, campaign: Path):
    """Else a published page would tell how the evaluator's machine is laid out."""
    secrets = [str(ROOT), str(campaign.parent), str(site.parent), "pij-notebook-"]
    leaks = [
        (path.name, secret)
        for path in site.rglob("*")
        if path.is_file()
        for secret in secrets
        if secret.encode() in path.read_bytes()
    ]
    assert leaks == []


@pytest.mark.notebook
def test_publishing_twice_gives_the_same_bytes(site: Path, campaign: Path, tmp_path: Path):
    """Else nobody could check that a page comes from the sealed records."""
    again = publish_campaign(campaign, tmp_path / "demo").parent
    assert (again / "manifest.json").read_text("utf-8") == (site / "manifest.json").read_text("utf-8")


@pytest.mark.notebook
def test_the_executed_notebook_holds_figures_and_tables(site: Path):
    """Else a notebook that stopped half-way could be published as the result."""
    for language in ("", "en"):
        notebook = json.loads((site / language / "notebook.ipynb").read_text("utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        kinds = [kind for cell in code for one in cell["outputs"] for kind in one.get("data", {})]
        assert kinds.count("application/vnd.plotly.v1+json") == 2
        assert kinds.count("text/html") >= 4
        page = (site / language / "notebook.html").read_text("utf-8")
        assert page.count('class="plot"') == 2


def test_a_campaign_without_a_score_is_refused_and_the_old_page_stays(tmp_path: Path):
    """Else an interrupted or too early publish would destroy what was published before."""
    (tmp_path / "runs").mkdir()
    old = tmp_path / "page"
    old.mkdir()
    (old / "manifest.json").write_text("{}", "utf-8")
    with pytest.raises(EvaluationError, match=r"found no summary\.json"):
        publish_campaign(tmp_path / "runs", old)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["manifest.json", "page", "runs"]


def test_a_publish_that_fails_half_way_leaves_the_old_page_and_nothing_else(tmp_path: Path):
    """Else readers would find half a page."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "summary.json").write_text('{"schema_version": 99}', "utf-8")
    old = tmp_path / "page"
    old.mkdir()
    (old / "manifest.json").write_text("{}", "utf-8")
    with pytest.raises(RecordVersionError):
        publish_campaign(tmp_path / "runs", old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["page", "runs"]
    assert (old / "manifest.json").read_text("utf-8") == "{}"


def test_a_folder_that_is_no_published_page_is_never_replaced(tmp_path: Path):
    """Else a mistyped destination would cost a person their files."""
    (tmp_path / "summary.json").write_text("{}", "utf-8")
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(EvaluationError, match="files that pij did not publish"):
        publish_campaign(tmp_path, home)
    assert (home / "thesis.txt").read_text("utf-8") == "years of work"


def test_the_terminal_table_has_a_row_for_each_arm_in_both_languages(campaign: Path):
    """Else what `make demo` prints would differ from what it publishes."""
    summary = read_summary(campaign)
    japanese, english = (summary_table(summary, language) for language in ("ja", "en"))
    arms = [arm for arm in summary.arms if arm.product is not None]
    assert len(japanese) == len(english) == len(arms) + 1
    assert [row[1:] for row in japanese[1:]] == [row[1:] for row in english[1:]]
    assert {len(row) for row in (*japanese, *english)} == {9}


def test_a_reader_can_score_what_was_published_and_gets_the_same_bytes(site: Path, tmp_path):
    """Else a buyer would have to believe the page."""
    copy = tmp_path / "data"
    shutil.copytree(site / "data", copy)
    score_campaign(copy)
    for name in ("summary.json", "verdicts.parquet", "attributions.parquet"):
        assert (copy / name).read_bytes() == (site / "data" / name).read_bytes()
