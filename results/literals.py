"""Patterns that are a literal between anchors, which most criteria are: looked for without compiling thousands of them.

What `searcher` gives says whether `re.search` would find the pattern.
"""

import re
from collections.abc import Callable

_FORM = re.compile(r"(\^)?(\\b)?((?:[^.^$*+?{}\[\]\\|()]|\\[^0-9A-Za-z])+?)(\\b)?(\$)?")


def searcher(pattern: str) -> Callable[[str], bool]:
    """Whether a pattern is found in a text."""
    found = _FORM.fullmatch(pattern)
    if found is None:
        compiled = re.compile(pattern)
        return lambda text: compiled.search(text) is not None
    start, before, escaped, after, end = found.groups()
    literal = re.sub(r"\\(.)", r"\1", escaped, flags=re.DOTALL)
    if before or after:
        return _within_words(literal, bool(start), bool(before), bool(after), bool(end))
    ends = (literal, literal + "\n")
    if start and end:
        return lambda text: text in ends
    if start:
        return lambda text: text.startswith(literal)
    if end:
        return lambda text: text.endswith(ends)
    return lambda text: literal in text


def _within_words(literal: str, start: bool, before: bool, after: bool, end: bool) -> Callable[[str], bool]:
    """A literal with a word's boundary before or after it."""

    def holds(text: str) -> bool:
        place = text.find(literal)
        while place >= 0:
            past = place + len(literal)
            if (
                (not start or place == 0)
                and (not before or _is_boundary(text, place))
                and (not after or _is_boundary(text, past))
                and (not end or past == len(text) or (past == len(text) - 1 and text[past] == "\n"))
            ):
                return True
            place = text.find(literal, place + 1)
        return False

    return holds


def _is_boundary(text: str, place: int) -> bool:
    return _is_word(text[place - 1 : place]) != _is_word(text[place : place + 1])


def _is_word(letter: str) -> bool:
    return letter.isalnum() or letter == "_"
