"""Procedures of any corpus for a person or a program: which there are, what one would run, where, and what it needs."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from attacks.corpus import read_corpus
from attacks.procedure import Procedure, instantiate, payload_files
from attacks.proof import Proof, why_not
from attacks.proving import PAYLOADS_AT
from pipelines.registry import PROCEDURES
from results.documents import load_yaml
from results.errors import EvaluationError
from results.paths import ROOT, shown, state_folder
from results.printable import printable

CATALOGUE = ROOT / "attacks" / "proofs.json"
VALUES = ROOT / "attacks" / "values.yaml"


@dataclass(frozen=True)
class Selector:
    """Which procedures are meant; what is None does not matter."""

    technique: str | None = None
    platform: str | None = None
    corpus: str | None = None
    runnable: bool = False

    def fits(self, procedure: Procedure, proof: Proof | None) -> bool:
        """Whether a procedure is one of those meant."""
        return (
            (self.technique is None or f"{procedure.technique}.".startswith(f"{self.technique}."))
            and (self.platform is None or self.platform in procedure.platforms)
            and (self.corpus is None or procedure.corpus == self.corpus)
            and (not self.runnable or (proof.proven if proof else why_not(procedure) is None))
        )


def gather_procedures(folders: Sequence[Path]) -> dict[str, Procedure]:
    """Every procedure below folders (the checkout's own if none is given), by GUID."""
    found: dict[str, Procedure] = {}
    for folder in folders or PROCEDURES:
        for guid, procedure in read_corpus(folder).procedures.items():
            found.setdefault(guid, procedure)
    return found


def read_values(path: Path = VALUES) -> dict[str, str]:
    """What public procedures call things -> what our environments call them.

    Raises:
        ContentError: the file can't be read.
        EvaluationError: it is no mapping of names to texts.
    """
    data, _lines = load_yaml(path)
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise EvaluationError(f"{path}: found no mapping of names to texts; allowed: `name: text`. Quote the numbers.")
    return {str(name): value for name, value in data.items()}


def known_proofs() -> dict[str, Proof]:
    """The newest proof of each procedure: GUID -> proof. Those of the checkout's own procedures come with it."""
    found: dict[str, Proof] = {}
    if CATALOGUE.is_file():
        for entry in json.loads(CATALOGUE.read_text("utf-8")):
            found[entry["guid"]] = Proof.model_validate(entry)
    for path in sorted((state_folder() / "proofs").glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        proof = read_kept(path)
        if proof is not None:
            found[proof.guid] = proof
    return found


def read_kept(path: Path) -> Proof | None:
    """A kept proof; None if another release of pij wrote it in another form: then it is made anew."""
    try:
        return Proof.model_validate_json(path.read_text("utf-8"))
    except ValidationError:
        return None


def rows(folders: Sequence[Path], selector: Selector) -> list[dict[str, Any]]:
    """One row a procedure, by technique and name."""
    proofs = known_proofs()
    found = [p for p in gather_procedures(folders).values() if selector.fits(p, proofs.get(p.guid))]
    return [
        {
            "guid": procedure.guid,
            "technique": procedure.technique,
            "name": procedure.name,
            "corpus": procedure.corpus,
            "executor": procedure.executor.name,
            "proof": _standing(procedure, proofs.get(procedure.guid)),
        }
        for procedure in sorted(found, key=lambda entry: (entry.technique, entry.name, entry.guid))
    ]


def describe(guid: str, folders: Sequence[Path]) -> dict[str, Any]:
    """What one procedure would run, with which executor and user, what it needs, and what is proven of it.

    Raises:
        EvaluationError: there is no such procedure.
    """
    known = gather_procedures(folders)
    found = [procedure for name, procedure in known.items() if name.startswith(guid.lower())]
    if len(found) != 1:
        where = ", ".join(str(folder) for folder in folders) or "the checkout's own procedures"
        raise EvaluationError(
            f"found {guid!r}, which {len(found)} of the {len(known)} procedures below {where} begin with; allowed: the "
            "GUID of one (see `pij list procedures`). Give other folders with --from."
        )
    procedure = found[0]
    given = {name: "" for name, argument in procedure.arguments.items() if argument.default is None}
    instance = instantiate(procedure, given, PAYLOADS_AT)
    obstacle = why_not(procedure)
    proof = known_proofs().get(procedure.guid)
    return {
        "guid": procedure.guid,
        "name": procedure.name,
        "technique": procedure.technique,
        "corpus": procedure.corpus,
        "file": f"{shown(Path(procedure.path))}:{procedure.line}",
        "description": procedure.description.strip(),
        "platforms": list(procedure.platforms),
        "executor": instance.executor,
        "user": "root" if procedure.executor.elevation_required else "any user",
        "arguments": {name: argument.model_dump() for name, argument in procedure.arguments.items()},
        "prerequisites": [need.model_dump() for need in instance.prerequisites],
        "payloads": [f"{PAYLOADS_AT}/{name}" for _file, name in payload_files(procedure)],
        "command": instance.command,
        "cleanup": instance.cleanup,
        "not_runnable": f"{obstacle[0]}: {obstacle[1]}" if obstacle else None,
        "proof": proof.model_dump(mode="json") if proof else None,
    }


def describe_lines(data: dict[str, Any]) -> Iterator[str]:
    """The same for a person; what upstream wrote can do nothing to the terminal."""
    yield f"{data['technique']} {data['name']} ({data['corpus']}, {data['guid']})"
    yield f"  {data['file']}"
    yield from (f"  {line}" for line in data["description"].splitlines())
    yield f"runs with {data['executor']} as {data['user']}, on {', '.join(data['platforms'])}"
    for name, argument in data["arguments"].items():
        default = "no default: a step must give it" if argument["default"] is None else argument["default"]
        yield f"  #{{{name}}} ({argument['type']}) = {default}"
    for number, need in enumerate(data["prerequisites"], start=1):
        yield f"prerequisite {number}, there already if this exits 0:"
        yield from (f"  | {line}" for line in (need["check"] or "").splitlines())
        yield "  made by:"
        yield from (f"  | {line}" for line in (need["get"] or "(nothing)").splitlines())
    for name in data["payloads"]:
        yield f"payload {name}"
    yield "command:"
    yield from (f"  | {line}" for line in data["command"].splitlines())
    if data["cleanup"]:
        yield "cleanup:"
        yield from (f"  | {line}" for line in data["cleanup"].splitlines())
    if data["not_runnable"]:
        yield f"not runnable: {data['not_runnable']}"
    yield from _proof_lines(data["proof"])


def _proof_lines(proof: dict[str, Any] | None) -> Iterator[str]:
    if proof is None:
        yield "not proven yet: run `pij prove`"
        return
    if not proof["proven"]:
        yield f"no proof: {proof['reason']}: {proof['detail']}"
        return
    how = "the same each time" if proof["stable"] else "not all the same each time"
    yield f"proven in {proof['environment']} as {proof['user']}, {proof['runs']} runs, {how}:"
    yield from (
        f"  {effect['kind']} {printable(effect['what'])} {effect['detail']}" for effect in proof["effects"][:30]
    )
    yield f"cleanup {proof['cleanup']}"


def _standing(procedure: Procedure, proof: Proof | None) -> str:
    if proof is not None:
        return "proven" if proof.proven else str(proof.reason)
    obstacle = why_not(procedure)
    return str(obstacle[0]) if obstacle else "not tried"
