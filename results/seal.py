"""Sealing: a trial's files are hashed into a tree, and from then on the trial is read-only.

The root is the SHA-256 of the sorted lines `<name> <sha256 of the file>`.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from results.errors import SealError, several

if TYPE_CHECKING:
    from results.summary import TrialLine

SEAL = "seal.json"


def seal_trial(partial: Path) -> Path:
    """Seal `trials/.<trial>.partial` and give it its final name, which it gets in one step.

    Returns:
        The sealed folder.

    Raises:
        SealError: a trial of this name is sealed already.
    """
    final = partial.with_name(partial.name.removeprefix(".").removesuffix(".partial"))
    if final.exists():
        raise SealError(f"{final}: is sealed already; a sealed trial is never written again")
    leaves = _leaves(partial)
    seal = {"files": leaves, "root": _root(leaves)}
    (partial / SEAL).write_text(json.dumps(seal, sort_keys=True, indent=1) + "\n")
    for path in partial.iterdir():
        path.chmod(0o444)
    partial.rename(final)
    final.chmod(0o555)
    return final


def verify_seal(folder: Path) -> str:
    """Check a sealed trial against its seal.

    Returns:
        The root hash.

    Raises:
        SealError: a file is missing, was added or has changed; the text names each with both hashes.
    """
    try:
        seal = json.loads((folder / SEAL).read_text())
        files, root = dict(seal["files"]), str(seal["root"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SealError(
            f"{folder / SEAL}: {error}; allowed: a seal. The trial can't be trusted; run it again."
        ) from None
    now = _leaves(folder)
    changes = [
        f"{name}: sealed as {files.get(name, 'nothing')[:16]}, now {now.get(name, 'nothing')[:16]}"
        for name in sorted({*files, *now})
        if files.get(name) != now.get(name)
    ]
    if _root(files) != root:
        changes.append(f"root: sealed as {root[:16]}, its files give {_root(files)[:16]}")
    if changes:
        raise SealError(
            f"{folder}: is not what was sealed: {several(changes, sep='; ')}. Restore it, or run the trial again."
        )
    return root


def require_as_scored(folder: Path, trials: Iterable["TrialLine"]) -> None:
    """Refuse a campaign whose trials are not what was sealed, or not what was scored.

    Args:
        folder: the campaign's.
        trials: as its summary has them, each with the root hash that its scores were made from.

    Raises:
        SealError: names the trial, and what has changed.
    """
    for line in trials:
        place = folder / "trials" / line.trial_id
        if place.is_dir() and (found := verify_seal(place)) != line.seal:
            raise SealError(
                f"{place / SEAL}: root: found {found[:16]}; allowed: {line.seal[:16]}, from which the scores "
                "were made. Restore the trial, or score the campaign again: `pij score`."
            )


def file_digest(path: Path) -> str:
    """SHA-256 of a file, read piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _leaves(folder: Path) -> dict[str, str]:
    return {path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.name != SEAL}


def _root(leaves: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{name} {leaves[name]}\n" for name in sorted(leaves)).encode()).hexdigest()
