"""Publishing a campaign whose plan is held out: its digest now, its content when the plan is opened.

What is published of it holds every verdict, time and count, and nothing from which the plan could be learnt: no
command, argument, path, name or criterion, neither of the steps nor in what the products recorded of them. `pij verify`
shows later that an opened plan is the one that was committed to.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from results import store
from results.records import Attribution, Objects, Observation, Output, StepExecution, StepKind, Text, Verdict

WITHHELD = "(held out)"
TITLE = Text(en="Held-out plan", ja="非公開の計画")
KINDS = {
    StepKind.MALICIOUS: Text(en="Held-out step", ja="非公開の手順"),
    StepKind.BENIGN: Text(en="Held-out benign step", ja="非公開の正常な手順"),
    StepKind.PLACEBO: Text(en="A session that does nothing", ja="何もしないセッション"),
    StepKind.CANARY: Text(en="Canary", ja="カナリア"),
}


def blind(campaign_folder: Path, into: Path) -> Path:
    """A copy of a scored campaign without anything from which its plan could be learnt.

    Args:
        campaign_folder: scored.
        into: an empty folder.

    Returns:
        The copy: the same tables, but its trials carry the seal of the originals and are no evidence to score again.
    """
    copy = into / campaign_folder.name
    copy.mkdir(parents=True)
    names = _names(campaign_folder)
    campaign = store.read_campaign(campaign_folder)
    store.write_campaign(copy, campaign.model_copy(update={"plan": WITHHELD}))
    if (campaign_folder / "attack.json").is_file():
        shutil.copyfile(campaign_folder / "attack.json", copy / "attack.json")
    verdicts = [_blind_verdict(one, names) for one in store.read_verdicts(campaign_folder)]
    claims = [_blind_claim(one, names) for one in store.read_attributions(campaign_folder)]
    summary = store.read_summary(campaign_folder)
    plain = _renamed(summary.model_dump(mode="json"), names)
    store.write_attributions(copy, claims)
    store.write_scores(copy, verdicts, type(summary).model_validate(_blind_summary(plain)))
    for folder in store.sealed_trials(campaign_folder):
        _blind_trial(folder, copy / "trials" / folder.name, names)
    return copy


def _names(campaign_folder: Path) -> dict[str, str]:
    """Step id -> what it is called in public: a number in the order of the summary."""
    found = {line.step_id: "" for line in store.read_summary(campaign_folder).steps}
    for folder in store.sealed_trials(campaign_folder):
        for step in store.read_steps(folder):
            if step.kind is not StepKind.CANARY:
                found.setdefault(step.step_id, "")
    return {step_id: f"step-{number:02}" for number, step_id in enumerate(found, start=1)}


def _blind_trial(folder: Path, place: Path, names: Mapping[str, str]) -> None:
    trial = store.read_trial(folder)
    steps = [_blind_step(step, names) for step in store.read_steps(folder)]
    alerts = [_blind_observation(one) for one in store.read_alerts(folder)]
    telemetry = [_blind_observation(one) for one in store.read_telemetry(folder)]
    hidden = trial.model_copy(
        update={"plan": WITHHELD, "plan_title": TITLE, "notes": (), "reason": WITHHELD if trial.reason else ""}
    )
    store.write_trial(place, hidden, steps, alerts, telemetry, store.read_resources(folder))
    shutil.copyfile(folder / "seal.json", place / "seal.json")


def _blind_step(step: StepExecution, names: Mapping[str, str]) -> StepExecution:
    if step.kind is StepKind.CANARY:
        return step  # the product's own, and public with its manifest
    return step.model_copy(
        update={
            "step_id": names[step.step_id],
            "title": KINDS[step.kind],
            "procedure": "",
            "procedure_name": "",
            "user": WITHHELD,
            "executed": WITHHELD,
            "processes": (),
            "stdout": _length_only(step.stdout),
            "stderr": _length_only(step.stderr),
            "facts": (),
            "twin_of": names.get(step.twin_of) if step.twin_of else None,
            "needs": tuple(names[name] for name in step.needs if name in names),
            "not_run": WITHHELD if step.not_run else None,
            "objects": Objects(files=(), users=(), connections=()),
            "criteria": (),
        }
    )


def _blind_observation(one: Observation) -> Observation:
    hidden = dict.fromkeys(
        ("executable", "command_line", "file_path", "file_hash", "user", "source_address", "destination_address")
    )
    return one.model_copy(
        update={**hidden, "title": one.rule_name or WITHHELD, "destination_port": None, "raw": WITHHELD}
    )


def _blind_verdict(one: Verdict, names: Mapping[str, str]) -> Verdict:
    return one.model_copy(update={"step_id": names.get(one.step_id, one.step_id), "reason": WITHHELD})


def _blind_claim(one: Attribution, names: Mapping[str, str]) -> Attribution:
    return one.model_copy(
        update={
            "step_id": names.get(one.step_id, one.step_id) if one.step_id else None,
            "candidates": tuple(names.get(name, name) for name in one.candidates),
            "matched": {},
        }
    )


def _blind_summary(plain: Any) -> Any:  # noqa: ANN401  # JSON
    """The summary's own texts about steps and the plan."""
    plain |= {"plan": WITHHELD, "plan_title": TITLE.model_dump(mode="json")}
    for step in plain["steps"]:
        step["title"] = KINDS[StepKind(step["kind"])].model_dump(mode="json")
        step["invalid"] = WITHHELD if step["invalid"] else None
    for cell in plain["cells"]:
        cell["reason"] = WITHHELD
    for one in (*plain["people"]["adjudications"], *plain["people"]["disputes"]) if plain.get("people") else ():
        one |= {"reason": WITHHELD, "evidence": ()} | ({"answers": ()} if "answers" in one else {})
    return plain


def _renamed(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401  # JSON
    """JSON with every text that is a step's id replaced."""
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, names) for inner in value]
    return names.get(value, value) if isinstance(value, str) else value


def _length_only(output: Output) -> Output:
    return Output(text="", length=output.length, sha256=output.sha256)
