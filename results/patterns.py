"""Regular expressions that come from content files: they must compile, and must not run for ever."""

import re
import re._constants as constants
import re._parser as parser

REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT)
MANY = 32


def objection(pattern: str) -> str | None:
    """Why a pattern is refused: it does not compile, or nests repetitions so that matching may never end."""
    try:
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"not a regular expression ({error})"
    return "a repetition inside a repetition, which may never end" if _nested(tree, inside=False) else None


def _nested(tree: object, inside: bool) -> bool:
    for operator, argument in tree:  # type: ignore[attr-defined]
        if operator in REPEATS:
            low, high, inner = argument
            unbounded = high is constants.MAXREPEAT or high - low > MANY
            if unbounded and inside:
                return True
            if _nested(inner, inside or unbounded):
                return True
        elif operator is constants.SUBPATTERN:
            if _nested(argument[-1], inside):
                return True
        elif operator is constants.BRANCH:
            if any(_nested(branch, inside) for branch in argument[1]):
                return True
        elif operator in (constants.ASSERT, constants.ASSERT_NOT) and _nested(argument[1], inside):
            return True
    return False
