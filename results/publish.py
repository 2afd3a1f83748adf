"""A scored campaign as a static site: works from `file://`, asks nothing of any network.

Built in a folder beside the destination and then swapped in, so that whoever reads the old page while we are
interrupted still has a whole one. The same campaign gives the same bytes.
"""

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from results import exports, store
from results.arm_differences import Written, held_against, read_differences, write_differences
from results.arms_page import arm_views
from results.attack import read_catalogue
from results.charts import plotly_script
from results.comparison_page import comparison_page
from results.errors import EvaluationError
from results.evidence import TrialEvidence, effects_of
from results.held_out import blind
from results.index_page import index_page
from results.measures_page import metrics_page
from results.notebook import execute_notebooks, notebook_page
from results.pages import environment, home, page_values, root, trial_page
from results.people_page import people_values
from results.printable import printable
from results.records import Attribution, Trial, Verdict
from results.seal import require_as_scored
from results.summary import Summary
from results.wording import LANGUAGES

_TRIAL_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,190}")


def publish_campaign(
    campaign_folder: Path,
    destination: Path,
    is_final: bool = True,
    differences: tuple[Written, ...] | None = None,
) -> Path:
    """Publish a scored campaign.

    Args:
        campaign_folder: holds `summary.json`, the verdicts and the sealed trials.
        destination: becomes the site; an earlier site there is replaced as a whole.
        is_final: no dispute window is open (`results.disputes.is_final`); else the site says that it is provisional.
        differences: what each arm changes against its product's default one; as recorded beside the campaign if None.

    Returns:
        The main page.

    Raises:
        EvaluationError: it is not scored, or something else than a site stands at the destination.
    """
    if not (campaign_folder / "summary.json").is_file():
        raise EvaluationError(
            f"{campaign_folder}: found no summary.json; allowed: a scored campaign. "
            f"Run `pij score {campaign_folder}` first."
        )
    with _swapped(destination) as site, tempfile.TemporaryDirectory(prefix="publish-") as scratch:
        scored = store.read_summary(campaign_folder)  # of a version that we read, before anything is copied
        require_as_scored(campaign_folder, scored.trials)
        held_out = store.read_campaign(campaign_folder).held_out
        if differences is None:
            trials = {path.name: store.read_trial(path) for path in store.sealed_trials(campaign_folder)}
            differences = held_against(read_differences(campaign_folder), trials)
        source = blind(campaign_folder, Path(scratch)) if held_out else campaign_folder
        _build(source, site, held_out, is_final, differences)
    return destination / "index.html"


def _build(campaign_folder: Path, site: Path, held_out: bool, is_final: bool, differences: tuple[Written, ...]) -> None:
    summary = store.read_summary(campaign_folder)
    for line in summary.trials:
        _check_id(line.trial_id)
    for language in LANGUAGES:
        (home(site, language) / "trials").mkdir(parents=True, exist_ok=True)
    data = site / "data"
    exports.copy_campaign(campaign_folder, data)
    write_differences(data, differences)
    verdicts = store.read_verdicts(campaign_folder)
    exports.export_verdicts(verdicts, data)
    trials, effects = {}, {}
    false_alarms: list[dict[str, object]] = []
    actions: list[dict[str, object]] = []
    for evidence in _evidence(campaign_folder, summary, verdicts):
        trial_id = evidence.trial.trial_id
        trials[trial_id], effects[trial_id] = evidence.trial, effects_of(evidence.steps)
        exports.export_trial(campaign_folder / "trials" / trial_id, evidence, data, is_original=not held_out)
        false_alarms += exports.false_alarm_rows(evidence)
        actions += exports.action_rows(evidence) if evidence.trial.product is None else []
        for language in LANGUAGES:
            page = home(site, language) / "trials" / f"{trial_id}.html"
            page.write_text(trial_page(evidence, language), "utf-8")
    exports.write_rows(data / "false_alarms.csv", exports.FALSE_ALARM_COLUMNS, false_alarms)
    exports.write_rows(data / "benign_actions.csv", exports.ACTION_COLUMNS, actions)
    names = campaign_folder / "attack.json"
    catalogue = read_catalogue(names) if names.is_file() else None
    for language in LANGUAGES:
        shown = page_values(language, "index.html", root(language))
        shown |= index_page(summary, trials, effects, language, catalogue)
        shown |= people_values(summary, campaign_folder, is_final, language)
        shown |= {"differing": {one.about.key for one in differences}}
        text = environment().get_template("index.html.j2").render(**shown)
        (home(site, language) / "index.html").write_text(text, "utf-8")
        _further_pages(site, summary, trials, differences, language)
    _notebooks(site)
    exports.write_manifest(site)


def _further_pages(
    site: Path, summary: Summary, trials: Mapping[str, Trial], differences: tuple[Written, ...], language: str
) -> None:
    """Every metric, and every pair of arms."""
    page = page_values(language, "metrics.html", root(language))
    text = environment().get_template("metrics.html.j2").render(**page, **metrics_page(summary, trials, language))
    (home(site, language) / "metrics.html").write_text(text, "utf-8")
    page = comparison_page(summary, page_values(language, "comparison.html", root(language)), language)
    page |= {"differences": arm_views(differences, summary, language)}
    text = environment().get_template("comparison.html.j2").render(**page)
    (home(site, language) / "comparison.html").write_text(text, "utf-8")


def _notebooks(site: Path) -> None:
    """Executed beside the published data and from it: it shows what a reader would get from these files."""
    (site / "assets").mkdir()
    shutil.copyfile(plotly_script(), site / "assets" / "plotly.min.js")
    execute_notebooks([(home(site, one), f"{root(one)}data", one) for one in LANGUAGES])
    for language in LANGUAGES:
        place = home(site, language)
        page = page_values(language, "notebook.html", root(language))
        script = f"{root(language)}assets/plotly.min.js"
        text = notebook_page(place / "notebook.ipynb", environment(), page, script)
        (place / "notebook.html").write_text(text, "utf-8")


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
