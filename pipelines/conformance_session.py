"""`pij product check` from beginning to end, for a person at a terminal and for a vendor's CI."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from environments.engine import engine_for
from pipelines.conformance import Conformance, Status
from pipelines.conformance_report import as_junit, as_markdown, as_sarif, as_text, index_markdown
from pipelines.conformance_run import check_product
from pipelines.run import stopping_on_signals
from pipelines.terminal import print_table
from results.errors import EvaluationError, Interrupted
from results.paths import shown
from results.printable import printable

COLOURS = {Status.PASSED: "green", Status.FAILED: "bold red", Status.SKIPPED: "yellow"}
PRINTED = Path("-")


@dataclass(frozen=True)
class CheckWishes:
    """What the user asked for."""

    folders: tuple[Path, ...]
    arm: str | None = None
    environment: str | None = None
    content: dict[str, Path] = field(default_factory=dict)
    secrets: dict[str, Path] = field(default_factory=dict)
    json: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    markdown: Path | None = None
    keep_engine: bool = False


def check_products(wishes: CheckWishes) -> bool:
    """Check products one after the other, and write what was asked for; True if no item of any failed.

    Raises:
        ContentError: a manifest can't be read.
        EvaluationError: the engine or our own part failed.
        Interrupted: the user asked to stop; everything was taken down.
    """
    console = Console(stderr=True)

    def say(line: str) -> None:
        console.print(Text(printable(line)[:400]), style="dim", highlight=False, soft_wrap=True)

    stop, early = threading.Event(), threading.Event()
    early.set()
    reports: list[Conformance] = []
    with stopping_on_signals(stop, early), engine_for(say, wishes.keep_engine) as engine:
        for folder in wishes.folders:
            if stop.is_set():
                raise Interrupted("stopped by the user")
            try:
                report = check_product(
                    engine, folder, wishes.arm, wishes.environment, wishes.content, wishes.secrets, say, stop, early
                )
            except EvaluationError as error:
                if len(wishes.folders) == 1 or isinstance(error, Interrupted):
                    raise
                say(f"{folder.name}: not checked: {error}")
                continue
            finally:
                early.set()
            reports.append(report)
            if wishes.json != PRINTED:
                print_report(report)
            if wishes.markdown is not None:
                write_page(report, wishes.markdown)
    if len(reports) == 1:
        _write_files(reports[0], wishes)
    return len(reports) == len(wishes.folders) and all(report.passed for report in reports)


def print_report(report: Conformance) -> None:
    """The report as a table on standard output."""
    console = Console(width=None if Console().is_terminal else 160)
    table = Table("", "item", "found", "how to mend it", title=Text(f"{printable(report.product_name)} · {report.arm}"))
    for column in table.columns:
        column.overflow = "fold"
    for item in report.items:
        cells = (item.title.en, item.found, item.mend)
        table.add_row(Text(item.status, style=COLOURS[item.status]), *(Text(printable(cell)) for cell in cells))
    console.print(table)
    for item in report.items:
        if item.table:
            print_table(item.table[0], item.table[1:], item.title.en)
    failed = sum(item.status is Status.FAILED for item in report.items)
    words = "conforms" if report.passed else f"does not conform: {failed} item(s) failed"
    console.print(Text(f"{report.product} ({report.arm}) {words}; {report.seconds:.0f} s"), highlight=False)


def write_page(report: Conformance, folder: Path) -> Path:
    """One product's page, and its report as JSON beside it; then the index of all reports there."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{report.product}-{report.arm}.md"
    command = f"pij product check {report.product} --arm {report.arm}"
    page.write_text(as_markdown(report, command), "utf-8")
    (folder / f"{report.product}-{report.arm}.json").write_text(as_text(report), "utf-8")
    (folder / "README.md").write_text(index_markdown(read_reports(folder)), "utf-8")
    return page


def read_reports(folder: Path) -> list[Conformance]:
    """Every report of a folder.

    Raises:
        EvaluationError: a file there is none.
    """
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(Conformance.model_validate_json(file.read_bytes()))
        except ValidationError as error:
            raise EvaluationError(
                f"{file}: found {error.error_count()} fields that do not fit; allowed: reports of this version. "
                "Remove it, or check that product again."
            ) from error
    return found


def _write_files(report: Conformance, wishes: CheckWishes) -> None:
    manifest = Path(shown(wishes.folders[0])) / "product.yaml"
    writers: list[tuple[Path | None, Callable[[], str]]] = [
        (wishes.json, lambda: as_text(report)),
        (wishes.junit, lambda: as_junit(report)),
        (wishes.sarif, lambda: as_sarif(report, manifest.as_posix())),
    ]
    for path, text in writers:
        if path is None:
            continue
        if path == PRINTED:
            typer.echo(text(), nl=False)
            continue
        try:
            path.write_text(text(), "utf-8")
        except OSError as error:
            raise EvaluationError(f"{path}: {error.strerror}; allowed: a file that can be written.") from error
