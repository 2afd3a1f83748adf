"""Making a reproduction bundle of a step, and running one again (scoring.md §6).

What a bundle brings is linted like any other content and runs in containers only; nothing of it runs on the host.
"""

import hashlib
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from attacks.plan import Plan, Step
from environments.engine import Engine
from pipelines.campaign import ArmOfProduct, Prepared, TrialPlan, prepare, uses
from pipelines.definition import CampaignDefinition
from pipelines.registry import find, find_campaign
from pipelines.run import CampaignRun, OnEvent, open_campaign
from pipelines.schedule import Schedule, run_trials
from results.adjudication import require_verdict
from results.documents import read_document
from results.errors import EvaluationError, several
from results.paths import ROOT
from results.records import SCORER_VERSION, AttributionStatus, StepExecution, Trial, Verdict
from results.reproduction import (
    DEFINITIONS,
    EVIDENCE,
    Bundle,
    BundleError,
    Came,
    Reproduction,
    as_bytes,
    differences,
    read_bundle,
    unpack,
    write_bundle,
)
from results.scoring import score_campaign
from results.store import (
    read_alerts,
    read_attributions,
    read_steps,
    read_summary,
    read_telemetry,
    read_trial,
    read_verdicts,
)

MOST_OBSERVATIONS = 500
"""Of a step; a flood fills no bundle."""


@dataclass(frozen=True)
class Defined:
    """A campaign's definitions, from which its bundles are made."""

    prepared: Prepared
    plan_folder: Path


def defined(name: str, content: Mapping[str, Path]) -> Defined:
    """The definitions that a campaign was run with.

    Args:
        name: campaign id or file.
        content: content id -> folder that the user gives.

    Raises:
        ContentError: something is wrong with them.
    """
    path = find_campaign(name)
    prepared = prepare(name, content=dict(content))
    definition = read_document(path, CampaignDefinition)
    (part,) = definition.blocks()
    return Defined(prepared, find("plan", part.plan, path.parent))


def make_bundle(folder: Path, trial_id: str, step_id: str, what: Defined, to: Path) -> Path:
    """Make the bundle of one step of a scored campaign.

    Args:
        folder: the campaign's.
        trial_id: a trial of a product.
        step_id: a malicious or benign step of it.
        what: the definitions that the campaign was run with.
        to: the file to write.

    Raises:
        EvaluationError: there is no such step, or the definitions are not those that the trial was run with.
    """
    verdict = require_verdict(folder, trial_id, step_id)
    place = folder / "trials" / trial_id
    trial, steps = read_trial(place), {step.step_id: step for step in read_steps(place)}
    entry = _entry_of(trial, what.prepared)
    _require_same(place, trial, what.prepared)
    step = steps[step_id]
    names = [one.id for one in chosen(what.prepared.plan, step_id)]
    paths = _definitions(what, entry)
    bundle = Bundle(
        campaign=trial.campaign,
        trial_id=trial_id,
        step_id=step_id,
        kind=step.kind,
        needs=tuple(names[:-1]),
        product=entry.product.id,
        product_name=entry.product.name,
        arm=entry.arm.id,
        repetition=trial.repetition,
        seed=trial.seed,
        plan=trial.plan,
        plan_digest=trial.plan_digest,
        environment=trial.environment,
        environment_digest=trial.environment_digest,
        images=tuple((trial.product_digest or "").split()),
        entry_digest=entry.digest,
        attack_release=trial.attack_release,
        scorer_version=SCORER_VERSION,
        seal=next((line.seal for line in read_summary(folder).trials if line.trial_id == trial_id), ""),
        came=_came(verdict, step),
        command=f"pij reproduce {to.name}",
        files={},
        executable=tuple(sorted(name for name, path in paths.items() if path.stat().st_mode & 0o100)),
    )
    files = _evidence(folder, trial, step, verdict) | {name: path.read_bytes() for name, path in paths.items()}
    return write_bundle(to, bundle, files)


