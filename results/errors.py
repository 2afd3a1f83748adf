"""The errors a person reads. Each says what was found and how to mend it; none needs a traceback."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

MOST_LISTED = 6
"""Names in one message; how many more there are is said."""


def several(names: Iterable[str], near: str | None = None, sep: str = ", ", nothing: str = "none") -> str:
    """A handful of names for a message, and how many more there are.

    Args:
        names: all of them.
        near: what was given instead; the names most like it come first.
        sep: between two.
        nothing: the words if there are none.
    """
    known = list(dict.fromkeys(names))
    if near is not None and len(known) > MOST_LISTED:
        known = list(dict.fromkeys([*difflib.get_close_matches(near, known, MOST_LISTED), *known]))
    more = [f"and {len(known) - MOST_LISTED} more"] if len(known) > MOST_LISTED else []
    return sep.join([*known[:MOST_LISTED], *more]) or nothing


class Problem(BaseModel):
    """One finding about a content file: where it is, what was found, what is allowed, how to mend it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    path: str
    """File, as the user named it."""
    line: int | None
    """Line number, from 1; None where the file as a whole is meant."""
    field: str
    """Dotted path of the field, e.g. `steps.3.procedure`; empty for the document itself."""
    found: str
    """What stands there."""
    allowed: str
    """What may stand there."""
    mend: str
    """What to do about it."""

    def __str__(self) -> str:
        """One problem in one line."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        field = f" {self.field}:" if self.field else ""
        return f"{place}:{field} found {self.found}; allowed: {self.allowed}. {self.mend}"


class EvaluationError(Exception):
    """Base of every expected error: its text is for a person; printed without a traceback, exit 2."""


class ContentError(EvaluationError):
    """A plan, product, environment or campaign file is wrong."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep every problem found, so that all are mended in one go."""
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class TargetError(EvaluationError):
    """Ours or the machine's fault: the trial is invalid, never a miss."""


class EngineError(TargetError):
    """The Docker engine is missing, refuses, or went away."""


class ProductError(EvaluationError):
    """The product crashed or would not answer: recorded as such, never as 'no alerts'."""


class SealError(EvaluationError):
    """A sealed trial is not what was sealed."""


class RecordVersionError(EvaluationError):
    """Records of a schema version that this pij does not read."""

    def __init__(self, path: Path, found: int, readable: Sequence[int]) -> None:
        """Name the file, what it is and what can be read."""
        versions = ", ".join(str(version) for version in readable)
        super().__init__(
            f"{path}: schema_version: found {found}; allowed: {versions}. "
            "Install the pij release that wrote it, or run the trial again."
        )


class Interrupted(EvaluationError):  # a person pressed Ctrl-C: that is not an error
    """The user asked to stop; everything started has been taken down."""
