"""What counts for each step of a trial: gathered by column from the claims, handed to the verdicts step by step."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from results.attribution import ATTRIBUTED, Claims
from results.columns import Batch
from results.intervals import Ints
from results.irregular import Irregular
from results.pointers import EVIDENCE, TIME
from results.quality import Times
from results.records import Action, Kind

TELEMETRY_SHOWN = 20


@dataclass(frozen=True)
class Said:
    """What counted alerts named, once for each distinct way of saying it."""

    techniques: str
    """JSON list, as the product spelt them."""
    tactics: str
    by_time: bool
    """Attributed by time alone."""


@dataclass(frozen=True)
class StepEvidence:
    """All that speaks for a step."""

    alerts: tuple[str, ...] = ()
    """Ids of the alerts that count, by their time."""
    said: tuple[Said, ...] = ()
    blocked: bool = False
    """One of them says that the product blocked."""
    shared: bool = False
    """Each of them counts for other steps, too."""
    alert_kind: Kind | None = None
    """Strongest evidence among them."""
    first_ns: int | None = None
    """The product's own time of the first of them that has one."""
    first_received_ns: int | None = None
    earliest_receipt_ns: int | None = None
    """Receipt of the first that came, whether it has a time of its own or not."""
    telemetry: tuple[str, ...] = ()
    """Ids of the first telemetry records that hold its minimum evidence."""
    telemetry_kind: Kind | None = None


COLUMNS = ("step", "moment", "own", "received", "timed", "evidence", "blocked", "shared", "techniques", "tactics")


@dataclass
class Counting:
    """Gathers the rows that count, batch by batch."""

    alert: bool
    _parts: list[dict[str, Ints]] = field(default_factory=list)
    _ids: list[pa.Array] = field(default_factory=list)
    _texts: dict[str, int] = field(default_factory=dict)

    def add(self, batch: Batch, claims: Claims, times: Times) -> None:
        """Take a batch's alerts that name the step's process or object, or hold its criteria; or its telemetry.

        What repeats an earlier record counts for nothing more.
        """
        place = slice(batch.first, batch.first + batch.size)
        fresh = (times.irregular[place] & Irregular.REPEATED) == 0
        counts = claims.meets | ((claims.evidence != TIME) if self.alert else False)
        rows = np.flatnonzero((claims.status == ATTRIBUTED) & counts & fresh)
        more = [one for one in claims.more if fresh[one[0]]] if self.alert else []
        besides = np.array(more, dtype=np.int64).reshape(-1, 3)
        shared = np.isin(rows, besides[:, 0])
        rows, steps = np.concatenate((rows, besides[:, 0])), np.concatenate((claims.step[rows], besides[:, 1]))
        self._ids.append(batch.ids.take(pa.array(rows)))
        self._parts.append(
            {
                "step": steps,
                "moment": times.moment[place][rows],
                "own": times.moment[place][rows],
                "received": times.received[place][rows],
                "timed": times.timed[place][rows].astype(np.int64),
                "evidence": np.concatenate((claims.evidence[rows[: len(shared)]], besides[:, 2])),
                "blocked": self._is(batch, "action", Action.BLOCKED.value)[rows],
                "shared": np.concatenate((shared, np.ones(len(besides), dtype=bool))).astype(np.int64),
                "techniques": self._numbered(batch, "techniques")[rows],
                "tactics": self._numbered(batch, "tactics")[rows],
            }
        )

    def steps(self) -> dict[int, StepEvidence]:
        """Step -> its evidence; steps without any are left out."""
        if not self._parts:
            return {}
        rows = {name: np.concatenate([part[name] for part in self._parts]) for name in COLUMNS}
        order = np.lexsort((rows["moment"], rows["step"])) if self.alert else np.argsort(rows["step"], kind="stable")
        rows = {name: values[order] for name, values in rows.items()}
        ids = pa.concat_arrays(self._ids).take(pa.array(order))
        steps, first = np.unique(rows["step"], return_index=True)
        bounds = [*first.tolist(), len(order)]
        if not self.alert:
            return self._telemetry(steps, bounds, rows, ids)
        return self._alerts(steps, bounds, rows, ids) if len(steps) else {}

    def _telemetry(
        self, steps: Ints, bounds: Sequence[int], rows: dict[str, Ints], ids: pa.Array
    ) -> dict[int, StepEvidence]:
        found = {}
        for step, low, high in zip(steps.tolist(), bounds[:-1], bounds[1:], strict=True):
            kind = EVIDENCE[int(rows["evidence"][low:high].min())][1]
            shown = tuple(ids.slice(low, min(TELEMETRY_SHOWN, high - low)).to_pylist())
            found[step] = StepEvidence(telemetry=shown, telemetry_kind=kind)
        return found

    def _alerts(
        self, steps: Ints, bounds: Sequence[int], rows: dict[str, Ints], ids: pa.Array
    ) -> dict[int, StepEvidence]:
        first = np.array(bounds[:-1])
        blocked = np.logical_or.reduceat(rows["blocked"] > 0, first).tolist()
        shared = np.logical_and.reduceat(rows["shared"] > 0, first).tolist()
        strongest = np.minimum.reduceat(rows["evidence"], first).tolist()
        came = np.minimum.reduceat(rows["received"], first).tolist()
        said = self._said(rows)
        timed = np.flatnonzero(rows["timed"])
        has_time, place = np.unique(rows["step"][timed], return_index=True)
        own = dict(zip(has_time.tolist(), timed[place].tolist(), strict=True))
        listed = ids.to_pylist()
        found = {}
        for number, step in enumerate(steps.tolist()):
            at = own.get(step)
            found[step] = StepEvidence(
                alerts=tuple(listed[bounds[number] : bounds[number + 1]]),
                said=tuple(said[step]),
                blocked=blocked[number],
                shared=shared[number],
                alert_kind=EVIDENCE[strongest[number]][1],
                first_ns=None if at is None else int(rows["own"][at]),
                first_received_ns=None if at is None else int(rows["received"][at]),
                earliest_receipt_ns=came[number],
            )
        return found

    def _said(self, rows: dict[str, Ints]) -> dict[int, list[Said]]:
        """Step -> the distinct ways in which its alerts name techniques and tactics."""
        width = len(self._texts) + 1
        by_time = (rows["evidence"] == TIME).astype(np.int64)
        ways = (rows["techniques"] * width + rows["tactics"]) * 2 + by_time
        distinct, way = np.unique(ways, return_inverse=True)
        pairs = np.unique(rows["step"] * len(distinct) + way)
        texts = list(self._texts)
        found: dict[int, list[Said]] = {}
        for pair in pairs.tolist():
            one = int(distinct[pair % len(distinct)])
            said = Said(texts[one // 2 // width], texts[one // 2 % width], bool(one % 2))
            found.setdefault(pair // len(distinct), []).append(said)
        return found

    def _numbered(self, batch: Batch, name: str) -> Ints:
        """A text column as numbers that hold for all batches."""
        coded = batch.codes(name)
        empty = self._texts.setdefault("[]", len(self._texts))
        return coded.of([self._texts.setdefault(text, len(self._texts)) for text in coded.texts], empty)

    @staticmethod
    def _is(batch: Batch, name: str, value: str) -> Ints:
        coded = batch.codes(name)
        return coded.of([int(text == value) for text in coded.texts], 0)
