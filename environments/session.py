"""One long-lived shell in a node, through which every step of a user runs.

A step is a background job of a shell with job control, so it is a process group of its own; the step's bytes
are the single argument of `bash -c` or `sh -c`, exactly as they are written in the procedure. Outputs come
through the engine's own framing; a random line on each stream, known to nobody in the node beforehand, tells
where a step's output ends. What a step left running in the background may write later: that goes to whichever
step runs then.
"""

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from environments.engine import Engine
from environments.pipe import Pipe, exec_pid, execute
from results.errors import TargetError
from results.records import Output

OUTPUT_CAP = 64 * 1024
OPEN_TIMEOUT_S = 15.0
SHELLS = {
    "bash": "/bin/bash -c",
    "sh": "/bin/sh -c",
    "powershell": "pwsh -NoProfile -NonInteractive -Command",
    "python": "python3 -c",
}
"""Executor -> the program that gets the script as its one further argument."""


@dataclass(frozen=True)
class Finished:
    """What a step's process group left behind."""

    exit_code: int | None
    """None if it was still running when its time was up."""
    node_pid: int | None
    started_ns: int
    ended_ns: int
    stdout: Output
    stderr: Output
    timed_out: bool


@dataclass
class _Stream:
    """Collects one output up to a marker."""

    marker: bytes = b""
    carry: bytes = b""
    head: bytearray = field(default_factory=bytearray)
    length: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    ending: bytes | None = None
    """The marker's line, once it came."""

    def start(self, marker: bytes) -> None:
        self.marker, self.head, self.length = marker, bytearray(), 0
        self.digest, self.ending = hashlib.sha256(), None
        late, self.carry = self.carry, b""
        self.feed(late)

    def feed(self, data: bytes) -> None:
        if self.ending is not None or not self.marker:
            self.carry += data
            return
        pending = self.carry + data
        at = pending.find(self.marker)
        if at >= 0:
            end = pending.find(b"\n", at + len(self.marker))
            if end >= 0:
                self._keep(pending[:at])
                self.ending, self.carry = pending[at + len(self.marker) : end], pending[end + 1 :]
                return
        split = at if at >= 0 else max(0, len(pending) - len(self.marker))
        self._keep(pending[:split])
        self.carry = pending[split:]

    def _keep(self, data: bytes) -> None:
        self.length += len(data)
        self.digest.update(data)
        self.head += data[: max(0, OUTPUT_CAP - len(self.head))]

    def output(self) -> Output:
        text = bytes(self.head).decode("utf-8", "backslashreplace")
        return Output(text=text, length=self.length, sha256=self.digest.hexdigest())


