r"""Text of unknown origin, made safe to look at.

Alerts, products and plans are hostile. HTML escaping stops markup, but a terminal escape, a bidirectional
override or a zero-width character still makes a reader see something else than what stands there. Here every
such character becomes visible (`\x1b`, `⟦U+202E⟧`); line breaks and tabs stay.
"""

import json
import unicodedata

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet may take for a formula; Japanese ones take the full-width forms too."""

_KEPT = frozenset("\n\t")
_HIDDEN = frozenset({"Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u034f\u17b4\u17b5")
"""Letters and marks by category that draw nothing."""


def printable(text: str) -> str:
    """The text with every invisible or reordering character spelled out."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def csv_cell(value: object) -> object:
    """A cell that a spreadsheet shows and never runs; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    shown = printable(value)
    return f"'{shown}" if value.lstrip(" ").startswith(FORMULA_STARTS) else shown


def _visible(character: str) -> str:
    if character in _KEPT:
        return character
    category = unicodedata.category(character)
    if category == "Cc":
        return f"\\x{ord(character):02x}"
    if category in _HIDDEN or character in _BLANK:
        return f"⟦U+{ord(character):04X}⟧"
    return character


def script_data(value: object) -> str:
    """JSON that may stand inside a script element: no character of it can end the element or begin markup."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
