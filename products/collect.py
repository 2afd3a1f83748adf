"""The collector: takes the lines of every source as they come, keeps what may be kept, counts the rest.

A product that floods costs a bounded amount of memory; the count stays true, and its canary is still found.
"""

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from environments.waiting import wait_for
from products.formats import identity_of, records_of
from products.manifest import Source
from products.normalise import Normaliser, Skipped, Translate, Unreadable
from products.secret import Redactor
from results.records import Observation, SourceCount

CAP = 50_000
"""Records kept a source."""
REASONS = 20
EXAMPLES, EXAMPLE_CAP = 3, 300
"""Lines kept of those that could not be read, and bytes of each."""
REMEMBERED = 200_000
"""Records of a poll that are known again; the oldest are forgotten first."""
FUTURE_NS = 2_000_000_000
"""A record dated so long after its receipt is no matter of rounding."""
PAST_NS = 3600 * 1_000_000_000
QUICK = 4
"""Characters a literal must have to be used for looking through lines beyond the cap."""


@dataclass
class _Counter:
    received: int = 0
    skipped: int = 0
    unreadable: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    dropped: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    troubles: int = 0
    trouble: str = ""
    newest_ns: int | None = None
    known: dict[bytes, None] = field(default_factory=dict)
    kept: list[Observation] = field(default_factory=list)


@dataclass(frozen=True)
class _Expected:
    kind: str
    patterns: tuple[tuple[str, re.Pattern[str]], ...]
    hint: bytes

    def is_met(self, observation: Observation) -> bool:
        return all(pattern.search(value_of(observation, name)) for name, pattern in self.patterns)


