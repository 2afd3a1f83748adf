"""Data files beside the pages: the scored campaign as it is, tables for a spreadsheet, and the list of hashes."""

import csv
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from results.evidence import TrialEvidence
from results.printable import csv_cell
from results.records import AttributionStatus, Observation, Record, StepExecution, StepKind, Verdict, as_json

LARGEST_COPY = 5_000_000
"""Bytes; a sealed file beyond it is named by its hash in the seal, and not copied."""
MOST_ROWS = 2_000
"""Rows of a trial's alert table."""
_CAMPAIGN_FILES = (
    "campaign.json", "attack.json", "summary.json", "verdicts.parquet", "attributions.parquet",
    "registration.json", "journal.jsonl", "schedule.jsonl", "original/summary.json", "original/verdicts.parquet",
)  # fmt: skip


def copy_campaign(campaign_folder: Path, data: Path) -> None:
    """Lay the campaign's own files out under `data` as they are, so that the notebook runs on them too."""
    data.mkdir(parents=True)
    for name in _CAMPAIGN_FILES:
        if (campaign_folder / name).is_file():
            (data / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(campaign_folder / name, data / name)


def export_trial(folder: Path, evidence: TrialEvidence, data: Path, is_original: bool = True) -> None:
    """One sealed trial as it is, so that `pij score` works on it, and its steps and alerts as tables beside it.

    Args:
        folder: of the trial.
        evidence: the same, read.
        data: where to.
        is_original: False for a blinded copy, which is not what was sealed.
    """
    place = data / "trials" / evidence.trial.trial_id
    place.mkdir(parents=True)
    sources = sorted(path for path in folder.iterdir() if path.name != "seal.json")
    copied = [source for source in sources if source.stat().st_size <= LARGEST_COPY]
    for source in copied:
        shutil.copyfile(source, place / source.name)
    # `seal.json` is what makes a folder a trial: one that lacks a table must not be taken for one.
    seal = "seal.json" if is_original and len(copied) == len(sources) else "seal-of-all-files.json"
    shutil.copyfile(folder / "seal.json", place / seal)
    tables = data / "tables"
    tables.mkdir(exist_ok=True)
    name = evidence.trial.trial_id
    write_table(tables / f"{name}-steps.csv", StepExecution, evidence.steps)
    write_table(tables / f"{name}-alerts.csv", Observation, list(evidence.alerts.values())[:MOST_ROWS])


def export_verdicts(verdicts: Sequence[Verdict], data: Path) -> None:
    """All verdicts as one table."""
    write_table(data / "verdicts.csv", Verdict, verdicts)


FALSE_ALARM_COLUMNS = (
    "trial", "product", "arm", "action", "action_en", "action_ja", "kind", "technique_it_resembles", "procedure",
    "executed", "rule", "rule_name", "alerts",
)  # fmt: skip


ACTION_COLUMNS = (
    "trial", "second", "action", "action_en", "action_ja", "node", "user", "technique_it_resembles", "procedure",
    "executor", "executed", "exit_code", "effect_confirmed",
)  # fmt: skip


def false_alarm_rows(evidence: TrialEvidence) -> list[dict[str, object]]:
    """What one product alerted on although it was ordinary work: one row an action and rule, with how many alerts.

    Alerts that no step explains have an empty action: they are false alarms of the time in between.
    """
    steps = {step.step_id: step for step in evidence.steps if step.kind in (StepKind.BENIGN, StepKind.PLACEBO)}
    counts: dict[tuple[str, str, str], int] = {}
    for claim in evidence.attributions:
        alert = evidence.alerts.get(claim.observation_id) if claim.alert else None
        nobody = claim.status is AttributionStatus.UNATTRIBUTED
        if alert is not None and (nobody or claim.step_id in steps):
            key = (claim.step_id or "", alert.rule_id or "", alert.rule_name or alert.title or "")
            counts[key] = counts.get(key, 0) + 1
    rows = []
    for (step_id, rule, name), count in sorted(counts.items()):
        step = steps.get(step_id)
        values = (
            evidence.trial.trial_id, evidence.trial.product or "", evidence.trial.arm or "", step_id,
            step.title.en if step else "", step.title.ja if step else "", step.kind.value if step else "",
            (step.technique or "") if step else "", step.procedure if step else "", step.executed if step else "",
            rule, name, count,
        )  # fmt: skip
        rows.append(dict(zip(FALSE_ALARM_COLUMNS, values, strict=True)))
    return rows


def action_rows(evidence: TrialEvidence) -> list[dict[str, object]]:
    """What ordinary work a control did, each action labelled: the other half of the list of false alarms."""
    steps = [step for step in evidence.steps if step.kind is StepKind.BENIGN and step.started_ns is not None]
    first = min((step.started_ns or 0 for step in steps), default=0)
    rows: list[dict[str, object]] = []
    for step in steps:
        values = (
            evidence.trial.trial_id, round(((step.started_ns or 0) - first) / 1e9, 3), step.step_id, step.title.en,
            step.title.ja, step.node, step.user, step.technique or "", step.procedure, step.executor, step.executed,
            step.exit_code, step.verified,
        )  # fmt: skip
        rows.append(dict(zip(ACTION_COLUMNS, values, strict=True)))
    return rows


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> None:
    """Rows as CSV for a spreadsheet, as `write_table` writes records."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([csv_cell(_flat(row[column])) for column in columns])
    path.write_bytes(text.getvalue().encode("utf-8-sig", "backslashreplace"))


def write_table(path: Path, model: type[Record], records: Iterable[Record]) -> None:
    """Records as CSV for a spreadsheet: UTF-8 with a mark (Excel reads Japanese by it), no cell a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    columns = list(model.model_fields)
    writer.writerow(columns)
    for record in records:
        row = as_json(record)
        writer.writerow([csv_cell(_flat(row[column])) for column in columns])
    path.write_bytes(text.getvalue().encode("utf-8-sig", "backslashreplace"))


def _flat(value: object) -> object:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return "" if value is None else value


def write_manifest(folder: Path) -> None:
    """`manifest.json`: every file of the folder with its size and SHA-256, by name."""
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    text = json.dumps({"schema_version": 1, "files": files}, indent=1, sort_keys=True)
    (folder / "manifest.json").write_text(text + "\n", "utf-8")
