"""The records of a trial. Scoring reads these and nothing else; the version is checked before the body.

Times are UTC nanoseconds since the epoch (`_ns`), durations are seconds (`_s`). `None` means unknown or
not applicable, never zero. Nothing here knows Docker, Prefect or a product.
"""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_VERSION = 2
SCORER_VERSION = "5"
"""Part of every summary: results of different scorers are not compared."""
CONTROL = "control"
"""Arm key of the trials without any product."""
READABLE_VERSIONS = (1, 2)
"""Version 1 lacks fields that have defaults here, and no other."""

TechniqueId = Annotated[str, StringConstraints(pattern=r"^T\d{4}(\.\d{3})?$")]
TacticId = Annotated[str, StringConstraints(pattern=r"^TA\d{4}$")]
SLUG = r"^[a-z][a-z0-9_]{0,63}$"
Slug = Annotated[str, StringConstraints(pattern=SLUG)]


class Record(BaseModel):
    """Base of all records: frozen, closed, documented field by field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StepKind(StrEnum):
    """What a step is for."""

    MALICIOUS = "malicious"
    BENIGN = "benign"
    """The twin of a malicious step, or ordinary work: an alert on it is a false positive."""
    PLACEBO = "placebo"
    """A session that does nothing: what is attributed to it measures attribution by chance."""
    CANARY = "canary"
    """The product's own known-positive action: proves that it is alive; never scored."""


class Text(Record):
    """A title in the two languages of the published pages."""

    en: str
    ja: str


class Process(Record):
    """One process of a step, as the kernel's process connector reported it."""

    pid: int
    """In the engine host's pid namespace."""
    node_pid: int | None
    """In the node's own pid namespace; None if the process ended before it could be read."""
    parent_pid: int
    """In the engine host's pid namespace."""
    started_ns: int
    ended_ns: int | None
    """None if it was still running when the trial was collected."""
    exit_code: int | None
    """As waitpid reports it: exit status, or 128 + signal."""
    executables: tuple[str, ...]
    """Path of each image it executed, in order, as far as it could be read in time."""
    command_lines: tuple[str, ...]
    """The arguments of each, joined by spaces."""


class Output(Record):
    """What a step wrote, capped; length and hash are of the whole."""

    text: str
    """The head of the stream, undecodable bytes as backslash escapes."""
    length: int
    """Bytes written in all."""
    sha256: str
    """Of all bytes written."""


class FactResult(Record):
    """One fact of a step's oracle, looked at before and after the step."""

    fact: str
    """The fact in words, e.g. `file /etc/cron.d/x on target contains /bin/sh`."""
    before: bool | None
    """None where the fact is about the step's own output or processes, which do not exist before it."""
    after: bool | None
    detail: str
    """What was seen, or why it could not be looked at."""


class Objects(Record):
    """What a step touches, for attribution by object. Values are literal, with the seed's drawing applied."""

    files: tuple[str, ...] = ()
    """Absolute paths on the step's node; a trailing `/` means the whole directory."""
    users: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    """`address`, `address:port`, of the other end."""
    urls: tuple[str, ...] = ()
    """Request targets (path and query) as they stand on the request line, e.g. `/search?q=1%27`."""
    nodes: tuple[Slug, ...] = ()
    """Nodes besides its own on which it acts, e.g. the server that carries out a request."""


class Condition(Record):
    """One field of an observation that must match; all conditions of a criterion must hold."""

    field: str
    """Field of `Observation`, e.g. `command_line`, `file_path`, `rule_id`; `any` is the raw record."""
    matches: str
    """Regular expression, searched (not anchored), case-sensitive."""


class StepExecution(Record):
    """Evidence that one step ran. Scoring reads this, never the emulation plan."""

    step_id: str
    position: int
    """Place in the order in which the trial ran them, from 0."""
    kind: StepKind
    title: Text
    technique: TechniqueId | None
    """None for placebo and canary."""
    tactics: tuple[TacticId, ...]
    """The tactic the step serves in the plan first, then the technique's others."""
    procedure: str
    """GUID of the procedure; empty for placebo and canary."""
    procedure_name: str
    node: str
    container_id: str
    user: str
    executor: str
    executed: str
    """Exactly what the executor was given (UTF-8)."""
    started_ns: int | None
    """None if the step was not run."""
    ended_ns: int | None
    leader_pid: int | None
    """Pid of the step's process-group leader in the engine host's pid namespace."""
    processes: tuple[Process, ...]
    exit_code: int | None
    timed_out: bool
    stdout: Output
    stderr: Output
    verified: bool | None
    """The oracle saw the effect: absent before, present after. None where nothing can tell."""
    facts: tuple[FactResult, ...]
    cleanup: str
    """`not needed`, `done`, or what went wrong."""
    twin_of: str | None
    """For a benign step: the malicious step it mirrors."""
    needs: tuple[str, ...]
    not_run: str | None
    """Why the step was not run, e.g. a step it needs had no effect; None if it was run."""
    objects: Objects
    criteria: tuple[tuple[Condition, ...], ...]
    """Alternatives; a record is evidence of the step if all conditions of one alternative hold."""
    data_components: tuple[str, ...]
    """ATT&CK data components that a sensor would need to see the step."""


