"""MITRE's published counts, made again by the functions that make our own rates, and laid beside them."""

from collections.abc import Iterable

import numpy as np

from results.attack_evaluations import Counts, Participant
from results.attack_evaluations_verdicts import Judged, judge_round, outcomes_of
from results.ledger import METRICS, Ledger, clusters_of, make_ledger
from results.metrics import clustered
from results.records import Rate, Record

PLAIN = ("Total_Substeps", "Total_Detections", "Analytic_Detections", "Telemetry_Detections")
COVERAGE = {"Analytic_Coverage": "alerted", "Telemetry_Coverage": "recorded", "Visibility": "visible"}
"""Published field -> our rate."""


class Check(Record):
    """One published number beside ours."""

    participant: str
    adversary: str
    field: str
    """As published; `(without MSSP)` where it leaves out what people told."""
    theirs: int | str
    ours: int | str | None
    """None: we have no rule for this field."""
    why: str
    """Why the two differ; empty where they do not."""


def ledger_of(judged: Judged) -> Ledger:
    """The verdicts of a round laid out as those of our own arms are."""
    trial = judged.trial.trial_id
    return make_ledger(judged.verdicts, {trial: 1}, clusters_of([judged.steps]), common=())


def rates_of(ledger: Ledger) -> dict[str, Rate]:
    """Our rates over the sub-steps that apply to the participant, each with its interval.

    `recorded`: telemetry, whether alerted on or not; the others as in `ledger.METRICS`.
    """
    rows = ledger.malicious & ledger.applicable
    recorded = np.array([[bool(verdict.telemetry)] for verdict in ledger.verdicts], dtype=bool)
    hits, n = ledger.by_cluster(rows, np.hstack([ledger.holds, recorded]))
    return dict(zip([*METRICS, "recorded"], clustered(hits, n), strict=True))


def counts_of(judged: Judged) -> Counts:
    """The fields that MITRE publishes, from our rates and our alerts."""
    ledger = ledger_of(judged)
    rates, rows = rates_of(ledger), ledger.malicious & ledger.applicable
    alerts = int(ledger.alerts[rows].sum())
    telemetry = sum(len(verdict.telemetry) for verdict, counts in zip(ledger.verdicts, rows, strict=True) if counts)
    found: Counts = dict(zip(PLAIN, (rates["visible"].n, alerts + telemetry, alerts, telemetry), strict=True))
    return found | {field: f"{rates[name].hits}/{rates[name].n}" for field, name in COVERAGE.items()}


def compare(participant: Participant) -> tuple[Check, ...]:
    """Every number that MITRE published for a participant, beside ours; nulls are no numbers."""
    found: list[Check] = []
    for adversary in participant.adversaries:
        for variant, published in participant.published(adversary).items():
            judged = judge_round(participant, adversary, managed=variant == "with MSSP")
            suffix = "" if variant == "with MSSP" else f" ({variant})"
            found += _checks(participant.name, adversary.adversary_name, suffix, published, judged)
    return tuple(found)


def _checks(name: str, adversary: str, suffix: str, published: Counts, judged: Judged) -> Iterable[Check]:
    ours = counts_of(judged)
    for field, theirs in published.items():
        if theirs is None:
            continue
        mine = ours.get(field)
        yield Check(
            participant=name, adversary=adversary, field=f"{field}{suffix}", theirs=theirs, ours=mine,
            why="" if mine == theirs else _why(field, mine, judged),
        )  # fmt: skip


def _why(field: str, ours: int | str | None, judged: Judged) -> str:
    if ours is None:
        return f"no rule for the field {field}"
    parts = ", ".join(f"{count} {outcome.value}" for outcome, count in outcomes_of(judged.verdicts).items())
    return f"the detections in the same file give {len(judged.steps)} sub-steps: {parts}"
