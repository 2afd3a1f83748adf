"""A campaign: which trials, in which order, with which seeds; everything that is decided before the first."""

import hashlib
import json
import random
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from attacks.atomic import read_procedures
from attacks.battery import fill_battery
from attacks.catalogue import load_catalogue
from attacks.corpus import read_corpus
from attacks.lint import lint_plan
from attacks.plan import Plan, read_plan
from attacks.procedure import Procedure
from attacks.proof import content_digest
from environments.lint import lint_environment
from environments.manifest import Environment, read_environment
from pipelines.definition import CampaignDefinition, Part, of_part
from pipelines.procedures import known_proofs, read_values
from pipelines.registry import PROCEDURES, find, find_campaign, folder_digest
from products.deploy import sources_of
from products.lint import lint_product, misplaced
from products.manifest import Arm, Component, ContentMount, Product, read_product
from products.secret import Secrets, find_secrets
from results.attack import Catalogue
from results.documents import load_yaml, read_document
from results.errors import ContentError, EvaluationError, Problem, several
from results.paths import ROOT, shown, state_folder
from results.records import SLUG, Campaign, Pace, StoppingRule

T = TypeVar("T")


@dataclass(frozen=True)
class ArmOfProduct:
    """One arm, ready to be deployed."""

    folder: Path
    product: Product
    arm: Arm
    digest: str
    content: dict[str, Path]
    """Content id -> folder that the user gave."""
    missing_content: tuple[str, ...]
    """What the arm needs and was not given, in words: content and secrets."""
    secrets: Secrets = field(default_factory=Secrets)
    """Never part of a digest."""

    @property
    def key(self) -> str:
        """Its name in the results."""
        return f"{self.product.id}-{self.arm.id}"

    def components(self) -> tuple[Component, ...]:
        """The product's components."""
        return self.product.components


@dataclass(frozen=True)
class TrialPlan:
    """One trial to be run."""

    trial_id: str
    entry: ArmOfProduct | None
    """None: the control."""
    repetition: int
    seed: int


@dataclass(frozen=True)
class Prepared:
    """A campaign that has been read and linted; nothing has been started."""

    definition: CampaignDefinition
    plan: Plan
    plan_digest: str
    environment: Environment
    environment_folder: Path
    environment_digest: str
    procedures: dict[str, Procedure]
    catalogue: Catalogue
    entries: tuple[ArmOfProduct, ...]
    trials: tuple[TrialPlan, ...]
    digest: str
    held_out: bool = False

    def record(self, started_ns: int) -> Campaign:
        """The campaign as the results hold it."""
        return Campaign(
            campaign=self.definition.id,
            title=self.definition.title,
            plan=self.plan.id,
            environment=self.environment.id,
            repetitions=self.definition.repetitions,
            seed=self.definition.seed,
            trials=tuple(trial.trial_id for trial in self.trials),
            attack_release=self.catalogue.release,
            digest=self.digest,
            started_ns=started_ns,
            plan_digest=self.plan_digest,
            held_out=self.held_out,
            pace=self.pace(),
            stopping=StoppingRule(**rule.model_dump()) if (rule := self.definition.stopping) else None,
        )

    def takes(self) -> set[str]:
        """Ids of the content that its arms and its plan's battery take."""
        mounts = {mount.id for entry in self.entries for mount in mounts_of(entry.product, entry.arm)}
        corpus = self.plan.battery.corpus if self.plan.battery else None
        return mounts | ({corpus} if corpus else set())

    def pace(self) -> Pace:
        """Its budget and retries."""
        return Pace(budget_minutes=self.definition.budget_minutes, retries=self.definition.retries)


def prepare(
    name: str,
    attack: Path | None = None,
    content: dict[str, Path] | None = None,
    only: tuple[str, ...] = (),
    as_id: str | None = None,
    secrets: Mapping[str, Path] | None = None,
) -> Prepared:
    """Read and lint a campaign of one plan and environment; see `prepare_parts`."""
    parts = prepare_parts(name, attack, content, only, as_id, secrets)
    if len(parts) > 1:
        names = ", ".join(part.definition.id for part in parts)
        found = f"{len(parts)} parts ({names})"
        raise ContentError([_whole(name, "parts", found, "a campaign of one plan and environment", "Name one part.")])
    return parts[0]


