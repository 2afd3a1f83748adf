"""Scored campaigns read back for comparison: from a run's folder, or from the `data` folder of a published page."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from results.costs import cores_used
from results.errors import EvaluationError, several
from results.latency import watched_s
from results.ledger import Address, Ledger, is_applicable, make_ledger
from results.records import StepKind, Trial, Verdict
from results.seal import SEAL, require_as_scored
from results.store import read_campaign, read_steps, read_summary, read_trial, read_verdicts
from results.summary import ArmSummary, Summary

SAME = ("plan", "plan_digest", "environment", "environment_digest", "attack_release", "scorer_version", "seed")
"""What must not differ between campaigns that are compared: the same steps with the same seeds, judged alike."""
SAME_JUDGE = ("attack_release", "scorer_version")
"""What must not differ even between campaigns of different plans."""


@dataclass(frozen=True)
class Book:
    """One scored campaign, ready to be compared."""

    name: str
    summary: Summary
    verdicts: tuple[Verdict, ...]
    trials: Mapping[str, Trial]
    """The trials whose record is at hand."""
    watched: Mapping[str, Mapping[str, float]]
    """Trial id -> step id -> seconds watched after the step; of the trials whose steps are at hand."""
    folder: Path | None = None
    """Where it was read from."""

    def identity(self) -> dict[str, str]:
        """What decides whether it can be compared: field -> value."""
        digests = {name: "unknown" for name in ("plan_digest", "environment_digest")}
        for trial in self.trials.values():
            digests = {"plan_digest": trial.plan_digest, "environment_digest": trial.environment_digest}
        own = ("plan", "environment", "attack_release", "scorer_version", "seed")
        return digests | {name: str(getattr(self.summary, name)) for name in own}

    def place_of(self, field: str) -> str:
        """The file that says one of the `identity`'s fields, for messages; the campaign's name if it was not read."""
        if self.folder is None:
            return self.name
        return str(self.folder / ("trials/*/trial.json" if field.endswith("_digest") else "summary.json"))

    def arms(self) -> list[ArmSummary]:
        """Its product arms."""
        return [arm for arm in self.summary.arms if arm.product is not None]


def read_book(folder: Path) -> Book:
    """Read a scored campaign.

    Raises:
        EvaluationError: there is no such campaign, it was not scored, or by a scorer that measured less.
    """
    if not folder.is_dir():
        scored = sorted(one.parent.name for one in folder.parent.glob("*/summary.json"))
        there = several(scored, folder.name, nothing="none yet")
        raise EvaluationError(
            f"{folder}: found no such campaign; allowed: {there} (scored ones in {folder.parent}), or a folder of "
            "results or published data. Name one of these, or run it first: `pij run`."
        )
    for name in ("summary.json", "verdicts.parquet"):
        if not (folder / name).is_file():
            raise EvaluationError(
                f"{folder}: found no {name}; allowed: a scored campaign. Run `pij score {folder}` first."
            )
    summary = read_summary(folder)
    campaign = folder / "campaign.json"
    is_held_out = campaign.is_file() and read_campaign(folder).held_out
    if not is_held_out:  # of such a plan, what is published is no longer what was sealed
        sealed = [line for line in summary.trials if (folder / "trials" / line.trial_id / SEAL).is_file()]
        require_as_scored(folder, sealed)
    trials: dict[str, Trial] = {}
    watched: dict[str, Mapping[str, float]] = {}
    for line in summary.trials:
        place = folder / "trials" / line.trial_id
        if (place / "trial.json").is_file():
            trials[line.trial_id] = read_trial(place)
            if (place / "steps.parquet").is_file():
                watched[line.trial_id] = watched_s(trials[line.trial_id], read_steps(place))
    return Book(summary.campaign, summary, tuple(read_verdicts(folder)), trials, watched, folder)


def require_same(books: Sequence[Book], fields: Sequence[str] = SAME) -> None:
    """Refuse campaigns that were not measured alike.

    Raises:
        EvaluationError: names each field that differs, and its values.
    """
    found = []
    for field in fields:
        values: dict[str, list[str]] = {}
        for book in books:
            values.setdefault(book.identity()[field], []).append(book.place_of(field))
        if len(values) > 1:
            shown = "; ".join(f"{value[:40]} in {', '.join(places)}" for value, places in sorted(values.items()))
            found.append(f"{field}: found {shown}")
    if found:
        raise EvaluationError(
            f"{' and '.join(dict.fromkeys(book.name for book in books))} can't be compared. {'. '.join(found)}. "
            "Allowed: the same in all. Run them from one campaign file, or score them with one pij."
        )


HELD_TWICE = "as an arm that is held against itself only costs the others their level. Leave one out."
GAP_TO_ITSELF = "as no campaign has a gap to itself. Name one on public plans and one on variants of them."


def require_distinct(books: Sequence[Book], because: str = HELD_TWICE) -> None:
    """Refuse the same trials twice.

    Args:
        books: what is compared.
        because: why that is refused, and how to mend it.

    Raises:
        EvaluationError: names both folders.
    """
    seen: dict[tuple[str, ...], Book] = {}
    for book in books:
        seals = tuple(sorted(line.seal for line in book.summary.trials))
        first = seen.setdefault(seals, book)
        if first is not book:
            raise EvaluationError(
                f"{book.folder}: found the trials of {first.folder} again; allowed: each campaign once, {because}"
            )


def clusters_in(book: Book) -> dict[str, str]:
    """Step id -> technique, as `results.ledger.clusters_of` says it, from what the summary lists."""
    own = {line.step_id: line.technique or f"step {line.step_id}" for line in book.summary.steps}
    for verdict in book.verdicts:
        own.setdefault(verdict.step_id, verdict.technique or f"step {verdict.step_id}")
    twins = {line.step_id: line.twin_of for line in book.summary.steps if line.twin_of}
    return own | {name: own.get(mirrored, own[name]) for name, mirrored in twins.items()}


def ledgers_of(books: Sequence[Book]) -> dict[str, Ledger]:
    """Arm -> ledger, of campaigns of one plan; arms of several campaigns carry the campaign's name."""
    cluster_of = {name: cluster for book in books for name, cluster in clusters_in(book).items()}
    found: dict[str, Ledger] = {}
    for book in books:
        for arm, ledger in ledgers_in(book, cluster_of, ()).items():
            found[arm if len(books) == 1 else f"{book.name}/{arm}"] = ledger
    return found


