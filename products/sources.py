"""How the records of one component come in: what it prints, its files, its intake's receivers, and polls."""

import base64
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from environments.engine import NOT_ANSWERING, Engine
from environments.intake import Intake
from environments.pipe import Pipe, exec_pid, execute
from environments.waiting import repeat
from environments.witness import Witness
from products.certificate import Certificate
from products.collect import Collector
from products.manifest import Format, Source, Transport
from products.secret import GENERATED, Secrets
from results.errors import ProductError, TargetError

LINE_CAP = 1 << 20
"""Bytes of one line that are kept; a product that never ends its line fills no memory."""
FILE_EVERY_S = 0.5
COMMAND_S = 30.0
OUTPUT_CAP = 8 << 20
DATABASE = ("", "-wal", "-journal")
"""SQLite's database and what belongs to it (sqlite.org/tempfiles.html)."""
LOOP = 'while read -r _; do "$@" < /dev/null; printf "\\n%s %d\\n" "$MARK" "$?"; done'
FOLLOWER = "".join(
    line
    for line in Path(__file__).with_name("follow.pl").read_text().splitlines(keepends=True)
    if not line.startswith("#")  # it is seen in the container's list of processes
)
FOLLOW = 'if command -v perl > /dev/null; then exec perl -e "$1" "$2"; fi; exec tail -n +1 -s 0.2 -F "$2"'
Track = Callable[[int], None]


class Lines:
    """Cuts a stream into lines for the collector."""

    def __init__(self, on_line: Callable[[bytes, int], None]) -> None:
        """Deliver each line with the time (UTC ns) at which its end was received."""
        self._on_line = on_line
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        received_ns = time.time_ns()
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._on_line(line, received_ns)
        self._rest = rest[:LINE_CAP]


@dataclass(frozen=True)
class Place:
    """Where a component runs."""

    engine: Engine
    witness: Witness
    container_id: str
    pid: int
    """A process in its container, in the engine host's pid namespace."""
    track: Track
    """Called with the pid of a process that is started there for us."""


