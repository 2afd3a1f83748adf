"""One sealed trial: its observations read by column and batch by batch, attributed, counted and judged.

Reading, attributing and writing run beside each other; the order of everything is that of arrival, so the bytes are the
same whatever the number of threads.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from results.attack import Catalogue
from results.attribution import FIELDS, STATUSES, Attributor
from results.attribution_rows import rows_of
from results.chance import RandomWindows
from results.columns import Batch, batches
from results.counting import Counting, StepEvidence
from results.criteria import lend
from results.irregular import DataQuality
from results.quality import Times, counted, times_of
from results.records import (
    AttributionStatus,
    Rate,
    ResourceSample,
    StepExecution,
    Trial,
    Verdict,
)
from results.store import read_resources
from results.techniques import Names
from results.verdicts import judge_trial

Write = Callable[[pa.Table], None]
"""Takes the attributions of a batch."""


@dataclass
class FileScore:
    """What became of one file of observations."""

    statuses: Counter[tuple[AttributionStatus, str | None]] = field(default_factory=Counter)
    """(status, step id) -> number of observations."""
    evidence: dict[int, StepEvidence] = field(default_factory=dict)
    canaries: list[tuple[int | None, int]] = field(default_factory=list)
    """(own time, receipt) of each observation that answers a canary, in ns."""
    fits: Counter[str] = field(default_factory=Counter)
    """Step id -> number of observations that fit it and others equally well, each at the first of them."""
    quality: DataQuality | None = None
    windows: Rate | None = None
    """Random windows of the time without an attack on which an alert fell."""


@dataclass(frozen=True)
class Judged:
    """One trial with what scoring made of it."""

    trial: Trial
    seal: str
    steps: tuple[StepExecution, ...]
    verdicts: tuple[Verdict, ...]
    resources: tuple[ResourceSample, ...]
    statuses: Mapping[tuple[AttributionStatus, str | None], int]
    """(status, step id) -> number of alerts."""
    canaries: tuple[tuple[int | None, int], ...]
    """(own time, receipt) of each alert on a canary, in ns."""
    quality: DataQuality
    telemetry_quality: DataQuality
    windows: Rate | None
    """Random windows of the time without an attack on which an alert fell."""
    fits: Mapping[str, int]
    """Step id -> number of alerts that fit it and others equally well, each at the first of them."""


def judge_sealed(
    folder: Path,
    trial: Trial,
    seal: str,
    steps: tuple[StepExecution, ...],
    control: Mapping[str, StepExecution] | None,
    catalogue: Catalogue,
    write: Write,
) -> Judged:
    """Attribute and judge one trial.

    Args:
        folder: of the sealed trial.
        trial: its record.
        seal: its root hash, verified.
        steps: its steps.
        control: the steps of the control with the same seed, by id; None if there is none.
        catalogue: of the campaign's ATT&CK release.
        write: receives the attributions, in order.

    Raises:
        EvaluationError: a file is damaged.
    """
    names = Names(catalogue)
    attributor = Attributor(lend(steps, trial.seed), trial.node_names, trial.latency_s)
    alerts = score_file(folder / "alerts.parquet", trial, attributor, names, write, alert=True)
    telemetry = score_file(folder / "telemetry.parquet", trial, attributor, names, write, alert=False)
    evidence = {attributor.names[number]: one for number, one in alerts.evidence.items()}
    for number, one in telemetry.evidence.items():
        step_id = attributor.names[number]
        own = evidence.get(step_id, StepEvidence())
        evidence[step_id] = replace(own, telemetry=one.telemetry, telemetry_kind=one.telemetry_kind)
    return Judged(
        trial,
        seal,
        steps,
        tuple(judge_trial(trial, steps, evidence, control, names)),
        tuple(read_resources(folder)),
        alerts.statuses,
        tuple(alerts.canaries),
        alerts.quality or counted(np.zeros(0, dtype=np.int64), {}, {}),
        telemetry.quality or counted(np.zeros(0, dtype=np.int64), {}, {}),
        alerts.windows,
        alerts.fits,
    )


def score_file(path: Path, trial: Trial, attributor: Attributor, names: Names, write: Write, alert: bool) -> FileScore:
    """Attribute the observations of one file; see `judge_sealed`."""
    times = times_of(path, trial)
    found, counting, techniques = FileScore(), Counting(alert, len(attributor.steps)), Counter[str]()
    numbers = np.zeros((len(STATUSES), len(attributor.steps) + 1), dtype=np.int64)
    fits = np.zeros(len(attributor.steps), dtype=np.int64)
    windows = RandomWindows(trial, attributor.steps if alert else ())
    wanted = [*dict.fromkeys((*FIELDS, *attributor.criteria.fields, *windows.fields))]
    with ThreadPoolExecutor(max_workers=1) as writing:
        jobs = []
        for batch in batches(path, wanted):
            place = slice(batch.first, batch.first + batch.size)
            claims = attributor.attribute(batch, times.moment[place])
            times.irregular[place] |= claims.irregular
            irregular = times.irregular[place].copy()
            moments = times.moment[place]
            jobs.append(
                writing.submit(_write, write, batch, claims, attributor, moments, irregular, trial.trial_id, alert)
            )
            if len(jobs) > 2:
                jobs.pop(0).result()
            counting.add(batch, claims, times)
            windows.note(batch, claims, moments)
            np.add.at(numbers, (claims.status, claims.step), 1)
            firsts = np.array([steps[0] for steps in claims.cases], dtype=np.int64)
            np.add.at(fits, firsts[claims.case[claims.case >= 0]], 1)
            _note_techniques(batch, names, techniques)
            _note_canaries(batch, times, found)
        for job in jobs:
            job.result()
    steps = [*attributor.names, None]
    for status, step in zip(*(places.tolist() for places in np.nonzero(numbers)), strict=True):
        found.statuses[STATUSES[status], steps[step]] = int(numbers[status, step])
    found.fits.update({attributor.names[step]: int(fits[step]) for step in np.flatnonzero(fits).tolist()})
    found.evidence = counting.steps()
    found.windows = windows.share() if alert else None
    found.quality = counted(times.irregular, techniques, times.zones_s)
    return found


def _write(write: Write, *about: object) -> None:
    write(rows_of(*about))  # type: ignore[arg-type]


def _note_techniques(batch: Batch, names: Names, techniques: Counter[str]) -> None:
    """Count the trial's observations that name a technique that is misspelt, revoked or unknown."""
    coded, inside = batch.codes("techniques"), ~batch.flags("outside")
    for fault in ("misspelt", "revoked", "unknown"):
        each = [int(any(fault in names.read(n).faults for n in json.loads(text))) for text in coded.texts]
        if any(each):
            techniques[fault] += int(coded.of(each, 0)[inside].sum())


def _note_canaries(batch: Batch, times: Times, found: FileScore) -> None:
    for row in np.flatnonzero(batch.flags("canary")).tolist():
        at = batch.first + row
        own = int(times.moment[at]) if times.timed[at] else None
        found.canaries.append((own, int(times.received[at])))
