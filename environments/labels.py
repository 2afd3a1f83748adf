"""Labels on everything that pij creates in the engine, so that leftovers are found and only leftovers removed."""

import os
from pathlib import Path

from environments.engine import process_start

OWNER, CAMPAIGN, TRIAL, TEARDOWN = "pij.owner", "pij.campaign", "pij.trial", "pij.teardown"


def labels(campaign: str, trial: str) -> dict[str, str]:
    """Labels of one trial's resources. They are visible to the engine only, never in a node."""
    return {OWNER: owner(), CAMPAIGN: campaign, TRIAL: trial}


def owner() -> str:
    """This process, named for good: boot, pid, start time."""
    return f"{_boot()}/{os.getpid()}/{process_start(os.getpid())}"


def is_alive(name: str) -> bool:
    """Whether the process that a label names still runs."""
    boot, _slash, rest = name.partition("/")
    pid, _slash, started = rest.partition("/")
    return boot == _boot() and pid.isdigit() and process_start(int(pid)) == started


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
