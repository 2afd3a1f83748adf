"""Which trials are run next: one drawn order over all parts, repetition by repetition, a budget, a stopping rule.

Without a budget and a stopping rule all trials are one round. With either, each repetition is a round: what the rounds
so far have shown decides who runs in the next one, and every such decision is written to `schedule.jsonl` beside the
trials, so that a reader sees why an arm has fewer trials than another.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.campaign import TrialPlan, kept_apart, locks
from pipelines.run import CampaignRun
from results.decisions import LEFT_OUT, SETTLED, note_decision
from results.scoring import score_campaign
from results.stopping import rule_of, settled_pairs
from results.store import read_trial, sealed_trials
from results.summary import Summary

NANO = 1_000_000_000


@dataclass(frozen=True)
class Job:
    """One trial of one part."""

    run: CampaignRun
    trial: TrialPlan


@dataclass
class Schedule:
    """The order in which the trials of a campaign's parts are run."""

    runs: tuple[CampaignRun, ...]
    summaries: dict[str, Summary] = field(default_factory=dict)
    """Part -> its latest scores, from which arms are settled and trials are weighed."""
    _began: float = field(default_factory=time.monotonic)
    _spent_before_s: float = field(init=False)
    """What an earlier run of the same campaign has spent, as far as it is sealed."""

    def __post_init__(self) -> None:
        """Count what is sealed already."""
        seconds = sum(_duration_s(path) for run in self.runs for path in sealed_trials(run.folder))
        self._spent_before_s = seconds / self.runs[0].prepared.definition.parallel

    def rounds(self) -> Iterator[list[Job]]:
        """What to run now; when the next round is asked for, the one before must have ended."""
        definition = self.runs[0].prepared.definition
        if definition.stopping is None and definition.budget_minutes is None:
            yield self._ordered([Job(run, trial) for run in self.runs for trial in run.unfinished()])
            return
        for repetition in range(1, definition.repetitions + 1):
            jobs = [
                Job(run, trial)
                for run in self.runs
                for settled in [self._settled(run, repetition)]
                for trial in run.unfinished()
                if trial.repetition == repetition and _is_wanted(trial, settled, run)
            ]
            if jobs:
                yield self._ordered(jobs)
                self.score()

    def start(self, job: Job) -> Path | None:
        """Run and seal a trial; None if the budget does not allow it. See `run_trial` for what it raises."""
        return job.run.run_one(job.trial) if self._may_start(job) else None

    def score(self) -> tuple[Summary, ...]:
        """Score what is sealed of each part; a part of which nothing is sealed yet has no scores."""
        for run in self.runs:
            if sealed_trials(run.folder):
                self.summaries[run.prepared.definition.id] = score_campaign(run.folder)
        return tuple(self.summaries.values())

    def _may_start(self, job: Job) -> bool:
        """Whether the budget allows the trial; if not, that is written down."""
        budget = job.run.prepared.definition.budget_minutes
        if budget is None:
            return True
        spent_s = self._spent_before_s + time.monotonic() - self._began
        expected_s = self._expected_s(job)
        if spent_s + expected_s <= budget * 60:
            return True
        note_decision(
            job.run.folder,
            {
                "trial": job.trial.trial_id,
                "decision": LEFT_OUT,
                "budget_minutes": budget,
                "reason": f"the budget of {budget:g} minutes: {spent_s / 60:.1f} were spent, and it would take about "
                f"{expected_s / 60:.1f}",
            },
        )
        job.run.on_event(job.trial.trial_id, "not run: the budget is spent")
        return False

    def _ordered(self, jobs: list[Job]) -> list[Job]:
        """The drawn order; under a budget the most informative first; neighbours do not wait for the same lock."""
        drawn = _drawn(self.runs, jobs)
        if self.runs[0].prepared.definition.budget_minutes is not None:
            drawn.sort(key=lambda job: (job.trial.repetition, -self._information(job)))
        return kept_apart(drawn, lambda job: locks(job.trial))

    def _information(self, job: Job) -> float:
        """How much a trial can still tell: a control first, then the arm whose rate is known least.

        Without a control nothing of its repetition can be judged; after that the width of the arm's interval is what
        the trial can narrow.
        """
        if job.trial.entry is None:
            return 2.0
        summary = self.summaries.get(job.run.prepared.definition.id)
        arm = next((arm for arm in summary.arms if arm.arm_key == job.trial.entry.key), None) if summary else None
        widths = [
            line.rate.high - line.rate.low
            for line in (arm.rates if arm else ())
            if line.metric == "alerted" and line.denominator == "common"
            and line.rate.high is not None and line.rate.low is not None
        ]  # fmt: skip
        return widths[0] if widths else 1.0

    def _expected_s(self, job: Job) -> float:
        """How long the arm's trials took so far; for its first, how long the campaign's did."""
        own, all_of_them = [], []
        for path in sealed_trials(job.run.folder):
            trial, seconds = read_trial(path), _duration_s(path)
            all_of_them.append(seconds)
            if job.trial.entry is not None and f"{trial.product}-{trial.arm}" == job.trial.entry.key:
                own.append(seconds)
        known = own or all_of_them
        return sum(known) / len(known) if known else 0.0

    def _settled(self, run: CampaignRun, repetition: int) -> set[str]:
        """The arms all of whose pairs are settled before this repetition, by the rule that was fixed beforehand."""
        definition, arms = run.prepared.definition, [entry.key for entry in run.prepared.entries]
        if definition.stopping is None or repetition == 1 or len(arms) < 2 or not sealed_trials(run.folder):
            return set()
        if definition.id not in self.summaries:  # resumed: what was sealed before has no scores yet
            self.score()
        wanted = definition.stopping
        rule = rule_of(wanted.alpha, wanted.smallest_difference, definition.repetitions)
        found = settled_pairs(run.folder, arms, wanted.metric, rule, done=repetition - 1)
        for pair in found:
            note_decision(run.folder, {"decision": SETTLED} | pair.model_dump(mode="json"))
        settled = {frozenset((pair.first, pair.second)) for pair in found}
        return {one for one in arms if all({one, other} in settled for other in arms if other != one)}


