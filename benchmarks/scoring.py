"""How fast a campaign is scored: `python -m benchmarks.scoring`.

Seals a campaign of a control and one product, with so many alerts and steps as are asked for, and then measures, each
in a process of its own:

- `score_campaign`, whole: seals verified, Parquet read, bad input looked for, alerts attributed, steps judged, every
  metric with its interval, and everything written;
- the same with ten times as many alerts and steps;
- the obvious way in pandas on the same files: read alerts and steps, merge on the pid, keep what the process's lifetime
  holds, give the rest to the latest step on the node (`merge_asof`), count for each step. It verifies nothing, knows no
  objects, no ambiguity, no criteria and no metrics, and writes nothing.

Times are of this run on this machine; only their ratios mean something elsewhere.
"""

import argparse
import hashlib
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from attacks.catalogue import load_catalogue
from results.attack import write_catalogue
from results.records import (
    Campaign,
    Canary,
    Condition,
    Objects,
    Observation,
    Output,
    Process,
    SourceCount,
    StepExecution,
    StepKind,
    Text,
    Trial,
    TrialStatus,
)
from results.scoring import score_campaign
from results.seal import seal_trial
from results.store import (
    SCHEMA_VERSION,
    VERSION_KEY,
    arrow_columns,
    write_campaign,
    write_trial,
)

SECOND = 1_000_000_000
BEGAN = 1_790_000_000 * SECOND
LATENCY_S = 2.0
PIDS = 30_000
"""So many pids are handed out before they are used again."""
PROCESSES = 3
CHUNK = 500_000
AGAIN = 3
"""Rounds. Medians are compared: the best of many short runs is luck that a long run never has."""
SMALL_IN_A_ROUND = 3
LATE = ("pandas", "scipy.stats", "statsmodels.stats.proportion", "krippendorff")
"""What is only imported where it is needed: in both ways, imports are timed by themselves."""
KINDS = (StepKind.MALICIOUS,) * 6 + (StepKind.BENIGN,) * 3 + (StepKind.PLACEBO,)
TECHNIQUES = ("T1053.003", "T1059.004", "T1003.008", "T1105", "T1070.002", "T1082", "T1057", "T1560.001")
OUTPUT = Output(text="", length=0, sha256=hashlib.sha256(b"").hexdigest())
EVERYWHERE = Text(en="A step", ja="手順")


def make_step(number: int) -> StepExecution:
    """One step a second, of which the next one's window overlaps its own; on two nodes in turn."""
    kind = KINDS[number % len(KINDS)]
    started = BEGAN + number * SECOND
    placebo = kind is StepKind.PLACEBO
    processes = tuple(
        Process(
            pid=1000 + (number * PROCESSES + one) % PIDS, node_pid=None, parent_pid=900,
            started_ns=started + one * SECOND // 10, ended_ns=started + SECOND // 2, exit_code=0,
            executables=("/usr/bin/bash",), command_lines=(f"bash -c act-{number}",),
        )
        for one in range(PROCESSES)
    )  # fmt: skip
    touched = Objects() if placebo else Objects(
        files=(f"/srv/work/{number}.txt", f"/var/tmp/{number}/"), users=(f"user{number % 50}",),
        connections=(f"10.0.{number % 200}.{number % 250}:8080",),
    )  # fmt: skip
    criteria = (
        (Condition(field="command_line", matches=rf"\bact-{number}\b"),),
        (Condition(field="file_path", matches=rf"^/srv/work/{number}\."), Condition(field="any", matches="opened")),
    )
    return StepExecution(
        step_id=f"s{number:06d}", position=number, kind=kind, title=EVERYWHERE,
        technique=None if placebo else TECHNIQUES[number % len(TECHNIQUES)],
        tactics=() if placebo else ("TA0002",), procedure="", procedure_name="", node=("target", "server")[number % 2],
        container_id="c" * 64, user="root", executor="bash", executed=f"act-{number}", started_ns=started,
        ended_ns=started + SECOND // 2, leader_pid=processes[0].pid, processes=processes, exit_code=0, timed_out=False,
        stdout=OUTPUT, stderr=OUTPUT, verified=None if placebo else True, facts=(), cleanup="not needed",
        twin_of=f"s{number - number % 10:06d}" if kind is StepKind.BENIGN else None, needs=(), not_run=None,
        objects=touched, criteria=criteria if kind is StepKind.MALICIOUS else (), data_components=("Process Creation",),
    )  # fmt: skip


