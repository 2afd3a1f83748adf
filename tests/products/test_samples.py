"""Each product's declared mapping, on lines that the running product really wrote."""

from pathlib import Path
from typing import Any

import pytest

from products.deploy import sources_of
from products.manifest import read_product
from products.normalise import Normaliser, Unreadable
from results.records import Observation

PRODUCTS = Path(__file__).parents[2] / "products"
SAMPLES = Path(__file__).parent / "samples"
NOT_COMPARED = {"observation_id", "component", "received_ns", "raw", "raw_sha256", "raw_length"}


def read_sample(product: str, arm: str, kind: str, name: str) -> list[dict[str, Any]]:
    """What the arm's sources of one kind make of a sample file: only the fields that are set."""
    manifest = read_product(PRODUCTS / product)
    chosen = next(entry for entry in manifest.arms if entry.id == arm)
    found = []
    for line in (SAMPLES / name).read_bytes().splitlines():
        for which, source in sources_of(manifest, chosen):
            read = Normaliser(source, lambda _component, pid: pid).read(line, 1, "x") if which == kind else None
            assert not isinstance(read, Unreadable) or not line.strip()
            if isinstance(read, Observation):
                found.append(read.model_dump(mode="json", exclude_defaults=True, exclude=NOT_COMPARED))
    return found


def test_fail2ban_ban_is_a_blocked_alert_and_a_counted_failure_is_telemetry():
    """Else a ban would not count as prevention, or each failed login as an alert."""
    assert read_sample("fail2ban", "default", "alerts", "fail2ban.log") == [
        {
            "time_ns": 1795444636988000000,
            "rule_id": "sshd",
            "title": "Ban 192.0.2.17",
            "action": "blocked",
            "source_address": "192.0.2.17",
        }
    ]
    assert read_sample("fail2ban", "default", "telemetry", "fail2ban.log") == [
        {
            "time_ns": 1795444636397000000,
            "rule_id": "sshd",
            "title": "Found 192.0.2.17",
            "source_address": "192.0.2.17",
        }
    ]


def test_clamav_refusal_is_a_blocked_alert_with_the_path():
    """Else the refusal could not be attributed to the step that wrote the file."""
    assert read_sample("clamav", "default", "alerts", "clamav.log") == [
        {
            "time_ns": None,
            "rule_id": "Eicar-Test-Signature.UNOFFICIAL",
            "title": "Eicar-Test-Signature.UNOFFICIAL",
            "action": "blocked",
            "file_path": "/tmp/abcdefgh.txt",
        }
    ]


def test_aide_entry_is_one_alert_each_whatever_its_path_holds():
    """Else a colon or a space in a file name would hide a change, or a checksum line would look like one."""
    found = read_sample("aide", "default", "alerts", "aide.log")
    assert [(entry["rule_id"], entry["file_path"]) for entry in found] == [
        ("added", "/etc/cron.d/y"),
        ("added", "/etc/lnk"),
        ("added", "/home/alice/z a:b"),
        ("removed", "/home/alice/.profile"),
        ("changed", "/home"),
        ("changed", "/etc/passwd"),
        ("changed", "/usr/bin/ls"),
    ]
    assert found[5] == {
        "time_ns": None,
        "rule_id": "changed",
        "rule_name": "f >.... mc..H.. .",
        "title": "changed /etc/passwd",
        "file_path": "/etc/passwd",
    }


@pytest.mark.parametrize("arm", ["default", "sigma"])
def test_audit_event_with_a_key_is_telemetry_and_no_alert(arm: str):
    """Else auditd, which raises no alerts, would be credited with some."""
    assert read_sample("auditd_laurel", arm, "alerts", "auditd_laurel-default.log") == []
    (event,) = read_sample("auditd_laurel", arm, "telemetry", "auditd_laurel-default.log")
    assert event == {
        "time_ns": 1795445339954000000,
        "rule_id": "system-locale",
        "title": "openat",
        "pid": 12623,
        "parent_pid": 25979,
        "executable": "/usr/bin/dash",
        "command_line": "sh -c exec 3>>/etc/issue tduwnkic",
        "file_path": "/etc/issue",
        "user": "unset",
    }


