"""A vendor's own view of a campaign before publication (scoring.md §6): its numbers and evidence, nobody else's name.

The numbers are those that would be published, not computed anew. What the product itself recorded about other products
(a sensor on the engine host sees more than its own trial) is covered up, and the trial then says so.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from results import store
from results.errors import EvaluationError, several
from results.people import People
from results.records import Outcome, Record, StepKind, Trial, Verdict
from results.seal import require_as_scored
from results.summary import Summary

COVERED = "(another product)"
SHORTEST = 3
"""Characters a name must have to be looked for."""
R = TypeVar("R", bound=BaseModel)


class BundleLine(Record):
    """One reproduction bundle of a preview."""

    file: str
    trial_id: str
    step_id: str
    what: str
    """`miss` or `false_alarm`."""


class Preview(Record):
    """`preview.json`."""

    campaign: str
    product: str
    trials: tuple[str, ...]
    """Its own, and the controls."""
    covered: tuple[str, ...]
    """Trials in whose records names of other products were covered up; these are not what was sealed."""
    bundles: tuple[BundleLine, ...]
    until_ns: int
    """When the dispute window ends (UTC)."""
    note: str = (
        "Provisional. Object with `pij dispute` or in writing until the window ends; what you say is published with "
        "the results. Run a bundle again with `pij reproduce FILE`."
    )


def write_preview(folder: Path, product: str, to: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write one product's view of a scored campaign.

    Args:
        folder: the campaign's.
        product: its id.
        to: a folder that is not there yet, or is empty.

    Returns:
        The trials it holds, and those of them in which names were covered up.

    Raises:
        EvaluationError: there is no such product, or the folder is not empty.
    """
    if not (folder / "summary.json").is_file():
        raise EvaluationError(
            f"{folder}: found no summary.json; allowed: a scored campaign. Run `pij score {folder}` first."
        )
    summary = store.read_summary(folder)
    require_as_scored(folder, summary.trials)
    known = sorted({arm.product for arm in summary.arms if arm.product})
    if product not in known:
        raise EvaluationError(f"--product: found {product!r}; allowed: {several(known, product)}. Check the id.")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise EvaluationError(f"{to}: found files; allowed: a new folder, or an empty one. Choose another.")
    (to / "trials").mkdir(parents=True)
    cover = Cover(others(folder, product))
    arms = {arm.arm_key for arm in summary.arms if arm.product in (None, product)}
    own = {line.trial_id for line in summary.trials if line.arm_key in arms}
    campaign = store.read_campaign(folder)
    mine = tuple(name for name in campaign.trials if name in own)
    store.write_campaign(to, cover.record(campaign.model_copy(update={"trials": mine})))
    shutil.copyfile(folder / "attack.json", to / "attack.json")
    store.write_scores(
        to,
        [cover.record(one) for one in store.read_verdicts(folder) if one.trial_id in own],
        cover.record(_own_summary(summary, own, product)),
    )
    store.write_attributions(to, [cover.record(one) for one in store.read_attributions(folder) if one.trial_id in own])
    covered = tuple(name for name in mine if _write_trial(folder / "trials" / name, to / "trials" / name, cover))
    return mine, covered


def complaints(verdicts: Sequence[Verdict], trials: Sequence[str]) -> Iterator[tuple[Verdict, str]]:
    """Every miss and every false alarm of some trials, in their order."""
    for one in verdicts:
        if one.trial_id not in trials or one.trial_id.startswith("control-r"):
            continue
        if one.kind is StepKind.MALICIOUS and one.outcome is Outcome.MISSED:
            yield one, "miss"
        elif one.kind in (StepKind.BENIGN, StepKind.PLACEBO) and one.outcome is Outcome.ALERTED:
            yield one, "false_alarm"


def others(folder: Path, product: str) -> tuple[str, ...]:
    """Every name by which other products of a campaign are known: ids, names, vendors, arms and trials."""
    names: set[str] = set()
    own: set[str] = set()
    for path in store.sealed_trials(folder):
        trial = store.read_trial(path)
        if trial.product is not None:
            (own if trial.product == product else names).update(_names(trial))
    planned = {name for name in store.read_campaign(folder).trials if not name.startswith("control-r")}
    names |= {name for name in planned if not name.startswith(f"{product}-")}
    return tuple(sorted((name for name in names - own if len(name) >= SHORTEST), key=lambda n: (-len(n), n)))


class Cover:
    """Covers names up in texts, and counts."""

    def __init__(self, names: Sequence[str]) -> None:
        """Names as whole words, whatever their case."""
        words = "|".join(re.escape(name) for name in names)
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{words})(?![A-Za-z0-9])", re.IGNORECASE) if names else None
        self.covered = 0

    def text(self, text: str) -> str:
        """The same without the names."""
        if self._pattern is None:
            return text
        found, number = self._pattern.subn(COVERED, text)
        self.covered += number
        return found

    def record(self, record: R) -> R:
        """The same without the names, in whatever text of it."""
        return type(record).model_validate(self._value(record.model_dump(mode="json")))

    def _value(self, value: Any) -> Any:  # noqa: ANN401  # JSON is what it is
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return {key: self._value(one) for key, one in value.items()} if isinstance(value, dict) else value


def _names(trial: Trial) -> set[str]:
    given = {trial.product, trial.product_name, trial.vendor, f"{trial.product}-{trial.arm}", trial.trial_id}
    return {name for name in given if name}


def _own_summary(summary: Summary, own: set[str], product: str) -> Summary:
    people = summary.people
    return summary.model_copy(
        update={
            "trials": tuple(one for one in summary.trials if one.trial_id in own),
            "arms": tuple(one for one in summary.arms if one.product in (None, product)),
            "cells": tuple(one for one in summary.cells if one.trial_id in own),
            "missing_trials": tuple(n for n in summary.missing_trials if n.startswith((f"{product}-", "control-r"))),
            "comparison": None,
            "people": _own_people(people, own, product) if people else None,
        }
    )


def _own_people(people: People, own: set[str], product: str) -> People:
    record = people.registration
    ours = own | {one for one in record.missing if one.startswith((f"{product}-", "control-r"))}
    about = tuple(
        one for one in record.departures
        if one.subject is None or one.subject in ours or one.subject.startswith(f"{product}-")
    )  # fmt: skip
    registration = record.model_copy(
        update={
            "early": tuple(name for name in record.early if name in ours),
            "missing": tuple(name for name in record.missing if name in ours),
            "departures": about,
        }
    )
    return people.model_copy(
        update={
            "registration": registration,
            "adjudications": tuple(one for one in people.adjudications if one.trial_id in own),
            "disputes": tuple(one for one in people.disputes if one.trial_id in own),
        }
    )


def _write_trial(folder: Path, place: Path, cover: Cover) -> bool:
    """Copy a sealed trial; if names stand in what a product recorded, a covered copy that has no seal."""
    before = cover.covered
    trial = cover.record(store.read_trial(folder))
    alerts, telemetry = (
        [cover.record(one) for one in read(folder)] for read in (store.read_alerts, store.read_telemetry)
    )
    written = folder / "log.txt"
    log = cover.text(written.read_text("utf-8", "backslashreplace")) if written.is_file() else ""
    if cover.covered == before and (folder / "seal.json").is_file():
        shutil.copytree(folder, place)
        return False
    store.write_trial(place, trial, store.read_steps(folder), alerts, telemetry, store.read_resources(folder))
    (place / "log.txt").write_text(log, "utf-8")
    return True
