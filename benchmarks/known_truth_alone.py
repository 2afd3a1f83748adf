"""Whether the other intervals of one arm hold the truth: names, volume, single techniques, sessions that do nothing."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import norm

from benchmarks.known_truth_coverage import Held, holds
from benchmarks.known_truth_worlds import Campaign, Floats, Generator, World, answers, beta_of, draw
from results.chance import naming_luck, windows_share
from results.claims import claim_lines
from results.latency import before_any, curve, survival
from results.metrics import likeness, technique_lines, wilson, wrong_share
from results.records import Category, Outcome, StepKind
from results.volume import Tally, ambiguous_share, per_hour

WINDOW_S = 7.0
"""A step's seconds and the declared latency."""
AT_S = 5.0
"""Where a curve of delays is looked at."""


def shares(random: Generator, world: World) -> Held:
    """Single techniques, and a claim about one."""
    campaign = draw(random, world)
    ledger = campaign.ledger
    alone = replace(ledger, clusters=(ledger.clusters[0], *("step other" for _ in ledger.clusters[1:])))  # one line
    first = next(iter(technique_lines(alone)), None)
    found: Held = {}
    if first is not None:
        found["sensitivity on one technique"] = holds(first.sensitivity, float(campaign.rates[0, 0]))
        found["specificity on one technique"] = holds(first.specificity, 1 - float(campaign.rates[0, 1]))
        rows = (ledger.cluster == 0) & ledger.malicious
        alike = likeness(ledger, ledger.malicious, ledger.metric("detected"))
        verdicts: list[Any] = [
            SimpleNamespace(
                kind=StepKind.MALICIOUS, technique="T1000", step_id=str(step),
                outcome=Outcome.ALERTED if seen else Outcome.MISSED,
            )
            for step, seen in zip(ledger.step[rows], ledger.metric("detected")[rows], strict=True)
        ]  # fmt: skip
        found["claim on one technique"] = holds(
            claim_lines({"T1000": "alerted"}, verdicts, alike)[0].rate, float(campaign.rates[0, 0])
        )
    return found


def any_chance(random: Generator, world: World) -> Held:
    """The chance rate of products whose chance is anything from 0 to 100 %, and alerts on random windows."""
    chance = float(random.random())
    placebo = random.random((world.placebos, world.repetitions)) < chance
    lengths = WINDOW_S * world.noise_per_hour / 3600
    mean = world.noise_per_hour * world.hours
    shape = mean / max(1e-9, world.overdispersion - 1)  # of the noise that differs between trials, as in `noise_of`
    told, count = [], int(random.integers(2, 41))
    for _trial in range(world.repetitions):
        more = random.gamma(shape) / shape if world.overdispersion > 1 else 1.0
        told.append(wilson(int(random.binomial(count, -np.expm1(-lengths * more))), count))
    truth = (1 + lengths / shape) ** -shape if world.overdispersion > 1 else np.exp(-lengths)
    return {
        "chance by placebos, 0 to 100 %": holds(wilson(int(placebo.sum()), placebo.size), chance),
        "chance by random windows": holds(windows_share(told), 1 - float(truth)),
    }


def delivered(random: Generator, world: World) -> Held:
    """The delivery delay of the alerts that came, and a point of the product's own delay."""
    campaign = draw(random, world)
    found: Held = {}
    events = campaign.events
    if events.any():
        between = random.standard_normal(world.techniques) * world.delay_spread[0]
        within = random.standard_normal(int(events.sum())) * world.delay_spread[1]
        clusters = campaign.clusters[events]
        times = world.delay_s * np.exp(between[clusters] + within)
        told = survival(times, np.ones(times.size, dtype=bool), clusters)
        for quantile in told.quantiles:
            truth = world.delay_s * np.exp(np.hypot(*world.delay_spread) * norm.ppf(quantile.share))
            found[f"delivery delay, {quantile.share:.0%} quantile"] = holds(quantile.estimate, float(truth))
        found[f"delay, share not alerted on after {AT_S:.0f} s"] = _point(campaign, world)
    return found


def _point(campaign: Campaign, world: World) -> bool:
    """Whether the curve's interval at a moment holds what is true then."""
    line = curve(campaign.times, campaign.events, campaign.clusters)
    at = int(np.searchsorted(line.times, AT_S, side="right")) - 1
    start = before_any(campaign.clusters)
    low, high = (start.low, start.high) if at < 0 else (line.low[at], line.high[at])
    scale = float(np.hypot(*world.delay_spread))
    truth = 1 - world.sensitivity * float(ndtr(np.log(AT_S / world.delay_s) / scale))
    return bool(low - 1e-6 <= truth <= high + 1e-6)


