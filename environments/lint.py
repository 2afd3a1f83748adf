"""Linting an environment's folder: everything that the model alone can't see, all at once, each with its line."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from environments.manifest import Environment, Node, Role, read_environment
from environments.standing import LOGHOST
from results.documents import load_yaml
from results.errors import ContentError, Problem

NODE_CAPABILITIES = {
    "AUDIT_WRITE": "login programs that write audit records",
    "IPC_LOCK": "programs that keep secrets out of swap",
    "NET_ADMIN": "a firewall or routes of the node's own network",
    "NET_RAW": "ping, or capture on the node's own network",
    "SYS_NICE": "services that raise their priority",
    "SYS_PTRACE": "users who debug programs",
}
"""What an environment may ask for beyond the engine's defaults, and what for.

Nodes run attacks as root, so nothing that reaches beyond the container is here: with SYS_ADMIN, SYS_MODULE,
SYS_RAWIO, DAC_READ_SEARCH or BPF an attack could leave it, with SYS_TIME, SYSLOG or AUDIT_CONTROL it could change the
clock or the records of the engine host, which every other trial shares.
"""
BOOT_CAPABILITIES = {"SYS_ADMIN": "the mounts that systemd needs, before it starts anything"}
"""What a node's first process may have until it gives it up for good; standing up proves that it has."""
MARKERS = ("pij", "proven in japan", "proven-in-japan", "proven_in_japan")
"""Words by which a product could tell that it is being evaluated."""

MARKER = re.compile(rb"(?i)\b(?:" + b"|".join(re.escape(marker).encode() for marker in MARKERS) + rb")\b")
HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")

Place = tuple[str | int, ...]
Report = Callable[[Place, str, str, str], None]
"""Called with the field, what was found, what is allowed, how to mend it."""


def lint_environment(folder: Path) -> list[Problem]:
    """Every problem of `<folder>/environment.yaml` and of the folders that it builds."""
    path = folder / "environment.yaml"
    try:
        environment = read_environment(folder)
        _data, lines = load_yaml(path)
    except ContentError as error:
        return list(error.problems)
    problems: list[Problem] = []

    def report(place: Place, found: str, allowed: str, mend: str) -> None:
        field = ".".join(str(part) for part in place)
        problems.append(
            Problem(path=str(path), line=lines.of(place), field=field, found=found, allowed=allowed, mend=mend)
        )

    _lint_whole(folder, environment, report)
    _lint_aliases(environment, report)
    for name, node in environment.nodes.items():
        _lint_build(folder, ("nodes", name, "build"), node.build, report)
        _lint_networks(node, ("nodes", name, "networks"), environment, report)
        _lint_rights(node, ("nodes", name, "cap_add"), report)
        _lint_markers(node, ("nodes", name), report)
    return problems


def _lint_whole(folder: Path, environment: Environment, report: Report) -> None:
    name = folder.resolve().name
    if environment.id != name:
        report(("id",), environment.id, f"the folder's name, {name}", "Rename one of the two.")
    roles = [node.role for node in environment.nodes.values()]
    if Role.TARGET not in roles:
        report(("nodes",), f"no node with `role: {Role.TARGET}`", "at least one", "Add one.")
    for name, network in environment.networks.items():
        if not network.internal:
            mend = "Remove the line: nothing that runs in an environment may get out."
            report(("networks", name, "internal"), "false", "true", mend)
    names: dict[str, str] = {}
    for name, node in environment.nodes.items():
        first = names.setdefault(node.hostname, name)
        if first != name:
            mend = "Rename one: a product's alerts name the host."
            report(("nodes", name, "hostname"), f"{node.hostname!r}, as {first} has it", "a name of its own", mend)


