"""Text of unknown origin on pages and in tables."""

import csv
from pathlib import Path

import pytest

from results.exports import write_table
from results.printable import csv_cell, printable
from results.records import Text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain 日本語 text\nnext\tline", "plain 日本語 text\nnext\tline"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\rb\x00", "a\\x0db\\x00"),
        ("invoice\u202egnp.exe", "invoice⟦U+202E⟧gnp.exe"),
        ("\u2066x\u2069\u200b\ufeff", "⟦U+2066⟧x⟦U+2069⟧⟦U+200B⟧⟦U+FEFF⟧"),
        ("\u2028\x85\U000e0041\u3164", "⟦U+2028⟧\\x85⟦U+E0041⟧⟦U+3164⟧"),
        ("\ud800", "⟦U+D800⟧"),
        ("", ""),
    ],
)
def test_every_character_that_hides_or_reorders_text_is_spelled_out(raw, shown):
    """Else an alert could make the reader (or a terminal) see something else than what the product sent."""
    assert printable(raw) == shown


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "  ="])
def test_no_text_cell_can_start_a_formula(start):
    """Else opening the table in a spreadsheet would run what an attacker put into an alert."""
    assert str(csv_cell(f"{start}1+1")).startswith("'")


def test_numbers_stay_numbers_in_tables():
    """Else a latency of -0.5 s would become text and drop out of a reader's sums."""
    assert [csv_cell(value) for value in (-0.5, 3, True)] == [-0.5, 3, True]


def test_a_table_is_read_back_as_written_and_marked_as_utf8(tmp_path: Path):
    """Else Excel would show Japanese as rubbish, or quotes and line breaks would break rows apart."""
    write_table(tmp_path / "t.csv", Text, [Text(en='=1 "a",\nb', ja="警告\x1b")])
    raw = (tmp_path / "t.csv").read_bytes()
    rows = list(csv.reader(raw.decode("utf-8-sig").splitlines(keepends=True)))
    assert raw.startswith(b"\xef\xbb\xbf")
    assert rows == [["en", "ja"], ['\'=1 "a",\nb', "警告\\x1b"]]
