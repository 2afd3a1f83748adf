"""What the command prints: tables, JSON, and expected errors without a traceback."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from results.errors import ContentError, EvaluationError, Interrupted

WIDEST = 1 << 20
"""Columns of a table that is not read on a terminal, at most."""


@contextmanager
def explaining(as_json: bool) -> Iterator[None]:
    """Expected errors print their text, not a traceback, and exit 2; Ctrl-C exits 130."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt):
        typer.echo(
            "stopped; everything that was started has been taken down. Run the same command to resume.", err=True
        )
        raise typer.Exit(130) from None
    except ContentError as error:
        if as_json:
            print_json([problem.model_dump(mode="json") for problem in error.problems])
        else:
            for problem in error.problems:
                typer.echo(visible(str(problem)), err=True)
            typer.echo(f"{len(error.problems)} problem(s); nothing was started", err=True)
        raise typer.Exit(2) from None
    except EvaluationError as error:
        typer.echo(visible(str(error)), err=True)
        raise typer.Exit(2) from None


def visible(text: str) -> str:
    """Text of unknown origin with every invisible character spelled out."""
    from results.printable import printable

    return "\n".join(printable(line) for line in text.splitlines())


def print_table(header: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
    """A table on standard output; every cell is made safe to look at, and none is cut.

    On a terminal what does not fit goes on in the next line; elsewhere a row is one line, however long, so that a
    program finds every name whole.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, title=Text(title) if title else None)
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        table.add_row(*(Text(visible(str(cell))) for cell in row))
    is_seen = sys.stdout.isatty()
    Console(width=None if is_seen else Console(width=WIDEST).measure(table).maximum).print(table)


def print_json(value: object) -> None:
    """JSON on standard output, for a program."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str))


def named_paths(option: str, texts: list[str]) -> dict[str, Path]:
    """`ID=PATH` options as a dictionary.

    Raises:
        EvaluationError: one is not of that form, or nothing is there.
    """
    pairs = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or not Path(path).exists():
            raise EvaluationError(
                f"{option}: found {text!r}; allowed: ID=PATH of something that is there. Check the path."
            )
        pairs[name] = Path(path)
    return pairs
