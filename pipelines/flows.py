"""Prefect's thin shell: one flow a campaign, one task a trial. All that is done is done in run.py and trial.py.

`campaign` is deployable as it is: its parameters are plain values, and it finds the engine of the worker that
runs it (`flow.from_source(...).deploy(work_pool_name=...)`, see pipelines/README.md).
"""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_link_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

from environments.engine import engine_for
from pipelines.arms import for_publication
from pipelines.campaign import prepare_parts
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Job, Schedule
from results.errors import Interrupted
from results.paths import published_folder, runs_folder
from results.publish import publish_campaign
from results.store import read_trial
from results.summary import Summary
from results.tables import summary_table

DRAIN_TIMEOUT_S = 10


@task(name="trial", task_run_name="{trial_id}", cache_policy=NO_CACHE)
def run_trial_task(trial_id: str, schedule: Schedule, job: Job) -> str:
    """Run and seal one trial; its steps go to the task's log."""
    logger = get_run_logger()
    forward = job.run.on_event

    def on_event(name: str, line: str) -> None:
        if name == trial_id:
            logger.info(line)
        forward(name, line)

    sealed_path = schedule.start(Job(replace(job.run, on_event=on_event), job.trial))
    if sealed_path is None:
        return "not run: the budget is spent"
    sealed = read_trial(sealed_path)
    logger.info("%s: %s %s", trial_id, sealed.status, sealed.reason)
    return str(sealed.status)


@task(name="build images", cache_policy=NO_CACHE)
def build_task(schedule: Schedule) -> None:
    """Sweep leftovers and build what is missing."""
    for run in schedule.runs:
        run.build()


@task(name="score", cache_policy=NO_CACHE)
def score_task(schedule: Schedule) -> tuple[Summary, ...]:
    """Score the sealed trials."""
    return schedule.score()


def run_in_flow(schedule: Schedule, name: str) -> tuple[Summary, ...]:
    """Run a prepared campaign as a Prefect flow, named after it.

    Raises:
        Interrupted: the user asked to stop; what was sealed stays.
        EvaluationError: the engine or the disk failed; what was sealed stays.
    """
    # A sync flow waits a whole second for its heartbeat thread at its end; nothing reads that heartbeat here.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        parallel = schedule.runs[0].prepared.definition.parallel
        runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=parallel)
        named = flow(
            name="campaign",
            flow_run_name=name,
            task_runner=runner,  # type: ignore[arg-type]  # Prefect's own runner is not its own protocol
            validate_parameters=False,
            persist_result=False,
        )(_trials)
        summaries: tuple[Summary, ...] = named(schedule)
        return summaries


def finish_reporting() -> None:
    """Send what Prefect still has queued, before its server is stopped.

    Prefect does so when the interpreter exits, and would wait there for a server that is gone.
    """
    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=DRAIN_TIMEOUT_S)


def _trials(schedule: Schedule) -> tuple[Summary, ...]:
    stop = schedule.runs[0].stop
    build_task(schedule)
    for jobs in schedule.rounds():
        futures = [run_trial_task.submit(f"{job.run.label}{job.trial.trial_id}", schedule, job) for job in jobs]
        try:
            for future in futures:
                future.result()
        except BaseException:
            stop.set()  # threads can't be interrupted: they look at this between steps
            raise
        if stop.is_set():
            raise Interrupted("stopped by the user")
    score_task(schedule)
    for run in schedule.runs:
        summary = schedule.summaries.get(run.prepared.definition.id)
        if summary is not None:
            _show(run, summary)
    return tuple(schedule.summaries.values())


def _show(run: CampaignRun, summary: Summary) -> None:
    """The outcome as artifacts: the table, and a link to the page that `pij publish` writes."""
    header, *rows = summary_table(summary, "en")
    table = [dict(zip(header, row, strict=True)) for row in rows]
    key = run.prepared.definition.id.replace("_", "-")
    create_table_artifact(table=table, key=f"{key}-outcome", description=summary.title.en)
    page = published_folder() / run.prepared.definition.id / "index.html"
    create_link_artifact(link=page.as_uri(), key=f"{key}-page", link_text="The published page")


@flow(name="campaign", flow_run_name="{campaign}", persist_result=False)
def campaign(campaign: str = "demo", content: dict[str, str] | None = None, attack: str | None = None) -> list[str]:
    """A whole campaign from its name, for a work pool: finds the engine, runs, scores and publishes.

    Returns:
        The path of the published page of each part.
    """
    logger = get_run_logger()
    folders = {name: Path(folder) for name, folder in (content or {}).items()}
    parts = prepare_parts(campaign, Path(attack) if attack else None, folders)
    opened = [(prepared, open_campaign(prepared, runs_folder(), fresh=False)) for prepared in parts]
    stop = threading.Event()
    with engine_for(logger.info) as engine:
        runs = tuple(
            CampaignRun(engine, prepared, folder, lambda name, line: logger.info("%s %s", name, line), stop)
            for prepared, folder in opened
        )
        _trials(Schedule(runs))
    return [
        str(publish_campaign(folder, published_folder() / prepared.definition.id, differences=for_publication(folder)))
        for prepared, folder in opened
    ]
