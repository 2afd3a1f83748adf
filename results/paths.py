"""Where things are. The folders of the checkout are fixed (see README.md)."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout."""

DECISIONS = "schedule.jsonl"
"""In a campaign's folder: which trials its own rules left out, and why."""


def runs_folder() -> Path:
    """Campaign folders; `PIJ_RUNS` moves them."""
    return Path(os.environ.get("PIJ_RUNS") or ROOT / "results" / "runs").resolve()


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