def prepare_parts(
    name: str,
    attack: Path | None = None,
    content: dict[str, Path] | None = None,
    only: tuple[str, ...] = (),
    as_id: str | None = None,
    secrets: Mapping[str, Path] | None = None,
) -> tuple[Prepared, ...]:
    """Read and lint everything that a campaign names.

    Args:
        name: campaign id or file.
        attack: a STIX bundle of ATT&CK Enterprise instead of the embedded catalogue.
        content: content id -> folder, for arms that need the user's own content; each must be taken by a chosen arm
            or by a plan's battery.
        only: arms (`<product>-<arm>`) to run; all if empty. The control always runs.
        as_id: another id for the campaign's results.
        secrets: secret id -> file with its value, likewise; others are looked for in `PIJ_SECRET_<ID>`.

    Returns:
        One for each plan and environment.

    Raises:
        ContentError: every problem found, of all files at once.
        EvaluationError: the other id is none.
    """
    path = find_campaign(name)
    definition = read_document(path, CampaignDefinition)
    if as_id and not re.fullmatch(SLUG, as_id):
        raise EvaluationError(
            f"--as: found {as_id!r}; allowed: a small letter, then small letters, digits and _ (64 at most). "
            f"For example --as {re.sub('[^a-z0-9_]', '_', as_id.lower()).strip('_0123456789')[:64] or 'mine'}."
        )
    if as_id:
        definition = definition.model_copy(update={"id": as_id})
    catalogue = load_catalogue(attack, state_folder() / "attack")
    known = [key for part in definition.blocks() for key in _keys(of_part(definition, part))]
    problems = [_not_an_arm(path, wanted, known) for wanted in only if wanted not in known]
    prepared = []
    for part in definition.blocks():
        with _noting(problems):
            prepared.append(
                _prepare(path, of_part(definition, part), part, catalogue, content or {}, secrets or {}, only)
            )
    if not problems:  # else what is taken is not known
        problems += _not_taken(path, "--content", content or {}, {name for one in prepared for name in one.takes()})
        asked = {secret.id for one in prepared for entry in one.entries for secret in entry.product.secrets}
        problems += _not_taken(path, "--secret", secrets or {}, asked)
    if problems:
        raise ContentError(list(dict.fromkeys(problems)))
    return tuple(one for one in prepared if one.entries or not only)


def _not_taken(path: Path, option: str, given: Mapping[str, Path], taken: Collection[str]) -> list[Problem]:
    """What was given under an id that nothing takes: else a misspelt one would go unnoticed."""
    allowed = ", ".join(sorted(taken)) or "none: no chosen arm takes any"
    mend = "Name one that a chosen arm takes, or leave it out." if taken else "Leave it out."
    return [_whole(shown(path), option, repr(name), allowed, mend) for name in given if name not in taken]


def _keys(definition: CampaignDefinition) -> list[str]:
    return [f"{Path(entry.product).name}-{entry.arm}" for entry in definition.entries]


def _not_an_arm(path: Path, wanted: str, known: list[str]) -> Problem:
    return _whole(shown(path), "--only", repr(wanted), several(known, wanted), "Name an arm of this campaign.")


