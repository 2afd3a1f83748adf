"""Linting a ready-made mapping's folder: its expressions, its id, and that its samples are there."""

from pathlib import Path

from products.lint_source import findings
from products.mapping import FILE, read_mapping
from results.documents import load_yaml
from results.errors import ContentError, Problem


def lint_mapping(folder: Path) -> list[Problem]:
    """Every problem of `<folder>/mapping.yaml`."""
    path = folder / FILE
    try:
        mapping = read_mapping(folder)
        _data, lines = load_yaml(path)
    except ContentError as error:
        return list(error.problems)
    found: list[tuple[tuple[str | int, ...], str, str, str]] = list(findings(mapping))
    if mapping.id != folder.resolve().name:
        found.append((("id",), mapping.id, f"the folder's name, {folder.resolve().name}", "Rename one of the two."))
    if not mapping.samples:
        found.append((("samples",), "none", "published sample events", "A mapping without any is not sample-tested."))
    for index, sample in enumerate(mapping.samples):
        for field, name in (("file", sample.file), ("expected", sample.expected)):
            if not (folder / name).is_file() or not (folder / name).resolve().is_relative_to(folder.resolve()):
                found.append((("samples", index, field), name, "a file of this folder", "Add it."))
    return [
        Problem(
            path=str(path),
            line=lines.of(place),
            field=".".join(map(str, place)),
            found=what,
            allowed=allowed,
            mend=mend,
        )
        for place, what, allowed, mend in found
    ]
