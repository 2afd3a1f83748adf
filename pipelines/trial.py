"""One trial, from standing up to the seal. Needs neither Prefect nor the command line.

stand up > deploy > ready > replay > flush > collect > tear down > seal (design.md §5)
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from attacks.draw import begins, realise
from attacks.plan import Step
from attacks.preparing import lay_out
from attacks.replay import Replay, not_run_record
from environments.engine import NOT_ANSWERING, Engine
from environments.labels import labels
from environments.standing import Target, stand_up
from environments.waiting import wait_until
from environments.witness import Witness
from pipelines.build import Images
from pipelines.campaign import ArmOfProduct, Prepared, TrialPlan
from pipelines.parts import Gathered, add_part
from pipelines.provenance import provenance
from pipelines.retrying import failed_before, until_valid
from pipelines.sampling import Sampling
from products.deploy import Deployment, deploy
from products.placement import extras_of, has_collector, is_in_node, node_of
from products.secret import Redactor
from results.errors import EngineError, EvaluationError, ProductError, TargetError
from results.paths import state_folder
from results.records import Observation, Trial, TrialStatus
from results.seal import seal_trial
from results.store import write_trial

LOCK_TIMEOUT_S = 3600.0
Say = Callable[[str], None]


def run_trial(
    engine: Engine,
    prepared: Prepared,
    images: Images,
    trial: TrialPlan,
    folder: Path,
    say: Say,
    stop: threading.Event,
) -> Path:
    """Run one trial and seal it.

    Args:
        engine: where.
        prepared: the campaign.
        images: everything built.
        trial: which one.
        folder: the campaign's folder.
        say: receives one line for each thing that happens.
        stop: set to take everything down and give up.

    Returns:
        The sealed trial's folder.

    Raises:
        Interrupted: `stop` was set; nothing is sealed.
        EngineError: the engine went away; nothing is sealed, the other trials are intact.
        EvaluationError: the results could not be written (for example, the disk is full).
    """
    if trial.entry is not None:
        given = trial.entry.secrets.drawn_for(trial.entry.product, trial.entry.arm)
        trial = replace(trial, entry=replace(trial.entry, secrets=given))

    def attempt(gathered: Gathered) -> None:
        _attempt(engine, prepared, images, trial, gathered, say, stop)
        _redact(trial, gathered)

    gathered = until_valid(attempt, prepared.definition.retries, say)
    record = record_of(engine, prepared, images, trial, gathered, gathered.started_ns)
    partial = folder / "trials" / f".{trial.trial_id}.partial"
    try:
        write_trial(partial, record, gathered.steps, gathered.alerts, gathered.telemetry, gathered.resources)
        (partial / "log.txt").write_text("\n".join(gathered.log) + "\n")
        return seal_trial(partial)
    except OSError as error:
        raise EvaluationError(
            f"{partial}: {error.strerror}; nothing of this trial is sealed, the sealed trials are intact. "
            "Make room (or correct the permissions) and run the same command again: it resumes."
        ) from error


def _attempt(
    engine: Engine,
    prepared: Prepared,
    images: Images,
    trial: TrialPlan,
    gathered: Gathered,
    say: Say,
    stop: threading.Event,
) -> None:
    began = time.monotonic()
    redactor = _redactor(trial)

    def tell(line: str) -> None:
        line = redactor.text(line)
        gathered.log.append(f"{time.monotonic() - began:8.3f} {line}")
        say(line)

    try:
        _live(engine, prepared, images, trial, gathered, tell, stop)
    except ProductError as error:
        gathered.status = TrialStatus.PRODUCT_FAILED if gathered.was_ready else TrialStatus.NOT_READY
        gathered.reason = str(error)
    except EngineError:
        raise
    except (TargetError, *NOT_ANSWERING) as error:
        _require_answer(engine, trial, error)
        gathered.status, gathered.reason = TrialStatus.TARGET_FAILED, str(error)
    tell(f"ended: {gathered.status}" + (f" ({gathered.reason.splitlines()[0]})" if gathered.reason else ""))


def _live(
    engine: Engine,
    prepared: Prepared,
    images: Images,
    trial: TrialPlan,
    gathered: Gathered,
    tell: Say,
    stop: threading.Event,
) -> None:
    entry = trial.entry
    if entry is not None and entry.missing_content:
        gathered.status = TrialStatus.CONTENT_MISSING
        gathered.reason = f"not given: {'; '.join(entry.missing_content)}"
        return
    if entry is not None and entry.product.id in images.failed:
        gathered.status, gathered.reason = TrialStatus.BUILD_FAILED, images.failed[entry.product.id]
        return
    with ExitStack() as stack:
        stack.enter_context(_phase(gathered, "total"))
        with _phase(gathered, "wait for lock"):
            stack.enter_context(holding_locks(entry, tell, stop))
        if prepared.plan.isolation == "step":
            _each_apart(prepared, images, trial, engine, gathered, tell, stop)
        else:
            _one_environment(prepared, images, trial, engine, None, gathered, tell, stop)


def _each_apart(
    prepared: Prepared,
    images: Images,
    trial: TrialPlan,
    engine: Engine,
    gathered: Gathered,
    tell: Say,
    stop: threading.Event,
) -> None:
    """Every step in containers, and with a product, of its own; containers that can't be had spoil their step only.

    A product that quits, or loses its last canary, in one of them has failed: else it could be rid of the steps that it
    does not see.
    """
    steps = [step for step, _at_s in realise(prepared.plan, trial.seed, {})]
    quits: list[str] = []
    for number, step in enumerate(steps):
        tell(f"step {number + 1}/{len(steps)}: {step.id}")
        part, reason, failed = _apart(prepared, images, trial, engine, step, stop)
        quits += [step.id] if part.status is not TrialStatus.COMPLETED else []
        gathered.notes += [f"{step.id}: {note}" for note in failed_before(failed)]
        if reason is not None:
            procedure = prepared.procedures[step.procedure] if step.procedure else None
            part.steps = [not_run_record(step, number, procedure, prepared.catalogue, reason)]
            gathered.notes.append(f"{step.id}: {reason.splitlines()[0]}")
        gathered.was_ready = gathered.was_ready or part.was_ready
        add_part(gathered, part, number)
    if trial.entry is not None and not gathered.was_ready:
        raise ProductError(f"it was never ready: {gathered.notes[-1] if gathered.notes else 'no step was run'}")
    if quits:
        raise ProductError(
            f"it quit, or its last canary never came, in the containers of {len(quits)} of {len(steps)} steps: "
            f"{', '.join(quits)}"
        )


def _apart(
    prepared: Prepared, images: Images, trial: TrialPlan, engine: Engine, step: Step, stop: threading.Event
) -> tuple[Gathered, str | None, list[str]]:
    """One step in containers of its own: (what was gathered, why it is not valid, why attempts before it failed)."""
    failed: list[str] = []
    for _attempt_number in range(1 + prepared.definition.retries):
        part = Gathered()
        try:
            _one_environment(prepared, images, trial, engine, step.id, part, part.log.append, stop)
        except ProductError as error:
            part.status = TrialStatus.PRODUCT_FAILED
            return part, f"the product was not there: {error}", failed
        except EngineError:
            raise
        except TargetError as error:
            failed.append(str(error))
            continue
        lost = part.status is not TrialStatus.COMPLETED
        return part, f"{part.status}: {part.reason}" if lost else None, failed
    return part, f"its containers were not to be had: {failed[-1]}", failed[:-1]


def _one_environment(
    prepared: Prepared,
    images: Images,
    trial: TrialPlan,
    engine: Engine,
    only: str | None,
    gathered: Gathered,
    tell: Say,
    stop: threading.Event,
) -> None:
    """One environment from standing up to tearing down, with every step or only one."""
    entry = trial.entry
    marks = labels(prepared.definition.id, trial.trial_id)
    with ExitStack() as stack:
        with _phase(gathered, "stand up"):
            tell("standing up")
            witness = stack.enter_context(Witness(engine, images.witness, marks))
            target = stack.enter_context(
                stand_up(engine, prepared.environment, node_images(prepared, images, entry), witness, marks,
                         extras_of(entry.components() if entry else (), prepared.environment.nodes), stop,
                         management=has_collector(entry.components() if entry else ()))
            )  # fmt: skip
        gathered.facts["isolation"] = target.proof
        gathered.facts["node_names"] = {name: node.names for name, node in target.nodes.items()}
        steps, begins_s = realised_steps(prepared, trial, target, only)
        if only is not None:
            lay_out(target, steps, prepared.procedures, stop)
        if entry is None:
            replay_steps(prepared, steps, begins_s, target, None, gathered, tell, stop)
        else:
            _with_product(prepared, images, trial, entry, target, (steps, begins_s), gathered, tell, stop)
        gathered.facts["process_truth"] = witness.truth()


def _with_product(
    prepared: Prepared,
    images: Images,
    trial: TrialPlan,
    entry: ArmOfProduct,
    target: Target,
    work: tuple[list[Step], list[float]],
    gathered: Gathered,
    tell: Say,
    stop: threading.Event,
) -> None:
    tags = {part.id: images.products[entry.product.id, part.id][0] for part in entry.components()}
    marks = labels(prepared.definition.id, trial.trial_id)
    both = sorted(set(tags) & set(target.nodes))
    if both:  # what it uses would be taken for what the node uses
        raise ProductError(
            f"{entry.product.id}/product.yaml: components.id: found {', '.join(both)}, a node of the environment "
            f"{prepared.environment.id}; allowed: any other name. Rename it."
        )
    with deploy(target, entry.product, entry.arm, tags, entry.content, marks, stop, entry.secrets) as deployment:
        gathered.facts["isolation"] = (*target.proof, *deployment.proof)
        try:
            with _phase(gathered, "ready"):
                tell("waiting for the product and its canary")
                deployment.wait_ready()
                if not deployment.show_canary("ready"):
                    raise ProductError(f"its canary never came through. {deployment.last_words()}")
            gathered.was_ready = True
            ask_versions(deployment, gathered)
            replay_steps(prepared, *work, target, deployment, gathered, tell, stop)
            with _phase(gathered, "flush"):
                _await_latency(deployment, gathered, tell, stop)
                tell("waiting for the last canary")
                flushed = deployment.show_canary("flush")
            deployment.check_alive()
            if not flushed:
                gathered.status = TrialStatus.FLUSH_TIMED_OUT
                gathered.reason = "its last canary never came: an absent alert proves nothing"
        except (TargetError, *NOT_ANSWERING):
            deployment.check_stopped()  # what broke may be only what stopping the product took with it
            raise
        finally:
            collect_records(deployment, target, gathered)


def _await_latency(deployment: Deployment, gathered: Gathered, tell: Say, stop: threading.Event) -> None:
    """Until the product's declared latency has passed since the last step: only a canary after that shows a miss."""
    ends = [step.ended_ns for step in gathered.steps if step.ended_ns is not None]
    left_s = (max(ends, default=0) - time.time_ns()) / 1e9 + deployment.product.latency_s
    if left_s > 0:
        tell(f"waiting for the declared latency of {deployment.product.latency_s:g} s")
        wait_until(deployment.died.is_set, left_s, stop, interval_s=0.2)


