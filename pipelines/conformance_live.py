"""The part of the conformance kit that needs the running product: canaries, a burst of them, the dry run, its end."""

import random
import secrets
import string
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from environments.engine import NOT_ANSWERING, Say
from environments.session import Session, quote
from environments.standing import run_in
from environments.waiting import repeat, wait_until
from pipelines.build import Images
from pipelines.campaign import Prepared
from pipelines.conformance_measure import Answers, Shown
from pipelines.parts import Gathered
from pipelines.run import open_campaign
from pipelines.trial import collect_records, realised_steps, record_of, replay_steps
from products.deploy import Deployment
from products.manifest import CanaryAction
from products.placement import addresses_by_name, named
from products.running import RunningComponent, filled
from results.errors import Interrupted, TargetError
from results.records import Observation, StepExecution, Verdict
from results.scoring import score_campaign
from results.seal import seal_trial
from results.store import read_verdicts, write_trial

SERIES, SERIES_S = 10, 25.0
"""Canaries one by one, and for how long at most."""
BURST_S, SETTLE_S = 40.0, 30.0
"""How long a burst may take, and how long its answers may take after it."""
AT_ONCE = 50
"""Acts that are handed to the node's shell at once; Ctrl-C is looked for between."""
GRACE_S = 10.0
"""Between the request to end and the end, as `docker stop` waits."""
LONGEST_LATENCY_S = 20.0
"""That the dry run waits for; with a longer declared one, its misses stay open."""
LONGEST_SCRIPT = 100_000
"""Bytes; the kernel takes 128 KiB in one argument."""


def canary_of(deployment: Deployment) -> CanaryAction:
    """The canary of the arm."""
    return deployment.arm.canary or deployment.product.canary


def answers_seen(deployment: Deployment) -> tuple[Observation, ...]:
    """The records among which canaries are answered."""
    collector = deployment.collector
    return collector.telemetry() if canary_of(deployment).in_telemetry else collector.alerts()


def series(deployment: Deployment, say: Say, stop: threading.Event) -> tuple[list[Shown], int]:
    """Canaries one after the other: (those that were answered at the first attempt, how many were done)."""
    shown: list[Shown] = []
    done, deadline = 0, time.monotonic() + SERIES_S
    while done < SERIES and time.monotonic() < deadline and not stop.is_set():
        say(f"canary {done + 1} of {SERIES}")
        done += 1
        if deployment.show_canary("check"):
            shown += last_shown(deployment)
    return shown, done


def last_shown(deployment: Deployment) -> list[Shown]:
    """The canary that was just shown, if it was answered at the first attempt."""
    canary = deployment.canaries[-1]
    answer = next((record for record in answers_seen(deployment) if record.received_ns == canary.received_ns), None)
    step = deployment.canary_steps[-1]
    if answer is None or canary.attempts != 1 or step.started_ns is None or step.ended_ns is None:
        return []
    return [Shown(step.started_ns, step.ended_ns, answer.time_ns, answer.received_ns)]


@dataclass(frozen=True)
class Burst:
    """What became of many canaries at once."""

    wanted: int
    done: int
    answered: int
    records: int
    """That answer them; more than `answered` are duplicates."""
    acting_s: float
    settling_s: float


def burst(deployment: Deployment, left_s: float, say: Say, stop: threading.Event) -> Burst:
    """As many canaries as the manifest says, one straight after the other, and what answers them.

    Args:
        deployment: the product.
        left_s: seconds that are left for it; a third of them at most is spent on acting.
        say: receives progress.
        stop: set to give up.
    """
    action = canary_of(deployment)
    answers = Answers(action.expect)
    wanted = min(action.burst, answers.most or action.burst)
    keys = _keys(answers, wanted)
    node = named(action.node, deployment.target.definitions())
    if node is None:
        raise TargetError(f"the canary's node {action.node!r} is not in this environment")
    began, acting_s = time.monotonic(), max(5.0, min(BURST_S, left_s / 3))
    done: list[str] = []
    with deployment.target.open_session(node, action.user) as session:
        while len(done) < wanted and time.monotonic() - began < acting_s:
            if stop.is_set():
                raise Interrupted("stopped by the user")
            if len(done) % (4 * AT_ONCE) == 0:
                say(f"burst: {len(done)} of {wanted}")
            done += _act(session, deployment, action, keys[len(done) : len(done) + AT_ONCE], began + acting_s)
            deployment.check_alive()
    acted = time.monotonic()
    counted = answers.count(answers_seen(deployment), done)

    def complete() -> bool:
        nonlocal counted
        counted = answers.count(answers_seen(deployment), done)
        return len(counted) == len(done)

    say(f"burst: waiting for {len(done)} answers")
    settle_s = max(SETTLE_S, min(3 * deployment.product.latency_s, left_s - (acted - began)))
    wait_until(complete, settle_s, stop, interval_s=0.25)
    return Burst(wanted, len(done), len(counted), counted.total(), acted - began, time.monotonic() - acted)


