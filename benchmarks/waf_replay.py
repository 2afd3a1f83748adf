"""Sends cases from the attacker's node through a gateway, with a product in it or without, and reads what became."""

import base64
import io
import json
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.waf_cases import Case
from environments.engine import Engine, Say
from environments.images import base_image, build_image
from environments.labels import labels
from environments.manifest import Environment, Role, read_environment
from environments.standing import Target, copy_files, run_in, stand_up
from environments.witness import Witness, witness_image
from pipelines.build import Images, build_nodes, build_product
from pipelines.campaign import ArmOfProduct
from products.deploy import Deployment, deploy
from products.manifest import read_product
from products.placement import extras_of, named
from results.errors import ProductError, TargetError

HERE = Path(__file__).parent
FIRST_PORT, THREADS = 20_000, 4
"""Ports are counted upwards, so that each request of a run has one of its own."""
LIMIT_S = 1800.0
FOLDER = "/tmp/requests"


@dataclass(frozen=True)
class Seen:
    """What came of one request."""

    status: int | None
    wrong: str | None
    """The client's error where no answer came."""
    head: str
    """The answer's beginning."""
    rules: frozenset[int] = frozenset()
    """Every rule in the product's log of that connection."""
    log: str = ""
    """That log as ModSecurity prints it into an error log."""
    alerted: bool = False
    """The product's manifest makes an alert of it."""


@dataclass(frozen=True)
class Run:
    """One pass over cases."""

    seen: dict[tuple[str, int], Seen]
    """(case, number of its request) -> what came of it."""
    versions: tuple[str, ...]
    """What the product says that it is; empty without one."""
    installed: frozenset[int]
    """Rules that the product has."""


class Bench:
    """An engine, an environment and its images, built once."""

    def __init__(self, engine: Engine, environment_folder: Path, say: Say) -> None:
        """Build what all runs need."""
        self.engine, self.say = engine, say
        self.environment: Environment = read_environment(environment_folder)
        self.base = base_image(engine, say)
        nodes = build_nodes(engine, self.environment, environment_folder, self.base, say)
        self.images = Images(witness_image(engine, say), nodes)

    def run(self, cases: Sequence[Case], product_folder: Path | None, arm_id: str | None) -> Run:
        """Send every request of the cases that can be sent.

        Args:
            cases: to send.
            product_folder: the product in the gateway; None: the gateway alone.
            arm_id: its arm.

        Raises:
            ProductError: the product does not start, or its canary does not come through.
            TargetError: the environment does not come up, or the sender fails.
        """
        entry = self._entry(product_folder, arm_id) if product_folder is not None else None
        stop = threading.Event()
        marks = labels("waf", arm_id or "control")
        nodes = dict(self.images.nodes)
        components = entry.components() if entry else ()
        tags = {part.id: self.images.products[entry.product.id, part.id][0] for part in components if entry}
        for part in components:
            nodes[named(Role.GATEWAY, self.environment.nodes) or ""] = tags[part.id]
        with ExitStack() as stack:
            witness = stack.enter_context(Witness(self.engine, self.images.witness, marks))
            extras = extras_of(components, self.environment.nodes)
            target = stack.enter_context(stand_up(self.engine, self.environment, nodes, witness, marks, extras, stop))
            if entry is None:
                return Run(_answers(self._send(target, cases), {}, frozenset()), (), frozenset())
            given = (target, entry.product, entry.arm, tags, {}, marks, stop)
            deployment = stack.enter_context(deploy(*given))
            return self._watched(target, deployment, entry, cases)

    def _watched(self, target: Target, deployment: Deployment, entry: ArmOfProduct, cases: Sequence[Case]) -> Run:
        deployment.wait_ready()
        if not deployment.show_canary("ready"):
            raise ProductError(f"its canary never came through. {deployment.last_words()}")
        rows = self._send(target, cases)
        if not deployment.show_canary("flush"):
            raise ProductError("its last canary never came through: what is not in its log proves nothing")
        gateway = target.nodes[named(Role.GATEWAY, self.environment.nodes) or ""].container_id
        path = entry.product.alerts[0].file or ""
        log = read_audit_log(_fetch(self.engine, gateway, path)[Path(path).name])
        alerts = frozenset(alert.source_port for alert in deployment.collector.alerts() if not alert.canary)
        asked = (entry.product.version, entry.product.content_version)
        versions = tuple(deployment.ask(question) or "" for question in asked if question)
        grep = ["sh", "-c", "grep -rhoE '\\bid:[0-9]+' /usr/share/modsecurity-crs/rules /etc/nginx/modsecurity.conf"]
        installed = frozenset(int(line[3:]) for line in run_in(self.engine, gateway, grep)[1].split())
        return Run(_answers(rows, log, alerts), versions, installed)

    def _entry(self, folder: Path, arm_id: str | None) -> ArmOfProduct:
        product = read_product(folder)
        arm = next((arm for arm in product.arms if arm.id == arm_id), None)
        if arm is None:
            raise ProductError(f"{folder}: found arm {arm_id!r}; allowed: {[arm.id for arm in product.arms]}")
        entry = ArmOfProduct(folder, product, arm, "", {}, ())
        build_product(self.engine, entry, self.environment, self.images, self.base, self.say)
        return entry

    def _send(self, target: Target, cases: Sequence[Case]) -> list[dict[str, object]]:
        """Run the sender in the attacker's node; its rows."""
        attacker = named(Role.ATTACKER, self.environment.nodes) or ""
        gateway = self.environment.nodes[named(Role.GATEWAY, self.environment.nodes) or ""]
        shared = next(name for name in self.environment.nodes[attacker].networks if name in gateway.networks)
        host = gateway.aliases[shared][0]
        container = target.nodes[attacker].container_id
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "requests"
            file.write_text("".join(_group(case) for case in cases if case.requests))
            files = [(file, "requests"), (HERE / "waf_sender.py", "send.py")]
            copy_files(self.engine, container, files, FOLDER)
        command = f"cd {FOLDER} && python3 send.py requests answers {host} 80 {FIRST_PORT} {THREADS}"
        with target.open_session(attacker, "root") as session:
            done = session.run("bash", command, LIMIT_S)
        if done is None or done.exit_code != 0:
            raise TargetError(f"the sender did not end well: {done.stderr.text[-500:] if done else 'time is up'}")
        return [
            json.loads(line) for line in _fetch(self.engine, container, f"{FOLDER}/answers")["answers"].splitlines()
        ]


