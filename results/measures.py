"""The shapes of what is measured about one arm, as the summary carries them. Every number has its interval and n."""

from results.records import Rate, Record, TechniqueId


class Estimate(Record):
    """A number that is no plain share, with its interval and what it rests on."""

    value: float | None
    low: float | None
    """Lower end of the 95 % interval; None if it can't be had (then `reason` says why)."""
    high: float | None
    """Upper end; None if it can't be had, or if there is none: then `reason` says so."""
    n: int
    """How many things it rests on; `of` says what they are."""
    of: str
    """`techniques`, `trials`, `steps`, `seconds` …"""
    unit: str
    """`share`, `per hour`, `seconds`, `alerts`, `bytes` …"""
    method: str
    """How value and interval were made."""
    reason: str | None = None
    """Why value or interval is missing; None if nothing is."""


class TechniqueLine(Record):
    """Sensitivity and specificity side by side, for one technique."""

    technique: TechniqueId
    sensitivity: Rate
    """Steps of it that were alerted or prevented, of the valid ones that the product's class can see."""
    specificity: Rate
    """Benign twins of these steps that were left alone."""


class Volume(Record):
    """How much a user would have to read."""

    alerts_per_detected_step: Estimate
    """Alerts attributed to malicious steps, divided by the steps detected."""
    alerts_per_hour: Estimate
    """All alerts but the evaluation's own (canaries), per hour of observation."""
    duplicate_share: Rate
    """Of the alerts attributed to a step, those beyond its first."""


class Quantile(Record):
    """A quantile of a censored delay."""

    share: float
    """0.5: the median. The delay within which this share of all steps was alerted on, misses included."""
    estimate: Estimate
    """Seconds; None if fewer were alerted on before the observation ended."""


class CurvePoint(Record):
    """A point of a Kaplan-Meier curve: the share not alerted on until then."""

    seconds: float
    share: float
    low: float
    high: float


class Survival(Record):
    """A delay as censored survival: a miss counts as `longer than it was watched`, never as nothing."""

    events: int
    censored: int
    quantiles: tuple[Quantile, ...]
    """Median, 0.75 and 0.9."""
    curve: tuple[CurvePoint, ...]
    """At most 40 points."""
    fastest_s: float | None
    slowest_s: float | None
    untimed: int = 0
    """Executions that were alerted on without a time of the product's own. They are left out: neither a delay nor a
    miss is known of them."""


class ClockOffset(Record):
    """What the canaries tell about the product's clock against the engine host's: an offset within these bounds."""

    canaries: int
    low_s: float | None
    """The product's clock is ahead by at least this much (negative: behind)."""
    high_s: float | None
    """And by at most this much. A true clock has low <= 0 <= high."""
    contradictory: bool
    """No single offset fits all canaries: the product's clock jumps, or its times are not those of the events."""
    reason: str | None = None


class Delays(Record):
    """Product delay and delivery delay apart."""

    product: Survival
    """End of the step to the product's own alert time; misses are censored at the end of the observation."""
    delivery: Survival
    """The product's own alert time to receipt; only of alerts that came."""
    clock: ClockOffset


class Chain(Record):
    """The plan as one chain, trial by trial."""

    seen: Rate
    """Malicious steps alerted on or prevented, of those that were carried out or prevented, whatever the product's
    class can see."""
    steps_to_first_alert: Estimate
    """Malicious steps that had been carried out before the first alert; trials without any are censored."""
    seconds_to_first_alert: Estimate
    """From the start of the first malicious step to the first attributed alert; censored likewise."""
    before_objective: Rate
    """Trials in which an attributed alert came before the objective step began."""
    objective: str | None
    """The plan's objective step: its last malicious one."""
    trials: tuple["ChainLine", ...]


class ChainLine(Record):
    """The chain in one trial."""

    trial_id: str
    steps: int
    """Malicious steps carried out or prevented."""
    seen: int
    first_step: str | None
    """The step of the first alert; None if there was none."""
    steps_before: int | None
    seconds: float | None
    watched_s: float | None
    """From the start of the first malicious step to the end of the observation."""
    before_objective: bool | None
    """None if the objective step was not carried out."""
    by_receipt: bool = False
    """The first alert has no time of its own and stands where it was received: `steps_before` and `seconds` are upper
    bounds."""


class Cost(Record):
    """One resource that the product uses."""

    resource: str
    """`cpu_seconds`, `cpu_cores` (CPU seconds per second watched), `memory_peak_bytes`, `memory_mean_bytes`,
    `disk_read_bytes`, `disk_write_bytes`, `network_in_bytes`, `network_out_bytes`."""
    own: Estimate
    """Of the product's own containers, all together, per trial."""
    on_nodes: Estimate
    """Of the nodes of its trials, less those of the control with the same seed: what it costs within them."""


class SometimesLine(Record):
    """A step that was detected in some repetitions only."""

    step_id: str
    detected: int
    n: int


class Stability(Record):
    """Agreement between repetitions."""

    alpha: Estimate
    """Krippendorff's alpha, nominal, over `detected or not` of each step; 1 is perfect, 0 is chance."""
    same: Rate
    """Steps with the same answer in every repetition."""
    sometimes: tuple[SometimesLine, ...]


class ClaimLine(Record):
    """What the vendor says it achieves on one technique, against what was measured."""

    technique: TechniqueId
    claimed: str
    """`prevented`, `alerted` or `logged`."""
    verdict: str
    """`held` (in every valid execution), `partly` (in some), `not_held` (in none), `not_tested` (no valid one)."""
    rate: Rate
    """Valid executions in which at least as much was achieved."""


class ArmMeasures(Record):
    """All metrics of one product arm (scoring.md §4)."""

    specificity: Rate
    """Benign twins left alone."""
    false_positives_per_hour: Estimate
    """Alerts on ordinary work, on sessions that do nothing, and those that nothing explains, per hour without an
    attack, as replayed (a baseline replays a day faster: its hours are hours of replay)."""
    sensitivity: Rate
    """Malicious steps alerted on or prevented; the same steps and techniques that balanced accuracy uses."""
    beyond_class: Rate | None = None
    """Of the valid malicious executions that the product's class can't see by its declaration, those that it saw all
    the same (prevented, alerted or logged): in no other number over `applicable`. None in an older summary."""
    youden_j: Estimate
    balanced_accuracy: Estimate
    techniques: tuple[TechniqueLine, ...]
    volume: Volume
    delays: Delays
    chain: Chain
    costs: tuple[Cost, ...]
    slow_down: Estimate | None = None
    """How much longer the benign steps took than in the control with the same seed: 1.2 is 20 % longer. None in
    summaries of older scorers."""
    stability: Stability
    claims: tuple[ClaimLine, ...]
