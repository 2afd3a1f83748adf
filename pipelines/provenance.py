"""Where a result comes from: versions of everything that had a part in it."""

import importlib.metadata
import platform
import subprocess
from functools import cache

from environments.engine import Engine
from results.paths import ROOT

LIBRARIES = ("docker", "duckdb", "pandas", "prefect", "pyarrow", "pydantic", "statsmodels")


def provenance(engine: Engine) -> dict[str, str]:
    """Versions of pij, Python, libraries and engine; the git commit and whether the tree was dirty."""
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {
        **found,
        "pij": importlib.metadata.version("pij"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "engine": engine.version(),
        "git": _commit(),
    }


@cache
def _commit() -> str:
    status = ["git", "status", "--porcelain", "--", ".", ":!results/published"]  # what is made, not what makes it
    commands = (["git", "rev-parse", "HEAD"], status)
    answers = []
    for command in commands:
        try:
            done = subprocess.run(  # noqa: S603  # literals
                command, cwd=ROOT, capture_output=True, text=True, check=False
            )
        except FileNotFoundError:
            return "unknown: git is not installed"
        if done.returncode != 0:
            return "unknown: not a git checkout"
        answers.append(done.stdout.strip())
    return answers[0] + (" with uncommitted changes" if answers[1] else "")
