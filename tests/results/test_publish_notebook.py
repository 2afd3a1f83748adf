"""The notebook as it lies in the repository."""

import json

from results.notebook import NOTEBOOK


def cells(kind: str) -> list[dict]:
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def test_the_notebook_holds_no_functions_of_its_own():
    """Else logic would live where no test and no second reader looks."""
    source = "\n".join("".join(cell["source"]) for cell in cells("code"))
    assert not [word for word in ("def ", "lambda", "class ") if word in source]


def test_the_notebook_reads_results_only():
    """Else a published number could depend on something that is not in the sealed records."""
    source = "\n".join("".join(cell["source"]) for cell in cells("code"))
    imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert [line for line in imports if not line.startswith("from results")] == ["from pathlib import Path"]


def test_the_notebook_is_committed_without_outputs():
    """Else results of one machine would look like part of the source."""
    assert [cell["outputs"] for cell in cells("code") if cell["outputs"]] == []


def test_one_cell_is_tagged_as_parameters():
    """Else papermill would add its values in front of the imports, and they would be overwritten."""
    tagged = [cell for cell in cells("code") if "parameters" in cell["metadata"].get("tags", [])]
    assert [sorted(line.split(" =")[0] for line in cell["source"].splitlines()) if isinstance(cell["source"], str)
            else sorted(line.split(" =")[0] for line in cell["source"]) for cell in tagged] == [
        ["campaign_folder", "language"]
    ]  # fmt: skip
