"""Every error of a plan: one broken file each under tests/invalid/plans, with the finding at its end."""

import shutil
from pathlib import Path

import pytest

from attacks.atomic import read_procedures
from attacks.catalogue import load_catalogue
from attacks.lint import lint_plan
from environments.manifest import read_environment

INVALID = Path(__file__).parents[1] / "invalid"
GROUND = INVALID / "ground"
EXPECTED = "#= "


def findings(plan: Path, scratch: Path) -> list[str]:
    """What lint says about a plan, without the path."""
    folder = scratch / "sample"
    folder.mkdir()
    shutil.copy(plan, folder / "plan.yaml")
    procedures, problems = read_procedures(GROUND)
    assert problems == []
    found = lint_plan(folder, procedures, load_catalogue(), read_environment(GROUND / "site"))
    assert {problem.path for problem in found} <= {str(folder / "plan.yaml")}
    return [str(problem).removeprefix(str(folder / "plan.yaml")) for problem in found]


@pytest.mark.parametrize("plan", sorted((INVALID / "plans").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_broken_plan_gets_exactly_the_finding_that_mends_it(plan, tmp_path):
    """Else an author would search for the mistake, or be told of one that isn't there."""
    expected = [line.removeprefix(EXPECTED) for line in plan.read_text().splitlines() if line.startswith(EXPECTED)]
    assert expected != []
    assert findings(plan, tmp_path) == expected


def test_a_sound_plan_has_no_findings(tmp_path):
    """Else every finding above could be noise that any plan gets."""
    assert findings(GROUND / "sound_plan.yaml", tmp_path) == []


def test_a_plan_that_is_not_there_is_a_finding(tmp_path):
    """Else a mistyped folder would end in a traceback."""
    procedures, _problems = read_procedures(GROUND)
    found = lint_plan(tmp_path / "none", procedures, load_catalogue(), read_environment(GROUND / "site"))
    assert [(Path(problem.path).name, problem.found) for problem in found] == [
        ("plan.yaml", "No such file or directory")
    ]
