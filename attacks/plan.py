"""`plan.yaml`: an emulation plan. Its procedures are Atomic Red Team YAML, run as they are written."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from results.documents import Definition, read_document
from results.records import Condition, Slug, StepKind, TacticId, TechniqueId, Text

StepId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]
Shell = Annotated[str, StringConstraints(pattern=r"^(bash|sh)$")]
Guid = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]


class Fact(Definition):
    """One fact of an oracle, looked at from outside the node's processes; exactly one subject.

    A file fact must be false before the step and true after it. `#{name}` is replaced by the step's
    arguments and the plan's drawn values.
    """

    file: str | None = None
    """Absolute path on `node`. Alone: exists."""
    node: Slug | None = None
    """Where to look; the step's node if not given."""
    absent: bool = False
    """The file must not exist."""
    contains: str | None = None
    """Regular expression, searched in the file's first 1 MiB (multi-line)."""
    lacks: str | None = None
    """Regular expression that must not be found there."""
    mode: Annotated[str, StringConstraints(pattern=r"^[0-7]{3,4}$")] | None = None
    """Permission bits, octal."""
    owner: int | None = None
    """User id."""
    empty: bool | None = None
    """The file has no bytes (true), or has some (false)."""
    modified_before: str | None = None
    """ISO 8601: the modification time is earlier, as after timestomping."""
    stdout: str | None = None
    """Regular expression, searched in the step's stdout (multi-line)."""
    process: str | None = None
    """Regular expression, searched in the command lines of the processes that the step started."""
    alive: bool = False
    """With `process`: one that matches still runs when the step has ended."""
    within_s: float = 0.0
    """How long the effect may take to appear after the step has ended."""


class Touches(Definition):
    """What the step touches, for attribution by object; the files of its oracle count without saying so."""

    files: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    """`address` or `address:port` of the other end; `#{attacker}` and `#{target}` are the nodes' addresses."""
    urls: tuple[str, ...] = ()
    """Request targets (path and query) as they stand on the request line."""
    nodes: tuple[Slug, ...] = ()
    """Nodes besides the step's own on which it acts: what a product sees there in its window may be its doing."""


class Alternative(Definition):
    """Another way to do the same step: another tool, another encoding. The seed chooses one way."""

    procedure: Guid
    arguments: dict[str, str] = {}
    criteria: tuple[tuple[Condition, ...], ...] = ()
    """Instead of the step's, if given."""
    verify: tuple[Fact, ...] = ()
    """Instead of the step's, if given."""


class Step(Definition):
    """One procedure run once on one node with fixed arguments."""

    id: StepId
    kind: StepKind = StepKind.MALICIOUS
    procedure: Guid | None = None
    """None for placebos only."""
    technique: TechniqueId | None = None
    """If the procedure's file does not say it, or another technique is meant."""
    tactic: TacticId | None = None
    """The tactic it serves in this plan; required for malicious steps."""
    title: Text | None = None
    """The procedure's name if not given."""
    node: Slug
    user: str
    """Who runs it; `#{name}` is a drawn value, each of which must be one of the node's logins."""
    arguments: dict[str, str] = {}
    """Input arguments of the procedure; `#{name}` here is a drawn value of the plan."""
    alternatives: tuple[Alternative, ...] = ()
    """Other ways to do the same (tool substitutes, encodings); the seed chooses among the step's own and these."""
    shells: tuple[Shell, ...] = ()
    """Shells that the command is good for; the seed chooses one. The procedure's own executor if not given."""
    shuffle: Slug | None = None
    """Neighbouring malicious steps with the same word here run in an order that the seed draws."""
    needs: tuple[StepId, ...] = ()
    verify: tuple[Fact, ...] = ()
    """All must hold; required for malicious and benign steps."""
    criteria: tuple[tuple[Condition, ...], ...] = ()
    """Alternatives of what a record must show to be evidence of the step; required for malicious steps."""
    touches: Touches = Touches()
    data_components: tuple[str, ...] = ()
    """ATT&CK data components that a sensor would need; required for malicious steps."""
    twin_of: StepId | None = None
    """For benign steps."""
    timeout_s: float = 30.0
    occurs: tuple[int, int] = (1, 1)
    """In a baseline: how often the action is done, at least and at most; drawn values are drawn anew each time."""
    during: tuple[float, float] = (0.0, 1.0)
    """In a baseline: the part of its duration in which the action may begin, e.g. [0.0, 0.2] for early in the day."""


class Battery(Definition):
    """Chooses steps from a corpus instead of writing them; only what is proven in the plan's environment is chosen."""

    corpus: Slug | None = None
    """Id of a folder that the user gives (`--content ID=FOLDER`); the checkout's own procedures if not given."""
    technique: tuple[TechniqueId, ...] = ()
    """Only these techniques, and what is below them."""
    tactic: tuple[TacticId, ...] = ()
    """Only techniques that serve one of these."""
    runnable: Literal[True] = True
    """Always: a procedure without proof of its effect would be invalid for everyone."""
    at_most: int | None = Field(default=None, ge=1)
    """Only so many, drawn with `seed`."""
    seed: int = 0


class Baseline(Definition):
    """Ordinary work alone, each action at its time: what false alarms are measured with."""

    duration_s: float = Field(ge=60, le=86_400)
    """How much time the activity stands for; the seed spreads the actions over it."""
    compress: float = Field(default=60.0, ge=1.0, le=1000.0)
    """How many times faster it is replayed."""
    timed: bool = False
    """Its work is there to be timed with and without products (`pij overhead`). Each turn of an action then does the
    same, however long it takes, and `data_components` says which products the work gives something to do."""


class Drawn(Definition):
    """A value that the trial's seed draws, so that nothing can be learnt by heart. Exactly one kind."""

    one_of: tuple[str, ...] = ()
    pattern: str | None = None
    """`?` becomes a letter, `#` a digit."""
    between: tuple[int, int] | None = None


class Plan(Definition):
    """An ordered set of steps with a narrative."""

    id: Slug
    title: Text
    narrative: Text
    sources: tuple[str, ...]
    """Public reports that the chain follows."""
    environment: Slug
    isolation: Annotated[str, StringConstraints(pattern=r"^(trial|step)$")] = Field(default="trial")
    """`trial`: one environment through the whole chain. `step`: every step in fresh containers, so that nothing leaks
    from one to the next."""
    baseline: Baseline | None = None
    """For a plan of benign steps only."""
    draw: dict[Slug, Drawn] = {}
    battery: Battery | None = None
    """For `isolation: step`: which procedures are steps, besides those that are written."""
    steps: tuple[Step, ...] = ()


def read_plan(folder: Path) -> Plan:
    """Read `<folder>/plan.yaml`.

    Raises:
        ContentError: every problem of the file.
    """
    return read_document(folder / "plan.yaml", Plan)