def realised_steps(
    prepared: Prepared, trial: TrialPlan, target: Target, only: str | None
) -> tuple[list[Step], list[float]]:
    """The steps of the trial with every value in its place, and when each begins (see `begins`)."""
    addresses = {name: node.addresses[0] for name, node in target.nodes.items() if node.addresses}
    realised = realise(prepared.plan, trial.seed, addresses)
    chosen = [(step, at_s) for step, at_s in realised if only is None or step.id == only]
    return [step for step, _at_s in chosen], begins(chosen, prepared.plan.baseline)


def replay_steps(
    prepared: Prepared,
    steps: list[Step],
    begins_s: list[float],
    target: Target,
    deployment: Deployment | None,
    gathered: Gathered,
    tell: Say,
    stop: threading.Event,
) -> None:
    """Run the steps, with samples of what the containers take; what was carried out is in `gathered`."""
    replay = Replay(target, prepared.procedures, prepared.catalogue, stop)

    def on_step(number: int, total: int, step: Step) -> None:
        if deployment is not None:
            deployment.check_alive()
        tell(f"step {number + 1}/{total}: {step.id}")

    try:
        with _phase(gathered, "open sessions"):
            replay.open_sessions(steps)
        with _sampled(target, deployment, gathered), _phase(gathered, "replay"):
            replay.run(steps, on_step, begins_s)
    finally:
        if not stop.is_set():
            gathered.steps = replay.records()
        replay.close()


