"""Replay overhead a step beside a `docker exec` a step, and a trial's fixed cost beside the bare engine calls.

Both sides are measured in the same run, in turn, on the same nodes; what is printed are medians and ratios.

    .venv/bin/python benchmarks/replay.py
"""

import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from attacks.plan import Fact, Step
from attacks.replay import Replay
from environments.engine import Engine, engine_for
from environments.images import base_image
from environments.labels import labels
from environments.standing import Target, run_in, stand_up
from environments.sweep import sweep
from environments.witness import Witness, witness_image
from pipelines.build import build_nodes
from pipelines.campaign import prepare
from results.records import StepKind

SMALL = Path(__file__).parent.parent / "tests" / "small" / "small.yaml"
ROUNDS, STEPS, STANDS = 5, 40, 5


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def replay_steps(replay: Replay, steps: list[Step]) -> float:
    """Seconds a step over the step's own run time, as the kernel saw it."""
    before = len(replay.records())
    seconds = timed(lambda: replay.run(steps, lambda *_: None))
    records = replay.records()[before:]
    own = sum(((r.ended_ns or 0) - (r.started_ns or 0)) / 1e9 for r in records)
    return (seconds - own) / len(records)


def exec_steps(target: Target, steps: list[Step]) -> float:
    """Seconds a step by one `docker exec` each, over the run time that the same command has in a session."""
    container = target.nodes["target"].container_id
    return sum(timed(lambda: run_in(target.engine, container, ["/bin/bash", "-c", ":"])) for _ in steps) / len(steps)


def bare(engine: Engine, images: dict[str, str]) -> None:
    """The engine calls that two nodes on one network need, one after the other, and their removal."""
    network = engine.client.networks.create("net-bare-benchmark", internal=True)
    nodes = [
        engine.client.containers.run(image, ["tail", "-f", "/dev/null"], detach=True, init=True, network=network.name)
        for image in images.values()
    ]
    for node in nodes:
        node.remove(force=True)
    network.remove()


def main() -> None:
    """Measure and print."""
    stop = threading.Event()
    with engine_for(print) as engine:
        prepared = prepare(str(SMALL))
        base = base_image(engine, print)
        images = build_nodes(engine, prepared.environment, prepared.environment_folder, base, print)
        witness = witness_image(engine, print)
        marked = labels("benchmark", "replay")

        def whole() -> None:
            with (
                Witness(engine, witness, marked) as seen,
                stand_up(engine, prepared.environment, images, seen, marked, {}, stop),
            ):
                pass

        ours = [timed(whole) for _ in range(STANDS)]
        plain = [timed(lambda: bare(engine, images)) for _ in range(STANDS)]
        with (
            Witness(engine, witness, marked) as seen,
            stand_up(engine, prepared.environment, images, seen, marked, {}, stop) as target,
        ):
            bare_step = Step(id="x", kind=StepKind.PLACEBO, node="target", user="root")
            looked_at = bare_step.model_copy(update={"verify": (Fact(file="/etc/hostname"),)})
            replay = Replay(target, {}, prepared.catalogue, stop)
            replay.open_sessions([bare_step])
            results: dict[str, list[float]] = {"session": [], "session with an oracle": [], "docker exec": []}
            for _ in range(ROUNDS):
                results["session"].append(replay_steps(replay, [bare_step] * STEPS))
                results["session with an oracle"].append(replay_steps(replay, [looked_at] * STEPS))
                results["docker exec"].append(exec_steps(target, [bare_step] * STEPS))
            replay.close()
        sweep(engine, print)
    medians = {name: statistics.median(values) * 1000 for name, values in results.items()}
    for name, milliseconds in medians.items():
        ratio = medians["docker exec"] / milliseconds
        print(
            f"{name:24} {milliseconds:7.2f} ms a step over its own run time   docker exec takes {ratio:5.1f} times that"
        )
    fixed, floor = statistics.median(ours), statistics.median(plain)
    print(f"{'standing up and down':24} {fixed:7.2f} s a trial, proof of isolation and witness included")
    print(f"{'bare engine calls':24} {floor:7.2f} s   ratio {fixed / floor:.2f}")


if __name__ == "__main__":
    main()
