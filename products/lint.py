"""Linting a product's folder: everything that the model alone can't see.

Capabilities come from an allow-list per placement. What is not on it is refused, with the reason.
"""

from collections.abc import Iterator
from pathlib import Path

from environments.manifest import Environment
from products.limits import size_of
from products.lint_reception import lint_network, lint_ports, lint_reception, lint_secrets
from products.lint_source import findings
from products.manifest import Ask, CanaryAction, Component, NetworkAccess, Placement, Product, Source, read_product
from products.placement import is_in_node, named, node_of, shares_network
from results.documents import Lines, load_yaml
from results.errors import ContentError, Problem
from results.patterns import objection
from results.records import Observation

NODE_CAPABILITIES = {
    "SYS_ADMIN": "marks mounts for fanotify, to allow or deny access to files",
    "NET_ADMIN": "sets firewall rules of its own node",
    "NET_RAW": "captures on its own node's network",
    "SYS_PTRACE": "reads the memory maps of its own node's processes",
    "DAC_READ_SEARCH": "reads every file of its own node",
}
SENSOR_CAPABILITIES = {
    "AUDIT_CONTROL": "loads rules into the kernel's audit system",
    "AUDIT_READ": "reads the audit multicast",
    "AUDIT_WRITE": "writes user messages into the audit log",
    "SYS_PTRACE": "resolves paths and processes of the node that it watches",
    "SYS_ADMIN": "enters the mount namespace of the node that it watches (beside host_pid it reaches no further)",
    "SYS_CHROOT": "asked for, too, when a mount namespace is entered",
    "SYS_NICE": "raises its own priority",
    "NET_ADMIN": "subscribes to kernel events",
    "NET_RAW": "captures",
    "DAC_READ_SEARCH": "reads files of other users",
    "DAC_OVERRIDE": "writes logs as root under another owner's folder",
    "CHOWN": "gives its logs to its own user",
    "FOWNER": "sets modes on its logs",
    "SETUID": "changes to its own user",
    "SETGID": "changes to its own group",
    "KILL": "stops its own helpers",
}
GATEWAY_CAPABILITIES = {
    "NET_ADMIN": "routes, filters and queues the traffic that passes through it",
    "NET_RAW": "captures the traffic that passes through it",
    "SYS_NICE": "pins and raises its worker threads",
    "IPC_LOCK": "keeps its packet buffers in memory",
    "SYS_PTRACE": "reads the memory maps of its own node's processes",
    "DAC_READ_SEARCH": "reads every file of its own node",
}
COLLECTOR_CAPABILITIES = {
    "NET_BIND_SERVICE": "listens for syslog on port 514",
    "DAC_READ_SEARCH": "reads files of other users",
    "DAC_OVERRIDE": "writes logs as root under another owner's folder",
    "CHOWN": "gives its logs to its own user",
    "FOWNER": "sets modes on its logs",
    "SETUID": "changes to its own user",
    "SETGID": "changes to its own group",
    "KILL": "stops its own helpers",
}
ALLOWED = {
    Placement.NODE: NODE_CAPABILITIES,
    Placement.SENSOR: SENSOR_CAPABILITIES,
    Placement.GATEWAY: GATEWAY_CAPABILITIES,
    Placement.COLLECTOR: COLLECTOR_CAPABILITIES,
}
FULL_BURST = 1000
ENGINE_DEFAULTS = {
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
}
"""What the engine gives every node (Docker 20.10 and later)."""
LIMITS: dict[str, tuple[float, float, str]] = {
    "mem_limit": (16 << 20, 8 << 30, "16m to 8g"),
    "disk_limit": (1 << 20, 16 << 30, "1m to 16g"),
    "pids_limit": (8, 4096, "8 to 4096"),
    "cpus": (0.1, 8, "0.1 to 8"),
}
CANARY_VALUES = ("nonce", "number")


