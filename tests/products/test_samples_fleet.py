"""The mappings of the fleet's host products, on lines that the running products really wrote."""

from products.deploy import sources_of
from products.manifest import read_product
from tests.products.test_samples import PRODUCTS, read_sample


def test_samhain_names_the_policy_and_the_file_and_nothing_else_is_an_alert():
    """Else a change could not be attributed to the step that made it, or samhain's words about itself would count."""
    assert read_sample("samhain", "default", "alerts", "samhain.log") == [
        {
            # A whole second, taken as its latest moment but never after the receipt (1 ns in this test).
            "time_ns": 1795873860000000000,
            "rule_id": "ReadOnly",
            "rule_name": "C--I----TS",
            "title": "ReadOnly C--I----TS /etc/passwd",
            "severity": "critical",
            "file_path": "/etc/passwd",
        },
        {
            "time_ns": 1795873866000000000,
            "rule_id": "SuidCheck",
            "rule_name": "suid/sgid file not in database",
            "title": "SuidCheck suid/sgid file not in database /var/tmp/.juo215",
            "severity": "critical",
            "file_path": "/var/tmp/.juo215",
        },
        {
            "time_ns": 1795873843000000000,
            "rule_id": "ADDED",
            "rule_name": "ADDED",
            "title": "file ADDED /etc/ydvtonfc",
            "severity": "critical",
            "file_path": "/etc/ydvtonfc",
        },
    ]


OVERFLOW = {
    "time_ns": 1795873644463403000,
    "rule_id": "crowdsecurity/ssh-bf",
    "rule_name": "crowdsecurity/ssh-bf",
    "title": "192.0.2.20 performed crowdsecurity/ssh-bf",
    "source_address": "192.0.2.20",
}


def test_crowdsec_without_a_bouncer_alerts_and_does_not_block():
    """Else a decision that nobody carries out would be credited as prevention."""
    assert read_sample("crowdsec", "default", "alerts", "crowdsec.log") == [OVERFLOW]


def test_crowdsec_with_its_bouncer_says_that_it_bans():
    """Else the tuned arm's prevention would go uncredited."""
    assert read_sample("crowdsec", "tuned", "alerts", "crowdsec.log") == [
        OVERFLOW,
        {
            "time_ns": 1795873644000000000,
            "rule_id": "crowdsecurity/ssh-bf",
            "rule_name": "crowdsecurity/ssh-bf",
            "title": "ban 4h 192.0.2.20",
            "action": "blocked",
            "source_address": "192.0.2.20",
        },
    ]


def test_yara_match_carries_what_the_rule_says_of_itself():
    """Else the tactic that a rule's author names would not be credited."""
    assert read_sample("yara", "tuned", "alerts", "yara.log") == [
        {
            "time_ns": None,
            "rule_id": "eicar_test_file",
            "title": "EICAR anti-malware test file",
            "severity": "informational",
            "file_path": "/tmp/eqlqdxyf.txt",
        },
        {
            "time_ns": None,
            "rule_id": "threat_runtime_obfuscation_unicode",
            "title": "Detects unicode homoglyphs and uncommon characters used for obfuscation",
            "severity": "medium",
            "tactics": ["defense-evasion"],
            "file_path": "/opt/tools/orderworker-zszn",
        },
    ]


def test_every_host_product_has_a_default_and_a_tuned_arm():
    """Else the campaign could not show what tuning is worth."""
    for name in ("aide", "auditd_laurel", "clamav", "crowdsec", "fail2ban", "samhain", "yara"):
        product = read_product(PRODUCTS / name)
        assert {"default": False, "tuned": True}.items() <= {arm.id: arm.tuned for arm in product.arms}.items(), name
        assert all(sources_of(product, arm) for arm in product.arms), name


def test_fapolicyd_says_what_it_would_deny_and_claims_no_prevention():
    """Else its permissive mode would be credited with blocking, or a program's name would be lost."""
    assert read_sample("fapolicyd", "default", "alerts", "fapolicyd.log") == [
        {
            "time_ns": None,
            "rule_id": "13",
            "rule_name": "execute application/x-executable",
            "title": "would deny execute /usr/local/bin/diskfind",
            "pid": 568,
            "executable": "/usr/bin/bash",
            "file_path": "/usr/local/bin/diskfind",
        },
        {
            "time_ns": None,
            "rule_id": "11",
            "rule_name": "open application/x-bytecode.python",
            "title": "would deny open /usr/lib/python3.13/re/__pycache__/_parser.cpython-313.pyc",
            "pid": 765,
            "executable": "/usr/bin/python3.13",
            "file_path": "/usr/lib/python3.13/re/__pycache__/_parser.cpython-313.pyc",
        },
    ]