class Collector:
    """Collects one trial's observations. Every method may be called from any thread."""

    def __init__(
        self,
        sources: Sequence[tuple[str, Source]],
        translate_pid: Translate,
        cap: int = CAP,
        redactor: Redactor | None = None,
    ) -> None:
        """Collect from sources, each with `alerts` or `telemetry`; `cap` records of each are kept, without secrets."""
        self.sources = tuple(sources)
        self._redactor = redactor or Redactor({})
        self._normalisers = [Normaliser(source, translate_pid) for _kind, source in self.sources]
        self._counters = [_Counter() for _source in self.sources]
        self._cap = cap
        self._changed = threading.Condition()
        self._expected: list[_Expected] = []
        self._numbers = {"alerts": 0, "telemetry": 0}
        self._answers: dict[_Expected, Observation] = {}

    def take(self, index: int, data: bytes, received_ns: int, again: bool = False) -> None:
        """Take what the source with this index handed over at once, and cut it into records.

        Args:
            index: of the source.
            data: a webhook's body, an answer to a poll, a row.
            received_ns: when it was received (UTC ns).
            again: the source shows the same records again and again; each is read once.
        """
        for record in records_of(self.sources[index][1], data):
            if not (again and self._is_known(index, record)):
                self.feed(index, record, received_ns)

    def refuse(self, index: int, why: str) -> None:
        """Count something that was not taken, e.g. a post without the secret."""
        with self._changed:
            reasons = self._counters[index].refused
            why = why if why in reasons or len(reasons) < REASONS else "other reasons"
            reasons[why] = reasons.get(why, 0) + 1

    def trouble(self, index: int, words: str) -> None:
        """Note that a poll got no answer that could be read."""
        with self._changed:
            counter = self._counters[index]
            counter.troubles += 1
            counter.trouble = self._redactor.text(words)[:300]

    def newest_ns(self, index: int) -> int | None:
        """The time (UTC ns) of the latest record of a source so far, by its own account."""
        with self._changed:
            return self._counters[index].newest_ns

    def feed(self, index: int, line: bytes, received_ns: int) -> None:
        """Take one line (without its end) of the source with this index."""
        if not line.strip():
            return
        line = self._redactor.line(line)
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
                if len(counter.examples) < EXAMPLES:
                    counter.examples.append((read.why, line[:EXAMPLE_CAP].decode("utf-8", "backslashreplace")))
            elif isinstance(read, Skipped):
                counter.skipped += 1
            else:
                self._numbers[kind] += 1
                counter.newest_ns = max((t for t in (counter.newest_ns, read.time_ns) if t is not None), default=None)
                self._keep(kind, counter, read, beyond)

    def await_canary(
        self,
        expect: Mapping[str, str],
        in_telemetry: bool,
        timeout_s: float,
        stop: threading.Event,
        gone: threading.Event | None = None,
    ) -> Observation | None:
        """Wait for the answer to a canary; every record that answers it is marked as a canary from then on.

        Args:
            expect: field of `Observation`, or `any` for the raw line -> regular expression; all must match.
            in_telemetry: look among telemetry instead of alerts.
            timeout_s: seconds to wait.
            stop: set to give up.
            gone: set when the product has ended: what has not come by then won't come.

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

        def answered() -> tuple[Observation | None] | None:
            answer = self._answers.get(expected)
            return (answer,) if answer is not None or (gone is not None and gone.is_set()) else None

        found = wait_for(self._changed, answered, timeout_s, stop)
        return found[0] if found is not None else None

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
                    refused=sum(counter.refused.values()),
                )
                for (kind, source), counter in zip(self.sources, self._counters, strict=True)
            )

    def unreadable(self) -> tuple[tuple[str, str], ...]:
        """Examples of what could not be read: (why, the beginning of the line)."""
        with self._changed:
            return tuple(example for counter in self._counters for example in counter.examples)

    def conduct(self, began_ns: int) -> tuple[str, ...]:
        """What the product sent that no product should, in words.

        Args:
            began_ns: when it was deployed (UTC ns).
        """
        with self._changed:
            pairs = list(zip(self.sources, self._counters, strict=True))
            return tuple(
                line
                for (kind, source), counter in pairs
                for line in _conduct(kind, source, counter, began_ns, self._cap)
            )

    def troubles(self) -> tuple[str, ...]:
        """Polls that got no readable answer, in words."""
        with self._changed:
            return tuple(
                f"{source.component}: {counter.troubles} polls failed, the last with: {counter.trouble}"
                for (_kind, source), counter in zip(self.sources, self._counters, strict=True)
                if counter.troubles
            )

    def _is_known(self, index: int, record: bytes) -> bool:
        """Whether a poll showed this record before. Each source is polled by one thread."""
        named = identity_of(self.sources[index][1], record)
        key = hashlib.sha256(record if named is None else named.encode("utf-8", "surrogatepass")).digest()
        known = self._counters[index].known
        if key in known:
            return True
        known[key] = None
        if len(known) > REMEMBERED:
            del known[next(iter(known))]
        return False

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
            late = {
                record.observation_id: pids
                for (of, _source), counter, normaliser in zip(
                    self.sources, self._counters, self._normalisers, strict=True
                )
                if of == kind
                for record in counter.kept
                if (pids := normaliser.late_pids(record.observation_id))
            }
            records = sorted(self._all(kind), key=lambda record: (len(record.observation_id), record.observation_id))
            answers = {record.observation_id for record in records if any(one.is_met(record) for one in self._expected)}
            return tuple(
                record.model_copy(update={**late.get(record.observation_id, {}), "canary": True})
                if record.observation_id in answers
                else record.model_copy(update=late[record.observation_id])
                if record.observation_id in late
                else record
                for record in records
            )

    def _all(self, wanted: str) -> list[Observation]:
        pairs = zip(self.sources, self._counters, strict=True)
        return [record for (kind, _source), counter in pairs if kind == wanted for record in counter.kept]


def _conduct(kind: str, source: Source, counter: _Counter, began_ns: int, cap: int) -> list[str]:
    where = f"{source.component}'s {kind}"
    found = []
    if counter.dropped:
        found.append(f"flood: {counter.dropped} records of {where} beyond the cap of {cap}")
    found += [f"refused: {count} for {where}: {why}" for why, count in sorted(counter.refused.items())]
    dated = [(record.time_ns, record.received_ns) for record in counter.kept if record.time_ns is not None]
    future = sum(time_ns > received_ns + FUTURE_NS for time_ns, received_ns in dated)
    past = sum(time_ns < began_ns - PAST_NS for time_ns, _received_ns in dated)
    if future:
        found.append(f"time: {future} records of {where} are dated after their receipt")
    if past:
        found.append(f"time: {past} records of {where} are dated more than an hour before the product was deployed")
    hidden = sum(_has_control(record) for record in counter.kept)
    if hidden:
        found.append(f"escapes: {hidden} records of {where} hold control characters in their fields")
    return found


def _has_control(observation: Observation) -> bool:
    """Whether a field holds what a terminal would obey or what would turn text around."""
    fields = (observation.title, observation.rule_name, observation.rule_id, observation.severity, observation.user)
    return any(
        unicodedata.category(character) in ("Cc", "Cf") and character not in "\t\r\n"
        for text in fields
        if text and not text.isprintable()
        for character in text
    )


def value_of(observation: Observation, name: str) -> str:
    """What a canary's `expect` is held against: a field as text, or the raw record for `any`."""
    value = observation.raw if name == "any" else getattr(observation, name)
    if isinstance(value, tuple):
        return " ".join(value)
    return "" if value is None else str(value)


def _literal(patterns: Iterable[str]) -> bytes:
    """The longest run of plain characters in the patterns: what a line beyond the cap must hold to be read."""
    runs = [run for pattern in patterns for run in re.findall(r"[a-z0-9]+", pattern)]
    longest = max(runs, key=len, default="")
    return longest.encode() if len(longest) >= QUICK else b""
