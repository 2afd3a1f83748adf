"""A small sealed campaign without Docker, and makers of single records, for tests of scoring and publishing.

Everything is made through the real store and the real seal; only the products are made up.
"""

import hashlib
from pathlib import Path

from attacks.catalogue import load_catalogue
from results.attack import write_catalogue
from results.records import (
    Action,
    Campaign,
    Canary,
    Condition,
    FactResult,
    Objects,
    Observation,
    Output,
    Pace,
    Process,
    ResourceSample,
    SourceCount,
    StepExecution,
    StepKind,
    Text,
    Trial,
    TrialStatus,
)
from results.seal import seal_trial
from results.store import write_campaign, write_trial

SECOND = 1_000_000_000
BEGAN = 1_790_000_000 * SECOND
LAST = BEGAN + 190 * SECOND
"""When the last canary was sent."""
SEED = 42
HOSTILE = "<script>alert(1)</script>=cmd|' /C calc'!A0 \x1b[2J\u202eevil"
MALICIOUS = {
    "guess": ("T1110.001", "TA0006", ("User Account Authentication",)),
    "enter": ("T1078.003", "TA0001", ("Logon Session Creation",)),
    "look": ("T1057", "TA0007", ("Process Creation",)),
    "cron": ("T1053.003", "TA0003", ("File Creation", "Process Creation")),
    "shadow": ("T1003.008", "TA0006", ("File Access", "Process Creation")),
    "fetch": ("T1105", "TA0011", ("File Creation", "Process Creation")),
    "pack": ("T1560.001", "TA0009", ("Process Creation",)),
    "wipe": ("T1070.002", "TA0005", ("Process Creation",)),
}
ARMS = ("eyes-default", "eyes-tuned", "gate-default")
ENTRY_DIGEST: str | None = "a" * 64
"""Of every arm, as it is registered."""


def text(words: str) -> Text:
    """The same words in both languages."""
    return Text(en=words, ja=words)


def output(written: str = "") -> Output:
    """An output that was not cut."""
    data = written.encode()
    return Output(text=written, length=len(data), sha256=hashlib.sha256(data).hexdigest())


def make_step(step_id: str = "cron", position: int = 0, **changed: object) -> StepExecution:
    """A step that ran on the target for a second, with one process and its effect seen."""
    technique, tactic, components = MALICIOUS.get(step_id, ("T1053.003", "TA0003", ("Process Creation",)))
    started = BEGAN + position * 10 * SECOND
    ended = started + SECOND
    pid = 1000 + position
    process = Process(
        pid=pid, node_pid=pid - 900, parent_pid=900, started_ns=started, ended_ns=ended, exit_code=0,
        executables=("/usr/bin/bash",), command_lines=(f"bash -c {step_id}",),
    )  # fmt: skip
    fields: dict[str, object] = {
        "step_id": step_id,
        "position": position,
        "kind": StepKind.MALICIOUS,
        "title": text(f"Step {step_id}"),
        "technique": technique,
        "tactics": (tactic,),
        "procedure": "5f0a4a86-3b52-4c6a-9d1e-0a3f1f6f5b01",
        "procedure_name": f"Procedure of {step_id}",
        "node": "target",
        "container_id": "c" * 64,
        "user": "root",
        "executor": "bash",
        "executed": f"echo {step_id}\n",
        "started_ns": started,
        "ended_ns": ended,
        "leader_pid": pid,
        "processes": (process,),
        "exit_code": 0,
        "timed_out": False,
        "stdout": output(f"{step_id}\n"),
        "stderr": output(),
        "verified": True,
        "facts": (FactResult(fact=f"file /srv/{step_id} exists", before=False, after=True, detail="seen"),),
        "cleanup": "not needed",
        "twin_of": None,
        "needs": (),
        "not_run": None,
        "objects": Objects(files=(f"/srv/{step_id}",)),
        "criteria": ((Condition(field="command_line", matches=f"\\b{step_id}\\b"),),),
        "data_components": components,
    }
    return StepExecution.model_validate(fields | changed)


def make_observation(observation_id: str, at_s: float, **changed: object) -> Observation:
    """An observation `at_s` seconds after the trial began, received a tenth of a second later."""
    moment = BEGAN + int(at_s * SECOND)
    raw = str(changed.pop("raw", f"line {observation_id}"))
    fields: dict[str, object] = {
        "observation_id": observation_id,
        "component": "agent",
        "time_ns": moment,
        "received_ns": moment + SECOND // 10,
        "raw": raw,
        "raw_sha256": hashlib.sha256(raw.encode()).hexdigest(),
        "raw_length": len(raw.encode()),
    }
    return Observation.model_validate(fields | changed)


