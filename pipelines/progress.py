"""What a person sees while a campaign runs: bars on a terminal, lines elsewhere."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from attacks.proof import Proof


class Reporter:
    """Receives events of a campaign from any thread and shows them."""

    def __init__(self, console: Console, total: int, parallel: int) -> None:
        """Show a campaign of `total` unfinished trials, `parallel` at a time."""
        self._console = console
        self._lock = threading.Lock()
        self._total, self._parallel = total, parallel
        self._durations: list[float] = []
        self._began: dict[str, float] = {}
        self._rows: dict[str, TaskID] = {}
        self._progress: Progress | None = None
        self._whole: TaskID | None = None
        self._began_proving: tuple[int | None, float] = (None, 0.0)

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Show bars on a terminal for as long as the block runs."""
        if not self._console.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            self._progress = progress
            self._whole = progress.add_task("building", total=self._total)
            yield
            self._progress = None

    def __call__(self, trial: str, line: str) -> None:
        """One event: of a trial, or of the campaign (empty name)."""
        with self._lock:
            if trial:
                self._on_trial(trial, line)
            elif self._progress is not None and self._whole is not None:
                self._progress.update(self._whole, description=escape(line[:70]))
            else:
                self._print(line)

    def on_proof(self, proof: Proof, known: int, total: int) -> None:
        """One procedure is proven, or known not to be."""
        with self._lock:
            verdict = "proven" if proof.proven else f"{proof.reason}: {proof.detail}"
            if self._progress is not None and self._whole is not None:
                left = self._guess(known, total)
                line = f"{proof.technique} {proof.name}"[:60]
                self._progress.update(self._whole, completed=known, total=total, description=escape(f"{line}{left}"))
            else:
                self._print(f"{known}/{total} {proof.technique} {proof.name}: {verdict}"[:200])

    def _guess(self, known: int, total: int) -> str:
        """How long the rest takes if it goes on like this."""
        first, at = self._began_proving
        if first is None or known <= first:
            self._began_proving = (known, time.monotonic())
            return ""
        seconds = (total - known) * (time.monotonic() - at) / (known - first)
        return f" · about {seconds / 60:.1f} min left"

    def _on_trial(self, trial: str, line: str) -> None:
        self._began.setdefault(trial, time.monotonic())
        ended = line.startswith("ended: ")
        if ended:
            self._durations.append(time.monotonic() - self._began.pop(trial))
        if self._progress is None:
            if ended or not line.startswith("step "):
                self._print(f"{trial}: {line}{self._left() if ended else ''}")
            return
        if trial not in self._rows:
            self._rows[trial] = self._progress.add_task(trial, total=None)
        position = line.removeprefix("step ").partition(":")[0].split("/")
        if line.startswith("step ") and len(position) == 2:
            self._progress.update(self._rows[trial], completed=int(position[0]), total=int(position[1]))
        self._progress.update(self._rows[trial], description=escape(f"{trial}: {line[:60]}"))
        if ended:
            self._progress.remove_task(self._rows.pop(trial))
            if self._whole is not None:
                self._progress.update(self._whole, completed=len(self._durations), description=f"trials{self._left()}")
            self._print(f"{trial}: {line}")

    def _left(self) -> str:
        waiting = self._total - len(self._durations)
        if waiting <= 0:
            return ""
        seconds = waiting * sum(self._durations) / len(self._durations) / self._parallel
        return f" · {len(self._durations)} of {self._total} trials done, about {seconds / 60:.1f} min left"

    def _print(self, line: str) -> None:
        self._console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim] {escape(line)}", highlight=False, soft_wrap=True)
