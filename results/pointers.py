"""What an observation shows, and at which steps that points: the look-ups of attribution (scoring.md §2)."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from results.columns import Batch, Codes
from results.intervals import FOREVER, Answers, Bools, Interval, IntervalIndex, Ints, StepSets
from results.quality import looks_like_container
from results.records import Kind, StepExecution, StepKind

CLOCK_SLACK_NS = 1_000_000
"""Products round their times; a millisecond is the coarsest that still orders two steps."""
NANO = 1_000_000_000
EVIDENCE = (
    ("container_id", Kind.CONTAINER),
    ("node", Kind.CONTAINER),
    ("pid", Kind.LINEAGE),
    ("parent_pid", Kind.LINEAGE),
    ("file", Kind.OBJECT),
    ("url", Kind.OBJECT),
    ("user", Kind.OBJECT),
    ("source_address:port", Kind.OBJECT),
    ("source_address", Kind.OBJECT),
    ("destination_address:port", Kind.OBJECT),
    ("destination_address", Kind.OBJECT),
    ("time_ns", Kind.TIME),
)
"""What an observation can show, strongest first."""
(
    CONTAINER, NODE, PID, PARENT_PID, FILE, URL, USER, SOURCE_AND_PORT, SOURCE, DESTINATION_AND_PORT, DESTINATION, TIME,
) = range(len(EVIDENCE))  # fmt: skip
NAMED = range(PID, TIME)
"""Evidence that names a process or an object."""
TEXTS = {FILE: "file_path", URL: "url", USER: "user", SOURCE: "source_address", DESTINATION: "destination_address"}
PAIRS = {SOURCE_AND_PORT: SOURCE, DESTINATION_AND_PORT: DESTINATION}
OBJECTS = ("file", "directory", "user", "connection", "url")
Named = Callable[[str], tuple[int, ...]]


class Pointers:
    """Indices over the steps of a trial, which are given in the order in which they began."""

    def __init__(
        self, steps: Sequence[StepExecution], node_names: Mapping[str, Sequence[str]], latency_s: float
    ) -> None:
        """Index them; see `results.attribution.Attributor`."""
        self._steps = steps
        self._latency = int(latency_s * NANO)
        self._starts = np.array([step.started_ns or 0 for step in steps], dtype=np.int64) - CLOCK_SLACK_NS
        self.node_of = {name: node for node, names in node_names.items() for name in (*names, node)}
        self._objects = _objects_of(steps)
        self._named = {kind: _Named(self._objects[kind]) for kind in ("user", "connection", "url")}
        self._inside: dict[str, tuple[int, ...]] = {}
        self._containers: dict[str, list[int]] = {}
        self._on_node: dict[str, list[int]] = {}
        self._canaries = frozenset(number for number, step in enumerate(steps) if step.kind is StepKind.CANARY)
        for number, step in enumerate(steps):
            for node in _places(step):
                self._on_node.setdefault(node, []).append(number)
            self._containers.setdefault(step.container_id, []).append(number)
        self._nodes = {node: key for key, node in enumerate(self._on_node, start=1)}
        self._by_time = IntervalIndex(self._windows())
        lives = [(process.pid, number, process) for number, step in enumerate(steps) for process in step.processes]
        self._pids: Ints = np.unique(np.array([pid for pid, _number, _process in lives], dtype=np.int64))
        key_of = {pid: key for key, pid in enumerate(self._pids.tolist())}
        spans = [
            Interval(
                key_of[pid],
                number,
                process.started_ns - CLOCK_SLACK_NS,
                FOREVER if process.ended_ns is None else process.ended_ns + self._latency + CLOCK_SLACK_NS,
            )
            for pid, number, process in lives
        ]
        self._by_pid = IntervalIndex(spans)
        users = {(span.key, span.step) for span in spans}
        self._shared = np.bincount([key for key, _step in users], minlength=len(self._pids) + 1) > 1
        self._ports = {place.rpartition(":")[0] for place in self._objects["connection"]}

    def ask(self, batch: Batch, moments: Ints) -> dict[int, Answers]:
        """Every kind of evidence but time, strongest first."""
        begun = np.searchsorted(self._starts, moments, side="right").astype(np.int64)
        found: dict[int, Answers] = {}
        for number, name in ((PID, "pid"), (PARENT_PID, "parent_pid")):
            keys = self._pid_keys(batch, name)
            rows = np.flatnonzero(keys >= 0)
            found[number] = self._by_pid.ask(rows, keys[rows], moments[rows])
        for number, name in TEXTS.items():
            found[number] = self._ask_named(batch.codes(name), number, begun)
        for number, address in PAIRS.items():
            found[number] = self._ask_pairs(batch, TEXTS[address], begun)
        found[NODE] = _ask_texts(batch.codes("node"), self._alone_on, begun)
        found[CONTAINER] = self._ask_container(batch, found, begun)
        return {number: found[number] for number in sorted(found)}

    def ask_time(self, batch: Batch, moments: Ints, rows: Ints) -> Answers:
        """Steps whose window holds the moment, on the node that is named, or on any; none on one that never was."""
        nodes = batch.codes("node")
        keys = nodes.of([self._node_key(text) for text in nodes.texts], 0)[rows]
        rows, keys = rows[keys >= 0], keys[keys >= 0]
        return self._by_time.ask(rows, keys, moments[rows])

    def reused(self, batch: Batch) -> Bools:
        """Rows that name a pid that processes of several steps had."""
        return np.asarray(self._shared[self._pid_keys(batch, "pid")], dtype=bool)

    def _node_key(self, text: str) -> int:
        node = self.node_of.get(text)
        if node is None:
            return -1 if looks_like_container(text) else 0
        return self._nodes.get(node, -1)

    def _alone_on(self, text: str) -> tuple[int, ...]:
        """The one step that ever ran, or acted, on a node."""
        steps = self._on_node.get(self.node_of.get(text, ""), [])
        return tuple(steps) if len(steps) == 1 else ()

    def _ask_named(self, coded: Codes, number: int, begun: Ints) -> Answers:
        if number == FILE:
            return _ask_texts(coded, self._by_path, begun)
        return self._named[{URL: "url", USER: "user"}.get(number, "connection")].ask(coded, begun)

    def _by_path(self, path: str) -> tuple[int, ...]:
        """Steps that touched the file, or a directory above it."""
        exact = self._objects["file"].get(path, ())
        directories = self._objects["directory"]
        if not directories:
            return exact
        folder = path[: path.rfind("/") + 1]
        inside = self._inside.get(folder)
        if inside is None:
            above = [folder[: place + 1] for place, letter in enumerate(folder) if letter == "/"]
            steps = {step for one in above for step in directories.get(one, ())}
            inside = self._inside[folder] = tuple(sorted(steps))
        if exact and inside:
            return tuple(sorted({*exact, *inside}))
        return exact or inside

    def _ask_pairs(self, batch: Batch, name: str, begun: Ints) -> Answers:
        """`address:port`; both address columns go with the destination's port."""
        addresses = batch.codes(name)
        ports, known = batch.numbers("destination_port")
        wanted = addresses.of([int(text in self._ports) for text in addresses.texts], 0).astype(bool)
        rows = np.flatnonzero(wanted & known & (ports != 0))
        pairs, codes = np.unique(addresses.codes[rows] * 2**17 + ports[rows], return_inverse=True)
        texts = tuple(f"{addresses.texts[pair >> 17]}:{pair & (2**17 - 1)}" for pair in pairs.tolist())
        full = np.full(batch.size, -1, dtype=np.int64)
        full[rows] = codes
        return self._ask_named(Codes(full, texts), SOURCE_AND_PORT, begun)

    def _ask_container(self, batch: Batch, found: Mapping[int, Answers], begun: Ints) -> Answers:
        """The steps that ran in a container; none where a row names what a canary did there."""
        coded = batch.codes("container_id")
        own = {text: frozenset(self._containers.get(text, ())) & self._canaries for text in coded.texts}
        answer = _ask_texts(
            coded, lambda text: tuple(s for s in self._containers.get(text, ()) if s not in own[text]), begun
        )
        if not len(answer.rows) or not self._canaries:
            return answer
        for number in NAMED:
            one = found[number]
            for place in np.flatnonzero(np.isin(one.rows, answer.rows) & (one.count > 0)).tolist():
                text = coded.texts[int(coded.codes[one.rows[place]])]
                if any(one.holds(place, canary) for canary in own[text]):
                    answer.count[np.searchsorted(answer.rows, one.rows[place])] = 0
        return answer

    def _pid_keys(self, batch: Batch, name: str) -> Ints:
        """Place of each row's pid among those of the trial; -1 for none of them."""
        values, known = batch.numbers(name)
        if not len(self._pids):
            return np.full(batch.size, -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._pids, values), len(self._pids) - 1)
        return np.where(known & (self._pids[at] == values), at, -1).astype(np.int64)

    def _windows(self) -> list[Interval]:
        """Each step's window, its start to its end plus the declared latency: on any node, and where it acts."""
        return [
            Interval(key, number, (step.started_ns or 0) - CLOCK_SLACK_NS, self._end(step))
            for number, step in enumerate(self._steps)
            for key in (0, *(self._nodes[node] for node in _places(step)))
        ]

    def _end(self, step: StepExecution) -> int:
        return (step.ended_ns or step.started_ns or 0) + self._latency


