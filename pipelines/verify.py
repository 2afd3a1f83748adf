"""`pij verify`: is an opened plan the one that the results were made with, and are the results what was sealed?"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from attacks.corpus import read_corpus
from attacks.draw import realise
from attacks.plan import Plan, read_plan
from attacks.procedure import Procedure, instantiate
from attacks.proving import PAYLOADS_AT
from pipelines.campaign import all_procedures, digest_of_plan, uses
from results.errors import EvaluationError, SealError
from results.paths import shown
from results.records import StepKind, Trial
from results.seal import verify_seal
from results.store import read_campaign, read_steps, read_trial

HELD_OUT = "(held out)"


@dataclass(frozen=True)
class Verification:
    """What was compared."""

    commitment: str
    plan_digest: str
    trials: int
    """Trials whose own record names the same digest."""
    seals: int
    """Sealed trials that are still what was sealed."""
    steps: int
    """Executed steps whose bytes the plan and the seed give again."""
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Nothing speaks against it."""
        return self.commitment == self.plan_digest and not self.problems


def verify_plan(results: Path, plan_folder: Path, procedures_folder: Path | None = None) -> Verification:
    """Compare an opened plan with results, published or not.

    Args:
        results: a campaign's folder, or a published page's.
        plan_folder: the plan that is said to be the one.
        procedures_folder: procedures of its own that the plan runs, besides the checkout's.

    Raises:
        ContentError: the plan can't be read.
        EvaluationError: the results name no commitment, or a procedure of the plan is missing.
    """
    folder = results / "data" if (results / "data" / "campaign.json").is_file() else results
    campaign = read_campaign(folder)
    if campaign.plan_digest is None:
        raise EvaluationError(f"{folder / 'campaign.json'}: plan_digest: found none; allowed: results of this release")
    plan = read_plan(plan_folder)
    if plan.battery is not None:
        raise EvaluationError(
            f"{plan_folder}: battery: found one; allowed: a plan whose steps are written. A battery's choice depends "
            "on the corpus and its proofs, so a plan alone does not say what was run."
        )
    procedures = _procedures(plan_folder, procedures_folder)
    missing = sorted(uses(plan) - set(procedures))
    if missing:
        raise EvaluationError(
            f"{plan_folder}: found no procedure {missing[0]} ({len(missing)} missing); allowed: those of the checkout "
            "and of --procedures FOLDER. Give the folder that the plan was opened with."
        )
    digest = digest_of_plan(plan_folder, plan, procedures)
    problems: list[str] = []
    if digest != campaign.plan_digest:
        problems.append(f"the results were made with plan {campaign.plan_digest}, this one is {digest}")
    trials = seals = steps = 0
    for place in sorted(path.parent for path in (folder / "trials").glob("*/trial.json")):
        trial = read_trial(place)
        trials += trial.plan_digest == digest
        if trial.plan_digest != digest:
            problems.append(f"{trial.trial_id}: made with plan {trial.plan_digest}")
        seals += _check_seal(place, problems)
        if digest == campaign.plan_digest:
            steps += _compare(place, trial, plan, procedures, problems)
    return Verification(campaign.plan_digest, digest, trials, seals, steps, tuple(problems))


def _procedures(plan_folder: Path, extra: Path | None) -> dict[str, Procedure]:
    found, _problems = all_procedures()
    for folder in (plan_folder, *([extra] if extra else [])):
        found |= read_corpus(folder).procedures
    return found


def _check_seal(place: Path, problems: list[str]) -> bool:
    if not (place / "seal.json").is_file():
        return False  # a blinded copy: the original's seal stands beside it under another name
    try:
        verify_seal(place)
    except SealError as error:
        problems.append(str(error))
        return False
    return True


def _compare(place: Path, trial: Trial, plan: Plan, procedures: Mapping[str, Procedure], problems: list[str]) -> int:
    """How many executed steps the plan gives again, byte for byte; a difference is a problem."""
    addresses = {node: names[3] for node, names in trial.node_names.items() if len(names) > 3}
    expected = {}
    for step, _at_s in realise(plan, trial.seed, addresses):
        if step.procedure is not None:
            instance = instantiate(procedures[step.procedure], step.arguments, PAYLOADS_AT)
            expected[step.id] = instance.command
    same = 0
    for run in read_steps(place):
        if run.kind in (StepKind.CANARY, StepKind.PLACEBO) or run.not_run or run.executed == HELD_OUT:
            continue
        if plan.isolation == "trial" and expected.get(run.step_id) != run.executed:
            problems.append(f"{shown(place)}: step {run.step_id}: its bytes are not what the plan and the seed give")
        else:
            same += 1
    return same
