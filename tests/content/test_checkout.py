"""What holds for the whole checkout."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.campaign import prepare
from pipelines.lint import lint_everything, lint_paths
from pipelines.schemas import ALL, FOLDER
from results.errors import ContentError
from results.paths import ROOT
from results.schemas import schema_text

PACKAGES = ("attacks", "environments", "pipelines", "products", "results")
POLLING = ROOT / "environments" / "waiting.py"


def sources():
    found = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [path for path in found if "published" not in path.parts and "runs" not in path.parts]


def test_all_content_of_the_checkout_is_without_problems():
    assert lint_everything() == []


def test_nothing_sleeps_for_a_fixed_time():
    """A fixed sleep is too short on a busy machine and too long on every other."""
    found = [path for path in sources() if path != POLLING and re.search(r"\bsleep\(", path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_the_committed_schemas_are_those_of_the_models(model):
    """Mend with `python -m pipelines.schemas`."""
    assert (FOLDER / f"{model.__name__}.json").read_text("utf-8") == schema_text(model)


def test_the_help_needs_neither_prefect_nor_docker_nor_pandas():
    """`pij --help` must answer at once."""
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom pipelines.command import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print([n for n in ('prefect', 'docker', 'pandas', 'plotly', 'duckdb', 'mitreattack') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_command_loads_our_folders_even_beside_decoys(tmp_path):
    """The folders' names are common words: another `results` in the working folder must not be taken for ours."""
    decoy = tmp_path / "results"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise SystemExit('the decoy was loaded')")
    done = subprocess.run(
        [ROOT / ".venv" / "bin" / "pij", "list", "products", "--json"], capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, '"id": "fail2ban"' in done.stdout) == (0, True), done.stderr


def test_eicar_stands_nowhere_in_one_piece():
    """Else the checkout itself is taken for malware."""
    whole = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.split(b"\0")
    paths = [ROOT / name.decode() for name in names if name]
    assert [path for path in paths if path.is_file() and whole in path.read_bytes()] == []


BROKEN = """\
id: wrong
title: {en: x, ja: x}
plan: linux_intrusoin
environment: linux_server
repetitions: 0
seed: 1
entires: []
"""


def test_a_broken_campaign_gets_every_problem_at_once_with_line_and_remedy(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(BROKEN)
    problems = {problem.field: (problem.line, problem.mend) for problem in lint_paths([path])}
    assert problems == {
        "repetitions": (5, "Correct the value."),
        "entries": (1, "Add the field."),
        "entires": (7, "Did you mean 'entries'?"),
    }


def test_a_broken_campaign_exits_2_and_starts_nothing(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(BROKEN)
    done = subprocess.run([ROOT / ".venv" / "bin" / "pij", "run", str(path)], capture_output=True, text=True)
    assert (done.returncode, "3 problem(s); nothing was started" in done.stderr) == (2, True)
    assert f"{path}:7: entires: found unknown field 'entires'" in done.stderr


def test_problems_of_several_files_are_shown_at_once(tmp_path):
    """Else a vendor mends one file a run."""
    (tmp_path / "bad_product").mkdir()
    (tmp_path / "bad_product" / "product.yaml").write_text("id: bad_product\nname: 1\n")
    (tmp_path / "bad_plan").mkdir()
    (tmp_path / "bad_plan" / "plan.yaml").write_text("id: [\n")
    path = tmp_path / "all.yaml"
    path.write_text(
        "id: all\ntitle: {en: x, ja: x}\nplan: bad_plan\nenvironment: nowhere\nseed: 1\n"
        "entries:\n  - {product: bad_product}\n  - {product: fail2ban, arm: none}\n"
    )
    with pytest.raises(ContentError) as caught:
        prepare(str(path))
    files = {Path(problem.path).name for problem in caught.value.problems}
    assert files == {"product.yaml", "plan.yaml", "nowhere", "all.yaml"}
    assert all(problem.found and problem.allowed and problem.mend for problem in caught.value.problems)