def _keys(answers: Answers, wanted: int) -> list[str]:
    if answers.most is not None:
        numbers = [str(number) for number in range(1, answers.most + 1)]
        random.Random(secrets.token_bytes(8)).shuffle(numbers)  # noqa: S311  # an order, no secret
        return numbers[:wanted]
    keys: dict[str, None] = {}
    while len(keys) < wanted:
        keys["".join(secrets.choice(string.ascii_lowercase) for _ in range(8))] = None
    return list(keys)


def _act(
    session: Session, deployment: Deployment, action: CanaryAction, keys: Sequence[str], deadline: float
) -> Sequence[str]:
    """Some of the acts; returns the keys of those that were done before the time was up."""
    key = Answers(action.expect).key
    other = {"nonce": "number", "number": "nonce"}[key]
    lines, size = [], 0
    until = int(time.time() + max(0.0, deadline - time.monotonic())) + 1
    for number, value in enumerate(keys):
        fixed = "burstxxx" if other == "nonce" else str(number % 250 + 1)
        command = filled(action.command, {**addresses_by_name(deployment.target), key: value, other: fixed})
        line = (
            f"[ $EPOCHSECONDS -lt {until} ] || {{ echo $n; exit; }}\n"
            f"bash -c {quote(command)} > /dev/null 2>&1\nn=$((n+1))\n"
        )
        if size + len(line) > LONGEST_SCRIPT:
            break
        size += len(line)
        lines.append(line)
    script = f"n=0\n{''.join(lines)}echo $n\n"
    finished = session.run("bash", script, BURST_S + GRACE_S)
    if finished is None:
        raise TargetError(f"a burst of {len(lines)} canaries did not end within {BURST_S + GRACE_S:.0f} s")
    return keys[: int(finished.stdout.text.strip() or 0)]


@dataclass(frozen=True)
class DryRun:
    """What became of the public dry run."""

    verdicts: tuple[Verdict, ...]
    steps: tuple[StepExecution, ...]
    rules: dict[str, tuple[str, ...]]
    """Step -> the rules or titles of the alerts that were attributed to it."""


def dry_run(prepared: Prepared, images: Images, deployment: Deployment, say: Say, stop: threading.Event) -> DryRun:
    """Run the plan against the product that stands, and score it as a campaign would."""
    (trial,) = prepared.trials
    target, gathered, started_ns = deployment.target, Gathered(), time.time_ns()
    gathered.facts["isolation"] = (*target.proof, *deployment.proof)
    gathered.facts["node_names"] = {name: node.names for name, node in target.nodes.items()}
    steps, begins_s = realised_steps(prepared, trial, target, None)
    replay_steps(prepared, steps, begins_s, target, deployment, gathered, say, stop)
    say("waiting as long as the product declares, then for its canary")
    last_ns = max((step.ended_ns or 0 for step in gathered.steps), default=0)
    due_ns = last_ns + int(min(prepared.entries[0].product.latency_s, LONGEST_LATENCY_S) * 1e9)
    wait_until(lambda: time.time_ns() > due_ns, LONGEST_LATENCY_S, stop)
    deployment.show_canary("flush")
    collect_records(deployment, target, gathered)
    gathered.alerts = [alert for alert in gathered.alerts if alert.received_ns >= started_ns]
    gathered.telemetry = [record for record in gathered.telemetry if record.received_ns >= started_ns]
    gathered.facts["process_truth"] = target.witness.truth()
    with tempfile.TemporaryDirectory(prefix="dry-run-") as scratch:
        folder = open_campaign(prepared, Path(scratch), fresh=False)
        record = record_of(target.engine, prepared, images, trial, gathered, started_ns)
        partial = folder / "trials" / f".{trial.trial_id}.partial"
        write_trial(partial, record, gathered.steps, gathered.alerts, gathered.telemetry, gathered.resources)
        seal_trial(partial)
        score_campaign(folder)
        verdicts = tuple(read_verdicts(folder))
    names = {alert.observation_id: alert.rule_name or alert.rule_id or alert.title or "?" for alert in gathered.alerts}
    rules = {one.step_id: tuple(dict.fromkeys(names[alert] for alert in one.alerts)) for one in verdicts}
    return DryRun(verdicts, tuple(gathered.steps), rules)


