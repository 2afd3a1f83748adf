"""One step's whole evidence for the terminal. What it shows is hostile: control characters are made visible."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from results.errors import EvaluationError, several
from results.printable import printable
from results.records import Attribution, Observation, StepExecution, Verdict, as_json
from results.store import read_alerts, read_attributions, read_steps, read_telemetry, read_trial, read_verdicts


def gather(runs: Path, address: str) -> dict[str, Any]:
    """Everything about `<campaign>/<trial>/<step>`, as plain data.

    Raises:
        EvaluationError: there is no such campaign, trial or step; the names that exist are listed.
    """
    parts = address.strip("/").split("/")
    if len(parts) != 3:
        raise EvaluationError(f"found {address!r}; allowed: CAMPAIGN/TRIAL/STEP, e.g. demo/control-r1/guess-password")
    campaign, trial_id, step_id = parts
    folder = _inside(runs, campaign, "campaign")
    trial_folder = _inside(folder / "trials", trial_id, "trial")
    steps = read_steps(trial_folder)
    step = next((step for step in steps if step.step_id == step_id), None)
    if step is None:
        raise EvaluationError(
            f"{address}: found no step {step_id!r}; allowed: {several((s.step_id for s in steps), step_id)}. Name one."
        )
    verdicts = [v for v in _scored(folder, read_verdicts) if (v.trial_id, v.step_id) == (trial_id, step_id)]
    claims = [
        claim
        for claim in _scored(folder, read_attributions)
        if claim.trial_id == trial_id and (claim.step_id == step_id or step_id in claim.candidates)
    ]
    observations = {o.observation_id: o for o in (*read_alerts(trial_folder), *read_telemetry(trial_folder))}
    return {
        "trial": as_json(read_trial(trial_folder)),
        "step": as_json(step),
        "verdicts": [as_json(verdict) for verdict in verdicts],
        "observations": [
            {"attribution": as_json(claim), "observation": as_json(observations[claim.observation_id])}
            for claim in claims
            if claim.observation_id in observations
        ],
    }


def lines(data: dict[str, Any]) -> Iterator[str]:
    """The same for a person, line by line."""
    step = StepExecution.model_validate(data["step"])
    trial = data["trial"]
    yield f"{trial['campaign']}/{trial['trial_id']}/{step.step_id}: {step.title.en} ({step.title.ja})"
    yield f"  {step.kind}, {step.technique or 'no technique'}, tactics {', '.join(step.tactics) or 'none'}"
    yield f"  {trial['product_name'] or 'control: no product'}, seed {trial['seed']}, trial {trial['status']}"
    for entry in data["verdicts"]:
        verdict = Verdict.model_validate(entry)
        grade = f" ({verdict.category})" if verdict.category else ""
        yield f"verdict: {verdict.outcome}{grade} {' '.join(verdict.modifiers)}"
        yield f"  {verdict.reason}"
        if verdict.latency_s is not None:
            yield f"  {verdict.latency_s:.3f} s after the end of the step"
    yield from _step(step)
    for entry in data["observations"]:
        yield from _observation(
            Attribution.model_validate(entry["attribution"]), Observation.model_validate(entry["observation"])
        )


def _step(step: StepExecution) -> Iterator[str]:
    if step.not_run is not None:
        yield f"not run: {step.not_run}"
    yield f"executed by {step.executor} as {step.user} on {step.node} (procedure {step.procedure or 'none'}):"
    yield from (f"  | {line}" for line in step.executed.splitlines())
    yield f"from {step.started_ns} to {step.ended_ns} ns UTC, exit code {step.exit_code}"
    yield f"effect seen by the oracle: {step.verified}"
    for fact in step.facts:
        yield f"  before {fact.before}, after {fact.after}: {fact.fact} ({fact.detail})"
    yield f"processes (pids of the engine host): {len(step.processes)}"
    for process in step.processes:
        words = " ; ".join(process.command_lines) or "(gone before it could be read)"
        yield f"  {process.pid} from {process.parent_pid}, in the node {process.node_pid}: {words[:300]}"
    for name in ("stdout", "stderr"):
        output = getattr(step, name)
        yield f"{name}: {output.length} bytes, sha256 {output.sha256}"
        yield from (f"  | {line}" for line in output.text.splitlines()[:40])


def _observation(claim: Attribution, observation: Observation) -> Iterator[str]:
    kind = "alert" if claim.alert else "telemetry"
    yield f"{kind} {observation.observation_id}: {claim.status}" + (f" by {claim.kind}" if claim.kind else "")
    yield f"  matched {claim.matched}; holds the step's minimum evidence: {claim.meets_criteria}"
    yield f"  rule {observation.rule_id or observation.rule_name or 'none'}: {observation.title or ''}"
    yield f"  as received: {observation.raw[:2000]}"


def safe(line: str) -> str:
    """A line that can do nothing to a terminal."""
    return printable(line)


def _scored(folder: Path, read: Any) -> list[Any]:  # noqa: ANN401
    try:
        return list(read(folder))
    except FileNotFoundError:
        raise EvaluationError(f"{folder}: not scored yet. Run `pij score {folder}`.") from None


def _inside(place: Path, name: str, kind: str) -> Path:
    known = sorted(path.name for path in place.glob("*") if path.is_dir() and not path.name.startswith("."))
    if name not in known:
        there = several(known, name, nothing="none yet")
        raise EvaluationError(f"{place}: found no {kind} {name!r}; allowed: {there}. Check the address.")
    return place / name
