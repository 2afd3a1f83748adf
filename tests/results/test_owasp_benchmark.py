"""The OWASP Benchmark as an outside check of sensitivity, specificity and Youden's J."""

import hashlib
import json

import pytest

from benchmarks.owasp_benchmark import expectation_file, java_numbers, python_cases, python_numbers, show
from results.benchmark_owasp import (
    Case,
    ledger_of,
    matrices,
    means_of,
    read_expected,
    read_sarif,
    read_scorecard,
)
from results.errors import ContentError

LABELS = "6396f37c97cfd0c018db3d8750095ce6c678a083f83620cfb3e88fe27a46bb0c"
"""Published SHA-256 of BenchmarkPython's expectedresults-0.1.csv at commit f129148."""


def case(number, real, cwe=22):
    return Case(name=f"BenchmarkTest{number:05d}", category="pathtraver", cwe=cwe, real=real)


def test_what_is_kept_of_the_benchmark_for_python_is_its_expectation_file_byte_for_byte():
    """Else a slip in copying would pass for a slip in counting, or hide one."""
    cases, _said = python_cases()
    assert hashlib.sha256(expectation_file(cases).encode()).hexdigest() == LABELS


def test_every_rate_published_on_the_benchmark_for_python_comes_out_the_same():
    numbers = python_numbers()
    assert [number for number in numbers if not number.same] == []
    assert len(numbers) == 3 * 14 * 9


def test_every_number_of_owasps_own_scorecards_comes_out_the_same():
    numbers = java_numbers()
    assert [number for number in numbers if not number.same] == []
    assert len(numbers) == 5 * (11 * 4 + 5 + 3)


def test_an_expectation_file_reads_as_upstream_writes_it(tmp_path):
    file = tmp_path / "expectedresults-0.1.csv"
    file.write_text(expectation_file([case(1, True), case(2, False, cwe=643)]))
    assert read_expected(file) == (case(1, True), case(2, False, cwe=643))


def test_a_scorecards_actual_results_read_as_upstream_writes_them(tmp_path):
    file = tmp_path / "Benchmark_v0.1_Scorecard_for_x.csv"
    file.write_text(
        "# test name, category, CWE, real vulnerability, identified by tool, pass/fail, Benchmark version: 0.1\n"
        "BenchmarkTest00001, pathtraver, 22, true, true, pass\n"
        "BenchmarkTest00002, pathtraver, 22, false, true, fail\n"
        "BenchmarkTest00003, pathtraver, 22, true, false, fail\n"
    )
    cases, detected = read_scorecard(file)
    assert cases == (case(1, True), case(2, False), case(3, True))
    assert detected == {"BenchmarkTest00001", "BenchmarkTest00002"}


