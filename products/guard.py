"""Watching what a product takes: a product that fills the disk is stopped, and whatever limit it ran into is told.

Memory, CPU and processes are limited by the kernel. The disk is not, where the engine's storage driver knows no
quota (overlay2 without project quotas): so what a component's container has written is weighed again and again.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any

from environments.engine import NOT_ANSWERING
from environments.manifest import Node
from environments.standing import Target, disk_folders, kill_container, own_size
from environments.waiting import repeat
from products.limits import size_of
from products.running import RunningComponent
from results.errors import TargetError

EVERY_S = 0.5
UNWEIGHED = 3
"""How often in a row weighing may fail before that itself is the product's fault: it has made too many files."""


class Guard:
    """Watches the components of one deployment from a thread of its own."""

    def __init__(self, target: Target, on_stopped: Callable[[str], None]) -> None:
        """Nothing is watched yet.

        Args:
            target: where the components run.
            on_stopped: called with the reason when a component had to be stopped.
        """
        self._target, self._on_stopped = target, on_stopped
        self._watched: list[tuple[RunningComponent, list[str] | None]] = []
        self._stopped: dict[str, str] = {}
        self._counters: dict[str, dict[str, Any]] = {}
        self._failed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=repeat, args=(self._look, EVERY_S, self._stop), daemon=True)

    def begin(self, components: Sequence[RunningComponent]) -> None:
        """Watch these components."""
        engine = self._target.engine
        self._watched = [(running, disk_folders(engine, running.container_id)) for running in components]
        self._thread.start()

    def end(self) -> None:
        """Watch no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def conduct(self) -> tuple[str, ...]:
        """Which limits the components ran into, in words."""
        with contextlib.suppress(TargetError):
            self._count()
        found = list(self._stopped.values())
        for running, _folders in self._watched:
            counters = self._counters.get(running.definition.id, {})
            whose = _whose(running)
            if counters.get("oom_kills"):
                limit = running.definition.mem_limit if running.node is None else self._node(running).mem_limit
                found.append(f"memory: {counters['oom_kills']} processes killed at the limit of {limit} of {whose}")
            if counters.get("forks_refused"):
                most = running.definition.pids_limit if running.node is None else self._node(running).pids_limit
                found.append(f"processes: {counters['forks_refused']} refused at the limit of {most} of {whose}")
        return tuple(dict.fromkeys(found))

    def _node(self, running: RunningComponent) -> Node:
        return self._target.nodes[running.node or ""].definition

    def _count(self) -> None:
        """Keep the counters: those of a container that has ended are gone."""
        pids = {running.definition.id: running.pid for running, _folders in self._watched}
        self._counters |= self._target.witness.usage(pids)

    def _look(self) -> None:
        try:
            self._count()
            weights = self._weigh()
            self._failed = 0
        except TargetError as error:
            self._failed += 1
            if self._failed == UNWEIGHED and not self._target.witness.has_ended:
                for running, _folders in self._watched:
                    self._end(running, f"disk: what {_whose(running)} has written can't be weighed any more ({error})")
            return
        except NOT_ANSWERING:
            return
        for running, _folders in self._watched:
            written, allowed = weights.get(running.definition.id, 0), size_of(running.definition.disk_limit)
            if written > allowed:
                self._end(running, f"disk: {written} bytes written by {_whose(running)}, allowed {allowed}")

    def _weigh(self) -> dict[str, int]:
        known = {
            running.definition.id: {"folders": folders, "pid": running.pid}
            for running, folders in self._watched
            if folders is not None
        }
        weights = self._target.witness.weigh(known) if known else {}
        for running, folders in self._watched:
            if folders is None:
                weights[running.definition.id] = own_size(self._target.engine, running.container_id)
        return weights

    def _end(self, running: RunningComponent, why: str) -> None:
        """Stop a component: its own container, or, since nothing less holds what has detached itself, its node."""
        if running.definition.id in self._stopped:
            return
        self._stopped[running.definition.id] = why
        self._on_stopped(why)
        kill_container(self._target.engine, running.container_id)


def _whose(running: RunningComponent) -> str:
    name = running.definition.id
    if running.node is None:
        return f"component {name!r}"
    return f"node {running.node!r}, which component {name!r} shares with the node's own work and the attack"
