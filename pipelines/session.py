"""What `pij run` and `pij sweep` do from beginning to end, for a person at a terminal."""

import os
import random
import sys
import threading
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console

from attacks.corpus import KINDS
from attacks.plan import read_plan
from attacks.proof import Proof
from attacks.proving import Limits
from environments.engine import Engine, Say, engine_for, find_engine
from environments.sweep import sweep
from pipelines.campaign import prepare_parts
from pipelines.prefect_server import Server, serving, sweep_servers
from pipelines.procedures import Selector, read_values
from pipelines.progress import Reporter
from pipelines.prove import ENVIRONMENTS, OWN_ENVIRONMENTS, REPEATS, WORKERS, Prover, select
from pipelines.registry import PROCEDURES, folders
from pipelines.rehearsal import Rehearsal, rehearse
from pipelines.run import CampaignRun, open_campaign, stopping_on_signals
from pipelines.schedule import Schedule, run_plain
from results.errors import EvaluationError, Interrupted
from results.paths import runs_folder, shown
from results.scoring import score_campaign
from results.store import sealed_trials
from results.summary import Summary


@dataclass(frozen=True)
class Wishes:
    """What the user asked for."""

    campaign: str
    attack: Path | None = None
    content: dict[str, Path] = field(default_factory=dict)
    secrets: dict[str, Path] = field(default_factory=dict)
    """Secret id -> file with its value."""
    only: tuple[str, ...] = ()
    name: str | None = None
    fresh: bool = False
    ui: bool = False
    prefect: bool = True
    keep_engine: bool = False
    quiet: bool = False


def run_campaign(wishes: Wishes) -> tuple[Summary, ...]:
    """Run a campaign to its summaries, one for each plan and environment.

    Raises:
        ContentError: something named is wrong; nothing was started.
        Interrupted: the user asked to stop; everything was taken down.
        EvaluationError: the engine, the disk or Prefect failed.
    """
    console = Console(stderr=True, quiet=wishes.quiet)
    parts = prepare_parts(wishes.campaign, wishes.attack, wishes.content, wishes.only, wishes.name, wishes.secrets)
    opened = [(prepared, open_campaign(prepared, runs_folder(), wishes.fresh)) for prepared in parts]
    todo = sum(len(prepared.trials) - len(sealed_trials(folder)) for prepared, folder in opened)
    if todo == 0 and not wishes.ui:
        for _prepared, folder in opened:
            words = "every trial is sealed already (--fresh runs them again)"
            console.print(f"{shown(folder)}: {words}", highlight=False)
        return tuple(score_campaign(folder) for _prepared, folder in opened)
    stop, early = threading.Event(), threading.Event()
    early.set()
    reporter = Reporter(console, todo, parts[0].definition.parallel)
    with stopping_on_signals(stop, early), ExitStack() as stack:
        sweep_servers(lambda line: reporter("", line))
        engine = stack.enter_context(engine_for(lambda line: reporter("", line), wishes.keep_engine))
        server = stack.enter_context(serving()) if wishes.prefect or wishes.ui else None
        runs = tuple(
            CampaignRun(
                engine, prepared, folder, reporter, stop, early=early,
                label=f"{prepared.definition.id}/" if len(opened) > 1 else "",
            )
            for prepared, folder in opened
        )  # fmt: skip
        return _run(Schedule(runs), reporter, server, wishes, console)


def _run(
    schedule: Schedule, reporter: Reporter, server: Server | None, wishes: Wishes, console: Console
) -> tuple[Summary, ...]:
    stop = schedule.runs[0].stop
    if server is not None:
        reporter("", "starting Prefect")
        server.wait(stop)
    if wishes.ui:
        address = server.address if server else os.environ["PREFECT_API_URL"].removesuffix("/api")
        console.print(f"Prefect's pages: {address}", highlight=False)
    try:
        with reporter.showing():
            summaries = _run_trials(schedule, wishes)
        if stop.is_set():
            raise Interrupted("stopped by the user")
        if wishes.ui:
            console.print("done; Prefect's pages stay up until Ctrl-C", highlight=False)
            stop.wait()
        return summaries
    finally:
        if "prefect" in sys.modules:
            from pipelines.flows import finish_reporting

            finish_reporting()


