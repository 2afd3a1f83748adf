"""Deploying a product: its components by their placement, its alerts into the collector, and its canaries.

A product is hostile until shown otherwise: it gets the capabilities that its manifest declares (lint keeps
them to the allow-list), no network of its own, no host path and no engine socket, and bounded memory, CPU and
processes.
"""

import json
import re
import secrets
import string
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from environments.engine import NOT_ANSWERING
from environments.labels import TEARDOWN
from environments.manifest import Role
from environments.pipe import Pipe, attach, exec_pid, execute
from environments.session import Session
from environments.standing import RunningNode, Target, copy_into, remove_quietly, run_in
from environments.sweep import undo
from environments.waiting import wait_until
from products.collect import Collector
from products.manifest import Arm, Ask, CanaryAction, Component, Product, Source
from products.placement import is_in_node, named, node_of, shares_network
from results.errors import ProductError, TargetError
from results.records import Canary, Objects, StepExecution, StepKind, Text

LINE_CAP = 1 << 20
"""Bytes of one line that are kept; a product that never ends its line fills no memory."""


class Lines:
    """Cuts a stream into lines for the collector."""

    def __init__(self, on_line: Callable[[bytes, int], None]) -> None:
        """Deliver each line with the time (UTC ns) at which its end was received."""
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        received_ns = time.time_ns()
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._on_line(line, received_ns)
        self._rest = rest[:LINE_CAP]