def _group(case: Case) -> str:
    requests = [base64.b64encode(request).decode("ascii") for request in case.requests]
    return json.dumps({"group": case.name, "requests": requests}) + "\n"


def _answers(
    rows: Sequence[Mapping[str, object]], log: Mapping[int, list[dict[str, object]]], alerts: frozenset[int | None]
) -> dict[tuple[str, int], Seen]:
    found = {}
    for row in rows:
        port = int(str(row["port"]))
        messages = log.get(port, [])
        found[str(row["group"]), int(str(row["number"]))] = Seen(
            status=row["status"],  # type: ignore[arg-type]
            wrong=row["wrong"],  # type: ignore[arg-type]
            head=str(row["head"]),
            rules=frozenset(int(str(message["ruleId"])) for message in messages),
            log="\n".join(as_error_log(message) for message in messages),
            alerted=port in alerts,
        )
    return found


def read_audit_log(raw: bytes) -> dict[int, list[dict[str, object]]]:
    """ModSecurity's JSON audit log: the client's port -> the details of each rule that matched."""
    found: dict[int, list[dict[str, object]]] = {}
    for line in raw.splitlines():
        # Latin-1 keeps every byte; numbers and names of rules are ASCII.
        transaction = json.loads(line.decode("latin-1"), strict=False)["transaction"]
        entries = found.setdefault(int(transaction["client_port"]), [])
        entries += [{**entry["details"], "msg": entry["message"]} for entry in transaction["messages"]]
    return found


def as_error_log(details: Mapping[str, object]) -> str:
    """A match in the words of ModSecurity's error log, in which older tests look."""
    return f'[id "{details["ruleId"]}"] [msg "{details["msg"]}"] [data "{details["data"]}"]'


@contextmanager
def own_tests(bench: Bench) -> Iterator[Path]:
    """The regression tests of the very release that Debian packages, from its source package."""
    args = {"BASE": bench.base}
    tag, _digest = build_image(bench.engine, "waf-own-tests", HERE / "waf_own_tests", "Dockerfile", args, bench.say)
    container = bench.engine.client.containers.create(tag, command=["true"], labels=labels("waf", "tests"))
    try:
        files = _fetch(bench.engine, str(container.id), "/tests")
    finally:
        container.remove(force=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, data in files.items():
            (Path(scratch) / Path(name).name).write_bytes(data)
        yield Path(scratch)


def _fetch(engine: Engine, container_id: str, path: str) -> dict[str, bytes]:
    """Regular files at or below a path of a container, by their names in the engine's archive."""
    stream, _stat = engine.client.api.get_archive(container_id, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]
