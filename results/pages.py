"""Templates to pages. Autoescape is on, and whatever a template prints is made printable first."""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from results.evidence import SHOWN_OUTPUT, TrialEvidence, is_cut, trial_view, utc
from results.printable import printable
from results.views import anchor, said
from results.wording import LANGUAGES, words

TEMPLATES = Path(__file__).parent / "templates"
FIRST = LANGUAGES[0]
"""The language of the pages at the top; the others have a folder each."""


def home(site: Path, language: str) -> Path:
    """The folder of a language's pages."""
    return site if language == FIRST else site / language


def root(language: str) -> str:
    """The way from a language's home to the top of the site."""
    return "" if language == FIRST else "../"


def page_values(language: str, path: str, up: str) -> dict[str, Any]:
    """What every page gets.

    Args:
        language: `ja` or `en`.
        path: the page's place below the language's home.
        up: the way from the page to the top of the site.
    """
    style = (TEMPLATES / "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    other = next(one for one in LANGUAGES if one != language)
    return {
        "language": language,
        "say": words(language),
        "said": lambda text: said(text, language),
        "other": f"{up}{path}" if other == FIRST else f"{up}{other}/{path}",
        "style": Markup(style),  # noqa: S704  # our own file
        "csp": f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'",
        "utc": utc,
        "anchor": anchor,
        "seconds": lambda value: "–" if value is None else f"{value:.2f} s",
    }


def trial_page(evidence: TrialEvidence, language: str) -> str:
    """The page that holds the evidence of one trial."""
    say = words(language)
    values = page_values(language, f"trials/{evidence.trial.trial_id}.html", f"../{root(language)}")
    return (
        environment()
        .get_template("trial.html.j2")
        .render(
            **values,
            view=trial_view(evidence, language),
            seal=evidence.seal,
            shown_output=SHOWN_OUTPUT,
            is_cut=is_cut,
            truth=lambda value: "–" if value is None else say["yes"] if value else say["no"],
        )
    )


@cache
def environment() -> Environment:
    """The templates; a name that is not given is an error, not an empty string."""
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
