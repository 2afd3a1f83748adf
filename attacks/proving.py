"""One run of a procedure in a fresh container, with nothing watching but the witness.

Whatever a procedure does to its node (forks without end, fills the disk, eats memory, ends its own shell, waits for
input) it is stopped at a limit, and the next one runs in another container.
"""

import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from attacks.effects import Effect, Image, Look, differences, look, of_run, without_by_products, without_noise
from attacks.procedure import Instance, Procedure, instantiate, payload_files
from attacks.proof import Attempt
from environments.session import SHELLS, Finished, Session
from environments.standing import Target, copy_files, own_size
from environments.witness import Seen
from results.errors import TargetError

NODE = "target"
PAYLOADS_AT = "/usr/local/share/tools"
PREREQUISITE_LIMIT_S = 10.0
CLEANUP_LIMIT_S = 10.0
LOOK_EVERY_S = 0.5
DISK_LIMIT = 1_000_000_000
"""Bytes that one node may write."""
KILL_GRACE_S = 5.0
SETTLE_S = 0.3
OUTPUT_CAP = 8000


@dataclass(frozen=True)
class Limits:
    """When a procedure is stopped."""

    time_s: float = 10.0
    disk_bytes: int = DISK_LIMIT


@dataclass
class _Run:
    """What one command left."""

    finished: Finished | None = None
    stopped: str | None = None
    errors: str = ""
    stdout: str = ""


@dataclass(frozen=True)
class Stage:
    """A node that procedures are tried on."""

    environment: str
    target: Target
    image: Image
    noise: Collection[Effect] = field(default=())
    stop: threading.Event = field(default_factory=threading.Event)


def attempt(stage: Stage, procedure: Procedure, values: Mapping[str, str], user: str, limits: Limits) -> Attempt:
    """Run a procedure once: prerequisites, command, cleanup, with a look before and after each.

    Args:
        stage: a node that nothing else has used.
        procedure: one without an obstacle.
        values: argument or fact -> value, instead of the procedure's defaults; names that it has not are left out.
        user: who runs it.
        limits: when it is stopped.

    Raises:
        TargetError: the node could not be used at all.
        Interrupted: `stage.stop` was set.
    """
    began = time.monotonic()
    target = stage.target
    given = {name: value for name, value in values.items() if name in procedure.arguments}
    instance = instantiate(procedure, given, PAYLOADS_AT)
    session = target.open_session(NODE, user)
    try:
        lay_payloads(target, procedure, NODE, user)
        origin = look(target, NODE)
        prepared, unmet, said = prepare(stage, session, instance)
        before = look(target, NODE) if instance.prerequisites else origin
        run = _execute(stage, session, instance.executor, instance.command, limits)
        stage.stop.wait(SETTLE_S if run.stopped is None else 0.0)
        target.witness.sync()
        own = _own_processes(target, session, run)
        after = look(target, NODE)
        leader = f"{SHELLS[instance.executor]} {instance.command}".strip()
        effects = differences(before, after, stage.image, own)
        effects += of_run(own, run.stdout, leader, run.stopped is not None)
        cleanup = _clean_up(stage, session, instance, (before, origin), after, run)
    finally:
        session.close()
    return Attempt(
        environment=stage.environment,
        user=user,
        exit_code=run.finished.exit_code if run.finished else None,
        stopped=run.stopped,
        effects=tuple(dict.fromkeys(_without_noise(stage, effects, instance.command))),
        errors=(said + run.errors)[:OUTPUT_CAP],
        prepared=prepared,
        unmet=unmet,
        cleanup=cleanup,
        duration_s=round(time.monotonic() - began, 3),
    )


def _without_noise(stage: Stage, effects: Collection[Effect], text: str) -> list[Effect]:
    return without_by_products(without_noise(effects, stage.noise), text)


