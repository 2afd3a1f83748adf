"""Whether the intervals of what a campaign learns from its trials alone hold the truth, for few and many trials."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.known_truth_coverage import Held, holds
from benchmarks.known_truth_worlds import Floats, Generator, World, beta_of
from results.chains import chain
from results.confidence import mean_limits
from results.measures import ChainLine
from results.overhead import ratio_of, slow_down
from results.records import StepKind

TRIAL_SIZES = {f"{trials} trials": World(techniques=20, steps=(1, 1), repetitions=trials) for trials in (2, 3, 6, 12)}
PACE_S = 10.0
"""From the start of one malicious step to that of the next."""
TRUE_TRIALS = 1501
"""Further trials of the same plan and product, from which the truth of a median is known."""
WORKLOADS = 8
NANO = 1_000_000_000


def first_alert(random: Generator, world: World) -> Held:
    """The chain's first alert, of one product on one plan: what its further trials would say."""
    rates = beta_of(random.random(world.techniques), world.sensitivity, world.spread)
    lasting = random.random(world.techniques) < rates
    between = random.standard_normal(world.techniques) * world.delay_spread[0]
    starts = PACE_S * np.arange(world.techniques)

    def run(trials: int) -> Floats:
        """(trials,) seconds to the first alert; infinite without any."""
        anew = random.random((trials, world.techniques)) < rates
        seen = np.where(random.random((trials, world.techniques)) < world.flakiness, anew, lasting)
        within = random.standard_normal((trials, world.techniques)) * world.delay_spread[1]
        delays = world.delay_s * np.exp(between + within)
        return np.asarray(np.where(seen, starts + delays, np.inf).min(axis=1))

    moments, true_moments = run(world.repetitions), run(TRUE_TRIALS)
    lines = [_line(float(moment), starts) for moment in moments]
    found = chain(lines, "s", np.ones((1, 1)), np.ones((1, 1)))
    true_steps = np.where(np.isfinite(true_moments), _steps_before(true_moments, starts), np.inf)
    return {
        "chain: seconds to the first alert": holds(found.seconds_to_first_alert, float(np.median(true_moments))),
        "chain: steps to the first alert": holds(found.steps_to_first_alert, float(np.median(true_steps))),
        "chain: alert before the objective": holds(found.before_objective, float((true_moments < starts[-1]).mean())),
    }


def _steps_before(moments: Floats, starts: Floats) -> NDArray[np.intp]:
    return np.asarray(np.searchsorted(starts, moments, side="right") - 1)


def _line(moment: float, starts: Floats) -> ChainLine:
    came = bool(np.isfinite(moment))
    return ChainLine(
        trial_id="t", steps=starts.size, seen=int(came), first_step="s" if came else None,
        steps_before=int(_steps_before(np.array([moment]), starts)[0]) if came else None,
        seconds=moment if came else None, watched_s=600.0, before_objective=came and moment < float(starts[-1]),
    )  # fmt: skip


def overhead(random: Generator, world: World) -> Held:
    """The slow-down of ordinary work, all workloads together and one, and CPU seconds of a product's own containers."""
    factors = np.exp(random.uniform(0.0, 0.5) + 0.2 * random.standard_normal(WORKLOADS))
    usual = np.exp(random.standard_normal(WORKLOADS))
    noise = random.uniform(0.02, 0.3)
    pairs, ratios = [], []
    for _repetition in range(world.repetitions):
        machine = noise * random.standard_normal()
        own, other = (np.exp(machine + noise * random.standard_normal((2, WORKLOADS))) for _ in range(2))
        ours, control = usual * factors * own, usual * other
        pairs.append((_turns(ours), _turns(control)))
        ratios.append(float(np.log(ours / control)[:, 0].mean()))
    amounts = 10 * np.exp(noise * random.standard_normal(world.repetitions))
    _mean, low, high = mean_limits(amounts)
    truth = 10 * float(np.exp(noise**2 / 2))
    return {
        "slow-down": holds(slow_down(pairs), float(np.exp(np.log(factors).mean()))),
        "slow-down of one workload": holds(ratio_of(ratios), float(factors[0])),
        "cost of its own containers": low is not None and high is not None and low <= truth <= high,
    }


def _turns(seconds: Floats) -> list[Any]:
    """(turns, workloads) as benign steps."""
    return [
        SimpleNamespace(
            kind=StepKind.BENIGN, verified=True, started_ns=NANO, ended_ns=NANO + round(float(one) * NANO),
            step_id=f"work{workload}-{turn}",
        )
        for turn, row in enumerate(seconds)
        for workload, one in enumerate(row)
    ]  # fmt: skip
