"""Placements and alert sources with real containers: whatever way a product tells its alerts, each comes once."""

import threading
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from environments.images import base_image, build_image
from environments.labels import labels
from environments.manifest import read_environment
from environments.standing import stand_up
from environments.waiting import wait_until
from environments.witness import Witness, witness_image
from products.deploy import deploy
from products.manifest import NetworkAccess, Placement, read_product
from products.placement import extras_of, has_collector, is_in_node, node_of
from products.secret import Secrets

pytestmark = pytest.mark.docker
SMALL = Path(__file__).parent.parent / "small"
KEY = "k3y of the API/for+tests"
SOURCES = {
    "container_log", "rotated", "truncated", "anew", "udp", "tcp", "tls", "webhook", "http", "command", "sqlite",
}  # fmt: skip


@pytest.fixture(scope="module")
def grounds(engine):
    """An environment that is up, with what deploying takes."""

    def up(stack, environment, product, marks):
        base = base_image(engine, print)
        images = {
            name: build_image(engine, f"node-{environment.id}-{name}", SMALL / environment.id / node.build,
                              "Dockerfile", {"BASE": base}, print)[0]
            for name, node in environment.nodes.items()
        }  # fmt: skip
        parts = product.components
        for part in parts:
            node = node_of(part, environment.nodes) if is_in_node(part) else None
            tag = build_image(engine, f"product-{product.id}-{part.id}", SMALL / product.id, "Dockerfile",
                              {"BASE": images[node] if node else base}, print)[0]  # fmt: skip
            images[node or part.id] = tag
        witness = stack.enter_context(Witness(engine, witness_image(engine, print), marks))
        extras = extras_of(parts, environment.nodes)
        target = stack.enter_context(
            stand_up(engine, environment, images, witness, marks, extras, threading.Event(),
                     management=has_collector(parts))
        )  # fmt: skip
        return target, images

    return up


@pytest.fixture
def deployed(grounds):
    """Deploys a product of tests/small and shows its canary."""
    with ExitStack() as stack:

        def start(product, environment, prepare=lambda _target: None, given=None):
            marks = labels(product.id, "x")
            target, images = grounds(stack, read_environment(SMALL / environment), product, marks)
            prepare(target)
            deployment = stack.enter_context(
                deploy(target, product, product.arms[0], images, {}, marks, threading.Event(), given)
            )
            deployment.wait_ready()
            return target, deployment

        yield start


@pytest.fixture(scope="module")
def told(engine, grounds):
    """The collector that tells each alert in every way, after one canary and five more acts."""
    product = read_product(SMALL / "small_sources")
    marks = labels("sources", "x")
    with ExitStack() as stack:
        target, images = grounds(stack, read_environment(SMALL / "small_server"), product, marks)
        given = Secrets({"api_key": KEY}).drawn_for(product, product.arms[0])
        deployment = stack.enter_context(
            deploy(target, product, product.arms[0], images, {}, marks, threading.Event(), given)
        )
        deployment.wait_ready()
        assert deployment.show_canary("ready"), deployment.last_words()
        session = target.open_session("target", "root")
        for number in range(5):
            session.run("bash", f"echo act {number} > /dev/udp/loghost/514", 10)
        session.close()

        def whole():
            return all(count.kept >= 6 for count in deployment.collector.counts())

        wait_until(whole, 15, threading.Event(), 0.1)
        yield target, deployment


def test_every_source_delivers_each_alert_once(told):
    """File over rotation, document, syslog in three ways, webhook, API, command, database: the same six alerts."""
    _target, deployment = told
    canary, *acts = [alert.title for alert in deployment.collector.alerts() if alert.rule_id == "container_log"]
    assert acts == [f"act {number}" for number in range(5)]
    found = Counter((alert.rule_id, alert.title) for alert in deployment.collector.alerts())
    assert found == {(source, title): 1 for source in SOURCES for title in (canary, *acts)}, deployment.last_words()


def test_posts_without_the_shared_secret_are_refused_and_counted(told):
    """Else anything in the node could forge a product's alerts, and nobody would know that it had tried."""
    _target, deployment = told
    (webhook,) = [
        count
        for (_kind, source), count in zip(deployment.collector.sources, deployment.collector.counts(), strict=True)
        if source.webhook
    ]
    assert (webhook.kept, webhook.refused) == (6, 12)
    assert set(deployment.conduct()) == {
        "refused: 6 for eyes's alerts: no secret",
        "refused: 6 for eyes's alerts: wrong secret",
    }


