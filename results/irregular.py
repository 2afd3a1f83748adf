"""What can be wrong with an observation, and the record of how often it was; the rules are `results.quality`'s."""

from enum import IntFlag

from results.records import Record


class Irregular(IntFlag):
    """What applied to one observation."""

    WITHOUT_TIME = 1
    FUTURE = 2
    WRONG_ZONE = 4
    STALE = 8
    REPEATED = 16
    OUT_OF_ORDER = 32
    UNKNOWN_NODE = 64
    PID_REUSED = 128
    OUTSIDE = 256


class DataQuality(Record):
    """Bad input in one trial's alerts, or in its telemetry: how many of them each rule of `results.quality` met."""

    observations: int
    outside: int = 0
    """Of these, about processes that ran in no node of the trial: other work on the engine host, not bad input.

    They are in none of the other counts. 0 in results of scorers before version 3, which did not count them apart.
    """
    out_of_order: int
    """Its own time lies before that of an earlier arrival of its component."""
    repeated: int
    """Byte for byte and to the nanosecond what came before."""
    future: int
    """Its own time lies after its receipt."""
    without_time: int
    wrong_zone: int
    """Its own time was off by whole half hours, which were taken off."""
    stale: int
    """Its own time lies before the trial."""
    pid_reused: int
    """It names a pid that processes of several steps had."""
    unknown_node: int
    """It names a container that the trial never had."""
    misspelt_technique: int
    revoked_technique: int
    unknown_technique: int
    zones_s: dict[str, int] = {}
    """Component -> seconds that were added to all its times."""
