"""The evidence page of one trial, from records made here."""

import hashlib
import re

import pytest

from results.evidence import SHOWN_ALERTS, TrialEvidence, effects_of, process_tree, trial_view
from results.pages import trial_page
from results.records import (
    Attribution,
    Canary,
    FactResult,
    Objects,
    Observation,
    Output,
    Process,
    StepExecution,
    Text,
    Trial,
    Verdict,
)
from results.views import anchor
from results.wording import words
from results.wording_reasons import reason_words

HOSTILE = "</pre><script>alert(1)</script><a href='http://evil.example'>\x1b[31m\u202e{{7*7}}\""
NOTHING = Output(text="", length=0, sha256=hashlib.sha256(b"").hexdigest())


def make_process(pid: int, parent: int, started: int, command: str = "sh") -> Process:
    return Process(
        pid=pid, node_pid=None, parent_pid=parent, started_ns=started, ended_ns=None, exit_code=None,
        executables=("/bin/sh",), command_lines=(command,),
    )  # fmt: skip


def make_step(step_id: str = "plant-cron", text: str = "harmless") -> StepExecution:
    return StepExecution(
        step_id=step_id, position=0, kind="malicious", title=Text(en=f"Plant {text}", ja=f"設置 {text}"),
        technique="T1053.003", tactics=("TA0003",), procedure="g", procedure_name=text, node=text,
        container_id=text, user=text, executor=text, executed=f"echo {text}", started_ns=1_000_000_001,
        ended_ns=2_000_000_002, leader_pid=10, processes=(make_process(10, 1, 1, text),), exit_code=0,
        timed_out=False, stdout=Output(text=text, length=len(text.encode()), sha256="0" * 64), stderr=NOTHING,
        verified=True, facts=(FactResult(fact=text, before=False, after=True, detail=text),), cleanup=text,
        twin_of=None, needs=(), not_run=None, objects=Objects(), criteria=(), data_components=(),
    )  # fmt: skip


def make_trial(status: str = "completed", text: str = "") -> Trial:
    return Trial(
        campaign="c", trial_id="av-default-r1", product="av", product_name=f"AV {text}", product_class="x",
        arm="default", arm_title=Text(en=f"As shipped {text}", ja=f"標準 {text}"), repetition=1, seed=7,
        plan="p", plan_title=Text(en=text, ja=text), plan_digest=text, environment=text,
        environment_digest=text, product_digest=text, attack_release="18.1", status=status, reason=text,
        started_ns=0, ended_ns=1, product_version=text, content_version=text, notes=(text,), sees=(),
        latency_s=1.0, blocks=False,
        canaries=(Canary(phase=text, nonce="n", sent_ns=0, received_ns=None, attempts=1),), sources=(),
        isolation=(text,), node_names={}, process_truth=text, phases_s={}, provenance={text: text},
    )  # fmt: skip


def make_alert(observation_id: str, text: str) -> Observation:
    return Observation(
        observation_id=observation_id, component="c", time_ns=5, received_ns=6, title=text, rule_id=text,
        severity=text, techniques=(text,), raw=text, raw_sha256="1" * 64, raw_length=len(text.encode()),
    )  # fmt: skip


def make_claim(observation_id: str, status: str = "attributed", **changes) -> Attribution:
    given = {"step_id": "plant-cron", "kind": "lineage", "candidates": (), "matched": {"pid": "10"}}
    return Attribution(
        trial_id="av-default-r1", observation_id=observation_id, alert=True, status=status,
        meets_criteria=True, **(given | changes),
    )  # fmt: skip


def make_evidence(text: str = "harmless", alerts: int = 1) -> TrialEvidence:
    names = [f"a{number:06d}" for number in range(1, alerts + 1)]
    verdict = Verdict(
        trial_id="av-default-r1", step_id="plant-cron", position=0, kind="malicious", technique="T1053.003",
        outcome="alerted", category="general", modifiers=("delayed",), reason=text, alerts=(names[-1],),
        telemetry=(), evidence_kind="lineage", wrong_techniques=(text,), latency_s=0.5, delivery_s=0.1,
    )  # fmt: skip
    return TrialEvidence(
        trial=make_trial(text=text), steps=(make_step(text=text),),
        alerts={name: make_alert(name, text) for name in names}, telemetry={},
        attributions=tuple(make_claim(name, matched={text: text}) for name in names),
        verdicts={"plant-cron": verdict}, seal="2" * 64,
    )  # fmt: skip