class _Report:
    def __init__(self, path: Path, lines: Lines) -> None:
        self.problems: list[Problem] = []
        self._path, self._lines = path, lines

    def __call__(self, field: tuple[str | int, ...], found: str, allowed: str, mend: str) -> None:
        name = ".".join(str(part) for part in field)
        line = self._lines.of(field)
        self.problems.append(
            Problem(path=str(self._path), line=line, field=name, found=found, allowed=allowed, mend=mend)
        )


def lint_product(folder: Path) -> list[Problem]:
    """Every problem of `<folder>/product.yaml`."""
    path = folder / "product.yaml"
    try:
        product = read_product(folder)
        _data, lines = load_yaml(path)
    except ContentError as error:
        return list(error.problems)
    report = _Report(path, lines)
    if product.id != folder.resolve().name:
        report(("id",), product.id, f"the folder's name, {folder.resolve().name}", "Rename one of the two.")
    for index, component in enumerate(product.components):
        _lint_component(folder, component, ("components", index), report)
    _lint_arms(product, report)
    components = {component.id for component in product.components}
    for place, source in _sources(product):
        _lint_source(source, components, place, report)
        lint_reception(source, product, place, report)
    lint_ports(product, report)
    lint_secrets(product, report)
    for place, canary in _canaries(product):
        _lint_canary(canary, place, report)
    for place, question in _questions(product):
        if question.component not in components:
            report((*place, "component"), question.component, ", ".join(sorted(components)), "Name a component.")
    return report.problems


def misplaced(product: Product, path: Path, environment: Environment | None) -> list[Problem]:
    """What a product needs of an environment and does not find there; the product's folder alone can't tell.

    Args:
        product: linted.
        path: its manifest.
        environment: where it is to run; None if that could not be read.
    """
    if environment is None:
        return []
    _data, lines = load_yaml(path)
    report = _Report(path, lines)
    nodes, where = environment.nodes, f"environment {environment.id!r}"
    for index, component in enumerate(product.components):
        place = ("components", index)
        if component.placement is Placement.GATEWAY and node_of(component, nodes) is None:
            found = f"placement gateway in {where}, which has no node with that role"
            report((*place, "placement"), found, "an environment with a gateway", "Choose another environment.")
        elif _needs_node(component) and node_of(component, nodes) is None:
            found = f"{component.node!r}, which {where} does not have"
            report((*place, "node"), found, f"a node or a role of it: {', '.join(nodes)}", "Name one of them.")
        if component.mirrors is not None and component.mirrors not in environment.networks:
            found = f"{component.mirrors!r}, which {where} does not have"
            report((*place, "mirrors"), found, f"a network of it: {', '.join(environment.networks)}", "Name one.")
    for where_canary, canary in _canaries(product):
        if named(canary.node, nodes) is None:
            found = f"{canary.node!r}, which {where} does not have"
            report((*where_canary, "node"), found, f"a node or a role of it: {', '.join(nodes)}", "Name one of them.")
    return report.problems


def _needs_node(component: Component) -> bool:
    mirrors = component.network is NetworkAccess.MIRROR and component.mirrors is None
    return component.placement is Placement.NODE or component.host_pid or shares_network(component) or mirrors


def _lint_component(folder: Path, component: Component, place: tuple[str | int, ...], report: _Report) -> None:
    allowed = ALLOWED[component.placement]
    for index, need in enumerate(component.capabilities):
        if need.capability not in allowed:
            known = "; ".join(f"{name} ({why})" for name, why in allowed.items())
            has_it = is_in_node(component) and need.capability in ENGINE_DEFAULTS
            mend = "Remove it: every node has it already." if has_it else "Do without it: it would reach further."
            report((*place, "capabilities", index), need.capability, known, mend)
    lint_network(component, place, report)
    _lint_limits(component, place, report)
    if component.placement is not Placement.SENSOR and (component.host_pid or component.lock):
        found = f"host_pid or lock in a {component.placement}"
        report(place, found, "neither", "Only a sensor stands beside the engine host's kernel.")
    if component.host_pid and component.seccomp_unconfined:
        report(place, "host_pid with seccomp_unconfined", "one of the two", "Remove one.")
    context = (folder / component.build.context).resolve()
    if not context.is_relative_to(folder.resolve()):
        report((*place, "build", "context"), component.build.context, "a folder inside this one", "Move it here.")
        return
    if not (context / component.build.dockerfile).is_file():
        report((*place, "build"), component.build.dockerfile, "a Dockerfile in the context", "Add it.")
    for path in context.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            report((*place, "build", "context"), str(path.relative_to(folder)), "no links out", "Remove the link.")
    requirements = component.build.python_requirements
    if requirements is not None and not (folder / requirements).is_file():
        report((*place, "build", "python_requirements"), requirements, "a file of this folder", "Add it.")