class _Named:
    """What each text names, worked out once for all batches: a user may have thousands of steps."""

    def __init__(self, steps_of: Mapping[str, tuple[int, ...]]) -> None:
        numbers: dict[tuple[int, ...], int] = {}
        self._place = {text: numbers.setdefault(steps, len(numbers)) for text, steps in steps_of.items() if text}
        self._sets = StepSets(list(numbers))

    def ask(self, coded: Codes, begun: Ints) -> Answers:
        keys = coded.of([self._place.get(text, -1) for text in coded.texts], -1)
        rows = np.flatnonzero(keys >= 0)
        return self._sets.ask(rows, keys[rows], begun[rows])


def _objects_of(steps: Sequence[StepExecution]) -> dict[str, dict[str, tuple[int, ...]]]:
    """Kind of object -> its name -> the steps that touched it."""
    found: dict[str, dict[str, list[int]]] = {kind: {} for kind in OBJECTS}
    for number, step in enumerate(steps):
        touched = step.objects
        files = [("directory" if path.endswith("/") else "file", path) for path in touched.files]
        named = [("user", touched.users), ("connection", touched.connections), ("url", touched.urls)]
        for kind, text in dict.fromkeys((*files, *((kind, text) for kind, texts in named for text in texts))):
            found[kind].setdefault(text, []).append(number)
    return {kind: {text: tuple(numbers) for text, numbers in texts.items()} for kind, texts in found.items()}


def _places(step: StepExecution) -> tuple[str, ...]:
    """The step's own node, and the others on which it acts."""
    return tuple(dict.fromkeys((step.node, *step.objects.nodes)))


def _ask_texts(coded: Codes, named: Named, begun: Ints) -> Answers:
    """Rows whose text names steps; each distinct text is looked up once."""
    numbers: dict[tuple[int, ...], int] = {}
    each = [numbers.setdefault(steps, len(numbers)) if text and (steps := named(text)) else -1 for text in coded.texts]
    keys = coded.of(each, -1)
    rows = np.flatnonzero(keys >= 0)
    return StepSets(list(numbers)).ask(rows, keys[rows], begun[rows])