class Action(StrEnum):
    """What the product did."""

    OBSERVED = "observed"
    BLOCKED = "blocked"


class Observation(Record):
    """One alert or one telemetry record of a product, normalised; field names follow OCSF's meaning."""

    observation_id: str
    """`a` (alert) or `t` (telemetry) and a number in the order of arrival, unique in the trial."""
    component: str
    time_ns: int | None
    """The product's own time; None if it gave none that could be read."""
    received_ns: int
    rule_id: str | None = None
    rule_name: str | None = None
    title: str | None = None
    severity: str | None = None
    techniques: tuple[str, ...] = ()
    """ATT&CK ids that the product named, as it named them."""
    tactics: tuple[str, ...] = ()
    """ATT&CK tactic ids or short names that the product named."""
    action: Action = Action.OBSERVED
    node: str | None = None
    """Host name, container id or address, as the product gave it."""
    pid: int | None = None
    """In the engine host's pid namespace; the collector translates a node's own pids."""
    parent_pid: int | None = None
    executable: str | None = None
    command_line: str | None = None
    file_path: str | None = None
    file_hash: str | None = None
    user: str | None = None
    source_address: str | None = None
    destination_address: str | None = None
    destination_port: int | None = None
    source_port: int | None = None
    url: str | None = None
    """Request target (path and query) of an HTTP request, as the product gave it."""
    container_id: str | None = None
    """The node of its step, where every step had containers and a product of its own (`isolation: step`)."""
    canary: bool = False
    """It is the answer to one of the product's canaries."""
    outside: bool = False
    """Its process ran in no node of this trial: a sensor on the engine host sees other trials too."""
    raw: str
    """As received, capped; undecodable bytes as backslash escapes."""
    raw_sha256: str
    raw_length: int
    """Bytes."""


class ResourceSample(Record):
    """Counters of one container at one moment, from its cgroup."""

    time_ns: int
    container: str
    """Component or node."""
    cpu_s: float
    memory_bytes: int
    memory_peak_bytes: int | None = None
    """Highest so far; None where the kernel does not say."""
    disk_read_bytes: int | None = None
    """None where the kernel counts no bytes of disks; records of before December 2026 hold 0 there."""
    disk_write_bytes: int | None = None
    network_in_bytes: int | None = None
    """None for a container without a network namespace of its own."""
    network_out_bytes: int | None = None


class TrialStatus(StrEnum):
    """How a trial ended. Only `completed` can hold misses."""

    COMPLETED = "completed"
    FLUSH_TIMED_OUT = "flush_timed_out"
    """The last canary never came: neither an alert nor its absence counts."""
    NOT_READY = "not_ready"
    """The product never showed its canary."""
    BUILD_FAILED = "build_failed"
    PRODUCT_FAILED = "product_failed"
    """The product died or stopped answering during the replay."""
    CONTENT_MISSING = "content_missing"
    """The arm needs content that only the user can give, and it was not given."""
    TARGET_FAILED = "target_failed"
    """Ours or the machine's fault."""


RAN_THROUGH = (TrialStatus.COMPLETED, TrialStatus.FLUSH_TIMED_OUT)
"""The whole plan was replayed."""


class Canary(Record):
    """One canary and what became of it."""

    phase: str
    """`ready` or `flush`."""
    nonce: str
    sent_ns: int
    received_ns: int | None
    """None: it never came within the limit."""
    attempts: int