def _lint_build(folder: Path, place: Place, build: str, report: Report) -> None:
    context = (folder / build).resolve()
    if not context.is_relative_to(folder.resolve()):
        report(place, repr(build), "a folder inside the environment's", "Move it there.")
        return
    if not (context / "Dockerfile").is_file():
        report(place, f"{build!r}, where no Dockerfile is", "a folder with a Dockerfile", "Add one.")
        return
    for link in _links_out(context):
        found = f"{link.relative_to(context)}, a link out of {build!r}"
        report(place, found, "files inside it", "Put the file itself there.")
    for name, marker in _files_with_markers(context):
        allowed = "nothing that a product could recognise as the evaluation"
        report(place, f"{marker!r} in {name}", allowed, "Use another word.")


def _files_with_markers(context: Path) -> Iterator[tuple[Path, str]]:
    """Files that may end up in a node; the Dockerfile does not."""
    for path in sorted(context.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.name != "Dockerfile":
            found = MARKER.search(path.read_bytes())
            if found is not None:
                yield path.relative_to(context), found.group(0).decode()


def _links_out(context: Path) -> Iterator[Path]:
    for path in sorted(context.rglob("*")):
        if path.is_symlink() and not path.resolve().is_relative_to(context):
            yield path


def _lint_networks(node: Node, place: Place, environment: Environment, report: Report) -> None:
    known = ", ".join(environment.networks) or "none is defined"
    if not node.networks:
        report(place, "none", known, "Name at least one network of this file.")
    for index, network in enumerate(node.networks):
        if network not in environment.networks:
            report((*place, index), repr(network), known, "Name a network of this file, or add it.")
    if node.role is Role.GATEWAY and len(set(node.networks)) == 1:
        found = f"only {node.networks[0]}, on a gateway"
        report(place, found, "at least two", "Name the networks that it passes traffic between.")


def _lint_aliases(environment: Environment, report: Report) -> None:
    first: dict[tuple[str, str], str] = {}
    for name, node in environment.nodes.items():
        for network, aliases in node.aliases.items():
            place = ("nodes", name, "aliases", network)
            if network not in node.networks:
                mend = "Name a network that the node is on."
                report(place, repr(network), ", ".join(node.networks) or "none", mend)
            for index, alias in enumerate(aliases):
                here = (*place, index)
                if not HOST_NAME.fullmatch(alias):
                    mend = "Use small letters, digits, hyphens and dots."
                    report(here, repr(alias), "a host name", mend)
                if alias == LOGHOST:
                    mend = "Rename it: nodes send their syslog there."
                    report(here, repr(alias), "a name that is not a product's collector's", mend)
                other = first.setdefault((network, alias), name)
                if other != name:
                    mend = "Rename one: its neighbours would find either."
                    report(here, f"{alias!r}, as {other} has it there", "a name of its own", mend)


def _lint_rights(node: Node, place: Place, report: Report) -> None:
    allowed = "; ".join(f"{name} ({why})" for name, why in NODE_CAPABILITIES.items())
    for index, capability in enumerate(node.cap_add):
        if capability not in NODE_CAPABILITIES:
            report((*place, index), capability, allowed, "Do without it: it reaches beyond the node.")
    allowed = "; ".join(f"{name} ({why})" for name, why in BOOT_CAPABILITIES.items())
    for index, capability in enumerate(node.boot_capabilities):
        if capability not in BOOT_CAPABILITIES:
            report((*place[:-1], "boot_capabilities", index), capability, allowed, "Do without it.")
    if node.boot_capabilities and node.healthcheck is None:
        found = "none on a node with boot_capabilities"
        report((*place[:-1], "healthcheck"), found, "a check that fails until they are given up", "Add one.")


def _lint_markers(node: Node, place: Place, report: Report) -> None:
    said = {
        "hostname": node.hostname,
        "command": " ".join(node.command or ()),
        "aliases": " ".join(alias for names in node.aliases.values() for alias in names),
        "environment": " ".join(f"{name}={value}" for name, value in node.environment.items()),
        "logins": " ".join(node.logins),
    }
    for field, text in said.items():
        for marker in MARKERS:
            if marker in text.lower():
                allowed = "nothing that a product could recognise as the evaluation"
                report((*place, field), f"{marker!r} in it", allowed, "Use another word.")
