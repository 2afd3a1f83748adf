"""`pij prove`: every procedure is run in fresh containers without a product, and what it does is written down.

Proofs are kept by the digest of everything they depend on, so a second run does only what is new, and one that was
interrupted goes on where it stopped.
"""

import hashlib
import itertools
import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attacks.effects import Effect, Image
from attacks.procedure import Executor, Procedure, payload_files
from attacks.proof import (
    PROVER_VERSION,
    REFUSALS,
    Attempt,
    Proof,
    Reason,
    content_digest,
    elevated,
    external_addresses,
    judge,
    refuse,
    why_not,
)
from attacks.proving import NODE, Limits, Stage, attempt
from environments.engine import Engine, Say
from environments.images import base_image
from environments.labels import labels
from environments.manifest import Environment, read_environment
from environments.standing import Target, internal_networks, stand_up
from environments.sweep import sweep
from environments.witness import Witness, witness_image
from pipelines.build import build_nodes
from pipelines.procedures import Selector, gather_procedures, read_kept
from pipelines.registry import find, folder_digest
from results.errors import EngineError, EvaluationError, Interrupted, TargetError
from results.paths import state_folder

ENVIRONMENTS = ("linux_lab", "systemd_server")
OWN_ENVIRONMENTS = ("linux_server",)
REPEATS = 2
WORKERS = 8
RETRIES = 2
USER = "ops"
"""Who runs what needs no root."""
IDLE = "a session that does nothing"
FINAL = frozenset({Reason.NETWORK, Reason.CLOUD, Reason.WINDOWS, Reason.KERNEL_MODULE})
"""Reasons that no other user or environment of ours changes."""
CHANCE = frozenset({Reason.UNSTABLE, Reason.NOTHING_SEEN})
"""Reasons that another run may not have: what lives under a millisecond is not always seen."""
MORE_RUNS = 3
FOR_ROOT = frozenset(
    {Reason.PERMISSION, Reason.PACKAGE, Reason.BROKEN, Reason.NOTHING_SEEN, Reason.DEVICE, Reason.SYSTEMD}
)
"""Reasons that may be gone for root, who also finds what lies in /usr/sbin."""
OnProof = Callable[[Proof, int, int], None]
"""Receives (proof, how many are known, of how many)."""


@dataclass(frozen=True)
class _Place:
    """One environment, built."""

    id: str
    definition: Environment
    images: dict[str, str]
    digest: str
    image: Image = field(default_factory=dict)
    noise: tuple[Effect, ...] = ()