class Deployment:
    """A product that runs in a target."""

    def __init__(self, target: Target, product: Product, arm: Arm, collector: Collector, stop: threading.Event) -> None:
        """Nothing runs yet; see `deploy`."""
        self.target = target
        self.product = product
        self.arm = arm
        self.collector = collector
        self.canaries: list[Canary] = []
        self.canary_steps: list[StepExecution] = []
        self.died = threading.Event()
        self.pids: dict[str, int] = {}
        """Component in a container of its own -> its first process, in the engine host's pid namespace."""
        self._stop = stop
        self._containers: dict[str, str] = {}
        self._logs: dict[str, list[str]] = {}
        self._closing = False
        self._session: Session | None = None

    def ask(self, question: Ask) -> str | None:
        """What the running product answers, or None if its answer has not the declared form."""
        _code, output = run_in(self.target.engine, self._containers[question.component], question.command)
        found = re.search(question.pattern, output)
        return (found.group(1) if found.groups() else found.group(0)).strip()[:500] if found else None

    def wait_ready(self) -> None:
        """Wait until each component's ready check passes.

        Raises:
            ProductError: it never does, or the product ends.
        """
        for component in self.product.components:
            if component.ready is None:
                continue
            command, container = component.ready.command, self._containers[component.id]

            def passes(command: Sequence[str] = command, container: str = container) -> bool:
                self.check_alive()
                return run_in(self.target.engine, container, command)[0] == 0

            if not wait_until(passes, component.ready.timeout_s, self._stop, interval_s=0.2):
                raise ProductError(
                    f"component {component.id!r}: its ready check `{' '.join(command)}` did not pass within "
                    f"{component.ready.timeout_s:.0f} s. {self.last_words()}"
                )

    def check_alive(self) -> None:
        """Raises ProductError if a component has ended."""
        if self.died.is_set():
            raise ProductError(f"the product ended. {self.last_words()}")

    def last_words(self) -> str:
        """The end of what the components wrote, for a person."""
        words = [f"{name}: {' | '.join(lines[-5:])}" for name, lines in self._logs.items() if lines]
        return f"Last output: {'; '.join(words)[-800:]}" if words else "It wrote nothing."

    def show_canary(self, phase: str) -> bool:
        """Do the product's canary and wait for its answer through the product's whole path.

        Returns:
            Whether the answer came in time.
        """
        action = self.arm.canary or self.product.canary
        nonce, number = _nonce(), str(secrets.randbelow(250) + 1)
        fill = {**self._addresses(), "nonce": nonce, "number": number}
        command = filled(action.command, fill)
        expect = {name: filled(pattern, fill) for name, pattern in action.expect.items()}
        sent_ns, attempts, answer = time.time_ns(), 0, None
        deadline = time.monotonic() + action.timeout_s
        while answer is None and time.monotonic() < deadline and not self.died.is_set():
            attempts += 1
            self._act(action, command, f"canary-{phase}-{attempts}")
            patience_s = deadline - time.monotonic()
            if phase == "ready":
                patience_s = min(action.retry_s, patience_s)
            answer = self.collector.await_canary(expect, action.in_telemetry, patience_s, self._stop)
        received_ns = answer.received_ns if answer else None
        self.canaries.append(
            Canary(phase=phase, nonce=nonce, sent_ns=sent_ns, received_ns=received_ns, attempts=attempts)
        )
        return answer is not None

    def _addresses(self) -> dict[str, str]:
        """`<node or role>_addresses` -> every address of those nodes, with blanks between; empty if there is none."""
        found = {f"{role}_addresses": "" for role in Role}
        for name, node in self.target.nodes.items():
            for key in {f"{name}_addresses", f"{node.definition.role}_addresses"}:
                found[key] = " ".join([*found.get(key, "").split(), *node.addresses])
        return found

    def close_session(self) -> None:
        """End the session that canaries were done in."""
        if self._session is not None:
            self._session.close()

    def _act(self, action: CanaryAction, command: str, step_id: str) -> None:
        node = named(action.node, self.target.definitions())
        if node is None:
            raise TargetError(f"the canary's node {action.node!r} is not in this environment")
        if self._session is None:
            self._session = self.target.open_session(node, action.user)
        finished = self._session.run("bash", command, action.timeout_s)
        if finished is None:
            raise ProductError(f"its canary `{command}` did not end within {action.timeout_s:.0f} s")
        self.target.witness.sync()
        leader = self.target.witness.children(self._session.pid)[-1:]
        tree = self.target.witness.tree(leader[0]) if leader else []
        self.canary_steps.append(
            StepExecution(
                step_id=step_id,
                position=len(self.canary_steps),
                kind=StepKind.CANARY,
                title=Text(en="The product's own canary", ja="製品自身のカナリア"),
                technique=None,
                tactics=(),
                procedure="",
                procedure_name="",
                node=node,
                container_id=self.target.nodes[node].container_id,
                user=action.user,
                executor="bash",
                executed=command,
                started_ns=finished.started_ns,
                ended_ns=finished.ended_ns,
                leader_pid=leader[0].pid if leader else None,
                processes=tuple(process.record() for process in tree),
                exit_code=finished.exit_code,
                timed_out=False,
                stdout=finished.stdout,
                stderr=finished.stderr,
                verified=None,
                facts=(),
                cleanup="not needed: the environment is thrown away after the trial",
                twin_of=None,
                needs=(),
                not_run=None,
                objects=Objects(files=action.touches),
                criteria=(),
                data_components=(),
            )
        )

    def _start(
        self,
        stack: ExitStack,
        component: Component,
        image: str,
        content: Mapping[str, Path],
        labels: Mapping[str, str],
    ) -> None:
        followed = self._followers(component)
        if is_in_node(component):
            container_id = self._node(component).container_id
            self._start_in_node(stack, component, container_id, content, followed)
        else:
            container_id = self._start_beside(stack, component, image, content, labels, followed)
        self._containers[component.id] = container_id
        for index, (_kind, source) in enumerate(self.collector.sources):
            if source.component == component.id and source.file is not None:
                self._follow_file(stack, container_id, index, source.file, component)

    def _start_beside(
        self,
        stack: ExitStack,
        component: Component,
        image: str,
        content: Mapping[str, Path],
        labels: Mapping[str, str],
        followed: Callable[[bytes], None],
    ) -> str:
        engine = self.target.engine
        marks = dict(labels)
        if component.teardown:
            marks[TEARDOWN] = json.dumps(list(component.teardown))
        container = engine.client.containers.create(
            image,
            command=list(component.start),
            environment=self._environment(component),
            labels=marks,
            init=True,
            stdin_open=True,
            network_mode=f"container:{self._node(component).container_id}" if shares_network(component) else "none",
            pid_mode="host" if component.host_pid else None,
            cap_drop=["ALL"],
            cap_add=[need.capability for need in component.capabilities],
            security_opt=["seccomp=unconfined"] if component.seccomp_unconfined else [],
            mem_limit=component.mem_limit,
            nano_cpus=int(component.cpus * 1e9),
            pids_limit=component.pids_limit,
        )
        container_id = str(container.id)
        stack.callback(remove_quietly, lambda: container.remove(force=True, v=True))
        if component.teardown:
            stack.callback(undo, engine, container, list(component.teardown))
        for mount in self._content(component):
            copy_into(engine, container_id, content[mount.id], mount.path)
        words = Lines(lambda line, _ns: self._say(component.id, line))
        pipe = Pipe(attach(engine, container_id), followed, words.feed, self._ended)
        stack.callback(pipe.close)
        container.start()
        container.reload()
        self.pids[component.id] = int(container.attrs["State"]["Pid"])
        return container_id

    def _start_in_node(
        self,
        stack: ExitStack,
        component: Component,
        container_id: str,
        content: Mapping[str, Path],
        followed: Callable[[bytes], None],
    ) -> None:
        engine = self.target.engine
        for mount in self._content(component):
            copy_into(engine, container_id, content[mount.id], mount.path)
        exec_id, raw = execute(engine, container_id, component.start, environment=self._environment(component))
        words = Lines(lambda line, _ns: self._say(component.id, line))
        pipe = Pipe(raw, followed, words.feed, self._ended)
        stack.callback(pipe.close)
        pid = exec_pid(engine, exec_id)
        if pid is not None:
            self.target.track(self._node(component).name, pid)

    def _followers(self, component: Component) -> Callable[[bytes], None]:
        """What receives the component's stdout: its last words, and the sources that read it."""
        indices = [
            index
            for index, (_kind, source) in enumerate(self.collector.sources)
            if source.component == component.id and source.container_log
        ]

        def on_line(line: bytes, received_ns: int) -> None:
            self._say(component.id, line)
            for index in indices:
                self.collector.feed(index, line, received_ns)

        return Lines(on_line).feed

    def _follow_file(self, stack: ExitStack, container_id: str, index: int, path: str, component: Component) -> None:
        """Follow a log file in a component's container, over rotation, from its beginning."""
        lines = Lines(lambda line, received_ns: self.collector.feed(index, line, received_ns))
        command = ["tail", "-n", "+1", "-s", "0.2", "-F", path]
        exec_id, raw = execute(self.target.engine, container_id, command, stdin=False)
        pipe = Pipe(raw, lines.feed, lambda _data: None, lambda: None)
        stack.callback(pipe.close)
        pid = exec_pid(self.target.engine, exec_id)
        if pid is not None and is_in_node(component):
            self.target.track(self._node(component).name, pid)

    def _environment(self, component: Component) -> dict[str, str]:
        facts = {}
        name = node_of(component, self.target.definitions())
        if name is not None:
            node = self.target.nodes[name]
            facts = {"node_pid": str(node.pid), "node_address": node.addresses[0] if node.addresses else ""}
        for name, other in self.target.nodes.items():
            facts[f"{name}_address"] = other.addresses[0] if other.addresses else ""
        changed = self.arm.components.get(component.id)
        environment = {**component.environment, **(changed.environment if changed else {})}
        return {name: filled(value, facts) for name, value in environment.items()}

    def _node(self, component: Component) -> RunningNode:
        """The node that a component sits in or watches.

        Raises:
            TargetError: the environment has none (preparing a campaign refuses such a product).
        """
        name = node_of(component, self.target.definitions())
        if name is None:
            raise TargetError(f"component {component.id!r} has no node in this environment")
        return self.target.nodes[name]

    def _content(self, component: Component) -> tuple[Any, ...]:
        changed = self.arm.components.get(component.id)
        return component.content + (changed.content if changed else ())

    def _say(self, component: str, line: bytes) -> None:
        words = self._logs.setdefault(component, [])
        words.append(line[:500].decode("utf-8", "backslashreplace"))
        del words[:-50]

    def _ended(self) -> None:
        if not self._closing:
            self.died.set()