def make_trial(trial_id: str = "eyes-default-r1", **changed: object) -> Trial:
    """A completed trial of a product that sees processes and files."""
    repetition = int(trial_id.rpartition("-r")[2])
    name, _dash, arm = trial_id.rpartition("-r")[0].partition("-")
    control = name == "control"
    fields: dict[str, object] = {
        "campaign": "demo",
        "trial_id": trial_id,
        "product": None if control else name,
        "product_name": None if control else name.title(),
        "product_class": None if control else "behaviour_detection",
        "arm": None if control else arm,
        "arm_title": None if control else text(arm),
        "tuned": arm == "tuned",
        "repetition": repetition,
        "seed": SEED + repetition,
        "plan": "chain",
        "plan_title": text("A chain"),
        "plan_digest": "p" * 64,
        "environment": "server",
        "environment_digest": "e" * 64,
        "product_digest": None if control else "d" * 64,
        "entry_digest": None if control else ENTRY_DIGEST,
        "attack_release": "enterprise 18.1",
        "status": TrialStatus.COMPLETED,
        "reason": "",
        "started_ns": BEGAN,
        "ended_ns": BEGAN + 200 * SECOND,
        "product_version": None if control else "1.2.3",
        "content_version": None if control else "2026-11",
        "notes": () if control else (f"a note {HOSTILE}",),
        "sees": () if control else ("Process Creation", "File Creation"),
        "latency_s": 2.0,
        "blocks": False,
        "canaries": ()
        if control
        else (
            Canary(phase="ready", nonce="abcdefgh", sent_ns=BEGAN, received_ns=BEGAN, attempts=1),
            Canary(phase="flush", nonce="hgfedcba", sent_ns=LAST, received_ns=LAST + SECOND, attempts=1),
        ),
        "sources": ()
        if control
        else (SourceCount(component="agent", kind="alerts", received=9, kept=8, unreadable=1, dropped=0),),
        "isolation": ("target: every address unreachable",),
        "node_names": {"target": ("srv-app01", "c" * 64, "10.0.0.2"), "attacker": ("ws", "a" * 64, "10.0.0.3")},
        "process_truth": "kernel process connector",
        "phases_s": {"replay": 100.0},
        "provenance": {"pij": "0.1.0"},
    }
    return Trial.model_validate(fields | changed)


def steps_of(blocked: bool = False) -> list[StepExecution]:
    """The chain as one trial ran it: eight malicious steps, three twins, two placebos."""
    steps = [make_step(name, position) for position, name in enumerate(MALICIOUS)]
    if blocked:
        absent = (FactResult(fact="file /srv/fetch exists", before=False, after=False, detail="No such file"),)
        steps[5] = make_step("fetch", 5, verified=False, facts=absent)
        steps[7] = make_step("wipe", 7, verified=False, facts=absent)
    for number, twin in enumerate(("cron", "look", "pack")):
        steps.append(
            make_step(f"twin-{twin}", 8 + number, kind=StepKind.BENIGN, twin_of=twin, criteria=(), data_components=())
        )
    for number in range(2):
        steps.append(
            make_step(
                f"idle-{number}",
                11 + number,
                kind=StepKind.PLACEBO,
                technique=None,
                tactics=(),
                procedure="",
                procedure_name="",
                verified=None,
                facts=(),
                objects=Objects(),
                criteria=(),
                data_components=(),
            )
        )
    return steps


def alerts_of(arm: str) -> list[Observation]:
    """What each made-up product said."""
    if arm == "gate-default":
        return [make_observation("a000001", 50.5, pid=1005, action=Action.BLOCKED, title="blocked", rule_id="g1")]
    found = [
        make_observation(
            "a000001", 30.5, pid=1003, techniques=("T1053.003",), title=HOSTILE, raw=HOSTILE, rule_id="r1"
        ),
        make_observation("a000002", 40.5, pid=1004, techniques=("T1003",), rule_id="r2"),
        make_observation("a000003", 20.5, pid=1002, techniques=("T1490",), rule_id="r3"),
        make_observation("a000004", 80.5, pid=1008, techniques=("T1053.003",), rule_id="r1"),
        make_observation("a000005", 500.0, rule_id="r4", title="nobody did this"),
        make_observation("a000006", 45.0, canary=True, title="canary"),
    ]
    return found[:5] if arm == "eyes-default" else found


def build_campaign(runs: Path) -> Path:
    """Seal a campaign: a control and three arms, twice each; one trial never became ready."""
    folder = runs / "demo"
    (folder / "trials").mkdir(parents=True)
    catalogue = load_catalogue()
    trials = [f"{arm}-r{repetition}" for repetition in (1, 2) for arm in ("control", *ARMS)]
    write_catalogue(folder / "attack.json", catalogue)
    write_campaign(
        folder,
        Campaign(
            campaign="demo", title=text("A demonstration"), plan="chain", environment="server", repetitions=2,
            seed=SEED, trials=tuple(trials), attack_release=catalogue.release, digest="9" * 64, started_ns=BEGAN,
            pace=Pace(budget_minutes=None, retries=2),
        ),
    )  # fmt: skip
    for trial_id in trials:
        partial = folder / "trials" / f".{trial_id}.partial"
        arm = trial_id.rpartition("-r")[0]
        if trial_id == "gate-default-r2":
            reason = f"its canary never came through. Last output: {HOSTILE}"
            write_trial(partial, make_trial(trial_id, status=TrialStatus.NOT_READY, reason=reason), [], [], [], [])
        else:
            alerts = [] if arm == "control" else alerts_of(arm)
            telemetry = [make_observation("t000001", 60.5, pid=1006, command_line="tar pack")] if alerts else []
            sample = ResourceSample(time_ns=BEGAN, container="target", cpu_s=1.5, memory_bytes=1000)
            steps = steps_of(blocked=arm == "gate-default")
            write_trial(partial, make_trial(trial_id), steps, alerts, telemetry, [sample])
        (partial / "log.txt").write_text("0.000 standing up\n")
        seal_trial(partial)
    return folder
