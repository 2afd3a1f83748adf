"""The collector: takes the lines of every source as they come, keeps what may be kept, counts the rest.

A product that floods costs a bounded amount of memory; the count stays true, and its canary is still found.
"""

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from environments.waiting import wait_for
from products.manifest import Source
from products.normalise import Normaliser, Skipped, Translate, Unreadable
from results.records import Observation, SourceCount

CAP = 50_000
"""Records kept a source."""
QUICK = 4
"""Characters a literal must have to be used for looking through lines beyond the cap."""


@dataclass
class _Counter:
    received: int = 0
    skipped: int = 0
    unreadable: int = 0
    dropped: int = 0
    kept: list[Observation] = field(default_factory=list)


@dataclass(frozen=True)
class _Expected:
    kind: str
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    hint: bytes

    def is_met(self, observation: Observation) -> bool:
        return all(pattern.search(_value(observation, name)) for name, pattern in self.patterns)


class Collector:
    """Collects one trial's observations. Every method may be called from any thread."""

    def __init__(self, sources: Sequence[tuple[str, Source]], translate_pid: Translate, cap: int = CAP) -> None:
        """Collect from sources, each with `alerts` or `telemetry`; `cap` records of each are kept."""
        self.sources = tuple(sources)
        self._normalisers = [Normaliser(source, translate_pid) for _kind, source in self.sources]
        self._counters = [_Counter() for _source in self.sources]
        self._cap = cap
        self._changed = threading.Condition()
        self._expected: list[_Expected] = []
        self._numbers = {"alerts": 0, "telemetry": 0}
        self._answers: dict[_Expected, Observation] = {}

    def feed(self, index: int, line: bytes, received_ns: int) -> None:
        """Take one line (without its end) of the source with this index."""
        if not line.strip():
            return
        counter = self._counters[index]
        with self._changed:
            counter.received += 1
            beyond = len(counter.kept) >= self._cap
            if beyond and not any(expected.hint in line for expected in self._expected):
                counter.dropped += 1
                return
            kind = self.sources[index][0]
            read = self._normalisers[index].read(line, received_ns, f"{kind[0]}{self._numbers[kind] + 1:06d}")
            if isinstance(read, Unreadable):
                counter.unreadable += 1
            elif isinstance(read, Skipped):
                counter.skipped += 1
            else:
                self._numbers[kind] += 1
                self._keep(kind, counter, read, beyond)

    def await_canary(
        self, expect: Mapping[str, str], in_telemetry: bool, timeout_s: float, stop: threading.Event
    ) -> Observation | None:
        """Wait for the answer to a canary; every record that answers it is marked as a canary from then on.

        Args:
            expect: field of `Observation`, or `any` for the raw line -> regular expression; all must match.
            in_telemetry: look among telemetry instead of alerts.
            timeout_s: seconds to wait.
            stop: set to give up.

        Returns:
            The first record that answers, or None.

        Raises:
            Interrupted: `stop` was set.
        """
        patterns = tuple((name, re.compile(pattern)) for name, pattern in expect.items())
        expected = _Expected("telemetry" if in_telemetry else "alerts", patterns, _literal(expect.values()))
        with self._changed:
            if expected not in self._expected:
                self._expected.append(expected)
                for record in self._all(expected.kind):
                    self._note_answer(expected, record)
        return wait_for(self._changed, lambda: self._answers.get(expected), timeout_s, stop)

    def alerts(self) -> tuple[Observation, ...]:
        """Every alert kept, in the order of arrival."""
        return self._marked("alerts")

    def telemetry(self) -> tuple[Observation, ...]:
        """Every telemetry record kept, in the order of arrival."""
        return self._marked("telemetry")

    def counts(self) -> tuple[SourceCount, ...]:
        """What each source delivered."""
        with self._changed:
            return tuple(
                SourceCount(
                    component=source.component,
                    kind=kind,
                    received=counter.received,
                    kept=len(counter.kept),
                    skipped=counter.skipped,
                    unreadable=counter.unreadable,
                    dropped=counter.dropped,
                )
                for (kind, source), counter in zip(self.sources, self._counters, strict=True)
            )

    def _keep(self, kind: str, counter: _Counter, observation: Observation, beyond: bool) -> None:
        if beyond:
            counter.dropped += 1
        else:
            counter.kept.append(observation)
        for expected in self._expected:
            if expected.kind == kind:
                self._note_answer(expected, observation)

    def _note_answer(self, expected: _Expected, observation: Observation) -> None:
        if expected not in self._answers and expected.is_met(observation):
            self._answers[expected] = observation
            self._changed.notify_all()

    def _marked(self, kind: str) -> tuple[Observation, ...]:
        with self._changed:
            records = sorted(self._all(kind), key=lambda record: (len(record.observation_id), record.observation_id))
            return tuple(
                record.model_copy(update={"canary": True})
                if any(expected.is_met(record) for expected in self._expected)
                else record
                for record in records
            )

    def _all(self, wanted: str) -> list[Observation]:
        pairs = zip(self.sources, self._counters, strict=True)
        return [record for (kind, _source), counter in pairs if kind == wanted for record in counter.kept]


def _value(observation: Observation, name: str) -> str:
    value = observation.raw if name == "any" else getattr(observation, name)
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else str(value)


def _literal(patterns: Iterable[str]) -> bytes:
    """The longest run of plain characters in the patterns: what a line beyond the cap must hold to be read."""
    runs = [run for pattern in patterns for run in re.findall(r"[a-z0-9]+", pattern)]
    longest = max(runs, key=len, default="")
    return longest.encode() if len(longest) >= QUICK else b""
