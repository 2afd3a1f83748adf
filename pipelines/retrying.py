"""Trying again what failed through no fault of the product: under a cap, each attempt's reason kept (scoring.md §1)."""

from collections.abc import Callable, Sequence

from pipelines.parts import Gathered
from results.records import TrialStatus


def until_valid(attempt: Callable[[Gathered], None], retries: int, say: Callable[[str], None]) -> Gathered:
    """Run a trial; run it again while it fails through no fault of the product.

    Nothing that a product did, or did not do, is ever tried again: another go would be a second chance for one product
    that the others did not get.

    Args:
        attempt: runs the trial once, into what it is given, a fresh one each time.
        retries: most attempts after the first.
        say: receives one line for each attempt that failed.

    Returns:
        What the last attempt gathered, with the reasons and the logs of all before it.
    """
    failed: list[str] = []
    log: list[str] = []
    while True:
        gathered = Gathered()
        attempt(gathered)
        invalid = gathered.status is TrialStatus.TARGET_FAILED
        if invalid:
            first_line, _end, _rest = gathered.reason.partition("\n")
            say(f"failed through no fault of the product: {first_line}")
        if not invalid or len(failed) == retries:
            gathered.notes[:0] = failed_before(failed)
            gathered.log[:0] = log
            return gathered
        failed.append(gathered.reason)
        log += [f"attempt {len(failed)}: {line}" for line in gathered.log]


def failed_before(reasons: Sequence[str]) -> list[str]:
    """Notes of the attempts that came before the one that counts."""
    return [
        f"attempt {number} of {len(reasons) + 1} failed through no fault of the product: {reason}"
        for number, reason in enumerate(reasons, start=1)
    ]
