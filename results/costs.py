"""What a product costs: counters of its own containers, and what it adds to the nodes it runs in.

A counter of the disk that is 0 in every sample of every container of a whole campaign, the controls' too, was not
counted: kernels say 0 where they count nothing, and older records took that for an amount. Its cost is None, with that
reason; a 0 beside samples of the same campaign that hold more is an amount like any other.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from results.confidence import mean_limits, rounded
from results.measures import Cost, Estimate
from results.records import ResourceSample

NANO = 1_000_000_000
RESOURCES = {
    "cpu_seconds": "seconds", "cpu_cores": "cores", "memory_peak_bytes": "bytes", "memory_mean_bytes": "bytes",
    "disk_read_bytes": "bytes", "disk_write_bytes": "bytes", "network_in_bytes": "bytes",
    "network_out_bytes": "bytes",
}  # fmt: skip
DISK = ("disk_read_bytes", "disk_write_bytes")
COUNTERS = (*DISK, "network_in_bytes", "network_out_bytes")
OURS = ("intake",)
"""Containers of the evaluation beside a product's; they are not its cost."""
NEVER_COUNTED = "not counted: 0, or nothing, in every sample of every container of the campaign"
METHOD = "mean over trials with Student's interval"
Usage = dict[str, float]
"""Resource -> amount in one trial; a resource that was not counted is absent."""


def never_counted(trials: Iterable[Iterable[ResourceSample]]) -> frozenset[str]:
    """The counters of the disk that hold no byte anywhere in a campaign.

    Args:
        trials: the samples of every trial, controls too.
    """
    dead = set(DISK)
    for samples in trials:
        for sample in samples:
            dead -= {name for name in DISK if getattr(sample, name)}
        if not dead:
            break
    return frozenset(dead)


def usage(samples: Iterable[ResourceSample], names: Iterable[str]) -> Usage:
    """What the named containers used in one trial, all together."""
    wanted = set(names)
    by_name: dict[str, list[ResourceSample]] = {}
    for sample in samples:
        if sample.container in wanted:
            by_name.setdefault(sample.container, []).append(sample)
    total: Usage = {}
    for found in by_name.values():
        for resource, amount in _of_one(sorted(found, key=lambda one: one.time_ns)).items():
            total[resource] = total.get(resource, 0.0) + amount
    return total


def _of_one(samples: Sequence[ResourceSample]) -> Usage:
    first, last = samples[0], samples[-1]
    peaks = [one.memory_peak_bytes for one in samples if one.memory_peak_bytes is not None]
    found: Usage = {
        "memory_mean_bytes": float(np.mean([one.memory_bytes for one in samples])),
        "memory_peak_bytes": float(max([*peaks, *(one.memory_bytes for one in samples)])),
    }
    if last.time_ns > first.time_ns:
        found["cpu_seconds"] = last.cpu_s - first.cpu_s
        found["cpu_cores"] = (last.cpu_s - first.cpu_s) * NANO / (last.time_ns - first.time_ns)
        for name in COUNTERS:
            before, after = getattr(first, name), getattr(last, name)
            if before is not None and after is not None:
                found[name] = float(after - before)
    return found


def own_containers(samples: Iterable[ResourceSample], nodes: Iterable[str]) -> set[str]:
    """The product's own containers: all that are neither nodes nor ours."""
    known = set(nodes)
    return {
        sample.container
        for sample in samples
        if sample.container not in known and not sample.container.startswith(OURS)
    }


def costs(
    trials: Sequence[tuple[int, Sequence[ResourceSample], Sequence[str]]],
    controls: Mapping[int, Usage],
    uncounted: frozenset[str] = frozenset(),
) -> tuple[Cost, ...]:
    """Costs of one arm.

    Args:
        trials: (seed, samples, nodes) of each trial.
        controls: seed -> what the nodes used in the control with that seed.
        uncounted: what no trial of the campaign counted (`never_counted`).
    """
    own = [usage(samples, own_containers(samples, nodes)) for _seed, samples, nodes in trials]
    more = [_difference(usage(samples, nodes), controls[seed]) for seed, samples, nodes in trials if seed in controls]
    if not any(own) and not any(more):
        return ()
    return tuple(
        Cost(
            resource=resource,
            own=_estimate(_amounts(own, resource, uncounted), unit, _why_none(own, "own", resource in uncounted)),
            on_nodes=_estimate(
                _amounts(more, resource, uncounted), unit, _why_none(more, "nodes", resource in uncounted)
            ),
        )
        for resource, unit in RESOURCES.items()
    )


def cores_used(found: Iterable[Cost]) -> float | None:
    """CPU cores that an arm uses, in containers of its own and more on the nodes; None if neither was counted.

    Less on the nodes than in the control is noise and counts as nothing: no weight on cost may pay for it.
    """
    cores = next((cost for cost in found if cost.resource == "cpu_cores"), None)
    if cores is None or (cores.own.value is None and cores.on_nodes.value is None):
        return None
    return (cores.own.value or 0.0) + max(0.0, cores.on_nodes.value or 0.0)


def _difference(ours: Usage, control: Usage) -> Usage:
    return {name: amount - control[name] for name, amount in ours.items() if name in control}


def _amounts(found: Sequence[Usage], resource: str, uncounted: frozenset[str]) -> list[float]:
    return [] if resource in uncounted else [one[resource] for one in found if resource in one]


def _why_none(found: Sequence[Usage], of: str, uncounted: bool) -> str:
    if any(found):
        return NEVER_COUNTED if uncounted else "the kernel or the container's network did not count it"
    return "the product has no container of its own" if of == "own" else "no control with the same seed was counted"


def _estimate(values: Sequence[float], unit: str, why_none: str) -> Estimate:
    if not values:
        return Estimate(value=None, low=None, high=None, n=0, of="trials", unit=unit, method=METHOD, reason=why_none)
    value, low, high = mean_limits(np.array(values))
    return Estimate(
        value=rounded(value), low=rounded(low), high=rounded(high), n=len(values), of="trials", unit=unit,
        method=METHOD, reason="one trial has no spread" if low is None else None,
    )  # fmt: skip
