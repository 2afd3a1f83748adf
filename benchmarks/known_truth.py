"""Are the intervals and tests what they say? Products with set truth, scored by the code that scores real ones.

    python -m benchmarks.known_truth            all of it, in two processes: writes docs/validation/
    python -m benchmarks.known_truth --quick    the same with few campaigns, in seconds; writes nothing

What is printed and written is measured in that run; the same seed gives the same numbers.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two processes share two cores

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks import known_truth_tests as tests
from benchmarks.known_truth_alone import amount, any_chance, delivered, names, shares
from benchmarks.known_truth_coverage import alone, delays, late_delays, reaches_all, sooner, together
from benchmarks.known_truth_page import ANY, TRIALS, write_pages
from benchmarks.known_truth_trials import TRIAL_SIZES, before_objective, first_alert, overhead
from benchmarks.known_truth_worlds import Generator, World, any_product
from results import confidence
from results.power import Question, power
from results.sequential import Rule

SEED = 20_261_128
RESAMPLES = 2000
"""In simulations; a variance from 2,000 resamples is off by 3 %, which no share of campaigns can show."""
FULL, QUICK = 1000, 20
CHUNK = 100
FOLDER = Path(__file__).parent.parent / "docs" / "validation"
SIZES = {
    "10 techniques, 1 step, once": World(techniques=10, steps=(1, 1), repetitions=1),
    "20 techniques, 1-2 steps, twice": World(techniques=20, steps=(1, 2), repetitions=2),
    "40 techniques, 1-3 steps, three times": World(techniques=40, steps=(1, 3), repetitions=3),
}
RATES = {0.05: 0.02, 0.3: 0.2, 0.6: 0.2, 0.95: 0.5}
"""Sensitivity -> share of twins alerted on."""
CASES = (
    tests.PowerCase(Question(0.7, 0.5), 30, 1),
    tests.PowerCase(Question(0.7, 0.5), 60, 2),
    tests.PowerCase(Question(0.9, 0.6), 30, 2),
    tests.PowerCase(Question(0.6, 0.45, stability=0.3), 40, 4),
    tests.PowerCase(Question(0.5, 0.2, agreement=0.0), 25, 1),
    tests.PowerCase(Question(0.3, 0.1, agreement=0.6), 40, 3),
    tests.PowerCase(Question(0.8, 0.5, agreement=-0.2), 15, 3),
    tests.PowerCase(Question(0.6, 0.5, stability=0.5), 150, 2),
)


Measure = Callable[[Generator, World], dict[str, bool | None]]
MEASURES: dict[Measure, int] = {
    alone: 6, shares: 8, any_chance: 8, names: 4, amount: 6, delays: 16, late_delays: 6, delivered: 6, together: 5,
    sooner: 3,
}  # fmt: skip
"""What is measured, and how many times as many campaigns of it have a product drawn anew as one with a set truth: a
share of 1,000 may be off by more than a point, and few products reach the larger quantiles of the delay."""
FIXED = (alone, delays, late_delays, together)
"""What is measured of products with a set sensitivity, too; the others do not go by it, or draw their own truth."""
BY_TRIALS = (first_alert, before_objective, overhead)


@dataclass(frozen=True)
class Task:
    """One kind of simulated campaign."""

    part: str
    """`coverage`, `trials` (coverage by number of trials), `error`, `ranks`, `sequential` or `power`."""
    name: str
    """The world, in words."""
    run: Callable[[Generator], dict[str, bool | None]]
    """One campaign: what -> whether."""
    times: int = 1
    """As many campaigns as another task."""


@dataclass(frozen=True)
class Line:
    """How often something was so."""

    part: str
    name: str
    what: str
    hits: int
    n: int
    none: int
    """Campaigns in which the metric said that there is no such number."""

    @property
    def share(self) -> float:
        """Of the campaigns in which there was a number."""
        return self.hits / self.n if self.n else math.nan

    @property
    def error(self) -> float:
        """Standard error of the share, by simulation."""
        return math.sqrt(max(self.share * (1 - self.share), 1 / self.n) / self.n) if self.n else math.nan


def coverage_tasks() -> list[Task]:
    """Every interval for products drawn anew in each campaign, and for products with a set sensitivity."""
    found = [
        Task("coverage", f"{name}; {ANY}", partial(_any_product, measure, size), times)
        for name, size in SIZES.items()
        for measure, times in MEASURES.items()
    ]
    found += [
        Task(TRIALS, f"{name}; {ANY}", partial(_any_product, measure, size), 4)
        for name, size in TRIAL_SIZES.items()
        for measure in BY_TRIALS
    ]
    worlds = {
        f"{name}; rate {rate:.0%}": (size, rate, alarms)
        for name, size in SIZES.items()
        for rate, alarms in RATES.items()
    }
    for name, (size, rate, alarms) in worlds.items():
        world = World(
            techniques=size.techniques, steps=size.steps, repetitions=size.repetitions, sensitivity=rate,
            false_alarms=alarms,
        )  # fmt: skip
        found += [Task("coverage", name, partial(_flipped, measure, world)) for measure in FIXED]
    return found


def _flipped(measure: Measure, world: World, random: Generator) -> dict[str, bool | None]:
    return measure(random, world)


def _any_product(measure: Measure, size: World, random: Generator) -> dict[str, bool | None]:
    world = any_product(random, size)
    while measure is late_delays and not reaches_all(world):
        world = any_product(random, size)
    return measure(random, world)


def error_tasks() -> list[Task]:
    """Tests of products that are alike."""
    found = []
    for name, size in SIZES.items():
        for rate in (0.1, 0.5):
            world = World(techniques=size.techniques, steps=size.steps, repetitions=size.repetitions, sensitivity=rate)
            place = f"{name}; rate {rate:.0%}"
            found += [
                Task("error", place, partial(_flipped, tests.equal_products, world)),
                Task("error", place, partial(_flipped, tests.same_steps, world)),
                Task("error", place, partial(_flipped, tests.many_products, world)),
            ]
    return found


def rank_tasks() -> list[Task]:
    """Places of eight arms, all equal, in two groups, and evenly apart."""
    truths = {
        "eight equal arms": np.full(8, 0.5),
        "two groups of four": np.repeat([0.35, 0.65], 4),
        "eight arms from 15 % to 85 %": np.linspace(0.15, 0.85, 8),
    }
    found = []
    for techniques, repetitions in ((20, 2), (60, 3)):
        world = World(techniques=techniques, repetitions=repetitions)
        for name, truth in truths.items():
            run = partial(_ranked, world, truth)
            found.append(Task("ranks", f"{name}; {techniques} techniques, {repetitions} times", run))
    return found


def _ranked(world: World, truth: np.ndarray, random: Generator) -> dict[str, bool | None]:  # type: ignore[type-arg]
    return tests.ranks(random, world, truth)


def sequential_tasks() -> list[Task]:
    """The stopping rule on equal products, and on products that are apart."""
    found = []
    for techniques in (15, 40):
        for spending in ("obrien_fleming", "pocock"):
            rule = Rule(looks=5, spending=spending)  # type: ignore[arg-type]
            for other in (0.6, 0.3):
                for flakiness in (0.2, 1.0):
                    world = World(techniques=techniques, sensitivity=0.6, flakiness=flakiness)
                    name = f"{spending}; {techniques} techniques; 60 % against {other:.0%}; flakiness {flakiness:g}"
                    found.append(Task("sequential", name, partial(_stopped, world, other, rule)))
    return found


def _stopped(world: World, other: float, rule: Rule, random: Generator) -> dict[str, bool | None]:
    return tests.stopped(random, world, other, rule)


def power_tasks() -> list[Task]:
    """Questions, and whether the test answers them as often as the helper says."""
    return [Task("power", power_name(case), partial(_found, case), 5) for case in CASES]


def _found(case: tests.PowerCase, random: Generator) -> dict[str, bool | None]:
    return tests.power_of(random, case, tests.copula_for(case.question))


def power_name(case: tests.PowerCase) -> str:
    """The case in words."""
    q = case.question
    return (
        f"{q.first:.0%} against {q.second:.0%}; stability {q.stability:g}, agreement {q.agreement:g}; "
        f"{case.techniques} techniques, {case.repetitions} times"
    )


def predictions() -> dict[str, float]:
    """What the power helper says of each case."""
    return {power_name(case): power(case.question, case.techniques, case.repetitions) for case in CASES}


TASKS = (*coverage_tasks(), *error_tasks(), *rank_tasks(), *sequential_tasks(), *power_tasks())


def in_all(campaigns: int) -> int:
    """Campaigns that a run simulates."""
    return sum(campaigns * task.times for task in TASKS)


def _chunk(job: tuple[int, int, int]) -> tuple[int, dict[str, tuple[int, int, int]]]:
    """Some campaigns of a task: what -> (hits, campaigns with a number, without one)."""
    index, start, count = job
    confidence.RESAMPLES = RESAMPLES
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for number in range(start, start + count):
        random = np.random.default_rng([SEED, index, number])
        for what, held in TASKS[index].run(random).items():
            if held is None:
                sums[what][2] += 1
            else:
                sums[what][0] += bool(held)
                sums[what][1] += 1
    return index, {what: (a, b, c) for what, (a, b, c) in sums.items()}


def simulate(campaigns: int, processes: int = 2, parts: Sequence[str] = ()) -> list[Line]:
    """Run every task and count.

    Args:
        campaigns: of each task, times what the task says.
        processes: at once; 1 runs in this one.
        parts: only these; all if empty.
    """
    chosen = [i for i, task in enumerate(TASKS) if not parts or task.part in parts]
    jobs = [
        (i, start, min(CHUNK, campaigns * TASKS[i].times - start))
        for i in chosen
        for start in range(0, campaigns * TASKS[i].times, CHUNK)
    ]
    sums: dict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    if processes == 1:
        usual = confidence.RESAMPLES
        done = [_chunk(job) for job in jobs]
        confidence.RESAMPLES = usual
    else:
        with get_context("fork").Pool(processes) as pool:
            done = pool.map(_chunk, jobs, chunksize=1)
    for index, found in done:
        for what, counts in found.items():
            sums[index, what] = [a + b for a, b in zip(sums[index, what], counts, strict=True)]
    return [Line(TASKS[i].part, TASKS[i].name, what, *counts) for (i, what), counts in sums.items()]


def main() -> None:
    """Simulate, print, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few campaigns; writes nothing")
    parser.add_argument("--campaigns", type=int, default=FULL, help="of each kind")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], help="a part, as coverage or power")
    chosen = parser.parse_args()
    began = time.monotonic()
    lines = simulate(QUICK if chosen.quick else chosen.campaigns, chosen.processes, chosen.only)
    for line in lines:
        none = f"  ({line.none} without a number)" if line.none else ""
        print(f"{line.part:10} {line.name:62} {line.what:40} {line.share:6.1%} ± {line.error:.1%} of {line.n}{none}")
    for name, predicted in predictions().items():
        print(f"helper     {name}: {predicted:.1%}")
    print(f"{time.monotonic() - began:.0f} s")
    if not chosen.quick and not chosen.only:
        for path in write_pages(FOLDER, lines, predictions(), chosen.campaigns, in_all(chosen.campaigns)):
            print(f"written: {path.relative_to(FOLDER.parent.parent)}")


if __name__ == "__main__":
    main()
