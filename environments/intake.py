"""Our side of the intake (see intake_image/intake.py): starts it, and hands on what it takes.

It is the first container of a network namespace, so that it listens before the product runs; a product in a node
has its node's namespace, which the intake joins.
"""

import json
import queue
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from environments.engine import LOG, Engine, Say
from environments.images import base_image, build_image
from environments.pipe import Pipe, attach
from results.errors import TargetError

FRAME = struct.Struct(">BxHIQ")
REPLY, RECORD, REFUSED, LOST = 0, 1, 2, 3
STARTED = 0
"""Number of its first word, which answers no question."""
ANSWER_TIMEOUT_S = 30.0
OnRecord = Callable[[int, bytes, int], None]
"""Receiver, data, receipt (UTC ns)."""


def intake_image(engine: Engine, say: Say) -> str:
    """Build the intake's image if it is missing."""
    folder = Path(__file__).parent / "intake_image"
    tag, _digest = build_image(engine, "intake", folder, "Dockerfile", {"BASE": base_image(engine, say)}, say)
    return tag


class Intake:
    """A running intake. Use as a context manager."""

    def __init__(
        self,
        engine: Engine,
        image: str,
        labels: Mapping[str, str],
        network: Mapping[str, Any],
        settings: Mapping[str, object],
        on_record: OnRecord,
        on_refused: Callable[[int, str], None],
    ) -> None:
        """Start its container and wait until it listens.

        Args:
            engine: where.
            image: see `intake_image`.
            labels: for its container.
            network: how its container is connected, as the engine's SDK spells it.
            settings: `syslog` and `webhooks` (receivers with a `number` each) and `tls` (PEM texts, or None).
            on_record: called from a thread of its own.
            on_refused: called with receiver and reason for what was not taken, likewise.

        Raises:
            TargetError: it does not start.
        """
        self._on_record, self._on_refused = on_record, on_refused
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {STARTED: queue.Queue()}
        self._asking = threading.Lock()
        self._number = STARTED
        self._buffer = bytearray()
        self._last_words = ""
        self.has_ended = False
        self._container = engine.client.containers.create(
            image,
            labels=dict(labels),
            init=True,
            stdin_open=True,
            user="65534",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            read_only=True,
            tmpfs={"/tmp": "size=96m,mode=0700,uid=65534"},  # noqa: S108  # in its container
            mem_limit="384m",
            pids_limit=256,
            log_config=LOG,
            **network,
        )
        self.container_id = str(self._container.id)
        try:
            pipe = Pipe(attach(engine, self.container_id), self._on_bytes, self._on_error, self._on_close)
            self._pipe = pipe
            self._container.start()
            pipe.send(json.dumps(settings).encode() + b"\n")
            self._reply(STARTED)
            self._container.reload()
            self.pid = int(self._container.attrs["State"]["Pid"])
        except BaseException:
            self._container.remove(force=True)
            raise

    def __enter__(self) -> "Intake":
        """The intake itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove its container."""
        self._pipe.close()
        self._container.remove(force=True)

    def ask(self, operation: str, **arguments: object) -> dict[str, Any]:
        """Ask one question; what the product did wrong is `error` in the answer.

        Raises:
            TargetError: the intake is gone.
        """
        with self._asking:
            self._number += 1
            number = self._number
            self._waiting[number] = queue.Queue()
            try:
                self._pipe.send(json.dumps({"id": number, "op": operation, **arguments}).encode() + b"\n")
            except OSError as error:
                raise TargetError(f"the intake is gone: {error}") from error
        return self._reply(number)

    def _reply(self, number: int) -> dict[str, Any]:
        if self.has_ended:
            raise TargetError(f"the intake's container ended. {self._last_words}".strip())
        try:
            reply = self._waiting[number].get(timeout=ANSWER_TIMEOUT_S)
        except queue.Empty:
            raise TargetError(f"the intake did not answer within {ANSWER_TIMEOUT_S:.0f} s") from None
        finally:
            del self._waiting[number]
        if reply.get("closed"):
            raise TargetError(f"the intake's container ended. {self._last_words}".strip())
        return reply

    def _on_bytes(self, data: bytes) -> None:
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= FRAME.size:
            kind, receiver, length, time_ns = FRAME.unpack_from(self._buffer, at)
            end = at + FRAME.size + length
            if end > len(self._buffer):
                break
            self._take(kind, receiver, bytes(self._buffer[at + FRAME.size : end]), time_ns)
            at = end
        del self._buffer[:at]

    def _take(self, kind: int, receiver: int, data: bytes, time_ns: int) -> None:
        if kind == RECORD:
            self._on_record(receiver, data, time_ns)
        elif kind == REPLY:
            reply = json.loads(data)
            waiting = self._waiting.get(reply["id"])
            if waiting is not None:  # else nobody waits for it any more
                waiting.put(reply)
        else:
            why = data.decode("utf-8", "backslashreplace")
            self._on_refused(receiver, f"{why} datagrams found no room" if kind == LOST else why)

    def _on_error(self, data: bytes) -> None:
        self._last_words = (self._last_words + data.decode("utf-8", "backslashreplace"))[-2000:]

    def _on_close(self) -> None:
        self.has_ended = True
        for waiting in list(self._waiting.values()):
            waiting.put({"closed": True})