def sources_of(product: Product, arm: Arm) -> list[tuple[str, Source]]:
    """The arm's sources, each with `alerts` or `telemetry`."""
    alerts = product.alerts if arm.alerts is None else arm.alerts
    telemetry = product.telemetry if arm.telemetry is None else arm.telemetry
    return [("alerts", source) for source in alerts] + [("telemetry", source) for source in telemetry]


@contextmanager
def deploy(
    target: Target,
    product: Product,
    arm: Arm,
    images: Mapping[str, str],
    content: Mapping[str, Path],
    labels: Mapping[str, str],
    stop: threading.Event,
) -> Iterator[Deployment]:
    """A product in a target for as long as the block lasts; always taken down, its kernel state undone.

    Args:
        target: the running environment.
        product: what to deploy.
        arm: in which configuration.
        images: component -> image tag (for sensors; a node's product is in the node's image).
        content: content id -> folder that the user gave.
        labels: for every resource.
        stop: set to give up waiting.

    Raises:
        ProductError: a component does not start.
        TargetError: the engine failed.
    """

    def translate(component: str, node_pid: int) -> int | None:
        part = next(entry for entry in product.components if entry.id == component)
        node = node_of(part, target.definitions())
        return None if node is None else target.witness.host_pid(node_pid, target.roots[node])

    collector = Collector(sources_of(product, arm), translate)
    deployment = Deployment(target, product, arm, collector, stop)
    with ExitStack() as stack:
        try:
            for component in product.components:
                deployment._start(stack, component, images.get(component.id, ""), content, labels)
        except NOT_ANSWERING as error:
            try:
                target.engine.client.ping()
            except NOT_ANSWERING:
                raise TargetError(f"the engine went away while the product was deployed: {error}") from error
            raise ProductError(f"component {component.id!r} does not start: {error}") from error
        try:
            yield deployment
        finally:
            deployment._closing = True
            deployment.close_session()


def filled(text: str, values: Mapping[str, str]) -> str:
    """Replace each `${name}` that has a value; everything else, `$$` too, stays as it is written."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match.group(1), match.group(0)), text)


def _nonce() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))
