"""Products with set sensitivity, specificity, latency, noise, flakiness and duplicates, as campaigns of arrays.

Each campaign draws its own techniques, as a plan draws from all techniques there are; what is set is the mean over
them. A product has a rate for each technique (a Beta distribution around the mean), every step of the technique an
answer drawn with that rate, and every repetition repeats the answer or, with the chance `flakiness`, draws it anew.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from results.ledger import METRICS, Ledger

Generator = np.random.Generator
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What is true of a product and of the campaigns that measure it."""

    techniques: int = 20
    steps: tuple[int, int] = (1, 2)
    """Fewest and most steps of a technique."""
    repetitions: int = 2
    sensitivity: float = 0.6
    """Share of malicious executions that it detects, chance included."""
    false_alarms: float = 0.2
    """Share of twins that it alerts on."""
    spread: float = 0.4
    """Share of an answer's variance that lies between techniques, 0 to 1."""
    flakiness: float = 0.2
    """Chance that a repetition draws its answer anew."""
    kinship: float = 0.5
    """Correlation (of the normal scores) between a technique's sensitivity and its twins' false alarms."""
    delay_s: float = 3.0
    """Median delay of its alerts; lognormal, with spread between techniques and within them."""
    delay_spread: tuple[float, float] = (0.5, 0.7)
    """Standard deviations of the logarithm, between techniques and within."""
    watched_s: tuple[float, float] = (60.0, 200.0)
    duplicates: float = 0.5
    """Alerts beyond the first, on average; Poisson with a mean drawn for each technique (Gamma, shape 4)."""
    noise_per_hour: float = 40.0
    hours: float = 0.1
    """Attack-free time of a trial."""
    overdispersion: float = 1.0
    """Variance of a trial's false alarms over their mean."""
    placebos: int = 8
    """A trial."""
    chance: float = 0.05
    """Chance that an alert falls on a placebo."""
    rival: float | None = None
    """Sensitivity of the product that it is compared with; by itself 20 percentage points less, but at least 2 %."""


def any_product(random: Generator, size: World) -> World:
    """A product of which everything is drawn, in campaigns of a size."""
    draw_between = random.uniform
    return replace(
        size,
        sensitivity=draw_between(0.05, 0.95), rival=draw_between(0.05, 0.95), false_alarms=draw_between(0.02, 0.5),
        spread=draw_between(0.2, 0.6), flakiness=draw_between(0.05, 0.5), kinship=draw_between(0.0, 0.8),
        delay_s=draw_between(1.0, 15.0), duplicates=draw_between(0.1, 2.0), noise_per_hour=draw_between(10.0, 100.0),
        overdispersion=draw_between(1.0, 2.0) if size.repetitions > 1 else 1.0, chance=draw_between(0.0, 0.1),
    )  # fmt: skip


def beta_of(uniform: Floats, mean: float, spread: float) -> Floats:
    """Beta-distributed rates at given probabilities; the mean itself without spread."""
    if spread <= 0 or mean in (0.0, 1.0):
        return np.full_like(uniform, mean)
    size = (1 - spread) / spread
    return np.asarray(betaincinv(mean * size, (1 - mean) * size, uniform))


def kin(random: Generator, count: int, correlation: float, columns: int = 2) -> Floats:
    """Uniform numbers (count, columns) whose normal scores are correlated."""
    shared = random.standard_normal((count, 1))
    own = random.standard_normal((count, columns))
    return np.asarray(ndtr(np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own))


def answers(random: Generator, rates: Floats, repetitions: int, flakiness: float) -> NDArray[np.bool_]:
    """(steps, repetitions) of yes and no, for steps with these rates."""
    first = random.random(rates.size) < rates
    anew = random.random((rates.size, repetitions)) < rates[:, None]
    again = random.random((rates.size, repetitions)) < flakiness
    return np.where(again, anew, first[:, None])


@dataclass(frozen=True)
class Campaign:
    """One arm of one simulated campaign."""

    ledger: Ledger
    times: Floats
    """(malicious executions,) seconds."""
    events: NDArray[np.bool_]
    clusters: NDArray[np.intp]
    noise: NDArray[np.intp]
    """(repetitions,) false alarms that nothing explains."""
    rates: Floats
    """(techniques, 2), each technique's sensitivity and share of twins alerted on."""


