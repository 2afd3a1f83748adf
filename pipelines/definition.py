"""`pipelines/campaigns/<id>.yaml`: what is to be compared, how often, and when it is enough."""

from pydantic import Field, field_validator, model_validator

from results.documents import Definition
from results.records import Slug, Text


class Entry(Definition):
    """One arm of one product."""

    product: str
    """Id, or path of a folder."""
    arm: Slug = "default"


class Part(Definition):
    """One plan in one environment, of a campaign that has several. Its results are a campaign of their own."""

    id: Slug
    """Its results are `<campaign>_<id>`."""
    plan: str
    environment: str
    entries: tuple[Entry, ...] | None = None
    """The campaign's if not given."""


MORE_IS_BETTER = ("prevented", "alerted", "technique", "visible", "detected")
"""Metrics that a rule may settle a pair by: it calls the arm with more of it the better one."""


class Stopping(Definition):
    """A rule, fixed before the first trial, by which a pair of arms is settled before all repetitions are run."""

    metric: str = "alerted"
    """Metric that the pairs are compared by."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance that any pair is called different although it is not, over all looks and pairs."""
    smallest_difference: float = Field(default=0.1, gt=0, lt=1)
    """Differences below this need not be found."""

    @field_validator("metric")
    @classmethod
    def _known(cls, metric: str) -> str:
        if metric not in MORE_IS_BETTER:  # else the campaign would stop in its second repetition, by this
            raise ValueError(f"one of {', '.join(MORE_IS_BETTER)}: those of which more is better")
        return metric


class CampaignDefinition(Definition):
    """A campaign: product arms x plan x environment x repetitions, and controls."""

    id: Slug
    title: Text
    plan: str | None = None
    environment: str | None = None
    parts: tuple[Part, ...] = ()
    """Several plans and environments instead of one; their trials are run in one drawn order."""
    repetitions: int = Field(default=2, ge=1, le=100)
    seed: int = Field(ge=0, lt=2**63)
    control: bool = True
    """A trial without any product in each repetition; without it nothing can be called prevented."""
    parallel: int = Field(default=2, ge=1, le=64)
    """Trials at once. Products that share a kernel facility take turns anyway."""
    retries: int = Field(default=2, ge=0, le=2)
    """How often a trial that failed through no fault of the product is repeated (scoring.md §1: at most 2)."""
    held_out: bool | None = None
    """Publish nothing of the plan but its digest. If not given: so for a plan outside the checkout."""
    procedures: str | None = None
    """A folder of more Atomic Red Team procedures, relative to this file."""
    budget_minutes: float | None = Field(default=None, gt=0)
    """Start no trial that would end later, counting those already sealed; the most informative are run first."""
    stopping: Stopping | None = None
    entries: tuple[Entry, ...]
    """Of every part that names none of its own."""

    @model_validator(mode="after")
    def _one_form(self) -> "CampaignDefinition":
        if self.parts and (self.plan or self.environment):
            raise ValueError("either `plan` and `environment`, or `parts`")
        if not self.parts and not (self.plan and self.environment):
            raise ValueError("`plan` and `environment`, or `parts`")
        names = [part.id for part in self.parts]
        if len(set(names)) != len(names):
            raise ValueError("an id of its own for each of `parts`")
        return self

    def blocks(self) -> tuple[Part, ...]:
        """Its parts; where it has one plan and environment, that one, with the campaign's own id."""
        if self.plan is None or self.environment is None:
            return self.parts
        return (Part(id=self.id, plan=self.plan, environment=self.environment),)


def of_part(definition: CampaignDefinition, part: Part) -> CampaignDefinition:
    """The campaign of one part: the same in everything but id, title, plan, environment and entries."""
    if not definition.parts:
        return definition
    changed = {
        "id": f"{definition.id}_{part.id}",
        "title": Text(en=f"{definition.title.en}: {part.id}", ja=f"{definition.title.ja}：{part.id}"),
        "plan": part.plan,
        "environment": part.environment,
        "entries": part.entries if part.entries is not None else definition.entries,
        "parts": (),
    }
    return definition.model_copy(update=changed)