def _prepare(
    path: Path,
    definition: CampaignDefinition,
    part: Part,
    catalogue: Catalogue,
    given: dict[str, Path],
    secrets: Mapping[str, Path],
    only: tuple[str, ...],
) -> Prepared:
    procedures, unread = all_procedures()
    problems: list[Problem] = []
    if definition.procedures is not None:
        more_procedures, more = read_procedures(path.parent / definition.procedures)
        procedures, unread = procedures | more_procedures, unread + more
    plan_folder = environment_folder = environment = None
    with _noting(problems):
        environment_folder = find("environment", part.environment, path.parent)
        problems += lint_environment(environment_folder)
        environment = read_environment(environment_folder)
    with _noting(problems):
        plan_folder = find("plan", part.plan, path.parent)
        if not uses(read_plan(plan_folder)) <= set(procedures):
            problems += unread
        if environment is not None:
            problems += lint_plan(plan_folder, procedures, catalogue, environment)
    entries, more = _entries(path, definition, given, secrets, environment, only)
    problems += more
    if problems or plan_folder is None or environment_folder is None or environment is None:
        raise ContentError(list(dict.fromkeys(problems)))
    plan = read_plan(plan_folder)
    if plan.battery is not None:
        plan, procedures = _with_battery(plan_folder, plan, procedures, given, catalogue)
    plan_digest = digest_of_plan(plan_folder, plan, procedures)
    environment_digest = folder_digest(environment_folder)
    digest = _digest(
        [
            definition.model_dump(mode="json", exclude={"title", "parallel", "retries", "budget_minutes"}),
            plan_digest,
            environment_digest,
            [[entry.key, entry.digest] for entry in entries],
            catalogue.release,
        ]
    )
    return Prepared(
        definition=definition,
        plan=plan,
        plan_digest=plan_digest,
        environment=environment,
        environment_folder=environment_folder,
        environment_digest=environment_digest,
        procedures=procedures,
        catalogue=catalogue,
        entries=entries,
        trials=tuple(_matrix(definition, entries)),
        digest=digest,
        held_out=_is_held_out(definition, plan_folder),
    )


def _with_battery(
    folder: Path, plan: Plan, procedures: dict[str, Procedure], given: dict[str, Path], catalogue: Catalogue
) -> tuple[Plan, dict[str, Procedure]]:
    """The plan with the steps that its battery chooses, and the procedures that they run.

    Raises:
        ContentError: the corpus was not given, or nothing of it is proven in the plan's environment.
    """
    battery = plan.battery
    corpus = battery.corpus if battery else None
    path = str(folder / "plan.yaml")
    if corpus is not None and corpus not in given:
        mend = f"Give it: `--content {corpus}=FOLDER`."
        found = f"corpus {corpus!r}, which was not given"
        raise ContentError([_whole(path, "battery.corpus", found, "a folder as upstream publishes it", mend)])
    if corpus is not None:
        procedures = {**procedures, **read_corpus(given[corpus]).procedures}
    filled, left_out = fill_battery(plan, procedures, known_proofs(), read_values(), catalogue)
    if not filled.steps:
        where = str(given[corpus]) if corpus else ""
        mend = f"Run `pij prove {where}`, or widen the selector."
        found = f"no proven procedure ({len(left_out)} left out, e.g. {left_out[0] if left_out else 'none'})"
        raise ContentError([_whole(path, "battery", found, f"one proven in {plan.environment}", mend)])
    return filled, procedures


def _whole(path: str, field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=path, line=None, field=field, found=found, allowed=allowed, mend=mend)


def digest_of_plan(folder: Path, plan: Plan, procedures: Mapping[str, Procedure]) -> str:
    """SHA-256 over a plan's folder, the procedures that it runs and, for a battery, the steps that were chosen.

    Where the files lie is no part of it.
    """
    used = {guid: content_digest(procedures[guid]) for guid in sorted(uses(plan))}
    chosen = [plan.model_dump(mode="json")] if plan.battery is not None else []
    return _digest([folder_digest(folder), used, *chosen])


def _is_held_out(definition: CampaignDefinition, plan_folder: Path) -> bool:
    if definition.held_out is not None:
        return definition.held_out
    return not plan_folder.resolve().is_relative_to(ROOT)


def uses(plan: Plan) -> set[str]:
    """GUIDs of the procedures that a plan's steps and their alternatives run."""
    named = {way.procedure for step in plan.steps for way in step.alternatives}
    return named | {step.procedure for step in plan.steps if step.procedure}


def all_procedures() -> tuple[dict[str, Procedure], list[Problem]]:
    """The procedures of the checkout, malicious and benign, by GUID."""
    procedures: dict[str, Procedure] = {}
    problems: list[Problem] = []
    for folder in PROCEDURES:
        found, more = read_procedures(folder)
        procedures.update(found)
        problems += more
    return procedures, problems