class SourceCount(Record):
    """What one alert or telemetry source delivered."""

    component: str
    kind: str
    """`alerts` or `telemetry`."""
    received: int
    """Lines received, kept or not."""
    kept: int
    skipped: int = 0
    """Lines that are none of the records that the source is for, e.g. the product's own chatter."""
    unreadable: int
    """Lines that the declared format could not read."""
    dropped: int
    """Lines beyond the cap: counted, not kept."""
    refused: int = 0
    """What was not taken at all: posts without the shared secret, broken TLS, datagrams without room."""


class Trial(Record):
    """One product arm (or none: a control) × plan × environment × seed, executed once."""

    schema_version: int = SCHEMA_VERSION
    campaign: str
    trial_id: str
    """`<product>-<arm>-r<repetition>`, or `control-r<repetition>`."""
    product: str | None
    """None: a control."""
    product_name: str | None
    product_class: str | None
    arm: str | None
    arm_title: Text | None
    tuned: bool = False
    """The arm is not the configuration as shipped."""
    repetition: int
    """From 1."""
    seed: int
    plan: str
    plan_title: Text
    plan_digest: str
    environment: str
    environment_digest: str
    product_digest: str | None
    attack_release: str
    status: TrialStatus
    reason: str
    """Empty if completed."""
    started_ns: int
    ended_ns: int
    product_version: str | None
    content_version: str | None
    notes: tuple[str, ...]
    """What a reader must know, e.g. which signature database was there."""
    sees: tuple[str, ...]
    """ATT&CK data components that the product declares to see; empty for a control."""
    latency_s: float
    """The product's declared latency: from the act to its alert."""
    blocks: bool
    canaries: tuple[Canary, ...]
    sources: tuple[SourceCount, ...]
    isolation: tuple[str, ...]
    """How it was proven, before anything ran, that no node has a way out."""
    node_names: dict[str, tuple[str, ...]]
    """Node -> every name a product may call it by: host name, container id, addresses."""
    process_truth: str
    """Where the process tree comes from, and what that misses."""
    phases_s: dict[str, float]
    """Seconds spent in each phase of the trial."""
    provenance: dict[str, str]
    """Versions of pij, kernel, engine and libraries; git commit and whether the tree was dirty."""
    vendor: str | None = None
    licence: str | None = None
    blind_spots: Text | None = None
    """What the product can't see by design, as its manifest says; shown beside its rates."""
    conduct: tuple[str, ...] = ()
    """What the product did that no product should, e.g. `flood: 120000 records beyond the cap`; shown on its page."""
    claims: dict[TechniqueId, str] = {}
    """What the vendor says it achieves: technique -> `prevented`, `alerted` or `logged`."""
    entry_digest: str | None = None
    """Of the product's folder, arm and content, as a registration holds it; None for a control and in older trials."""


class Pace(Record):
    """What decides how many trials come about, besides plan and repetitions.

    Changed after a look at the scores, it would be optional stopping.
    """

    budget_minutes: float | None
    """None: no limit."""
    retries: int
    """Of a trial that failed through no fault of the product."""


class StoppingRule(Record):
    """By which a pair of arms is settled before all repetitions are run."""

    metric: str
    """One of `results.ledger.METRICS`."""
    alpha: float
    """Chance at most that any pair is called different although it is not, over all looks and pairs."""
    smallest_difference: float
    """Products whose difference surely lies within it are called alike."""


class Campaign(Record):
    """What was decided before the first trial."""

    schema_version: int = SCHEMA_VERSION
    campaign: str
    title: Text
    plan: str
    environment: str
    repetitions: int
    seed: int
    trials: tuple[str, ...]
    """Every trial id, in the order they are started."""
    attack_release: str
    digest: str
    """Of everything that decides the outcome: plan, environment, products, seeds. Resumption needs it equal."""
    started_ns: int
    plan_digest: str | None = None
    """SHA-256 over the plan's folder and the procedures that it runs: the commitment to a held-out plan."""
    held_out: bool = False
    """Nothing of the plan is published but its digest; see `results.held_out` and `pij verify`."""
    pace: Pace | None = None
    """As it was begun; None if written by an older pij."""
    stopping: StoppingRule | None = None
    """Its stopping rule; None without one, and in campaigns of before there was this field."""


class Kind(StrEnum):
    """The evidence an attribution rests on, strongest first (scoring.md §2)."""

    CONTAINER = "container"
    LINEAGE = "lineage"
    OBJECT = "object"
    TIME = "time"