def _run_trials(schedule: Schedule, wishes: Wishes) -> tuple[Summary, ...]:
    if not (wishes.prefect or wishes.ui):
        return run_plain(schedule)
    from pipelines.flows import run_in_flow  # Prefect takes two seconds to import

    return run_in_flow(schedule, wishes.name or Path(wishes.campaign).stem)


def rehearse_plans(
    plans: list[str], repeat: int, seed: int, parallel: int, keep_engine: bool, quiet: bool
) -> list[Rehearsal]:
    """Rehearse plans (every one of the checkout if none is named), one after the other.

    Raises:
        ContentError: a plan is wrong; nothing was started for it.
        Interrupted: the user asked to stop.
    """
    console = Console(stderr=True, quiet=quiet)
    names = plans or [folder.name for folder in folders("plan") if read_plan(folder).battery is None]
    reporter = Reporter(console, repeat * len(names), parallel)
    stop, early = threading.Event(), threading.Event()
    early.set()
    found: list[Rehearsal] = []
    with stopping_on_signals(stop, early), engine_for(lambda line: reporter("", line), keep_engine) as engine:
        with reporter.showing():
            for name in names:
                found += rehearse(engine, name, repeat, seed, parallel, reporter, {"stop": stop, "early": early})
        if stop.is_set():
            raise Interrupted("stopped by the user")
    return found


@dataclass(frozen=True)
class ProvingWishes:
    """What the user asked `pij prove` for."""

    folders: tuple[Path, ...] = ()
    environments: tuple[str, ...] = ()
    """If none is given: linux_lab and systemd_server for a corpus, linux_server for the checkout's own procedures."""
    technique: str | None = None
    sample: int | None = None
    seed: int = 0
    repeats: int = REPEATS
    parallel: int = WORKERS
    time_s: float = Limits().time_s
    fresh: bool = False
    keep_engine: bool = False
    quiet: bool = False


def prove_procedures(wishes: ProvingWishes) -> list[Proof]:
    """Prove procedures, with progress; see `Prover.prove`.

    Raises:
        ContentError: a file can't be read.
        EvaluationError: there is nothing to prove, or the engine failed.
        Interrupted: the user asked to stop; the proofs so far are kept.
    """
    console = Console(stderr=True, quiet=wishes.quiet)
    procedures = select(wishes.folders or PROCEDURES, Selector(wishes.technique, "linux"))
    if wishes.sample is not None and wishes.sample < len(procedures):
        procedures = random.Random(wishes.seed).sample(procedures, wishes.sample)  # noqa: S311  # a choice, no secret
    if not procedures:
        where = ", ".join(str(folder) for folder in wishes.folders or PROCEDURES)
        raise EvaluationError(f"{where}: found no procedure for Linux; allowed: {KINDS}. Check the path.")
    stop, early = threading.Event(), threading.Event()
    early.set()
    reporter = Reporter(console, len(procedures), wishes.parallel)

    def say(line: str) -> None:
        reporter("", line)

    with stopping_on_signals(stop, early), engine_for(say, wishes.keep_engine) as engine, reporter.showing():
        prover = Prover(engine, read_values(), stop, Limits(wishes.time_s), wishes.repeats, wishes.parallel)
        prover.build(wishes.environments or (ENVIRONMENTS if wishes.folders else OWN_ENVIRONMENTS), say)
        early.clear()
        return prover.prove(procedures, wishes.fresh, reporter.on_proof)


def sweep_everything(everything: bool, say: Say) -> dict[str, int]:
    """Remove what killed runs left behind; returns how many of each kind."""
    servers = sweep_servers(say)
    engine = find_engine()
    if engine is None:
        return {"prefect servers": servers}
    swept = asdict(sweep(engine, say, everything))
    _stop_unused(engine, swept["kept"], say)
    return {
        "containers": swept["containers"],
        "networks": swept["networks"],
        "products' kernel rules undone": swept["teardowns"],
        "prefect servers": servers,
        "kept for a pij that still runs": swept["kept"],
    }


def _stop_unused(engine: Engine, kept: int, say: Say) -> None:
    """Stop an engine that a killed pij had started, unless another pij uses it."""
    if kept == 0:
        with engine_for(say, keep=False):
            engine.client.close()
