"""Linting an environment's folder: everything that the model alone can't see."""

from pathlib import Path

from environments.manifest import Environment, Role, read_environment
from results.documents import Lines, load_yaml
from results.errors import ContentError, Problem

NODE_CAPABILITIES = {
    "NET_ADMIN": "a node that filters or shapes its own traffic",
    "NET_RAW": "a node that pings or captures on its own network",
    "SYS_ADMIN": "a node with an init system of its own",
    "SYS_PTRACE": "a node whose users debug programs",
    "AUDIT_WRITE": "a node whose login programs write audit records",
}
"""What an environment may ask for beyond the engine's defaults, and what for."""


def lint_environment(folder: Path) -> list[Problem]:
    """Every problem of `<folder>/environment.yaml`."""
    path = folder / "environment.yaml"
    try:
        environment = read_environment(folder)
        _data, lines = load_yaml(path)
    except ContentError as error:
        return list(error.problems)
    problems = [
        *_about_the_whole(path, folder, environment, lines),
        *_about_networks(path, environment, lines),
    ]
    for name in environment.nodes:
        problems += _about_node(path, folder, environment, name, lines)
    return problems


def _about_the_whole(path: Path, folder: Path, environment: Environment, lines: Lines) -> list[Problem]:
    problems = []
    if environment.id != folder.resolve().name:
        problems.append(_at(path, lines, ("id",), environment.id, f"the folder's name, {folder.name}", "Rename one."))
    roles = {node.role for node in environment.nodes.values()}
    for role in (Role.TARGET, Role.ATTACKER):
        if role not in roles:
            problems.append(_at(path, lines, ("nodes",), f"no node with role {role}", "at least one", "Add one."))
    return problems


def _about_networks(path: Path, environment: Environment, lines: Lines) -> list[Problem]:
    return [
        _at(path, lines, ("networks", name, "internal"), "false", "true: no way out", "Remove the line.")
        for name, network in environment.networks.items()
        if not network.internal
    ]


def _about_node(path: Path, folder: Path, environment: Environment, name: str, lines: Lines) -> list[Problem]:
    node = environment.nodes[name]
    place: tuple[str | int, ...] = ("nodes", name)
    problems = []
    build = (folder / node.build).resolve()
    if not build.is_relative_to(folder.resolve()):
        problems.append(_at(path, lines, (*place, "build"), node.build, "a folder inside this one", "Move it here."))
    elif not (build / "Dockerfile").is_file():
        problems.append(_at(path, lines, (*place, "build"), node.build, "a folder with a Dockerfile", "Add one."))
    if not node.networks:
        problems.append(_at(path, lines, (*place, "networks"), "none", "at least one network", "Name one."))
    for network in node.networks:
        if network not in environment.networks:
            known = ", ".join(environment.networks)
            problems.append(_at(path, lines, (*place, "networks"), network, known, "Name a network of this file."))
    for capability in node.cap_add:
        if capability not in NODE_CAPABILITIES:
            allowed = ", ".join(sorted(NODE_CAPABILITIES))
            problems.append(_at(path, lines, (*place, "cap_add"), capability, allowed, "Do without it."))
    return problems


def _at(path: Path, lines: Lines, field: tuple[str | int, ...], found: str, allowed: str, mend: str) -> Problem:
    name = ".".join(str(part) for part in field)
    return Problem(path=str(path), line=lines.of(field), field=name, found=found, allowed=allowed, mend=mend)