class Sources:
    """The sources of one component."""

    def __init__(self, component: str, collector: Collector, given: Secrets, certificate: Certificate | None) -> None:
        """Those of the collector's sources that are this component's.

        Args:
            component: its id.
            collector: takes the records.
            given: the product's secrets.
            certificate: for syslog over TLS.
        """
        self.collector = collector
        self.own = [
            (index, source) for index, (_kind, source) in enumerate(collector.sources) if source.component == component
        ]
        self._secrets = given
        self._certificate = certificate
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._receivers: dict[int, list[int]] = {}
        self._settings = self._receiving()
        self._began_ns = time.time_ns()

    @property
    def needs_intake(self) -> bool:
        """Whether anything must listen, ask or read a database for them."""
        return any(s.syslog or s.webhook or s.http or s.sqlite for _index, s in self.own)

    @property
    def uses_tls(self) -> bool:
        """Whether the component must know the authority of the trial's certificate."""
        return any(s.syslog is not None and s.syslog.transport is Transport.TLS for _index, s in self.own)

    @property
    def webhook_secret(self) -> str | None:
        """The shared secret that pij drew for the component's webhook."""
        names = [s.webhook.secret for _index, s in self.own if s.webhook is not None]
        return self._secrets[GENERATED] if GENERATED in names else None

    def settings(self) -> dict[str, object]:
        """What the intake is told, its TLS key and shared secrets among it."""
        tls = self._certificate
        keys = {"certificate": tls.certificate, "key": tls.key} if tls is not None else None
        return {**self._settings, "tls": keys}

    def on_record(self, receiver: int, data: bytes, received_ns: int) -> None:
        """Take what a receiver of the intake took."""
        for index in self._receivers[receiver]:
            if self.collector.sources[index][1].syslog is not None:
                self.collector.feed(index, data, received_ns)  # one message is one record, line ends in it or not
            else:
                self.collector.take(index, data, received_ns)

    def on_refused(self, receiver: int, why: str) -> None:
        """Count what a receiver of the intake did not take."""
        for index in self._receivers[receiver]:
            self.collector.refuse(index, why)

    def on_printed(self, line: bytes, received_ns: int) -> None:
        """Take a line that the component's `start` command wrote to stdout."""
        for index, source in self.own:
            if source.container_log:
                self.collector.feed(index, line, received_ns)

    def begin(self, stack: ExitStack, place: Place, intake: Intake | None) -> None:
        """Follow its files and begin its polls; all ends with the stack."""
        stack.callback(self._join)
        for index, source in self.own:
            if source.file is not None and not _is_document(source):
                self._follow(stack, place, index, source.file)
            act = self._poll(stack, place, intake, index, source)
            if act is not None:
                every_s = next((p.every_s for p in (source.http, source.command, source.sqlite) if p), FILE_EVERY_S)
                self._again(index, act, every_s)
        stack.callback(self._stop.set)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=1)  # one that waits for the product finds that it is over when it wakes

    def _receiving(self) -> dict[str, list[dict[str, object]]]:
        """The receivers of the intake; sources that declare the same one share it."""
        settings: dict[str, list[dict[str, object]]] = {"syslog": [], "webhooks": []}
        numbers: dict[object, int] = {}
        for index, source in self.own:
            declared = source.syslog or source.webhook
            if declared is None:
                continue
            if declared not in numbers:
                number = numbers[declared] = len(numbers)
                receiver = {"number": number, **declared.model_dump(mode="json")}
                if source.webhook is not None:
                    receiver["secret"] = self._secrets[source.webhook.secret]
                settings["syslog" if source.syslog else "webhooks"].append(receiver)
            self._receivers.setdefault(numbers[declared], []).append(index)
        return settings

    def _poll(
        self, stack: ExitStack, place: Place, intake: Intake | None, index: int, source: Source
    ) -> Callable[[], None] | None:
        if source.file is not None and _is_document(source):
            return _Document(self.collector, place, index, source.file).look
        if source.command is not None:
            asker = _Command(place, source.command.command)
            stack.callback(asker.close)
            return lambda: self._asked(index, asker.ask())
        if source.http is not None and intake is not None:
            return lambda: self._ask_http(intake, index, source)
        if source.sqlite is not None and intake is not None:
            return _Table(self.collector, place, intake, index, source).look
        return None

    def _again(self, index: int, act: Callable[[], None], every_s: float) -> None:
        def once() -> None:
            try:
                act()
            except (TargetError, ProductError, *NOT_ANSWERING) as error:
                if not self._stop.is_set():  # else it is only the end of the product
                    self.collector.trouble(index, str(error))

        thread = threading.Thread(target=repeat, args=(once, every_s, self._stop), name="poll", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _asked(self, index: int, output: bytes | None) -> None:
        if output is None:
            self.collector.trouble(index, f"the command did not end within {COMMAND_S:.0f} s")
        else:
            self.collector.take(index, output, time.time_ns(), again=True)

    def _ask_http(self, intake: Intake, index: int, source: Source) -> None:
        poll = source.http
        if poll is None:
            return
        since = datetime.fromtimestamp((self.collector.newest_ns(index) or self._began_ns) / 1e9, UTC)
        url = poll.url.replace("${since}", quote(since.isoformat().replace("+00:00", "Z")))
        headers = {name: self._secrets.fill(value) for name, value in poll.headers.items()}
        reply = intake.ask("http", url=url, headers=headers)
        if "error" in reply:
            self.collector.trouble(index, reply["error"])
        else:
            self.collector.take(index, base64.b64decode(reply["data"]), time.time_ns(), again=True)

    def _follow(self, stack: ExitStack, place: Place, index: int, path: str) -> None:
        """Follow a log file in a component's container, over rotation, from its beginning."""
        lines = Lines(lambda line, received_ns: self.collector.feed(index, line, received_ns))
        command = ["sh", "-c", FOLLOW, "sh", FOLLOWER, path]
        exec_id, raw = execute(place.engine, place.container_id, command, stdin=False)
        pipe = Pipe(raw, lines.feed, lambda _data: None, lambda: None)
        stack.callback(pipe.close)
        pid = exec_pid(place.engine, exec_id)
        if pid is not None:
            place.track(pid)


class _Document:
    """A file that is written anew: read whole each time that it has changed."""

    def __init__(self, collector: Collector, place: Place, index: int, path: str) -> None:
        self._collector, self._place, self._index, self._path = collector, place, index, path
        self._known: str | None = None

    def look(self) -> None:
        digest, files = self._place.witness.read_files(self._place.pid, self._path, ("",), self._known)
        self._known = digest
        if files is not None and files[""] is not None:
            self._collector.take(self._index, base64.b64decode(files[""]), time.time_ns(), again=True)


class _Table:
    """A SQLite database: a copy of it is opened in the intake, never on this machine."""

    def __init__(self, collector: Collector, place: Place, intake: Intake, index: int, source: Source) -> None:
        self._collector, self._place, self._intake, self._index = collector, place, intake, index
        self._source = source
        self._known: str | None = None
        self._last: object = 0

    def look(self) -> None:
        table = self._source.sqlite
        if table is None:
            return
        digest, files = self._place.witness.read_files(self._place.pid, table.file, DATABASE, self._known)
        if files is None:  # not there yet, or as it was
            return
        more = True
        sent: dict[str, str | None] | None = files
        while more:
            reply = self._intake.ask(
                "sqlite", number=self._index, files=sent, query=table.query, cursor=table.cursor, last=self._last
            )
            if "error" in reply:  # perhaps it was half written: it is read anew next time
                self._collector.trouble(self._index, reply["error"])
                return
            more = reply["more"] and reply["last"] != self._last
            for row in reply["rows"]:
                self._collector.take(self._index, row.encode(), time.time_ns(), again=True)
            self._last, sent = reply["last"], None
        self._known = digest


class _Command:
    """A command that is run again and again by one shell, because starting a process from outside takes longer."""

    def __init__(self, place: Place, command: Iterable[str]) -> None:
        self._mark = secrets.token_hex(16).encode()
        self._end = b"\n" + self._mark + b" "
        self._outputs: queue.Queue[bytes | None] = queue.Queue()
        self._output = bytearray()
        self._waiting = False
        environment: Mapping[str, str] = {"MARK": self._mark.decode()}
        exec_id, raw = execute(
            place.engine, place.container_id, ["sh", "-c", LOOP, "sh", *command], environment=environment
        )
        self._pipe = Pipe(raw, self._on_bytes, lambda _data: None, lambda: self._outputs.put(None))
        self.close = self._pipe.close
        pid = exec_pid(place.engine, exec_id)
        if pid is not None:
            place.track(pid)

    def ask(self) -> bytes | None:
        """What the command prints, capped; None if it does not end in time. A late answer is taken the next time.

        Raises:
            ProductError: its shell has ended.
        """
        if not self._waiting:
            self._pipe.send(b"\n")
        self._waiting = True
        try:
            output = self._outputs.get(timeout=COMMAND_S)
        except queue.Empty:
            return None
        if output is None:
            self._outputs.put(None)
            raise ProductError("the shell that runs the command has ended")
        self._waiting = False
        return output

    def _on_bytes(self, data: bytes) -> None:
        begin = max(0, len(self._output) - len(self._end))
        self._output += data
        at = self._output.find(self._end, begin)
        if at >= 0 and b"\n" in self._output[at + len(self._end) :]:
            self._outputs.put(bytes(self._output[:at]))
            self._output.clear()
        elif at < 0 and len(self._output) > OUTPUT_CAP:
            del self._output[OUTPUT_CAP // 2 : -len(self._end)]  # the middle: its beginning and its end mark stay


def _is_document(source: Source) -> bool:
    """Whether a file holds one document that is written anew, instead of growing by lines."""
    return source.format is Format.JSON or source.items is not None
