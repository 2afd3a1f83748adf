"""Deploying a product: its components, its alerts into the collector, its canaries, and what it did besides."""

import re
import secrets
import string
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from environments.engine import NOT_ANSWERING
from environments.session import Session
from environments.standing import Target, run_in
from environments.waiting import wait_until
from products.certificate import new_certificate
from products.collect import Collector
from products.guard import Guard
from products.manifest import Arm, Ask, CanaryAction, Product, Source, Transport
from products.placement import addresses_by_name, named, node_of
from products.running import Circumstances, RunningComponent, filled, start_component
from products.secret import Secrets
from products.sources import Sources
from results.errors import ProductError, TargetError
from results.records import Canary, Objects, StepExecution, StepKind, Text


class Deployment:
    """A product that runs in a target."""

    def __init__(
        self, target: Target, product: Product, arm: Arm, collector: Collector, given: Secrets, stop: threading.Event
    ) -> None:
        """Nothing runs yet; see `deploy`."""
        self.target = target
        self.product = product
        self.arm = arm
        self.collector = collector
        self.canaries: list[Canary] = []
        self.canary_steps: list[StepExecution] = []
        self.died = threading.Event()
        self.components: list[RunningComponent] = []
        self._began_ns = time.time_ns()
        self._stopped: str | None = None
        self._guard = Guard(target, self._on_stopped)
        self._redactor = given.redactor()
        self._stop = stop
        self._logs: dict[str, list[str]] = {}
        self._closing = False
        self._session: Session | None = None

    def ask(self, question: Ask) -> str | None:
        """What the running product answers, or None if its answer has not the declared form."""
        _code, output = run_in(self.target.engine, self._container_of(question.component), question.command)
        output = self._redactor.text(output)
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
            command, container = component.ready.command, self._container_of(component.id)

            def passes(command: Sequence[str] = command, container: str = container) -> bool:
                self.check_alive()
                return run_in(self.target.engine, container, command)[0] == 0

            if not wait_until(passes, component.ready.timeout_s, self._stop, interval_s=0.2):
                raise ProductError(
                    f"component {component.id!r}: its ready check `{' '.join(command)}` did not pass within "
                    f"{component.ready.timeout_s:.0f} s. {self.last_words()}"
                )

    def check_alive(self) -> None:
        """Raises ProductError if a component has ended or had to be stopped, TargetError if an intake has."""
        self.check_stopped()
        if any(running.intake is not None and running.intake.has_ended for running in self.components):
            raise TargetError("an intake ended while the product ran")
        if self.died.is_set():
            raise ProductError(f"the product ended. {self.last_words()}")

    def check_stopped(self) -> None:
        """Raises ProductError if the product had to be stopped."""
        if self._stopped is not None:
            raise ProductError(f"it was stopped: {self._stopped}")

    def last_words(self) -> str:
        """The end of what the components wrote, for a person."""
        words = [f"{name}: {' | '.join(lines[-5:])}" for name, lines in self._logs.items() if lines]
        said = f"Last output: {'; '.join(words)[-800:]}" if words else "It wrote nothing."
        return " ".join([said, *self.collector.troubles()])

    @property
    def pids(self) -> dict[str, int]:
        """Component in a container of its own -> its first process, in the engine host's pid namespace."""
        return {running.definition.id: running.pid for running in self.components if running.node is None}

    @property
    def proof(self) -> tuple[str, ...]:
        """How it was proven that no component has a way out, for those that have a network beyond their node's."""
        return tuple(line for running in self.components for line in running.proof)

    def conduct(self) -> tuple[str, ...]:
        """What the product did that no product should, in words. To be asked while it still runs."""
        return (*self._guard.conduct(), *self.collector.conduct(self._began_ns))

    def show_canary(self, phase: str) -> bool:
        """Do the product's canary and wait for its answer through the product's whole path.

        Returns:
            Whether the answer came in time.
        """
        action = self.arm.canary or self.product.canary
        nonce, number = _nonce(), str(secrets.randbelow(250) + 1)
        fill = {**addresses_by_name(self.target), "nonce": nonce, "number": number}
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
            answer = self.collector.await_canary(expect, action.in_telemetry, patience_s, self._stop, self.died)
        received_ns = answer.received_ns if answer else None
        self.canaries.append(
            Canary(phase=phase, nonce=nonce, sent_ns=sent_ns, received_ns=received_ns, attempts=attempts)
        )
        return answer is not None

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

    def _say(self, component: str, line: bytes) -> None:
        words = self._logs.setdefault(component, [])
        words.append(self._redactor.line(line)[:500].decode("utf-8", "backslashreplace"))
        del words[:-50]

    def _container_of(self, component: str) -> str:
        return next(running.container_id for running in self.components if running.definition.id == component)

    def _on_stopped(self, why: str) -> None:
        self._stopped = why
        self.died.set()

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
    given: Secrets | None = None,
) -> Iterator[Deployment]:
    """A product in a target for as long as the block lasts; always taken down, its kernel state undone.

    Args:
        target: the running environment; stood up with `management` if the product has a collector.
        product: what to deploy.
        arm: in which configuration.
        images: component -> image tag (for those beside the nodes; a node's product is in the node's image).
        content: content id -> folder that the user gave.
        labels: for every resource.
        stop: set to give up waiting.
        given: the product's secrets (see `find_secrets`); if not given, none but a drawn one for webhooks.

    Raises:
        ProductError: a component does not start.
        TargetError: the engine failed.
    """

    def translate(component: str, node_pid: int) -> int | None:
        part = next(entry for entry in product.components if entry.id == component)
        node = node_of(part, target.definitions())
        return None if node is None else target.witness.host_pid(node_pid, target.roots[node])

    known = given if given is not None else Secrets().drawn_for(product, arm)
    collector = Collector(sources_of(product, arm), translate, redactor=known.redactor())
    deployment = Deployment(target, product, arm, collector, known, stop)
    with ExitStack() as stack:
        _start(stack, deployment, images, content, labels, known)
        try:
            yield deployment
        finally:
            deployment._closing = True
            deployment._guard.end()
            deployment.close_session()


def _start(
    stack: ExitStack,
    deployment: Deployment,
    images: Mapping[str, str],
    content: Mapping[str, Path],
    labels: Mapping[str, str],
    given: Secrets,
) -> None:
    """Start every component, and the guard over them."""
    product, collector, target = deployment.product, deployment.collector, deployment.target
    uses_tls = any(s.syslog is not None and s.syslog.transport is Transport.TLS for _kind, s in collector.sources)
    certificate = new_certificate() if uses_tls else None
    circumstances = Circumstances(
        target, product, deployment.arm, images, content, labels, given, certificate, deployment._say, deployment._ended
    )
    name = ""
    try:
        for component in product.components:
            name = component.id
            sources = Sources(component.id, collector, given, certificate)
            deployment.components.append(start_component(stack, circumstances, component, sources))
        deployment._guard.begin(deployment.components)
    except NOT_ANSWERING as error:
        try:
            target.engine.client.ping()
        except NOT_ANSWERING:
            raise TargetError(f"the engine went away while the product was deployed: {error}") from error
        raise ProductError(f"component {name!r} does not start: {error}") from error


def _nonce() -> str:
    return "".join(secrets.choice(string.ascii_lowercase) for _ in range(8))
