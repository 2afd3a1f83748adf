"""Times and names that can't be right: each kind has a rule and a count, and none stops the scoring.

| found | rule |
| --- | --- |
| out of order | attribution goes by an observation's own time; the order of arrival decides nothing |
| repeated (same component, own time, bytes) | the first counts for a verdict, the others are attributed and counted |
| in the future (after its receipt and two seconds) | its time is not believed: placed by its receipt, no latency |
| without time (none, zero, or unreadable) | placed by its receipt, no latency |
| wrong zone (off by whole half hours, see `_zones`) | the offset is taken off |
| before the trial began, and no zone explains it | its time is believed; no step can have caused it |
| pid that processes of several steps had | the process that lived then |
| a process in no node of the trial (other work on the host) | counts for nothing, and in no other row of this table |
| a container that never was | never attributed by time and node; its process or object may still point at a step |
| technique misspelt, revoked, unknown | mended; followed; names nothing and counts as wrong (`results.techniques`) |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from results.columns import BATCH_ROWS, Batch, batches, hash_words, rows_in
from results.intervals import Bools, Ints
from results.irregular import DataQuality, Irregular
from results.records import Trial

Tiny = npt.NDArray[np.int8]
NANO = 1_000_000_000
SLACK_NS = 2 * NANO
"""By so much a product may round its times up, or begin before the trial's first line."""
HALF_HOUR_NS = 1800 * NANO
FARTHEST = 28
"""Half hours that two time zones can lie apart."""
DELIVERY_NS = 30 * NANO
"""Beyond the declared latency, a record with a right time is delivered within this."""
MAJORITY = 0.9
"""Share of a component's timed records that must be off by the same half hours."""
NAMES = ("component", "time_ns", "received_ns", "raw_sha256")


@dataclass(frozen=True)
class Times:
    """For each observation of a file, in the order of arrival."""

    moment: Ints
    """When it is placed: its own time if that is believed, else its receipt (UTC ns)."""
    timed: Bools
    """Its own time is believed."""
    received: Ints
    irregular: Ints
    """`Irregular` flags, those about times."""
    zones_s: dict[str, int]


def times_of(path: Path, trial: Trial) -> Times:
    """When each observation of a file is placed, by the rules above.

    Raises:
        EvaluationError: the file is damaged.
    """
    rows = _read(path, int(trial.latency_s * NANO) + DELIVERY_NS)
    size = len(rows.own)
    irregular = np.where(repeated(rows.own, rows.given, rows.words, rows.components), int(Irregular.REPEATED), 0)
    shift, zones = _zones(rows, trial.started_ns)
    timed = np.zeros(size, dtype=bool)
    latest = np.full(len(rows.names), np.iinfo(np.int64).min)
    for first in range(0, size, BATCH_ROWS):
        _place(rows, slice(first, first + BATCH_ROWS), shift, trial.started_ns, timed, irregular, latest)
    return Times(rows.own, timed, rows.received, irregular, zones)


def _place(rows: "_Columns", part: slice, shift: Tiny, began: int, timed: Bools, irregular: Ints, latest: Ints) -> None:
    """Fill in where some rows are placed, and what is irregular about it; a part at a time stays in the cache.

    Args:
        rows: the columns, of which `own` becomes when each row is placed.
        part: which rows.
        shift: half hours to be added to each own time.
        began: the trial (UTC ns).
        timed: filled in.
        irregular: flags are added.
        latest: component -> the latest own time before; brought up to date.
    """
    own, given, received, components = (one[part] for one in (rows.own, rows.given, rows.received, rows.components))
    flags = irregular[part]
    flags[~given] |= Irregular.WITHOUT_TIME
    moved = np.flatnonzero(shift[part])
    own[moved] += shift[part][moved].astype(np.int64) * HALF_HOUR_NS
    flags[moved] |= Irregular.WRONG_ZONE
    future = given & (own > received + SLACK_NS)
    flags[future] |= Irregular.FUTURE
    believed = given & ~future
    flags[believed & (own < began - SLACK_NS)] |= Irregular.STALE
    for component in range(len(latest)):
        mine = np.flatnonzero(believed & (components == component))
        if not len(mine):
            continue
        so_far = np.maximum(np.maximum.accumulate(own[mine]), latest[component])
        flags[mine[own[mine] < so_far]] |= Irregular.OUT_OF_ORDER
        latest[component] = so_far[-1]
    own[~believed] = received[~believed]
    timed[part] = believed


def counted(flags: Ints, techniques: Mapping[str, int], zones_s: Mapping[str, int]) -> DataQuality:
    """The record of a file.

    Args:
        flags: `Irregular` of each observation. What is `OUTSIDE` counts as that alone.
        techniques: `misspelt`, `revoked`, `unknown` -> number of observations that name such a technique.
        zones_s: as in `Times`.
    """
    numbers = {flags: number for flags, number in enumerate(np.bincount(flags).tolist()) if number}
    found = {
        flag.name.lower(): sum(
            number
            for flags, number in numbers.items()
            if flags & flag and (flag is Irregular.OUTSIDE or not flags & Irregular.OUTSIDE)
        )
        for flag in Irregular
        if flag.name
    }
    named = {f"{fault}_technique": techniques.get(fault, 0) for fault in ("misspelt", "revoked", "unknown")}
    return DataQuality.model_validate({"observations": len(flags), "zones_s": dict(zones_s)} | found | named)


