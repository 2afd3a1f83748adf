"""Counters of a trial's containers over time: at its beginning and end, each second between, and bounded in number."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from environments.waiting import repeat
from environments.witness import Witness
from results.errors import TargetError
from results.records import ResourceSample

EVERY_S = 1.0
MOMENTS = 600
"""More, and every second one is left out, and from then on there are half as many."""


class Sampling:
    """Samples of one trial."""

    def __init__(self, witness: Witness, pids: Mapping[str, int], moments: int = MOMENTS) -> None:
        """Sample these containers: name -> first process, in the engine host's pid namespace."""
        self._witness, self._pids, self._most = witness, dict(pids), moments
        self._moments: list[list[ResourceSample]] = []
        self._every, self._turn = 1, 0

    def take(self) -> None:
        """Take one sample of each container now."""
        now = time.time_ns()
        found = self._witness.usage(self._pids)
        self._moments.append([_sample(now, name, counters) for name, counters in found.items()])

    def tick(self) -> None:
        """Take a sample, unless there are so many already that this turn is left out."""
        self._turn += 1
        if self._turn % self._every:
            return
        try:
            self.take()
        except TargetError:
            return  # it goes down; whoever runs the trial sees that, too
        if len(self._moments) >= self._most:
            del self._moments[1::2]  # the first one stays
            self._every *= 2

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take a sample now, each second, and at the end."""
        stop = threading.Event()
        self.take()
        thread = threading.Thread(target=repeat, args=(self.tick, EVERY_S, stop), name="sampling", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        self.take()

    def samples(self) -> list[ResourceSample]:
        """Every sample, oldest first."""
        return [sample for moment in self._moments for sample in moment]


def _sample(now_ns: int, name: str, counters: Mapping[str, Any]) -> ResourceSample:
    return ResourceSample(
        time_ns=now_ns,
        container=name,
        cpu_s=counters["cpu_s"],
        memory_bytes=counters["memory"],
        memory_peak_bytes=counters["memory_peak"],
        disk_read_bytes=counters["disk_read"],
        disk_write_bytes=counters["disk_write"],
        network_in_bytes=counters["network_in"],
        network_out_bytes=counters["network_out"],
    )