def make_trial(product: str | None, steps: int, alerts: int) -> Trial:
    """A completed trial with its last canary after the last step."""
    ended = BEGAN + (steps + 60) * SECOND
    last = Canary(
        phase="flush", nonce="abcdefgh", sent_ns=ended - 30 * SECOND, received_ns=ended - 29 * SECOND, attempts=1
    )
    source = SourceCount(component="agent", kind="alerts", received=alerts, kept=alerts, unreadable=0, dropped=0)
    return Trial(
        campaign="benchmark", trial_id="control-r1" if product is None else f"{product}-default-r1", product=product,
        product_name=product, product_class=product and "behaviour_detection", arm=product and "default",
        arm_title=EVERYWHERE if product else None, repetition=1, seed=7, plan="chain", plan_title=EVERYWHERE,
        plan_digest="p" * 64, environment="server", environment_digest="e" * 64, product_digest=None,
        attack_release=load_catalogue().release, status=TrialStatus.COMPLETED, reason="", started_ns=BEGAN - SECOND,
        ended_ns=ended, product_version=None, content_version=None, notes=(), sees=(), latency_s=LATENCY_S,
        blocks=False,
        canaries=(last,) if product else (), sources=(source,) if product else (), isolation=(),
        node_names={"target": ("srv01", "10.0.0.2"), "server": ("srv02", "10.0.0.3")}, process_truth="made up",
        phases_s={}, provenance={},
    )  # fmt: skip


def make_alerts(path: Path, alerts: int, steps: int) -> None:
    """Alerts in the order of arrival, as a sensor writes them: most name a process, some a file, a user or nothing."""
    kinds = arrow_columns(Observation)
    schema = pa.schema(kinds.items(), metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()})
    with pq.ParquetWriter(path, schema, compression="zstd", write_page_checksum=True) as writer:
        for first in range(0, alerts, CHUNK):
            writer.write_table(_some_alerts(first, min(CHUNK, alerts - first), alerts, steps, schema))


