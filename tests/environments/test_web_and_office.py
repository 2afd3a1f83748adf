"""The environments `web_dmz` and `office`: what can reach what, and what the nodes send to a log host."""

import threading
from contextlib import contextmanager

import pytest

from environments.beside import as_loghost
from environments.images import base_image
from environments.labels import labels
from environments.manifest import read_environment
from environments.standing import run_in, stand_up
from environments.waiting import wait_until
from environments.witness import Witness, witness_image
from pipelines.build import build_nodes
from results.paths import ROOT

SHOP = "http://shop.minatokogu.example"
LISTENER = (
    "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.bind(('', 514))\n"
    "with open('/tmp/got', 'ab', 0) as f:\n  while True: f.write(s.recv(65535) + b'\\n')"
)
"""Keeps what comes to UDP 514, as a collector would."""


@contextmanager
def running(engine, name, management=False):
    """An environment of the checkout, and the images of its nodes."""
    folder = ROOT / "environments" / name
    environment = read_environment(folder)
    images = build_nodes(engine, environment, folder, base_image(engine, print), print)
    marks = labels("environment", name)
    stop = threading.Event()
    with (
        Witness(engine, witness_image(engine, print), marks) as witness,
        stand_up(engine, environment, images, witness, marks, {}, stop, management=management) as target,
    ):
        yield target, images


@pytest.fixture(scope="module")
def shop(engine):
    with running(engine, "web_dmz", management=True) as (target, images):
        yield target, images


@pytest.fixture(scope="module")
def attacker(shop):
    with shop[0].open_session("attacker", "root") as session:
        yield session


@pytest.mark.docker
def test_the_attacker_reaches_the_web_application_through_the_gateway_alone(shop, attacker):
    """Else a product in the gateway would be blamed for what never came by."""
    places = [*shop[0].nodes["web"].addresses, *shop[0].nodes["workstation"].addresses]
    assert len(places) >= 3
    asked = " ".join(f"http://{place}/" for place in places)
    script = f"for place in {asked}; do curl -s -m 2 -o /dev/null -w '%{{http_code}}\\n' $place & done; wait"
    refused = attacker.run("bash", script, 20)
    assert refused.stdout.text.split() == ["000"] * len(places)
    answered = attacker.run("sh", f"curl -s -m 10 -i {SHOP}/status.php", 20)
    assert [line for line in answered.stdout.text.splitlines() if line.startswith(("HTTP", "Server", "{"))] == [
        "HTTP/1.1 200 OK",
        "Server: nginx",
        '{"status":"ok","items":10}',
    ]


@pytest.mark.docker
def test_the_gateway_answers_any_method_and_path(attacker):
    """Else a corpus of web requests would wait for answers that never come."""
    script = (
        "for method in GET POST PUT PATCH DELETE OPTIONS TRACE PROPFIND LOCK HEAD; do\n"
        '  how="-X $method -d a=b"; [ $method = HEAD ] && how=--head\n'
        "  for path in / /post /anything/else?x=%00 /a%2Fb /index.php/more '/%c0%ae/' '/.%2e/%2e%2e/etc'; do\n"
        f"    curl -s -m 5 -o /dev/null -w '%{{http_code}}\\n' $how '{SHOP}'$path\n"
        "  done\ndone"
    )
    codes = attacker.run("bash", script.replace("'$path", '\'"$path"'), 60).stdout.text.split()
    assert len(codes) == 70
    assert {code for code in codes if code == "000" or code in ("502", "503", "504")} == set()


@pytest.mark.docker
def test_what_the_nodes_log_reaches_the_log_host(shop, attacker):
    """Else a collector would have nothing to look at."""
    target, images = shop
    client = target.engine.client
    listener = client.containers.create(
        images["attacker"], ["python3", "-c", LISTENER], labels=labels("environment", "web_dmz"), **as_loghost(target)
    )
    try:
        listener.start()

        def got():
            attacker.run("sh", f"curl -s -m 10 -o /dev/null '{SHOP}/item.php?id=3&from=outside'", 20)
            text = run_in(target.engine, listener.id, ["cat", "/tmp/got"])[1]
            wanted = [f" {name}: " for name in ("nginx", "apache2")]
            return all(word in text for word in (*wanted, "gw01", "app01", "from=outside")) and text

        assert wait_until(got, 20.0, threading.Event(), interval_s=0.3)
    finally:
        listener.remove(force=True)


@pytest.mark.docker
def test_the_office_serves_its_own_people_and_keeps_others_out(engine):
    """Else plans there would find nothing to take, or take what everybody may have."""
    with (
        running(engine, "office") as (target, _images),
        target.open_session("workstation", "tanaka") as own,
        target.open_session("attacker", "root") as other,
    ):
        share = "smbclient -A ~/.smbcredentials //files01/{} -c 'get {} /tmp/{}' > /dev/null 2>&1; echo $?"
        found = own.run("sh", share.format("orders", "prices.csv", "prices"), 20).stdout.text
        kept = own.run("sh", share.format("accounting", "bank.csv", "bank"), 20).stdout.text
        assert (found, kept) == ("0\n", "1\n")
        refused = other.run("sh", "smbclient -N //files01/orders -c ls; echo $?", 20)
        assert "NT_STATUS_ACCESS_DENIED" in refused.stdout.text + refused.stderr.text
        mail = (
            "printf 'Subject: Rails\\n\\nThey are here.\\n' | curl -s -m 10 smtp://mail01 -T - "
            "--mail-from suzuki@minatokogu.example --mail-rcpt tanaka@minatokogu.example && "
            "for try in 1 2 3 4 5 6 7 8 9; do curl -s -m 10 -u tanaka:sakura2024 'imap://mail01/INBOX;MAILINDEX=2' "
            "&& break; done"
        )
        assert "They are here." in own.run("bash", mail, 60).stdout.text
