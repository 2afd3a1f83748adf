"""Everything that scoring measures about the arms of a campaign, from verdicts and counts alone.

Scoring calls `assess` once; nothing here reads a file.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from results.chains import chain, chain_line, objective_of
from results.claims import claim_lines
from results.comparison import compare, ruled
from results.contrasts import Comparison
from results.costs import Usage, cores_used, costs, never_counted, usage
from results.grid import make_grids
from results.latency import clock_offset, delays, watched_s
from results.ledger import Address, Ledger, clusters_of, make_ledger
from results.measures import ArmMeasures, Chain
from results.metrics import (
    chance_share,
    clustered,
    left_alone_share,
    likeness,
    rate_lines,
    sensitivity,
    technique_lines,
    twins_alerted,
    youden,
)
from results.overhead import slow_down
from results.records import Campaign, Rate, ResourceSample, StepExecution, Trial, TrialStatus, Verdict
from results.stability import stability
from results.stopping import by_rule
from results.summary import Latency, RateLine
from results.volume import Tally, ambiguous_share, false_positives_per_hour, volume


@dataclass(frozen=True)
class TrialRows:
    """One trial as it is measured."""

    arm_key: str
    trial: Trial
    steps: Sequence[StepExecution]
    verdicts: Sequence[Verdict]
    tally: Tally
    resources: Sequence[ResourceSample] = ()
    canaries: Sequence[tuple[int | None, int]] = ()
    """(own time, receipt) of each alert on a canary, in ns."""


@dataclass(frozen=True)
class Assessment:
    """What was measured about one arm; for the control only its ledger, chance and twins say anything."""

    ledger: Ledger
    rates: tuple[RateLine, ...]
    twins_alerted: Rate
    chance: Rate
    ambiguous: Rate
    latency: Latency
    measures: ArmMeasures | None


def assess(trials: Sequence[TrialRows], common: Collection[Address]) -> dict[str, Assessment]:
    """Measure every arm.

    Args:
        trials: all of the campaign, controls too.
        common: the step executions that are valid for every arm, and that every arm's class can see.

    Returns:
        Arm key -> what was measured, in the order of the trials.
    """
    cluster_of = clusters_of([one.steps for one in trials])
    controls = {
        one.trial.seed: usage(one.resources, one.trial.node_names) for one in trials if one.trial.product is None
    }
    objective = objective_of([one.steps for one in trials])
    uncounted = never_counted(one.resources for one in trials)
    undisturbed = {one.trial.seed: one.steps for one in trials if one.trial.product is None}
    arms: dict[str, list[TrialRows]] = {}
    for one in trials:
        arms.setdefault(one.arm_key, []).append(one)
    return {
        key: _assess_arm(ones, common, cluster_of, controls, objective, uncounted, undisturbed)
        for key, ones in arms.items()
    }


def contrast(campaign: Campaign, trials: Sequence[TrialRows], assessed: Mapping[str, Assessment]) -> Comparison | None:
    """Compare the arms that have a verdict that is not blank; None for fewer than two."""
    ledgers = {
        arm: one.ledger for arm, one in assessed.items() if one.measures is not None and one.ledger.applicable.any()
    }
    watched = {
        one.trial.trial_id: watched_s(one.trial, one.steps)
        for one in trials
        if one.trial.status is TrialStatus.COMPLETED
    }
    found = compare(ledgers, watched, {arm: cores(assessed[arm]) for arm in ledgers})
    if found is None or campaign.stopping is None:
        return found
    sealed = {one.trial.trial_id for one in trials}
    return ruled(found, by_rule(campaign, campaign.stopping, sealed, make_grids(ledgers)))


def cores(one: Assessment) -> float | None:
    """CPU cores that an arm uses, see `results.costs.cores_used`."""
    return cores_used(one.measures.costs) if one.measures else None


def _assess_arm(
    ones: Sequence[TrialRows],
    common: Collection[Address],
    cluster_of: Mapping[str, str],
    controls: Mapping[int, Usage],
    objective: str | None,
    uncounted: frozenset[str],
    undisturbed: Mapping[int, Sequence[StepExecution]],
) -> Assessment:
    repetitions = {one.trial.trial_id: one.trial.repetition for one in ones}
    ledger = make_ledger([v for one in ones for v in one.verdicts], repetitions, cluster_of, common)
    chance = chance_share(ledger)
    ambiguous = ambiguous_share([one.tally for one in ones], cluster_of)
    if ones[0].trial.product is None:
        return Assessment(ledger, (), twins_alerted(ledger), chance, ambiguous, Latency.empty(), None)
    measures = _measures(ledger, ones, cluster_of, controls, objective, uncounted, undisturbed)
    product, delivery = measures.delays.product, measures.delays.delivery
    latency = Latency(
        detected=product.events,
        censored=product.censored,
        median_s=product.quantiles[0].estimate.value,
        fastest_s=product.fastest_s,
        slowest_s=product.slowest_s,
        delivery_median_s=delivery.quantiles[0].estimate.value,
        untimed=product.untimed,
    )
    rates = rate_lines(ledger, chance)
    return Assessment(ledger, rates, twins_alerted(ledger), chance, ambiguous, latency, measures)


def _measures(
    ledger: Ledger,
    ones: Sequence[TrialRows],
    cluster_of: Mapping[str, str],
    controls: Mapping[int, Usage],
    objective: str | None,
    uncounted: frozenset[str],
    undisturbed: Mapping[int, Sequence[StepExecution]],
) -> ArmMeasures:
    judged = [one for one in ones if one.trial.status is TrialStatus.COMPLETED]
    counted = [(one.trial, one.steps, one.tally) for one in judged]
    j, accuracy = youden(ledger)
    return ArmMeasures(
        specificity=left_alone_share(ledger),
        false_positives_per_hour=false_positives_per_hour(counted, cluster_of),
        sensitivity=sensitivity(ledger),
        beyond_class=_beyond_class(ledger),
        youden_j=j,
        balanced_accuracy=accuracy,
        techniques=technique_lines(ledger),
        volume=volume(ledger, counted, cluster_of),
        delays=delays(
            ledger,
            {one.trial.trial_id: watched_s(one.trial, one.steps) for one in judged},
            clock_offset((one.trial.canaries, one.canaries) for one in judged),
        ),
        chain=_chain(ledger, judged, objective),
        costs=costs(
            [(one.trial.seed, one.resources, tuple(one.trial.node_names)) for one in judged], controls, uncounted
        ),
        slow_down=slow_down(
            (one.steps, undisturbed[one.trial.seed]) for one in judged if one.trial.seed in undisturbed
        ),
        stability=stability(ledger),
        claims=claim_lines(
            ones[0].trial.claims,
            ledger.verdicts,
            likeness(ledger, ledger.malicious & ledger.applicable, ledger.metric("detected")),
        ),
    )


def _beyond_class(ledger: Ledger) -> Rate:
    """What it saw of the valid malicious executions that its class can't see by its declaration."""
    hits, n = ledger.by_cluster(ledger.malicious & ledger.valid & ~ledger.applicable, ledger.metric("visible"))
    return clustered(hits, n)[0]


def _chain(ledger: Ledger, judged: Sequence[TrialRows], objective: str | None) -> Chain:
    lines = [chain_line(one.trial, one.steps, one.verdicts, objective) for one in judged]
    rows = ledger.malicious & ledger.valid & ~ledger.disrupted
    hits, n = ledger.by_cluster(rows, ledger.metric("detected"))
    return chain([line for line in lines if line is not None], objective, hits, n)
