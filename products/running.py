"""Starting a product's components by their placement.

A product is hostile until shown otherwise: it gets the capabilities that its manifest declares (lint keeps
them to the allow-list), no network beyond its placement's, no host path and no engine socket, and bounded memory,
CPU, processes and disk.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.beside import as_loghost, mirror_port, network_of, no_network
from environments.engine import LOG
from environments.intake import Intake, intake_image
from environments.labels import TEARDOWN
from environments.pipe import Pipe, attach, exec_pid, execute
from environments.standing import RunningNode, Target, copy_into, prove_isolation, remove_quietly, write_into
from environments.sweep import undo
from products.certificate import CA_PATH, Certificate
from products.manifest import Arm, Component, ContentMount, NetworkAccess, Placement, Product
from products.placement import addresses_by_name, is_in_node, mirrored_network, node_of, shares_network
from products.secret import Secrets
from products.sources import Lines, Place, Sources
from results.errors import TargetError


@dataclass(frozen=True)
class Circumstances:
    """What starting any component of a product needs."""

    target: Target
    product: Product
    arm: Arm
    images: Mapping[str, str]
    """Component -> image tag (for those with a container of their own)."""
    content: Mapping[str, Path]
    """Content id -> folder that the user gave."""
    labels: Mapping[str, str]
    secrets: Secrets
    certificate: Certificate | None
    """For syslog over TLS."""
    on_words: Callable[[str, bytes], None]
    """Called with component and line of whatever it writes."""
    on_end: Callable[[], None]
    """Called when a component has ended."""


@dataclass(frozen=True)
class RunningComponent:
    """One component that was started."""

    definition: Component
    container_id: str
    pid: int
    """Of the first process of its container, in the engine host's pid namespace."""
    start_pid: int | None
    """Of its `start` command; None if that has ended already."""
    node: str | None
    """The node whose container it is in; None if it has one of its own."""
    intake: Intake | None
    proof: tuple[str, ...]
    """How it was proven that it has no way out, if it is on a network that is no node's."""


def start_component(
    stack: ExitStack, circumstances: Circumstances, component: Component, sources: Sources
) -> RunningComponent:
    """Start a component and everything that takes its records; all ends with the stack.

    Raises:
        TargetError: ours or the engine's fault.
    """
    if is_in_node(component):
        return _start_in_node(stack, circumstances, component, sources)
    return _start_beside(stack, circumstances, component, sources)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Replace each `${name}` that has a value; everything else, `$$` too, stays as it is written."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match.group(1), match.group(0)), text)


def _start_in_node(
    stack: ExitStack, circumstances: Circumstances, component: Component, sources: Sources
) -> RunningComponent:
    target, engine = circumstances.target, circumstances.target.engine
    node = _node(circumstances, component)
    intake = None
    if sources.needs_intake:
        intake = _intake(stack, circumstances, sources, network_of(node.container_id))
    _lay_out(circumstances, component, node.container_id, sources)
    environment = _environment(circumstances, component, sources)
    exec_id, raw = execute(engine, node.container_id, component.start, environment=environment)
    stack.callback(_listen(circumstances, component, sources, raw).close)
    pid = exec_pid(engine, exec_id)
    if pid is not None:
        target.track(node.name, pid)
    place = Place(engine, target.witness, node.container_id, node.pid, lambda pid: target.track(node.name, pid))
    sources.begin(stack, place, intake)
    return RunningComponent(component, node.container_id, node.pid, pid, node.name, intake, ())


def _start_beside(
    stack: ExitStack, circumstances: Circumstances, component: Component, sources: Sources
) -> RunningComponent:
    target, engine = circumstances.target, circumstances.target.engine
    network, intake, proof = _network(stack, circumstances, component, sources)
    marks = dict(circumstances.labels)
    if component.teardown:
        marks[TEARDOWN] = json.dumps(list(component.teardown))
    container: Any = engine.client.containers.create(
        circumstances.images[component.id],
        command=list(component.start),
        environment=_environment(circumstances, component, sources),
        labels=marks,
        init=True,
        stdin_open=True,
        pid_mode="host" if component.host_pid else None,
        cap_drop=["ALL"],
        cap_add=[need.capability for need in component.capabilities],
        security_opt=["seccomp=unconfined"] if component.seccomp_unconfined else [],
        mem_limit=component.mem_limit,
        nano_cpus=int(component.cpus * 1e9),
        pids_limit=component.pids_limit,
        log_config=LOG,
        **network,
    )
    container_id = str(container.id)
    stack.callback(remove_quietly, lambda: container.remove(force=True, v=True))
    if component.teardown:
        stack.callback(undo, engine, container, list(component.teardown))
    _lay_out(circumstances, component, container_id, sources)
    stack.callback(_listen(circumstances, component, sources, attach(engine, container_id)).close)
    container.start()
    container.reload()
    pid = int(container.attrs["State"]["Pid"])
    sources.begin(stack, Place(engine, target.witness, container_id, pid, lambda _pid: None), intake)
    return RunningComponent(component, container_id, pid, pid, None, intake, proof)


