"""Everything that the first page's template needs, put together from the summary and the trials."""

from collections.abc import Mapping, Sequence
from typing import Any

from results import views
from results.attack import Catalogue
from results.records import StepKind, Trial
from results.summary import ArmSummary, Summary
from results.tables import limited, mean_share, share
from results.wording import words
from results.wording_methods import method_words

_LEGEND = (
    ("sign.prevented", "prevented", "outcome.prevented"),
    ("sign.technique", "technique", "metric.technique"),
    ("sign.tactic", "tactic", "metric.tactic"),
    ("sign.general", "general", "metric.general"),
    ("sign.logged", "logged", "outcome.logged"),
    ("sign.missed", "missed", "outcome.missed"),
    ("sign.disrupted", "disrupted", "outcome.disrupted"),
    ("sign.not_applicable", "not-applicable", "outcome.not_applicable"),
    ("sign.invalid", "invalid", "outcome.invalid"),
    ("sign.no_trial", "no-trial", "legend.no_trial"),
    ("sign.false_alarm", "false-alarm", "benign.alerted"),
    ("sign.left", "left", "benign.left"),
    ("sign.effect", "effect", "control.effect"),
    ("sign.no_effect", "no_effect", "control.no_effect"),
)
_FILES = (
    ("notebook.html", "notebook", False),
    ("notebook.ipynb", "notebook.ipynb", False),
    ("data/verdicts.csv", "verdicts.csv", True),
    ("data/verdicts.parquet", "verdicts.parquet", True),
    ("data/false_alarms.csv", "false_alarms.csv", True),
    ("data/benign_actions.csv", "benign_actions.csv", True),
    ("data/summary.json", "summary.json", True),
    ("manifest.json", "manifest.json", True),
)


def index_page(
    summary: Summary,
    trials: Mapping[str, Trial],
    effects: views.Effects,
    language: str,
    catalogue: Catalogue | None,
) -> dict[str, Any]:
    """The values of `index.html.j2`; the catalogue knows the tactics' Japanese names."""
    say = words(language)
    arms = views.product_arms(summary)
    found = views.blanks(summary, effects, language)
    root = "" if language == "ja" else "../"
    return {
        "summary": summary,
        "arms": arms,
        "intro": _intro(summary, language),
        "gap": "" if language == "ja" else " ",
        "unfinished": [blank for blank in found if blank.css == "no-trial"],
        "blanks": found,
        "methods": _methods([line.rate.method for arm in arms for line in arm.rates], language),
        "headline": views.headline(summary, language),
        "outcomes": views.outcome_bars(summary, language),
        "products": [_product(arm, summary, trials) for arm in arms],
        "columns": views.columns(summary, language),
        "matrix": views.matrix(summary, effects, language),
        "legend": [(say[sign], css, say[label]) for sign, css, label in _LEGEND],
        "titles": {step.step_id: views.said(step.title, language) for step in summary.steps},
        "tactics": _japanese_tactics(catalogue) if language == "ja" else {},
        "volume": {
            arm.arm_key: sum(trial.alerts for trial in summary.trials if trial.arm_key == arm.arm_key) for arm in arms
        },
        "provenance": _provenance(trials),
        "commitments": _distinct([trial.plan_digest for trial in trials.values()]),
        "files": [(f"{root if up else ''}{href}", say.get(name, name)) for href, name, up in _FILES],
        "share": share,
        "mean_share": lambda rate: mean_share(rate, language),
        "limited": lambda estimate: limited(estimate, language),
        "arm_name": lambda arm: views.arm_name(arm, language),
    }


def _intro(summary: Summary, language: str) -> dict[str, object]:
    kinds = [step.kind for step in summary.steps]
    arms = views.product_arms(summary)
    return {
        "plan": views.said(summary.plan_title, language),
        "environment": summary.environment,
        "malicious": kinds.count(StepKind.MALICIOUS),
        "benign": kinds.count(StepKind.BENIGN),
        "placebo": kinds.count(StepKind.PLACEBO),
        "tactics": len({step.tactic for step in summary.steps if step.tactic and step.kind == "malicious"}),
        "products": len({arm.product for arm in arms}),
        "arms": len(arms),
        "repetitions": summary.repetitions,
    }


def _japanese_tactics(catalogue: Catalogue | None) -> dict[str, str]:
    known = catalogue.tactics.items() if catalogue is not None else ()
    return {tactic_id: tactic.name_ja for tactic_id, tactic in known if tactic.name_ja}


def _product(
    arm: ArmSummary, summary: Summary, trials: Mapping[str, Trial]
) -> tuple[ArmSummary, Trial | None, dict[str, list[str]]]:
    """An arm, one of its trials (what the manifest said is the same in all), and what its trials reported."""
    lines = [trial for trial in summary.trials if trial.arm_key == arm.arm_key]
    told = {
        "version": _distinct([line.product_version for line in lines]),
        "content": _distinct([line.content_version for line in lines]),
        "notes": _distinct([note for line in lines for note in line.notes]),
    }
    return arm, next((trials[line.trial_id] for line in lines if line.trial_id in trials), None), told


def _methods(methods: Sequence[str], language: str) -> list[str]:
    """Each once, with a capital where the language has any."""
    said = {method_words(method, language) for method in methods}
    return sorted(words[:1].upper() + words[1:] for words in said)


def _distinct(values: list[str | None]) -> list[str]:
    return list(dict.fromkeys(value for value in values if value))


def _provenance(trials: Mapping[str, Trial]) -> list[tuple[str, str]]:
    """What ran the trials; where they differ, every value."""
    keys = sorted({key for trial in trials.values() for key in trial.provenance})
    return [(key, " / ".join(_distinct([trial.provenance.get(key) for trial in trials.values()]))) for key in keys]
