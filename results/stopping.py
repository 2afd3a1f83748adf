"""Which pairs of arms a campaign's stopping rule has settled so far, from what is sealed and scored."""

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from results.contrasts import ByRule, RuleLine
from results.errors import EvaluationError
from results.grid import Grid, make_grids
from results.ledger import METRICS, clusters_of, make_ledger
from results.records import CONTROL, Campaign, Record, StoppingRule, Verdict
from results.sequential import Decision, Look, Rule, decide_all
from results.store import read_steps, read_trial, read_verdicts, sealed_trials

CAMPAIGN = "campaign.json"
"""Where a campaign's rule is."""


class Settled(Record):
    """A pair of arms that needs no further repetition."""

    first: str
    second: str
    repetition: int
    """After which it was settled."""
    reason: str
    p_value: float | None


def settled_pairs(folder: Path, arms: Sequence[str], metric: str, rule: Rule, done: int) -> tuple[Settled, ...]:
    """The pairs that are settled after the first repetitions.

    Args:
        folder: a scored campaign.
        arms: all that the campaign has; the level is shared among all of their pairs, whether they ran or not.
        metric: what they are compared by, one of `METRICS`.
        rule: as it was registered.
        done: how many repetitions are complete.

    Raises:
        EvaluationError: there is no such metric, or the rule makes no sense.
    """
    found = decisions(_grids(folder, arms), arms, metric, rule, done, str(folder / CAMPAIGN))
    return tuple(_settled(pair, decision) for pair, decision in found.items() if decision.stop)


def decisions(
    grids: Mapping[str, Grid], arms: Sequence[str], metric: str, rule: Rule, done: int, file: str
) -> dict[tuple[str, str], Decision]:
    """The decision that settled each pair, or the latest one; see `settled_pairs`. Empty before the first repetition.

    `file` is the one that holds the rule, for messages.
    """
    if metric not in METRICS:
        raise EvaluationError(
            f"{file}: stopping.metric: found {metric!r}; allowed: {', '.join(METRICS)}. Name one of these."
        )
    rule.checked(f"{file}: stopping")
    history: list[dict[tuple[str, str], Look]] = []
    found: dict[tuple[str, str], Decision] = {}
    for repetition in range(1, done + 1):
        history.append({pair: _look(grids, pair, metric, repetition) for pair in combinations(sorted(arms), 2)})
        for pair, decision in decide_all(history, rule).items():
            if not (pair in found and found[pair].stop):
                found[pair] = decision
    return found


def rule_of(alpha: float, smallest_difference: float, repetitions: int) -> Rule:
    """The rule of a campaign that looks after each repetition but the first."""
    return Rule(repetitions, alpha, smallest_difference, first_look=min(2, repetitions))


def by_rule(campaign: Campaign, wanted: StoppingRule, trials: Collection[str], grids: Mapping[str, Grid]) -> ByRule:
    """What a campaign's stopping rule says of every pair of its arms.

    Args:
        campaign: as it was begun.
        wanted: its rule.
        trials: ids of those that are sealed.
        grids: of the arms that have a verdict.
    """
    arms = sorted({trial.rpartition("-r")[0] for trial in campaign.trials} - {CONTROL})
    looks = campaign.repetitions
    rule = rule_of(wanted.alpha, wanted.smallest_difference, looks)
    done, found = 0, dict[tuple[str, str], Decision]()
    while done < looks:
        left = [arm for arm in arms if any(arm in pair and not one.stop for pair, one in found.items()) or not found]
        if not left or any(f"{arm}-r{done + 1}" not in trials for arm in left):
            break
        done += 1
        found = decisions(grids, arms, wanted.metric, rule, done, f"{campaign.campaign}/{CAMPAIGN}")
    lines = tuple(
        RuleLine(
            first=pair[0], second=pair[1], repetition=one.look, conclusion=one.conclusion, p_value=one.p_value,
            threshold=one.threshold, reason=one.reason,
        )
        for pair, one in found.items()
    )  # fmt: skip
    return ByRule(
        metric=wanted.metric, alpha=wanted.alpha, smallest_difference=wanted.smallest_difference, looks=looks,
        done=done, lines=lines,
    )  # fmt: skip


def _grids(folder: Path, arms: Sequence[str]) -> dict[str, Grid]:
    paths = sealed_trials(folder)
    trials = {path.name: read_trial(path) for path in paths}
    cluster_of = clusters_of([read_steps(path) for path in paths])
    arm_of = {name: f"{trial.product}-{trial.arm}" for name, trial in trials.items() if trial.product is not None}
    verdicts: dict[str, list[Verdict]] = {}
    for verdict in read_verdicts(folder):
        if arm_of.get(verdict.trial_id) in arms:
            verdicts.setdefault(arm_of[verdict.trial_id], []).append(verdict)
    repetitions = {name: trial.repetition for name, trial in trials.items()}
    ledgers = {arm: make_ledger(ours, repetitions, cluster_of, ()) for arm, ours in verdicts.items()}
    return make_grids(ledgers) if ledgers else {}


def _look(grids: Mapping[str, Grid], pair: tuple[str, str], metric: str, repetition: int) -> Look:
    """Two arms on the executions that are valid for both, in the first repetitions."""
    if not set(pair) <= set(grids):
        return Look((), (), ())
    a, b = grids[pair[0]], grids[pair[1]]
    early = np.arange(a.malicious.shape[1]) < repetition
    cells = a.rows(metric) & b.rows(metric) & early[None, :]
    first, second = a.values[metric] > 0, b.values[metric] > 0

    def sums(table: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> tuple[int, ...]:
        return tuple(int(value) for value in a.by_cluster(table.astype(np.float64), cells))

    return Look(sums(first & ~second), sums(second & ~first), sums(np.ones_like(first)))


def _settled(pair: tuple[str, str], decision: Decision) -> Settled:
    return Settled(
        first=pair[0], second=pair[1], repetition=decision.look, reason=decision.reason, p_value=decision.p_value
    )
