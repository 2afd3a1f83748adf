"""What an arm changes against its product's default one, written down for a reader (scoring.md §5).

`arms/differences.json` in a campaign's folder lists them, `arms/<product>-<arm>.diff.txt` holds each. They are made
where the product folders are known (`pipelines.arms`); nothing here reads one.
"""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from results.errors import EvaluationError, RecordVersionError
from results.printable import printable
from results.records import READABLE_VERSIONS, SCHEMA_VERSION, Record, Slug, Trial

FOLDER, LIST = "arms", "differences.json"
LARGEST = 200_000
"""Characters of one difference; what is beyond is cut off, and its last line says so."""


class Basis(StrEnum):
    """How it is known that the difference is that of what was run."""

    RUN = "run"
    """Written down before the first trial."""
    MATCHED = "matched"
    """Made later, from a folder whose digest the trials recorded."""
    REGISTERED = "registered"
    """Made later, from a folder whose digest is the registered one; the trials recorded none."""
    UNCHECKED = "unchecked"
    """Made later, and nothing was recorded to hold the folder against."""
    CHANGED = "changed"
    """The folder is not the one that was run: no difference is shown."""
    ABSENT = "absent"
    """The folder is not at hand: no difference is shown."""


class ArmDifference(Record):
    """One arm beside its product's default one."""

    product: Slug
    first: Slug
    """The default arm."""
    second: Slug
    basis: Basis
    digest: str | None = None
    """Of the entry (product's folder, arm and content) that the second arm was made from; None where it is absent."""
    changed: int = 0
    """Lines that were added or removed."""
    sha256: str | None = None
    """Of the text; None where there is none."""

    @property
    def key(self) -> str:
        """The second arm's name in the results."""
        return f"{self.product}-{self.second}"

    @property
    def file(self) -> str:
        """Its text, in the folder of differences."""
        return f"{self.key}.diff.txt"


class Written(NamedTuple):
    """A difference and its text; None where there is none."""

    about: ArmDifference
    text: str | None


def written(about: ArmDifference, text: str) -> Written:
    """A difference with its text, made printable and cut to size: products' files are nobody's words but theirs."""
    shown = printable(text)
    if len(shown) > LARGEST:
        shown = f"{shown[:LARGEST]}\n[cut off: {len(shown) - LARGEST} characters more]\n"
    changed = sum(line.startswith(("+", "-")) and not line.startswith(("+++ ", "--- ")) for line in shown.splitlines())
    digest = hashlib.sha256(shown.encode("utf-8", "backslashreplace")).hexdigest()
    return Written(about.model_copy(update={"changed": changed, "sha256": digest}), shown)


def write_differences(folder: Path, differences: tuple[Written, ...]) -> None:
    """Write the differences of a campaign beside it, or under a publication's data; none are no folder."""
    if not differences:
        return
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    for one in differences:
        if one.text is not None:
            (place / one.about.file).write_bytes(one.text.encode("utf-8", "backslashreplace"))
    data = {"schema_version": SCHEMA_VERSION, "arms": [one.about.model_dump(mode="json") for one in differences]}
    (place / LIST).write_text(json.dumps(data, sort_keys=True, indent=1) + "\n", "utf-8")


def read_differences(folder: Path) -> tuple[Written, ...]:
    """The differences that stand beside a campaign, their texts held against their hashes; none if there are none.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        EvaluationError: the list or a text is not what was written.
    """
    path = folder / FOLDER / LIST
    if not path.is_file():
        return ()
    try:
        data = json.loads(path.read_bytes())
        version = data.get("schema_version", 0)
        if version not in READABLE_VERSIONS:
            raise RecordVersionError(path, version if isinstance(version, int) else 0, READABLE_VERSIONS)
        listed = [ArmDifference.model_validate(one) for one in data["arms"]]
    except (ValidationError, ValueError, AttributeError, KeyError, TypeError) as error:
        words = " ".join(str(error).split())[:200]
        raise EvaluationError(f"{path}: found {words}; allowed: the list as pij wrote it. Restore it.") from None
    return tuple(Written(one, _text(path.with_name(one.file), one)) for one in listed)


def _text(path: Path, about: ArmDifference) -> str | None:
    if about.sha256 is None:
        return None
    data = path.read_bytes() if path.is_file() else b""
    found = hashlib.sha256(data).hexdigest()
    if found != about.sha256:
        raise EvaluationError(
            f"{path}: sha256: found {found[:16]}; allowed: {about.sha256[:16]}, as {LIST} lists it. Restore the file."
        )
    return data.decode("utf-8")


def held_against(differences: tuple[Written, ...], trials: Mapping[str, Trial]) -> tuple[Written, ...]:
    """The same, without the text of what the trials contradict: they recorded another digest than it was made from."""
    ran: dict[str, set[str]] = {}
    for trial in trials.values():
        if trial.entry_digest is not None:
            ran.setdefault(f"{trial.product}-{trial.arm}", set()).add(trial.entry_digest)
    found = []
    for one in differences:
        contradicted = ran.get(one.about.key, {one.about.digest}) != {one.about.digest}
        if one.text is not None and contradicted:
            about = one.about.model_copy(update={"basis": Basis.CHANGED, "changed": 0, "sha256": None})
            found.append(Written(about, None))
        else:
            found.append(one)
    return tuple(found)
