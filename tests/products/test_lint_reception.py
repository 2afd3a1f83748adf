"""Linting where records come from, which limits and secrets a product asks for, and where it is to run."""

import shutil
from pathlib import Path

import pytest
import yaml

from environments.manifest import read_environment
from products.lint import lint_product, misplaced
from products.manifest import read_product

SMALL = Path(__file__).parents[1] / "small"
UDP, TCP, TLS, HOOK, HTTP, COMMAND, TABLE = 4, 5, 6, 7, 8, 9, 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the product that has every kind of source."""
    return Path(shutil.copytree(SMALL / "small_sources", tmp_path / "small_sources"))


def change(folder: Path, **changes: object) -> None:
    path = folder / "product.yaml"
    data = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        *way, last = [int(part) if part.isdigit() else part for part in name.split("__")]
        place = data
        for part in way:
            place = place[part]
        place[last] = value
    path.write_text(yaml.safe_dump(data, sort_keys=False))


def test_the_small_collector_lints_clean(folder: Path):
    assert lint_product(folder) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"alerts__0__container_log": False}, ["alerts.0"]),
        ({"alerts__1__container_log": True}, ["alerts.1"]),
        ({"alerts__1__file": "log"}, ["alerts.1.file"]),
        ({"alerts__1__file": "/var/../etc/shadow"}, ["alerts.1.file"]),
        ({f"alerts__{TCP}__syslog__port": 6514}, [f"alerts.{TLS}"]),
        ({f"alerts__{HOOK}__webhook__port": 5515}, [f"alerts.{HOOK}"]),
        ({f"alerts__{HTTP}__http__url": "http://127.0.0.1:8088/alerts"}, [f"alerts.{HTTP}"]),
        ({f"alerts__{HOOK}__webhook__secret": "ghost"}, [f"alerts.{HOOK}.webhook.secret"]),
        ({f"alerts__{HOOK}__webhook__path": "alerts"}, [f"alerts.{HOOK}.webhook.path"]),
        ({f"alerts__{HOOK}__webhook__header": "X-Key: a\r\nY"}, [f"alerts.{HOOK}.webhook.header"]),
        ({f"alerts__{HTTP}__http__url": "http://10.0.0.1:9000/"}, [f"alerts.{HTTP}.http.url"]),
        ({f"alerts__{HTTP}__http__url": "https://127.0.0.1:9000/"}, [f"alerts.{HTTP}.http.url"]),
        ({f"alerts__{HTTP}__http__url": "http://127.0.0.1@evil:9000/"}, [f"alerts.{HTTP}.http.url"]),
        ({f"alerts__{HTTP}__http__url": "http://127.0.0.1:9000/${secret:api_key}"}, [f"alerts.{HTTP}.http.url"]),
        ({f"alerts__{HTTP}__http__headers": {"X-Key": "${secret:ghost}"}}, [f"alerts.{HTTP}.http.headers.X-Key"]),
        ({f"alerts__{HTTP}__http__headers": {"X Key": "a"}}, [f"alerts.{HTTP}.http.headers.X Key"]),
        ({f"alerts__{COMMAND}__command__command": []}, [f"alerts.{COMMAND}.command.command"]),
        ({f"alerts__{TABLE}__sqlite__file": "alerts.db"}, [f"alerts.{TABLE}.sqlite.file"]),
        (
            {f"alerts__{TABLE}__sqlite__query": "DELETE FROM alert WHERE number > :last"},
            [f"alerts.{TABLE}.sqlite.query"],
        ),
        (
            {f"alerts__{TABLE}__sqlite__query": "SELECT 1 WHERE 1 > :last; DROP TABLE alert"},
            [f"alerts.{TABLE}.sqlite.query"],
        ),
        ({f"alerts__{TABLE}__sqlite__query": "SELECT ':last'"}, [f"alerts.{TABLE}.sqlite.query"]),
        ({f"alerts__{TABLE}__sqlite__cursor": 'number"'}, [f"alerts.{TABLE}.sqlite.cursor"]),
        ({f"alerts__{TABLE}__format": "xml"}, [f"alerts.{TABLE}.format"]),
        ({"secrets__0__id": "generated"}, [f"alerts.{HTTP}.http.headers.X-Key", "secrets.0.id"]),
        ({"secrets__0__component": "ghost"}, ["secrets.0.component"]),
        ({"secrets__0__path": "/etc/key"}, ["secrets.0"]),
        ({"secrets__0__variable": "API KEY"}, ["secrets.0.variable"]),
        ({"components__0__network": "node"}, ["components.0.network"]),
        ({"components__0__mirrors": "lan"}, ["components.0.mirrors"]),
        ({"components__0__host_pid": True}, ["components.0"]),
        ({"components__0__mem_limit": "64g"}, ["components.0.mem_limit"]),
        ({"components__0__disk_limit": "1k"}, ["components.0.disk_limit"]),
        ({"components__0__pids_limit": 100_000}, ["components.0.pids_limit"]),
        (
            {"components__0__capabilities": [{"capability": "NET_ADMIN", "why": "to see more"}]},
            ["components.0.capabilities.0"],
        ),
    ],
)
def test_a_broken_product_gets_exactly_the_findings_that_mend_it(folder: Path, changes, fields):
    change(folder, **changes)
    problems = lint_product(folder)
    assert [problem.field for problem in problems] == fields
    assert all(problem.line and problem.found and problem.allowed and problem.mend for problem in problems)


def test_two_sources_may_share_one_and_the_same_receiver(folder: Path):
    """Alerts and telemetry may come over one connection, told apart by `where`."""
    data = yaml.safe_load((folder / "product.yaml").read_text())
    change(folder, telemetry=[data["alerts"][HOOK] | {"where": "false"}])
    assert lint_product(folder) == []


def test_a_capability_that_every_node_has_is_told_from_one_that_reaches_too_far(folder: Path):
    changes = {"placement": "gateway", "capabilities": [
        {"capability": "SETUID", "why": "drops its rights"}, {"capability": "SYS_MODULE", "why": "loads a module"},
    ]}  # fmt: skip
    change(folder, **{f"components__0__{name}": value for name, value in changes.items()})
    assert [(problem.field, problem.mend) for problem in lint_product(folder)] == [
        ("components.0.capabilities.0", "Remove it: every node has it already."),
        ("components.0.capabilities.1", "Do without it: it would reach further."),
    ]


@pytest.mark.parametrize(
    ("changes", "field", "allowed"),
    [
        ({"placement": "gateway"}, "components.0.placement", "an environment with a gateway"),
        ({"placement": "node", "node": "ghost"}, "components.0.node", "a node or a role of it: target, attacker"),
        (
            {"placement": "sensor", "network": "mirror", "mirrors": "dmz"},
            "components.0.mirrors",
            "a network of it: lan",
        ),
    ],
)
def test_a_product_that_does_not_fit_the_environment_is_refused_before_anything_starts(
    folder: Path, changes, field, allowed
):
    change(folder, **{f"components__0__{name}": value for name, value in changes.items()})
    problems = misplaced(read_product(folder), folder / "product.yaml", read_environment(SMALL / "small_server"))
    assert [(problem.field, problem.allowed) for problem in problems] == [(field, allowed)]


def test_a_canary_at_a_node_that_is_not_there_is_refused(folder: Path):
    change(folder, canary__node="ghost")
    problems = misplaced(read_product(folder), folder / "product.yaml", read_environment(SMALL / "small_server"))
    assert [problem.field for problem in problems] == ["canary.node"]