def chosen(plan: Plan, step_id: str) -> list[Step]:
    """A step of a plan and all that it needs, in the plan's order, the step itself last.

    Raises:
        EvaluationError: the plan has no such step.
    """
    known = {step.id: step for step in plan.steps}
    own = step_id if step_id in known else step_id.rpartition("-")[0]  # a baseline numbers its actions
    if own not in known:
        raise EvaluationError(f"{plan.id}: found no step {step_id!r}; allowed: {several(known, own)}. Name one.")
    wanted, waiting = set[str](), [own]
    while waiting:
        name = waiting.pop()
        if name not in wanted:
            wanted.add(name)
            waiting += known[name].needs
    last = known[own]
    if not last.criteria and last.twin_of in known:  # what it mirrors is not run, and could lend it none
        last = last.model_copy(update={"criteria": known[last.twin_of].criteria})
    return [*(step for step in plan.steps if step.id in wanted - {own}), last]


def reproduce(
    engine: Engine, path: Path, content: Mapping[str, Path], say: OnEvent, stop: threading.Event
) -> Reproduction:
    """Run the step of a bundle again, with what it needs, in fresh containers, and compare what came out.

    Args:
        engine: where.
        path: the bundle.
        content: content id -> folder, for an arm that needs content that only the user can give.
        say: receives (trial, line).
        stop: set to take everything down and give up.

    Raises:
        BundleError: the bundle is damaged or hostile; nothing of it was run.
        ContentError: its definitions are wrong; nothing of it was run.
        EvaluationError: the trial could not be run.
    """
    bundle, files = read_bundle(path)
    with tempfile.TemporaryDirectory(prefix="reproduce-") as scratch:
        definitions, runs = Path(scratch) / DEFINITIONS, Path(scratch) / "runs"
        unpack(bundle, files, definitions)
        prepared = _prepared(path, bundle, definitions, content)
        runs.mkdir()
        folder = open_campaign(prepared, runs, fresh=False)
        run_trials(Schedule((CampaignRun(engine, prepared, folder, say, stop),)))
        score_campaign(folder)
        place = folder / "trials" / bundle.trial_id
        trial, steps = read_trial(place), {step.step_id: step for step in read_steps(place)}
        verdicts = {one.step_id: one for one in read_verdicts(folder) if one.trial_id == bundle.trial_id}
        if bundle.step_id not in steps:
            raise EvaluationError(
                f"{path}: the trial ended before the step was run: {trial.status} ({trial.reason.splitlines()[0]}). "
                "Try again, or look at the product's last output."
            )
        found = _came(verdicts[bundle.step_id], steps[bundle.step_id])
    return Reproduction(
        bundle=hashlib.sha256(as_bytes(bundle)).hexdigest(),
        expected=bundle.came,
        found=found,
        status=trial.status.value,
        differences=differences(bundle.came, found),
    )


def _prepared(path: Path, bundle: Bundle, definitions: Path, content: Mapping[str, Path]) -> Prepared:
    """The campaign of one step that a bundle's definitions make; they must be those that the bundle names."""
    for name in ("plan", "environment", "product"):
        if not (definitions / name / f"{name}.yaml").is_file():
            raise BundleError(f"{path}: {DEFINITIONS}/{name}/{name}.yaml: found nothing; allowed: the definition.")
    for kind, name in (("plan", bundle.plan), ("environment", bundle.environment), ("product", bundle.product)):
        (definitions / kind).rename(definitions / ".moved")
        (definitions / kind).mkdir()
        (definitions / ".moved").rename(definitions / kind / name)  # a definition's folder bears its id
    definition = {
        "id": "reproduce", "title": {"en": "Reproduction", "ja": "再現"}, "plan": f"./plan/{bundle.plan}",
        "environment": f"./environment/{bundle.environment}", "repetitions": 1, "seed": 0, "parallel": 2,
        "procedures": "procedures", "held_out": False,
        "entries": [{"product": f"./product/{bundle.product}", "arm": bundle.arm}],
    }  # fmt: skip
    file = definitions / "reproduce.yaml"
    file.write_text(yaml.safe_dump(definition, allow_unicode=True), "utf-8")
    prepared = prepare(str(file), content=dict(content))
    facts = {
        "plan_digest": (bundle.plan_digest, prepared.plan_digest),
        "environment_digest": (bundle.environment_digest, prepared.environment_digest),
        "entry_digest": (bundle.entry_digest, prepared.entries[0].digest),
        "attack_release": (bundle.attack_release, prepared.catalogue.release),
    }
    for field, (then, now) in facts.items():
        if then != now:
            raise BundleError(
                f"{path}: {field}: found definitions with {now[:16]}; allowed: {then[:16]}, with which it was run. "
                "Ask for the bundle again, or give the same content."
            )
    plan = prepared.plan.model_copy(update={"steps": tuple(chosen(prepared.plan, bundle.step_id))})
    trials = (
        TrialPlan(bundle.trial_id, prepared.entries[0], bundle.repetition, bundle.seed),
        TrialPlan(f"control-r{bundle.repetition}", None, bundle.repetition, bundle.seed),
    )
    return replace(prepared, plan=plan, trials=trials)


