"""Replay: the steps of a plan, one after the other, through one long-lived session a user and node.

Nothing marks a step for the product: the bytes of the procedure are the only thing that enters the node, and
the oracle looks from outside.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from attacks.oracle import judge_facts, look_at_files
from attacks.plan import Step
from attacks.procedure import Instance, Procedure, instantiate
from attacks.proving import PAYLOADS_AT
from environments.session import Finished, Session
from environments.standing import Target
from environments.waiting import wait_until
from environments.witness import Seen
from results.attack import Catalogue
from results.errors import Interrupted, TargetError
from results.records import FactResult, Objects, Output, StepExecution, StepKind, Text

NOTHING = Output(text="", length=0, sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
PLACEBO = Instance(command=":", cleanup=None, executor="bash")
KILL_GRACE_S = 10.0
OnStep = Callable[[int, int, Step], None]


@dataclass
class StepRun:
    """A step that was run; its record is made at the end, when late children are known too."""

    step: Step
    position: int
    instance: Instance
    procedure: Procedure | None
    finished: Finished | None
    leader: Seen | None
    before: dict[int, tuple[bool, str]]
    after: dict[int, tuple[bool, str]]
    timed_out: bool = False
    not_run: str | None = None


class Replay:
    """Runs steps in a target and keeps the evidence."""

    def __init__(
        self, target: Target, procedures: Mapping[str, Procedure], catalogue: Catalogue, stop: threading.Event
    ) -> None:
        """Nothing is opened yet; sessions open when the first step needs them (see `open_sessions`)."""
        self._target = target
        self._procedures = procedures
        self._catalogue = catalogue
        self._stop = stop
        self._sessions: dict[tuple[str, str], Session] = {}
        self._runs: list[StepRun] = []

    def open_sessions(self, steps: Sequence[Step]) -> None:
        """Open every session that the steps need, before the first step, so that no step pays for it."""
        for step in steps:
            self._session(step.node, step.user)

    def close(self) -> None:
        """End every session."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def run(self, steps: Sequence[Step], on_step: OnStep, begins_s: Sequence[float] = ()) -> None:
        """Run the steps in the order given.

        Args:
            steps: filled in: no `#{name}` is left in them.
            on_step: called before each with (number from 0, of how many, step).
            begins_s: for each step, seconds after now before which it does not begin; none waits if this is empty.

        Raises:
            Interrupted: the user asked to stop.
            TargetError: a session or the witness was lost.
        """
        began = time.monotonic()
        for number, step in enumerate(steps):
            ahead_s = began + begins_s[number] - time.monotonic() if begins_s else 0.0
            if self._stop.wait(max(0.0, ahead_s)):
                raise Interrupted("stopped by the user")
            on_step(number, len(steps), step)
            self._runs.append(self._run_one(step, len(self._runs)))

    def records(self) -> list[StepExecution]:
        """The evidence of every step that was run so far, judged on what is known now."""
        self._target.witness.sync()
        return [self._record(run) for run in self._runs]

    def _run_one(self, step: Step, position: int) -> StepRun:
        procedure = self._procedures[step.procedure] if step.procedure else None
        instance = instantiate(procedure, step.arguments, PAYLOADS_AT) if procedure else PLACEBO
        if step.shells:
            instance = instance.model_copy(update={"executor": step.shells[0]})
        run = StepRun(step, position, instance, procedure, None, None, {}, {})
        run.not_run = self._obstacle(step)
        if run.not_run is not None:
            return run
        session = self._session(step.node, step.user)
        run.before = look_at_files(self._target, step.node, step.verify)
        run.finished, run.timed_out = self._execute(session, instance, step.timeout_s)
        run.leader = self._leader(session, run.finished)
        run.after = self._look_after(step)
        return run

    def _execute(self, session: Session, instance: Instance, timeout_s: float) -> tuple[Finished, bool]:
        finished = session.run(instance.executor, instance.command, timeout_s)
        if finished is not None:
            return finished, False
        self._target.witness.sync()
        for child in self._target.witness.children(session.pid)[-1:]:
            self._target.witness.kill(child.pid)
        finished = session.finish(KILL_GRACE_S)
        if finished is None:
            raise TargetError(f"a step did not end {KILL_GRACE_S:.0f} s after it was killed")
        return finished, True

    def _leader(self, session: Session, finished: Finished) -> Seen | None:
        self._target.witness.sync()
        children = self._target.witness.children(session.pid)
        named = [child for child in children if child.node_pid == finished.node_pid]
        found = named or children
        return found[-1] if found else None

    def _look_after(self, step: Step) -> dict[int, tuple[bool, str]]:
        """Look until all file facts hold, or until the time that the plan allows the effect is over."""
        found = look_at_files(self._target, step.node, step.verify)

        def all_hold() -> bool:
            found.update(look_at_files(self._target, step.node, step.verify))
            return all(holds for holds, _seen in found.values())

        patience_s = max((fact.within_s for fact in step.verify), default=0.0)
        if patience_s and not all(holds for holds, _seen in found.values()):
            wait_until(all_hold, patience_s, self._stop)
        return found

    def _obstacle(self, step: Step) -> str | None:
        by_id = {run.step.id: run for run in self._runs}
        for name in step.needs:
            run = by_id.get(name)
            if run is None or run.not_run is not None:
                return f"it needs step {name}, which was not run"
            if self._record(run).verified is False:
                return f"it needs step {name}, whose effect was not there"
        return None

    def _session(self, node: str, user: str) -> Session:
        if (node, user) not in self._sessions:
            self._sessions[node, user] = self._target.open_session(node, user)
        return self._sessions[node, user]

    def _record(self, run: StepRun) -> StepExecution:
        step, finished = run.step, run.finished
        seen = self._target.witness.tree(run.leader) if run.leader else []
        processes = tuple(process.record() for process in seen)
        verified: bool | None = None
        facts: tuple[FactResult, ...] = ()
        if finished is not None:
            verified, facts = judge_facts(step.verify, step.node, run.before, run.after, finished.stdout, processes)
        technique = step.technique or (run.procedure.technique if run.procedure else None)
        return StepExecution(
            step_id=step.id,
            position=run.position,
            kind=step.kind,
            title=step.title or _title(run.procedure),
            technique=technique if step.kind in (StepKind.MALICIOUS, StepKind.BENIGN) else None,
            tactics=self._tactics(step, technique),
            procedure=step.procedure or "",
            procedure_name=run.procedure.name if run.procedure else "",
            node=step.node,
            container_id=self._target.nodes[step.node].container_id,
            user=step.user,
            executor=run.instance.executor,
            executed=run.instance.command,
            started_ns=run.leader.started_ns if run.leader else finished.started_ns if finished else None,
            ended_ns=(run.leader.ended_ns if run.leader else None) or (finished.ended_ns if finished else None),
            leader_pid=run.leader.pid if run.leader else None,
            processes=processes,
            exit_code=finished.exit_code if finished else None,
            timed_out=run.timed_out,
            stdout=finished.stdout if finished else NOTHING,
            stderr=finished.stderr if finished else NOTHING,
            verified=verified,
            facts=facts,
            cleanup="not needed: the environment is thrown away after the trial",
            twin_of=step.twin_of,
            needs=step.needs,
            not_run=run.not_run,
            objects=_objects(step),
            criteria=step.criteria,
            data_components=step.data_components,
        )

    def _tactics(self, step: Step, technique: str | None) -> tuple[str, ...]:
        own = (step.tactic,) if step.tactic else ()
        others = self._catalogue.tactics_of(technique) if technique else ()
        return own + tuple(tactic for tactic in others if tactic not in own)


