"""Single pages of a scored campaign, without the notebook and the trials' pages: for tests of what a page says."""

from pathlib import Path

from results.index_page import index_page
from results.measures_page import metrics_page
from results.pages import environment, page_values, root
from results.people_page import people_values
from results.store import read_trial
from results.summary import Summary


def metrics_text(folder: Path, summary: Summary, language: str) -> str:
    """The page of all metrics."""
    page = page_values(language, "metrics.html", root(language))
    return environment().get_template("metrics.html.j2").render(**page, **metrics_page(summary, {}, language))


def first_text(folder: Path, summary: Summary, language: str) -> str:
    """The first page."""
    trials = {line.trial_id: read_trial(folder / "trials" / line.trial_id) for line in summary.trials}
    page = page_values(language, "index.html", root(language)) | index_page(summary, trials, {}, language, None)
    page |= people_values(summary, folder, True, language) | {"differing": ()}
    return environment().get_template("index.html.j2").render(**page)