@dataclass
class Prover:
    """Proves procedures on one engine."""

    engine: Engine
    values: Mapping[str, str]
    stop: threading.Event
    limits: Limits = field(default_factory=Limits)
    repeats: int = REPEATS
    workers: int = WORKERS
    places: list[_Place] = field(default_factory=list)
    _networks: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)
    """One set a worker: a procedure has a fresh container, in a network that nobody else uses meanwhile."""

    def build(self, environments: Sequence[str], say: Say) -> None:
        """Build the environments, and see what each does by itself while nothing runs in it."""
        sweep(self.engine, say)
        base, image = base_image(self.engine, say), witness_image(self.engine, say)
        self._witness_image = image
        for name in environments:
            folder = find("environment", name)
            definition = read_environment(folder)
            if not {"root", USER} <= set(definition.nodes[NODE].logins if NODE in definition.nodes else ()):
                raise EvaluationError(
                    f"{folder}: nodes: found {', '.join(definition.nodes)}; allowed: one named {NODE!r}, logins root "
                    f"and {USER}. Prove procedures in an environment that has one."
                )
            images = build_nodes(self.engine, definition, folder, base, say)
            self.places.append(_Place(name, definition, images, folder_digest(folder)))

    def prove(self, procedures: Sequence[Procedure], fresh: bool, on_proof: OnProof) -> list[Proof]:
        """Prove procedures, several at once; what is known already is taken as it is.

        Args:
            procedures: of one or more corpora.
            fresh: prove what is known already, too.
            on_proof: told of each.

        Raises:
            Interrupted: the user asked to stop; every proof so far is kept.
        """
        folder = state_folder() / "proofs"
        folder.mkdir(exist_ok=True)
        found: dict[str, Proof] = {}
        waiting: list[tuple[Procedure, str]] = []
        for procedure in procedures:
            digest = self.digest_of(procedure)
            known = None if fresh else read_proof(folder, procedure.guid, digest)
            if known is None:
                waiting.append((procedure, digest))
            else:
                found[procedure.guid] = known
                on_proof(known, len(found), len(procedures))
        if waiting:
            with self._watching() as witness, ThreadPoolExecutor(max_workers=self.workers) as pool:
                jobs = [pool.submit(self._prove, witness, procedure, digest) for procedure, digest in waiting]
                try:
                    for job in as_completed(jobs):
                        if self.stop.is_set():
                            break
                        proof = job.result()
                        write_proof(folder, proof)
                        found[proof.guid] = proof
                        on_proof(proof, len(found), len(procedures))
                finally:
                    for job in jobs:
                        job.cancel()
        if self.stop.is_set():
            raise Interrupted("stopped by the user")
        return [found[procedure.guid] for procedure in procedures]

    def digest_of(self, procedure: Procedure) -> str:
        """Of everything that a proof depends on."""
        parts = [
            PROVER_VERSION,
            content_digest(procedure),
            [[name, hashlib.sha256(file.read_bytes()).hexdigest()] for file, name in payload_files(procedure)],
            {name: value for name, value in self.values.items() if name in procedure.arguments},
            [[place.id, place.digest] for place in self.places],
            [self.repeats, self.limits.time_s],
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @contextmanager
    def _watching(self) -> Iterator[Witness]:
        marks = labels("prove", "witness")
        names = sorted({name for place in self.places for name in place.definition.networks})
        with ExitStack() as stack:
            witness = stack.enter_context(Witness(self.engine, self._witness_image, marks))
            self._networks = queue.Queue()
            for _worker in range(self.workers):
                self._networks.put(stack.enter_context(internal_networks(self.engine, names, marks)))
            self.places = [place if place.image else self._get_to_know(witness, place) for place in self.places]
            yield witness

    def _get_to_know(self, witness: Witness, place: _Place) -> _Place:
        """What the image holds, and what is different after nothing was done."""
        with self._node(witness, place) as target:
            image = {path: tuple(state) for path, state in witness.modes(target.nodes[NODE].pid).items()}
            noise = [*attempt(Stage(place.id, target, image, (), self.stop), _NOTHING, {}, "root", self.limits).effects]
        with self._node(witness, place) as target:
            stage = Stage(place.id, target, image, (), self.stop)
            noise += attempt(stage, _NOTHING, {}, USER, self.limits).effects
        return _Place(place.id, place.definition, place.images, place.digest, image, tuple(dict.fromkeys(noise)))

    @contextmanager
    def _node(self, witness: Witness, place: _Place) -> Iterator[Target]:
        marks = labels("prove", place.id)
        networks = self._networks.get()
        try:
            with stand_up(
                self.engine, place.definition, place.images, witness, marks, {}, self.stop, networks
            ) as target:
                yield target
        finally:
            self._networks.put(networks)

    def _prove(self, witness: Witness, procedure: Procedure, digest: str) -> Proof:
        """The first environment and user that prove it, or the first reason why none does."""
        external = external_addresses(self._texts(procedure))
        given = {name: value for name, value in self.values.items() if name in procedure.arguments}
        filled = procedure.model_copy(update={"missing": tuple(m for m in procedure.missing if m not in given)})
        obstacle = why_not(_with_values(filled, given))
        if obstacle is not None:
            return refuse(procedure, *obstacle, external, digest)
        lost = [name for name in filled.payloads if name not in {name for _file, name in payload_files(filled)}]
        if lost:
            return refuse(procedure, Reason.PAYLOAD, f"not in the corpus: {', '.join(lost)}", external, digest)
        best: Proof | None = None
        for place in self.places:
            for user in ("root",) if elevated(procedure) else (USER, "root"):
                proof = self._prove_at(witness, place, filled, user, external, digest)
                if proof.proven and not proof.attempt_only:
                    return proof
                best = proof if best is None or (proof.proven and not best.proven) else best
                if proof.reason in FINAL:
                    return best
                if proof.reason not in FOR_ROOT:
                    break
        return best or refuse(procedure, Reason.BROKEN, "no environment", external, digest)

    def _prove_at(
        self, witness: Witness, place: _Place, procedure: Procedure, user: str, external: tuple[str, ...], digest: str
    ) -> Proof:
        attempts: list[Attempt] = []
        for _repeat in range(self.repeats + MORE_RUNS):
            try:
                attempts.append(self._attempt(witness, place, procedure, user))
            except EngineError:
                raise
            except TargetError as error:
                if witness.has_ended:
                    raise
                return refuse(procedure, Reason.BROKEN, f"no sound container is left: {error}", external, digest)
            proof = self._best(procedure, attempts, external, digest)
            enough = len(attempts) >= self.repeats
            unseen = proof.reason in REFUSALS and not proof.effects
            if (proof.proven and enough) or not (proof.proven or proof.reason in CHANCE or unseen):
                break
        more = len(attempts) > self.repeats
        return proof.model_copy(update={"runs": len(attempts), **({"stable": False} if more else {})})

    def _best(self, procedure: Procedure, attempts: Sequence[Attempt], external: tuple[str, ...], digest: str) -> Proof:
        """What the newest run proves together with as many earlier ones as are asked for, whichever these are."""
        *earlier, newest = attempts
        wanted = min(self.repeats - 1, len(earlier))
        found = [
            judge(procedure, [*chosen, newest], external, digest) for chosen in itertools.combinations(earlier, wanted)
        ]
        return next((proof for proof in found if proof.proven), found[-1])

    def _attempt(self, witness: Witness, place: _Place, procedure: Procedure, user: str) -> Attempt:
        for tried in range(RETRIES + 1):
            if self.stop.is_set():
                raise Interrupted("stopped by the user")
            try:
                with self._node(witness, place) as target:
                    stage = Stage(place.id, target, place.image, place.noise, self.stop)
                    return attempt(stage, procedure, self.values, user, self.limits)
            except TargetError:
                if tried == RETRIES:
                    raise
        raise AssertionError("unreachable")

    def _texts(self, procedure: Procedure) -> list[str]:
        texts = [procedure.executor.command or ""]
        texts += [need.get_prereq_command or "" for need in procedure.dependencies]
        texts += [arg.default or "" for name, arg in procedure.arguments.items() if name not in self.values]
        return texts


_NOTHING = Procedure(
    guid="00000000-0000-0000-0000-000000000000", name=IDLE, technique="T1059", description="", platforms=("linux",),
    arguments={}, dependencies=(), executor=Executor(name="bash", command=":"), path="", line=None,
)  # fmt: skip


def _with_values(procedure: Procedure, given: Mapping[str, str]) -> Procedure:
    arguments = {
        name: argument.model_copy(update={"default": given.get(name, argument.default)})
        for name, argument in procedure.arguments.items()
    }
    return procedure.model_copy(update={"arguments": arguments})


def select(folders: Sequence[Path], selector: Selector) -> list[Procedure]:
    """The procedures below folders that a selector means, in the order of the files."""
    return [procedure for procedure in gather_procedures(folders).values() if selector.fits(procedure, None)]


def read_proof(folder: Path, guid: str, digest: str) -> Proof | None:
    """A proof that is kept, if everything that it depends on is still the same."""
    path = folder / f"{guid}-{digest[:16]}.json"
    if not path.is_file():
        return None
    proof = read_kept(path)
    return proof if proof is not None and proof.digest == digest else None


def write_proof(folder: Path, proof: Proof) -> None:
    """Keep a proof."""
    path = folder / f"{proof.guid}-{proof.digest[:16]}.json"
    temporary = path.with_suffix(f".{threading.get_ident()}")
    temporary.write_text(proof.model_dump_json(indent=1), "utf-8")
    temporary.replace(path)
