"""Our side of the witness (see witness_image/witness.py): asks it, and keeps the process trees it reports."""

import json
import queue
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environments.engine import Engine, Say
from environments.images import base_image, build_image
from environments.pipe import Pipe, attach
from results.errors import TargetError
from results.records import Process

CAPABILITIES = ["NET_ADMIN", "SYS_NICE", "SYS_PTRACE", "SYS_ADMIN", "SYS_CHROOT", "DAC_READ_SEARCH", "KILL"]
ANSWER_TIMEOUT_S = 60.0
READY = 0
"""Number of its first word, which answers no question."""
DESCRIBED_AT_ONCE = 2000
CONNECTOR = "kernel process connector (CN_PROC): every fork, exec and exit, with the kernel's own times"


@dataclass
class Seen:
    """One process while the trial runs."""

    pid: int
    parent: int
    started_ns: int
    node_pid: int | None = None
    ended_ns: int | None = None
    exit_code: int | None = None
    executables: list[str] = field(default_factory=list)
    command_lines: list[str] = field(default_factory=list)

    def record(self) -> Process:
        """The process as the sealed trial holds it."""
        return Process(
            pid=self.pid,
            node_pid=self.node_pid,
            parent_pid=self.parent,
            started_ns=self.started_ns,
            ended_ns=self.ended_ns,
            exit_code=self.exit_code,
            executables=tuple(self.executables),
            command_lines=tuple(self.command_lines),
        )


def witness_image(engine: Engine, say: Say) -> str:
    """Build the witness's image if it is missing."""
    folder = Path(__file__).parent / "witness_image"
    tag, _digest = build_image(engine, "witness", folder, "Dockerfile", {"BASE": base_image(engine, say)}, say)
    return tag


