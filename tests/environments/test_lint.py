"""Every error of an environment: one broken file each under tests/invalid/environments, with the finding at its end."""

import shutil
from pathlib import Path

import pytest

from environments.lint import lint_environment

INVALID = Path(__file__).parents[1] / "invalid"
SOUND = INVALID / "ground" / "site"
EXPECTED = "#= "


def findings(definition: Path, scratch: Path) -> list[str]:
    """What lint says about an environment, without the path."""
    folder = scratch / "site"
    shutil.copytree(SOUND, folder)
    shutil.copy(definition, folder / "environment.yaml")
    return [str(problem).removeprefix(str(folder / "environment.yaml")) for problem in lint_environment(folder)]


@pytest.mark.parametrize("definition", sorted((INVALID / "environments").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_broken_environment_gets_exactly_the_finding_that_mends_it(definition, tmp_path):
    """Else an author would search for the mistake, or a node would get more than it may have."""
    lines = definition.read_text().splitlines()
    expected = [line.removeprefix(EXPECTED) for line in lines if line.startswith(EXPECTED)]
    assert expected != []
    assert findings(definition, tmp_path) == expected


def test_a_sound_environment_has_no_findings():
    """Else every finding above could be noise that any environment gets."""
    assert lint_environment(SOUND) == []


def test_a_link_out_of_a_build_folder_is_refused(tmp_path):
    """Else building a stranger's environment would copy the host's files into an image."""
    folder = tmp_path / "site"
    shutil.copytree(SOUND, folder)
    (tmp_path / "secret").write_text("the host's own")
    (folder / "box" / "data").symlink_to("../../secret")
    (folder / "box" / "inner").symlink_to("Dockerfile")
    assert [(problem.field, problem.found) for problem in lint_environment(folder)] == [
        ("nodes.target.build", "data, a link out of 'box'"),
        ("nodes.attacker.build", "data, a link out of 'box'"),
    ]


def test_a_build_folder_that_is_a_link_out_of_the_environment_is_refused(tmp_path):
    """Else a link would do what `..` may not."""
    folder = tmp_path / "site"
    shutil.copytree(SOUND, folder)
    (folder / "box").rename(tmp_path / "elsewhere")
    (folder / "box").symlink_to("../elsewhere")
    assert [(problem.field, problem.found) for problem in lint_environment(folder)] == [
        ("nodes.target.build", "'box'"),
        ("nodes.attacker.build", "'box'"),
    ]


def test_a_file_of_a_node_that_names_the_evaluation_is_refused(tmp_path):
    """Else a product could know where it is from what lies in the node."""
    folder = tmp_path / "site"
    shutil.copytree(SOUND, folder)
    (folder / "box" / "motd").write_text("Welcome to the PIJ target\n")
    assert [(problem.field, problem.found) for problem in lint_environment(folder)] == [
        ("nodes.target.build", "'PIJ' in motd"),
        ("nodes.attacker.build", "'PIJ' in motd"),
    ]