def test_the_collector_is_reached_by_the_nodes_but_not_by_the_attacker_and_has_no_way_out(told):
    target, deployment = told
    assert len(deployment.proof) == 1
    assert deployment.proof[0].startswith("eyes: tried ")
    assert len(target.nodes["target"].addresses) == 2
    assert len(target.nodes["attacker"].addresses) == 1
    hosts = [target.witness.text(target.nodes[name].pid, "/etc/hosts") or "" for name in ("target", "attacker")]
    assert ["loghost" in text for text in hosts] == [True, False]


def test_a_product_in_a_node_is_heard_there_in_every_way_too(deployed):
    """Its intake listens in the node's own network namespace, its files are the node's."""
    product = read_product(SMALL / "small_sources")
    canary = product.canary.model_copy(update={"command": "echo canary ${nonce} > /dev/udp/127.0.0.1/514"})
    part = product.components[0].model_copy(update={"placement": Placement.NODE})
    product = product.model_copy(update={"components": (part,), "canary": canary})
    given = Secrets({"api_key": KEY}).drawn_for(product, product.arms[0])
    _target, deployment = deployed(product, "small_server", given=given)
    assert deployment.show_canary("ready"), deployment.last_words()
    wait_until(lambda: all(count.kept for count in deployment.collector.counts()), 15, threading.Event())
    assert {alert.rule_id for alert in deployment.collector.alerts()} == SOURCES, deployment.last_words()


CAPTURE = """nohup python3 -c '
import re, socket
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
open("/run/seen", "w").close()
while True:
    for word in re.findall(rb"said-by-the-sensor|word-[a-z]{8}", tap.recv(65536)):
        with open("/run/seen", "ab") as file:
            file.write(word + bytes([10]))
' > /dev/null 2>&1 &
until [ -e /run/seen ]; do :; done"""


def watcher(**changes):
    product = read_product(SMALL / "small_watcher")
    component = product.components[0].model_copy(update=changes)
    return product.model_copy(update={"components": (component,)})


def captures_in(*nodes):
    def prepare(target):
        for node in nodes:
            session = target.open_session(node, "root")
            session.run("bash", CAPTURE, 10)
            session.close()

    return prepare


def seen(target, node):
    return set((target.witness.text(target.nodes[node].pid, "/run/seen") or "").split())


def test_a_mirror_port_shows_what_others_say_and_lets_nothing_in(deployed):
    """Else a network sensor would be blind, or a hostile one could attack what it watches."""
    target, deployment = deployed(watcher(), "small_path", captures_in("target", "edge", "outside"))
    assert deployment.show_canary("ready"), deployment.last_words()
    (word,) = {alert.title for alert in deployment.collector.alerts()}
    assert seen(target, "target") == {word}  # the capture works, and this is all that it saw
    assert seen(target, "edge") == {word}
    assert seen(target, "outside") == set()
    assert len(deployment.proof) == 1


def test_a_mirror_port_shows_its_own_network_only(deployed):
    product = watcher(mirrors="outer")
    hurried = product.canary.model_copy(update={"timeout_s": 1.5})
    _target, deployment = deployed(product.model_copy(update={"canary": hurried}), "small_path")
    assert deployment.show_canary("ready") is False
    assert deployment.collector.alerts() == ()


@pytest.mark.parametrize("placement", [Placement.GATEWAY, Placement.SENSOR])
def test_what_shares_a_nodes_network_sees_what_the_node_sees(deployed, placement):
    """A gateway sits in the node with that role; a sensor with `network: node` beside it.

    Which of two networks is eth0 is the engine's whim: whoever wants one looks at all.
    """
    changes = {
        "placement": placement, "mirrors": None, "start": ("/usr/bin/python3", "/usr/local/bin/watcher", "any"),
        "network": NetworkAccess.NODE if placement is Placement.SENSOR else NetworkAccess.NONE,
    }  # fmt: skip
    target, deployment = deployed(watcher(**changes), "small_path")
    assert deployment.show_canary("ready"), deployment.last_words()
    (running,) = deployment.components
    inside = target.nodes["edge"].container_id == running.container_id
    assert (inside, running.node) == ((True, "edge") if placement is Placement.GATEWAY else (False, None))
