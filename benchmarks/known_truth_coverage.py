"""Whether each 95 % interval holds the truth that was set, campaign by campaign."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.stats import norm

from benchmarks.known_truth_page import SHARE
from benchmarks.known_truth_worlds import Generator, World, beta_of, draw, kin, pair
from results.comparison import contrast_delays, contrast_rates
from results.confidence import Floats, mean_limits, pooled
from results.grid import make_grids
from results.latency import QUANTILES, survival
from results.ledger import Ledger
from results.measures import Estimate
from results.metrics import (
    chance_share,
    corrected_estimate,
    left_alone_share,
    macro,
    sensitivity,
    twins_alerted,
    youden,
)
from results.ranks import scores_of, vectors
from results.recognition import gap
from results.records import Rate
from results.stability import stability
from results.volume import alerts_per_detected, duplicate_share, per_hour

MANY = 1000
"""Techniques of a campaign that stands for all there are."""
QUADRATURE = np.linspace(0.0005, 0.9995, 1000)
Held = dict[str, bool | None]
"""Interval -> whether it holds the truth; None where the metric says that there is none."""


def holds(found: Rate | Estimate, truth: float) -> bool | None:
    """Whether an interval holds the truth. A limit that is said not to be there holds everything on its side."""
    if found.value is None and found.low is None and found.high is None:
        return None
    if found.value is not None and found.low is None and found.high is None:
        return None
    low = -np.inf if found.low is None else found.low
    high = np.inf if found.high is None else found.high
    return bool(low - 1e-6 <= truth <= high + 1e-6)


def delay_truth(world: World, share: float) -> float | None:
    """The delay within which this share of all steps is alerted on; None if fewer ever are, or too late to watch."""
    if world.sensitivity <= share:
        return None
    scale = float(np.hypot(*world.delay_spread))
    found = float(world.delay_s * np.exp(scale * norm.ppf(share / world.sensitivity)))
    return found if found < world.watched_s[0] else None


def alpha_truth(world: World) -> float:
    """Krippendorff's alpha over all techniques and steps there are."""
    redrawn = 1 - (1 - world.flakiness) ** 2
    return 1 - redrawn * (1 - world.spread)


def same_truth(world: World) -> float:
    """Chance that a step is given the same answer in every repetition, over all techniques there are."""
    p, f, n = beta_of(QUADRATURE, world.sensitivity, world.spread), world.flakiness, world.repetitions
    lasting_yes = p * ((1 - f + f * p) ** n + (f * (1 - p)) ** n)
    lasting_no = (1 - p) * ((1 - f + f * (1 - p)) ** n + (f * p) ** n)
    return float((lasting_yes + lasting_no).mean())


def alone(random: Generator, world: World) -> Held:
    """Every interval of one arm, on one campaign."""
    campaign = draw(random, world)
    ledger = campaign.ledger
    rate = sensitivity(ledger)
    j, accuracy = youden(ledger)
    hits, n = ledger.by_cluster(
        ledger.malicious & ledger.common, ledger.holds[:, :1] | ledger.metric("detected")[:, None]
    )
    chance = chance_share(ledger)
    c = world.chance
    truth_j = world.sensitivity - world.false_alarms
    found: Held = {
        "rate": holds(rate, world.sensitivity),
        "rate by percentiles (not used)": _percentiles(hits, n, world.sensitivity),
        "rate, macro": holds(macro(hits, n)[0], world.sensitivity),
        "rate, chance-corrected": holds(corrected_estimate(rate, chance), max(0.0, (world.sensitivity - c) / (1 - c))),
        "specificity": holds(left_alone_share(ledger), 1 - world.false_alarms),
        "Youden's J": holds(j, truth_j),
        "balanced accuracy": holds(accuracy, (truth_j + 1) / 2),
        "duplicate share (of malicious)": holds(_duplicates(ledger), world.duplicates / (1 + world.duplicates)),
        "alerts a detected step": holds(alerts_per_detected(ledger), 1 + world.duplicates),
        "false alarms an hour": holds(
            per_hour([int(one) for one in campaign.noise], [world.hours * 3600] * world.repetitions),
            world.noise_per_hour,
        ),
    }
    found |= {
        "twins alerted on": holds(twins_alerted(ledger), world.false_alarms),
        "chance by placebos": holds(chance, world.chance),
    }
    if world.repetitions > 1:
        agreement = stability(ledger)
        found["stability (alpha)"] = holds(agreement.alpha, alpha_truth(world))
        found["same answer in all repetitions"] = holds(agreement.same, same_truth(world))
    return found


def delays(random: Generator, world: World) -> Held:
    """The smaller quantiles of the delay, on one campaign; none is drawn of a product that reaches no quantile."""
    return _quantiles(random, world, QUANTILES[:-1])