def _network(
    stack: ExitStack, circumstances: Circumstances, component: Component, sources: Sources
) -> tuple[dict[str, Any], Intake | None, tuple[str, ...]]:
    """How its container is connected, its intake, and the proof that this is no way out.

    The intake comes first and holds the network namespace: it listens, and a mirror port is there, before the product
    runs.
    """
    target = circumstances.target
    if shares_network(component):
        joined = network_of(_node(circumstances, component).container_id)
        return joined, _intake(stack, circumstances, sources, joined) if sources.needs_intake else None, ()
    mirrored = component.network is NetworkAccess.MIRROR
    collects = component.placement is Placement.COLLECTOR
    if not (sources.needs_intake or mirrored or collects):
        return no_network(), None, ()
    own = as_loghost(target) if collects else no_network()
    intake = _intake(stack, circumstances, sources, {**own, "hostname": component.id})
    if mirrored:
        stack.enter_context(mirror_port(target, mirrored_network(component, target.definitions()) or "", intake.pid))
    proof = prove_isolation(target.witness, {component.id: intake.pid}) if mirrored or collects else ()
    return network_of(intake.container_id), intake, proof


def _intake(stack: ExitStack, circumstances: Circumstances, sources: Sources, network: Mapping[str, Any]) -> Intake:
    engine = circumstances.target.engine
    return stack.enter_context(
        Intake(
            engine, intake_image(engine, lambda _line: None), circumstances.labels, network, sources.settings(),
            sources.on_record, sources.on_refused,
        )
    )  # fmt: skip


def _listen(circumstances: Circumstances, component: Component, sources: Sources, raw: Any) -> Pipe:  # noqa: ANN401
    def on_line(line: bytes, received_ns: int) -> None:
        circumstances.on_words(component.id, line)
        sources.on_printed(line, received_ns)

    words = Lines(lambda line, _ns: circumstances.on_words(component.id, line))
    return Pipe(raw, Lines(on_line).feed, words.feed, circumstances.on_end)


def _lay_out(circumstances: Circumstances, component: Component, container_id: str, sources: Sources) -> None:
    """Copy what a component needs into its container: content, secrets, the authority of its TLS certificate."""
    engine = circumstances.target.engine
    for mount in contents(circumstances.arm, component):
        copy_into(engine, container_id, circumstances.content[mount.id], mount.path)
    for secret in circumstances.product.secrets:
        if secret.component == component.id and secret.path is not None:
            write_into(engine, container_id, secret.path, circumstances.secrets[secret.id], 0o400)
    if sources.uses_tls and circumstances.certificate is not None:
        write_into(engine, container_id, CA_PATH, circumstances.certificate.authority, 0o444)


def contents(arm: Arm, component: Component) -> tuple[ContentMount, ...]:
    """The content that a component needs in an arm."""
    changed = arm.components.get(component.id)
    return component.content + (changed.content if changed else ())


def _environment(circumstances: Circumstances, component: Component, sources: Sources) -> dict[str, str]:
    target = circumstances.target
    facts = {**addresses_by_name(target), "intake_ca": CA_PATH}
    if sources.webhook_secret is not None:
        facts["webhook_secret"] = sources.webhook_secret
    name = node_of(component, target.definitions())
    if name is not None:
        node = target.nodes[name]
        facts |= {"node_pid": str(node.pid), "node_address": node.addresses[0] if node.addresses else ""}
    for name, other in target.nodes.items():
        facts[f"{name}_address"] = other.addresses[0] if other.addresses else ""
    changed = circumstances.arm.components.get(component.id)
    declared = {**component.environment, **(changed.environment if changed else {})}
    environment = {name: filled(value, facts) for name, value in declared.items()}
    for secret in circumstances.product.secrets:
        if secret.component == component.id and secret.variable is not None:
            environment[secret.variable] = circumstances.secrets[secret.id]
    return environment


def _node(circumstances: Circumstances, component: Component) -> RunningNode:
    """The node that a component sits in or watches.

    Raises:
        TargetError: the environment has none (preparing a campaign refuses such a product).
    """
    nodes = circumstances.target.nodes
    name = node_of(component, circumstances.target.definitions())
    if name is None:
        raise TargetError(f"component {component.id!r} has no node in this environment; nodes: {', '.join(nodes)}")
    return nodes[name]
