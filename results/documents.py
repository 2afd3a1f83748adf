"""YAML documents checked by pydantic models, every problem with its line.

YAML is loaded with the safe constructors only. Duplicate keys are a problem, not a silent overwrite.
"""

import difflib
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from results.errors import ContentError, Problem

MAX_DOCUMENT_BYTES = 4_000_000
MAX_NODES = 200_000
"""Nodes of one document with every alias followed: an anchor bomb is refused before anything walks through it."""
MAX_DEPTH = 60
SAFE_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe constructors; libyaml's parser where PyYAML has it, which is many times faster."""

M = TypeVar("M", bound=BaseModel)


class Definition(BaseModel):
    """Base of everything a person writes in YAML: frozen, and an unknown key is a problem."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)


def load_yaml(path: Path) -> tuple[Any, "Lines"]:
    """Read one YAML document.

    Returns:
        The plain data, and where each of its fields stands.

    Raises:
        ContentError: the file can't be read, is no YAML, or repeats a key.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise ContentError([_whole(path, f"{error.strerror}", "a readable file", "Check the path.")]) from None
    if len(raw) > MAX_DOCUMENT_BYTES:
        found = f"{path.stat().st_size} bytes"
        raise ContentError([_whole(path, found, f"at most {MAX_DOCUMENT_BYTES} bytes", "Split the file.")])
    text = ""
    try:
        text = raw.decode("utf-8")
        _refuse_depth(path, text)
        node = yaml.compose(text, Loader=SAFE_LOADER)
        lines = Lines()
        problems: list[Problem] = []
        _walk(path, node, (), lines, problems)
        if problems:
            raise ContentError(problems)
        return yaml.load(text, SAFE_LOADER), lines  # noqa: S506  # the safe constructors
    except UnicodeDecodeError as error:
        raise ContentError([_whole(path, f"byte {error.start} is not UTF-8", "UTF-8", "Save it as UTF-8.")]) from None
    except ValueError as error:  # a date such as 2020-99-99
        raise ContentError([_whole(path, str(error), "YAML 1.1", "Quote the value.")]) from None
    except yaml.YAMLError as first:
        clear = _clearer(text, first)
        mark = getattr(clear, "problem_mark", None)
        raise ContentError(
            [
                Problem(
                    path=str(path),
                    line=mark.line + 1 if mark else None,
                    field="",
                    found=str(getattr(clear, "problem", None) or clear),
                    allowed="YAML 1.1",
                    mend="Correct the syntax at that line.",
                )
            ]
        ) from None


def _refuse_depth(path: Path, text: str) -> None:
    """Nesting without end would exhaust the stack of whatever walks through it, libyaml's composer first."""
    depth = 0
    for event in yaml.parse(text, Loader=SAFE_LOADER):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else None
            found = f"more than {MAX_DEPTH} levels"
            raise ContentError(
                [Problem(path=str(path), line=line, field="", found=found, allowed=f"at most {MAX_DEPTH}",
                         mend="Flatten it.")]
            )  # fmt: skip


def _clearer(text: str, error: yaml.YAMLError) -> yaml.YAMLError:
    """The same mistake as PyYAML's own parser words it, which says more than libyaml's."""
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as clearer:
        return clearer
    except RecursionError:
        return error
    return error


class Lines(dict[tuple[str | int, ...], int]):
    """Line (from 1) of each field, keyed by its path in the document."""

    nodes = 0
    """How many nodes were walked through."""

    def of(self, location: tuple[str | int, ...]) -> int | None:
        """The line of a field, or of the nearest parent that has one."""
        for length in range(len(location), -1, -1):
            if location[:length] in self:
                return self[location[:length]]
        return None


def read_document(path: Path, model: type[M]) -> M:
    """Read and check one document.

    Raises:
        ContentError: with every problem of the document at once.
    """
    data, lines = load_yaml(path)
    return check(path, data, lines, model)


def check(path: Path, data: object, lines: Lines, model: type[M]) -> M:
    """Validate plain data against a model; problems carry the lines they stand at.

    Raises:
        ContentError: with every problem at once.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [_problem(path, dict(detail), lines, model) for detail in error.errors()]
        raise ContentError(problems) from None


def _problem(path: Path, detail: dict[str, Any], lines: Lines, model: type[BaseModel]) -> Problem:
    location = tuple(part for part in detail["loc"] if not str(part).startswith(("function-", "lax-")))
    context = detail.get("ctx", {})
    found = _shorten(detail.get("input"))
    allowed = str(detail["msg"]).removeprefix("Value error, ")
    mend = "Correct the value."
    if detail["type"] == "missing":
        found, allowed, mend = "nothing", "this field is required", "Add the field."
    elif detail["type"] == "extra_forbidden":
        names = sorted(_field_names(model, location[:-1]))
        close = difflib.get_close_matches(str(location[-1]), names, n=1)
        found, allowed = f"unknown field {location[-1]!r}", ", ".join(names) or "no such field"
        mend = f"Did you mean {close[0]!r}?" if close else "Remove the field."
    elif "expected" in context:
        allowed = str(context["expected"])
    field = ".".join(str(part) for part in location)
    return Problem(path=str(path), line=lines.of(location), field=field, found=found, allowed=allowed, mend=mend)


def _field_names(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    """Names allowed at a place, followed through nested models as far as the annotations tell."""
    current: Any = model
    is_mapping = False
    for part in location:
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return set()
        if isinstance(part, int) or is_mapping:
            is_mapping = False
            continue
        info = next(
            (f for name, f in current.model_fields.items() if part in (name, f.alias)),
            None,
        )
        if info is None:
            return set()
        current = _inner_model(info.annotation)
        is_mapping = get_origin(info.annotation) is dict
    if isinstance(current, type) and issubclass(current, BaseModel):
        return {info.alias or name for name, info in current.model_fields.items()}
    return set()


def _inner_model(annotation: object) -> object:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _inner_model(inner)
        if found is not None:
            return found
    return None


def _shorten(value: object, limit: int = 120) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def _whole(path: Path, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=str(path), line=None, field="", found=found, allowed=allowed, mend=mend)


def _walk(
    path: Path, node: yaml.Node | None, location: tuple[str | int, ...], lines: Lines, problems: list[Problem]
) -> None:
    if node is None:
        return
    lines.setdefault(location, node.start_mark.line + 1)
    lines.nodes += 1
    if lines.nodes > MAX_NODES:
        raise ContentError(
            [
                Problem(
                    path=str(path), line=node.start_mark.line + 1, field=".".join(map(str, location[:3])),
                    found=f"more than {MAX_NODES} nodes once every alias is followed",
                    allowed=f"at most {MAX_NODES}", mend="Write the values out instead of repeating anchors.",
                )
            ]
        )  # fmt: skip
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            inner = (*location, name)
            lines[inner] = key.start_mark.line + 1
            if name in seen:
                problems.append(
                    Problem(
                        path=str(path),
                        line=key.start_mark.line + 1,
                        field=".".join(map(str, inner)),
                        found=f"{name!r} a second time",
                        allowed="each key once",
                        mend="Remove one of the two.",
                    )
                )
            seen.add(name)
            _walk(path, value, inner, lines, problems)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _walk(path, value, (*location, index), lines, problems)
