"""Proving on a real engine: hostile procedures are stopped at their limits, and the next finds a sound container."""

import threading

import pytest

from attacks.procedure import Executor, Procedure
from attacks.proof import Reason
from attacks.proving import Limits
from pipelines.prove import Prover

pytestmark = pytest.mark.docker

SOUND = "touch /tmp/done; id"
HOSTILE = {
    "forks without end": "f() { f | f & }; f; sleep 60",
    "fills the disk": "while :; do dd if=/dev/zero of=/var/tmp/big-$RANDOM bs=1M count=200 2> /dev/null; done",
    "eats memory": "tail -c 4G /dev/zero | tail > /dev/null; touch /tmp/after",
    "ends the shell of the session": "kill -9 $PPID; sleep 1",
    "waits for input": "touch /tmp/asked; read -r answer < /dev/tty; cat; echo got=$answer",
    "never ends": "yes > /dev/null",
    "ends the node": "kill -9 -1; kill 1",
    "reaches for the outside": (
        'for a in 1.1.1.1 192.0.2.2 172.17.0.1; do timeout 1 bash -c "echo > /dev/tcp/$a/80" && echo OUTSIDE; done; '
        "timeout 1 getent hosts deb.debian.org && echo OUTSIDE; ls /var/run/docker.sock && echo OUTSIDE; "
        "dd if=/dev/vda count=1 2> /dev/null | wc -c | grep -v '^0$' && echo OUTSIDE; "
        "mknod /tmp/disk b 254 0 && dd if=/tmp/disk count=1 2> /dev/null | wc -c | grep -v '^0$' && echo OUTSIDE; "
        "mount -t tmpfs x /mnt && echo OUTSIDE; echo c > /proc/sysrq-trigger && echo OUTSIDE; touch /tmp/tried"
    ),
}


def procedure(name, command):
    """A procedure of ours; its name gives it a GUID."""
    number = f"{abs(hash(name)) % 10**12:012}"
    return Procedure(
        guid=f"11111111-1111-4111-8111-{number}", name=name, technique="T1059.004", description="",
        platforms=("linux",), arguments={}, dependencies=(), path="test", line=None,
        executor=Executor(name="bash", command=command, elevation_required=True, cleanup_command="rm -f /tmp/done"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def proofs(engine, state):
    """Every hostile procedure, with a sound one before and after each, two containers at a time."""
    prover = Prover(engine, {}, threading.Event(), Limits(time_s=6.0, disk_bytes=300_000_000), repeats=1, workers=2)
    prover.build(["linux_lab"], print)
    procedures = []
    for number, (name, command) in enumerate(HOSTILE.items()):
        procedures += [procedure(f"sound {number}", SOUND), procedure(name, command)]
    procedures.append(procedure("sound at the end", SOUND))
    return {proof.name: proof for proof in prover.prove(procedures, fresh=True, on_proof=lambda *_: None)}


def kinds(proof):
    """What was seen of a proof, in short."""
    return {(effect.kind.value, effect.what) for effect in proof.effects}


def test_a_sound_procedure_is_proven_beside_and_after_every_hostile_one(proofs):
    """Else one bad procedure would spoil the next."""
    sound = [proof for name, proof in proofs.items() if name.startswith("sound")]
    assert len(sound) == len(HOSTILE) + 1
    for proof in sound:
        assert (proof.proven, proof.stopped, proof.cleanup) == (True, None, "restores")
        assert ("created", "/tmp/done") in kinds(proof)


@pytest.mark.parametrize(
    ("name", "stopped"),
    [
        ("fills the disk", "disk"),
        ("never ends", "time"),
        ("ends the shell of the session", "session"),
    ],
)
def test_each_is_stopped_at_its_limit_and_marked(proofs, name, stopped):
    """Else a person would wait for ever, or not know why a proof is thin."""
    assert proofs[name].stopped == stopped


def test_forks_and_memory_stay_inside_their_container(proofs):
    """Else one procedure could take the machine down."""
    assert proofs["forks without end"].stopped in ("time", "session", None)
    assert proofs["forks without end"].environment == "linux_lab"
    assert ("created", "/tmp/after") in kinds(proofs["eats memory"]) or proofs["eats memory"].stopped is not None


def test_a_procedure_that_waits_for_input_gets_none_and_goes_on(proofs):
    """Else a prompt would hold up everything behind it."""
    assert ("created", "/tmp/asked") in kinds(proofs["waits for input"])


def test_a_procedure_that_ends_its_node_is_seen_to(proofs):
    """Else a reboot would look like a fault of ours."""
    proof = proofs["ends the node"]
    assert proof.stopped in ("node", "session") or ("node down", "the node") in kinds(proof)


def test_no_procedure_reaches_the_host_the_outside_or_its_disk(proofs):
    """Else what runs here could leave the machine."""
    proof = proofs["reaches for the outside"]
    assert ("created", "/tmp/tried") in kinds(proof)
    assert [what for kind, what in kinds(proof) if "OUTSIDE" in what and kind == "output"] == []


def test_what_is_known_is_not_run_again(engine, state):
    """Else a run that was interrupted could not go on where it was."""
    prover = Prover(engine, {}, threading.Event(), repeats=1, workers=1)
    prover.build(["linux_lab"], print)
    one = procedure("kept", SOUND)
    first = prover.prove([one], fresh=False, on_proof=lambda *_: None)
    prover.stop.set()  # a run would be interrupted now; what is known is not
    prover.stop = threading.Event()
    again = Prover(engine, {}, threading.Event(), repeats=1, workers=1, places=prover.places)
    assert again.prove([one], fresh=False, on_proof=lambda *_: None) == first


def test_a_payload_that_is_not_in_the_corpus_is_the_reason(engine, state):
    """Else it would be called broken."""
    prover = Prover(engine, {}, threading.Event(), repeats=1, workers=1)
    prover.build(["linux_lab"], print)
    one = procedure("lost", "./scan.py").model_copy(update={"payloads": ("scan.py",), "payload_folder": "/nowhere"})
    (proof,) = prover.prove([one], fresh=True, on_proof=lambda *_: None)
    assert (proof.proven, proof.reason, proof.detail) == (False, Reason.PAYLOAD, "not in the corpus: scan.py")