def _is_wanted(trial: TrialPlan, settled: set[str], run: CampaignRun) -> bool:
    """Whether its arm is not settled; a control is wanted as long as one arm is."""
    if trial.entry is not None:
        return trial.entry.key not in settled
    arms = {entry.key for entry in run.prepared.entries}
    return not arms or bool(arms - settled)


def _duration_s(path: Path) -> float:
    trial = read_trial(path)
    return (trial.ended_ns - trial.started_ns) / NANO


def _drawn(runs: tuple[CampaignRun, ...], jobs: list[Job]) -> list[Job]:
    """Repetition by repetition; within one, the trials of all parts in the order that the seed draws."""
    place = {id(run): {trial.trial_id: index for index, trial in enumerate(run.prepared.trials)} for run in runs}
    if len(runs) == 1:
        return sorted(jobs, key=lambda job: place[id(job.run)][job.trial.trial_id])
    ordered: list[Job] = []
    for repetition in sorted({job.trial.repetition for job in jobs}):
        block = [job for job in jobs if job.trial.repetition == repetition]
        block.sort(key=lambda job: (job.run.prepared.definition.id, place[id(job.run)][job.trial.trial_id]))
        seed = runs[0].prepared.definition.seed
        random.Random(f"order/{seed}/{repetition}").shuffle(block)  # noqa: S311  # order, not secrets
        ordered += block
    return ordered


def run_plain(schedule: Schedule) -> tuple[Summary, ...]:
    """Build, run every trial that the schedule asks for, and score. Without Prefect; flows.py does the same with it.

    Raises:
        Interrupted: the user asked to stop; what was sealed stays.
        EvaluationError: the engine or the disk failed; what was sealed stays.
    """
    run_trials(schedule)
    return schedule.score()


def run_trials(schedule: Schedule) -> None:
    """The same without scoring."""
    first = schedule.runs[0]
    for run in schedule.runs:
        run.build()
    for jobs in schedule.rounds():
        with ThreadPoolExecutor(max_workers=first.prepared.definition.parallel) as pool:
            futures = [pool.submit(schedule.start, job) for job in jobs]
            try:
                done, _waiting = wait(futures, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
            except BaseException:
                first.stop.set()
                raise
