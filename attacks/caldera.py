"""Caldera's content, read as upstream writes it: abilities (v0 and v1), adversaries, fact sources.

An ability's facts (`#{host.dir.staged}`) become the procedure's arguments, filled in from fact sources; a fact that no
source gives is named, and the ability is not run. https://caldera.readthedocs.io/en/latest/Learning-the-terminology.html
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from attacks.procedure import PLACEHOLDER, Executor, InputArgument, Procedure
from results.documents import Lines
from results.errors import Problem

CORPUS = "caldera"
TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
SHELLS = {"sh": "sh", "bash": "bash", "pwsh": "powershell", "psh": "powershell", "python": "python"}
"""Caldera's executor names that a Linux node can run -> ours."""
AGENT_FACTS = {"paw": "kxqbzt", "group": "red"}
"""What a Caldera agent would say of itself where any text will do; `server`, `location` … only a real one has."""
Entry = tuple[tuple[str | int, ...], Mapping[str, Any]]


class Adversary(BaseModel):
    """An ordered set of abilities."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    name: str
    description: str = ""
    atomic_ordering: tuple[str, ...]
    path: str
    line: int | None


class _Variant(BaseModel):
    """One executor of an ability; v0 and v1 have the same keys."""

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    command: str | None = None
    code: str | None = None
    language: str | None = None
    cleanup: str | tuple[str, ...] | None = None
    payloads: tuple[str, ...] | None = None
    timeout: float | None = None

    def cleaning(self) -> str | None:
        """The cleanup command as one text."""
        if self.cleanup is None or isinstance(self.cleanup, str):
            return self.cleanup
        return "\n".join(self.cleanup)


class _Technique(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    attack_id: str | None = None
    name: str | None = None


class _Ability(BaseModel):
    """Upstream's own keys. Others are passed over: plugins add theirs."""

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    id: str
    name: str = ""
    description: str = ""
    tactic: str | None = None
    technique: _Technique | None = None
    technique_id: str | None = None
    technique_name: str | None = None
    privilege: str | None = None
    platforms: dict[str, dict[str, _Variant | None]] | None = None
    """v0: platform names (with commas) -> executor names (with commas) -> variant."""
    executors: tuple[dict[str, Any], ...] | None = None
    """v1: a list of variants, each with `platform` and `name`."""


def read_abilities(
    path: Path, entries: Sequence[Entry], lines: Lines, facts: Mapping[str, str]
) -> tuple[list[Procedure], list[Problem]]:
    """The abilities of one file.

    Args:
        path: the file.
        entries: where each ability stands in the document, and its plain data.
        lines: of the document.
        facts: trait -> value, from fact sources.
    """
    procedures: list[Procedure] = []
    problems: list[Problem] = []
    for location, entry in entries:
        try:
            ability = _Ability.model_validate(entry)
        except ValidationError as error:
            problems += [explain(path, lines, location, dict(detail)) for detail in error.errors()]
            continue
        technique = ability.technique_id or (ability.technique.attack_id if ability.technique else None)
        if technique is None or not TECHNIQUE.fullmatch(technique):
            problems.append(_no_technique(path, lines, location, technique))
            continue
        try:
            variants = list(_variants(ability))
        except ValidationError as error:
            problems += [explain(path, lines, (*location, "executors"), dict(detail)) for detail in error.errors()]
            continue
        procedures += _procedures(path, lines.of(location), ability, technique, variants, facts)
    return procedures, problems


def read_adversary(path: Path, data: Mapping[str, Any], lines: Lines) -> tuple[Adversary | None, list[Problem]]:
    """An adversary: `atomic_ordering`, or the phases of older files in their order."""
    ordering = data.get("atomic_ordering")
    if ordering is None and isinstance(data.get("phases"), dict):
        ordering = [ability for phase in sorted(data["phases"], key=str) for ability in data["phases"][phase]]
    whole = {"id": path.stem, **data, "atomic_ordering": ordering, "path": str(path), "line": lines.of(())}
    try:
        return Adversary.model_validate(whole), []
    except ValidationError as error:
        return None, [explain(path, lines, (), dict(detail)) for detail in error.errors()]


def read_facts(path: Path, data: Mapping[str, Any], lines: Lines) -> tuple[dict[str, str], list[Problem]]:
    """The facts of one source; the first value of a trait stands."""
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for index, fact in enumerate(data.get("facts") or ()):
        if isinstance(fact, dict) and isinstance(fact.get("trait"), str) and "value" in fact:
            found.setdefault(fact["trait"], str(fact["value"]))
        else:
            where = ("facts", index)
            problems.append(
                Problem(
                    path=str(path), line=lines.of(where), field=f"facts.{index}", found=repr(fact)[:120],
                    allowed="`{trait: …, value: …}`", mend="Write the fact as Caldera does.",
                )
            )  # fmt: skip
    return found, problems


