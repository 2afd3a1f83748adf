"""Running a campaign: build, run what is not sealed yet, score. Without Prefect; flows.py wraps it."""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from environments.engine import Engine
from environments.sweep import sweep
from pipelines.arms import differences_of
from pipelines.build import Images, build_all
from pipelines.campaign import Prepared, TrialPlan
from pipelines.registering import require_registered, restart
from pipelines.trial import run_trial
from results.arm_differences import write_differences
from results.attack import write_catalogue
from results.decisions import CHANGED, note_decision
from results.errors import EvaluationError, Interrupted
from results.paths import shown
from results.store import read_campaign, sealed_trials, write_campaign

OnEvent = Callable[[str, str], None]
"""Receives (trial id, or empty for the campaign; one line)."""


@dataclass
class CampaignRun:
    """One run of a campaign: what to do, and what it is done with."""

    engine: Engine
    prepared: Prepared
    folder: Path
    on_event: OnEvent
    stop: threading.Event = field(default_factory=threading.Event)
    images: Images | None = None
    early: threading.Event = field(default_factory=threading.Event)
    """Set until trials run: so long there is nothing to take down, and Ctrl-C may interrupt at once."""
    label: str = ""
    """Goes before the trial's id in what a person sees, where a campaign has several parts."""

    def build(self) -> None:
        """Remove leftovers of a killed run, then build what is missing."""
        sweep(self.engine, lambda line: self.on_event("", line))
        self.images = build_all(self.engine, self.prepared, lambda line: self.on_event("", line))
        self.early.clear()

    def unfinished(self) -> list[TrialPlan]:
        """The trials that are not sealed."""
        sealed = {path.name for path in sealed_trials(self.folder)}
        return [trial for trial in self.prepared.trials if trial.trial_id not in sealed]

    def run_one(self, trial: TrialPlan) -> Path:
        """Run and seal one trial; see `run_trial` for what it raises."""
        if self.stop.is_set():
            raise Interrupted("stopped by the user")
        if self.images is None:
            raise EvaluationError("the images were not built; call build() first")
        return run_trial(
            self.engine,
            self.prepared,
            self.images,
            trial,
            self.folder,
            lambda line: self.on_event(f"{self.label}{trial.trial_id}", line),
            self.stop,
        )


def open_campaign(prepared: Prepared, runs: Path, fresh: bool) -> Path:
    """The campaign's folder, new or resumed.

    Raises:
        EvaluationError: it holds trials of another plan, product, seed …; the text says what to do.
    """
    folder = runs / prepared.definition.id
    if fresh and folder.exists():
        restart(_set_aside(folder), folder, time.time_ns())
    require_registered(prepared, folder)
    if (folder / "campaign.json").exists():
        before = read_campaign(folder)
        if before.digest != prepared.digest:
            raise EvaluationError(
                f"{shown(folder)}: holds trials of another version of campaign {prepared.definition.id!r} (digest "
                f"{before.digest[:12]}, now {prepared.digest[:12]}): its plan, environment, products, content or seed "
                "have changed, and results of the two can't be compared. Use --fresh to set the old results aside, "
                "or --as NAME for another folder."
            )
        if before.pace is not None and before.pace != prepared.pace():
            words = [one.model_dump_json() for one in (before.pace, prepared.pace())]
            reason = "it was resumed with another budget or number of retries"
            note_decision(folder, {"decision": CHANGED, "before": words[0], "after": words[1], "reason": reason})
    else:
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        write_catalogue(folder / "attack.json", prepared.catalogue)
        write_differences(folder, differences_of(prepared))
        write_campaign(folder, prepared.record(time.time_ns()))
    for partial in (folder / "trials").glob(".*.partial"):
        shutil.rmtree(partial)
    return folder


@contextmanager
def stopping_on_signals(stop: threading.Event, early: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop`, so that trials take themselves down; a second one interrupts at once.

    Args:
        stop: is set.
        early: while this is set, the first one interrupts at once, too: a build does not look at `stop`.
    """

    def on_signal(_number: int, _frame: object) -> None:
        if stop.is_set() or early.is_set():
            stop.set()
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _set_aside(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.before-{number}")).exists():
        number += 1
    folder.rename(aside)
    return aside
