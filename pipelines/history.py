"""A folder of the checkout as earlier commits hold it."""

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from results.paths import ROOT

MOST_COMMITS = 60


def earlier(folder: Path) -> Iterator[Path]:
    """A folder as each commit that changed it left it, the latest first; each copy is gone once the next is asked for.

    None where the folder lies outside the checkout, or there is no git, or no history.
    """
    resolved = folder.resolve()
    if not resolved.is_relative_to(ROOT):
        return
    name = resolved.relative_to(ROOT).as_posix()
    listed = _git("log", f"-{MOST_COMMITS}", "--format=%H", "--", name)
    for commit in (listed or b"").decode().split():
        with tempfile.TemporaryDirectory(prefix="history-") as scratch:
            packed = Path(scratch) / "folder.tar"
            if _git("archive", f"--output={packed}", commit, "--", name) is None:
                continue  # the commit that removed it
            with tarfile.open(packed) as archive:
                archive.extractall(scratch, filter="data")
            yield Path(scratch) / name


def _git(*words: str) -> bytes | None:
    """What git says; None if it can't."""
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        return None
    return done.stdout if done.returncode == 0 else None
