r"""YAML as the Go tools of web corpora read it: every scalar is the text that is written, and `\'` is a quote.

The limits and findings are those of `load_yaml`; only what Go reads otherwise is done here.
"""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from results.documents import SAFE_LOADER, Lines, load_yaml
from results.errors import ContentError, Problem

UNKNOWN_ESCAPE = "unknown escape character"
ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class _AsWritten(SAFE_LOADER):  # type: ignore[valid-type, misc]  # C or Python, as it is installed
    """Numbers, dates and yes/no stay texts: Go's maps of texts take them as they are written."""


_AsWritten.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in SAFE_LOADER.yaml_implicit_resolvers.items()
}


class _QuoteLoader(yaml.SafeLoader):
    r"""Knows `\'`, as go-yaml does; YAML itself does not."""

    ESCAPE_REPLACEMENTS = {**yaml.SafeLoader.ESCAPE_REPLACEMENTS, "'": "'"}  # type: ignore[misc]  # the stubs call it final


def load_go_yaml(path: Path) -> tuple[Any, Lines]:
    """Read one YAML document as Go would.

    Returns:
        The data, all of whose scalars are texts or None, and where each field stands.

    Raises:
        ContentError: as `load_yaml` does.
    """
    try:
        _typed, lines = load_yaml(path)
        text = path.read_bytes().decode("utf-8")
    except ContentError as error:
        if not any(UNKNOWN_ESCAPE in problem.found for problem in error.problems):
            raise
        text = _without_escaped_quotes(path.read_bytes().decode("utf-8"))
        lines = _lines_of(path, text)
    except ValueError as error:  # e.g. 2020-99-99 looks like a date to YAML, but is none
        raise ContentError([_no_value(path, str(error))]) from None
    return yaml.load(text, _AsWritten), lines  # noqa: S506  # a SafeLoader


def explain(path: Path, lines: Lines, at: tuple[str | int, ...], detail: Mapping[str, Any], known: str = "") -> Problem:
    """A pydantic finding about a part of an upstream file.

    Args:
        path: the file.
        lines: of the file.
        at: where the checked part stands in the document.
        detail: what pydantic says.
        known: the fields that there are, for an unknown one.
    """
    location = (*at, *detail["loc"])
    found, mend = repr(detail["input"])[:120], "Correct it as upstream writes it."
    allowed = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "missing":
        found, allowed, mend = "nothing", "this field is required", "Add it as upstream writes it."
    elif detail["type"] == "extra_forbidden":
        found, allowed, mend = f"unknown field {location[-1]!r}", known or "fields of upstream", "Remove the field."
    return problem(path, lines, location, found, allowed, mend)


def problem(path: Path, lines: Lines, location: tuple[str | int, ...], found: str, allowed: str, mend: str) -> Problem:
    """A finding about the field at a place of the document."""
    return Problem(
        path=str(path),
        line=lines.of(location),
        field=".".join(str(part) for part in location),
        found=found,
        allowed=allowed,
        mend=mend,
    )


def _without_escaped_quotes(text: str) -> str:
    r"""The text with `'` for each `\'` inside double quotes; no line begins elsewhere than before."""
    pieces: list[str] = []
    end = 0
    try:
        for token in yaml.scan(text, Loader=_QuoteLoader):
            if isinstance(token, yaml.ScalarToken) and token.style == '"':
                pieces.append(text[end : token.start_mark.index])
                end = token.end_mark.index
                quoted = text[token.start_mark.index : end]
                pieces.append(ESCAPED.sub(lambda match: "'" if match.group(1) == "'" else match.group(0), quoted))
    except yaml.YAMLError:
        pass  # something else is wrong as well; whoever reads the text says what
    return "".join([*pieces, text[end:]])


def _lines_of(path: Path, text: str) -> Lines:
    """Where the fields of the mended text stand, with every check of `load_yaml`."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "document.yaml"
        copy.write_bytes(text.encode("utf-8"))
        try:
            return load_yaml(copy)[1]
        except ContentError as error:
            raise ContentError([one.model_copy(update={"path": str(path)}) for one in error.problems]) from None
        except ValueError as error:
            raise ContentError([_no_value(path, str(error))]) from None


def _no_value(path: Path, found: str) -> Problem:
    return Problem(
        path=str(path), line=None, field="", found=found, allowed="dates and numbers that exist",
        mend="Put the value that looks like a date or a number into quotes.",
    )  # fmt: skip
