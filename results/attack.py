"""The compact ATT&CK catalogue: ids, names, tactics, parents, revocations of one release. Facts only."""

import json
import os
from pathlib import Path

from results.errors import EvaluationError, RecordVersionError
from results.records import Record, TacticId, TechniqueId

CATALOGUE_VERSION = 1


class Tactic(Record):
    """One tactic."""

    name: str
    shortname: str
    """As tools write it, e.g. `initial-access`."""
    name_ja: str | None = None


class Technique(Record):
    """One technique or sub-technique."""

    name: str
    tactics: tuple[TacticId, ...]
    parent: TechniqueId | None = None
    revoked_by: TechniqueId | None = None
    deprecated: bool = False


class Catalogue(Record):
    """One release of ATT&CK Enterprise."""

    catalogue_version: int = CATALOGUE_VERSION
    release: str
    """E.g. `enterprise 18.1`."""
    tactics: dict[TacticId, Tactic]
    techniques: dict[TechniqueId, Technique]
    data_components: tuple[str, ...] = ()
    """Names, e.g. `Process Creation`."""

    def resolve(self, technique: str) -> str | None:
        """The technique's current id, revocations followed; None if there is no such technique."""
        seen: set[str] = set()
        current = technique
        while current in self.techniques and current not in seen:
            seen.add(current)
            successor = self.techniques[current].revoked_by
            if successor is None:
                return current
            current = successor
        return None

    def tactics_of(self, technique: str) -> tuple[str, ...]:
        """Ids of the tactics that a technique serves; a sub-technique without its own has its parent's."""
        current = self.resolve(technique)
        if current is None:
            return ()
        entry = self.techniques[current]
        return entry.tactics or (self.tactics_of(entry.parent) if entry.parent else ())

    def parent_of(self, technique: str) -> str | None:
        """The technique above a sub-technique."""
        current = self.resolve(technique)
        return self.techniques[current].parent if current else None

    def tactic_id(self, name: str) -> str | None:
        """Id of a tactic named by its id, name or short name, in any case."""
        wanted = name.strip().lower().replace("_", "-").replace(" ", "-")
        for identifier, tactic in self.tactics.items():
            if wanted in (identifier.lower(), tactic.shortname, tactic.name.lower().replace(" ", "-")):
                return identifier
        return None


def read_catalogue(path: Path) -> Catalogue:
    """Read a compact catalogue.

    Raises:
        RecordVersionError: of another version.
        EvaluationError: not a catalogue.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise EvaluationError(
            f"{path}: {error}; allowed: a compact ATT&CK catalogue. Run the campaign again."
        ) from None
    version = data.get("catalogue_version") if isinstance(data, dict) else None
    if version != CATALOGUE_VERSION:
        raise RecordVersionError(path, version if isinstance(version, int) else 0, [CATALOGUE_VERSION])
    return Catalogue.model_validate(data)


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Write a compact catalogue; the same catalogue gives the same bytes."""
    data = catalogue.model_dump(mode="json", exclude_defaults=True) | {"catalogue_version": CATALOGUE_VERSION}
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text + "\n", "utf-8")
    temporary.replace(path)
