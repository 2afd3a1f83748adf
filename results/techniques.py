"""Techniques as products spell them: an unmistakable misspelling is mended, a revoked id followed."""

import re
from dataclasses import dataclass

from results.attack import Catalogue

SPELT = re.compile(r"T\d{4}(\.\d{3})?")
MEANT = re.compile(
    r"^\W*(?:attack|mitre|technique)?[\W_]*T[\s_-]?(\d{4})(?:\s*[./:_\s-]\s*(\d{1,3}))?\W*$", re.IGNORECASE
)


@dataclass(frozen=True)
class Named:
    """One name that a product gave."""

    technique: str
    """The current id, or the name as it was given, if there is no such technique."""
    faults: tuple[str, ...]
    """`misspelt`, `revoked`, `unknown`."""


class Names:
    """Names as one release of ATT&CK knows them; each is read once."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Of the campaign's release."""
        self.catalogue = catalogue
        self._read: dict[str, Named] = {}
        self._tactics: dict[str, str | None] = {}

    def read(self, name: str) -> Named:
        """What a product meant by a technique; see `read_name`."""
        if name not in self._read:
            self._read[name] = read_name(name, self.catalogue)
        return self._read[name]

    def tactic(self, name: str) -> str | None:
        """Id of a tactic named by its id, name or short name."""
        if name not in self._tactics:
            self._tactics[name] = self.catalogue.tactic_id(name)
        return self._tactics[name]


def read_name(name: str, catalogue: Catalogue) -> Named:
    """What a product meant.

    `t1053/3`, `attack.t1053.003` and `T1053-003` are T1053.003, misspelt. Nothing is guessed from words.
    """
    meant, faults = name, []
    if not SPELT.fullmatch(name):
        found = MEANT.match(name[:200])
        if found:
            meant = f"T{found[1]}" + (f".{int(found[2]):03d}" if found[2] else "")
        if meant not in catalogue.techniques:
            return Named(name, ("unknown",))
        faults.append("misspelt")
    current = catalogue.resolve(meant)
    if current is None:
        return Named(name, ("unknown",))
    if current != meant:
        faults.append("revoked")
    return Named(current, tuple(faults))
