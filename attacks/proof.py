"""Proof of a procedure: that it did something, what, and whether it does the same again; or why it does not.

The stable effects of a proven procedure are its oracle: facts that are false before a step and true after it. An oracle
that a plan states itself comes first.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

from attacks.effects import STATE, Effect, EffectKind
from attacks.plan import Fact
from attacks.procedure import Procedure
from results.documents import Definition

PROVER_VERSION = "3"
FACTS_AT_MOST = 4
QUIET = frozenset({"sleep", "true", "false", "which", "echo", "printf", "test", "[", "dirname", "basename"})
"""Programs whose running shows nothing of what a procedure is for."""
NOT_FOUND = re.compile(r"(?m)(?:^|: |\s)(?:\d+: )?([\w./+-]+): (?:command )?not found\b")


class Reason(StrEnum):
    """Why a procedure carries no proof: the closed list."""

    NETWORK = "needs an address outside"
    SYSTEMD = "needs systemd"
    KERNEL_MODULE = "needs a kernel module"
    KERNEL_SETTING = "needs a setting of the engine host's kernel"
    GUI = "needs a desktop"
    CLOUD = "needs a cloud or container service"
    OTHER_SYSTEM = "for another operating system"
    WINDOWS = "needs a Windows program"
    PACKAGE = "a package is not available"
    PAYLOAD = "its payload is not in the corpus"
    FACT = "no fact source gives a value"
    ARGUMENT = "needs an argument"
    MANUAL = "manual"
    DEVICE = "needs hardware that a container has not"
    PERMISSION = "needs rights that a container has not"
    UNSTABLE = "does something else each time"
    NOTHING_SEEN = "no effect was seen"
    BROKEN = "broken upstream"


class Attempt(Definition):
    """One run in a fresh container."""

    environment: str
    user: str
    exit_code: int | None
    stopped: str | None = None
    """Which limit ended it (`time`, `disk`), or that it ended its own session."""
    effects: tuple[Effect, ...]
    errors: str
    """What it and its prerequisites printed as errors, capped; for finding the reason of a failure."""
    prepared: tuple[str, ...] = ()
    """Prerequisites that were carried out."""
    unmet: tuple[str, ...] = ()
    """Prerequisites that are not there even so."""
    cleanup: str
    """`none`, `restores`, or what is left."""
    duration_s: float


class Proof(Definition):
    """What is known of one procedure."""

    guid: str
    name: str
    technique: str
    corpus: str
    proven: bool
    attempt_only: bool = False
    """What is proven is that its programs ran and were refused, as a kernel setting is in a container."""
    reason: Reason | None = None
    """Why not, or why it was refused; None if its effect is proven."""
    detail: str = ""
    external: tuple[str, ...] = ()
    """Addresses outside that its text names."""
    environment: str | None = None
    user: str | None = None
    exit_code: int | None = None
    stopped: str | None = None
    effects: tuple[Effect, ...] = ()
    """Those that every run had; temporary names, addresses and numbers are replaced in those that differ in nothing
    else."""
    stable: bool | None = None
    """Every run left the same states; None if there was one run only."""
    runs: int = 0
    needed: tuple[str, ...] = ()
    """Prerequisites that were carried out or could not be met, and `root`."""
    cleanup: str = "none"
    duration_s: float | None = None
    procedure_digest: str
    """Of the procedure alone; see `content_digest`."""
    digest: str
    """Of everything that the proof depends on: the procedure, its payloads, the environments, the prover."""


REASONS: tuple[tuple[str, Reason], ...] = (
    (r"not been booted with systemd|Failed to connect to .*bus|systemctl: (command )?not found", Reason.SYSTEMD),
    (r"Connection to .?bus.? failed|/run/systemd/private|journalctl: (command )?not found", Reason.SYSTEMD),
    (r"insmod|modprobe|rmmod|depmod|could not insert|\.ko\b|/lib/modules", Reason.KERNEL_MODULE),
    (r"kubectl|docker(d|: not| not|\.sock)|stratus|\baws\b|gcloud|\baz: |vmware|esxcli|IMDS|EC2", Reason.CLOUD),
    (r"sysctl: |/proc/sys/|sysrq|drop_caches|swapon|swapoff|cannot set date", Reason.KERNEL_SETTING),
    (r"[Cc]ould not resolve|[Nn]etwork is unreachable|Name or service not known|No route to host", Reason.NETWORK),
    (r"Temporary failure in name|unable to resolve|Can't contact LDAP|Connection timed out", Reason.NETWORK),
    (r"([Cc]annot|[Uu]nable to|Can't) open display|no DISPLAY|X server", Reason.GUI),
    (r"No such device|No wireless|No devices found|SIOC|/dev/(sd|nvme|input)", Reason.DEVICE),
    (
        r"Unit \S+ (not loaded|not found|could not be found|does not exist)|Unit file \S+ does not exist",
        Reason.PERMISSION,
    ),
    (r"SELinux is disabled|No such file or directory: '/sys|/sys/", Reason.KERNEL_SETTING),
    (r"Operation not permitted|[Pp]ermission denied|Read-only file system|must be root|superuser", Reason.PERMISSION),
)
"""Signs in what a run printed, and what they mean; the first that fits."""
HINDRANCES = (Reason.NETWORK, Reason.SYSTEMD, Reason.KERNEL_MODULE, Reason.CLOUD, Reason.KERNEL_SETTING)
"""What keeps a procedure from doing what it is for, whatever else it left behind."""
ALWAYS = (Reason.SYSTEMD, Reason.KERNEL_MODULE)
"""Likewise, even if its last command ended with exit code 0."""
REFUSALS = frozenset(
    {Reason.KERNEL_MODULE, Reason.KERNEL_SETTING, Reason.PERMISSION, Reason.DEVICE, Reason.CLOUD, Reason.BROKEN}
)
"""What was refused, or failed; that the procedure's own programs tried it is proven all the same."""
FREEBSD = re.compile(r"pw|kldload|kldunload|kldstat|sysrc|pkg|b64encode|b64decode|rmuser|jls|jexec|pciconf|geom|gcp|ee")
"""Programs that only the BSDs have."""
WINDOWS = re.compile(r"\b(cmd\.exe|powershell\.exe|reg\.exe|wine|\w+\.exe)\b", re.IGNORECASE)
URL = re.compile(r"\b(?:https?|ftp|ldaps?|s3|git|ssh)://([^\s/\"'`#$:)]+)|\b[\w.-]+@([\w-]+(?:\.[\w-]+)+)")
IPV4 = re.compile(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
HOSTNAME = re.compile(r"(?<![\w@/.-])(?:[a-z0-9][\w-]*\.)+(?:com|org|net|io|rs)\b(?![/\w.-]*\.service)")
INSIDE = re.compile(
    r"^(localhost|127\..*|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|169\.254\..*|0\.0\.0\.0|255\..*"
    r"|.*\.(local|localhost|internal|test|invalid|example|example\.com)|[^.]*)$"
)  # fmt: skip
"""Names and addresses that are not outside: private, reserved (RFC 6761), or without a dot."""


def external_addresses(texts: Iterable[str]) -> tuple[str, ...]:
    """Addresses outside that texts name, sorted."""
    found: set[str] = set()
    for text in texts:
        if "Install-Module" in text:
            found.add("www.powershellgallery.com")  # where PowerShell's Install-Module fetches from
        found |= {match.group(1) or match.group(2) for match in URL.finditer(text)}
        found |= {match.group(1) for match in IPV4.finditer(text) if _is_address(match.group(1))}
        found |= {match.group(0) for match in HOSTNAME.finditer(text)}
    return tuple(sorted(name for name in found if name and not INSIDE.match(name.lower())))


def judge(procedure: Procedure, attempts: Sequence[Attempt], external: tuple[str, ...], digest: str) -> Proof:
    """Put the runs of a procedure in one environment together.

    Args:
        procedure: as it was read.
        attempts: runs as the same user in the same environment, at least one.
        external: addresses outside that it names.
        digest: of everything that it depends on.
    """
    first = attempts[0]
    common = _common([attempt.effects for attempt in attempts])
    reason, detail = _shortcoming(procedure, attempts, common, external)
    refused = reason in REFUSALS and not _missing_programs(attempts[-1].errors)
    attempted = refused and any(_is_telling(e, procedure.executor.command or "") for e in common)
    return Proof(
        guid=procedure.guid,
        name=procedure.name,
        technique=procedure.technique,
        corpus=procedure.corpus,
        proven=reason is None or attempted,
        attempt_only=attempted,
        reason=reason,
        detail=detail,
        external=external,
        environment=first.environment,
        user=first.user,
        exit_code=first.exit_code,
        stopped=first.stopped,
        effects=tuple(common),
        stable=_all_same(attempts) if len(attempts) > 1 else None,
        runs=len(attempts),
        needed=(
            *first.prepared,
            *(f"{name} (not met)" for name in first.unmet),
            *(("root",) if first.user == "root" and not elevated(procedure) else ()),
        ),
        cleanup=first.cleanup,
        duration_s=first.duration_s,
        procedure_digest=content_digest(procedure),
        digest=digest,
    )


def refuse(procedure: Procedure, reason: Reason, detail: str, external: tuple[str, ...], digest: str) -> Proof:
    """A procedure that is not run at all."""
    return Proof(
        guid=procedure.guid,
        name=procedure.name,
        technique=procedure.technique,
        corpus=procedure.corpus,
        proven=False,
        reason=reason,
        detail=detail,
        external=external,
        procedure_digest=content_digest(procedure),
        digest=digest,
    )


def content_digest(procedure: Procedure) -> str:
    """SHA-256 of everything that a procedure says, wherever its file lies."""
    data = procedure.model_dump(mode="json", exclude={"path", "line", "payload_folder"})
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def elevated(procedure: Procedure) -> bool:
    """Upstream says that it needs root."""
    return procedure.executor.elevation_required


def why_not(procedure: Procedure) -> tuple[Reason, str] | None:
    """Why a procedure can't be run on any node; None if it can."""
    obstacle = procedure.obstacle
    if obstacle is None:
        needed = [name for name, argument in procedure.arguments.items() if argument.default is None]
        return (Reason.ARGUMENT, f"no default for {', '.join(needed)}") if needed else None
    if procedure.missing:
        return Reason.FACT, obstacle
    if "linux" not in procedure.platforms:
        return Reason.OTHER_SYSTEM, obstacle
    if procedure.executor.name == "manual":
        return Reason.MANUAL, obstacle
    if not (procedure.executor.command or "").strip():
        return Reason.BROKEN, obstacle
    return Reason.PACKAGE, obstacle


def oracle(proof: Proof, command: str = "") -> tuple[Fact, ...]:
    """The facts that prove the procedure's effect, strongest first; empty if there is no proof.

    Files and accounts that it leaves; if there are none, what it prints; if it prints nothing that is always the same,
    that one of its programs ran. Programs come last because what lives under a millisecond is not always seen.

    Args:
        proof: of the procedure.
        command: of the procedure; see `_is_telling`.
    """
    if not proof.proven:
        return ()
    facts = [(effect, fact) for effect in proof.effects if (fact := _fact(effect)) is not None]
    for wanted in (STATE, frozenset({EffectKind.OUTPUT})):
        found = [fact for effect, fact in facts if effect.kind in wanted and fact.process is None]
        if found:
            return tuple(found[:FACTS_AT_MOST])
    ran = [fact.process for effect, fact in facts if fact.process and not fact.alive and _is_telling(effect, command)]
    return (Fact(process="|".join(dict.fromkeys(name for name in ran if name))),) if ran else ()


def _fact(effect: Effect) -> Fact | None:
    said = effect.kind in (EffectKind.OUTPUT, EffectKind.RAN, EffectKind.ATTEMPTED, EffectKind.LEFT_RUNNING)
    if not effect.exact or (said and effect.normal().what != effect.what):
        return None  # it differs from run to run, or may: numbers and times in words are rarely the same for long
    if effect.kind is EffectKind.CREATED:
        return Fact(file=effect.what)
    if effect.kind is EffectKind.DELETED:
        return Fact(file=effect.what, absent=True)
    if effect.kind is EffectKind.ACCOUNT and effect.detail in ("added", "removed"):
        kind, _space, name = effect.what.partition(" ")
        path = "/etc/passwd" if kind == "account" else "/etc/group"
        pattern = f"^{re.escape(name)}:"
        return Fact(file=path, contains=pattern) if effect.detail == "added" else Fact(file=path, lacks=pattern)
    if effect.kind in (EffectKind.RAN, EffectKind.ATTEMPTED, EffectKind.LEFT_RUNNING):
        alive = effect.kind is EffectKind.LEFT_RUNNING
        return Fact(process=f"^{re.escape(effect.what)}", alive=alive)
    if effect.kind is EffectKind.OUTPUT:
        return Fact(stdout=f"^{re.escape(effect.what)}")
    return None


def _common(every: Sequence[Sequence[Effect]]) -> list[Effect]:
    """Effects that every run had: exactly, or but for what differs from run to run."""
    first, *others = every
    exact = [set(effects) for effects in others]
    normal = [{effect.normal() for effect in effects} for effects in others]
    loose = [{(effect.kind, effect.normal().what) for effect in effects} for effects in others]
    found: dict[Effect, None] = {}
    for effect in first:
        if all(effect in effects for effects in exact):
            found[effect] = None
        elif all(effect.normal() in effects for effects in normal):
            found[effect.normal()] = None
        elif all((effect.kind, effect.normal().what) in effects for effects in loose):
            found[Effect(kind=effect.kind, what=effect.normal().what, exact=False)] = None
    return list(found)


def _all_same(attempts: Sequence[Attempt]) -> bool:
    """Whether every run left the same states and ended alike; which programs and lines were seen is chance, too."""
    left = [({(e.kind, e.normal().what) for e in one.effects if e.kind in STATE}, one.stopped) for one in attempts]
    return all(one == left[0] for one in left)


def _shortcoming(
    procedure: Procedure, attempts: Sequence[Attempt], common: Sequence[Effect], external: tuple[str, ...]
) -> tuple[Reason | None, str]:
    """Why the runs are no proof, or (None, '')."""
    last = attempts[-1]
    command = procedure.executor.command or ""
    missing = [
        name for name in _missing_programs(last.errors) if not re.search(rf"\|\|[^|\n]*\b{re.escape(name)}\b", command)
    ]
    sign = _sign(last.errors)
    hindered = sign is not None and (sign[0] in ALWAYS or (last.exit_code and sign[0] in HINDRANCES))
    if any(effect.kind in STATE for effect in common) and not hindered and not (missing and last.exit_code):
        return None, ""
    telling = [effect for effect in common if _is_telling(effect, command)]
    if (
        any(e.kind is not EffectKind.ATTEMPTED for e in telling)
        and not missing
        and not hindered
        and (last.exit_code == 0 or last.stopped == "time")
    ):
        return None, ""
    if (
        any(e.kind in (EffectKind.RAN, EffectKind.ATTEMPTED) for e in telling)
        and not missing
        and sign is None
        and last.exit_code == 1
    ):
        return None, ""  # it ran well and found nothing, as `… | grep` does
    if len(attempts) > 1 and not common and any(attempt.effects for attempt in attempts):
        return Reason.UNSTABLE, "no effect is the same in every run"
    return _reason(procedure, last, missing, sign, external)


def _is_telling(effect: Effect, command: str) -> bool:
    """Whether an effect shows the procedure at its work; what it begins with is what it is for."""
    if effect.kind is EffectKind.OUTPUT:
        return True
    if effect.kind not in (EffectKind.RAN, EffectKind.ATTEMPTED):
        return False
    words = effect.what.split()
    program = words[0].rpartition("/")[2] if words else ""
    return (program not in QUIET and words != ["uname"]) or command.split()[:1] == [program]


def _missing_programs(errors: str) -> list[str]:
    return list(dict.fromkeys(match.group(1) for match in NOT_FOUND.finditer(errors)))


def _sign(errors: str) -> tuple[Reason, str] | None:
    for pattern, reason in REASONS:
        found = re.search(pattern, errors)
        if found is not None:
            line = next((line for line in errors.splitlines() if found.group(0) in line), found.group(0))
            return reason, line.strip()[:160]
    return None


def _reason(
    procedure: Procedure,
    attempt: Attempt,
    missing: Sequence[str],
    sign: tuple[Reason, str] | None,
    external: tuple[str, ...],
) -> tuple[Reason, str]:
    text = f"{procedure.name}\n{procedure.executor.command}"
    if external:
        return Reason.NETWORK, ", ".join(external)[:160]
    if WINDOWS.search(text):
        return Reason.WINDOWS, "its command names a Windows program"
    if any(FREEBSD.fullmatch(name) for name in missing) or re.search(r"(?i)freebsd(?!.*linux)", procedure.name):
        return Reason.OTHER_SYSTEM, f"FreeBSD; not here: {', '.join(missing)}" if missing else "FreeBSD"
    if sign is not None and sign[0] in (Reason.SYSTEMD, Reason.KERNEL_MODULE, Reason.CLOUD, Reason.KERNEL_SETTING):
        return sign
    lost = [name for name in missing if "/T1" in name]
    if lost:
        return Reason.PAYLOAD, f"not in the corpus: {', '.join(lost)}"
    if missing:
        return Reason.PACKAGE, f"not found: {', '.join(missing)}"
    if sign is not None:
        return sign
    if procedure.payloads or "PathToAtomicsFolder" in text:
        return Reason.PAYLOAD, "; ".join(attempt.errors.strip().splitlines()[-1:])[:160]
    if attempt.exit_code == 0 or not attempt.errors.strip():
        return Reason.NOTHING_SEEN, f"exit code {attempt.exit_code}; it changed, ran and printed nothing"
    last = "; ".join(attempt.errors.strip().splitlines()[-2:])[:160]
    return Reason.BROKEN, f"exit code {attempt.exit_code}: {last}"


def _is_address(text: str) -> bool:
    parts = [int(part) for part in text.split(".")]
    return all(part <= 255 for part in parts) and parts[0] not in (0, 224, 239, 255)
