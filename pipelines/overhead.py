"""`pij overhead`: ordinary work, timed with and without a product in alternation.

What work is timed is content: every plan whose `baseline` says `timed`. An arm gets the plan that gives its product
most to do, by what the manifest says that it sees and the plan's steps say that they show, among those in whose
environment it can stand at all.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from attacks.plan import Plan, read_plan
from environments.manifest import Environment, read_environment
from pipelines.registry import find, folders
from pipelines.session import Wishes, run_campaign
from products.lint import misplaced
from products.manifest import Product, read_product
from results.costs import costs, never_counted, usage
from results.errors import ContentError, EvaluationError, Problem
from results.measures import Cost
from results.overhead import Overhead, overheads
from results.paths import runs_folder
from results.records import CONTROL, RAN_THROUGH, Record, Text, Trial, TrialStatus
from results.scoring import arm_key
from results.store import read_resources, read_trial, sealed_trials

NAME = "overhead"


class Action(Record):
    """One kind of work of a plan."""

    id: str
    title: Text


class Measured(Record):
    """What the arms that were given one plan do to its work."""

    plan: str
    title: Text
    environment: str
    results: str
    """Id of the campaign that holds the trials."""
    actions: tuple[Action, ...]
    versions: dict[str, str]
    """Arm -> what the product said of its version."""
    overheads: tuple[Overhead, ...]
    costs: dict[str, tuple[Cost, ...]]
    """Arm -> what the product itself uses, in the same rounds."""
    remarks: dict[str, tuple[str, ...]]
    """Arm -> what is to be known of its trials that ran through."""
    unmeasured: dict[str, str]
    """Arm -> why there is no repetition in which both it and a control ran through."""


@dataclass(frozen=True)
class Work:
    """A plan of work to be timed, where it runs."""

    folder: Path
    plan: Plan
    environment_folder: Path
    environment: Environment

    def gives(self, product: Product) -> int:
        """Of how many kinds that the product sees some work of the plan is."""
        return len({name for step in self.plan.steps for name in step.data_components} & set(product.sees))

    def objections(self, arm: "AskedArm") -> list[Problem]:
        """What the product needs and does not find there."""
        return misplaced(arm.product, arm.folder / "product.yaml", self.environment)


@dataclass(frozen=True)
class AskedArm:
    """One arm that the user named."""

    folder: Path
    product: Product
    arm: str

    @property
    def key(self) -> str:
        """Its name in the results."""
        return f"{self.product.id}-{self.arm}"


def measure(
    arms: Sequence[str], rounds: int, seed: int, name: str = NAME, content: Mapping[str, Path] | None = None,
    plans: Sequence[str] = (), fresh: bool = False, quiet: bool = False,
) -> tuple[Measured, ...]:  # fmt: skip
    """Run the work in rounds, in each once without a product and once with each arm, in drawn order, one at a time.

    Args:
        arms: `<product>-<arm>`, or a product's id or folder for its arm `default`.
        rounds: repetitions.
        seed: of the order and the drawn values.
        name: id of the results; those of a plan are in `<name>_<plan>`.
        content: what only the user can give, by id.
        plans: ids or folders of the plans to be timed, each with every arm; if none is given, each arm gets its own.
        fresh: set earlier results aside.
        quiet: show no progress.

    Returns:
        One for each plan.

    Raises:
        ContentError: there is no such product or plan, or an arm fits no work that may be timed.
        EvaluationError: an arm is unknown, or nothing could be measured.
    """
    asked = list({one.key: one for one in map(asked_arm, arms)}.values())
    given = assign(asked, timed_work(plans), forced=bool(plans))
    definition = {
        "id": NAME,
        "title": {"en": "Ordinary work with and without products", "ja": "製品の有無による通常業務の所要時間"},
        "parts": [
            {
                "id": work.plan.id,
                "plan": str(work.folder.resolve()),
                "environment": str(work.environment_folder.resolve()),
                "entries": [{"product": str(one.folder.resolve()), "arm": one.arm} for one in its],
            }
            for work, its in given
        ],
        "repetitions": rounds,
        "seed": seed,
        "parallel": 1,  # what runs beside it would be measured, too
        "entries": [],
    }
    with tempfile.TemporaryDirectory(prefix="overhead-") as scratch:
        path = Path(scratch) / f"{NAME}.yaml"
        path.write_text(yaml.safe_dump(definition, allow_unicode=True, sort_keys=False), "utf-8")
        wishes = Wishes(str(path), content=dict(content or {}), name=name, fresh=fresh, prefect=False, quiet=quiet)
        run_campaign(wishes)
    found = tuple(
        read_measured(work, [arm.key for arm in its], runs_folder() / f"{name}_{work.plan.id}") for work, its in given
    )
    if not any(one.overheads for one in found):
        reasons = "; ".join(f"{key}: {reason}" for one in found for key, reason in one.unmeasured.items())
        raise EvaluationError(
            f"{name}: found no round in which a control and a product both ran through ({reasons}); allowed: at least "
            "one. Mend what is said there and run again with --fresh."
        )
    return found


def asked_arm(text: str) -> AskedArm:
    """A product's folder and arm; a product's id has no dash in it."""
    place, dash, arm = text.rpartition("-") if "/" not in text.rpartition("-")[2] else (text, "", "")
    folder = find("product", place if dash else text)
    product = read_product(folder)
    chosen = arm if dash else "default"
    known = [one.id for one in product.arms]
    if chosen not in known:
        raise EvaluationError(f"{text}: found arm {chosen!r}; allowed: {', '.join(known)}. Name one of these.")
    return AskedArm(folder, product, chosen)


def timed_work(plans: Sequence[str] = ()) -> list[Work]:
    """The plans that are named, else every one of the checkout whose work is there to be timed.

    Raises:
        ContentError: there is no such plan, or its work is not there to be timed.
    """
    own = [folder for folder in folders("plan") if _is_timed(read_plan(folder))]
    chosen = list(dict.fromkeys(find("plan", name) for name in plans)) if plans else own
    problems = [
        Problem(
            path=str(folder / "plan.yaml"), line=None, field="baseline.timed",
            found="a plan that is not there to be timed",
            allowed=f"one whose baseline says `timed: true`, such as {', '.join(one.name for one in own)}",
            mend="Name one of these, or write one (attacks/README.md).",
        )
        for folder in chosen
        if not _is_timed(read_plan(folder))
    ]  # fmt: skip
    if problems:
        raise ContentError(problems)
    found = []
    for folder in chosen:
        plan = read_plan(folder)
        environment_folder = find("environment", plan.environment, folder.parent)
        found.append(Work(folder, plan, environment_folder, read_environment(environment_folder)))
    return found


def _is_timed(plan: Plan) -> bool:
    return plan.baseline is not None and plan.baseline.timed


def assign(
    arms: Sequence[AskedArm], works: Sequence[Work], forced: bool = False
) -> list[tuple[Work, list[AskedArm]]]:  # fmt: skip
    """Which arms run which work; work that no arm is given is left out.

    Args:
        arms: all different.
        works: what may be timed.
        forced: every arm runs all of it, instead of what suits it best.

    Raises:
        ContentError: some arms fit none of it; all of them are named.
    """
    problems: list[Problem] = []
    given: dict[str, list[AskedArm]] = {work.plan.id: [] for work in works}
    for arm in arms:
        fitting = [work for work in works if not work.objections(arm)]
        refused = [work for work in works if work not in fitting]
        if refused and (forced or not fitting):
            problems += [_refusal(arm, work, forced) for work in refused]
            continue
        # Of two that suit as well, the one with fewer machines beside the product, which leave it more of the CPU.
        best = sorted(fitting, key=lambda work: (-work.gives(arm.product), len(work.environment.nodes), work.plan.id))
        for work in best if forced else best[:1]:
            given[work.plan.id].append(arm)
    if problems:
        raise ContentError(problems)
    return [(work, given[work.plan.id]) for work in works if given[work.plan.id]]


def _refusal(arm: AskedArm, work: Work, forced: bool) -> Problem:
    first = work.objections(arm)[0]
    others = [one.plan.id for one in timed_work() if not one.objections(arm)] if forced else []
    own = "or write a plan with `timed: true` in an environment that has it (attacks/README.md) and give it with --plan"
    mend = f"Leave --plan out, or name {' or '.join(others)}." if others else f"Leave this arm out, {own}."
    return Problem(
        path=arm.key, line=None, field=f"plan {work.plan.id}: {first.field}",
        found=first.found, allowed=first.allowed, mend=mend,
    )  # fmt: skip


def read_measured(work: Work, arms: Sequence[str], folder: Path) -> Measured:
    """What the sealed trials of a plan say.

    Args:
        work: the plan.
        arms: keys of those that were asked for.
        folder: the campaign's.
    """
    paths = {path: read_trial(path) for path in sealed_trials(folder)}
    try:
        found = overheads(folder)
    except EvaluationError:  # said below, arm by arm, so that what other plans gave is not lost
        found = ()
    had = {one.arm_key: one.repetitions for one in found}
    trials = list(paths.values())
    return Measured(
        plan=work.plan.id,
        title=work.plan.title,
        environment=work.environment.id,
        results=folder.name,
        actions=tuple(Action(id=step.id, title=step.title or Text(en=step.id, ja=step.id)) for step in work.plan.steps),
        versions={arm_key(trial): trial.product_version for trial in trials if trial.product_version},
        overheads=found,
        costs=_costs(paths, had),
        remarks={key: said for key in had if (said := _remarks(key, trials))},
        unmeasured={key: _why_not(key, trials) for key in arms if key not in had},
    )


def _costs(trials: Mapping[Path, Trial], had: Mapping[str, Sequence[int]]) -> dict[str, tuple[Cost, ...]]:
    """What each arm uses in the rounds that its work was timed in.

    The scorer's costs leave out a trial whose last canary never came, because nothing is known of its alerts; what was
    used and how long the work took is known all the same.
    """
    samples = {path: read_resources(path) for path in trials}
    controls = {
        trial.seed: usage(samples[path], trial.node_names)
        for path, trial in trials.items()
        if trial.product is None and trial.status in RAN_THROUGH
    }
    uncounted = never_counted(samples.values())
    return {
        key: costs(
            [
                (trial.seed, samples[path], tuple(trial.node_names))
                for path, trial in trials.items()
                if arm_key(trial) == key and trial.repetition in rounds
            ],
            controls,
            uncounted,
        )
        for key, rounds in had.items()
    }


def _remarks(key: str, trials: Sequence[Trial]) -> tuple[str, ...]:
    own = [trial for trial in trials if arm_key(trial) == key]
    late = [trial for trial in own if trial.status is TrialStatus.FLUSH_TIMED_OUT]
    stopped = [trial for trial in own if trial.status not in RAN_THROUGH]
    found = []
    if late:
        found.append(
            f"after the work of {len(late)} of {len(own)} rounds it did not show its canary in time: it ran, but may "
            "have missed what it was to see"
        )
    if stopped:
        found.append(f"{len(stopped)} of {len(own)} rounds are not counted: {_why_not(key, trials)}")
    return tuple(found)


def _why_not(key: str, trials: Sequence[Trial]) -> str:
    """What kept its trials, or else the controls, from running through."""
    for of, who in ((key, "its trials"), (CONTROL, "the controls")):
        stopped = [trial for trial in trials if arm_key(trial) == of and trial.status not in RAN_THROUGH]
        if stopped:
            said = stopped[-1].reason.strip().splitlines()
            return f"{len(stopped)} of {who} {stopped[-1].status}{': ' + said[0] if said else ''}"
    return "no trial of it ran in the same round as a control that ran through"
