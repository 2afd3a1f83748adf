"""Patterns looked for without compiling them are found where `re` finds them."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.literals import searcher

PIECES = st.sampled_from(("a", "b_", "é", " ", r"\.", r"\-", "\n", r"\b", "^", "$", "-", "0", "#", "本"))
LETTERS = st.text(alphabet="ab_é .-\n0#本^$\\", max_size=12)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=6).map("".join), LETTERS, LETTERS)
def test_a_literal_is_found_where_re_finds_it(pattern, before, after):
    text = before + re.sub(r"\\(.)|[\^$]", r"\1", pattern).replace("b", "") + after
    for one in (text, before, after, pattern):
        assert searcher(pattern)(one) == (re.search(pattern, one) is not None)


@pytest.mark.parametrize(
    "pattern", [r"^/srv/a\.txt$", r"\bcron\b", r"a|b", r"(?i)CRON", r"^x", r"y$", "", r"\d+", r"^\bz"]
)
@pytest.mark.parametrize(
    "text", ["/srv/a.txt", "/srv/a.txt\n", "a cron b", "acron", "CRON", "x", "y", "y\n", "", "7", "z"]
)
def test_every_form_of_pattern_is_found_where_re_finds_it(pattern, text):
    assert searcher(pattern)(text) == (re.search(pattern, text) is not None)
