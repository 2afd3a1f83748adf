"""The notebook, executed and turned into a page.

It runs in a process of its own with the interpreter that runs us, a kernel description made for the occasion
and Jupyter's folders in a temporary place: nothing of the user's Jupyter is read or written, and nothing is
fetched. What would differ from run to run, or name this machine, is taken out afterwards.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from results.charts import MIME, figure_data
from results.errors import EvaluationError
from results.paths import ROOT

NOTEBOOK = ROOT / "notebooks" / "campaign.ipynb"
LIMIT_S = 300
_KERNEL = "pij"
_DRAW = """\
const dark = matchMedia("(prefers-color-scheme: dark)");
for (const box of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(document.getElementById(box.id + "-data").textContent);
  const options = {displayModeBar: false, responsive: true};
  const draw = () => {
    figure.layout.font = {...figure.layout.font, color: dark.matches ? "#e6e9ee" : "#1d2430"};
    const grid = dark.matches ? "#343c48" : "#d9dce1";
    figure.layout.xaxis = {...figure.layout.xaxis, gridcolor: grid, zerolinecolor: grid};
    figure.layout.yaxis = {...figure.layout.yaxis, gridcolor: grid, zerolinecolor: grid};
    Plotly.react(box, figure.data, figure.layout, options);
  };
  draw();
  dark.addEventListener("change", draw);
}
"""


def start_notebook(folder: Path, data: str, language: str, scratch: Path) -> "subprocess.Popen[str]":
    """Begin executing the notebook as `<folder>/notebook.ipynb`.

    Args:
        folder: where it is published, and its working directory.
        data: the published campaign data, relative to `folder`, so that no path of this machine gets in.
        language: `ja` or `en`.
        scratch: an empty folder for everything that is not published.
    """
    kernel = scratch / "kernels" / _KERNEL
    kernel.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}), "utf-8"
    )
    return subprocess.Popen(  # noqa: S603  # our own interpreter, no shell
        [
            *(sys.executable, "-m", "results.notebook_run", str(NOTEBOOK), str(folder / "notebook.ipynb")),
            *(_KERNEL, str(folder), data, language),
        ],
        env=_surroundings(scratch),
        cwd=scratch,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="backslashreplace",
    )


def _surroundings(scratch: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER_", "PYTHONW"))}
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "JUPYTER_PATH": str(scratch),
        "JUPYTER_DATA_DIR": str(scratch / "data"),
        "JUPYTER_RUNTIME_DIR": str(scratch / "runtime"),
        "JUPYTER_CONFIG_DIR": str(scratch / "config"),
        "JUPYTER_PLATFORM_DIRS": "1",
        "IPYTHONDIR": str(scratch / "ipython"),
        "PLOTLY_RENDERER": "plotly_mimetype",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONPATH": os.pathsep.join(path),
    }


def execute_notebooks(jobs: list[tuple[Path, str, str]]) -> None:
    """Execute the notebook for each (folder, data, language), side by side.

    Raises:
        EvaluationError: a cell failed, or it took too long; with what Python said.
    """
    with tempfile.TemporaryDirectory(prefix="pij-notebook-") as scratch:
        running = []
        try:
            for folder, data, language in jobs:
                place = Path(scratch) / language
                place.mkdir()
                running.append((language, start_notebook(folder, data, language, place)))
            for language, process in running:
                _finish(language, process)
        finally:
            for _, process in running:
                if process.poll() is None:
                    process.terminate()
                    process.wait()
                if process.stderr is not None:
                    process.stderr.close()


def _finish(language: str, process: "subprocess.Popen[str]") -> None:
    try:
        _, said = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise EvaluationError(
            f"{NOTEBOOK.name} ({language}): found no end after {LIMIT_S} s; allowed: {LIMIT_S} s. "
            "Open the notebook on the campaign and see which cell takes long."
        ) from None
    if process.returncode != 0:
        tail = "\n".join(said.strip().splitlines()[-15:])
        raise EvaluationError(
            f"{NOTEBOOK.name} ({language}): found an error while it ran; allowed: every cell runs. "
            f"Open the notebook on the campaign and run it; Python said:\n{tail}"
        )


def clean_notebook(path: Path) -> None:
    """Take out of an executed notebook what differs from run to run or names this machine."""
    notebook: dict[str, Any] = json.loads(path.read_text("utf-8"))
    notebook["metadata"] = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for index, cell in enumerate(notebook["cells"]):
        tags = cell["metadata"].get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        if "injected-parameters" in tags:
            cell["id"] = f"injected-{index}"
        if cell["cell_type"] == "code":
            cell["outputs"] = [one for one in cell["outputs"] if one.get("name") != "stderr"]
            for one in cell["outputs"]:
                one["metadata"] = {}
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


def notebook_page(path: Path, environment: Environment, page: dict[str, Any], plotly: str) -> str:
    """The executed notebook as a page in the same dress as the others; figures by the shipped script.

    Args:
        path: the executed notebook; cleaned in place.
        environment: the pages' templates.
        page: what every page gets.
        plotly: plotly's script, relative to the page.
    """
    import nbformat
    from nbconvert import HTMLExporter

    clean_notebook(path)
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]  # nbformat has no types
    # The defaults would stand beside the parameters that it really ran with.
    notebook.cells = [cell for cell in notebook.cells if "parameters" not in cell.metadata.get("tags", [])]
    figures = 0
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            bundle = output.get("data", {}).pop(MIME, None)
            if bundle is not None:
                figures += 1
                output["data"]["text/html"] = (
                    f'<div class="plot" id="figure-{figures}"></div>'
                    f'<script type="application/json" id="figure-{figures}-data">{figure_data(bundle)}</script>'
                )
    exporter = HTMLExporter(template_name="basic", exclude_anchor_links=True)  # type: ignore[no-untyped-call]
    body, _ = exporter.from_notebook_node(notebook)
    digest = base64.b64encode(hashlib.sha256(_DRAW.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    # nbconvert has rendered it; pandas escaped what came from data, and `frames` made it printable.
    return environment.get_template("notebook.html.j2").render(
        **(page | {"csp": policy, "body": Markup(body), "plotly": plotly, "script": Markup(_DRAW)})  # noqa: S704
    )
