"""Standing up an environment and taking it down: fresh networks without a way out, fresh nodes."""

import io
import secrets
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker.errors
import docker.types

from environments.engine import LOG, NOT_ANSWERING, Engine
from environments.manifest import Environment, Healthcheck, Node, Role
from environments.session import Session
from environments.waiting import wait_until
from environments.witness import Witness
from results.errors import TargetError
from results.records import Slug

UNROUTABLE_DNS = "203.0.113.53"
"""RFC 5737: the engine's resolver gets no upstream, so a name is no way out either."""
PROBE_PORTS = (22, 53, 80, 443, 2375)
PROBE_TIMEOUT_S = 0.4
LOGHOST = "loghost"
"""The name by which the nodes know a collector."""
MANAGEMENT_TRIES = 20
MANAGEMENT = "the collector's"
"""Not a slug, so that no environment has a network of that name."""
DELETED = 2
"""Engine API, `ContainerChanges`: 0 modified, 1 added, 2 deleted."""


@dataclass(frozen=True)
class NodeExtra:
    """What a product that sits in a node asks for beyond the node's own definition."""

    capabilities: tuple[str, ...] = ()
    seccomp_unconfined: bool = False


@dataclass(frozen=True)
class RunningNode:
    """One node that is up."""

    name: Slug
    definition: Node
    container_id: str
    pid: int
    """Of its first process, in the engine host's pid namespace."""
    addresses: tuple[str, ...]
    """In the order of its networks."""
    layer: str | None = None
    """Overlayfs's upper folder of the container, relative to the engine's own; None with another storage driver."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a product may call it by."""
        return (self.definition.hostname, self.container_id, self.container_id[:12], *self.addresses)


@dataclass(frozen=True)
class Target:
    """One running instance of an environment."""

    engine: Engine
    nodes: dict[Slug, RunningNode]
    witness: Witness
    proof: tuple[str, ...]
    """How it was proven that no node has a way out."""
    roots: dict[Slug, set[int]]
    """Node -> the processes that were started in it from outside, in the engine host's pid namespace."""
    networks: dict[Slug, str]
    """Network -> its id in the engine."""
    management: str | None = None
    """Id of the network on which the nodes reach a product's collector, if the trial has one."""
    loghost: str | None = None
    """Address that the collector has to take there: the nodes know it from their beginning."""

    def definitions(self) -> dict[Slug, Node]:
        """Each node as its environment defines it."""
        return {name: node.definition for name, node in self.nodes.items()}

    def is_up(self, node: str) -> bool:
        """Whether a node's first process still runs."""
        return node_is_up(self.engine, self.nodes[node].container_id)

    def track(self, node: str, pid: int) -> None:
        """Let the witness follow a process that was started in a node from outside."""
        self.roots[node].add(pid)
        self.witness.track(pid)

    def open_session(self, node: str, user: str) -> Session:
        """Open a user's shell in a node and let the witness follow it."""
        running = self.nodes[node]
        login = running.definition.logins.get(user)
        home = self.home(node, user)
        session = Session(
            self.engine, running.container_id, user, home, login.login_uid if login is not None else None,
            running.definition.boot_capabilities,
        )  # fmt: skip
        self.track(node, session.pid)
        for capability in running.definition.boot_capabilities:
            if capability in self.witness.bounding_set(session.pid):
                session.close()
                raise TargetError(f"a session in node {node!r} could have {capability}; allowed: never")
        return session

    def home(self, name: str, user: str) -> str:
        """A user's home folder in a node."""
        node = self.nodes[name]
        lines = (self.witness.text(node.pid, "/etc/passwd") or "").splitlines()
        for line in lines:
            fields = line.split(":")
            if fields[0] == user:
                return fields[5]
        raise TargetError(f"node {node.name!r} has no user {user!r}; users: {[x.split(':')[0] for x in lines]}")


