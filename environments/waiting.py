"""The one place that waits by looking again and again. Everything else waits for an event."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from results.errors import Interrupted

T = TypeVar("T")


def wait_until(
    probe: Callable[[], T | None], timeout_s: float, stop: threading.Event, interval_s: float = 0.05
) -> T | None:
    """Call `probe` until it returns something true.

    Returns:
        What it returned, or None when `timeout_s` seconds have passed.

    Raises:
        Interrupted: `stop` was set.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        if stop.is_set():
            raise Interrupted("stopped by the user")
        value = probe()
        if value:
            return value
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return None
        stop.wait(min(interval_s, remaining))


def wait_for(
    changed: threading.Condition, probe: Callable[[], T | None], timeout_s: float, stop: threading.Event
) -> T | None:
    """Call `probe`, holding the condition's lock, each time that it is notified, until it returns something true.

    Returns:
        What it returned, or None when `timeout_s` seconds have passed.

    Raises:
        Interrupted: `stop` was set (noticed within half a second).
    """
    deadline = time.monotonic() + timeout_s
    with changed:
        while True:
            if stop.is_set():
                raise Interrupted("stopped by the user")
            value = probe()
            if value:
                return value
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            changed.wait(min(0.5, remaining))


def repeat(act: Callable[[], object], every_s: float, stop: threading.Event) -> None:
    """Call `act` again and again, with `every_s` seconds between one end and the next begin, until `stop` is set."""
    while not stop.is_set():
        act()
        stop.wait(every_s)