def ask_versions(deployment: Deployment, gathered: Gathered) -> None:
    """Ask the running product for its versions and notes."""
    product, arm = deployment.product, deployment.arm
    gathered.facts["product_version"] = deployment.ask(product.version)
    if product.content_version is not None:
        gathered.facts["content_version"] = deployment.ask(product.content_version)
    for question in (*product.notes, *arm.notes):
        answer = deployment.ask(question)
        if answer:
            gathered.notes.append(answer)


def collect_records(deployment: Deployment, target: Target, gathered: Gathered) -> None:
    """Take what came, whatever happened; mark what ran outside the trial's nodes."""
    gathered.facts["canaries"] = tuple(deployment.canaries)
    gathered.facts["sources"] = deployment.collector.counts()
    gathered.facts["conduct"] = deployment.conduct()
    gathered.steps = [*gathered.steps, *deployment.canary_steps]
    witness = target.witness

    def place(observation: Observation) -> Observation:
        outside = not witness.missing and observation.pid is not None and not witness.knows(observation.pid)
        return observation.model_copy(update={"outside": True}) if outside else observation

    gathered.alerts = [place(alert) for alert in deployment.collector.alerts()]
    placed = [place(record) for record in deployment.collector.telemetry()]
    gathered.telemetry = [record for record in placed if not record.outside]
    left_out = len(placed) - len(gathered.telemetry)
    if left_out:
        gathered.log.append(f"left out: {left_out} telemetry records about processes outside the trial's nodes")


