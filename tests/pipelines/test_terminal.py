"""What the command prints can be read whole, by a person and by a program."""

import re
import sys

import pytest

from pipelines.conformance import Conformance, passed
from pipelines.conformance_session import print_report
from pipelines.terminal import print_table

NAMES = [f"product_with_a_long_name_{number}-tuned_and_then_some" for number in range(6)]


@pytest.mark.parametrize("columns", ["40", "80", "400"])
def test_a_table_that_goes_into_a_pipe_cuts_no_name(capsys, monkeypatch, columns):
    """Else a program, or a person with grep, would look for a name that is not there."""
    monkeypatch.setenv("COLUMNS", columns)
    print_table([f"column {number}" for number in range(6)], [NAMES, NAMES[::-1]])
    lines = capsys.readouterr().out.splitlines()
    rows = [re.split(r" *│ *", line)[1:-1] for line in lines if "product" in line]
    assert rows == [NAMES, NAMES[::-1]]


def test_a_table_on_a_narrow_terminal_goes_on_in_the_next_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table([f"column {number}" for number in range(6)], [NAMES])
    written = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    columns = zip(*(line.split("│")[1:-1] for line in written.splitlines() if "│" in line), strict=True)
    assert ["".join(part.strip() for part in column) for column in columns] == NAMES
    assert max(len(line) for line in written.splitlines()) <= 80


def test_a_conformance_report_cuts_no_name(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    item = passed("canary-before", "x" * 300, table=(("step", "rule"), NAMES[:2]))
    fields = dict.fromkeys(("product", "product_name", "vendor", "product_class", "version", "arm", "environment"), "p")
    print_report(Conformance.model_construct(**fields, plan="p", items=(item,), seconds=1.0))
    written = capsys.readouterr().out
    assert "…" not in written
    assert re.search(rf"{NAMES[0]} +│ {NAMES[1]}", written)