def names(random: Generator, world: World) -> Held:
    """What alerts name: the share of steps with a wrong name, and how often names would be right by luck."""
    wrong, luck = random.uniform(0.05, 0.95), random.uniform(0.02, 0.5)
    places = random.random((world.techniques, 2))
    per = random.integers(world.steps[0], world.steps[1] + 1, size=world.techniques)
    of_step = np.repeat(np.arange(world.techniques), per)
    seen = answers(
        random, beta_of(places[:, 0], world.sensitivity, world.spread)[of_step], world.repetitions, world.flakiness
    )
    off = answers(random, beta_of(places[:, 1], wrong, world.spread)[of_step], world.repetitions, world.flakiness)
    found: Held = {"wrong technique named": holds(wrong_share(_verdicts(of_step, seen, off, None)), wrong)}
    named = random.random((world.techniques, world.techniques)) < _eager(random, world, luck)
    return found | {"right by luck of naming": holds(naming_luck(_verdicts(of_step, seen, off, named)), luck)}


def _eager(random: Generator, world: World, luck: float) -> Floats:
    """(named on, named): chance of each pair; some steps draw many names, and some names are given everywhere."""
    count = world.techniques
    rows, columns = random.standard_normal((count, 1)), random.standard_normal((1, count))
    scores = np.sqrt(0.3) * rows + np.sqrt(0.4) * columns + np.sqrt(0.3) * random.standard_normal((count, count))
    return beta_of(ndtr(scores), luck, world.spread)


def _verdicts(
    of_step: NDArray[np.intp], seen: NDArray[np.bool_], off: NDArray[np.bool_], named: NDArray[np.bool_] | None
) -> list[Any]:
    """What the two measures read of verdicts: one wrong name where `off`, or the names of the technique."""
    techniques = [f"T{1000 + i}" for i in range(int(of_step.max()) + 1)]
    told = []
    for step, technique in enumerate(of_step.tolist()):
        others = (
            () if named is None else tuple(techniques[i] for i in np.flatnonzero(named[technique, : len(techniques)]))
        )
        for repetition in range(seen.shape[1]):
            hit = bool(seen[step, repetition])
            wrong = others if named is not None else ("T9999",) if off[step, repetition] else ()
            told.append(
                SimpleNamespace(
                    kind=StepKind.MALICIOUS, technique=techniques[technique], step_id=f"s{step}",
                    evidence_kind="pid" if hit else None, alerts=("a",) if hit else (), applicable=True,
                    wrong_techniques=wrong if hit else (), category=Category.TECHNIQUE if hit else None,
                    outcome=Outcome.ALERTED if hit else Outcome.MISSED,
                )
            )  # fmt: skip
    return told


def amount(random: Generator, world: World) -> Held:
    """How many alerts there are an hour, false ones and all, and how many of them fit several steps."""
    campaign = draw(random, world)
    ledger, size = campaign.ledger, world.techniques
    seconds = [world.hours * 3600] * world.repetitions
    placebo = np.bincount(
        ledger.repetition[ledger.placebo] - 1, weights=ledger.alerts[ledger.placebo], minlength=world.repetitions
    ).astype(int)
    apart = [int(one) for one in campaign.noise + placebo]
    attacks, twins = (
        ledger.by_cluster(rows, ledger.alerts.astype(float))[0][:size, 0] for rows in (ledger.malicious, ledger.benign)
    )
    per_trial = world.techniques * (world.steps[0] + world.steps[1]) / 2
    alone = world.noise_per_hour * world.hours + world.placebos * world.chance
    false = alone + per_trial * world.false_alarms
    every = false + per_trial * world.sensitivity * (1 + world.duplicates)
    share = random.uniform(0.05, 0.95)
    chances = beta_of(random.random(size), share, world.spread)
    several = answers(random, chances[ledger.cluster[ledger.malicious]], 1, 0.0)[:, 0] * ledger.alerts[ledger.malicious]
    fits = np.bincount(ledger.cluster[ledger.malicious], weights=several, minlength=size)
    told = [
        Tally(unattributed=int(campaign.noise.sum()), of_step=_counts(attacks - fits), fits=_counts(fits)),
        Tally(of_step={f"twin-{i}": int(number) for i, number in enumerate(twins)}),
        Tally(of_step={"idle": int(placebo.sum())}),
    ]
    techniques = {f"{kind}-{i}": f"T{1000 + i}" for i in range(size) for kind in ("step", "twin")}
    return {
        "false alarms an hour, twins included": holds(per_hour(apart, seconds, twins), false / world.hours),
        "alerts an hour": holds(per_hour(apart, seconds, attacks + twins), every / world.hours),
        "ambiguous alerts": holds(ambiguous_share(told, techniques), share * (every - false) / every),
    }


def _counts(alerts: Floats) -> dict[str, int]:
    return {f"step-{i}": int(number) for i, number in enumerate(alerts)}
