"""Finding, starting and, where allowed, installing a Docker engine.

What pij started, pij stops: the engine it started is written to the state folder, so that a later run
finds it again after a `kill -9`. An engine that was already running is never stopped.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
import docker.errors
import docker.types
import requests.exceptions
from docker.context import ContextAPI
from docker.context.config import get_current_context_name

from environments.waiting import wait_until
from results.errors import EngineError
from results.paths import state_folder

Say = Callable[[str], None]
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 120
_daemons: list[subprocess.Popen[bytes]] = []
"""Engines that this very process started: its children, to be reaped by it."""
_folders: dict[str, str] = {}
"""Address -> where that engine keeps its containers: it does not change while the engine runs."""
LOG = docker.types.LogConfig(type="local", config={"max-size": "1m", "max-file": "1", "compress": "false"})
"""How the engine logs a container: its end only, so that what a container writes can't fill the disk."""
NOT_ANSWERING = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)


@dataclass(frozen=True)
class Engine:
    """A Docker engine that answers."""

    client: docker.DockerClient
    address: str
    found_by: str
    """`DOCKER_HOST`, `context <name>`, `default socket`, or how it was started."""

    def folder(self) -> str:
        """Where the engine keeps its containers, on its own host."""
        if self.address not in _folders:
            _folders[self.address] = str(self.client.info()["DockerRootDir"])
        return _folders[self.address]

    def version(self) -> str:
        """Version of the engine and of its kernel."""
        info = self.client.version()
        return f"Docker {info['Version']}, kernel {info.get('KernelVersion', 'unknown')}"


def candidates() -> list[tuple[str, str]]:
    """Where an engine may be, in order: (address, how it was named)."""
    found: list[tuple[str, str]] = []
    if os.environ.get("DOCKER_HOST"):
        return [(os.environ["DOCKER_HOST"], "DOCKER_HOST")]
    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if name and name != "default":
        context = ContextAPI.get_context(name)
        if context is not None and context.Host:
            found.append((context.Host, f"context {name}"))
    found.append((DEFAULT_SOCKET, "default socket"))
    return found


def connect(address: str, found_by: str) -> Engine | None:
    """The engine at an address, or None if none answers there."""
    try:
        client = docker.DockerClient(base_url=address, timeout=CALL_TIMEOUT_S, max_pool_size=32)
        client.ping()
    except NOT_ANSWERING:
        return None
    return Engine(client=client, address=address, found_by=found_by)


def find_engine() -> Engine | None:
    """The first engine that answers, or None."""
    for address, found_by in candidates():
        engine = connect(address, found_by)
        if engine is not None:
            return engine
    return None


@contextmanager
def engine_for(say: Say, keep: bool = False) -> Iterator[Engine]:
    """An engine for as long as the block runs: found, else started, else installed and started.

    Args:
        say: receives one line for each thing that takes time.
        keep: leave an engine that pij started running afterwards.

    Raises:
        EngineError: there is none and pij may not or can not start one; the text says what to run.
    """
    with _shared_use() as lock:
        engine = find_engine() or _start_or_stop(say)
        try:
            yield engine
        finally:
            if not keep and _last_user(lock):
                stop_started_engine(say)
            engine.client.close()


def require_engine() -> Engine:
    """The engine that answers now.

    Raises:
        EngineError: there is none.
    """
    engine = find_engine()
    if engine is None:
        raise EngineError(_explain())
    return engine


def stop_started_engine(say: Say) -> None:
    """Stop the engine that pij started, if there is one."""
    record = _read_record()
    if record is None:
        return
    if record.get("service"):
        say("stopping the Docker service that pij started")
        _run(["systemctl", "stop", "docker.socket", "docker.service", "containerd.service"])
    elif _is_same_process(record):
        say("stopping the Docker engine that pij started")
        os.kill(record["pid"], signal.SIGTERM)
        wait_until(lambda: not _is_same_process(record), STOP_TIMEOUT_S, threading.Event())
        for daemon in _daemons:
            daemon.wait(STOP_TIMEOUT_S)
    _record_path().unlink(missing_ok=True)


def _start_or_stop(say: Say) -> Engine:
    """Start an engine; one that does not come up, or is not waited for, is stopped again."""
    before = _read_record()
    try:
        return _start(say)
    except BaseException:
        if _read_record() != before:  # never the one that another pij started
            stop_started_engine(say)
        raise


def _start(say: Say) -> Engine:
    if os.environ.get("DOCKER_HOST"):
        raise EngineError(
            f"DOCKER_HOST: found {os.environ['DOCKER_HOST']!r}, where no engine answers; allowed: the address of "
            "a running engine. Start that engine, or unset DOCKER_HOST to let pij look for one."
        )
    if os.geteuid() != 0:
        raise EngineError(_explain())
    if shutil.which("dockerd") is None:
        _install(say)
        engine = find_engine()
        if engine is not None:
            _write_record({"service": True})
            return engine
    if Path("/run/systemd/system").is_dir():
        say("starting the Docker service")
        _run(["systemctl", "start", "docker.service"])
        _write_record({"service": True})
    else:
        say("starting the Docker engine (dockerd)")
        _start_daemon()
    engine = wait_until(find_engine, START_TIMEOUT_S, threading.Event(), interval_s=0.2)
    if engine is None:
        raise EngineError(
            f"dockerd was started but does not answer after {START_TIMEOUT_S:.0f} s. Its log: "
            f"{state_folder() / 'dockerd.log'}"
        )
    return engine


def _start_daemon() -> None:
    with (state_folder() / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # a fixed program, found on PATH
            [str(shutil.which("dockerd"))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C must reach pij first, which then takes its containers down
        )
    _daemons.append(process)
    _write_record({"pid": process.pid, "started": process_start(process.pid)})


def _install(say: Say) -> None:
    if shutil.which("apt-get") is None:
        raise EngineError(_explain())
    say("installing Debian's docker.io")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "-q", "update"], environment)
    _run(["apt-get", "-q", "-y", "--no-install-recommends", "install", "docker.io", "iptables"], environment)


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(  # noqa: S603  # commands are literals of this module
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise EngineError(f"`{' '.join(command)}` exited {done.returncode}:\n{tail}\n{_explain()}")


def _explain() -> str:
    tried = ", ".join(f"{address} ({how})" for address, how in candidates())
    return (
        f"No Docker engine answers. Tried: {tried}. pij needs one; it can start or install it only as root on "
        "Debian or Ubuntu. Run one of:\n"
        "  sudo apt-get install docker.io && sudo usermod -aG docker $USER   # then log in again\n"
        "  sudo systemctl start docker                                       # if it is installed\n"
        "  export DOCKER_HOST=unix:///path/to/docker.sock                    # if it runs elsewhere"
    )


def process_start(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot; with the pid it names one process for good."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _is_same_process(record: Mapping[str, object]) -> bool:
    pid = record.get("pid")
    for daemon in _daemons:
        daemon.poll()  # else one that has ended would look alive as a zombie
    return isinstance(pid, int) and process_start(pid) == record.get("started") is not None


def _record_path() -> Path:
    return state_folder() / "engine.json"


def _write_record(record: dict[str, object]) -> None:
    _record_path().write_text(json.dumps(record))


def _read_record() -> dict[str, int] | None:
    try:
        record: dict[str, int] = json.loads(_record_path().read_text())
    except FileNotFoundError:
        return None
    return record


@contextmanager
def _shared_use() -> Iterator[int]:
    """Several pij processes may share an engine; only the last one may stop it."""
    descriptor = os.open(state_folder() / "engine.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield descriptor
    finally:
        os.close(descriptor)


def _last_user(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
