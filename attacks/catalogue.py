"""ATT&CK: the embedded compact catalogue, or the user's own STIX bundle, read once and cached."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from results.attack import Catalogue, Tactic, Technique, read_catalogue, write_catalogue
from results.errors import ContentError, EvaluationError, Problem

EMBEDDED = Path(__file__).parent / "attack-enterprise-18.1.json"
INITIAL_ACCESS = "TA0001"
"""A tactic of ATT&CK Enterprise; Mobile and ICS have one of that name, but not of that id."""
SOURCE = "mitre-attack"
TACTICS_JA = {
    "TA0043": "偵察",
    "TA0042": "リソース開発",
    "TA0001": "初期アクセス",
    "TA0002": "実行",
    "TA0003": "永続化",
    "TA0004": "権限昇格",
    "TA0005": "防御回避",
    "TA0006": "認証情報アクセス",
    "TA0007": "探索",
    "TA0008": "横展開",
    "TA0009": "収集",
    "TA0011": "コマンド&コントロール",
    "TA0010": "持ち出し",
    "TA0040": "影響",
}


def load_catalogue(bundle: Path | None = None, cache: Path | None = None) -> Catalogue:
    """The catalogue to work with.

    Args:
        bundle: a STIX bundle of ATT&CK Enterprise; the embedded 18.1 if not given.
        cache: folder that keeps the compact form of bundles, by their hash, because reading one takes seconds.

    Raises:
        ContentError: the bundle can't be read or is not ATT&CK Enterprise.
    """
    if bundle is None:
        return read_catalogue(EMBEDDED)
    try:
        digest = hashlib.sha256(bundle.read_bytes()).hexdigest()
    except OSError as error:
        raise _problem(bundle, str(error.strerror), "Name a file that can be read.") from None
    if cache is None:
        return _recognise(compact(bundle))
    kept = cache / f"{digest}.json"
    try:
        return read_catalogue(kept)
    except (EvaluationError, ValidationError):
        # Not there yet, written by another version, or damaged: the bundle itself is at hand.
        catalogue = _recognise(compact(bundle))
    cache.mkdir(parents=True, exist_ok=True)
    write_catalogue(kept, catalogue)
    return catalogue


def compact(bundle: Path, release: str | None = None) -> Catalogue:
    """Read a STIX bundle with mitreattack-python and keep the facts that evaluation needs.

    Args:
        bundle: a STIX bundle of ATT&CK Enterprise.
        release: its name, where the bundle itself names none (the embedded catalogue was made so).

    Raises:
        ContentError: it is no STIX bundle of ATT&CK Enterprise.
    """
    # Imported here: it takes over a second, and the embedded catalogue does without it.
    from mitreattack.stix20 import MitreAttackData
    from stix2.exceptions import STIXError

    try:
        data = MitreAttackData(str(bundle))
        shortnames = {tactic["x_mitre_shortname"]: tactic for tactic in data.get_tactics()}
        tactic_ids = {name: _id_of(tactic) for name, tactic in shortnames.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, STIXError) as error:
        found = f"no STIX 2 bundle ({str(error).splitlines()[0][:160] if str(error) else type(error).__name__})"
        raise _problem(bundle, found, "Download enterprise-attack.json of the release.") from None
    if INITIAL_ACCESS not in tactic_ids.values():
        found = f"{len(tactic_ids)} tactics, none of them {INITIAL_ACCESS}"
        raise _problem(bundle, found, "Use enterprise-attack.json, not Mobile or ICS.")
    identifiers = {entry["id"]: _id_of(entry) for entry in data.get_techniques()}
    successors = {
        entry["source_ref"]: entry["target_ref"]
        for entry in data.get_objects_by_type("relationship")
        if entry["relationship_type"] == "revoked-by"
    }
    return Catalogue(
        release=release or _release(data, bundle),
        tactics={
            tactic_ids[name]: Tactic(name=entry["name"], shortname=name, name_ja=TACTICS_JA.get(tactic_ids[name]))
            for name, entry in shortnames.items()
        },
        techniques={
            _id_of(entry): _technique(entry, tactic_ids, identifiers, successors)
            for entry in sorted(data.get_techniques(), key=lambda e: (not e.get("revoked", False), e["modified"]))
        },
        data_components=tuple(sorted({entry["name"] for entry in data.get_datacomponents()})),
    )


def _recognise(catalogue: Catalogue) -> Catalogue:
    """A bundle that says the same as the embedded release is that release, named or not."""
    embedded = read_catalogue(EMBEDDED)
    return embedded if catalogue.model_copy(update={"release": embedded.release}) == embedded else catalogue


def _technique(
    entry: dict[str, object], tactics: dict[str, str], identifiers: dict[str, str], successors: dict[str, str]
) -> Technique:
    identifier = _id_of(entry)
    successor = identifiers.get(successors.get(str(entry["id"]), ""))
    phases = entry.get("kill_chain_phases") or []
    names = [phase["phase_name"] for phase in phases if phase["kill_chain_name"] == SOURCE]  # type: ignore[attr-defined]
    return Technique(
        name=str(entry["name"]),
        tactics=tuple(tactics[name] for name in names if name in tactics),
        parent=identifier.split(".")[0] if "." in identifier else None,
        # An object of the same id can be revoked by its own new version: that is no successor.
        revoked_by=successor if successor != identifier else None,
        deprecated=bool(entry.get("x_mitre_deprecated", False)),
    )


def _id_of(entry: dict[str, object]) -> str:
    references: list[dict[str, str]] = entry["external_references"]  # type: ignore[assignment]
    return next((ref["external_id"] for ref in references if ref.get("source_name") == SOURCE), "")


def _release(data: object, bundle: Path) -> str:
    collections = data.get_objects_by_type("x-mitre-collection")  # type: ignore[attr-defined]
    versions = [str(entry["x_mitre_version"]) for entry in collections]
    if versions:
        return f"enterprise {versions[0]}"
    # Two bundles that name no release must not pass for the same one when results are compared.
    return f"enterprise of no named release, {hashlib.sha256(bundle.read_bytes()).hexdigest()[:12]}"


def _problem(bundle: Path, found: str, mend: str) -> ContentError:
    allowed = "a STIX 2 bundle of ATT&CK Enterprise"
    return ContentError(
        [Problem(path=str(bundle), line=None, field="--attack", found=found, allowed=allowed, mend=mend)]
    )