def sarif(*results, rules=()):
    return {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x", "rules": list(rules)}}, "results": results}]}


def result(uri, rule="r", **more):
    return {"ruleId": rule, "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}}}], **more}


@pytest.mark.parametrize(
    ("more", "rules"),
    [
        ({}, [{"id": "r", "properties": {"tags": ["external/cwe/cwe-022"]}}]),
        ({}, [{"id": "r", "properties": {"tags": ["CWE-22: Path Traversal"]}}]),
        ({"properties": {"cwe": "CWE-22"}}, []),
        ({"taxa": [{"id": "22", "toolComponent": {"name": "CWE"}}]}, []),
        ({}, [{"id": "r", "relationships": [{"target": {"id": "CWE-22", "toolComponent": {"name": "cwe"}}}]}]),
    ],
)
def test_a_case_is_detected_if_its_file_is_reported_with_its_very_cwe(tmp_path, more, rules):
    file = tmp_path / "x.sarif"
    found = [result("testcode/BenchmarkTest00001.py", **more), result("app.py", **more)]
    file.write_text(json.dumps(sarif(*found, rules=rules)))
    assert read_sarif(file, [case(1, True), case(2, True)]) == {"BenchmarkTest00001"}
    assert read_sarif(file, [case(1, True, cwe=89)]) == set()


def test_a_cwe_in_a_text_for_people_is_no_claim(tmp_path):
    """Help texts list neighbours and opposites."""
    file = tmp_path / "x.sarif"
    rule = {"id": "r", "help": {"text": "Unlike CWE-22 …"}, "properties": {"tags": ["CWE-89"]}}
    one = result("BenchmarkTest00001.py", message={"text": "see CWE-22"})
    file.write_text(json.dumps(sarif(one, rules=[rule])))
    assert read_sarif(file, [case(1, True)]) == set()


def test_rules_of_an_extension_count_as_the_tools_own(tmp_path):
    """CodeQL writes its rules there."""
    file = tmp_path / "x.sarif"
    data = sarif(result("BenchmarkTest00001.py", rule=None) | {"rule": {"id": "py/path-injection"}})
    rules = [{"id": "py/path-injection", "properties": {"tags": ["external/cwe/cwe-022", "external/cwe/cwe-23"]}}]
    data["runs"][0]["tool"]["extensions"] = [{"name": "codeql/python-queries", "rules": rules}]
    file.write_text(json.dumps(data))
    assert read_sarif(file, [case(1, True)]) == {"BenchmarkTest00001"}


def test_cases_about_which_nothing_can_be_said_are_in_no_rate():
    cases = [case(1, True), case(2, False), case(3, True, cwe=501), case(4, False, cwe=501)]
    found = matrices(cases, {"BenchmarkTest00001"}, {"BenchmarkTest00003", "BenchmarkTest00004"})
    assert {name: (one.sensitivity.n, one.specificity.n, one.youden_j) for name, one in found.items()} == {
        "all": (1, 1, 1.0), "22": (1, 1, 1.0), "501": (0, 0, None),
    }  # fmt: skip


def test_the_overall_result_is_the_mean_over_categories_and_not_over_cases():
    cases = [*(case(n, True) for n in range(8)), case(8, False), case(9, True, cwe=89), case(10, False, cwe=89)]
    means = means_of(ledger_of(cases, {f"BenchmarkTest{n:05d}" for n in range(8)}))
    assert (means.true_positive_rate, means.false_positive_rate, means.score) == (0.5, 0.0, 0.5)


def test_files_are_shown_as_a_table(tmp_path, capsys):
    expected, results = tmp_path / "expectedresults-0.1.csv", tmp_path / "x.sarif"
    expected.write_text(expectation_file([case(1, True), case(2, False)]))
    results.write_text(json.dumps(sarif(result("BenchmarkTest00001.py", properties={"cwe": "CWE-22"}))))
    assert show(expected, [results]) == 0
    assert "100.00 %" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "line", "field", "found"),
    [
        ("BenchmarkTest00001,pathtraver,yes,22\n", 1, "real vulnerability", "'yes'"),
        ("# header\nBenchmarkTest00001,pathtraver,true,CWE-22\n", 2, "cwe", "'CWE-22'"),
        ("BenchmarkTest00001,pathtraver,true\n", 1, "", "3 columns"),
        ("a,pathtraver,true,22\na,pathtraver,true,22\n", 2, "test name", "a a second time"),
        ("# only a header\n", None, "", "no rows"),
    ],
)
def test_a_broken_expectation_file_is_refused_with_line_and_field(tmp_path, text, line, field, found):
    file = tmp_path / "expectedresults-0.1.csv"
    file.write_text(text)
    with pytest.raises(ContentError) as caught:
        read_expected(file)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line, problem.field, problem.found) == (str(file), line, field, found)
    assert problem.allowed
    assert problem.mend


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"runs": [1]}', '{"runs": [{"results": [{"locations": [1]}]}]}'])
def test_what_is_no_sarif_is_refused(tmp_path, text):
    file = tmp_path / "x.sarif"
    file.write_text(text)
    with pytest.raises(ContentError, match=r"allowed: SARIF 2\.1\.0"):
        read_sarif(file, [case(1, True)])