def _some_alerts(first: int, size: int, alerts: int, steps: int, schema: pa.Schema) -> pa.Table:
    draw = np.random.default_rng(first)
    number = np.arange(first, first + size) * steps // alerts
    what = draw.choice(8, size, p=[0.5, 0.15, 0.05, 0.05, 0.15, 0.03, 0.02, 0.05])
    process, file, folder, user, by_time, canary, outside, nothing = (what == one for one in range(8))
    own = BEGAN + number * SECOND + draw.integers(SECOND // 5, SECOND // 2, size)
    own = np.where(nothing, own - 3600 * SECOND, own)
    received = np.maximum(own, BEGAN + number * SECOND) + draw.integers(0, SECOND // 5, size)
    text = [
        f'{{"time":{when},"host":"srv01","event":"opened","n":{row},"msg":"a process did what act-{step} does"}}'
        for row, (when, step) in enumerate(zip(own.tolist(), number.tolist(), strict=True), start=first)
    ]
    columns: dict[str, object] = {
        "observation_id": [f"a{row + 1:06d}" for row in range(first, first + size)],
        "component": ["agent"] * size,
        "time_ns": own,
        "received_ns": received,
        "rule_id": [f"r{one}" for one in (number % 97).tolist()],
        "techniques": [f'["{TECHNIQUES[one % 9 % len(TECHNIQUES)]}"]' for one in number.tolist()],
        "tactics": ["[]"] * size,
        "action": ["observed"] * size,
        "node": pa.array(np.where(number % 2, "srv02", "srv01"), mask=draw.random(size) < 0.3),
        "pid": pa.array(1000 + (number * PROCESSES + draw.integers(0, PROCESSES, size)) % PIDS, mask=~process),
        "parent_pid": pa.array(np.full(size, 900), mask=~process),
        "command_line": pa.array([f"bash -c act-{one}" for one in number.tolist()], mask=~(process | by_time)),
        "file_path": pa.array(
            [f"/srv/work/{n}.txt" if plain else f"/var/tmp/{n}/part-{row % 50}" for row, (n, plain) in
             enumerate(zip(number.tolist(), file.tolist(), strict=True))], mask=~(file | folder),
        ),
        "user": pa.array([f"user{one % 50}" for one in number.tolist()], mask=~user),
        "canary": canary,
        "outside": outside,
        "raw": text,
        "raw_sha256": [hashlib.sha256(one.encode()).hexdigest() for one in text],
        "raw_length": [len(one) for one in text],
    }  # fmt: skip
    nothing_there = pa.nulls(size)
    return pa.table(
        {
            name: columns.get(name, nothing_there.cast(kind))
            for name, kind in zip(schema.names, schema.types, strict=True)
        },
        schema=schema,
    )


def make_campaign(folder: Path, alerts: int, steps: int) -> Path:
    """A sealed campaign: a control, and one product with all of the alerts."""
    catalogue = load_catalogue()
    (folder / "trials").mkdir(parents=True)
    write_catalogue(folder / "attack.json", catalogue)
    trials = [make_trial(None, steps, 0), make_trial("eyes", steps, alerts)]
    write_campaign(
        folder,
        Campaign(
            campaign="benchmark", title=EVERYWHERE, plan="chain", environment="server", repetitions=1, seed=1,
            trials=tuple(trial.trial_id for trial in trials), attack_release=catalogue.release, digest="9" * 64,
            started_ns=BEGAN,
        ),
    )  # fmt: skip
    run = [make_step(number) for number in range(steps)]
    for trial in trials:
        partial = folder / "trials" / f".{trial.trial_id}.partial"
        write_trial(partial, trial, run, [], [], [])
        if trial.product is not None:
            make_alerts(partial / "alerts.parquet", alerts, steps)
        seal_trial(partial)
    return folder


def merge_in_pandas(folder: Path) -> None:
    """The obvious way: see the module's text."""
    import json

    import pandas as pd

    trial = folder / "trials" / "eyes-default-r1"
    alerts = pd.read_parquet(trial / "alerts.parquet")
    steps = pd.read_parquet(trial / "steps.parquet")
    alerts = alerts[~alerts.canary & ~alerts.outside]
    rows = [
        (step, process["pid"], process["started_ns"], process["ended_ns"])
        for step, text in zip(steps.step_id, steps.processes, strict=True)
        for process in json.loads(text)
    ]
    lives = pd.DataFrame(rows, columns=["step_id", "pid", "began", "ended"])
    found = alerts[alerts.pid.notna()].merge(lives, on="pid")
    late = int(LATENCY_S * SECOND)
    found = found[(found.time_ns >= found.began) & (found.time_ns <= found.ended + late)]
    rest = alerts[~alerts.observation_id.isin(found.observation_id)].sort_values("time_ns")
    names = {"srv01": "target", "srv02": "server"}
    rest = rest.assign(node=rest.node.map(names).fillna("target"))
    timed = pd.merge_asof(
        rest, steps[["step_id", "node", "started_ns", "ended_ns"]].sort_values("started_ns"),
        left_on="time_ns", right_on="started_ns", by="node",
    )  # fmt: skip
    timed = timed[timed.time_ns <= timed.ended_ns + late]
    pd.concat([found[["observation_id", "step_id"]], timed[["observation_id", "step_id"]]]).groupby("step_id").count()


def made(folder: Path, alerts: int, steps: int) -> Path:
    """`make_campaign` in a process of its own, so that none that is measured shares the memory with what it leaves."""
    size = ["--alerts", str(alerts), "--steps", str(steps)]
    subprocess.run(
        [sys.executable, "-m", "benchmarks.scoring", "--do", "make", "--folder", str(folder), *size], check=True
    )
    return folder


def measured(what: str, folder: Path) -> tuple[float, float, float]:
    """A piece of work in a process of its own: seconds without its imports, that process's peak (MiB), imports (s)."""
    command = [sys.executable, "-m", "benchmarks.scoring", "--do", what, "--folder", str(folder)]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(words[0]), float(words[1]), float(words[2])


def do(what: str, folder: Path) -> None:
    """One piece of work; prints its seconds, this process's peak in MiB, and the seconds of its late imports."""
    started = time.perf_counter()
    for name in LATE:
        importlib.import_module(name)
    began = time.perf_counter()
    score_campaign(folder) if what == "score" else merge_in_pandas(folder)
    seconds = time.perf_counter() - began
    print(f"{seconds:.3f} {peak_mib():.0f} {began - started:.3f}")


def peak_mib() -> float:
    """Most memory that this process ever had. `getrusage` would count what its parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alerts", type=int, default=1_000_000)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=10, help="also so many times as much; 1: not")
    parser.add_argument("--do", choices=("make", "score", "pandas"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args(arguments)
    if wanted.do == "make":
        make_campaign(wanted.folder, wanted.alerts, wanted.steps)
        return
    if wanted.do:
        do(wanted.do, wanted.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} at the beginning")
        folder = made(Path(scratch) / "once", wanted.alerts, wanted.steps)
        more = folder
        if wanted.times > 1:
            more = made(Path(scratch) / "more", wanted.alerts * wanted.times, wanted.steps * wanted.times)
        merged, scored, many = [], [], []
        for _again in range(AGAIN):  # in turn: a machine's speed wanders
            merged.append(measured("pandas", folder))
            scored += [measured("score", folder) for _run in range(SMALL_IN_A_ROUND)]
            many += [measured("score", more)] if wanted.times > 1 else []
        usual_s, peak = statistics.median(one[0] for one in scored), max(one[1] for one in scored)
        print(
            f"{wanted.alerts:,} alerts x {wanted.steps:,} steps: median {usual_s:.1f} s (of {_seconds(scored)}), "
            f"peak {peak:.0f} MiB"
        )
        print(f"imported beforehand, not in it ({', '.join(LATE)}): {min(one[2] for one in scored):.1f} s")
        pandas_s, mib = statistics.median(one[0] for one in merged), max(one[1] for one in merged)
        print(
            f"the obvious pandas merge of the same files: median {pandas_s:.1f} s (of {_seconds(merged)}), "
            f"peak {mib:.0f} MiB"
        )
        print(f"ratio to it: {usual_s / pandas_s:.2f}")
        if wanted.times > 1:
            many_s = statistics.median(one[0] for one in many)
            print(
                f"{wanted.times} times as much: median {many_s:.1f} s (of {_seconds(many)}), {many_s / usual_s:.1f} "
                f"times as long; by the best of each {min(many)[0] / min(scored)[0]:.1f}"
            )
            print(f"its peak: {max(one[1] for one in many):.0f} MiB")
        print(f"load {os.getloadavg()[0]:.1f} at the end")


def _seconds(runs: Sequence[tuple[float, float, float]]) -> str:
    return ", ".join(f"{seconds:.1f}" for seconds, _mib, _imports_s in runs)


if __name__ == "__main__":
    main()