class Witness:
    """A running witness. Use as a context manager."""

    def __init__(self, engine: Engine, image: str, labels: Mapping[str, str]) -> None:
        """Start its container and wait until it listens to the kernel."""
        self._engine = engine
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {READY: queue.Queue()}
        self._asking = threading.Lock()
        self._seen_lock = threading.Lock()
        self._processes: dict[int, list[Seen]] = {}
        self._children: dict[int, list[Seen]] = {}
        self._buffer = bytearray()
        self._number = READY
        self._ended = False
        self._last_words = ""
        self.lost = 0
        self.missing: str | None = None
        self._container = engine.client.containers.create(
            image,
            labels=dict(labels),
            pid_mode="host",
            network_mode="host",
            cgroupns="host",  # in a private one, as cgroup v2 has it, other groups are `/../..`
            cap_drop=["ALL"],
            cap_add=CAPABILITIES,
            security_opt=["apparmor=unconfined"],
            read_only=True,
            volumes=["/sys/fs/cgroup:/cgroup:ro", f"{engine.folder()}:/graph:ro"],
            stdin_open=True,
            mem_limit="256m",
        )
        try:
            raw = attach(engine, str(self._container.id))
            self._pipe = Pipe(raw, self._on_bytes, self._on_error, self._on_close)
            self._container.start()
            self.missing = self._reply(READY)["missing"]
        except BaseException:
            self._container.remove(force=True)
            raise

    def __enter__(self) -> "Witness":
        """The witness itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove its container."""
        self._pipe.close()
        self._container.remove(force=True)

    def truth(self) -> str:
        """Where the process trees come from and what that misses, for the trial's record."""
        if self.missing:
            return f"none: no process connector here ({self.missing}); attribution by lineage is off"
        return CONNECTOR + (f"; the kernel dropped events {self.lost} times" if self.lost else "")

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Ask one question and wait for its answer.

        Raises:
            TargetError: the witness is gone or could not answer.
        """
        with self._asking:
            self._number += 1
            number = self._number
            self._waiting[number] = queue.Queue()
            try:
                self._pipe.send(json.dumps({"id": number, "op": operation, **arguments}).encode() + b"\n")
            except OSError as error:
                raise TargetError(f"the witness is gone: {error}") from error
        reply = self._reply(number)
        if "error" in reply:
            raise TargetError(f"the witness could not answer {operation!r}: {reply['error']}")
        return reply

    def track(self, pid: int) -> None:
        """Follow a process (engine host's pid), what it has started and all that it will start."""
        self.ask("track", pid=pid)

    def facts(self, pid: int, facts: Sequence[Mapping[str, object]]) -> list[tuple[bool, str]]:
        """Look at file facts in the root of the node whose first process is `pid`."""
        if not facts:
            return []
        return [(bool(holds), str(seen)) for holds, seen in self.ask("facts", pid=pid, facts=facts)["facts"]]

    def sync(self) -> None:
        """After this, everything that has happened so far is known."""
        self.ask("sync")

    def usage(self, pids: Mapping[str, int]) -> dict[str, dict[str, Any]]:
        """Counters of containers, by name; a container that is gone is left out.

        Returns:
            `cpu_s`; bytes: `memory`, `memory_peak`, `disk_read`, `disk_write`, `network_in`, `network_out`; counts:
            `oom_kills`, `forks_refused`. None for what the kernel does not say, or does not count: cgroup v1 counts no
            buffered writes, and no reads either unless its root group has some.
        """
        found: dict[str, dict[str, Any]] = self.ask("usage", pids=dict(pids))["usage"]
        return found

    def weigh(self, containers: Mapping[str, Mapping[str, object]]) -> dict[str, int]:
        """Bytes on disk of containers.

        Args:
            containers: name -> `folders`, relative to the engine's own, and the `pid` of its first process.
        """
        found: dict[str, int] = self.ask("weigh", containers=dict(containers))["bytes"]
        return found

    def read_files(
        self, pid: int, path: str, parts: Sequence[str], known: str | None
    ) -> tuple[str | None, dict[str, str | None] | None]:
        """Files that belong together (`path` with each ending of `parts`), as they were at one moment.

        Args:
            pid: of a process in the container.
            path: absolute path there.
            parts: endings; the first one's file must be there.
            known: digest of what the caller has already.

        Returns:
            (digest, ending -> file in base64 or None). (None, None) if there is no such file; (digest, None) if
            nothing has changed.

        Raises:
            TargetError: too large, or written all the time.
        """
        found = self.ask("read_files", pid=pid, path=path, parts=list(parts), known=known)
        return found["digest"], found["files"]

    def mirror(self, bridge: str, pid: int) -> str:
        """Give a container the interface `mirror0`, with a copy of every frame of a bridge; see `unmirror`.

        Raises:
            TargetError: the kernel can't.
        """
        return str(self.ask("mirror", bridge=bridge, pid=pid)["name"])

    def unmirror(self, name: str) -> None:
        """Remove what `mirror` made."""
        self.ask("unmirror", name=name)

    def bounding_set(self, pid: int) -> frozenset[str]:
        """Capabilities that a process, and whatever it starts, could ever have."""
        return frozenset(self.ask("bounding_set", pid=pid)["capabilities"])

    def kill(self, pid: int) -> None:
        """Kill a process and all its descendants."""
        self.ask("kill", pid=pid)

    def describe(self, pid: int, paths: Sequence[str], folders: Sequence[str]) -> dict[str, list[Any]]:
        """What stands at paths, and everywhere below folders, of the node whose first process is `pid`.

        Returns:
            Path -> [type, mode, owner, group, size, modified ns, SHA-256 of a file's first MiB or a link's target];
            paths where nothing stands are left out.
        """
        found: dict[str, list[Any]] = {}
        for first in range(0, max(1, len(paths)), DESCRIBED_AT_ONCE):
            some = list(paths[first : first + DESCRIBED_AT_ONCE])
            found |= self.ask("describe", pid=pid, paths=some, folders=[] if first else list(folders))["found"]
        return found

    def layer(self, folder: str) -> tuple[list[str], list[str]]:
        """What a container has written over its image: (paths there now, paths gone now).

        Args:
            folder: overlayfs's upper folder, relative to the engine's own.
        """
        found = self.ask("layer", folder=folder)
        return list(found["changed"]), list(found["deleted"])

    def modes(self, pid: int) -> dict[str, list[Any]]:
        """Path -> [type, mode, owner, group, size, modified ns] of everything in a node."""
        found: dict[str, list[Any]] = self.ask("modes", pid=pid)["found"]
        return found

    def text(self, pid: int, path: str) -> str | None:
        """The first MiB of a small text file of a node; None if it is not there."""
        found: str | None = self.ask("text", pid=pid, path=path)["text"]
        return found

    def sockets(self, pid: int) -> list[str]:
        """Sockets of a node's network: `listens tcp 0.0.0.0:22`, `connection tcp 10.0.0.2:5000 10.0.0.3:80`."""
        found: list[str] = self.ask("sockets", pid=pid)["sockets"]
        return found

    def free_bytes(self, pid: int) -> int:
        """Free space of the disk that a node's files are on."""
        return int(self.ask("space", pid=pid)["free"])

    def living(self, root: int) -> dict[int, Seen]:
        """Every process of a node that is alive: pid -> process.

        Args:
            root: the node's first process.
        """
        with self._seen_lock:
            alive = {pid: entries[-1] for pid, entries in self._processes.items() if entries[-1].ended_ns is None}
            return {pid: seen for pid, seen in alive.items() if self._root_of(seen) == root}

    def children(self, pid: int) -> list[Seen]:
        """What a process has started, oldest first."""
        with self._seen_lock:
            return list(self._children.get(pid, ()))

    def tree(self, leader: Seen) -> list[Seen]:
        """A process and its descendants, oldest first. A pid that was used again does not confuse it."""
        with self._seen_lock:
            found, waiting = [], [leader]
            while waiting:
                current = waiting.pop()
                found.append(current)
                waiting.extend(
                    child
                    for child in self._children.get(current.pid, ())
                    if child.started_ns >= current.started_ns
                    and (current.ended_ns is None or child.started_ns <= current.ended_ns)
                    and child is not current
                )
        return sorted(found, key=lambda process: (process.started_ns, process.pid))

    @property
    def has_ended(self) -> bool:
        """Its container is gone: nothing can be seen any more."""
        return self._ended

    def knows(self, pid: int) -> bool:
        """Whether a pid (engine host's) has ever been a process of this trial's nodes."""
        with self._seen_lock:
            return pid in self._processes

    def host_pid(self, node_pid: int, roots: Iterable[int]) -> int | None:
        """Translate a node's own pid into the engine host's, newest process first."""
        wanted = set(roots)
        with self._seen_lock:
            matches = [
                seen
                for entries in self._processes.values()
                for seen in entries
                if seen.node_pid == node_pid and (not wanted or self._root_of(seen) in wanted)
            ]
        return max(matches, key=lambda seen: seen.started_ns).pid if matches else None

    def _root_of(self, seen: Seen) -> int:
        while seen.parent in self._processes:
            seen = self._processes[seen.parent][-1]
        return seen.pid

    def _reply(self, number: int) -> dict[str, Any]:
        """The answer to one question; other threads may wait for theirs meanwhile."""
        if self._ended:
            raise TargetError(f"the witness's container ended. {self._last_words}".strip())
        try:
            reply = self._waiting[number].get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            raise TargetError(f"the witness did not answer within {ANSWER_TIMEOUT_S:.0f} s") from None
        finally:
            del self._waiting[number]
        if reply.get("closed"):
            raise TargetError(f"the witness's container ended. {self._last_words}".strip())
        return reply

    def _on_error(self, data: bytes) -> None:
        self._last_words = (self._last_words + data.decode("utf-8", "backslashreplace"))[-2000:]

    def _on_close(self) -> None:
        self._ended = True
        for waiting in list(self._waiting.values()):
            waiting.put({"closed": True})

    def _on_bytes(self, data: bytes) -> None:
        self._buffer += data
        if b"\n" not in data:  # a long answer is not looked through again for each piece of it
            return
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            message = json.loads(line)
            if "id" in message or message["ev"] == "ready":
                waiting = self._waiting.get(message.get("id", READY))
                if waiting is not None:  # else nobody waits for it any more
                    waiting.put(message)
            else:
                with self._seen_lock:
                    self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        kind, pid = event["ev"], event.get("pid", 0)
        if kind == "lost":
            self.lost += 1
        elif kind == "fork":
            seen = Seen(pid=pid, parent=event["ppid"], started_ns=event["t"], node_pid=event["npid"])
            known = self._processes.setdefault(pid, [])
            if known and known[-1].ended_ns is None:
                return  # tracked by a second root: the first entry stands
            known.append(seen)
            self._children.setdefault(event["ppid"], []).append(seen)
        elif kind == "number":
            for seen in self._processes.get(pid, ()):
                if seen.started_ns == event["t"] and seen.node_pid is None:
                    seen.node_pid = event["npid"]
        elif pid in self._processes:
            self._note_change(self._processes[pid][-1], event)

    def _note_change(self, seen: Seen, event: dict[str, Any]) -> None:
        if event["ev"] == "exit":
            seen.ended_ns, seen.exit_code = event["t"], event["code"]
            return
        if event.get("npid") is not None:
            seen.node_pid = event["npid"]
        if event["exe"] is not None:
            seen.executables.append(event["exe"])
        if event["cmd"] is not None:
            seen.command_lines.append(event["cmd"])