def ledgers_in(book: Book, cluster_of: Mapping[str, str], clusters: Collection[str]) -> dict[str, Ledger]:
    """Arm -> ledger of one campaign, for the arms that have a verdict that is no blank.

    Args:
        book: the campaign.
        cluster_of: step id -> technique.
        clusters: techniques of other campaigns that the arrays must have a place for.
    """
    repetitions = {line.trial_id: line.repetition for line in book.summary.trials}
    arm_of = {line.trial_id: line.arm_key for line in book.summary.trials}
    of_arm: dict[str, list[Verdict]] = {arm.arm_key: [] for arm in book.arms()}
    for verdict in book.verdicts:
        if arm_of[verdict.trial_id] in of_arm:
            of_arm[arm_of[verdict.trial_id]].append(verdict)
    common = common_of(list(of_arm.values()), repetitions)
    made = {arm: make_ledger(verdicts, repetitions, cluster_of, common, clusters) for arm, verdicts in of_arm.items()}
    return {arm: ledger for arm, ledger in made.items() if ledger.applicable.any()}


def common_of(arms: Sequence[Sequence[Verdict]], repetition_of: Mapping[str, int]) -> set[Address]:
    """Malicious executions that are valid and applicable for every arm that has any."""
    valid = [
        {(v.step_id, repetition_of[v.trial_id]) for v in verdicts if v.kind is StepKind.MALICIOUS and is_applicable(v)}
        for verdicts in arms
    ]
    told = [one for one in valid if one]
    return set.intersection(*told) if told else set()


def cores_of(books: Sequence[Book]) -> dict[str, float | None]:
    """Arm -> CPU cores that it uses, by its summary; see `results.costs.cores_used`."""
    found: dict[str, float | None] = {}
    for book in books:
        for arm in book.arms():
            name = arm.arm_key if len(books) == 1 else f"{book.name}/{arm.arm_key}"
            found[name] = cores_used(arm.measures.costs if arm.measures else ())
    return found
