"""A scored campaign as a static site: works from `file://`, asks nothing of any network.

Built in a folder beside the destination and then swapped in, so that whoever reads the old page while we are
interrupted still has a whole one. The same campaign gives the same bytes.
"""

import base64
import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from results import exports, store
from results.charts import plotly_script
from results.errors import EvaluationError
from results.evidence import SHOWN_OUTPUT, TrialEvidence, effects_of, is_cut, trial_view, utc
from results.index_page import index_page
from results.notebook import execute_notebooks, notebook_page
from results.printable import printable
from results.records import Attribution, Verdict
from results.summary import Summary
from results.views import anchor, said
from results.wording import LANGUAGES, words

TEMPLATES = Path(__file__).parent / "templates"
_TRIAL_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,190}")
_FIRST = LANGUAGES[0]
"""The language of the page at the top; the others have a folder each."""


def publish_campaign(campaign_folder: Path, destination: Path) -> Path:
    """Publish a scored campaign.

    Args:
        campaign_folder: holds `summary.json`, the verdicts and the sealed trials.
        destination: becomes the site; an earlier site there is replaced as a whole.

    Returns:
        The main page.

    Raises:
        EvaluationError: it is not scored, or something else than a site stands at the destination.
    """
    if not (campaign_folder / "summary.json").is_file():
        raise EvaluationError(
            f"{campaign_folder}: found no summary.json; allowed: a scored campaign. "
            f"Run `pij score {campaign_folder.name}` first."
        )
    with _swapped(destination) as site:
        _build(campaign_folder, site)
    return destination / "index.html"


def _build(campaign_folder: Path, site: Path) -> None:
    summary = store.read_summary(campaign_folder)
    for trial in summary.trials:
        _check_id(trial.trial_id)
    data = site / "data"
    exports.copy_campaign(campaign_folder, data)
    verdicts = store.read_verdicts(campaign_folder)
    exports.export_verdicts(verdicts, data)
    (site / "assets").mkdir()
    shutil.copyfile(plotly_script(), site / "assets" / "plotly.min.js")
    jobs = [(_home(site, language), _root(language) + "data", language) for language in LANGUAGES]
    for home, _, _ in jobs:
        (home / "trials").mkdir(parents=True, exist_ok=True)
    environment = _environment()
    trials = {}
    effects = {}
    for evidence in _evidence(campaign_folder, summary, verdicts):
        trial_id = evidence.trial.trial_id
        exports.export_trial(campaign_folder / "trials" / trial_id, evidence, data)
        _write_trial_pages(site, environment, summary, evidence)
        trials[trial_id] = evidence.trial
        effects[trial_id] = effects_of(evidence.steps)
    for language in LANGUAGES:
        page = _page(language, "index.html", f"{_root(language)}")
        shown = index_page(summary, trials, effects, language)
        text = environment.get_template("index.html.j2").render(**page, **shown)
        (_home(site, language) / "index.html").write_text(text, "utf-8")
    execute_notebooks(jobs)
    for home, _, language in jobs:
        page = _page(language, "notebook.html", _root(language))
        script = f"{_root(language)}assets/plotly.min.js"
        text = notebook_page(home / "notebook.ipynb", environment, page, script)
        (home / "notebook.html").write_text(text, "utf-8")
    exports.write_manifest(site)


def _evidence(campaign_folder: Path, summary: Summary, verdicts: list[Verdict]) -> Iterator[TrialEvidence]:
    """One trial at a time: its alerts may be many."""
    claims: dict[str, list[Attribution]] = {}
    for claim in store.read_attributions(campaign_folder):
        claims.setdefault(claim.trial_id, []).append(claim)
    for line in summary.trials:
        folder = campaign_folder / "trials" / line.trial_id
        yield TrialEvidence(
            trial=store.read_trial(folder),
            steps=tuple(store.read_steps(folder)),
            alerts={one.observation_id: one for one in store.read_alerts(folder)},
            telemetry={one.observation_id: one for one in store.read_telemetry(folder)},
            attributions=tuple(claims.get(line.trial_id, ())),
            verdicts={one.step_id: one for one in verdicts if one.trial_id == line.trial_id},
            seal=line.seal,
        )


def _write_trial_pages(site: Path, environment: Environment, summary: Summary, evidence: TrialEvidence) -> None:
    name = f"{evidence.trial.trial_id}.html"
    for language in LANGUAGES:
        say = words(language)
        page = _page(language, f"trials/{name}", f"../{_root(language)}")
        text = environment.get_template("trial.html.j2").render(
            **page,
            view=trial_view(evidence, language),
            seal=evidence.seal,
            shown_output=SHOWN_OUTPUT,
            is_cut=is_cut,
            truth=lambda value, say=say: "–" if value is None else say["yes"] if value else say["no"],
        )
        (_home(site, language) / "trials" / name).write_text(text, "utf-8")


def _page(language: str, path: str, root: str) -> dict[str, Any]:
    """What every page gets. `path` is its place below the language's home, `root` the way up to the site."""
    style = (TEMPLATES / "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    other = next(one for one in LANGUAGES if one != language)
    return {
        "language": language,
        "say": words(language),
        "said": lambda text: said(text, language),
        "other": f"{root}{path}" if other == _FIRST else f"{root}{other}/{path}",
        "style": Markup(style),  # noqa: S704  # our own file
        "csp": f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        "utc": utc,
        "anchor": anchor,
        "seconds": lambda value: "–" if value is None else f"{value:.2f} s",
    }


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        keep_trailing_newline=True,
    )


def _shown(value: object) -> object:
    """Whatever a template prints that is not our own markup."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _home(site: Path, language: str) -> Path:
    return site if language == _FIRST else site / language


def _root(language: str) -> str:
    return "" if language == _FIRST else "../"


def _check_id(trial_id: str) -> None:
    if not _TRIAL_ID.fullmatch(trial_id):
        raise EvaluationError(
            f"summary.json: trials.trial_id: found {printable(trial_id)!r}; allowed: lower-case letters, "
            "digits, `-` and `_`. Score the campaign again."
        )


@contextmanager
def _swapped(destination: Path) -> Iterator[Path]:
    """A new folder that takes the destination's place once the block ends well."""
    fresh = destination.parent / f".{destination.name}.partial"
    old = destination.parent / f".{destination.name}.old"
    if not destination.exists() and old.exists():  # we were killed between the two renames
        old.rename(destination)
    if destination.exists() and any(destination.iterdir()) and not (destination / "manifest.json").is_file():
        raise EvaluationError(
            f"{destination}: found files that pij did not publish; allowed: a new folder, an empty one, or an "
            "earlier published page. Choose another destination."
        )
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if destination.exists():
            destination.rename(old)
        fresh.rename(destination)
    finally:
        if not destination.exists() and old.exists():
            old.rename(destination)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(fresh, ignore_errors=True)