def _entry_of(trial: Trial, prepared: Prepared) -> ArmOfProduct:
    for entry in prepared.entries:
        if (entry.product.id, entry.arm.id) == (trial.product, trial.arm):
            return entry
    known = several((entry.key for entry in prepared.entries), f"{trial.product}-{trial.arm}")
    raise EvaluationError(
        f"{trial.trial_id}: found {trial.product or 'a control'} in arm {trial.arm or 'none'}; allowed: a trial of one "
        f"of {known}. A control has nothing to be reproduced against; name another trial or --definition."
    )


def _require_same(place: Path, trial: Trial, prepared: Prepared) -> None:
    """The definitions at hand must be those that the trial was run with."""
    facts = {
        "plan_digest": (trial.plan_digest, prepared.plan_digest),
        "environment_digest": (trial.environment_digest, prepared.environment_digest),
    }
    for field, (then, now) in facts.items():
        if then != now:
            raise EvaluationError(
                f"{place}: {field}: found {now[:16]} here; allowed: {then[:16]}, with which it was run. Go to the "
                f"commit that its provenance names ({trial.provenance.get('git', 'unknown')[:12]}), or name "
                "--definition."
            )


def _came(verdict: Verdict, step: StepExecution) -> Came:
    return Came(
        outcome=verdict.adjudicated_from or verdict.outcome,
        category=verdict.adjudicated_from_category if verdict.adjudicated_from else verdict.category,
        verified=step.verified,
        reason=verdict.reason,
    )


def _evidence(folder: Path, trial: Trial, step: StepExecution, verdict: Verdict) -> dict[str, bytes]:
    place = folder / "trials" / trial.trial_id
    claims = [
        one
        for one in read_attributions(folder)
        if one.trial_id == trial.trial_id
        and (step.step_id in (one.step_id, *one.candidates, *one.correlated))
        and one.status is not AttributionStatus.HARNESS
    ][:MOST_OBSERVATIONS]
    wanted = {one.observation_id for one in claims}
    seen = [one for one in (*read_alerts(place), *read_telemetry(place)) if one.observation_id in wanted]
    files = {
        "step.json": as_bytes(step),
        "trial.json": as_bytes(trial),
        "verdict.json": as_bytes(verdict),
        "observations.jsonl": b"".join(one.model_dump_json().encode() + b"\n" for one in seen),
        "attributions.jsonl": b"".join(one.model_dump_json().encode() + b"\n" for one in claims),
        "executed": step.executed.encode(),
    }
    return {f"{EVIDENCE}/{name}": data for name, data in files.items()}


def _definitions(what: Defined, entry: ArmOfProduct) -> dict[str, Path]:
    """Name in the bundle -> file."""
    prepared = what.prepared
    found = _folder("plan", what.plan_folder) | _folder("environment", prepared.environment_folder)
    found |= _folder("product", entry.folder)
    paths = {ROOT / prepared.procedures[guid].path for guid in uses(prepared.plan)}
    return found | {f"{DEFINITIONS}/procedures/{path.parent.name}/{path.name}": path for path in paths}


def _folder(kind: str, folder: Path) -> dict[str, Path]:
    return {
        f"{DEFINITIONS}/{kind}/{path.relative_to(folder).as_posix()}": path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
