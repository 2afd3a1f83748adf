"""Regression tests in the format of go-ftw (OWASP Core Rule Set), read as upstream writes them.

Each test, with its stages one after the other, becomes one procedure. The address that a test names is never used:
a step has to say which host the requests go to.
"""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from attacks.ftw_request import Input, build
from attacks.go_yaml import explain, load_go_yaml, problem
from attacks.request import Expectation, Unsendable, WebProcedure, web_procedure
from results.documents import MAX_DOCUMENT_BYTES, Lines
from results.errors import ContentError, Problem

CORPUS = "go-ftw"
DIGITS = re.compile(r"\d+")
SIGNS = (re.compile(rb"^tests:", re.MULTILINE), re.compile(rb"^(meta|rule_id):", re.MULTILINE))
KNOWN = "author, meta, rule_id, tests"
Statuses = Annotated[tuple[int, ...], BeforeValidator(lambda given: given if isinstance(given, list) else [given or 0])]


class _Upstream(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Meta(_Upstream):
    author: str | None = None
    enabled: bool | None = None
    """Upstream does not look at it any more."""
    name: str | None = None
    description: str | None = None
    version: str | None = None
    tags: tuple[str, ...] | None = None


class _Log(_Upstream):
    expect_ids: tuple[int, ...] | None = None
    no_expect_ids: tuple[int, ...] | None = None
    match_regex: str | None = None
    no_match_regex: str | None = None


class _Output(_Upstream):
    status: Statuses = ()
    """One code; older files have a list."""
    response_contains: str | None = None
    log_contains: str | None = None
    no_log_contains: str | None = None
    log: _Log | None = None
    expect_error: bool | None = None
    retry_once: bool | None = None
    isolated: bool = False


class _Stage(_Upstream):
    description: str | None = None
    input: Input
    output: _Output

    @model_validator(mode="before")
    @classmethod
    def _older_files_nest_it(cls, data: Any) -> Any:  # noqa: ANN401  # as pydantic hands it over
        return data["stage"] if isinstance(data, dict) and list(data) == ["stage"] else data

    @model_validator(mode="after")
    def _says_the_body_once(self) -> "_Stage":
        if self.input.data and self.input.encoded_request:
            raise ValueError("`data` or `encoded_request`, not both")
        return self


class _Test(_Upstream):
    test_id: int | None = Field(default=None, ge=1)
    test_title: str | None = None
    """Of older files, instead of `test_id`."""
    rule_id: int | None = None
    desc: str | None = None
    stages: tuple[_Stage, ...]
    tags: tuple[str, ...] | None = None


class _File(_Upstream):
    """The file around its tests, which are checked one by one."""

    author: str | None = None
    """Some of upstream's files have it here instead of in `meta`."""
    meta: _Meta | None = None
    rule_id: int | None = None
    tests: tuple[Any, ...]


def read_ftw(folder: Path) -> tuple[dict[str, WebProcedure], list[Problem]]:
    """Read every go-ftw file below a folder; other YAML files are passed over.

    Returns:
        The procedures by GUID, and every problem found.
    """
    found: dict[str, WebProcedure] = {}
    problems: list[Problem] = []
    for path in sorted([*folder.rglob("*.yaml"), *folder.rglob("*.yml")]):
        if not holds_ftw(path):
            continue
        procedures, more = read_ftw_file(path)
        problems += more
        for procedure in procedures:
            first = found.setdefault(procedure.guid, procedure)
            if first is not procedure:
                problems.append(_twice(procedure, first))
    return found, problems


def read_ftw_file(path: Path) -> tuple[list[WebProcedure], list[Problem]]:
    """The file's sound tests as procedures, and the problems of the others."""
    try:
        data, lines = load_go_yaml(path)
    except ContentError as error:
        return [], list(error.problems)
    if not isinstance(data, dict) or not isinstance(data.get("tests"), list):
        mend = "Write the file as go-ftw does."
        return [], [problem(path, lines, ("tests",), "no list of tests", "`tests: [...]`", mend)]
    problems: list[Problem] = []
    try:
        _File.model_validate(data)
    except ValidationError as error:
        problems += [explain(path, lines, (), dict(detail), KNOWN) for detail in error.errors()]
    rule = DIGITS.fullmatch(str(data.get("rule_id"))) or DIGITS.search(path.name)  # as upstream falls back on the name
    if rule is None:
        mend = "Add the id of the rule that the tests are for."
        return [], [*problems, problem(path, lines, ("rule_id",), "nothing", "the id of a rule", mend)]
    procedures: list[WebProcedure] = []
    for index, entry in enumerate(data["tests"]):
        procedure, more = _read_test(path, lines, index, entry, rule.group())
        problems += more
        procedures += [procedure] if procedure else []
    return procedures, problems


def holds_ftw(path: Path) -> bool:
    """Whether a file holds go-ftw tests."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_DOCUMENT_BYTES)
    except OSError:
        return False  # what can't be read is not ours to judge
    return all(sign.search(raw) for sign in SIGNS)


def _read_test(
    path: Path, lines: Lines, index: int, entry: object, rule: str
) -> tuple[WebProcedure | None, list[Problem]]:
    at = ("tests", index)
    try:
        test = _Test.model_validate(entry)
    except ValidationError as error:
        return None, [explain(path, lines, at, dict(detail)) for detail in error.errors()]
    if test.test_id is None and not test.test_title:
        mend = "Number the tests of a file from 1."
        return None, [problem(path, lines, (*at, "test_id"), "nothing", "a number of its own", mend)]
    if not test.stages:
        mend = "Write the test as go-ftw does."
        return None, [problem(path, lines, (*at, "stages"), "no stages", "one or more", mend)]
    title = f"{test.rule_id or rule}-{test.test_id}" if test.test_id is not None else str(test.test_title)
    requests, expected = _requests(test)
    procedure = web_procedure(
        corpus=CORPUS,
        key=f"{path.name}:{title}",
        name=title,
        description=test.desc or "",
        requests=requests,
        expected=expected,
        path=path,
        line=lines.of(at),
    )
    return procedure, []


def _requests(test: _Test) -> tuple[list[bytes] | Unsendable, tuple[Expectation, ...]]:
    """The requests of all stages, and what is expected of each; of each stage, if they can't be sent."""
    requests: list[bytes] = []
    expected: list[Expectation] = []
    try:
        for stage in test.stages:
            built = build(stage.input)
            requests += built
            expected += [_expectation(stage.output)] * len(built)
    except Unsendable as reason:
        return reason, tuple(_expectation(stage.output) for stage in test.stages)
    return requests, tuple(expected)


def _expectation(output: _Output) -> Expectation:
    log = output.log or _Log()
    old_match = output.log_contains if log.expect_ids is None else None
    old_lack = output.no_log_contains if log.no_expect_ids is None else None
    return Expectation(
        rules=log.expect_ids or (),
        no_rules=log.no_expect_ids or (),
        log_matches=log.match_regex or old_match or None,
        log_lacks=log.no_match_regex or old_lack or None,
        status=tuple(code for code in output.status if code),
        response_contains=output.response_contains or None,
        no_answer=output.expect_error,
        isolated=output.isolated,
    )


def _twice(procedure: WebProcedure, first: WebProcedure) -> Problem:
    return Problem(
        path=procedure.path, line=procedure.line, field="test_id", found=f"{procedure.name} a second time",
        allowed=f"an id of its own; this one is in {first.path}:{first.line}", mend="Give it another one.",
    )  # fmt: skip