class AttributionStatus(StrEnum):
    """What became of an observation."""

    ATTRIBUTED = "attributed"
    AMBIGUOUS = "ambiguous"
    """Two or more steps fit equally well: it counts for nobody."""
    UNATTRIBUTED = "unattributed"
    """No step fits: a false positive of the attack-free time."""
    HARNESS = "harness"
    """Caused by a canary or by the evaluation itself: never scored."""


class Attribution(Record):
    """The claim, with its evidence, that a step caused an observation."""

    trial_id: str
    observation_id: str
    alert: bool
    """False: a telemetry record."""
    status: AttributionStatus
    step_id: str | None
    kind: Kind | None
    candidates: tuple[str, ...]
    """The steps that fitted, where more than one did."""
    matched: dict[str, str]
    """The values that matched, e.g. `{"pid": "4711"}`."""
    meets_criteria: bool
    """The observation holds the step's minimum evidence."""
    correlated: tuple[str, ...] = ()
    """Other steps whose process or object it names, and whose minimum evidence it holds: it counts for them, too."""
    irregular: tuple[str, ...] = ()
    """The rules of `results.quality` that met it, e.g. `wrong_zone`."""


class Outcome(StrEnum):
    """What a product achieved on a step (scoring.md §3), and the blanks, each with its own name."""

    PREVENTED = "prevented"
    ALERTED = "alerted"
    LOGGED = "logged"
    MISSED = "missed"
    DISRUPTED = "disrupted"
    """The effect is absent, but the product does not say that it blocked: shown, not credited."""
    NOT_APPLICABLE = "not_applicable"
    """The product's class can't see this kind of act."""
    INVALID = "invalid"


class Category(StrEnum):
    """How much an alert said."""

    GENERAL = "general"
    TACTIC = "tactic"
    TECHNIQUE = "technique"


class Verdict(Record):
    """What one product arm achieved on one step in one trial. Also for twins and placebos."""

    trial_id: str
    step_id: str
    position: int
    kind: StepKind
    technique: TechniqueId | None
    outcome: Outcome
    """For benign and placebo steps: `alerted`, `logged`, or `missed`, which there means: left alone."""
    category: Category | None
    modifiers: tuple[str, ...]
    """`parent`, `delayed`, `configuration`, `correlated`."""
    reason: str
    """The rule that decided, in words."""
    alerts: tuple[str, ...]
    """Ids of the first attributed alerts that count, by their time (at most 20)."""
    telemetry: tuple[str, ...]
    """Ids of the attributed telemetry records that meet the criteria (at most 20)."""
    evidence_kind: Kind | None
    """Strongest kind among what counted."""
    wrong_techniques: tuple[str, ...]
    """ATT&CK ids that counted alerts named and that the step does not carry."""
    latency_s: float | None
    """From the end of the step to the first counted alert's own time; negative if it came before."""
    delivery_s: float | None
    """From the alert's own time to its receipt."""
    adjudicated_from: Outcome | None = None
    """The scorer's own outcome, where a person changed the verdict (`results.adjudication`); None: it stands."""
    adjudicated_from_category: Category | None = None
    applicable: bool = True
    """The product's class can see this kind of act. Its declaration alone says so (`sees` of the trial against
    `data_components` of the step), before any evidence: what was seen never moves a step into a denominator or out of
    it. False: not counted in `applicable` and `common`, although the outcome may be `alerted`; see
    `results.ledger.is_applicable`."""
    received_s: float | None = None
    """From the end of the step to the receipt of the first counted alert. Where no alert has a time of its own, this
    is an upper bound of the delay. None without an alert, where a person ruled it, and in older verdicts."""
    repeats: int = 0
    """Alerts that repeat byte for byte one that counts: they are no evidence, but part of the volume."""
    more_alerts: int = 0
    """Alerts that count beyond those that `alerts` names."""

    @property
    def volume(self) -> int:
        """Number of alerts on the step: those that count, and their repeats."""
        return len(self.alerts) + self.more_alerts + self.repeats


def as_json(record: BaseModel) -> Any:  # noqa: ANN401  # JSON is what it is
    """Plain data of a record, ready for json.dumps with sorted keys."""
    return record.model_dump(mode="json")


class Rate(Record):
    """A share, never without its counts and interval. `value` is None where the denominator is 0."""

    hits: int
    n: int
    value: float | None
    low: float | None
    """Lower end of the 95 % interval."""
    high: float | None
    method: str = Field(default="wilson")
    """How the interval was made."""
    clusters: int | None = None
    """Techniques that were resampled; None where each execution stands alone."""
    reason: str | None = None
    """Why there is no value; None if there is one."""