@contextmanager
def stand_up(
    engine: Engine,
    environment: Environment,
    images: Mapping[str, str],
    witness: Witness,
    labels: Mapping[str, str],
    extras: Mapping[str, NodeExtra],
    stop: threading.Event,
    lent: Mapping[str, Any] | None = None,
    management: bool = False,
) -> Iterator[Target]:
    """A running environment for as long as the block lasts; always taken down.

    Args:
        engine: where.
        environment: the definition.
        images: node -> image tag.
        witness: watches the nodes.
        labels: for every resource, so that a sweep finds it.
        extras: node -> what a product in it needs.
        stop: set to give up waiting.
        lent: networks that outlive this environment (see `internal_networks`), instead of fresh ones.
        management: give every node but the attackers one more network, for a product's collector.

    Raises:
        TargetError: a node does not come up, or a node has a way out.
    """
    networks: dict[str, Any] = {}
    loghost = "127.0.0.1"  # where nobody listens: looking the name up would take the node's syslog ten seconds
    borrowed = dict(lent or {})
    containers: list[Any] = []
    try:
        for name in environment.networks:
            if name not in borrowed:
                networks[name] = _create_network(engine, labels)
        if management:
            networks[MANAGEMENT], loghost = _create_management(engine, labels)
        everyone = {**networks, **borrowed}
        with ThreadPoolExecutor(max_workers=max(1, len(environment.nodes))) as pool:
            jobs = {
                name: pool.submit(
                    _start_node,
                    engine,
                    node,
                    images[name],
                    _networks_of(node, everyone),
                    labels,
                    extras.get(name, NodeExtra()),
                    loghost,
                    containers,
                )
                for name, node in environment.nodes.items()
            }
            started = {name: job.result() for name, job in jobs.items()}
        top = engine.folder()
        nodes = {
            name: _running(name, node, started[name], top, _networks_of(node, everyone))
            for name, node in environment.nodes.items()
        }
        for node in nodes.values():
            witness.track(node.pid)
        for node in nodes.values():
            _await_health(engine, witness, node, stop)
            _prove_given_up(witness, node)
        roots = {name: {node.pid} for name, node in nodes.items()}
        ids = {name: str(everyone[name].id) for name in environment.networks}
        proof = prove_isolation(witness, {name: node.pid for name, node in nodes.items()})
        where = (str(networks[MANAGEMENT].id), loghost) if management else (None, None)
        yield Target(engine, nodes, witness, proof, roots, ids, *where)
    except NOT_ANSWERING as error:
        raise TargetError(f"the engine failed while the environment was up: {error}") from error
    finally:
        _take_down(containers, list(networks.values()))