def lay_payloads(target: Target, procedure: Procedure, node: str, user: str) -> None:
    """Put the files that the procedure's text names into the node, where its text will find them."""
    files = payload_files(procedure)
    if files:
        folder = target.home(node, user) if procedure.payloads else PAYLOADS_AT
        copy_files(target.engine, target.nodes[node].container_id, files, folder)


def prepare(stage: Stage, session: Session, instance: Instance) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Carry out what is not there yet; returns what was carried out, what is not there even so, what they printed."""
    prepared: list[str] = []
    unmet: list[str] = []
    said = ""
    shell, limits = instance.prerequisite_executor, Limits(PREREQUISITE_LIMIT_S)
    if shell not in SHELLS:
        shell = "sh"
    for number, need in enumerate(instance.prerequisites, start=1):
        if need.check is None or _succeeds(_execute(stage, session, shell, need.check, limits)):
            continue
        if need.get is not None:
            got = _execute(stage, session, shell, need.get, limits)
            said += got.errors
            if got.stopped == "session":
                raise TargetError("a prerequisite ended the session")
        last = _execute(stage, session, shell, need.check, limits)
        said += last.errors
        (prepared if _succeeds(last) else unmet).append(f"prerequisite {number}")
    return tuple(prepared), tuple(unmet), said


def _succeeds(run: _Run) -> bool:
    return run.finished is not None and run.finished.exit_code == 0 and run.stopped is None


def _execute(stage: Stage, session: Session, executor: str, script: str, limits: Limits) -> _Run:
    """Run one script, stopped at its limits."""
    run = _Run()
    try:
        session.start(executor, script)
        run.finished, run.stopped = _watch(stage, session, limits)
    except TargetError:
        run.stopped = "session" if stage.target.is_up(NODE) else "node"
    if run.finished is not None:
        run.stdout = run.finished.stdout.text
        run.errors = run.finished.stderr.text
    return run


def _watch(stage: Stage, session: Session, limits: Limits) -> tuple[Finished | None, str | None]:
    target = stage.target
    free = target.witness.free_bytes(target.nodes[NODE].pid)
    deadline = time.monotonic() + limits.time_s
    while True:
        left = deadline - time.monotonic()
        finished = session.finish(max(0.0, min(LOOK_EVERY_S, left)))
        if finished is not None:
            return finished, None
        if stage.stop.is_set() or left <= 0:
            return _kill(stage, session), "time"
        if free - target.witness.free_bytes(target.nodes[NODE].pid) > limits.disk_bytes // 2 and (
            own_size(target.engine, target.nodes[NODE].container_id) > limits.disk_bytes
        ):
            return _kill(stage, session), "disk"


def _kill(stage: Stage, session: Session) -> Finished | None:
    witness = stage.target.witness
    witness.sync()
    for child in witness.children(session.pid)[-1:]:
        witness.kill(child.pid)
    return session.finish(KILL_GRACE_S)


def _own_processes(target: Target, session: Session, run: _Run) -> list[Seen]:
    children = target.witness.children(session.pid)
    named = [child for child in children if run.finished is not None and child.node_pid == run.finished.node_pid]
    leaders = (named or children)[-1:]
    return [process for leader in leaders for process in target.witness.tree(leader)]


def _clean_up(
    stage: Stage, session: Session, instance: Instance, before: tuple[Look, ...], after: Look, run: _Run
) -> str:
    """Run the cleanup command and say whether the state is as it was before the command, or its prerequisites."""
    if instance.cleanup is None:
        return "none"
    if not after.is_up or run.stopped in ("session", "node"):
        return "not run: the session was gone"
    _execute(stage, session, instance.executor, instance.cleanup, Limits(CLEANUP_LIMIT_S))
    last = look(stage.target, NODE)
    if not last.is_up:
        return "not run: the node went down"
    left = [_without_noise(stage, differences(one, last, stage.image), "") for one in before]
    words = [f"{effect.kind} {effect.what}" for effect in min(left, key=len)]
    return "restores" if not words else f"leaves {'; '.join(words[:5])}" + (" …" if len(words) > 5 else "")