def trial_seed(seed: int, repetition: int) -> int:
    """Seed of one repetition: the same for every arm and the control, so that steps are paired."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{repetition}".encode()).digest()[:6], "big")


def _entries(
    path: Path,
    definition: CampaignDefinition,
    content: dict[str, Path],
    secrets: Mapping[str, Path],
    environment: Environment | None,
    only: tuple[str, ...],
) -> tuple[tuple[ArmOfProduct, ...], list[Problem]]:
    entries: list[ArmOfProduct] = []
    problems: list[Problem] = []
    _data, lines = load_yaml(path)
    for index, entry in enumerate(definition.entries):
        with _noting(problems):
            folder = find("product", entry.product, path.parent)
            problems += lint_product(folder)
            product = read_product(folder)
            arm = next((arm for arm in product.arms if arm.id == entry.arm), None)
            if arm is not None:
                problems += misplaced(product, folder / "product.yaml", environment)
                entries.append(entry_of(folder, product, arm, content, secrets))
                continue
            problems.append(
                Problem(
                    path=shown(path),
                    line=lines.of(("entries", index, "arm")),
                    field=f"entries.{index}.arm",
                    found=repr(entry.arm),
                    allowed=", ".join(arm.id for arm in product.arms),
                    mend=f"Name an arm of {product.id}.",
                )
            )
    return tuple(entry for entry in entries if not only or entry.key in only), problems


@contextmanager
def _noting(problems: list[Problem]) -> Iterator[None]:
    """Note the problems of one file and go on with the next, so that all are shown at once."""
    try:
        yield
    except ContentError as error:
        problems += error.problems


def mounts_of(product: Product, arm: Arm) -> list[ContentMount]:
    """The user's content that an arm takes."""
    mounts = [mount for component in product.components for mount in component.content]
    return mounts + [mount for changed in arm.components.values() for mount in changed.content]


def entry_of(
    folder: Path, product: Product, arm: Arm, content: Mapping[str, Path], secrets: Mapping[str, Path]
) -> ArmOfProduct:
    """One arm with its digest, which a registration and every sealed trial hold."""
    mounts = mounts_of(product, arm)
    given = {mount.id: content[mount.id] for mount in mounts if mount.id in content}
    missing = tuple(
        f"{mount.id}: {mount.what.en} (give it with --content {mount.id}=FOLDER)"
        for mount in mounts
        if mount.id not in content
    )
    found, more = find_secrets(product, secrets)
    parts = [folder_digest(folder), arm.id, *(folder_digest(path) for path in given.values())]
    # A ready-made mapping is no part of the folder, yet decides what an alert says.
    parts += [source.model_dump_json() for _kind, source in sources_of(product, arm) if source.mapping]
    return ArmOfProduct(folder, product, arm, _digest(parts), given, missing + more, found)


def _matrix(definition: CampaignDefinition, entries: tuple[ArmOfProduct, ...]) -> list[TrialPlan]:
    """The order of trials: seeded within each repetition, and arms that share a lock kept apart."""
    trials: list[TrialPlan] = []
    for repetition in range(1, definition.repetitions + 1):
        seed = trial_seed(definition.seed, repetition)
        block = [TrialPlan(f"{entry.key}-r{repetition}", entry, repetition, seed) for entry in entries]
        if definition.control:
            block.append(TrialPlan(f"control-r{repetition}", None, repetition, seed))
        random.Random(f"order/{seed}").shuffle(block)  # noqa: S311  # order, not secrets
        trials += kept_apart(block, locks, trials[-1:])
    return trials


def kept_apart(block: Sequence[T], locks_of: Callable[[T], set[str]], before: Sequence[T] = ()) -> list[T]:
    """Reorder so that neighbours do not wait for the same lock, as far as that is possible.

    Args:
        block: in the drawn order.
        locks_of: what one of them holds alone.
        before: what stands before the block already.
    """
    waiting, ordered = list(block), list(before)
    while waiting:
        held = locks_of(ordered[-1]) if ordered else set()
        chosen = next((one for one in waiting if not locks_of(one) & held), waiting[0])
        waiting.remove(chosen)
        ordered.append(chosen)
    return ordered[len(before) :]


def locks(trial: TrialPlan) -> set[str]:
    """Kernel facilities that a trial holds alone."""
    if trial.entry is None:
        return set()
    return {component.lock for component in trial.entry.components() if component.lock}


def without(prepared: Prepared, sealed: set[str]) -> Prepared:
    """The same campaign with only the trials that are not sealed yet."""
    return replace(prepared, trials=tuple(trial for trial in prepared.trials if trial.trial_id not in sealed))


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