@contextmanager
def internal_networks(engine: Engine, names: Sequence[str], labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Networks without a way out, for environments that follow one another: making one costs as much as a node."""
    networks: dict[str, Any] = {}
    try:
        for name in names:
            networks[name] = _create_network(engine, labels)
        yield networks
    finally:
        _take_down([], list(networks.values()))


def prove_isolation(witness: Witness, pids: Mapping[str, int]) -> tuple[str, ...]:
    """Prove that no node can reach the engine host, and through it anything outside.

    Any answer counts as a way out, even a refused connection: a host that can be reached refuses at once.

    Args:
        witness: tries it.
        pids: node, or a product's component -> its first process, in the engine host's pid namespace.

    Raises:
        TargetError: a node has a way out.
    """
    hosts = [address for address in witness.ask("host_addresses")["addresses"] if not address.startswith("127.")]
    targets = [(address, port) for address in hosts for port in PROBE_PORTS]
    found = witness.ask("reach", pids=dict(pids), targets=targets, timeout_s=PROBE_TIMEOUT_S)["answers"]
    proof = []
    for name, answers in found.items():
        if "error" in answers:
            raise TargetError(f"node {name!r}: its isolation could not be tried: {answers['error']}")
        reached = {place: answer for place, answer in answers.items() if answer in ("CONNECTED", "ECONNREFUSED")}
        if reached:
            raise TargetError(
                f"node {name!r} has a way out: {reached}; allowed: none. Its networks must be internal and "
                "the engine host must have no address on them."
            )
        seen = sorted(set(answers.values()))
        proof.append(
            f"{name}: tried {len(answers)} ports of the engine host's {len(hosts)} addresses from the node's "
            f"own network; every one unreachable ({', '.join(seen)})"
        )
    return tuple(proof)


def copy_into(engine: Engine, container_id: str, source: Path, path: str) -> None:
    """Copy a folder's regular files into a container (links are left out)."""
    files = [file for file in sorted(source.rglob("*")) if file.is_file() and not file.is_symlink()]
    copy_files(engine, container_id, [(file, str(file.relative_to(source))) for file in files], path)


def changed_paths(target: Target, node: str) -> tuple[set[str], set[str]]:
    """Paths of a node that differ from its image: (there now, gone now). Folders in memory are not seen.

    The engine's own comparison walks the whole image; with overlayfs the witness looks at the node's own layer alone.
    """
    running = target.nodes[node]
    if running.layer is not None:
        changed, deleted = target.witness.layer(running.layer)
        return set(changed), set(deleted)
    found = target.engine.client.api.diff(running.container_id) or ()
    gone = {entry["Path"] for entry in found if entry["Kind"] == DELETED}
    return {entry["Path"] for entry in found} - gone, gone


def node_is_up(engine: Engine, container_id: str) -> bool:
    """Whether a container runs."""
    return bool(engine.client.api.inspect_container(container_id)["State"]["Running"])


def own_size(engine: Engine, container_id: str) -> int:
    """Bytes that a container has written beyond its image."""
    found = engine.client.api.containers(filters={"id": container_id}, size=True)
    return int(found[0].get("SizeRw", 0)) if found else 0


def disk_folders(engine: Engine, container_id: str) -> list[str] | None:
    """Where a container's writings lie, relative to the engine's own folder; None with a storage driver that hides it.

    Volumes that its image declares are among them.
    """
    state = engine.client.api.inspect_container(container_id)
    layer = _layer(state.get("GraphDriver") or {}, engine.folder())
    if layer is None:
        return None
    mounts = [str(mount.get("Source", "")) for mount in state.get("Mounts") or ()]
    return [layer, *(place.removeprefix(engine.folder()) for place in mounts if place.startswith(engine.folder()))]


def kill_container(engine: Engine, container_id: str) -> None:
    """End a container at once; it stays to be looked at until it is taken down."""
    remove_quietly(lambda: engine.client.api.kill(container_id))


def copy_files(engine: Engine, container_id: str, files: Sequence[tuple[Path, str]], folder: str) -> None:
    """Copy files into a folder of a container.

    Args:
        engine: where.
        container_id: the container.
        files: (file on this machine, its name relative to `folder`).
        folder: absolute path in the container; made if it is not there.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file, name in files:
            info = tarfile.TarInfo(str(Path(folder.lstrip("/")) / name))
            info.size, info.mode = file.stat().st_size, 0o755 if file.stat().st_mode & 0o111 else 0o644
            with file.open("rb") as data:
                archive.addfile(info, data)
    if not engine.client.api.put_archive(container_id, "/", buffer.getvalue()):
        raise TargetError(f"could not copy files to {folder} in a container")


def write_into(engine: Engine, container_id: str, path: str, text: str, mode: int) -> None:
    """Write a small file of root's into a container, its folders too if they are not there."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        data = text.encode()
        info = tarfile.TarInfo(path.lstrip("/"))
        info.size, info.mode = len(data), mode
        archive.addfile(info, io.BytesIO(data))
    if not engine.client.api.put_archive(container_id, "/", buffer.getvalue()):
        raise TargetError(f"could not write {path} in a container")


def run_in(engine: Engine, container_id: str, command: Sequence[str]) -> tuple[int, str]:
    """Run a short command as root in a container: (exit code, output of both streams, capped)."""
    created = engine.client.api.exec_create(container_id, list(command), user="root")
    output = engine.client.api.exec_start(created["Id"])
    code = engine.client.api.exec_inspect(created["Id"])["ExitCode"]
    return code, output[: 64 * 1024].decode("utf-8", "backslashreplace")


def _create_management(engine: Engine, labels: Mapping[str, str]) -> tuple[Any, str]:
    """A network for a collector, and the collector's address in it; the engine gives fixed addresses in no other."""
    for attempt in range(MANAGEMENT_TRIES):
        subnet = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(256)}"
        pool = docker.types.IPAMPool(subnet=f"{subnet}.0/26", gateway=f"{subnet}.1")
        try:
            return _create_network(engine, labels, docker.types.IPAMConfig(pool_configs=[pool])), f"{subnet}.62"
        except docker.errors.APIError:  # it overlaps with another
            if attempt == MANAGEMENT_TRIES - 1:
                raise
    raise AssertionError


def _create_network(engine: Engine, labels: Mapping[str, str], ipam: Any = None) -> Any:  # noqa: ANN401
    return engine.client.networks.create(
        f"net-{secrets.token_hex(6)}",
        driver="bridge",
        internal=True,
        ipam=ipam,
        labels=dict(labels),
        # The engine host itself must not be reachable either.
        options={"com.docker.network.bridge.inhibit_ipv4": "true"},
    )


