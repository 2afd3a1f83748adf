"""The shapes of a comparison (scoring.md §5), as the summary carries them."""

from results.measures import Estimate
from results.records import Record


class Significance(Record):
    """One test of `no difference`."""

    name: str
    """`swap` (products change places technique by technique), `mcnemar` (exact; one repetition), `within_step`
    (executions of each step dealt anew), `cochran_q`, `swap_all`, `log_rank` (swap of log-rank scores)."""
    p_value: float
    of: int
    """Techniques or steps that tell the products apart; the others say nothing."""


class Contrast(Record):
    """Two arms on one metric, over the executions that are valid for both."""

    metric: str
    """`detected`, `technique`, `visible`, `prevented`, `twins_left_alone`, or `delay`."""
    first: str
    second: str
    """Arm keys."""
    n: int
    """Executions of each."""
    techniques: int
    first_only: int
    """Executions that count for the first alone; for `delay`: on which it alerted sooner."""
    second_only: int
    difference: Estimate
    """First rate less second; for `delay` the share on which the first was sooner less that of the second."""
    tests: tuple[Significance, ...]
    """The first one is the one that counts; the others stand beside."""
    p_holm: float | None
    """Its p-value, adjusted over all pairs of this metric; None if there is none."""
    beats: float | None
    """Share of resamples in which the first is ahead, ties half; None without executions."""
    detectable: float | None
    """Smallest true difference that these executions would show with a power of 80 %."""
    conclusion: str
    """`first`, `second` (ahead, by `p_holm` at 5 %), `no_difference_shown`, or `not_comparable`."""
    reason: str | None = None
    """Why they can't be compared."""


class VectorLine(Record):
    """What a reader's weights are applied to: one arm over the common executions."""

    arm_key: str
    values: dict[str, float | None]
    """`prevented`, `technique`, `tactic`, `general`, `logged`, `missed` (shares of the malicious executions;
    missed is also what an arm's class can't see and it did not see, where `Ranking.basis` is `valid`),
    `twins_disturbed` (share of the benign ones that were not left alone: alerted on, blocked or disrupted), `delay`
    (mean of min(delay, 60 s) / 60 s; a miss counts 1, an alert without its own time by its receipt, an upper bound;
    None if not even that is known), `cost` (CPU cores of its own containers and, if more than in the control, on the
    nodes; never below 0; None if it was not counted)."""
    steps: int
    """Malicious executions."""
    twins: int
    """Benign executions."""


class RankLine(Record):
    """One arm's place under a set of weights."""

    arm_key: str
    score: Estimate
    rank: int
    """1 is first; equal scores share the better place."""
    low: int
    """Best place that the data admit: places from `low` to `high` hold for all arms at once with 95 %."""
    high: int
    places: tuple[float, ...]
    """Share of resamples in which it holds place 1, 2, …"""
    keeps: float
    """Share of redrawn weights (each between half and twice itself) under which it keeps its place."""


class Ranking(Record):
    """Arms in an order, which is as good as the reader's weights."""

    weights: dict[str, float]
    basis: str
    """Over which malicious executions: `applicable` (valid, and every arm's class can see them), or, where there is
    none, `valid` (what an arm's class can't see counts as not seen)."""
    lines: tuple[RankLine, ...]
    order_survives: float | None
    """Share of redrawn weights under which the whole order stays; None without arms."""
    redrawn: int
    reason: str | None = None
    """Why there is no ranking."""


class RuleLine(Record):
    """What the stopping rule says of a pair."""

    first: str
    second: str
    """Arm keys."""
    repetition: int
    """After which it was settled, or looked at last."""
    conclusion: str
    """`first`, `second` (ahead), `alike` (within the margin), `no_difference_shown` (in all repetitions),
    `not_comparable`, or `open` (not settled by the repetitions that are complete)."""
    p_value: float | None
    threshold: float | None
    """The share of the level that this look and this pair may use."""
    reason: str


class ByRule(Record):
    """Every pair by the stopping rule that was fixed before the first trial."""

    metric: str
    alpha: float
    smallest_difference: float
    looks: int
    """Repetitions at most."""
    done: int
    """Repetitions that are complete for every arm not settled before."""
    lines: tuple[RuleLine, ...]


class Comparison(Record):
    """All arms of a campaign beside each other."""

    by_rule: ByRule | None = None
    """In a campaign with a stopping rule: what it says, which is what counts for its metric. The contrasts do not know
    that repetitions were stopped by what they had shown."""

    contrasts: tuple[Contrast, ...]
    overall: dict[str, tuple[Significance, ...]]
    """Metric -> tests that all arms are alike; empty for fewer than three arms."""
    vectors: tuple[VectorLine, ...]
    ranking: Ranking
    """With weights of ours, where the reader gives none: see `results.ranks.DEFAULT_WEIGHTS`."""
