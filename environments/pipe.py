"""A two-way stream to a process in a container: bytes in, stdout and stderr out, over one connection.

Docker frames the two outputs with eight-byte headers (Engine API, `ContainerAttach`, "Stream format").
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from environments.engine import Engine
from environments.waiting import wait_until
from results.errors import TargetError

HEADER = struct.Struct(">BxxxL")
STDERR = 2
PID_TIMEOUT_S = 10.0
OnBytes = Callable[[bytes], None]


class Pipe:
    """The open stream. A thread of its own delivers what the process writes."""

    def __init__(
        self, raw: socket.socket, on_stdout: OnBytes, on_stderr: OnBytes, on_close: Callable[[], None]
    ) -> None:
        """Start reading.

        Args:
            raw: the connection that the engine has upgraded.
            on_stdout: called with bytes, from the reading thread.
            on_stderr: likewise.
            on_close: called once, when the process has closed its outputs or the engine went away.
        """
        self._raw = raw
        self._raw.settimeout(None)
        self._deliver = {1: on_stdout, STDERR: on_stderr}
        self._on_close = on_close
        self._thread = threading.Thread(target=self._read, name="container-pipe", daemon=True)
        self._thread.start()

    def send(self, data: bytes) -> None:
        """Write to the process's stdin.

        Raises:
            OSError: the connection is gone.
        """
        self._raw.sendall(data)

    def close(self) -> None:
        """End the connection; the process sees the end of its stdin."""
        with contextlib.suppress(OSError):  # already closed by the other side
            self._raw.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=10)
        self._raw.close()

    def _read(self) -> None:
        try:
            while True:
                header = self._exactly(HEADER.size)
                if header is None:
                    return
                stream, length = HEADER.unpack(header)
                data = self._exactly(length)
                if data is None:
                    return
                self._deliver.get(stream, self._deliver[1])(data)
        finally:
            self._on_close()

    def _exactly(self, length: int) -> bytes | None:
        parts = []
        while length:
            try:
                part = self._raw.recv(min(length, 1 << 16))
            except OSError:
                return None
            if not part:
                return None
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


def attach(engine: Engine, container_id: str) -> socket.socket:
    """Connect to the main process of a container that was created with an open stdin."""
    wrapped = engine.client.api.attach_socket(container_id, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    return _raw(wrapped)


def execute(
    engine: Engine,
    container_id: str,
    command: Sequence[str],
    user: str = "root",
    workdir: str | None = None,
    environment: Mapping[str, str] | None = None,
    stdin: bool = True,
) -> tuple[str, socket.socket]:
    """Start a process in a running container.

    Returns:
        (exec id, connection).
    """
    created = engine.client.api.exec_create(
        container_id,
        list(command),
        stdin=stdin,
        user=user,
        workdir=workdir,
        environment=dict(environment or {}),
    )
    wrapped = engine.client.api.exec_start(created["Id"], socket=True)
    return created["Id"], _raw(wrapped)


def exec_pid(engine: Engine, exec_id: str) -> int | None:
    """Pid of a started process in the engine host's namespace; None if it has ended already.

    The engine answers 0 until it has taken note of the start, which on a busy machine is after the process has
    begun to talk: hence the waiting.
    """

    def look() -> tuple[int | None] | None:
        state: dict[str, Any] = engine.client.api.exec_inspect(exec_id)
        if state["Pid"]:
            return (int(state["Pid"]),)
        return (None,) if state["ExitCode"] is not None and not state["Running"] else None

    found = wait_until(look, PID_TIMEOUT_S, threading.Event(), interval_s=0.01)
    if found is None:
        raise TargetError(f"the engine did not say the pid of a process that it started within {PID_TIMEOUT_S:.0f} s")
    return found[0]


def _raw(wrapped: Any) -> socket.socket:  # noqa: ANN401  # the SDK's wrapper differs per transport
    raw: socket.socket = getattr(wrapped, "_sock", wrapped)
    return raw
