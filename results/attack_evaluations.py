"""Published MITRE ATT&CK Evaluations results, as they are: every detection, and MITRE's own counts beside them.

A file holds one participant, or a list of them, with its rounds; each round its scenarios, steps, sub-steps and their
detections. Rounds differ in their words: 2018 has `Specific Behavior`, `General Behavior`, `Enrichment` and `Indicator
of Compromise`, later ones `Technique`, `Tactic` and `General`, that of 2019 also `MSSP` (told by people of the
participant).
"""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from results.documents import Lines, check
from results.errors import ContentError, Problem
from results.records import TacticId, TechniqueId


class Detection(StrEnum):
    """What a detection is called, in all rounds."""

    NONE = "None"
    NOT_APPLICABLE = "N/A"
    """The participant has no sensor there, e.g. none for Linux."""
    TELEMETRY = "Telemetry"
    GENERAL = "General"
    TACTIC = "Tactic"
    TECHNIQUE = "Technique"
    MANAGED = "MSSP"
    INDICATOR = "Indicator of Compromise"
    ENRICHMENT = "Enrichment"
    GENERAL_BEHAVIOR = "General Behavior"
    SPECIFIC_BEHAVIOR = "Specific Behavior"


class Published(BaseModel):
    """Base of what MITRE publishes: fields named as there (`Detection_Type`), those that we do not need left aside."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", use_attribute_docstrings=True, alias_generator=str.title, populate_by_name=True
    )


class PublishedDetection(Published):
    """One detection of a sub-step."""

    detection_type: Detection
    modifiers: tuple[str, ...] | None = ()


class PublishedTactic(Published):
    """The tactic that a sub-step serves."""

    tactic_id: TacticId
    tactic_name: str | None = ""


class PublishedTechnique(Published):
    """The technique of a sub-step."""

    technique_id: TechniqueId
    technique_name: str | None = ""


class PublishedSubtechnique(Published):
    """Its sub-technique; both empty or null where there is none."""

    subtechnique_id: Annotated[str, StringConstraints(pattern=r"^(T\d{4}\.\d{3})?$")] | None = None
    subtechnique_name: str | None = None


class Substep(Published):
    """One sub-step: what is scored."""

    substep: str
    """E.g. `1.A.1`."""
    procedure: str | None = ""
    tactic: PublishedTactic
    technique: PublishedTechnique
    subtechnique: PublishedSubtechnique | None = None
    detections: tuple[PublishedDetection, ...]
    """Silence is written `None`; where the list is empty, the file says nothing about the sub-step."""

    @property
    def technique_id(self) -> str:
        """Of the sub-technique where there is one."""
        below = self.subtechnique.subtechnique_id if self.subtechnique else None
        return below or self.technique.technique_id


class Step(Published):
    """One step."""

    substeps: tuple[Substep, ...]


class Scenario(Published):
    """One scenario of a round."""

    steps: tuple[Step, ...]


Counts = dict[str, int | str | None]
"""Field -> count (`123`) or coverage (`37/162`); null where MITRE published none."""


class RoundAggregates(Published):
    """MITRE's own counts of one round."""

    adversary_name: str
    total_substeps: int | None = None
    aggregates: Counts = {}
    aggregates_without_mssp: Counts = Field(default={}, alias="Aggregates_Without_MSSP")


class AllAggregates(Published):
    """Of all rounds of a participant."""

    adversaries: tuple[RoundAggregates, ...] = ()


class AggregateData(Published):
    """Where they stand in files of rounds until 2021."""

    evaluation_aggregate_data: AllAggregates = AllAggregates()


class OwnAggregates(Published):
    """Where they stand in the website's exports since 2022: in the round itself."""

    aggregates: Counts = {}


class Adversary(Published):
    """One round of one participant."""

    adversary_name: str
    detections_by_step: dict[str, Scenario]
    aggregate_data: OwnAggregates = OwnAggregates()


class Participant(Published):
    """One file."""

    participant_name: str
    participant_display_name: str | None = None
    adversaries: tuple[Adversary, ...]
    aggregate_data: AggregateData = AggregateData()

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.participant_display_name or self.participant_name

    def published(self, adversary: Adversary) -> dict[str, Counts]:
        """`with MSSP` and `without MSSP` -> MITRE's counts of a round; the latter only where it was published."""
        found: dict[str, Counts] = {}
        for one in self.aggregate_data.evaluation_aggregate_data.adversaries:
            if one.adversary_name == adversary.adversary_name:
                total: Counts = {} if one.total_substeps is None else {"Total_Substeps": one.total_substeps}
                found["with MSSP"] = total | one.aggregates
                if one.aggregates_without_mssp:
                    found["without MSSP"] = dict(one.aggregates_without_mssp)
        if adversary.aggregate_data.aggregates:
            found["with MSSP"] = found.get("with MSSP", {}) | adversary.aggregate_data.aggregates
        return found


def load_json(path: Path) -> Any:  # noqa: ANN401  # JSON is what it is
    """Read a JSON file.

    Raises:
        ContentError: if it can't be read or is none.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        problem = Problem(
            path=str(path), line=None, field="", found=str(error)[:200], allowed="a JSON file", mend="Fetch it again."
        )
        raise ContentError([problem]) from None


def is_layer(data: object) -> bool:
    """Whether a published file is a layer of ATT&CK Navigator, which holds no results."""
    return isinstance(data, dict) and "techniques" in data and "Adversaries" not in data


def read_participants(path: Path, data: object | None = None) -> tuple[Participant, ...]:
    """Read one file: one participant, or a list of them as the website's export gives.

    Args:
        path: the file.
        data: what is in it, if it was read already.

    Raises:
        ContentError: with every problem at once; each names the file and the field.
    """
    found = load_json(path) if data is None else data
    try:
        return tuple(check(path, one, Lines(), Participant) for one in (found if isinstance(found, list) else [found]))
    except ContentError as error:
        raise ContentError([_with_advice(problem) for problem in error.problems]) from None


def _with_advice(problem: Problem) -> Problem:
    if not problem.field.endswith("Detection_Type"):
        return problem
    return problem.model_copy(update={"mend": "A new round's new word needs its meaning: add it to `Detection`."})
