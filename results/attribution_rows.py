"""Attributions as rows of `attributions.parquet`, made by column; `results.records.Attribution` says what they mean."""

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results.attribution import STATUSES, Attributor, Claims
from results.columns import Batch
from results.intervals import Ints
from results.irregular import Irregular
from results.pointers import CONTAINER, EVIDENCE, NODE, PAIRS, PARENT_PID, PID, TEXTS, TIME
from results.records import Attribution, Kind
from results.store import arrow_columns

NAMES = {"file": "file", "url": "url", "user": "user"}
"""Evidence -> what it is called in `matched`; addresses are all called `connection`."""


def rows_of(
    batch: Batch, claims: Claims, attributor: Attributor, moments: Ints, irregular: Ints, trial_id: str, alert: bool
) -> pa.Table:
    """The attributions of a batch.

    Args:
        batch: of observations.
        claims: what became of them.
        attributor: that made the claims.
        moments: when each observation is placed.
        irregular: `Irregular` flags of each, those about times and about names.
        trial_id: their trial.
        alert: False for telemetry.
    """
    names = attributor.names
    kinds = np.array([list(Kind).index(kind) for _name, kind in EVIDENCE] + [-1], dtype=np.int64)
    correlated: dict[int, list[str]] = {}
    for row, step, _number in claims.more:
        correlated.setdefault(row, []).append(names[step])
    columns = {
        "trial_id": _coded(np.zeros(batch.size, dtype=np.int64), [trial_id]),
        "observation_id": batch.ids,
        "alert": pa.array(np.full(batch.size, alert)),
        "status": _coded(claims.status, [status.value for status in STATUSES]),
        "step_id": _coded_of(claims.step, names),
        "kind": _coded(kinds[claims.evidence], [kind.value for kind in Kind]),
        "candidates": _cases(claims, names),
        "matched": _matched(batch, claims, attributor, moments),
        "meets_criteria": pa.array(claims.meets),
        "correlated": _lists(batch.size, correlated),
        "irregular": _flags(irregular),
    }
    order = arrow_columns(Attribution)
    return pa.table({name: columns[name] for name in order})


def _coded(codes: Ints, texts: Sequence[str]) -> pa.DictionaryArray:
    """A text column of few distinct texts; -1 is none."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, type=pa.string()))


def _coded_of(codes: Ints, texts: Sequence[str]) -> pa.DictionaryArray:
    """The same of many texts, of which a batch hardly uses any."""
    used, place = np.unique(codes, return_inverse=True)
    first = int(np.searchsorted(used, 0))
    return _coded(place - first, [texts[one] for one in used[first:].tolist()])


def _lists(size: int, of: dict[int, list[str]]) -> pa.DictionaryArray:
    """A column of lists as JSON text, nearly all of them empty."""
    texts: dict[str, int] = {"[]": 0}
    codes = np.zeros(size, dtype=np.int64)
    for row, names in of.items():
        codes[row] = texts.setdefault(json_text(names), len(texts))
    return _coded(codes, list(texts))


def _cases(claims: Claims, names: Sequence[str]) -> pa.DictionaryArray:
    """What `_lists` would make of the steps that fitted each row; written out once for all rows alike."""
    texts: dict[str, int] = {"[]": 0}
    each = [texts.setdefault(json_text([names[step] for step in steps]), len(texts)) for steps in claims.cases]
    return _coded(np.array([*each, 0], dtype=np.int64)[claims.case], list(texts))


def _flags(irregular: Ints) -> pa.DictionaryArray:
    distinct, codes = np.unique(irregular, return_inverse=True)
    texts = [
        json_text([flag.name.lower() for flag in Irregular if flag & one and flag.name]) for one in distinct.tolist()
    ]
    return _coded(codes.astype(np.int64), texts)


def _matched(batch: Batch, claims: Claims, attributor: Attributor, moments: Ints) -> pa.Array:
    """The values that matched, as JSON text."""
    pool, codes, size = [pa.array(["{}"])], np.zeros(batch.size, dtype=np.int64), 1
    for number in np.unique(claims.evidence[claims.evidence >= 0]).tolist():
        rows = np.flatnonzero(claims.evidence == number)
        if number == TIME:
            texts, which = _time_texts(batch, attributor, moments, rows), np.arange(len(rows))
        else:
            texts, which = _value_texts(batch, number, rows)
        pool.append(texts)
        codes[rows] = which + size
        size += len(texts)
    return pa.concat_arrays(pool).take(pa.array(codes))


def _value_texts(batch: Batch, number: int, rows: Ints) -> tuple[pa.Array, Ints]:
    """One text for each distinct value of a kind of evidence, and which of them each row has."""
    name = EVIDENCE[number][0]
    if number in (PID, PARENT_PID):
        distinct, which = np.unique(batch.numbers(name)[0][rows], return_inverse=True)
        digits = pc.binary_join_element_wise('"', pc.cast(pa.array(distinct), pa.string()), '"', "")
        return _objects(name, digits), which.astype(np.int64)
    if number in PAIRS:
        addresses, ports = batch.codes(TEXTS[PAIRS[number]]), batch.numbers("destination_port")[0]
        distinct, which = np.unique(addresses.codes[rows] * 2**17 + ports[rows], return_inverse=True)
        texts = [f"{addresses.texts[pair >> 17]}:{pair & (2**17 - 1)}" for pair in distinct.tolist()]
        shown = "connection"
    else:
        coded = batch.codes({CONTAINER: "container_id", NODE: "node"}.get(number) or TEXTS[number])
        distinct, which = np.unique(coded.codes[rows], return_inverse=True)
        texts = [coded.texts[one] for one in distinct.tolist()]
        shown = name if number in (CONTAINER, NODE) else NAMES.get(name, "connection")
    return _objects(shown, pa.array([json_text(text) for text in texts], pa.string())), which.astype(np.int64)


def _objects(name: str, values: pa.Array) -> pa.Array:
    """`{"name":value}` for each value, which is JSON: put together here, as thousands of dictionaries take long."""
    return pc.binary_join_element_wise(f"{{{json_text(name)}:", values, "}", "")


def _time_texts(batch: Batch, attributor: Attributor, moments: Ints, rows: Ints) -> pa.Array:
    """`{"node":…,"time_ns":…}`, without the node where none is named."""
    nodes = batch.codes("node")
    known = [attributor.node_of(text) for text in nodes.texts]
    heads = pa.array(
        ['{"time_ns":"', *(f'{{"node":{json_text(n)},"time_ns":"' if n else '{"time_ns":"' for n in known)]
    )
    head = heads.take(pa.array(nodes.codes[rows] + 1))
    return pc.binary_join_element_wise(head, pc.cast(pa.array(moments[rows]), pa.string()), '"}', "")


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
"""Made once: `json.dumps` makes one for each text."""


def json_text(value: object) -> str:
    """As the store writes what is nested."""
    return _ENCODER.encode(value)