def draw(
    random: Generator, world: World, uniform: Floats | None = None, per: NDArray[np.intp] | None = None
) -> Campaign:
    """A campaign.

    Args:
        random: where everything is drawn from.
        world: what is true.
        uniform: (techniques, 2) places of the techniques among all, so that two products may share them.
        per: (techniques,) steps of each, likewise.
    """
    count = world.techniques
    places = kin(random, count, world.kinship) if uniform is None else uniform
    per = random.integers(world.steps[0], world.steps[1] + 1, size=count) if per is None else per
    of_step = np.repeat(np.arange(count), per)
    means = (world.sensitivity, world.false_alarms)
    rates = np.stack([beta_of(places[:, i], mean, world.spread) for i, mean in enumerate(means)], axis=1)
    detected, alarmed = (
        answers(random, rates[of_step, i], world.repetitions, world.flakiness) for i in range(len(means))
    )
    placebo = random.random((world.placebos, world.repetitions)) < world.chance
    more = random.gamma(4.0, world.duplicates / 4.0, size=count)
    alerts = np.where(detected, 1 + random.poisson(more[of_step][:, None], size=detected.shape), 0)
    ledger = lay_out(of_step, count, detected, alarmed, placebo, alerts)
    between = random.standard_normal(count) * world.delay_spread[0]
    within = random.standard_normal(detected.shape) * world.delay_spread[1]
    delays = world.delay_s * np.exp(between[of_step][:, None] + within)
    watched = random.uniform(*world.watched_s, size=detected.shape)
    seen = detected & (delays < watched)
    return Campaign(
        ledger=ledger,
        times=np.where(seen, delays, watched).ravel(),
        events=seen.ravel(),
        clusters=np.repeat(of_step, world.repetitions),
        noise=noise_of(random, world),
        rates=rates,
    )


def noise_of(random: Generator, world: World) -> NDArray[np.intp]:
    """(repetitions,) alerts of the attack-free time that nothing explains."""
    mean = world.noise_per_hour * world.hours
    if world.overdispersion <= 1:
        return np.asarray(random.poisson(mean, size=world.repetitions))
    chance = 1 / world.overdispersion
    return np.asarray(random.negative_binomial(mean * chance / (1 - chance), chance, size=world.repetitions))


def lay_out(
    of_step: NDArray[np.intp],
    techniques: int,
    detected: NDArray[np.bool_],
    alarmed: NDArray[np.bool_],
    placebo: NDArray[np.bool_],
    alerts: NDArray[np.intp],
) -> Ledger:
    """A ledger as scoring makes it from verdicts, of malicious steps, a twin of each, and placebos."""
    steps, repetitions = detected.shape
    empty = placebo.shape[0]
    rows = (2 * steps + empty) * repetitions
    kind = np.repeat([0, 1, 2], [steps * repetitions, steps * repetitions, empty * repetitions])
    cluster = np.concatenate([of_step, of_step, np.full(empty, techniques)])
    yes = np.concatenate([detected.ravel(), alarmed.ravel(), placebo.ravel()])
    holds = np.zeros((rows, len(METRICS)), dtype=bool)
    for name in ("alerted", "detected", "visible", "technique"):
        holds[:, list(METRICS).index(name)] = yes & (kind == 0)
    holds[:, list(METRICS).index("missed")] = ~yes & (kind == 0)
    counted = np.concatenate([alerts.ravel(), alarmed.ravel().astype(np.intp), placebo.ravel().astype(np.intp)])
    every = np.ones(rows, dtype=bool)
    return Ledger(
        verdicts=(),
        clusters=(*(f"T{1000 + i}" for i in range(techniques)), "step idle"),
        cluster=np.repeat(cluster, repetitions),
        steps=tuple(f"s{i}" for i in range(2 * steps + empty)),
        step=np.repeat(np.arange(2 * steps + empty), repetitions),
        repetition=np.tile(np.arange(1, repetitions + 1), 2 * steps + empty),
        malicious=kind == 0,
        benign=kind == 1,
        placebo=kind == 2,
        valid=every,
        applicable=every,
        common=kind == 0,
        disrupted=~every,
        holds=holds,
        alerts=counted,
        left_alone=~yes,
    )


def pair(random: Generator, first: World, second: World, kinship: float) -> tuple[Campaign, Campaign]:
    """Two products on the same steps; how hard a technique is they have in common as far as `kinship` says."""
    places = kin(random, first.techniques, kinship)
    per = random.integers(first.steps[0], first.steps[1] + 1, size=first.techniques)
    return (
        draw(random, first, np.repeat(places[:, :1], 2, axis=1), per),
        draw(random, replace(second, techniques=first.techniques, repetitions=first.repetitions),
             np.repeat(places[:, 1:], 2, axis=1), per),
    )  # fmt: skip