def repeated(own: Ints, given: Bools, words: Ints, components: Ints) -> Bools:
    """Rows that say what an earlier one said: same component, own time and bytes. Without a time none does."""
    mixed = own.view(np.uint64) * np.uint64(0xD1B54A32D192ED03)
    mixed ^= words.view(np.uint64)
    if components.any():
        mixed ^= components.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    found = np.zeros(len(own), dtype=bool)
    ranked = np.sort(mixed)  # many times faster than to rank the rows, and hardly any says anything again
    again = np.unique(ranked[1:][ranked[1:] == ranked[:-1]])
    if not len(again):
        return found
    rows = np.flatnonzero(again[np.minimum(np.searchsorted(again, mixed), len(again) - 1)] == mixed)
    rows = rows[np.argsort(mixed[rows], kind="stable")]
    before, after = rows[:-1], rows[1:]
    same = (mixed[before] == mixed[after]) & (own[before] == own[after]) & given[before] & given[after]
    found[after[same & (components[before] == components[after])]] = True
    return found


@dataclass(frozen=True)
class _Columns:
    """What a file says of times, row by row."""

    own: Ints
    given: Bools
    received: Ints
    words: Ints
    """64 bits of the hash of each raw record."""
    components: Ints
    """Places among `names`; -1 for none."""
    off: Tiny
    """Whole half hours between own time and receipt, if nothing else lies between them but a delivery; else 0."""
    names: list[str]


def _read(path: Path, patience: int) -> _Columns:
    """Batch by batch into columns made once: a copy of millions of rows costs more than what is done with it."""
    size = rows_in(path)
    own, received, words, components = (np.zeros(size, dtype=np.int64) for _column in range(4))
    given, off = np.zeros(size, dtype=bool), np.zeros(size, dtype=np.int8)
    names: dict[str, int] = {}
    for batch in batches(path, NAMES):
        place = slice(batch.first, batch.first + batch.size)
        own[place], given[place] = batch.numbers("time_ns")
        given[place] &= own[place] != 0
        received[place] = batch.numbers("received_ns")[0]
        coded = batch.codes("component")
        components[place] = coded.of([names.setdefault(text, len(names)) for text in coded.texts], -1)
        words[place] = hash_words(batch.rows.column("raw_sha256")).view(np.int64)
        off[place] = np.where(given[place], _half_hours(own[place], received[place], patience), 0)
    return _Columns(own, given, received, words, components, off, list(names))


def _half_hours(own: Ints, received: Ints, patience: int) -> Ints:
    """Whole half hours between two times, give or take the delivery; 0 where there is more between them."""
    late = received - own
    steps = np.floor_divide(late + SLACK_NS, HALF_HOUR_NS)
    fits = (np.abs(steps) <= FARTHEST) & (late - steps * HALF_HOUR_NS <= min(patience, HALF_HOUR_NS // 2))
    return np.where(fits, steps, 0)


def _zones(rows: _Columns, began: int) -> tuple[Tiny, dict[str, int]]:
    """By how many half hours each own time is off.

    A component that is off by the same half hours in nine of ten records is off by them in all. Apart from that, one
    record is, if its own time can't be: before the trial began, or after its receipt.

    Returns:
        How many half hours to add to each own time, and component -> seconds, where all of it is off.
    """
    shift = np.zeros(len(rows.own), dtype=np.int8)
    some = np.flatnonzero(rows.off)
    if not len(some):
        return shift, {}
    own = rows.own[some]
    impossible = (own < began - SLACK_NS) | (own > rows.received[some] + SLACK_NS)
    shift[some[impossible]] = rows.off[some[impossible]]
    zones: dict[str, int] = {}
    for component, name in enumerate(rows.names):
        values, numbers = np.unique(rows.off[some[rows.components[some] == component]], return_counts=True)
        if not len(values):
            continue
        mine = rows.given & (rows.components == component)
        most = int(np.argmax(numbers))
        if numbers[most] >= MAJORITY * np.count_nonzero(mine):
            shift[mine] = values[most]
            zones[name] = int(values[most]) * HALF_HOUR_NS // NANO
    return shift, zones


def unknown_nodes(batch: Batch, known: Mapping[str, object]) -> Bools:
    """Rows that name a container (12 to 64 hexadecimal digits) that the trial never had."""
    coded = batch.codes("node")
    return coded.of([int(looks_like_container(text) and text not in known) for text in coded.texts], 0).astype(bool)


def looks_like_container(text: str) -> bool:
    """Whether a node's name is a container's id, whole or short."""
    return 12 <= len(text) <= 64 and all(letter in "0123456789abcdef" for letter in text)
