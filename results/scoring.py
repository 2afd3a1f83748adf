"""Scoring a campaign: sealed trials in, verdicts and summary out. Same input, same bytes; no clock, no Docker."""

import gc
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from results.adjudication import applied
from results.assess import Assessment, TrialRows, assess, contrast
from results.attack import Catalogue, read_catalogue
from results.chance import naming_luck, windows_share
from results.disputes import people_of
from results.errors import EvaluationError, several
from results.judging import Judged, judge_sealed
from results.metrics import corrected, wilson, wrong_share
from results.people import People
from results.reading import common_of
from results.records import (
    CONTROL,
    SCORER_VERSION,
    AttributionStatus,
    Campaign,
    Outcome,
    StepExecution,
    StepKind,
    Text,
    Trial,
    Verdict,
)
from results.seal import verify_seal
from results.store import (
    ORIGINAL,
    attribution_writer,
    read_campaign,
    read_steps,
    read_trial,
    sealed_trials,
    write_scores,
)
from results.summary import ArmSummary, Cell, StepLine, Summary, TrialLine
from results.volume import tally_of

NANO = 1_000_000_000


def score_campaign(folder: Path) -> Summary:
    """Score every sealed trial of a campaign and write verdicts, attributions and summary beside them.

    Raises:
        SealError: a trial is not what was sealed.
        RecordVersionError: a trial is of a schema that this pij does not read.
        EvaluationError: there is no sealed trial, or the trials can't be compared; the text names which.
    """
    with _collecting_later():
        return _score(folder)


def _score(folder: Path) -> Summary:
    campaign = read_campaign(folder)
    catalogue = read_catalogue(folder / "attack.json")
    paths = [path for path in sealed_trials(folder) if path.name in campaign.trials]
    if not paths:
        raise EvaluationError(
            f"{folder}: found no sealed trial; allowed: at least one. Run `pij run {campaign.campaign}`."
        )
    seals = {path.name: verify_seal(path) for path in paths}
    trials = {path.name: read_trial(path) for path in paths}
    _require_comparable(folder, campaign, catalogue, trials)
    steps = {path.name: tuple(read_steps(path)) for path in paths}
    controls = {
        trial.seed: {step.step_id: step for step in steps[name]}
        for name, trial in trials.items()
        if trial.product is None
    }
    order = {name: index for index, name in enumerate(campaign.trials)}
    with attribution_writer(folder) as write:
        scored = [
            judge_sealed(path, trial, seals[path.name], steps[path.name], _control(trial, controls), catalogue, write)
            for path in sorted(paths, key=lambda path: order[path.name])
            for trial in [trials[path.name]]
        ]
    people = people_of(folder)
    decided = [
        replace(one, verdicts=tuple(applied(one.verdicts, people.adjudications))) if people.adjudications else one
        for one in scored
    ]
    shutil.rmtree(folder / ORIGINAL, ignore_errors=True)
    if people.adjudications:
        (folder / ORIGINAL).mkdir()
        write_scores(folder / ORIGINAL, _verdicts(scored), _summary(campaign, catalogue, scored, people))
    summary = _summary(campaign, catalogue, decided, people)
    write_scores(folder, _verdicts(decided), summary)
    return summary


def _verdicts(scored: Sequence[Judged]) -> list[Verdict]:
    return [verdict for one in scored for verdict in one.verdicts]


