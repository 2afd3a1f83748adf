"""How regression tests and payloads are judged; what is sent and read is fake, the rules are the real ones."""

import json

import pytest

from attacks.request import Expectation
from benchmarks.waf_cases import Case, OwnSet, essence, fits
from benchmarks.waf_judge import Cause, Score, Verdict, judge, score, tally
from benchmarks.waf_replay import Run, Seen, read_audit_log

GET = b"GET /?q=1 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: OWASP CRS test agent\r\nCookie: a=b\r\n\r\n"


def case(name="942100-1", requests=(GET,), benign=False, group=None, **expected) -> Case:
    return Case(name, group or name[:6], requests, (Expectation(**expected),), benign, None)


def run(status=200, rules=(), alerted=False, name="942100-1") -> Run:
    seen = Seen(status=status, wrong=None, head="", rules=frozenset(rules), alerted=alerted)
    return Run({(name, 0): seen}, (), frozenset())


def test_a_test_is_as_expected_only_if_its_rule_fires():
    """Else a silent rule would pass, or a firing one fail."""
    wanted = case(rules=(942100,))
    assert judge(wanted, run(rules=(942100, 949110)), run(), "same").failures == ()
    assert judge(wanted, run(rules=(949110,)), run(), "same").failures == ("rule 942100 is silent",)
    assert judge(case(no_rules=(942100,)), run(rules=(942100,)), run(), "same").failures == ("rule 942100 fires",)


@pytest.mark.parametrize(
    ("status", "rules", "alone", "known", "cause"),
    [
        (400, (), 400, "same", Cause.SERVER),
        (200, (), 200, "new", Cause.WRITTEN_LATER),
        (200, (920350,), 400, "changed", Cause.CHANGED_SINCE),
        (200, (), 200, "same", Cause.ENGINE),
        (404, (), 404, "same", Cause.ENGINE),
        (200, (), 200, None, Cause.UNKNOWN),
    ],
)
def test_the_cause_of_a_difference_is_the_first_that_holds(status, rules, alone, known, cause):
    """Else what the web server refuses by itself, or a later release added, would be blamed on the product."""
    assert judge(case(rules=(942100,)), run(status, rules), run(alone), known).cause is cause


def test_what_nginx_leaves_out_and_libmodsecurity_shows_twice_are_causes_of_their_own():
    """Else they would be lost among the rules that fail."""
    for name in (b"X_Filename", b"X.Filename"):
        hidden = case(requests=(b"GET / HTTP/1.1\r\n" + name + b": a.php\r\n\r\n",), rules=(942100,))
        assert judge(hidden, run(rules=(920300,)), run(), "same").cause is Cause.HEADER
    xml = case(requests=(b"POST / HTTP/1.1\r\nContent-Type: application/xml\r\n\r\n<a/>",), no_rules=(942100,))
    assert judge(xml, run(rules=(942100,)), run(), "same").cause is Cause.XML_BODY


def test_a_test_fits_if_all_its_rules_are_installed():
    """Else a rule that the release does not have would count as a failure of the product."""
    wanted = case(rules=(942100,), no_rules=(949110,))
    assert (fits(wanted, frozenset({942100, 949110})), fits(wanted, frozenset({942100}))) == (True, False)


def test_what_the_harness_fills_in_makes_no_other_test():
    """Else every test would count as changed between two releases, whose harnesses name themselves differently."""
    before = GET.replace(b"OWASP CRS test agent", b"OWASP ModSecurity Core Rule Set").replace(b"localhost", b"x")
    own = OwnSet([case(requests=(before,), rules=(942100,))])
    assert own.lineage(case(rules=(942100,))) == "same"
    assert own.lineage(case(name="942100-7", rules=(942100,))) == "same"
    assert own.lineage(case(requests=(GET.replace(b"a=b", b"a=c"),), rules=(942100,))) == "changed"
    assert own.lineage(case(rules=(942110,))) == "changed"
    assert own.lineage(case(name="942100-2", rules=(942101,))) == "new"
    assert essence([GET, b"GET /get?q=1 HTTP/1.1\r\n\r\n", b"GET /getaway HTTP/1.1\r\n\r\n"]) == (
        (b"GET /?q=1", frozenset({b"Cookie: a=b"}), b""),
        (b"GET /?q=1", frozenset(), b""),
        (b"GET /getaway", frozenset(), b""),
    )


def test_payloads_are_counted_as_gotestwaf_counts():
    """Else our shares could not stand beside the published ones."""
    names = {"a": (403, False), "b": (200, False), "c": (500, False), "d": (404, True), "e": (403, True)}
    cases = [case(name, group="owasp/x", benign=benign) for name, (_status, benign) in names.items()]
    cases.append(case("f", group="owasp-api/rest"))
    seen = {(name, 0): Seen(status, None, "") for name, (status, _benign) in names.items()}
    whole = Run({**seen, ("f", 0): Seen(403, None, "")}, (), frozenset())
    assert tally(cases[:3], whole) == {Verdict.BLOCKED: 1, Verdict.BYPASSED: 1, Verdict.UNRESOLVED: 1}
    assert score(cases, whole) == Score(api=100.0, attacks=50.0, texts=50.0)
    assert (score(cases, whole).application, score(cases, whole).overall) == (50.0, 75.0)


def test_the_rules_of_a_connection_are_found_by_the_clients_port():
    """Else one request's rules would be counted for another's."""

    def line(port, *rules):
        messages = [{"message": "m", "details": {"ruleId": str(rule), "data": "d"}} for rule in rules]
        return json.dumps({"transaction": {"client_port": port, "messages": messages}}).encode()

    log = read_audit_log(b"\n".join([line(20000, 942100), line(20001, 920350), line(20000, 949110)]))
    assert {port: [entry["ruleId"] for entry in entries] for port, entries in log.items()} == {
        20000: ["942100", "949110"],
        20001: ["920350"],
    }
