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
from products.manifest import read_product
from products.placement import extras_of, has_collector
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
        witness = stack.enter_context(Witness(engine, witness_image(engine, print), marks))
        parts = product.components
        extras = extras_of(parts, environment.nodes)
        return stack.enter_context(
            stand_up(engine, environment, images, witness, marks, extras, threading.Event(),
                     management=has_collector(parts))
        )  # fmt: skip

    return up


@pytest.fixture(scope="module")
def told(engine, grounds):
    """The collector that tells each alert in every way, after one canary and five more acts."""
    product = read_product(SMALL / "small_sources")
    environment = read_environment(SMALL / "small_server")
    marks = labels("sources", "x")
    with ExitStack() as stack:
        target = grounds(stack, environment, product, marks)
        tag = build_image(
            engine, "product-small_sources-eyes", SMALL / "small_sources", "Dockerfile",
            {"BASE": base_image(engine, print)}, print,
        )[0]  # fmt: skip
        given = Secrets({"api_key": KEY}).drawn_for(product, product.arms[0])
        deployment = stack.enter_context(
            deploy(target, product, product.arms[0], {"eyes": tag}, {}, marks, threading.Event(), given)
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