def _lint_limits(component: Component, place: tuple[str | int, ...], report: _Report) -> None:
    sizes = {"mem_limit": size_of(component.mem_limit), "disk_limit": size_of(component.disk_limit)}
    for name, value in {**sizes, "pids_limit": component.pids_limit, "cpus": component.cpus}.items():
        least, most, words = LIMITS[name]
        if not least <= value <= most:
            report((*place, name), str(getattr(component, name)), words, "Ask for what it needs.")


def _lint_arms(product: Product, report: _Report) -> None:
    names = [arm.id for arm in product.arms]
    if not names:
        report(("arms",), "none", "at least one", "Add the arm `default`.")
    for index, arm in enumerate(product.arms):
        if names.index(arm.id) != index:
            report(("arms", index, "id"), arm.id, "an id of its own", "Rename it.")
        for name in arm.components:
            known = [component.id for component in product.components]
            if name not in known:
                report(("arms", index, "components", name), name, ", ".join(known), "Name a component.")


def _lint_source(source: Source, components: set[str], place: tuple[str | int, ...], report: _Report) -> None:
    if source.component not in components:
        report((*place, "component"), source.component, ", ".join(sorted(components)), "Name a component.")
    for field, found, allowed, mend in findings(source):
        report((*place, *field), found, allowed, mend)


def _lint_canary(canary: CanaryAction, place: tuple[str | int, ...], report: _Report) -> None:
    if not any(f"${{{name}}}" in canary.command for name in CANARY_VALUES):
        report((*place, "command"), canary.command[:80], "${nonce} or ${number} in it", "Else answers look alike.")
    for name, pattern in canary.expect.items():
        if name not in {*Observation.model_fields, "any"}:
            report((*place, "expect", name), name, "a field of Observation, or any", "Correct it.")
        complaint = objection(pattern.replace("${nonce}", "x").replace("${number}", "1"))
        if complaint:
            report((*place, "expect", name), pattern, "a regular expression that ends", f"It is {complaint}.")
    if not any("${" in pattern for pattern in canary.expect.values()):
        report((*place, "expect"), "no ${nonce} or ${number}", "one of them", "Else an old answer counts as a new one.")
    if canary.burst < FULL_BURST and canary.burst_why is None:
        found = f"{canary.burst} without burst_why"
        report((*place, "burst"), found, f"{FULL_BURST}, or the reason for fewer", "Add burst_why: {en: …, ja: …}.")


def _sources(product: Product) -> Iterator[tuple[tuple[str | int, ...], Source]]:
    for kind in ("alerts", "telemetry"):
        for index, source in enumerate(getattr(product, kind)):
            yield (kind, index), source
        for number, arm in enumerate(product.arms):
            for index, source in enumerate(getattr(arm, kind) or ()):
                yield ("arms", number, kind, index), source


def _questions(product: Product) -> Iterator[tuple[tuple[str | int, ...], Ask]]:
    yield ("version",), product.version
    if product.content_version is not None:
        yield ("content_version",), product.content_version
    for index, question in enumerate(product.notes):
        yield ("notes", index), question
    for number, arm in enumerate(product.arms):
        for index, question in enumerate(arm.notes):
            yield ("arms", number, "notes", index), question


def _canaries(product: Product) -> Iterator[tuple[tuple[str | int, ...], CanaryAction]]:
    yield ("canary",), product.canary
    for number, arm in enumerate(product.arms):
        if arm.canary is not None:
            yield ("arms", number, "canary"), arm.canary