@contextmanager
def _sampled(target: Target, deployment: Deployment | None, gathered: Gathered) -> Iterator[None]:
    pids = {name: node.pid for name, node in target.nodes.items()} | (deployment.pids if deployment else {})
    sampling = Sampling(target.witness, pids)
    try:
        with sampling.running():
            yield
    finally:
        gathered.resources = sampling.samples()


def _redactor(trial: TrialPlan) -> Redactor:
    return trial.entry.secrets.redactor() if trial.entry is not None else Redactor({})


def _redact(trial: TrialPlan, gathered: Gathered) -> None:
    """Take the product's secrets out of everything that was gathered: an attack may have found one, too."""
    redactor = _redactor(trial)
    gathered.reason = redactor.text(gathered.reason)
    gathered.notes = [redactor.text(note) for note in gathered.notes]
    gathered.log = [redactor.text(line) for line in gathered.log]
    gathered.steps = [redactor.record(step) for step in gathered.steps]
    gathered.alerts = [redactor.record(alert) for alert in gathered.alerts]
    gathered.telemetry = [redactor.record(record) for record in gathered.telemetry]


def node_images(prepared: Prepared, images: Images, entry: ArmOfProduct | None) -> dict[str, str]:
    """Each node's image: the environment's own, or the one that a product is layered on."""
    nodes = prepared.environment.nodes
    chosen = {name: images.nodes[name] for name in nodes}
    for component in entry.components() if entry else ():
        node = node_of(component, nodes) if is_in_node(component) else None
        if node is not None and entry:
            chosen[node] = images.products[entry.product.id, component.id][0]
    return chosen


@contextmanager
def _phase(gathered: Gathered, name: str) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        gathered.phases_s[name] = round(time.monotonic() - began, 3)


@contextmanager
def holding_locks(entry: ArmOfProduct | None, tell: Say, stop: threading.Event) -> Iterator[None]:
    """Hold the kernel facilities that the product needs alone, also against other pij processes."""
    names = sorted({part.lock for part in entry.components() if part.lock} if entry else ())
    folder = state_folder() / "locks"
    folder.mkdir(exist_ok=True)
    with ExitStack() as stack:
        for name in names:
            descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
            stack.callback(os.close, descriptor)
            if not _try(descriptor):
                tell(f"waiting for the kernel facility {name!r}, which another trial holds")
                if not wait_until(lambda d=descriptor: _try(d), LOCK_TIMEOUT_S, stop, interval_s=0.1):  # type: ignore[misc]
                    raise TargetError(f"the kernel facility {name!r} did not become free")
        yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _require_answer(engine: Engine, trial: TrialPlan, error: Exception) -> None:
    try:
        engine.client.ping()
    except NOT_ANSWERING:
        raise EngineError(
            f"the Docker engine at {engine.address} went away during trial {trial.trial_id} ({error}). The sealed "
            "trials are intact; start the engine and run the same command again: it resumes."
        ) from error


def record_of(
    engine: Engine, prepared: Prepared, images: Images, trial: TrialPlan, gathered: Gathered, started_ns: int
) -> Trial:
    """The trial as it is sealed."""
    entry = trial.entry
    product = entry.product if entry else None
    built = entry is not None and all((entry.product.id, part.id) in images.products for part in entry.components())
    defaults: dict[str, object] = {
        "product_version": None,
        "content_version": None,
        "canaries": (),
        "sources": (),
        "isolation": (),
        "node_names": {},
        "process_truth": "none: the trial never got so far",
    }
    record = Trial.model_validate(
        defaults
        | gathered.facts
        | {
            "campaign": prepared.definition.id,
            "trial_id": trial.trial_id,
            "product": product.id if product else None,
            "product_name": product.name if product else None,
            "product_class": product.product_class.value if product else None,
            "vendor": product.vendor if product else None,
            "licence": product.licence if product else None,
            "blind_spots": product.blind_spots if product else None,
            "arm": entry.arm.id if entry else None,
            "arm_title": entry.arm.title if entry else None,
            "tuned": entry.arm.tuned if entry else False,
            "repetition": trial.repetition,
            "seed": trial.seed,
            "plan": prepared.plan.id,
            "plan_title": prepared.plan.title,
            "plan_digest": prepared.plan_digest,
            "environment": prepared.environment.id,
            "environment_digest": prepared.environment_digest,
            "product_digest": images.digest_of(entry) if entry and built else None,
            "attack_release": prepared.catalogue.release,
            "status": gathered.status,
            "reason": gathered.reason,
            "started_ns": started_ns,
            "ended_ns": time.time_ns(),
            "notes": tuple(gathered.notes),
            "sees": product.sees if product else (),
            "latency_s": product.latency_s if product else 0.0,
            "blocks": product.blocks if product else False,
            "phases_s": gathered.phases_s,
            "provenance": provenance(engine),
            "claims": product.claims if product else {},
            "entry_digest": entry.digest if entry else None,
        }
    )
    return _redactor(trial).record(record)
