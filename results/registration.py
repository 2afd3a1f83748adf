"""Pre-registration (scoring.md §6): what will be run and how it will be scored, fixed before the first trial.

`registration.json` holds everything that decides the outcome, and one hash over it, the commitment. Whoever gets the
commitment before the trials knows afterwards that nothing was chosen by the results. A held-out plan is committed to by
its digest and named when it is opened.
"""

import ast
import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import ValidationError

from results.decisions import CHANGED, explained, read_decisions
from results.errors import EvaluationError, RecordVersionError
from results.journal import Entry, EntryKind, read_journal
from results.people import Departure, ScoredAnew, Standing
from results.records import READABLE_VERSIONS, SCHEMA_VERSION, SCORER_VERSION, Pace, Record, Trial
from results.signatures import objection
from results.store import read_campaign, read_trial, sealed_trials

REGISTRATION = "registration.json"
CONTEXT = b"pij registration 1\n"
"""Signed in front of the commitment."""
SIGNER = b"pij submission 1\n"
"""What `pij`'s one way to sign puts in front of everything."""
SHOWN = 16
"""Characters of a digest that a departure shows."""


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
    pace: Pace | None = None
    """Budget and retries; None in a registration of an older pij, whose commitment does not cover them."""
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
    unknown = {"pace"} if registration.pace is None else set[str]()  # an older pij did not know the field
    data = registration.model_dump(mode="json", exclude={"commitment", "signature"} | unknown)
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


def pace_facts(pace: Pace | None) -> dict[str, str]:
    """Budget and retries as a registration's fields are compared; none where they are unknown."""
    if pace is None:
        return {}
    budget = "no limit" if pace.budget_minutes is None else f"{pace.budget_minutes:g}"
    return {"budget_minutes": budget, "retries": str(pace.retries)}


def departures(
    registration: Registration,
    found: Mapping[str, str],
    products: Mapping[str, str],
    seeds: Mapping[str, int],
    subject: str | None = None,
) -> list[Departure]:
    """What is not as registered.

    Args:
        registration: what was decided.
        found: field of the registration -> what is there now; budget and retries as `pace_facts` gives them.
        products: arm -> digest, of the arms that are there now.
        seeds: trial -> seed.
        subject: the trial that `found` is about.
    """
    pace = pace_facts(registration.pace)
    facts = [(field, _fact(registration, pace, field), value) for field, value in found.items()]
    differing = [
        Departure(field=field, subject=subject, registered=then[:SHOWN], found=now[:SHOWN])
        for field, then, now in facts
        if then is not None and then != now
    ]
    for arm, digest in sorted(products.items()):
        registered = registration.products.get(arm)
        if registered != digest:
            differing.append(Departure(field="product", subject=arm, registered=_cut(registered), found=digest[:SHOWN]))
    for trial, seed in sorted(seeds.items()):
        planned = registration.seeds.get(trial)
        if planned != seed:
            then = None if planned is None else str(planned)
            differing.append(Departure(field="seed", subject=trial, registered=then, found=str(seed)))
    return differing


def _fact(registration: Registration, pace: Mapping[str, str], field: str) -> str | None:
    """As registered; None for a budget or retries that an older pij did not register."""
    return pace.get(field) if field in ("budget_minutes", "retries") else str(getattr(registration, field))


def _cut(digest: str | None) -> str | None:
    return digest[:SHOWN] if digest is not None else None


def standing(folder: Path) -> Standing:
    """How the sealed trials of a campaign stand to its registration.

    Raises:
        EvaluationError: the registration, the journal or the schedule is not what was written.
    """
    registration = read_registration(folder)
    entries = read_journal(folder)
    told = [one for one in entries if one.kind is EntryKind.REGISTERED]
    if registration is None:
        gone = (Departure(field="registration", registered=_told(told[0])),) if told else ()
        return Standing(
            registered_ns=None, commitment=None, signed_by=None, in_journal=False, early=(), departures=gone,
            restarts=0, holds=False,
        )  # fmt: skip
    trials = {path.name: read_trial(path) for path in sealed_trials(folder)}
    signature = registration.signature
    is_forged = signature is not None and _is_forged(registration, signature)
    found = Standing(
        registered_ns=registration.registered_ns,
        commitment=registration.commitment,
        signed_by=signature.public_key if signature and not is_forged else None,
        forged_key=signature.public_key if signature and is_forged else None,
        in_journal=any(one.about.get("commitment") == registration.commitment for one in told),
        early=tuple(sorted(name for name, trial in trials.items() if trial.started_ns < registration.registered_ns)),
        missing=_missing(folder, registration, trials),
        departures=(
            *_of_record(registration, told, is_forged),
            *_of_campaign(folder, registration, trials),
            *_of_trials(registration, trials),
        ),
        not_recorded=_not_recorded(folder, registration, trials),
        scored_anew=_scored_anew(registration),
        restarts=sum(one.kind is EntryKind.RESTARTED and bool(one.about.get("sealed_trials")) for one in entries),
        holds=False,
    )
    return found.model_copy(update={"holds": found.is_unrefuted() and not found.not_recorded})


