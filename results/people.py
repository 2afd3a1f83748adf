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


class Departure(Record):
    """One thing that is not as registered."""

    field: str
    """What: a field of the registration, or `product`, `seed`, `unplanned`, `signature`, `journal` …"""
    subject: str | None = None
    """The trial or arm that it is about; None: the whole campaign."""
    registered: str | None = None
    """As registered, shortened; None if it was not registered at all."""
    found: str | None = None
    """As it is, shortened."""

    def said(self) -> str:
        """In a sentence, for a terminal."""
        about = f"{self.subject}: " if self.subject else ""
        return f"{about}{self.field}: registered as {self.registered or 'nothing'}, now {self.found or 'nothing'}"


class ScoredAnew(Record):
    """The scorer is not the one that was registered; the trials may be those all the same."""

    registered_version: str
    version: str
    registered_methodology: str
    """SHA-256 over the scorer's sources."""
    methodology: str
    is_later: bool
    """Of a higher version, as a scorer is that was mended since; else it is another one of unknown order."""


class Standing(Record):
    """How a campaign stands to its registration."""

    registered_ns: int | None
    """None: it was never registered."""
    commitment: str | None
    signed_by: str | None
    """Public key of a signature that holds; that it is the evaluator's must be learnt another way."""
    forged_key: str | None = None
    """Public key that is named beside a signature which does not hold."""
    in_journal: bool
    """The journal holds the same commitment."""
    early: tuple[str, ...]
    """Trials that began before the registration."""
    missing: tuple[str, ...] = ()
    """Registered trials that are not sealed, and that no rule of the campaign left out."""
    departures: tuple[Departure, ...]
    """What was run otherwise than registered."""
    not_recorded: dict[str, int] = {}
    """What cannot be told, because an older pij did not write it down -> in how many trials (0: the campaign)."""
    scored_anew: ScoredAnew | None = None
    """Set if another scorer than the registered one made the scores. It is no departure of the trials."""
    restarts: int
    """How often results were set aside after the registration, and the campaign begun again."""
    holds: bool
    """Registered before the first trial, every trial run as registered, and enough recorded to tell."""

    def is_unrefuted(self) -> bool:
        """Nothing speaks against it, though not everything was recorded that could."""
        return self.commitment is not None and not (self.early or self.missing or self.departures)


class People(Record):
    """The people's part of a summary."""

    registration: Standing
    adjudications: tuple[Adjudication, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    window: Window | None = None
    """None: no vendor was given a view yet."""
    journal_head: str | None = None
    """Hash of the last entry of the journal: whoever keeps it can tell if the end was cut off."""