@dataclass
class Peak:
    """The most that components took while it was looked at."""

    memory: dict[str, int] = field(default_factory=dict)
    """Component -> bytes."""
    cpu_s: dict[str, float] = field(default_factory=dict)
    oom_kills: dict[str, int] = field(default_factory=dict)
    forks_refused: dict[str, int] = field(default_factory=dict)


@contextmanager
def watching_peak(deployment: Deployment) -> Iterator[Peak]:
    """Look at what the components take, every second, for as long as the block lasts."""
    peak, stop = Peak(), threading.Event()

    def look() -> None:
        for component in deployment.components:
            _look(deployment, component, peak)

    thread = threading.Thread(target=repeat, args=(look, 1.0, stop), name="peak", daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def _look(deployment: Deployment, component: RunningComponent, peak: Peak) -> None:
    """One look at one component. In a node, its processes' resident memory is added up: shared pages count for each."""
    name, witness = component.definition.id, deployment.target.witness
    try:
        if component.node is None:
            counters = witness.usage({name: component.pid}).get(name, {})
            used = counters.get("memory_peak") or counters.get("memory")
            peak.cpu_s[name] = counters.get("cpu_s") or peak.cpu_s.get(name, 0.0)
            peak.oom_kills[name] = max(peak.oom_kills.get(name, 0), counters.get("oom_kills") or 0)
            peak.forks_refused[name] = max(peak.forks_refused.get(name, 0), counters.get("forks_refused") or 0)
        else:
            used = _resident(deployment, component)
    except (TargetError, *NOT_ANSWERING):
        return  # it goes down; whoever runs the check sees that, too
    if used is not None:
        peak.memory[name] = max(peak.memory.get(name, 0), int(used))


def _resident(deployment: Deployment, component: RunningComponent) -> int | None:
    if component.start_pid is None:
        return None
    own = set(deployment.target.witness.living(component.start_pid))
    rows = deployment.target.engine.client.api.top(component.container_id, ps_args="-eo pid,rss")["Processes"]
    sizes = {int(pid): int(rss) * 1024 for pid, rss in rows}
    return sum(size for pid, size in sizes.items() if pid in own)


@dataclass(frozen=True)
class Ended:
    """How one component ended when it was told to."""

    component: str
    seconds: float | None
    """None if its start process did not end in time."""
    left: tuple[str, ...]
    """Programs of it that still ran in the node afterwards."""


def shut_down(deployment: Deployment, stop: threading.Event) -> list[Ended] | None:
    """Send SIGTERM to each start process, the last started first; None if the kernel does not tell of processes."""
    if deployment.target.witness.missing:
        return None
    return [_end(deployment, component, stop) for component in reversed(deployment.components)]


def _end(deployment: Deployment, component: RunningComponent, stop: threading.Event) -> Ended:
    engine, witness = deployment.target.engine, deployment.target.witness
    began = time.monotonic()
    name = component.definition.id
    if component.node is None:
        engine.client.api.kill(component.container_id, "SIGTERM")

        def gone() -> bool:
            return not engine.client.api.inspect_container(component.container_id)["State"]["Running"]

        ended = wait_until(gone, GRACE_S, stop)
        return Ended(name, time.monotonic() - began if ended else None, ())
    pid = component.start_pid
    alive = witness.living(pid) if pid is not None else {}
    if pid is None or pid not in alive:
        return Ended(name, 0.0, ())
    run_in(engine, component.container_id, ["sh", "-c", f"kill -TERM {alive[pid].node_pid}"])

    def start_ended() -> bool:
        return pid not in witness.living(pid)

    ended = wait_until(start_ended, GRACE_S, stop)
    seconds = time.monotonic() - began if ended else None
    wait_until(lambda: not witness.living(pid), GRACE_S / 2, stop)
    left = tuple(sorted({(seen.executables or ["?"])[-1] for seen in witness.living(pid).values()}))
    return Ended(name, seconds, left)
