"""Prefect's settings, and its server as a child process that pij starts and stops (docs/decisions/prefect.md).

Nothing here imports Prefect: the settings must be in the environment before anything does.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from environments.engine import process_start
from environments.waiting import wait_until
from results.errors import EvaluationError
from results.paths import state_folder

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    # A trial's log goes to the server; the console shows pij's own progress instead.
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "50",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "0.5",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


def apply_settings() -> None:
    """Put pij's settings into the environment; what the user has set stands."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(state_folder() / "prefect"))


class Server:
    """Prefect's server on the loopback interface, starting in the background."""

    def __init__(self) -> None:
        """Start it; `wait` says when it answers."""
        apply_settings()
        self.port = _free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        environment = {**os.environ, "PREFECT_SERVER_UI_API_URL": f"{self.address}/api"}
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with _log().open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # our own interpreter
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        record = {"pid": self._process.pid, "started": process_start(self._process.pid)}
        _record(os.getpid()).write_text(json.dumps(record))

    def wait(self, stop: threading.Event) -> None:
        """Wait until it answers, and point Prefect's client at it.

        Raises:
            EvaluationError: it ended or does not answer in time.
        """
        if not wait_until(self._answers, START_TIMEOUT_S, stop, interval_s=0.2):
            raise EvaluationError(
                f"Prefect's server does not answer at {self.address} after {START_TIMEOUT_S:.0f} s. Its log: {_log()}. "
                "Run with --no-prefect to do without it."
            )
        os.environ["PREFECT_API_URL"] = f"{self.address}/api"

    def stop(self) -> None:
        """Stop it."""
        _stop_group(self._process.pid)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        _record(os.getpid()).unlink(missing_ok=True)

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise EvaluationError(
                f"Prefect's server ended with exit code {self._process.returncode}. Its log: {_log()}. "
                "Run with --no-prefect to do without it."
            )
        try:
            with urllib.request.urlopen(f"{self.address}/api/health", timeout=2) as reply:  # noqa: S310  # loopback
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@contextmanager
def serving() -> Iterator[Server | None]:
    """A server for as long as the block runs, or None where the user has one (PREFECT_API_URL)."""
    if os.environ.get("PREFECT_API_URL"):
        apply_settings()
        yield None
        return
    server = Server()
    try:
        yield server
    finally:
        server.stop()
        os.environ.pop("PREFECT_API_URL", None)


def sweep_servers(say: Callable[[str], None]) -> int:
    """Stop servers whose pij was killed; returns how many."""
    stopped = 0
    for path in state_folder().glob("prefect-*.json"):
        record = json.loads(path.read_text())
        owner = int(path.stem.removeprefix("prefect-"))
        if process_start(record["pid"]) == record["started"]:
            if _is_pij(owner):
                continue
            say(f"stopping a left-over Prefect server (pid {record['pid']})")
            _stop_group(record["pid"])
            stopped += 1
        path.unlink(missing_ok=True)
    return stopped


def _is_pij(pid: int) -> bool:
    try:
        return b"pij" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _stop_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGINT)
    except ProcessLookupError:
        return


def _record(owner: int) -> Path:
    return state_folder() / f"prefect-{owner}.json"


def _log() -> Path:
    return state_folder() / "prefect-server.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
