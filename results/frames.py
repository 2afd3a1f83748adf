"""The summary as pandas frames, for charts and the notebook. Text is made printable, numbers stay numbers."""

from pathlib import Path

import pandas as pd

from results.printable import printable
from results.records import CONTROL, StepKind
from results.store import read_summary
from results.summary import Summary
from results.tables import percent, share
from results.views import OUTCOME_ORDER, arm_name, product_arms, said, sign_of
from results.wording import words


def load(campaign_folder: str) -> Summary:
    """The summary of a scored campaign, or of the `data` folder of a published page."""
    return read_summary(Path(campaign_folder))


def trials(summary: Summary, language: str) -> pd.DataFrame:
    """One row a trial: how it ended, and what it delivered."""
    say = words(language)
    return pd.DataFrame(
        [
            {
                say["trial"]: printable(trial.trial_id),
                say["status"]: say[f"status.{trial.status.value}"],
                say["reason"]: printable(trial.reason),
                say["alerts"]: trial.alerts,
                say["telemetry"]: trial.telemetry,
                say["seed"]: str(trial.seed),
            }
            for trial in summary.trials
        ]
    )


def rates(summary: Summary, denominator: str, language: str) -> pd.DataFrame:
    """One row an arm and metric over one denominator: rate, counts and interval, never one without the others.

    Columns: arm, metric, rate, low, high (shares from 0 to 1, None where n is 0), hits, n, text.
    """
    say = words(language)
    rows = [
        {
            "arm": printable(arm_name(arm, language)),
            "metric": say.get(f"metric.{line.metric}", line.metric),
            "rate": line.rate.value,
            "low": line.rate.low,
            "high": line.rate.high,
            "hits": line.rate.hits,
            "n": line.rate.n,
            "text": share(line.rate),
        }
        for arm in product_arms(summary)
        for line in arm.rates
        if line.denominator == denominator
    ]
    return pd.DataFrame(rows, columns=["arm", "metric", "rate", "low", "high", "hits", "n", "text"])


def rates_table(summary: Summary, denominator: str, language: str) -> pd.DataFrame:
    """Arms down, metrics across; each cell `rate (hits/n) [interval]`."""
    frame = rates(summary, denominator, language)
    if frame.empty:
        return frame
    metrics = list(dict.fromkeys(frame["metric"]))
    arms = list(dict.fromkeys(frame["arm"]))
    table = frame.pivot(index="arm", columns="metric", values="text").loc[arms, metrics]
    return table.rename_axis(index=None, columns=None)


def outcomes(summary: Summary, language: str) -> pd.DataFrame:
    """One row an arm and outcome: how many attack step executions, blanks included."""
    say = words(language)
    rows = [
        {
            "arm": printable(arm_name(arm, language)),
            "outcome": outcome,
            "word": say[f"outcome.{outcome}"],
            "count": arm.counts.get(outcome, 0),
        }
        for arm in product_arms(summary)
        for outcome in OUTCOME_ORDER
    ]
    return pd.DataFrame(rows, columns=["arm", "outcome", "word", "count"])


def verdicts(summary: Summary, language: str) -> pd.DataFrame:
    """Attack steps down, trials across; each cell the verdict in words. A trial without one stays empty."""
    titles = {
        step.step_id: printable(f"{step.technique or ''} {said(step.title, language)}".strip())
        for step in sorted(summary.steps, key=lambda step: step.position)
        if step.kind is StepKind.MALICIOUS
    }
    cells = {
        (cell.step_id, cell.trial_id): sign_of(cell.outcome, cell.category, StepKind.MALICIOUS, language)[2]
        for cell in summary.cells
        if cell.step_id in titles
    }
    judged = [
        trial.trial_id
        for trial in summary.trials
        if trial.arm_key != CONTROL and any(key[1] == trial.trial_id for key in cells)
    ]
    return pd.DataFrame(
        [[cells.get((step_id, trial_id), "") for trial_id in judged] for step_id in titles],
        index=list(titles.values()),
        columns=judged,
    )


def noise(summary: Summary, language: str) -> pd.DataFrame:
    """One row an arm: false alarms on twins, chance, ambiguous alerts, latency."""
    say = words(language)
    return pd.DataFrame(
        [
            {
                say["arm"]: printable(arm_name(arm, language)),
                say["metric.twins"]: share(arm.twins_alerted),
                say["metric.chance"]: share(arm.chance),
                say["ambiguous"]: share(arm.ambiguous),
                say["unattributed"]: arm.unattributed,
                say["median"]: "–" if arm.latency.median_s is None else f"{arm.latency.median_s:.2f} s",
                say["corrected"]: " · ".join(
                    f"{say[f'metric.{line.metric}']} {percent(line.chance_corrected)}"
                    for line in arm.rates
                    if line.denominator == "applicable"
                    and line.metric in ("alerted", "visible")
                    and line.chance_corrected is not None
                ),
            }
            for arm in product_arms(summary)
        ]
    )