def _start_node(
    engine: Engine,
    node: Node,
    image: str,
    networks: Mapping[str, Any],
    labels: Mapping[str, str],
    extra: NodeExtra,
    loghost: str,
    containers: list[Any],
) -> Any:  # noqa: ANN401
    first, *others = networks
    api_version = str(engine.client.api.api_version)

    def named(network: str) -> list[str]:
        return list(node.aliases.get(network, ()))

    container = engine.client.containers.create(
        image,
        command=list(node.command) if node.command else None,
        hostname=node.hostname,
        environment=dict(node.environment),
        labels=dict(labels),
        # A node that boots is its own first process, and must not see the engine host's control groups.
        init=not node.boot_capabilities,
        cgroupns="private" if node.boot_capabilities else None,
        tmpfs=dict.fromkeys(node.tmpfs, ""),
        network=networks[first].name,
        networking_config={networks[first].name: docker.types.EndpointConfig(api_version, aliases=named(first))},
        dns=[UNROUTABLE_DNS],
        extra_hosts={} if node.role is Role.ATTACKER else {LOGHOST: loghost},
        cap_add=sorted({*node.cap_add, *node.boot_capabilities, *extra.capabilities}),
        security_opt=["seccomp=unconfined"] if extra.seccomp_unconfined else [],
        mem_limit=node.mem_limit,
        pids_limit=node.pids_limit,
        log_config=LOG,
    )
    containers.append(container)
    for name in others:
        networks[name].connect(container, aliases=named(name))
    container.start()
    container.reload()
    return container


def _networks_of(node: Node, everyone: Mapping[str, Any]) -> dict[str, Any]:
    """A node's networks in its own order, the management network last."""
    names = [*node.networks, *([MANAGEMENT] if MANAGEMENT in everyone and node.role is not Role.ATTACKER else [])]
    return {name: everyone[name] for name in names}


def _running(name: str, node: Node, container: Any, top: str, networks: Mapping[str, Any]) -> RunningNode:  # noqa: ANN401
    state = container.attrs
    if not state["State"]["Running"]:
        log = container.logs(tail=15).decode("utf-8", "backslashreplace")
        raise TargetError(f"node {name!r} ended at once with exit code {state['State']['ExitCode']}:\n{log}")
    settings = state["NetworkSettings"]["Networks"]
    return RunningNode(
        name=name,
        definition=node,
        container_id=str(container.id),
        pid=int(state["State"]["Pid"]),
        addresses=tuple(settings[network.name]["IPAddress"] for network in networks.values()),
        layer=_layer(state.get("GraphDriver") or {}, top),
    )


def _layer(driver: Mapping[str, Any], top: str) -> str | None:
    upper = str((driver.get("Data") or {}).get("UpperDir", ""))
    return upper.removeprefix(top) if driver.get("Name") == "overlay2" and upper.startswith(f"{top}/") else None


def _await_health(engine: Engine, witness: Witness, node: RunningNode, stop: threading.Event) -> None:
    check = node.definition.healthcheck
    if check is None:
        return
    last = ""

    def healthy() -> bool:
        nonlocal last
        last = _missing(witness, node, check)
        if not last and check.test is not None:
            code, last = run_in(engine, node.container_id, check.test)
            return code == 0
        return not last

    if not wait_until(healthy, check.timeout_s, stop, interval_s=0.05):
        raise TargetError(f"node {node.name!r} is not healthy after {check.timeout_s:.0f} s: {last.strip()[-300:]}")


def _missing(witness: Witness, node: RunningNode, check: Healthcheck) -> str:
    """What a node still lacks, seen from outside; empty if nothing."""
    try:
        heard = {place.rpartition(":")[2] for place in witness.sockets(node.pid) if place.startswith("listens tcp ")}
        lacking = [f"nothing listens on {port}" for port in check.listens if str(port) not in heard]
        found = witness.facts(node.pid, [{"file": path} for path in check.files])
    except TargetError as error:  # it went down while it was looked at
        return str(error)
    return ", ".join([*lacking, *(path for path, (there, _seen) in zip(check.files, found, strict=True) if not there)])


def _prove_given_up(witness: Witness, node: RunningNode) -> None:
    """Prove that what a node needed to boot can't be had any more by anything that it runs.

    Raises:
        TargetError: its first process still could.
    """
    for capability in node.definition.boot_capabilities:
        if capability in witness.bounding_set(node.pid):
            raise TargetError(
                f"node {node.name!r} still has {capability} after booting; allowed: none of its boot_capabilities. "
                "Its command must give it up before it starts anything else (`setpriv --bounding-set`)."
            )


def _take_down(containers: Sequence[Any], networks: Sequence[Any]) -> None:
    """Remove everything; what an engine that went away kept is the next sweep's."""
    jobs: list[Callable[[], None]] = [lambda c=c: c.remove(force=True, v=True) for c in containers]  # type: ignore[misc]
    with ThreadPoolExecutor(max_workers=max(1, len(jobs))) as pool:
        list(pool.map(remove_quietly, jobs))
    for network in networks:
        remove_quietly(network.remove)


def remove_quietly(remove: Callable[[], None]) -> bool:
    """Remove something; True if it is gone. An engine that does not answer leaves it to `pij sweep`."""
    try:
        remove()
    except docker.errors.NotFound:
        return True
    except NOT_ANSWERING:
        return False
    return True
