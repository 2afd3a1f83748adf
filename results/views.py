"""What the first page shows, taken apart for its template: no numbers are made here, only arranged."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from results.records import CONTROL, Outcome, Rate, StepKind, Text, TrialStatus
from results.summary import ArmSummary, Cell, StepLine, Summary, TrialLine
from results.tables import HEADLINE_DENOMINATOR, find_rate, share
from results.wording import words
from results.wording_reasons import reason_words

HEADLINE_METRICS = ("visible", "prevented", "alerted", "logged")
OUTCOME_ORDER = tuple(outcome.value for outcome in Outcome)
_BLANKS = (Outcome.INVALID, Outcome.DISRUPTED, Outcome.NOT_APPLICABLE)
_ANCHOR = re.compile(r"[a-z][a-z0-9-]{0,63}")

Effects = Mapping[str, Mapping[str, bool | None]]
"""Trial -> step -> whether its effect was confirmed; a step is here exactly if its page has an anchor."""


class Bar(NamedTuple):
    """One dot with its interval, or one segment of a stacked bar; positions in per cent."""

    label: str
    css: str
    low: float
    value: float
    high: float
    text: str


class Sign(NamedTuple):
    """One sign of the matrix: what it shows, how it is read aloud, where its evidence is."""

    sign: str
    css: str
    label: str
    href: str


class Row(NamedTuple):
    """One step of the matrix: a group of signs for each column."""

    step: StepLine
    title: str
    cells: tuple[tuple[Sign, ...], ...]


class Column(NamedTuple):
    """One arm (or the control) of the matrix."""

    name: str
    arm_title: str
    trials: tuple[TrialLine, ...]


class Blank(NamedTuple):
    """Something that could not be judged: where, what kind, why, and each place."""

    where: str
    css: str
    kind: str
    reason: str
    links: tuple[Sign, ...]


def said(text: Text, language: str) -> str:
    """A title in the page's language."""
    return text.ja if language == "ja" else text.en


def anchor(step_id: str) -> str:
    """The anchor of a step: its id where that is one, else a hash of it; never raw data."""
    if _ANCHOR.fullmatch(step_id):
        return f"step-{step_id}"
    return f"step-x{hashlib.sha256(step_id.encode('utf-8', 'replace')).hexdigest()[:16]}"


def sign_of(outcome: Outcome, category: str | None, kind: StepKind, language: str) -> tuple[str, str, str]:
    """Sign, style and words of a verdict. On a benign or placebo step an alert is a false alarm."""
    say = words(language)
    if kind is not StepKind.MALICIOUS and outcome is Outcome.ALERTED:
        return say["sign.false_alarm"], "false-alarm", say["benign.alerted"]
    if kind is not StepKind.MALICIOUS and outcome in (Outcome.MISSED, Outcome.LOGGED):
        return say["sign.left"], "left", say["benign.left"]
    if outcome is Outcome.ALERTED:
        said_category = category or "general"
        return (
            say[f"sign.{said_category}"],
            said_category,
            f"{say['outcome.alerted']} ({say[f'category.{said_category}']})",
        )
    return say[f"sign.{outcome.value}"], outcome.value.replace("_", "-"), say[f"outcome.{outcome.value}"]


def product_arms(summary: Summary) -> tuple[ArmSummary, ...]:
    """The arms that are judged."""
    return tuple(arm for arm in summary.arms if arm.product is not None)


def columns(summary: Summary, language: str) -> tuple[Column, ...]:
    """The matrix's columns, the control first."""
    say = words(language)
    return tuple(
        Column(
            name=say["control"] if arm.product is None else arm.name,
            arm_title="" if arm.product is None else said(arm.title, language),
            trials=tuple(trial for trial in summary.trials if trial.arm_key == arm.arm_key),
        )
        for arm in sorted(summary.arms, key=lambda arm: arm.product is not None)
    )


def matrix(summary: Summary, effects: Effects, language: str) -> tuple[tuple[StepKind, tuple[Row, ...]], ...]:
    """The matrix in three groups: attack steps, benign twins, placebos."""
    cells = {(cell.trial_id, cell.step_id): cell for cell in summary.cells}
    all_columns = columns(summary, language)
    groups = []
    for kind in (StepKind.MALICIOUS, StepKind.BENIGN, StepKind.PLACEBO):
        rows = tuple(
            Row(
                step=step,
                title=said(step.title, language),
                cells=tuple(
                    tuple(_sign(step, trial, cells, effects, language) for trial in column.trials)
                    for column in all_columns
                ),
            )
            for step in sorted(summary.steps, key=lambda step: step.position)
            if step.kind is kind
        )
        if rows:
            groups.append((kind, rows))
    return tuple(groups)


def _sign(
    step: StepLine,
    trial: TrialLine,
    cells: Mapping[tuple[str, str], Cell],
    effects: Effects,
    language: str,
) -> Sign:
    say = words(language)
    ran = effects.get(trial.trial_id, {})
    href = f"trials/{trial.trial_id}.html#"
    href += anchor(step.step_id) if step.step_id in ran else "status"
    where = f"{said(step.title, language)}, {trial.trial_id}"
    if trial.arm_key == CONTROL:
        seen = ran.get(step.step_id)
        effect = "effect" if seen else "no_effect"
        if step.kind is StepKind.PLACEBO:
            return Sign("–", "control", f"{where}: {say['kind.placebo']}", href)
        return Sign(say[f"sign.{effect}"], f"control {effect}", f"{where}: {say[f'control.{effect}']}", href)
    cell = cells.get((trial.trial_id, step.step_id))
    if cell is None or (trial.status is not TrialStatus.COMPLETED and cell.outcome is Outcome.INVALID):
        reason = f"{say[f'status.{trial.status.value}']} – {trial.reason or (cell.reason if cell else '')}"
        return Sign(say["sign.no_trial"], "no-trial", f"{where}: {reason}", href)
    mark, css, text = sign_of(cell.outcome, cell.category, step.kind, language)
    extra = "".join(f", {say.get(f'modifier.{name}', name)}" for name in cell.modifiers)
    return Sign(mark, css, f"{where}: {text}{extra}. {reason_words(cell.reason, language)}", href)


