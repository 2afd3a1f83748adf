"""The engine goes away in the middle of a trial; the disk is full. Both real, both resumable."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from environments.engine import connect
from pipelines.campaign import prepare
from pipelines.run import CampaignRun, open_campaign
from pipelines.schedule import Schedule, run_plain
from results.errors import EngineError, EvaluationError
from results.seal import verify_seal
from results.store import sealed_trials

pytestmark = pytest.mark.docker
SMALL = Path(__file__).parent.parent / "small" / "small.yaml"
PIJ = [sys.executable, "-c", "from pipelines.command import main; main()"]


class Relay:
    """Passes connections on to the engine's socket until it is cut, as when an engine or its host goes away."""

    def __init__(self, path: Path, engine: str) -> None:
        self.address = f"unix://{path}"
        self._engine = engine.removeprefix("unix://")
        self._open: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self._path = path
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        self._path.unlink()
        self._server.close()
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._engine)
            self._open += [near, far]
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            return


@pytest.mark.filterwarnings("ignore")
def test_an_engine_that_goes_away_leaves_sealed_trials_intact_and_the_campaign_resumes(engine, runs, tmp_path):
    relay = Relay(tmp_path / "engine.sock", engine.address)
    through = connect(relay.address, "a relay")
    prepared = prepare(str(SMALL), only=("small_sensor-good",), as_id="gone")
    prepared = prepared.__class__(
        **{**vars(prepared), "definition": prepared.definition.model_copy(update={"parallel": 1, "retries": 0})}
    )
    folder = open_campaign(prepared, runs, fresh=False)
    last = prepared.trials[-1].trial_id

    def on_event(trial: str, line: str) -> None:
        if trial == last and line.startswith("step 2"):
            relay.cut()

    with pytest.raises(EngineError, match=r"went away during trial .* it resumes"):
        run_plain(Schedule((CampaignRun(through, prepared, folder, on_event),)))
    (first,) = sealed_trials(folder)
    root = verify_seal(first)
    again = CampaignRun(engine, prepared, open_campaign(prepared, runs, fresh=False), lambda *_: None)
    assert [trial.trial_id for trial in again.unfinished()] == [last]
    run_plain(Schedule((again,)))
    assert verify_seal(first) == root
    assert len(sealed_trials(folder)) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can be mounted by root only")
def test_a_full_disk_is_said_and_the_campaign_resumes(engine, tmp_path, state):
    """A real file system of a few kilobytes."""
    runs = tmp_path / "runs"
    runs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(runs)], check=True)
    try:
        prepared = prepare(str(SMALL), only=("small_sensor-good",), as_id="full")
        folder = open_campaign(prepared, runs, fresh=False)
        (runs / "ballast").write_bytes(b"x" * 60_000)
        with pytest.raises(EvaluationError, match=r"No space left on device; nothing of this trial is sealed"):
            run_plain(Schedule((CampaignRun(engine, prepared, folder, lambda *_: None),)))
        (runs / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=20m", str(runs)], check=True)
        again = open_campaign(prepared, runs, fresh=False)
        (summary,) = run_plain(Schedule((CampaignRun(engine, prepared, again, lambda *_: None),)))
        assert {trial.status for trial in summary.trials} == {"completed"}
    finally:
        # Lazily: an engine that was started meanwhile holds the mount in its own namespace.
        subprocess.run(["umount", "--lazy", str(runs)], check=True)


def test_without_an_engine_the_message_says_what_to_run(tmp_path):
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/nothing.sock", "PIJ_RUNS": str(tmp_path / "runs")}
    done = subprocess.run([*PIJ, "run", str(SMALL), "--no-prefect"], capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert "where no engine answers" in done.stderr
    assert "Traceback" not in done.stderr
