"""Pre-registration (scoring.md §6): what will be run and how it will be scored, fixed before the first trial.

`registration.json` holds everything that decides the outcome, and one hash over it, the commitment. Whoever gets the
commitment before the trials knows afterwards that nothing was chosen by the results. A held-out plan is committed to by
its digest and named when it is opened.
"""

import ast
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from results.errors import EvaluationError, RecordVersionError
from results.journal import EntryKind, read_journal
from results.people import Standing
from results.records import READABLE_VERSIONS, SCHEMA_VERSION, SCORER_VERSION, Record, Trial
from results.store import read_campaign, read_trial, sealed_trials

REGISTRATION = "registration.json"


class RegistrationSignature(Record):
    """Who registered: an Ed25519 signature over the commitment."""

    algorithm: str
    public_key: str
    signature: str


class Registration(Record):
    """What was decided before the first trial."""

    schema_version: int = SCHEMA_VERSION
    campaign: str
    definition: str
    """SHA-256 of the campaign file's content, title and pace left out."""
    plan: str | None
    """None while it is held out."""
    plan_digest: str
    held_out: bool
    environment: str
    environment_digest: str
    products: dict[str, str]
    """Arm -> digest of the product's folder, arm and content."""
    seeds: dict[str, int]
    """Trial -> seed."""
    attack_release: str
    scorer_version: str
    """The methodology, as code."""
    methodology: str
    """SHA-256 over the scorer's sources."""
    registered_ns: int
    """By the evaluator's own clock (UTC)."""
    commitment: str = ""
    """SHA-256 over all of the above."""
    signature: RegistrationSignature | None = None


def committed(registration: Registration) -> Registration:
    """The same with its commitment."""
    return registration.model_copy(update={"commitment": commitment_of(registration)})


def commitment_of(registration: Registration) -> str:
    """SHA-256 over everything but the commitment and the signature."""
    data = registration.model_dump(mode="json", exclude={"commitment", "signature"})
    return hashlib.sha256(json.dumps(data, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def methodology_digest() -> str:
    """SHA-256 over the sources that decide a verdict or a number: `results.scoring` and all that it imports of ours."""
    place, waiting, seen = Path(__file__).parent, ["scoring"], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for node in ast.walk(ast.parse((place / f"{name}.py").read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("results."):
                waiting.append((node.module or "").split(".")[1])
    lines = [f"{name} {hashlib.sha256((place / f'{name}.py').read_bytes()).hexdigest()}\n" for name in sorted(seen)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def write_registration(folder: Path, registration: Registration) -> Path:
    """Write a registration; one that is there is never replaced.

    Raises:
        EvaluationError: the campaign is registered already.
    """
    path = folder / REGISTRATION
    text = json.dumps(registration.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, indent=1)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text + "\n")
    except FileExistsError:
        raise EvaluationError(
            f"{path}: found a registration; allowed: one for each campaign. Register under another name (--as), or run "
            "what is registered."
        ) from None
    path.chmod(0o444)
    return path


def read_registration(folder: Path) -> Registration | None:
    """A campaign's registration, its commitment verified; None if it was never registered.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        EvaluationError: it is damaged, or not what was committed to.
    """
    path = folder / REGISTRATION
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_bytes())
        version = data.get("schema_version", 0)
        if version not in READABLE_VERSIONS:
            raise RecordVersionError(path, version if isinstance(version, int) else 0, READABLE_VERSIONS)
        registration = Registration.model_validate(data)
    except (ValidationError, ValueError, AttributeError) as error:
        words = " ".join(str(error).split())[:200]
        raise EvaluationError(f"{path}: found {words}; allowed: a registration as pij wrote it. Restore it.") from None
    if commitment_of(registration) != registration.commitment:
        raise EvaluationError(
            f"{path}: commitment: found {registration.commitment[:16]}; allowed: {commitment_of(registration)[:16]}, "
            "which its content gives. It was changed after the registration; restore it."
        )
    return registration


def departures(
    registration: Registration,
    found: Mapping[str, str],
    products: Mapping[str, str],
    seeds: Mapping[str, int],
) -> list[str]:
    """What is not as registered, in words.

    Args:
        registration: what was decided.
        found: field of the registration -> what is there now.
        products: arm -> digest, of the arms that are there now.
        seeds: trial -> seed.
    """
    words = [
        f"{field}: registered as {str(getattr(registration, field))[:16]}, now {value[:16]}"
        for field, value in found.items()
        if str(getattr(registration, field)) != value
    ]
    for arm, digest in sorted(products.items()):
        registered = registration.products.get(arm)
        if registered != digest:
            words.append(f"arm {arm}: registered as {(registered or 'nothing')[:16]}, now {digest[:16]}")
    for trial, seed in sorted(seeds.items()):
        if registration.seeds.get(trial) != seed:
            words.append(f"trial {trial}: registered with seed {registration.seeds.get(trial, 'none')}, now {seed}")
    return words


def standing(folder: Path) -> Standing:
    """How the sealed trials of a campaign stand to its registration.

    Raises:
        EvaluationError: the registration or the journal is not what was written.
    """
    registration = read_registration(folder)
    entries = read_journal(folder)
    told = [one for one in entries if one.kind is EntryKind.REGISTERED]
    if registration is None:
        words = ("the journal names a registration, but there is none",) if told else ()
        return Standing(
            registered_ns=None, commitment=None, signed_by=None, in_journal=False, early=(), departures=words,
            restarts=0, holds=False,
        )  # fmt: skip
    trials = {path.name: read_trial(path) for path in sealed_trials(folder)}
    early = tuple(sorted(name for name, trial in trials.items() if trial.started_ns < registration.registered_ns))
    found = _departures(folder, registration, trials)
    in_journal = any(one.about.get("commitment") == registration.commitment for one in told)
    return Standing(
        registered_ns=registration.registered_ns,
        commitment=registration.commitment,
        signed_by=registration.signature.public_key if registration.signature else None,
        in_journal=in_journal,
        early=early,
        departures=found,
        restarts=sum(one.kind is EntryKind.RESTARTED and bool(one.about.get("sealed_trials")) for one in entries),
        holds=in_journal and not early and not found,
    )


def _departures(folder: Path, registration: Registration, trials: Mapping[str, Trial]) -> tuple[str, ...]:
    found: list[str] = []
    if (folder / "campaign.json").is_file():
        campaign = read_campaign(folder)
        facts = {"attack_release": campaign.attack_release, "scorer_version": SCORER_VERSION}
        found += departures(registration, facts, {}, {})
        unplanned = [name for name in campaign.trials if name not in registration.seeds]
        found += [f"trial {name}: was not registered" for name in unplanned]
    for name, trial in trials.items():
        facts = {"plan_digest": trial.plan_digest, "environment_digest": trial.environment_digest}
        found += [f"trial {name}: {words}" for words in departures(registration, facts, {}, {})]
        found += departures(registration, {}, {}, {name: trial.seed})
    if registration.methodology != methodology_digest():
        found.append("methodology: the scorer's sources are not those that were registered")
    return tuple(dict.fromkeys(found))
