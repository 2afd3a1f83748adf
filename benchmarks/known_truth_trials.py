"""Whether the intervals of what a campaign learns from its trials alone hold the truth, for few and many trials."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from benchmarks.known_truth_coverage import Held, holds
from benchmarks.known_truth_page import AT_LEAST, SHARE
from benchmarks.known_truth_worlds import Floats, Generator, World, any_product, beta_of
from results.chains import chain
from results.confidence import mean_limits
from results.measures import Chain, ChainLine
from results.overhead import ratio_of, slow_down
from results.records import StepKind

TRIAL_SIZES = {f"{trials} trials": World(techniques=20, steps=(1, 1), repetitions=trials) for trials in (2, 3, 6, 12)}
PACE_S = 10.0
"""From the start of one malicious step to that of the next."""
TRUE_TRIALS = 1501
"""Further trials of the same plan and product, from which the truth of a median is known."""
SURE = 0.05
"""What happens in less of all trials, or in all but less, is as good as certain."""
WORKLOADS = 8
NANO = 1_000_000_000


@dataclass(frozen=True)
class Plan:
    """One product on one plan: what its trials have in common."""

    world: World
    rates: Floats
    lasting: NDArray[np.bool_]
    between: Floats
    """(steps,) logarithm of each step's delay over the usual one."""
    starts: Floats
    """(steps,) seconds."""

    def moments(self, random: Generator, trials: int) -> Floats:
        """(trials,) seconds to the first alert; infinite without any."""
        shape = (trials, self.starts.size)
        anew = random.random(shape) < self.rates
        seen = np.where(random.random(shape) < self.world.flakiness, anew, self.lasting)
        within = random.standard_normal(shape) * self.world.delay_spread[1]
        delays = self.world.delay_s * np.exp(self.between + within)
        return np.asarray(np.where(seen, self.starts + delays, np.inf).min(axis=1))

    def in_time(self) -> float:
        """Chance that a trial has an alert before its last step, the objective."""
        flaky = self.world.flakiness
        seen = np.where(self.lasting, 1 - flaky + flaky * self.rates, flaky * self.rates)
        left = (self.starts[-1] - self.starts)[:-1]
        by_then = ndtr((np.log(left / self.world.delay_s) - self.between[:-1]) / self.world.delay_spread[1])
        return 1 - float(np.prod(1 - seen[:-1] * by_then))

    def is_open(self) -> bool:
        """Whether some trials have an alert before the objective and some don't, neither of them hardly ever."""
        return SURE <= self.in_time() <= 1 - SURE


def plan_of(random: Generator, world: World) -> Plan:
    """A plan drawn as plans are drawn from all techniques there are."""
    rates = beta_of(random.random(world.techniques), world.sensitivity, world.spread)
    return Plan(
        world=world,
        rates=rates,
        lasting=random.random(world.techniques) < rates,
        between=random.standard_normal(world.techniques) * world.delay_spread[0],
        starts=PACE_S * np.arange(world.techniques),
    )


def first_alert(random: Generator, world: World) -> Held:
    """The chain's first alert, of one product on one plan: what its further trials would say."""
    plan = plan_of(random, world)
    found = _chain(plan.moments(random, world.repetitions), plan.starts)
    moments = plan.moments(random, TRUE_TRIALS)
    steps = np.where(np.isfinite(moments), _steps_before(moments, plan.starts), np.inf)
    return {
        "chain: seconds to the first alert": holds(found.seconds_to_first_alert, float(np.median(moments))),
        f"chain: steps to the first alert{AT_LEAST}": holds(found.steps_to_first_alert, float(np.median(steps))),
        f"chain: as good as certain whether before the objective{SHARE}": not plan.is_open(),
    }


def before_objective(random: Generator, world: World) -> Held:
    """Whether the first alert came before the objective, of products on plans where that is not as good as certain."""
    plan = plan_of(random, world)
    while not plan.is_open():
        plan = plan_of(random, any_product(random, world))
    found = _chain(plan.moments(random, world.repetitions), plan.starts)
    return {"chain: alert before the objective": holds(found.before_objective, plan.in_time())}


def _chain(moments: Floats, starts: Floats) -> Chain:
    return chain([_line(float(moment), starts) for moment in moments], "s", np.ones((1, 1)), np.ones((1, 1)))


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
