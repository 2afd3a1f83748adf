"""What scoring hands to publishing: `summary.json`, one per campaign."""

from results.contrasts import Comparison
from results.irregular import DataQuality
from results.measures import ArmMeasures, Estimate
from results.people import People
from results.records import (
    SCHEMA_VERSION,
    Category,
    Outcome,
    Rate,
    Record,
    StepKind,
    TacticId,
    TechniqueId,
    Text,
    TrialStatus,
)


class TrialLine(Record):
    """One trial, as the summary lists it."""

    trial_id: str
    arm_key: str
    repetition: int
    seed: int
    status: TrialStatus
    reason: str
    notes: tuple[str, ...]
    product_version: str | None
    content_version: str | None
    started_ns: int
    duration_s: float
    seal: str
    """Root hash of the sealed trial."""
    alerts: int
    """Alerts received, kept or not."""
    telemetry: int
    ambiguous: int
    unattributed: int
    quality: DataQuality | None = None
    """Bad input among its alerts; None in a summary of an older scorer."""
    telemetry_quality: DataQuality | None = None


class RateLine(Record):
    """One rate of one arm."""

    metric: str
    """`prevented`, `alerted`, `technique`, `tactic`, `general`, `logged`, `missed`, `visible` (prevented,
    alerted or logged), `detected` (prevented or alerted)."""
    denominator: str
    """`applicable`: valid steps that the product's class can see; `valid`: every valid malicious step;
    `common`: steps valid for every arm of the campaign that every arm's class can see."""
    rate: Rate
    chance_corrected: float | None
    """(p - c) / (1 - c) with c the arm's chance rate (scoring.md §2); None where it is not defined."""
    corrected: Estimate | None = None
    """The same with its interval and, where there is none, the reason; None for what chance can't raise."""
    macro: Rate | None = None
    """Mean over techniques of each technique's rate; None in a summary of an older scorer."""


class Latency(Record):
    """Seconds from the end of a step to the product's own alert time; missed steps are censored."""

    detected: int
    censored: int
    median_s: float | None
    """Kaplan-Meier; None if fewer than half of the steps were detected."""
    fastest_s: float | None
    slowest_s: float | None
    delivery_median_s: float | None
    untimed: int = 0
    """Alerted on without a time of the product's own, and so left out."""

    @classmethod
    def empty(cls) -> "Latency":
        """Of the control, which has no alerts."""
        return cls(detected=0, censored=0, median_s=None, fastest_s=None, slowest_s=None, delivery_median_s=None)


class ArmSummary(Record):
    """One arm, or the control."""

    arm_key: str
    """`<product>-<arm>`, or `control`."""
    product: str | None
    name: str
    product_class: str | None
    title: Text
    tuned: bool
    trials: tuple[str, ...]
    counts: dict[str, int]
    """Outcome -> number of malicious step executions, all trials together, blanks included."""
    rates: tuple[RateLine, ...]
    twins_alerted: Rate
    """Benign step executions on which it alerted."""
    chance: Rate
    """Placebo step executions to which an alert was attributed."""
    ambiguous: Rate
    """Share of its alerts that fitted two or more steps equally well."""
    unattributed: int
    """Alerts that no step explains."""
    duplicates: int
    """Counted alerts beyond the first of a step."""
    wrong_techniques: Rate
    """Share of counted alerts naming a technique that the step does not carry."""
    latency: Latency
    windows: Rate | None = None
    """Windows drawn at random from the time without an attack, on which an alert fell as on a step."""
    naming_luck: Rate | None = None
    """Share of pairs of an alerted step and another technique, in which what was named would have been right, too."""
    technique_beyond_luck: float | None = None
    """(p - l) / (1 - l) with p the rate of techniques over the applicable steps and l the naming luck."""
    measures: ArmMeasures | None = None
    """All metrics of scoring.md §4; None for the control, and in a summary of an older scorer."""


class StepLine(Record):
    """One step of the plan, as the control showed it."""

    step_id: str
    position: int
    """In plan order of the first control; benign and placebo steps are interleaved by the seed."""
    kind: StepKind
    title: Text
    technique: TechniqueId | None
    technique_name: str
    tactic: TacticId | None
    tactic_name: str
    twin_of: str | None
    invalid: str | None
    """Why the step is invalid for everyone (its effect was not seen in a control); None if valid."""


class Cell(Record):
    """One trial's verdict on one step, for the matrix."""

    step_id: str
    arm_key: str
    trial_id: str
    outcome: Outcome
    category: Category | None
    modifiers: tuple[str, ...]
    reason: str


class Summary(Record):
    """Everything the first page shows."""

    schema_version: int = SCHEMA_VERSION
    scorer_version: str
    campaign: str
    title: Text
    plan: str
    plan_title: Text
    environment: str
    attack_release: str
    seed: int
    repetitions: int
    campaign_digest: str
    missing_trials: tuple[str, ...]
    """Planned, but not sealed yet."""
    trials: tuple[TrialLine, ...]
    arms: tuple[ArmSummary, ...]
    steps: tuple[StepLine, ...]
    cells: tuple[Cell, ...]
    comparison: Comparison | None = None
    """Arms beside each other; None for fewer than two, and in a summary of an older scorer."""
    people: People | None = None
    """Registration, adjudications, disputes; None in a summary of an older scorer."""