def test_sigma_alert_carries_the_rule_and_its_techniques_and_the_process():
    """Else a technique that the user's rule names would not be credited, or no step could be found for it."""
    assert read_sample("auditd_laurel", "sigma", "alerts", "auditd_laurel-sigma.log") == [
        {
            "time_ns": 1795445412574000000,
            "rule_id": "759d0d51-bc99-4b5e-9add-8f5b2c8e7512",
            "rule_name": "rules/linux/auditd/syscall/lnx_auditd_create_account.yml",
            "title": "Creation Of An User Account",
            "severity": "medium",
            "techniques": ["T1136.001"],
            "tactics": ["persistence"],
            "node": "b0cd5b444f6b3f427ce1116b3ca611939b8409a0ffbf93053b48e905280bda3a",
            "pid": 24834,
            "parent_pid": 21159,
            "executable": "/usr/sbin/useradd",
            "command_line": "useradd -m bob2",
            "user": "0",
        }
    ]


def test_modsecurity_request_over_the_limit_is_an_alert_and_one_below_it_is_telemetry():
    """Else CRS's notices, which nobody is told of, would count as alerts, or its refusals not as prevention."""
    attack, unreadable = read_sample("modsecurity_crs", "tuned", "alerts", "modsecurity_crs.log")
    assert attack == {
        "time_ns": 1795873713000000000,
        "rule_id": "942100",
        "rule_name": "SQL Injection Attack Detected via libinjection",
        "title": "Inbound Anomaly Score Exceeded (Total Score: 25), rules 942100 942130 942180 942330 942390 949110",
        "severity": "critical",
        "action": "blocked",
        "source_address": "127.0.0.1",
        "destination_address": "127.0.0.1",
        "destination_port": 80,
        "source_port": 54042,
        "url": "/items?q=1%27%20or%201=1--",
    }
    assert (unreadable["rule_id"], unreadable["title"]) == ("200002", "Failed to parse request body., rules 200002")
    (notice,) = read_sample("modsecurity_crs", "tuned", "telemetry", "modsecurity_crs.log")
    assert (notice["rule_id"], notice["severity"], notice["url"], notice.get("action")) == (
        "920350",
        "medium",
        "/items?q=hammer",
        None,
    )


def test_suricata_alert_names_who_began_the_flow_and_the_request():
    """Else an alert raised on the answer would name the server as the source, and no step could be found for it."""
    assert read_sample("suricata", "events", "alerts", "suricata.log") == [
        {
            "time_ns": 1795874581096764000,
            "rule_id": "2221043",
            "rule_name": "Generic Protocol Command Decode",
            "title": "SURICATA HTTP Request double encoded URI",
            "severity": "low",
            "source_address": "172.24.0.3",
            "destination_address": "172.24.0.2",
            "destination_port": 80,
            "source_port": 43848,
            "url": "/ok%252e%252e%252fetc?whmdi=%252e%252e",
        }
    ]


def test_suricata_records_of_protocols_are_telemetry():
    """Else a connection that is only recorded would count as an alert, or not at all."""
    found = read_sample("suricata", "events", "telemetry", "suricata.log")
    assert [(entry["title"], entry.get("url"), entry.get("file_path")) for entry in found] == [
        ("http GET", "/items?whmdi=hammer", None),
        ("anomaly DOUBLE_ENCODED_URI", None, None),
        ("ssh OpenSSH_10.0p2", None, None),
        ("fileinfo GET /pkg/update-mtog79 http", "/pkg/update-mtog79", "/pkg/update-mtog79"),
    ]


def test_suricata_drop_is_a_blocked_alert():
    """Else what it drops in the packet path would not count as prevention."""
    (alert,) = read_sample("suricata_inline", "dropping", "alerts", "suricata_inline.log")
    assert (alert["rule_id"], alert["action"]) == ("2221043", "blocked")
    (flow,) = read_sample("suricata_inline", "dropping", "telemetry", "suricata_inline.log")
    assert (flow["rule_id"], flow.get("action")) == ("flow", None)