@contextmanager
def _collecting_later() -> Iterator[None]:
    """Without Python's search for cycles: there are none in records, and it looks at each of them again and again."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def arm_key(trial: Trial) -> str:
    """`<product>-<arm>`, or `control`."""
    return CONTROL if trial.product is None else f"{trial.product}-{trial.arm}"


def _control(trial: Trial, controls: Mapping[int, Mapping[str, StepExecution]]) -> Mapping[str, StepExecution] | None:
    """The steps of the control with the same seed, by id."""
    return controls.get(trial.seed) if trial.product is not None else None


def _require_comparable(folder: Path, campaign: Campaign, catalogue: Catalogue, trials: Mapping[str, Trial]) -> None:
    """Refuse to compare what was not measured alike, and name what differs."""
    for field in ("campaign", "plan", "plan_digest", "environment", "environment_digest", "attack_release"):
        values: dict[str, list[str]] = {}
        for name, trial in trials.items():
            values.setdefault(str(getattr(trial, field)), []).append(name)
        if len(values) > 1:
            (most, good), *odd = sorted(values.items(), key=lambda item: (-len(item[1]), item[0]))
            found = several((f"{value[:40]} in {several(names)}" for value, names in odd), sep="; ")
            found += f"; {most[:40]} in the other {len(good)}"
            raise EvaluationError(
                f"{folder / 'trials'}/*/trial.json: {field}: found {found}; allowed: one for all trials of a campaign. "
                "Take out the trials that are not the campaign's, or run it again with `--fresh`."
            )
    seeds: dict[int, str] = {}
    for name, trial in sorted(trials.items()):
        first = seeds.setdefault(trial.repetition, name)
        if trial.seed != trials[first].seed:
            raise EvaluationError(
                f"{folder / 'trials' / name / 'trial.json'}: seed: found {trial.seed}; allowed: {trials[first].seed}, "
                f"that of {first}, since trials of one repetition are compared step by step. Run it again."
            )
    for name, trial in trials.items():
        if trial.attack_release != campaign.attack_release:
            raise EvaluationError(
                f"{folder / 'trials' / name / 'trial.json'}: attack_release: found {trial.attack_release}; allowed: "
                f"{campaign.attack_release}, with which the campaign was begun. Run it again with `--fresh`."
            )
    if catalogue.release != campaign.attack_release:
        raise EvaluationError(
            f"{folder / 'attack.json'}: release: found {catalogue.release}; allowed: {campaign.attack_release}, with "
            "which the campaign was begun. Put that release's file back, or run the campaign again with `--fresh`."
        )


def _summary(campaign: Campaign, catalogue: Catalogue, scored: Sequence[Judged], people: People) -> Summary:
    arms: dict[str, list[Judged]] = {}
    for one in sorted(
        scored, key=lambda one: (arm_key(one.trial) != CONTROL, arm_key(one.trial), one.trial.repetition)
    ):
        arms.setdefault(arm_key(one.trial), []).append(one)
    rows = [_rows(one) for ones in arms.values() for one in ones]
    assessed = assess(rows, _common(scored))
    done = {one.trial.trial_id for one in scored}
    return Summary(
        scorer_version=SCORER_VERSION,
        campaign=campaign.campaign,
        title=campaign.title,
        plan=campaign.plan,
        plan_title=scored[0].trial.plan_title,
        environment=campaign.environment,
        attack_release=campaign.attack_release,
        seed=campaign.seed,
        repetitions=campaign.repetitions,
        campaign_digest=campaign.digest,
        missing_trials=tuple(name for name in campaign.trials if name not in done),
        trials=tuple(_trial_line(one) for one in scored),
        arms=tuple(_arm(key, ones, assessed[key]) for key, ones in arms.items()),
        steps=_step_lines(scored, catalogue),
        cells=tuple(_cell(one, verdict) for one in scored for verdict in one.verdicts),
        comparison=contrast(campaign, rows, assessed),
        people=people,
    )


def _rows(one: Judged) -> TrialRows:
    kinds = {step.step_id: step.kind for step in one.steps}
    found = tally_of(one.statuses, kinds, one.fits)
    return TrialRows(arm_key(one.trial), one.trial, one.steps, one.verdicts, found, one.resources, one.canaries)


def _totals(one: Judged) -> Counter[AttributionStatus]:
    """Number of its alerts in each status."""
    found: Counter[AttributionStatus] = Counter()
    for (status, _step), number in one.statuses.items():
        found[status] += number
    return found


def _common(scored: Sequence[Judged]) -> set[tuple[str, int]]:
    """Step executions that are valid and applicable for every arm of the campaign."""
    arms: dict[str, list[Verdict]] = {}
    for one in scored:
        if arm_key(one.trial) != CONTROL:
            arms.setdefault(arm_key(one.trial), []).extend(one.verdicts)
    return common_of(list(arms.values()), {one.trial.trial_id: one.trial.repetition for one in scored})


def _arm(key: str, ones: Sequence[Judged], assessed: Assessment) -> ArmSummary:
    trial = ones[0].trial
    verdicts = [verdict for one in ones for verdict in one.verdicts]
    statuses = sum((_totals(one) for one in ones), Counter[AttributionStatus]())
    control = key == CONTROL
    counts = Counter(v.outcome.value for v in verdicts if v.kind is StepKind.MALICIOUS)
    luck = naming_luck(verdicts)
    wanted = ("technique", "applicable")
    applicable = [line.rate for line in assessed.rates if (line.metric, line.denominator) == wanted]
    technique = applicable[0] if applicable else wilson(0, 0)
    return ArmSummary(
        arm_key=key,
        product=trial.product,
        name=trial.product_name or "Control",
        product_class=trial.product_class,
        title=trial.arm_title or Text(en="no product", ja="製品なし"),
        tuned=trial.tuned,
        trials=tuple(one.trial.trial_id for one in ones),
        counts={} if control else dict(sorted(counts.items())),
        rates=assessed.rates,
        twins_alerted=assessed.twins_alerted,
        chance=assessed.chance,
        ambiguous=assessed.ambiguous,
        unattributed=statuses[AttributionStatus.UNATTRIBUTED],
        duplicates=sum(max(0, v.volume - 1) for v in verdicts),
        wrong_techniques=wrong_share(verdicts),
        latency=assessed.latency,
        windows=None if control else windows_share(one.windows for one in ones),
        naming_luck=None if control else luck,
        technique_beyond_luck=None if control else corrected(technique, luck),
        measures=assessed.measures,
    )


def _trial_line(one: Judged) -> TrialLine:
    trial = one.trial
    statuses = _totals(one)
    return TrialLine(
        trial_id=trial.trial_id,
        arm_key=arm_key(one.trial),
        repetition=trial.repetition,
        seed=trial.seed,
        status=trial.status,
        reason=trial.reason,
        notes=trial.notes,
        product_version=trial.product_version,
        content_version=trial.content_version,
        started_ns=trial.started_ns,
        duration_s=round((trial.ended_ns - trial.started_ns) / NANO, 3),
        seal=one.seal,
        alerts=sum(source.received - source.skipped for source in trial.sources if source.kind == "alerts"),
        telemetry=sum(source.received - source.skipped for source in trial.sources if source.kind == "telemetry"),
        ambiguous=statuses[AttributionStatus.AMBIGUOUS],
        unattributed=statuses[AttributionStatus.UNATTRIBUTED],
        quality=one.quality,
        telemetry_quality=one.telemetry_quality,
    )


def _step_lines(scored: Sequence[Judged], catalogue: Catalogue) -> tuple[StepLine, ...]:
    """The plan's steps, as the controls showed them (or, without a control, as the trials did)."""
    with_steps = [one for one in scored if one.steps]
    controls = [one for one in with_steps if arm_key(one.trial) == CONTROL]
    lines: dict[str, StepLine] = {}
    for one in controls or with_steps:
        invalid = {v.step_id: v.reason for v in one.verdicts if v.outcome is Outcome.INVALID} if controls else {}
        for step in one.steps:
            if step.kind is StepKind.CANARY:
                continue
            reason = invalid.get(step.step_id)
            if step.step_id not in lines:
                lines[step.step_id] = _step_line(step, reason, catalogue)
            elif reason and lines[step.step_id].invalid is None:
                lines[step.step_id] = lines[step.step_id].model_copy(update={"invalid": reason})
    return tuple(sorted(lines.values(), key=lambda line: (line.position, line.step_id)))


def _step_line(step: StepExecution, invalid: str | None, catalogue: Catalogue) -> StepLine:
    resolved = catalogue.resolve(step.technique) if step.technique else None
    tactic = step.tactics[0] if step.tactics else None
    return StepLine(
        step_id=step.step_id,
        position=step.position,
        kind=step.kind,
        title=step.title,
        technique=step.technique,
        technique_name=catalogue.techniques[resolved].name if resolved else "",
        tactic=tactic,
        tactic_name=catalogue.tactics[tactic].name if tactic in catalogue.tactics else "",
        twin_of=step.twin_of,
        invalid=invalid,
    )


def _cell(one: Judged, verdict: Verdict) -> Cell:
    return Cell(
        step_id=verdict.step_id,
        arm_key=arm_key(one.trial),
        trial_id=verdict.trial_id,
        outcome=verdict.outcome,
        category=verdict.category,
        modifiers=verdict.modifiers,
        reason=verdict.reason,
    )