class Session:
    """A user's open shell in a node. Use as a context manager."""

    def __init__(
        self,
        engine: Engine,
        container_id: str,
        user: str,
        home: str,
        login_uid: int | None,
        without: Sequence[str] = (),
    ) -> None:
        """Open the shell; returns when it answers.

        Args:
            engine: where.
            container_id: the node.
            user: who; must exist in the node.
            home: its home folder, where steps start.
            login_uid: the audit login uid that the shell takes on, as PAM's login would give it.
            without: capabilities that the container has and the session must never have.

        Raises:
            TargetError: the shell does not answer.
        """
        self._engine = engine
        self._changed = threading.Condition()
        self._stdout, self._stderr = _Stream(), _Stream()
        self._closed = False
        environment: Mapping[str, str] = {
            "HOME": home,
            "USER": user,
            "LOGNAME": user,
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
        }
        command = [*_giving_up(without, user), "/bin/bash", "-l"]
        self.exec_id, raw = execute(engine, container_id, command, "root" if without else user, home, environment)
        self._pipe = Pipe(raw, self._on_stdout, self._on_stderr, self._on_close)
        setup = "set -m\n"
        if login_uid is not None:
            setup += f"echo {login_uid} > /proc/self/loginuid 2> /dev/null\n"
        finished = self._send(setup, ":", OPEN_TIMEOUT_S)
        if finished is None:
            self.close()
            raise TargetError(f"no shell for user {user!r} within {OPEN_TIMEOUT_S:.0f} s")
        pid = exec_pid(engine, self.exec_id)
        if pid is None:
            raise TargetError(f"the shell of user {user!r} ended at once")
        self.pid = pid
        """Of the shell, in the engine host's pid namespace."""

    def __enter__(self) -> "Session":
        """The session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the shell."""
        self.close()

    def close(self) -> None:
        """End the shell; what it started in the background stays until the node goes."""
        self._pipe.close()

    def start(self, executor: str, script: str) -> None:
        """Start one step; `finish` waits for it."""
        command = f"{SHELLS[executor]} {quote(script)} < /dev/null & p=$!; wait $p; r=$?"
        self._begin("", command)

    def finish(self, timeout_s: float) -> Finished | None:
        """Wait for the step that was started.

        Returns:
            What it left, or None if it still runs after `timeout_s` seconds (kill it, then call again).

        Raises:
            TargetError: the shell ended.
        """
        return self._wait(timeout_s)

    def run(self, executor: str, script: str, timeout_s: float) -> Finished | None:
        """Start one step and wait for it; see `finish`."""
        self.start(executor, script)
        return self.finish(timeout_s)

    def _send(self, setup: str, command: str, timeout_s: float) -> Finished | None:
        self._begin(setup, f"{command}; p=$$; r=$?")
        return self._wait(timeout_s)

    def _begin(self, setup: str, command: str) -> None:
        nonce = secrets.token_hex(16)
        with self._changed:
            self._stdout.start(f"\n{nonce}".encode())
            self._stderr.start(f"\n{nonce}".encode())
        line = (
            f"{setup}s=$EPOCHREALTIME; {command}; e=$EPOCHREALTIME; "
            f"printf '\\n{nonce} %s %s %s %s\\n' $r $p $s $e; printf '\\n{nonce}\\n' >&2\n"
        )
        self._sent_ns = time.time_ns()
        try:
            self._pipe.send(line.encode())
        except OSError as error:
            raise TargetError(f"the session's connection is gone: {error}") from error

    def _wait(self, timeout_s: float) -> Finished | None:
        with self._changed:
            done = self._changed.wait_for(lambda: self._closed or self._is_complete(), timeout_s)
            if not done:
                return None
            if not self._is_complete():
                raise TargetError("the session's shell ended in the middle of a step")
            code, pid, started, ended = (self._stdout.ending or b"").split()
            return Finished(
                exit_code=int(code),
                node_pid=int(pid),
                started_ns=_nanoseconds(started),
                ended_ns=_nanoseconds(ended),
                stdout=self._stdout.output(),
                stderr=self._stderr.output(),
                timed_out=False,
            )

    def _is_complete(self) -> bool:
        return self._stdout.ending is not None and self._stderr.ending is not None

    def _on_stdout(self, data: bytes) -> None:
        with self._changed:
            self._stdout.feed(data)
            self._changed.notify_all()

    def _on_stderr(self, data: bytes) -> None:
        with self._changed:
            self._stderr.feed(data)
            self._changed.notify_all()

    def _on_close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _giving_up(capabilities: Sequence[str], user: str) -> list[str]:
    """The command line that gives capabilities up for good, becomes the user, and then runs the rest."""
    if not capabilities:
        return []
    dropped = ",".join(f"-{name.lower()}" for name in capabilities)
    become = [f"--reuid={user}", f"--regid={user}", "--init-groups"]
    return ["/usr/bin/setpriv", f"--bounding-set={dropped}", f"--inh-caps={dropped}", *become, "--"]


def quote(script: str) -> str:
    """A string as one line of bash's ANSI-C quoting, byte for byte.

    Raises:
        ValueError: it holds a NUL byte, which no argument of a process can.
    """
    if "\0" in script:
        raise ValueError("a script can't hold a NUL byte")
    safe = {ord("\\"): "\\\\", ord("'"): "\\'", ord("\n"): "\\n"}
    return "$'" + "".join(safe.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in script.encode()) + "'"


def _nanoseconds(epoch: bytes) -> int:
    seconds, _point, fraction = epoch.replace(b",", b".").partition(b".")
    return int(seconds) * 1_000_000_000 + int(fraction.ljust(9, b"0")[:9])