def headline(summary: Summary, language: str) -> tuple[tuple[str, str, tuple[Bar, ...]], ...]:
    """Metric, its words, and one dot with interval for each arm."""
    say = words(language)
    arms = product_arms(summary)
    panels = [
        (
            metric,
            say[f"metric.{metric}"],
            tuple(
                rate_bar(arm_name(arm, language), rate)
                for arm in arms
                if (rate := find_rate(arm, metric, HEADLINE_DENOMINATOR)) is not None
            ),
        )
        for metric in HEADLINE_METRICS
        if any(step.kind is StepKind.MALICIOUS for step in summary.steps)  # a baseline has nothing to detect
    ]
    twins = tuple(rate_bar(arm_name(arm, language), arm.twins_alerted) for arm in arms)
    chance = tuple(rate_bar(arm_name(arm, language), arm.chance) for arm in arms)
    panels += [("twins", say["metric.twins"], twins), ("chance", say["metric.chance"], chance)]
    return tuple(panels)


def arm_name(arm: ArmSummary, language: str) -> str:
    """Product and arm."""
    return f"{arm.name} · {said(arm.title, language)}"


def rate_bar(label: str, rate: Rate) -> Bar:
    """A rate as a dot with its interval; nothing is drawn where there is no denominator."""
    if rate.value is None or rate.low is None or rate.high is None:
        return Bar(label, "empty", 0, 0, 0, share(rate))
    return Bar(label, "", round(rate.low * 100, 2), round(rate.value * 100, 2), round(rate.high * 100, 2), share(rate))


def outcome_bars(summary: Summary, language: str) -> tuple[tuple[str, int, tuple[Bar, ...]], ...]:
    """For each arm: its name, all attack step executions, and one segment an outcome."""
    say = words(language)
    found = []
    for arm in product_arms(summary):
        counts = Counter(arm.counts)
        total = counts.total()
        at = 0.0
        bars = []
        for outcome in OUTCOME_ORDER:
            if not counts[outcome]:
                continue
            width = round(100 * counts[outcome] / total, 3)
            css = outcome.replace("_", "-")
            bars.append(Bar(say[f"outcome.{outcome}"], css, at, width, at + width, str(counts[outcome])))
            at = round(at + width, 3)
        found.append((arm_name(arm, language), total, tuple(bars)))
    return tuple(found)


def blanks(summary: Summary, effects: Effects, language: str) -> tuple[Blank, ...]:
    """Everything that could not be judged: trials, steps invalid for everyone, then single verdicts."""
    return (
        *_unfinished(summary, language),
        *_steps_for_everyone(summary, effects, language),
        *_single_blanks(summary, effects, language),
    )


def _unfinished(summary: Summary, language: str) -> Iterable[Blank]:
    say = words(language)
    for trial in summary.trials:
        if trial.status is not TrialStatus.COMPLETED:
            link = Sign(trial.trial_id, "", trial.trial_id, f"trials/{trial.trial_id}.html#status")
            kind = say[f"status.{trial.status.value}"]
            yield Blank(trial.trial_id, "no-trial", kind, trial.reason, (link,))


def _steps_for_everyone(summary: Summary, effects: Effects, language: str) -> Iterable[Blank]:
    say = words(language)
    controls = [trial for trial in summary.trials if trial.arm_key == CONTROL]
    for step in summary.steps:
        if step.invalid is not None:
            title = f"{say['everyone']}: {said(step.title, language)}"
            links = tuple(_sign(step, trial, {}, effects, language)._replace(sign=trial.trial_id) for trial in controls)
            yield Blank(title, "invalid", say["outcome.invalid"], reason_words(step.invalid, language), links)


def _single_blanks(summary: Summary, effects: Effects, language: str) -> Iterable[Blank]:
    say = words(language)
    steps = {step.step_id: step for step in summary.steps}
    trials = {trial.trial_id: trial for trial in summary.trials}
    grouped: dict[tuple[str, Outcome, str], list[Cell]] = {}
    for cell in summary.cells:
        step, trial = steps[cell.step_id], trials[cell.trial_id]
        if trial.arm_key == CONTROL or step.invalid is not None or trial.status is not TrialStatus.COMPLETED:
            continue
        if cell.outcome in _BLANKS:
            grouped.setdefault((cell.arm_key, cell.outcome, cell.reason), []).append(cell)
    order = {arm.arm_key: position for position, arm in enumerate(summary.arms)}
    for (arm_key, outcome, reason), found in sorted(
        grouped.items(), key=lambda item: (order[item[0][0]], _BLANKS.index(item[0][1]), item[0][2])
    ):
        links = tuple(_blank_link(cell, steps, trials, effects, language) for cell in found)
        css = outcome.value.replace("_", "-")
        yield Blank(arm_key, css, say[f"outcome.{outcome.value}"], reason_words(reason, language), links)


def _blank_link(
    cell: Cell,
    steps: Mapping[str, StepLine],
    trials: Mapping[str, TrialLine],
    effects: Effects,
    language: str,
) -> Sign:
    trial, step = trials[cell.trial_id], steps[cell.step_id]
    sign = _sign(step, trial, {(cell.trial_id, cell.step_id): cell}, effects, language)
    label = f"{said(step.title, language)} (r{trial.repetition})"
    return sign._replace(sign=label)
