"""Linting a product: what a manifest may ask for, and every mistake named with its place."""

import shutil
from pathlib import Path

import pytest
import yaml

from products.lint import lint_product

PRODUCTS = Path(__file__).parents[2] / "products"
OURS = sorted(path.parent.name for path in PRODUCTS.glob("*/product.yaml"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a product that lints clean."""
    return Path(shutil.copytree(PRODUCTS / "fail2ban", tmp_path / "fail2ban"))


def change(folder: Path, **changes: object) -> None:
    """Overwrite fields of the manifest, named by their path with `__` between the parts."""
    path = folder / "product.yaml"
    data = yaml.safe_load(path.read_text())
    for name, value in changes.items():
        *way, last = [int(part) if part.isdigit() else part for part in name.split("__")]
        place = data
        for part in way:
            place = place[part]
        place[last] = value
    path.write_text(yaml.safe_dump(data, sort_keys=False))


@pytest.mark.parametrize("product", OURS)
def test_every_product_of_the_project_lints_clean_and_has_a_readme(product: str):
    """Else the first example that a newcomer copies would be wrong."""
    assert lint_product(PRODUCTS / product) == []
    assert (PRODUCTS / product / "README.md").is_file()


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"id": "other"}, ["id"]),
        ({"latency_s": float("inf")}, ["latency_s"]),
        ({"latency_s": float("nan")}, ["latency_s"]),
        ({"latency_s": -5}, ["latency_s"]),
        ({"latency_s": 601}, ["latency_s"]),
        ({"components__0__capabilities__0__capability": "SYS_MODULE"}, ["components.0.capabilities.0"]),
        ({"components__0__host_pid": True}, ["components.0"]),
        ({"components__0__build": {"context": "../.."}}, ["components.0.build.context"]),
        ({"components__0__build": {"dockerfile": "None"}}, ["components.0.build"]),
        ({"components__0__build": {"python_requirements": "none.txt"}}, ["components.0.build.python_requirements"]),
        ({"arms": []}, ["arms"]),
        ({"arms__0__components": {"ghost": {}}}, ["arms.0.components.ghost"]),
        ({"version__component": "ghost"}, ["version.component"]),
        ({"notes": [{"component": "ghost", "command": ["true"]}]}, ["notes.0.component"]),
        ({"alerts__0__component": "ghost"}, ["alerts.0.component"]),
        ({"alerts__0__container_log": True}, ["alerts.0"]),
        ({"alerts__0__pattern": "(a+)+$"}, ["alerts.0.pattern"]),
        ({"alerts__0__pattern": "("}, ["alerts.0.pattern"]),
        ({"alerts__0__format": "json_lines"}, ["alerts.0.pattern"]),
        ({"alerts__0__map__rule_id": "a ||"}, ["alerts.0.map.rule_id"]),
        ({"alerts__0__map__received_ns": "time"}, ["alerts.0.map.received_ns"]),
        ({"telemetry__0__map__colour": "time"}, ["telemetry.0.map.colour"]),
        ({"canary__command": "true"}, ["canary.command"]),
        ({"canary__expect": {"rule_id": "sshd"}}, ["canary.expect"]),
        ({"canary__expect": {"colour": "${nonce}"}}, ["canary.expect.colour"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_each_mistake_is_one_problem_at_its_field(folder: Path, changes: dict[str, object], fields: list[str]):
    """Else a wrong manifest would only fail in the middle of a campaign, or reach further than it may."""
    change(folder, **changes)
    assert [problem.field for problem in lint_product(folder)] == fields


def test_every_mistake_is_reported_at_once_with_its_line(folder: Path):
    """Else an author would have to run the linter once for each mistake."""
    change(folder, id="other", canary__command="true")
    problems = lint_product(folder)
    assert [problem.field for problem in problems] == ["id", "canary.command"]
    assert all(problem.line for problem in problems)


def test_a_link_out_of_the_folder_is_refused(folder: Path):
    """Else a third party's product could copy a file of this machine into its image."""
    (folder / "passwd").symlink_to("/etc/passwd")
    assert [problem.found for problem in lint_product(folder)] == ["passwd"]


def test_two_arms_of_one_name_are_refused(folder: Path):
    """Else the trials of one would overwrite those of the other."""
    data = yaml.safe_load((folder / "product.yaml").read_text())
    change(folder, arms=[data["arms"][0], data["arms"][0]])
    assert [problem.field for problem in lint_product(folder)] == ["arms.1.id"]


def test_a_folder_without_a_manifest_is_a_problem_and_no_traceback(tmp_path: Path):
    """Else a mistyped path would end in a traceback."""
    assert [problem.path for problem in lint_product(tmp_path)] == [str(tmp_path / "product.yaml")]
