"""Rehearsal: a plan is run without any product, to see that every step's oracle finds its effect.

A step whose effect is not there without a product would be invalid for everyone (scoring.md §1).
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import Field

from attacks.plan import read_plan
from environments.engine import Engine
from pipelines.campaign import prepare
from pipelines.registry import find
from pipelines.run import CampaignRun, OnEvent
from pipelines.schedule import Schedule, run_trials
from results.documents import Definition
from results.paths import shown
from results.records import StepExecution, StepKind, TrialStatus
from results.store import read_steps, read_trial


class Rehearsal(Definition):
    """One run of a plan without a product."""

    plan: str
    seed: int
    status: str
    reason: str = ""
    steps: int = Field(ge=0)
    confirmed: int = Field(ge=0)
    """Steps whose oracle was true; placebos have none and are not counted in `steps`."""
    failures: tuple[str, ...]
    """One line for each step whose oracle was not true."""
    duration_s: float

    @property
    def is_sound(self) -> bool:
        """Every oracle was true."""
        return self.status == TrialStatus.COMPLETED and self.confirmed == self.steps


def rehearse(
    engine: Engine, plan: str, repeat: int, seed: int, parallel: int, on_event: OnEvent, run_args: dict[str, object]
) -> list[Rehearsal]:
    """Run a plan `repeat` times without a product, each time with another seed.

    Args:
        engine: where.
        plan: id or folder.
        repeat: how often.
        seed: what the seeds of the runs are drawn from.
        parallel: trials at once.
        on_event: receives (trial, line).
        run_args: `stop` and `early` of `CampaignRun`.

    Raises:
        ContentError: the plan, its environment or its procedures are wrong.
        Interrupted: the user asked to stop.
    """
    folder = find("plan", plan)
    found = []
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as scratch:
        prepared = prepare(str(_campaign(folder, repeat, seed, parallel, Path(scratch))))
        place = Path(scratch) / "run"
        (place / "trials").mkdir(parents=True)
        run = CampaignRun(engine, prepared, place, on_event, **run_args)  # type: ignore[arg-type]
        run_trials(Schedule((run,)))
        for trial in prepared.trials:
            sealed = place / "trials" / trial.trial_id
            record = read_trial(sealed)
            steps = [step for step in read_steps(sealed) if step.kind in (StepKind.MALICIOUS, StepKind.BENIGN)]
            found.append(
                Rehearsal(
                    plan=shown(folder),
                    seed=trial.seed,
                    status=record.status,
                    reason=record.reason,
                    steps=len(steps),
                    confirmed=sum(step.verified is True for step in steps),
                    failures=tuple(_explain(step) for step in steps if step.verified is not True),
                    duration_s=round((record.ended_ns - record.started_ns) / 1e9, 3),
                )
            )
    return found


def _campaign(folder: Path, repeat: int, seed: int, parallel: int, scratch: Path) -> Path:
    """A campaign of nothing but controls."""
    plan = read_plan(folder)
    path = scratch / "rehearsal.yaml"
    definition = {
        "id": "rehearsal",
        "title": plan.title.model_dump(),
        "plan": str(folder.resolve()),
        "environment": plan.environment,
        "repetitions": repeat,
        "seed": seed,
        "parallel": parallel,
        "entries": [],
    }
    path.write_text(yaml.safe_dump(definition, allow_unicode=True), "utf-8")
    return path


def _explain(step: StepExecution) -> str:
    if step.not_run is not None:
        return f"{step.step_id}: not run: {step.not_run}"
    facts = [f for f in step.facts if not f.after or f.before]
    words = "; ".join(f"{fact.fact} (before {fact.before}, after {fact.after}: {fact.detail})" for fact in facts)
    last = _tail(step)
    return f"{step.step_id}: oracle {step.verified}, exit code {step.exit_code}: {words}{last}"


def _tail(step: StepExecution) -> str:
    texts: Sequence[str] = [step.stdout.text.strip()[-200:], step.stderr.text.strip()[-300:]]
    return "".join(f" | {text!r}" for text in texts if text)