def _told(entry: Entry) -> str:
    return str(entry.about.get("commitment"))[:SHOWN]


def _is_forged(registration: Registration, signature: RegistrationSignature) -> bool:
    signed = SIGNER + CONTEXT + registration.commitment.encode()
    return objection(signature.algorithm, signature.public_key, signature.signature, signed) is not None


def _missing(folder: Path, registration: Registration, trials: Mapping[str, Trial]) -> tuple[str, ...]:
    """Registered trials without a result: else an arm could be taken out once its results are known."""
    gone = set(registration.seeds) - set(trials)
    if not gone:
        return ()
    has_budget = registration.pace is None or registration.pace.budget_minutes is not None
    return tuple(sorted(gone - explained(read_decisions(folder), gone, registration.products, has_budget)))


def _of_record(registration: Registration, told: list[Entry], is_forged: bool) -> list[Departure]:
    """What is wrong with the registration itself."""
    here = registration.commitment[:SHOWN]
    others = [Departure(field="journal", registered=_told(one), found=here) for one in told if _told(one) != here]
    unheard = [] if any(_told(one) == here for one in told) else [Departure(field="journal", found=here)]
    key = registration.signature.public_key if registration.signature else ""
    return [*([Departure(field="signature", found=key[:SHOWN])] if is_forged else []), *(others or unheard)]


def _of_campaign(folder: Path, registration: Registration, sealed: Collection[str]) -> list[Departure]:
    found, named = list[Departure](), set(sealed)
    if (folder / "campaign.json").is_file():
        campaign = read_campaign(folder)
        facts = {"campaign": campaign.campaign, "attack_release": campaign.attack_release}
        found += departures(registration, facts | pace_facts(campaign.pace), {}, {})
        named |= set(campaign.trials)
    found += [Departure(field="unplanned", subject=name) for name in sorted(named - set(registration.seeds))]
    for one in read_decisions(folder):
        if one.get("decision") == CHANGED:
            then, now = str(one.get("before"))[:60], str(one.get("after"))[:60]
            found.append(Departure(field="pace", registered=then, found=now))
        elif registration.pace is not None and isinstance(one.get("budget_minutes"), int | float):
            facts = {"budget_minutes": f"{one['budget_minutes']:g}"}
            found += departures(registration, facts, {}, {}, str(one.get("trial"))[:100])
    return found


def _of_trials(registration: Registration, trials: Mapping[str, Trial]) -> list[Departure]:
    found: list[Departure] = []
    for name, trial in trials.items():
        facts = {"plan_digest": trial.plan_digest, "environment_digest": trial.environment_digest}
        found += departures(registration, facts, {}, {}, name)
        if name in registration.seeds:
            found += departures(registration, {}, {}, {name: trial.seed})
        registered = registration.products.get(f"{trial.product}-{trial.arm}")
        if trial.entry_digest is not None and trial.entry_digest != registered:
            digest = trial.entry_digest[:SHOWN]
            found.append(Departure(field="product", subject=name, registered=_cut(registered), found=digest))
    return found


def _not_recorded(folder: Path, registration: Registration, trials: Mapping[str, Trial]) -> dict[str, int]:
    unknown = sum(trial.product is not None and trial.entry_digest is None for trial in trials.values())
    has_campaign = (folder / "campaign.json").is_file()
    has_pace = registration.pace is not None and (not has_campaign or read_campaign(folder).pace is not None)
    return ({"entry_digest": unknown} if unknown else {}) | ({} if has_pace else {"pace": 0})


def _scored_anew(registration: Registration) -> ScoredAnew | None:
    methodology = methodology_digest()
    then, now = registration.scorer_version, SCORER_VERSION
    if registration.methodology == methodology and then == now:
        return None
    return ScoredAnew(
        registered_version=then, version=now, registered_methodology=registration.methodology,
        methodology=methodology, is_later=then.isdigit() and now.isdigit() and int(now) > int(then),
    )  # fmt: skip
