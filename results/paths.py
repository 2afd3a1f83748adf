"""Where things are. The folders of the checkout are fixed (see README.md)."""

import os
from collections.abc import Sequence
from pathlib import Path

from results.errors import EvaluationError, several

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

DECISIONS = "schedule.jsonl"
"""In a campaign's folder: which trials its own rules left out, and why."""


def runs_folder() -> Path:
    """Campaign folders; `PIJ_RUNS` moves them."""
    return Path(os.environ.get("PIJ_RUNS") or ROOT / "results" / "runs").resolve()


def campaign_folder(name: str, told_by: Sequence[str] = ("campaign.json",)) -> Path:
    """The folder of a campaign's results, by its id or path.

    Args:
        name: an id, or a path, which has a `/` in it.
        told_by: files, one of which it must have.

    Raises:
        EvaluationError: there is none; those that there are are named.
    """
    folder = Path(name) if "/" in name else runs_folder() / name
    if any((folder / file).is_file() for file in told_by):
        return folder
    mend = "Name one of these; `pij run CAMPAIGN` makes results of what `pij list campaigns` shows."
    if any((folder / "data" / file).is_file() for file in told_by):
        mend = f"A published page has them in {folder / 'data'}: name that."
    known = sorted({path.parent.name for file in told_by for path in runs_folder().glob(f"*/{file}")})
    raise EvaluationError(
        f"{folder}: found no results; allowed: {several(known, folder.name, nothing='none yet')} "
        f"(in {shown(runs_folder())}), or the path of a folder of results. {mend}"
    )


def published_folder() -> Path:
    """Published pages; `PIJ_PUBLISHED` moves them."""
    return Path(os.environ.get("PIJ_PUBLISHED") or ROOT / "results" / "published").resolve()


def state_folder() -> Path:
    """Locks, caches, logs of what pij itself started; `PIJ_STATE` moves it."""
    folder = Path(os.environ.get("PIJ_STATE") or ROOT / ".state").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def shown(path: Path) -> str:
    """The path as a reader should see it: relative to the checkout where it lies inside."""
    resolved = path.resolve()
    return str(resolved.relative_to(ROOT)) if resolved.is_relative_to(ROOT) else str(path)