def explain(path: Path, lines: Lines, at: tuple[str | int, ...], detail: dict[str, Any]) -> Problem:
    """A pydantic finding about a part of an upstream file."""
    location = (*at, *detail["loc"])
    missing = detail["type"] == "missing"
    return Problem(
        path=str(path),
        line=lines.of(location),
        field=".".join(str(part) for part in location),
        found="nothing" if missing else repr(detail["input"])[:120],
        allowed=str(detail["msg"]),
        mend="Add it as upstream writes it." if missing else "Correct it as upstream writes it.",
    )


def _variants(ability: _Ability) -> Iterator[tuple[str, str, _Variant]]:
    """(platform, executor, variant) of an ability in either format; names with commas stand for each of them."""
    for platforms, executors in (ability.platforms or {}).items():
        for names, variant in executors.items():
            if variant is not None:
                for platform in _split(platforms):
                    yield from ((platform, name, variant) for name in _split(names))
    for entry in ability.executors or ():
        variant = _Variant.model_validate(entry)
        for platform in _split(str(entry.get("platform", ""))):
            yield from ((platform, name, variant) for name in _split(str(entry.get("name", ""))))


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _procedures(
    path: Path,
    line: int | None,
    ability: _Ability,
    technique: str,
    variants: Sequence[tuple[str, str, _Variant]],
    facts: Mapping[str, str],
) -> list[Procedure]:
    """One procedure for each Linux executor; an ability without any is kept as what it is, for other platforms."""
    linux = [(name, variant) for platform, name, variant in variants if platform == "linux"]
    if not linux:
        platforms = tuple(dict.fromkeys(platform for platform, _name, _variant in variants))
        return [_procedure(path, line, ability, technique, platforms or ("none",), "manual", _Variant(), facts)]
    found = [_procedure(path, line, ability, technique, ("linux",), name, variant, facts) for name, variant in linux]
    return [
        one if index == 0 else one.model_copy(update={"guid": str(uuid.uuid5(uuid.UUID(one.guid), linux[index][0]))})
        for index, one in enumerate(found)
    ]


def _procedure(
    path: Path,
    line: int | None,
    ability: _Ability,
    technique: str,
    platforms: tuple[str, ...],
    name: str,
    variant: _Variant,
    facts: Mapping[str, str],
) -> Procedure:
    cleanup = variant.cleaning()
    command = _as_sent(variant.command)
    named = dict.fromkeys(m.group(1) for text in (command, cleanup or "") for m in PLACEHOLDER.finditer(text))
    values = {**AGENT_FACTS, **facts}
    return Procedure(
        guid=identifier(ability.id),
        name=ability.name,
        technique=technique,
        description=ability.description,
        platforms=platforms,
        arguments={fact: InputArgument(type="fact", default=values.get(fact)) for fact in named},
        dependencies=(),
        executor=Executor(
            name=SHELLS.get(name, name),
            command=command or None,
            cleanup_command=_as_sent(cleanup) or None,
            elevation_required=ability.privilege == "Elevated",
        ),
        corpus=CORPUS,
        payload_folder=str(_payload_folder(path)),
        payloads=variant.payloads or (),
        missing=tuple(fact for fact in named if fact not in values),
        timeout_s=variant.timeout,
        path=str(path),
        line=line,
    )


def _as_sent(command: str | None) -> str:
    """The command as Caldera's server hands it to its agents: without its line breaks (`decode_bytes`)."""
    return (command or "").strip().replace("\r\n", "").replace("\n", "")


def identifier(text: str) -> str:
    """A GUID as upstream gives it; where upstream gives another text, one made from it."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"caldera:{text}"))


def _payload_folder(path: Path) -> Path:
    """`data/payloads` beside `data/abilities`, as every Caldera plugin has it (or `payloads` of the plugin)."""
    for folder in path.parents:
        if folder.name == "abilities":
            return folder.parent / "payloads"
    return path.parent / "payloads"


def _no_technique(path: Path, lines: Lines, location: tuple[str | int, ...], found: str | None) -> Problem:
    where = (*location, "technique", "attack_id")
    return Problem(
        path=str(path),
        line=lines.of(where),
        field=".".join(str(part) for part in where),
        found="nothing" if found is None else repr(found),
        allowed="an ATT&CK id such as T1053.003",
        mend="Correct the id; without it the ability is not read.",
    )