def late_delays(random: Generator, world: World) -> Held:
    """The largest quantile, which few products reach."""
    return _quantiles(random, world, QUANTILES[-1:])


def reaches_all(world: World) -> bool:
    """Whether a product alerts on so much that its delay has every quantile."""
    return delay_truth(world, QUANTILES[-1]) is not None


def _quantiles(random: Generator, world: World, shares: Sequence[float]) -> Held:
    if delay_truth(world, min(shares)) is None:
        return {}
    campaign = draw(random, world)
    found: Held = {}
    for quantile in survival(campaign.times, campaign.events, campaign.clusters).quantiles:
        truth = delay_truth(world, quantile.share)
        if truth is not None and quantile.share in shares:
            name = f"delay, {quantile.share:.0%} quantile"
            found[name] = holds(quantile.estimate, truth)
            found[f"{name}: without an upper limit{SHARE}"] = quantile.estimate.high is None
    return found


def _percentiles(hits: Floats, n: Floats, truth: float) -> bool:
    """What the percentiles of the resamples would hold, for comparison."""
    low, high = np.percentile(pooled(hits, n).resamples[:, 0], [2.5, 97.5])
    return bool(low - 1e-9 <= truth <= high + 1e-9)


def _duplicates(ledger: Ledger) -> Rate:
    """The duplicate share over malicious steps alone, of which the truth is set."""
    return duplicate_share(replace(ledger, alerts=np.where(ledger.malicious, ledger.alerts, 0)))


def together(random: Generator, world: World) -> Held:
    """Intervals of two arms: paired difference, recognition gap, cost against a paired control."""
    other = World(
        techniques=world.techniques, steps=world.steps, repetitions=world.repetitions, spread=world.spread,
        sensitivity=max(0.02, world.sensitivity - 0.2) if world.rival is None else world.rival,
        flakiness=world.flakiness, false_alarms=world.false_alarms,
    )  # fmt: skip
    first, second = pair(random, world, other, 0.5)
    grids = make_grids({"a": first.ledger, "b": second.ledger})
    contrast = contrast_rates("detected", "a", "b", grids["a"], grids["b"])
    truth = world.sensitivity - other.sensitivity
    places = kin(random, world.techniques, 0.6)
    public = draw(random, world, np.repeat(places[:, :1], 2, axis=1))
    variants = draw(random, other, np.repeat(places[:, 1:], 2, axis=1))
    lines = vectors(grids, {})
    score = scores_of(grids, lines, {"technique": 1.0, "twins_disturbed": -0.5})[0]
    return {
        "paired difference": holds(contrast.difference, truth),
        "score under weights": holds(score, world.sensitivity - 0.5 * world.false_alarms),
        "recognition gap": holds(gap("a", "detected", public.ledger, variants.ledger).gap, truth),
    } | cost(random, world.repetitions)


def cost(random: Generator, repetitions: int) -> Held:
    """CPU seconds over a paired control: lognormal work with a shared part, a tenth of spread."""
    if repetitions < 2:
        return {}
    shared = np.exp(0.1 * random.standard_normal(repetitions))
    ours = 10 * shared * np.exp(0.1 * random.standard_normal(repetitions))
    control = 6 * shared * np.exp(0.1 * random.standard_normal(repetitions))
    _mean, low, high = mean_limits(ours - control)
    truth = (10 - 6) * float(np.exp(0.1**2))
    return {"cost over the control": low is not None and high is not None and low <= truth <= high}


def sooner(random: Generator, world: World) -> Held:
    """How much more often one arm is sooner; what is true is what a campaign of very many techniques shows."""
    other = replace(world, sensitivity=world.rival or world.sensitivity, delay_s=2 * world.delay_s)
    campaigns = pair(random, world, other, 0.5)
    made = make_grids({name: one.ledger for name, one in zip("ab", campaigns, strict=True)})
    grids = []
    for name, one in zip("ab", campaigns, strict=True):
        times, events = np.full(made[name].times.shape, np.nan), np.zeros(made[name].times.shape, dtype=bool)
        steps = one.times.size // world.repetitions
        times[:steps], events[:steps] = one.times.reshape(steps, -1), one.events.reshape(steps, -1)
        grids.append(replace(made[name], times=times, events=events))
    first, second = pair(random, replace(world, techniques=MANY), replace(other, techniques=MANY), 0.5)
    ahead = (first.events & (first.times < second.times)).mean() - (second.events & (second.times < first.times)).mean()
    found = contrast_delays("a", "b", *grids).difference
    return {"share on which it is sooner, difference": holds(found, float(ahead))}