@pytest.mark.parametrize("language", ["ja", "en"])
def test_no_string_of_a_product_or_plan_reaches_the_page_as_markup_or_invisible(language):
    """Else an alert could run a script in the reader's browser, or show another text than was received."""
    page = trial_page(make_evidence(HOSTILE), language)
    assert "<script" not in page
    assert "<a href='http" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "49" not in re.sub(r"<style>.*?</style>", "", page, flags=re.S)
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 20
    assert page.count("\\x1b[31m⟦U+202E⟧{{7*7}}&#34;") >= 20


def test_alerts_that_counted_come_first_and_the_rest_is_counted():
    """Else the one alert that decided a verdict could be hidden behind thousands of others."""
    view = trial_view(make_evidence(alerts=SHOWN_ALERTS + 5), "en")
    shown = view.steps[0].alerts
    assert [(one.observation.observation_id, one.counted) for one in shown.seen[:2]] == [
        (f"a{SHOWN_ALERTS + 5:06d}", True),
        ("a000001", False),
    ]
    assert (len(shown.seen), shown.more) == (SHOWN_ALERTS, 5)


def test_an_ambiguous_alert_is_shown_at_each_step_it_fits_and_attributed_to_none():
    """Else the reader could not see what was taken from a step, or would think that it counted."""
    evidence = make_evidence()._replace(
        attributions=(make_claim("a000001", "ambiguous", step_id=None, candidates=("plant-cron", "other")),)
    )
    step = trial_view(evidence, "en").steps[0]
    assert step.alerts == ((), 0)
    assert [one.attribution.candidates for one in step.ambiguous.seen] == [("plant-cron", "other")]


def test_a_trial_that_never_got_ready_says_so_and_claims_no_miss():
    """Else a product that did not start would look as if it had seen nothing."""
    evidence = make_evidence()._replace(
        trial=make_trial("not_ready", "no canary"), steps=(), alerts={}, attributions=(), verdicts={}
    )
    page = trial_page(evidence, "en")
    assert words("en")["status.not_ready"] in page
    assert words("en")["no_steps"] in page
    assert words("en")["outcome.missed"] not in page


def test_a_control_shows_what_was_executed_and_no_verdict():
    """Else the page would say of a trial without any product that it missed the attack."""
    control = make_trial().model_copy(update={"product": None})
    (step,) = trial_view(make_evidence()._replace(trial=control), "en").steps
    assert (step.verdict, step.verdict_words, step.rule) == (None, "", "")
    assert step.step.executed == "echo harmless"


def test_a_rule_is_told_in_japanese_and_what_follows_it_stays():
    """Else a Japanese reader could not tell why a verdict was given, or details would get lost."""
    reason = "in the control, without any product: it was not run: cron is missing"
    assert reason_words(reason, "ja") == "製品なしの対照で：実行していない：cron is missing"
    assert reason_words(reason, "en") == reason


def test_every_process_appears_once_whatever_the_records_claim():
    """Else a forged or reused pid could hang publishing, or hide a process."""
    own_parent = make_process(5, 5, 1)
    first, child, reused, orphan = (
        make_process(10, 1, 2),
        make_process(11, 10, 3),
        make_process(10, 11, 4),
        make_process(99, 77, 5),
    )
    assert process_tree([orphan, reused, child, first, own_parent]) == (
        (0, own_parent),
        (0, first),
        (1, child),
        (2, reused),
        (0, orphan),
    )


def test_an_anchor_is_never_raw_data():
    """Else a step id could break out of its attribute or out of the page's own anchors."""
    assert anchor("plant-cron") == "step-plant-cron"
    assert re.fullmatch(r"step-x[0-9a-f]{16}", anchor('"><script>'))
    assert anchor("a b") != anchor("a c")


def test_effects_tell_which_steps_have_evidence():
    """Else the matrix would link to anchors that do not exist."""
    assert effects_of([make_step()]) == {"plant-cron": True}
