"""What a procedure does to a node: two looks from outside, and what is different between them.

Nothing of ours runs in the node for it: changed paths come from the engine's view of the container's own layer, their
state, the sockets and the processes from the witness.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from environments.standing import Target, changed_paths
from environments.witness import Seen
from results.documents import Definition
from results.errors import TargetError

IN_MEMORY = ("/run", "/dev/shm", "/tmp")  # noqa: S108  # looked at, never written to
"""Folders that a node may have in memory, where the engine sees no change; walked if they are."""
ACCOUNT_FILES = {"/etc/passwd": "account", "/etc/group": "group"}
BY_PRODUCTS = re.compile(
    r"^(/var/log/(auth\.log|syslog|messages|user\.log|cron\.log|kern\.log|daemon\.log|wtmp|btmp|lastlog|faillog|journal/.*)"
    r"|/run/(utmp|sudo/.*|systemd/.*|user/.*|log/.*)|/var/lib/(systemd|sudo|logrotate)/.*|/var/cache/(ldconfig|man)/.*)$"
)
OUTPUT_LINES = 200
LINE_CAP = 240
LEADER_CAP = 4000
KILLED = 128 + 9
HELPERS = ("/usr/sbin/unix_chkpwd",)
"""Started by the system's own programs, whatever is run with them."""
RANDOM = (
    (re.compile(r"\b(tmp|Temp|temp)([._-])[A-Za-z0-9]{6,12}\b"), r"\1\2*"),
    (re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"), "ADDRESS"),
    (re.compile(r"\b\d{1,2}:\d{2}(:\d{2})?\b"), "TIME"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "HEX"),
    (re.compile(r"\d{3,}"), "#"),
)
"""What differs from run to run although nothing else does: temporary names, addresses, digests, pids and times."""


Image = Mapping[str, Sequence[Any]]
"""Path -> (type, mode, owner, group, size, modified ns) of everything in a node's image."""


class EffectKind(StrEnum):
    """What was different afterwards."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    PERMISSIONS = "permissions"
    ACCOUNT = "account"
    SOCKET = "socket"
    RAN = "ran"
    """A process of the procedure that ended with exit code 0, or was still running."""
    ATTEMPTED = "attempted"
    """A process of the procedure that ran and was refused: it ended with another exit code."""
    LEFT_RUNNING = "left running"
    STARTED_ELSEWHERE = "started elsewhere"
    """By cron, systemd …: alive after, not a descendant of the procedure."""
    ENDED = "ended"
    """A process of the node that the procedure did not start."""
    OUTPUT = "output"
    NODE_DOWN = "node down"


STATE = frozenset(EffectKind) - {EffectKind.RAN, EffectKind.ATTEMPTED, EffectKind.OUTPUT}
"""Kinds that are still there when the procedure has ended."""


class Effect(Definition, frozen=True):
    """One difference."""

    kind: EffectKind
    what: str
    """Path, account, socket, command line or line of output."""
    detail: str = ""
    exact: bool = True
    """False: temporary names, addresses, numbers or times in it are replaced, because they differ from run to run."""

    def normal(self) -> "Effect":
        """The same without what differs from run to run."""
        return Effect(kind=self.kind, what=normalise(self.what), detail=normalise(self.detail), exact=False)


@dataclass(frozen=True)
class Look:
    """A node at one moment."""

    files: dict[str, tuple[Any, ...]]
    """Path -> (type, mode, owner, group, size, modified ns, content) of every path that differs from the image."""
    deleted: frozenset[str]
    """Paths of the image that are gone."""
    accounts: dict[str, str]
    """`account tanaka` -> its line."""
    sockets: frozenset[str]
    processes: dict[int, Seen] = field(compare=False)
    is_up: bool = True


def look(target: Target, node: str) -> Look:
    """Look at a node now; one that is down has nothing to look at."""
    if target.is_up(node):
        try:
            return _look(target, node)
        except TargetError:
            if target.is_up(node):
                raise
    return Look({}, frozenset(), {}, frozenset(), {}, is_up=False)


def _look(target: Target, node: str) -> Look:
    running, witness = target.nodes[node], target.witness
    changed, deleted = changed_paths(target, node)
    found = witness.describe(running.pid, sorted(changed), _in_memory(running.definition.tmpfs))
    accounts = {}
    for path, kind in ACCOUNT_FILES.items():
        for line in (witness.text(running.pid, path) or "").splitlines():
            accounts[f"{kind} {line.split(':')[0]}"] = line
    witness.sync()
    return Look(
        files={path: tuple(state) for path, state in found.items()},
        deleted=frozenset(deleted),
        accounts=accounts,
        sockets=frozenset(witness.sockets(running.pid)),
        processes=witness.living(running.pid),
    )


def differences(before: Look, after: Look, image: Image, own: Sequence[Seen] = ()) -> list[Effect]:
    """What is different afterwards.

    Args:
        before: the first look.
        after: the second look.
        image: what the node's image holds.
        own: the processes of the procedure.
    """
    if not after.is_up:
        return [Effect(kind=EffectKind.NODE_DOWN, what="the node")]
    effects = [*_file_effects(before, after, image), *_account_effects(before.accounts, after.accounts)]
    effects += [Effect(kind=EffectKind.SOCKET, what=name) for name in sorted(after.sockets - before.sockets)]
    mine = {process.pid for process in own}
    for pid, process in after.processes.items():
        if pid not in before.processes and process.command_lines:
            kind = EffectKind.LEFT_RUNNING if pid in mine else EffectKind.STARTED_ELSEWHERE
            effects.append(Effect(kind=kind, what=process.command_lines[-1]))
    for pid, process in before.processes.items():
        if pid not in after.processes and pid not in mine and process.command_lines:
            effects.append(Effect(kind=EffectKind.ENDED, what=process.command_lines[-1]))
    return effects


def of_run(own: Sequence[Seen], stdout: str, leader_command: str, was_stopped: bool) -> list[Effect]:
    """What the run itself shows: programs that ran well, and output.

    Args:
        own: the processes of the procedure.
        stdout: what it printed.
        leader_command: command line of the shell that was given the script, which says nothing.
        was_stopped: we killed it at a limit; what ran until then did run.
    """
    effects = []
    well = (0, None, KILLED) if was_stopped else (0, None)
    for process in own:
        kind = EffectKind.RAN if process.exit_code in well else EffectKind.ATTEMPTED
        for line in process.command_lines:
            if not leader_command.startswith(line.strip()[:LEADER_CAP]) and not line.startswith(HELPERS):
                effects.append(Effect(kind=kind, what=line[:LINE_CAP]))
    lines = [line.rstrip() for line in stdout.splitlines()[:OUTPUT_LINES] if line.strip()]
    effects += [Effect(kind=EffectKind.OUTPUT, what=line[:LINE_CAP]) for line in lines]
    return effects


def normalise(text: str) -> str:
    """A text without what differs from run to run although nothing else does."""
    for pattern, replacement in RANDOM:
        text = pattern.sub(replacement, text)
    return text


def without_noise(effects: Collection[Effect], noise: Collection[Effect]) -> list[Effect]:
    """Effects that a run of nothing at all does not have, too."""
    known = {(effect.kind, effect.normal().what) for effect in noise}
    return [effect for effect in effects if (effect.kind, effect.normal().what) not in known]


def without_by_products(effects: Collection[Effect], text: str) -> list[Effect]:
    """Effects without the records that the system keeps of any login, sudo or service; unless the text names them."""
    return [
        effect
        for effect in effects
        if effect.kind is not EffectKind.CHANGED or not BY_PRODUCTS.match(effect.what) or effect.what in text
    ]


def _file_effects(before: Look, after: Look, image: Image) -> list[Effect]:
    effects = []
    for path, state in after.files.items():
        was = before.files.get(path)
        original = None if path in before.deleted else image.get(path)
        if was is None and original is None:
            effects.append(Effect(kind=EffectKind.CREATED, what=path, detail=_detail(state)))
            continue
        if tuple((was or original or ())[1:4]) != tuple(state[1:4]):
            effects.append(Effect(kind=EffectKind.PERMISSIONS, what=path, detail=_detail(state)))
        elif was is None and original is not None and state[0] != "folder" and original[4:6] != tuple(state[4:6]):
            effects.append(Effect(kind=EffectKind.CHANGED, what=path, detail=_detail(state)))
        if was is not None and (was[0], was[6]) != (state[0], state[6]):
            effects.append(Effect(kind=EffectKind.CHANGED, what=path, detail=_detail(state)))
    gone = [path for path in before.files if path not in after.files]
    gone += [path for path in after.deleted - before.deleted if path not in gone]
    return effects + [Effect(kind=EffectKind.DELETED, what=path) for path in gone]


def _detail(state: Sequence[Any]) -> str:
    kind, mode, owner, group, _size, _modified, content = state
    text = f"{kind} {mode:04o} {owner}:{group}"
    return f"{text} sha256 {content}" if kind == "file" else f"{text} -> {content}" if kind == "link" else text


def _account_effects(before: Mapping[str, str], after: Mapping[str, str]) -> list[Effect]:
    effects = [
        Effect(kind=EffectKind.ACCOUNT, what=name, detail="added" if name not in before else "changed")
        for name, line in after.items()
        if before.get(name) != line
    ]
    removed = [name for name in before if name not in after]
    return effects + [Effect(kind=EffectKind.ACCOUNT, what=name, detail="removed") for name in removed]


def _in_memory(declared: Sequence[str]) -> list[str]:
    return [folder for folder in IN_MEMORY if folder in declared or folder == "/dev/shm"]  # noqa: S108
