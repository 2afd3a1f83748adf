"""Prefect's thin shell: one flow a campaign, one task a trial. All that is done is done in run.py and trial.py.

`campaign` is deployable as it is: its parameters are plain values, and it finds the engine of the worker that
runs it (`flow.from_source(...).deploy(work_pool_name=...)`, see pipelines/README.md).
"""

import threading
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
from pipelines.campaign import TrialPlan, prepare
from pipelines.run import CampaignRun, open_campaign
from results.errors import Interrupted
from results.paths import published_folder, runs_folder
from results.publish import publish_campaign
from results.scoring import score_campaign
from results.store import read_trial
from results.summary import Summary
from results.tables import summary_table

DRAIN_TIMEOUT_S = 10


@task(name="trial", task_run_name="{trial_id}", cache_policy=NO_CACHE)
def run_trial_task(trial_id: str, run: CampaignRun, trial: TrialPlan) -> str:
    """Run and seal one trial; its steps go to the task's log."""
    logger = get_run_logger()
    forward = run.on_event

    def on_event(name: str, line: str) -> None:
        if name == trial_id:
            logger.info(line)
        forward(name, line)

    quiet = CampaignRun(run.engine, run.prepared, run.folder, on_event, run.stop, run.images)
    sealed = read_trial(quiet.run_one(trial))
    logger.info("%s: %s %s", trial_id, sealed.status, sealed.reason)
    return str(sealed.status)


@task(name="build images", cache_policy=NO_CACHE)
def build_task(run: CampaignRun) -> None:
    """Sweep leftovers and build what is missing."""
    run.build()


@task(name="score", cache_policy=NO_CACHE)
def score_task(folder: Path) -> Summary:
    """Score the sealed trials."""
    return score_campaign(folder)


def run_in_flow(run: CampaignRun) -> Summary:
    """Run a prepared campaign as a Prefect flow, named after it.

    Raises:
        Interrupted: the user asked to stop; what was sealed stays.
        EvaluationError: the engine or the disk failed; what was sealed stays.
    """
    # A sync flow waits a whole second for its heartbeat thread at its end; nothing reads that heartbeat here.
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=run.prepared.definition.parallel)
        named = flow(
            name="campaign",
            flow_run_name=run.prepared.definition.id,
            task_runner=runner,  # type: ignore[arg-type]  # Prefect's own runner is not its own protocol
            validate_parameters=False,
            persist_result=False,
        )(_trials)
        summary: Summary = named(run)
        return summary


def finish_reporting() -> None:
    """Send what Prefect still has queued, before its server is stopped.

    Prefect does so when the interpreter exits, and would wait there for a server that is gone.
    """
    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=DRAIN_TIMEOUT_S)


def _trials(run: CampaignRun) -> Summary:
    build_task(run)
    futures = [run_trial_task.submit(trial.trial_id, run, trial) for trial in run.unfinished()]
    try:
        for future in futures:
            future.result()
    except BaseException:
        run.stop.set()  # threads can't be interrupted: they look at this between steps
        raise
    if run.stop.is_set():
        raise Interrupted("stopped by the user")
    summary = score_task(run.folder)
    _show(run, summary)
    return summary


def _show(run: CampaignRun, summary: Summary) -> None:
    """The outcome as artifacts: the table, and a link to the page that `pij publish` writes."""
    header, *rows = summary_table(summary, "en")
    table = [dict(zip(header, row, strict=True)) for row in rows]
    key = run.prepared.definition.id.replace("_", "-")
    create_table_artifact(table=table, key=f"{key}-outcome", description=summary.title.en)
    page = published_folder() / run.prepared.definition.id / "index.html"
    create_link_artifact(link=page.as_uri(), key=f"{key}-page", link_text="The published page")


@flow(name="campaign", flow_run_name="{campaign}", persist_result=False)
def campaign(campaign: str = "demo", content: dict[str, str] | None = None, attack: str | None = None) -> str:
    """A whole campaign from its name, for a work pool: finds the engine, runs, scores and publishes.

    Returns:
        The path of the published page.
    """
    logger = get_run_logger()
    folders = {name: Path(folder) for name, folder in (content or {}).items()}
    prepared = prepare(campaign, Path(attack) if attack else None, folders)
    folder = open_campaign(prepared, runs_folder(), fresh=False)
    with engine_for(logger.info) as engine:
        run = CampaignRun(
            engine, prepared, folder, lambda name, line: logger.info("%s %s", name, line), threading.Event()
        )
        _trials(run)
    return str(publish_campaign(folder, published_folder() / prepared.definition.id))
