"""The same trials as a Prefect flow: on a server that pij starts and stops, with pages that show them."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.prefect]
SMALL = Path(__file__).parent.parent / "small" / "small.yaml"
PIJ = [sys.executable, "-c", "from pipelines.command import main; main()"]


def ask(address: str, path: str) -> list[dict]:
    request = urllib.request.Request(
        f"{address}/api/{path}", data=b"{}", headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def test_an_evaluator_sees_the_campaign_its_trials_with_logs_and_the_outcome(engine, runs, state):
    process = subprocess.Popen(
        [*PIJ, "run", str(SMALL), "--ui", "--only", "small_sensor-good", "--as", "seen"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, env=os.environ,
    )  # fmt: skip
    address = ""
    for line in process.stderr:
        found = re.search(r"Prefect's pages: (\S+)", line)
        address = found.group(1) if found else address
        if "stay up until Ctrl-C" in line:
            break
    try:
        with urllib.request.urlopen(address, timeout=10) as page:
            assert b"<html" in page.read().lower()
        (flow_run,) = ask(address, "flow_runs/filter")
        assert (flow_run["name"], flow_run["state_name"]) == ("seen", "Completed")
        names = {run["name"]: run for run in ask(address, "task_runs/filter")}
        assert {"control-r1", "small_sensor-good-r1"} <= set(names)
        messages = [entry["message"] for entry in ask(address, "logs/filter")]
        assert any(message.startswith("step 1/4") for message in messages)
        kinds = {artifact["type"]: artifact for artifact in ask(address, "artifacts/filter")}
        assert "Small sensor" in kinds["table"]["data"]
        assert "index.html" in kinds["markdown"]["data"]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert list(state.glob("prefect-*.json")) == []
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=5)


def test_the_deployable_flow_takes_plain_values_only():
    """A work pool stores the parameters as JSON."""
    code = (
        "from pipelines.prefect_server import apply_settings; apply_settings()\n"
        "from pipelines.flows import campaign; import json\n"
        "print(json.dumps(sorted(campaign.parameters.properties)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["attack", "campaign", "content"]
