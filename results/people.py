"""What people decided about a campaign, as records: pre-registration, adjudication, disputes (scoring.md §6)."""

from results.records import Category, Outcome, Record


class Ruling(Record):
    """A verdict in two words."""

    outcome: Outcome
    category: Category | None = None


class Adjudication(Record):
    """One decision of a person about a verdict."""

    trial_id: str
    step_id: str
    author: str
    reason: str
    evidence: tuple[str, ...]
    """Ids of observations of the trial, or addresses of documents."""
    before: Ruling
    after: Ruling
    time_ns: int
    """By the clock of whoever wrote it (UTC)."""


class Dispute(Record):
    """A vendor's objection to a verdict, and what was answered."""

    number: int
    """Of its entry in the journal."""
    trial_id: str
    step_id: str
    author: str
    reason: str
    evidence: tuple[str, ...]
    time_ns: int
    answers: tuple[str, ...] = ()
    """`<author>: <words>`."""


class Window(Record):
    """The time in which vendors may object, before the results are final."""

    opened_ns: int
    until_ns: int
    previews: int
    """How many views were given to vendors."""


class Standing(Record):
    """How a campaign stands to its registration."""

    registered_ns: int | None
    """None: it was never registered."""
    commitment: str | None
    signed_by: str | None
    """Public key; that it is the evaluator's must be learnt another way."""
    in_journal: bool
    """The journal holds the same commitment."""
    early: tuple[str, ...]
    """Trials that began before the registration."""
    departures: tuple[str, ...]
    """What was run otherwise than registered, in words."""
    restarts: int
    """How often results were set aside after the registration, and the campaign begun again."""
    holds: bool
    """Registered before the first trial, and run as registered."""


class People(Record):
    """The people's part of a summary."""

    registration: Standing
    adjudications: tuple[Adjudication, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    window: Window | None = None
    """None: no vendor was given a view yet."""
    journal_head: str | None = None
    """Hash of the last entry of the journal: whoever keeps it can tell if the end was cut off."""
