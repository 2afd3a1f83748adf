"""Registering a campaign before its first trial, and holding what is run against it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from pipelines.campaign import Prepared, prepare_parts
from pipelines.submission_key import sign
from results.errors import EvaluationError, several
from results.journal import EntryKind, append
from results.paths import runs_folder, shown
from results.records import SCORER_VERSION
from results.registration import (
    CONTEXT,
    REGISTRATION,
    Registration,
    RegistrationSignature,
    committed,
    departures,
    methodology_digest,
    pace_facts,
    read_registration,
    write_registration,
)
from results.store import sealed_trials


def register_campaign(
    name: str, attack: Path | None, content: Mapping[str, Path], as_id: str | None, key: Path | None, now_ns: int
) -> tuple[Registration, ...]:
    """Write the registration of a campaign, one for each of its parts, before anything is run.

    Args:
        name: campaign id or file.
        attack: a STIX bundle instead of the embedded catalogue.
        content: content id -> folder.
        as_id: another id for the results.
        key: an Ed25519 key to sign with.
        now_ns: the time (UTC).

    Raises:
        ContentError: something named is wrong.
        EvaluationError: it is registered already, or trials of it are sealed already.
    """
    found = []
    for prepared in prepare_parts(name, attack, dict(content), (), as_id):
        folder = runs_folder() / prepared.definition.id
        sealed = [path.name for path in sealed_trials(folder)] if folder.is_dir() else []
        if sealed:
            raise EvaluationError(
                f"{shown(folder)}: found {len(sealed)} sealed trials ({sealed[0]} …); allowed: none before the "
                "registration. Register under another name (--as), or set them aside (`pij run --fresh`) afterwards."
            )
        registration = committed(_registration(prepared, now_ns))
        if key is not None:
            signature = sign(key, CONTEXT + registration.commitment.encode())
            signed = RegistrationSignature.model_validate(signature.model_dump())
            registration = registration.model_copy(update={"signature": signed})
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        write_registration(folder, registration)
        append(folder, EntryKind.REGISTERED, {"commitment": registration.commitment}, now_ns)
        found.append(registration)
    return tuple(found)


def require_registered(prepared: Prepared, folder: Path) -> None:
    """Refuse to run something else than what was registered; a campaign that never was may run as it is.

    Raises:
        EvaluationError: what differs, by name.
    """
    registration = read_registration(folder)
    if registration is None:
        return
    now = _registration(prepared, registration.registered_ns)
    fields = (
        "definition", "plan_digest", "environment", "environment_digest", "attack_release", "scorer_version",
        "methodology",
    )  # fmt: skip
    facts = {name: str(getattr(now, name)) for name in fields} | pace_facts(now.pace)
    found = departures(registration, facts, now.products, now.seeds)
    if found:
        changes = several((one.said() for one in found), sep="; ")
        raise EvaluationError(
            f"{shown(folder / REGISTRATION)}: found {changes}; allowed: what was "
            f"registered ({registration.commitment[:12]}). Go back to it, or run it unregistered under another name "
            "(--as NAME)."
        )


def restart(aside: Path, folder: Path, now_ns: int) -> None:
    """Take registration and journal along when results are set aside, and say in the journal that they were."""
    if not (aside / REGISTRATION).is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in (REGISTRATION, "journal.jsonl"):
        if (aside / name).is_file():
            (folder / name).write_bytes((aside / name).read_bytes())
    sealed = [path.name for path in sealed_trials(aside)]
    append(folder, EntryKind.RESTARTED, {"set_aside": aside.name, "sealed_trials": sealed}, now_ns)


def _registration(prepared: Prepared, now_ns: int) -> Registration:
    definition = prepared.definition.model_dump(
        mode="json", exclude={"id", "title", "parallel", "retries", "budget_minutes", "entries"}
    )
    return Registration(
        campaign=prepared.definition.id,
        definition=_digest(definition),
        pace=prepared.pace(),
        plan=None if prepared.held_out else prepared.plan.id,
        plan_digest=prepared.plan_digest,
        held_out=prepared.held_out,
        environment=prepared.environment.id,
        environment_digest=prepared.environment_digest,
        products={entry.key: entry.digest for entry in prepared.entries},
        seeds={trial.trial_id: trial.seed for trial in prepared.trials},
        attack_release=prepared.catalogue.release,
        scorer_version=SCORER_VERSION,
        methodology=methodology_digest(),
        registered_ns=now_ns,
    )


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