def not_run_record(
    step: Step, position: int, procedure: Procedure | None, catalogue: Catalogue, reason: str
) -> StepExecution:
    """A step that was not run, because the containers of its own were not to be had."""
    technique = step.technique or (procedure.technique if procedure else None)
    own = (step.tactic,) if step.tactic else ()
    tactics = catalogue.tactics_of(technique) if technique else ()
    return StepExecution(
        step_id=step.id,
        position=position,
        kind=step.kind,
        title=step.title or _title(procedure),
        technique=technique if step.kind in (StepKind.MALICIOUS, StepKind.BENIGN) else None,
        tactics=own + tuple(tactic for tactic in tactics if tactic not in own),
        procedure=step.procedure or "",
        procedure_name=procedure.name if procedure else "",
        node=step.node,
        container_id="",
        user=step.user,
        executor="",
        executed="",
        started_ns=None,
        ended_ns=None,
        leader_pid=None,
        processes=(),
        exit_code=None,
        timed_out=False,
        stdout=NOTHING,
        stderr=NOTHING,
        verified=None,
        facts=(),
        cleanup="not needed: it was not run",
        twin_of=step.twin_of,
        needs=step.needs,
        not_run=reason,
        objects=_objects(step),
        criteria=step.criteria,
        data_components=step.data_components,
    )


def _title(procedure: Procedure | None) -> Text:
    name = procedure.name if procedure else "A session that does nothing"
    return Text(en=name, ja=procedure.name if procedure else "何もしないセッション")


def _objects(step: Step) -> Objects:
    """What the plan says the step touches, the files of its oracle on its own node, and the folders they are in.

    A folder changes when a file in it is made or removed, and file-integrity monitors say so.
    """
    looked_at = [fact.file for fact in step.verify if fact.file and (fact.node or step.node) == step.node]
    files = [*step.touches.files, *looked_at]
    folders = [str(PurePosixPath(name).parent) for name in files if not name.endswith("/")]
    return Objects(
        files=tuple(dict.fromkeys([*files, *folders])),
        users=step.touches.users,
        connections=step.touches.connections,
        urls=step.touches.urls,
        nodes=step.touches.nodes,
    )
