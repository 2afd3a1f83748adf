"""From what was measured to what is said about it. Pure functions."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.conformance import Item, failed, passed, skipped
from pipelines.conformance_live import GRACE_S, SERIES, Burst, DryRun, Ended, Peak
from pipelines.conformance_measure import Completeness, Offset, Shown, clock_offset, delays_s
from products.limits import size_of
from products.manifest import CanaryAction, Component, Product, Source
from results.errors import Problem
from results.records import Outcome, StepExecution, StepKind, Verdict

CLOCK_S = 0.05
"""A clock may be off by so much: what the measurement itself can't tell apart on a busy machine."""
FULL_BURST = 1000
ENOUGH = 100
"""Acts of a burst; fewer only if the manifest says why."""


def lint_item(problems: Sequence[Problem]) -> Item:
    """The manifest by the model and its lint."""
    if not problems:
        return passed("lint", "no problems")
    found = f"{len(problems)} problem(s), the first: {problems[0]}"
    return failed("lint", found[:500], "no problems", "Mend each; `pij lint` shows them.", problems=tuple(problems))


def filled_item(problems: Sequence[Problem]) -> Item:
    """What the template put there and nobody replaced."""
    if not problems:
        return passed("filled", "every field is filled in")
    lines = ", ".join(_line(problem) for problem in problems)
    return failed("filled", lines, "what it really is", "Fill these lines in.", problems=tuple(problems))


def _line(problem: Problem) -> str:
    field = f" ({problem.field})" if problem.field else ""
    return f"{Path(problem.path).name} line {problem.line}{field}"


def ready_item(product: Product, seconds: float) -> Item:
    """Ready checks."""
    without = [component.id for component in product.components if component.ready is None]
    words = f"ready {seconds:.1f} s after its start"
    if without:
        words += f"; no ready check for {', '.join(without)}: the canary alone tells"
    return passed("ready", words, measured={"seconds": round(seconds, 3)})


def canary_item(name: str, shown: bool, attempts: int, seconds: float, words: str) -> Item:
    """One canary, before or after."""
    if shown:
        found = f"answered at attempt {attempts}, after {seconds:.2f} s"
        return passed(name, found, measured={"attempts": attempts, "seconds": round(seconds, 3)})
    mend = (
        "Do the canary's command by hand in the node, look whether an alert comes out, and whether `expect` fits it "
        "(`pij product map-test`)."
    )
    return failed(name, f"no answer in {seconds:.0f} s. {words}"[:600], "an alert that fits `canary.expect`", mend)


def version_item(version: str | None) -> Item:
    """What the running product says."""
    if version:
        return passed("version", version)
    mend = "Correct `version`: a command that prints it, and a pattern with one group."
    return failed("version", "nothing that fits the pattern", "the product's own version", mend)


def delay_item(shown: Sequence[Shown], done: int, declared_s: float) -> Item:
    """Delivery: from the act to the receipt of its alert."""
    if not shown:
        return failed(
            "delay",
            f"none of {done} canaries was answered at the first attempt",
            "an alert for each",
            "See the canary.",
        )
    delays = delays_s(shown)
    middle, most = statistics.median(delays), max(delays)
    measured = {"n": len(delays), "done": done, "median_s": round(middle, 4), "max_s": round(most, 4)}
    words = f"median {middle:.3f} s, longest {most:.3f} s over {len(delays)} canaries (declared: {declared_s:g} s)"
    if len(delays) < done:
        mend = "An act without an alert is a miss: find out why some are not answered."
        return failed(
            "delay",
            f"{done - len(delays)} of {done} were not answered at once; {words}",
            "all",
            mend,
            measured=measured,
        )
    if most > declared_s:
        mend = f"Declare latency_s: {most * 1.5:.1f} or more, or make it faster; later alerts may count for nobody."
        return failed("delay", words, f"at most {declared_s:g} s", mend, measured=measured)
    if done < SERIES:
        words += f"; only {done} canaries fitted into the time"
    return passed("delay", words, measured=measured)


def clock_item(shown: Sequence[Shown], sources: Sequence[Source]) -> Item:
    """The product's clock against the host's."""
    resolution = max((source.time_resolution_s for source in sources), default=0.0)
    offset = clock_offset(shown, resolution)
    if offset is None:
        mend = "Map `time`: without it, alerts are placed by their receipt alone."
        return skipped("clock", "its alerts carry no time that can be read", mend)
    measured: dict[str, float | int | str | bool | None] = {
        "least_s": round(offset.least_s, 4), "low_s": round(offset.low_s, 4), "high_s": round(offset.high_s, 4),
        "n": sum(one.time_ns is not None for one in shown),
    }  # fmt: skip
    words = f"it is ahead of the host's by {offset.low_s:.3f} to {offset.high_s:.3f} s (n = {measured['n']})"
    return _judged_clock(offset, words, measured)


def _judged_clock(offset: Offset, words: str, measured: dict[str, float | int | str | bool | None]) -> Item:
    if not offset.is_consistent and offset.low_s - offset.high_s > CLOCK_S:
        mend = "No single offset fits: its clock jumps, or `time` is not when it happened."
        return failed("clock", words, "one offset for every alert", mend, measured=measured)
    if offset.low_s > CLOCK_S or offset.high_s < -CLOCK_S:
        mend = "Use the host's clock and UTC; check `time_format` and its zone, and `time_resolution_s`."
        words = f"off by at least {offset.least_s:+.3f} s: {words}"
        return failed("clock", words, "0 s within the bounds", mend, measured=measured)
    found = f"no difference within {offset.low_s:.3f} to {offset.high_s:.3f} s (n = {measured['n']})"
    return passed("clock", found, measured=measured)


def burst_item(burst: Burst, canary: CanaryAction, numbered: int | None) -> Item:
    """Completeness under a burst."""
    duplicates = burst.records - burst.answered
    measured = {
        "wanted": burst.wanted, "done": burst.done, "answered": burst.answered, "duplicates": duplicates,
        "acting_s": round(burst.acting_s, 3), "settling_s": round(burst.settling_s, 3),
    }  # fmt: skip
    words = f"{burst.answered} of {burst.done} acts answered; done in {burst.acting_s:.1f} s"
    if burst.done < burst.wanted:
        words += f" (no more of the {burst.wanted} fitted into the time)"
    if duplicates:
        words += f"; {duplicates} further alerts on the same acts"
    if canary.burst < FULL_BURST and canary.burst_why is not None:
        words += f". Fewer than {FULL_BURST}, because: {canary.burst_why.en}"
    if numbered is not None and canary.burst > numbered:
        mend = f"Put ${{nonce}} into the canary, or declare burst: {numbered} with burst_why."
        return failed("burst", words, f"{canary.burst} that can be told apart", mend, measured=measured)
    if burst.answered < burst.done:
        mend = (
            "Alerts were lost or suppressed: look for rate limits and duplicate suppression, or queues that overflow."
        )
        return failed("burst", words, "an alert for each act", mend, measured=measured)
    if burst.done < min(burst.wanted, ENOUGH):
        allowed = f"at least {min(burst.wanted, ENOUGH)} acts in {burst.acting_s:.0f} s"
        mend = f"If each act takes so long, declare canary.burst: {max(1, burst.done * 3 // 4)} with burst_why."
        return failed("burst", words, allowed, mend, measured=measured)
    return passed("burst", words, measured=measured)


def mapping_item(
    found: Completeness, examples: Sequence[tuple[str, str]], troubles: Sequence[str], untimed: bool = False
) -> Item:
    """Parsing and mapping of everything that came; `untimed`: the manifest maps no time."""
    total = max(found.kept, 1)
    rows = [("field", "alerts without it", "share")]
    rows += [(name, str(count), f"{count / total:.0%}") for name, count in sorted(found.empty.items()) if count]
    rows += [(f"unreadable: {why}", line, "") for why, line in examples]
    measured = {
        "received": found.received, "kept": found.kept, "unreadable": found.unreadable, "dropped": found.dropped,
        "refused": found.refused, "without_time": found.without_time, "without_words": found.without_words,
    }  # fmt: skip
    wrong = {
        "unreadable": found.unreadable, "not taken": found.refused, "too many to keep": found.dropped,
        "without a time": 0 if untimed else found.without_time, "without a rule or title": found.without_words,
    }  # fmt: skip
    words = f"{found.kept} read of {found.received} records"
    if untimed:
        words += "; they carry no time, and are placed by their receipt"
    bad = [f"{count} {name} ({count / max(found.received, 1):.1%})" for name, count in wrong.items() if count]
    details: dict[str, Any] = {"measured": measured, "table": tuple(rows) if len(rows) > 1 else ()}
    if troubles:
        bad += troubles
    if not found.kept and not bad:
        return skipped("mapping", "no alert came; see the canary", **details)
    if bad:
        mend = "Try `pij product map-test` on these lines; say `where` or `skip_others` for lines that are no alerts."
        return failed(
            "mapping",
            f"{words}; {', '.join(bad)}",
            "every alert read, with a time and a rule or title",
            mend,
            **details,
        )
    always = [name for name, count in found.empty.items() if count == found.kept]
    if always:
        words += f"; never a value for {', '.join(always)} (the canary may have none)"
    return passed("mapping", words, **details)


def dry_run_item(run: DryRun, plan: str) -> Item:
    """What the product said in the public dry run."""
    rows = [("step", "kind", "outcome", "rules")]
    rows += [
        (one.step_id, str(one.kind), _outcome(one), ", ".join(run.rules.get(one.step_id, ())) or one.reason[:80])
        for one in run.verdicts
    ]
    malicious = sum(one.kind is StepKind.MALICIOUS for one in run.verdicts)
    hits = sum(one.kind is StepKind.MALICIOUS and bool(one.alerts) for one in run.verdicts)
    false = sum(one.kind is not StepKind.MALICIOUS and bool(one.alerts) for one in run.verdicts)
    logged = sum(one.kind is StepKind.MALICIOUS and one.outcome is Outcome.LOGGED for one in run.verdicts)
    words = f"{plan}: alerted on {hits} of {malicious} harmful steps, on {false} harmless ones"
    words += f"; logged {logged}" if logged else ""
    unrun = [step for step in run.steps if step.kind is not StepKind.CANARY and step.not_run is not None]
    if unrun:
        return skipped("dry-run", f"{words}; not carried out: {_unrun(unrun)}", table=tuple(rows))
    return passed("dry-run", words, table=tuple(rows), measured={"alerted": hits, "of": malicious, "false": false})


def _outcome(verdict: Verdict) -> str:
    if verdict.kind is not StepKind.MALICIOUS and verdict.outcome is Outcome.MISSED:
        return "left alone"
    if verdict.outcome is Outcome.INVALID and verdict.alerts:
        return "alerted; its effect was not seen"  # prevented or not: only a control could tell
    return str(verdict.outcome)


def _unrun(steps: Sequence[StepExecution]) -> str:
    return "; ".join(f"{step.step_id}: {step.not_run}" for step in steps)[:300]


def conduct_item(conduct: Sequence[str]) -> Item:
    """What the product did that none should."""
    if not conduct:
        return passed("conduct", "nothing was noticed")
    return failed(
        "conduct", "; ".join(conduct)[:800], "nothing of the kind", "Find out why; a buyer will see this, too."
    )


def rights_item(product: Product) -> Item:
    """Every right that it asks for, with its reason."""
    rows = [("component", "right", "why")]
    for component in product.components:
        rows += [(component.id, need.capability, need.why) for need in component.capabilities]
        rows += [(component.id, right, why) for right, why in _other_rights(component)]
    if len(rows) == 1:
        return passed("rights", "it asks for nothing beyond an ordinary container's")
    return passed("rights", f"{len(rows) - 1} rights, each on the allow-list of its placement", table=tuple(rows))


def _other_rights(component: Component) -> list[tuple[str, str]]:
    found = []
    if component.host_pid:
        found.append(("host_pid", "sees the engine host's processes"))
    if component.seccomp_unconfined:
        found.append(("seccomp_unconfined", "every system call"))
    if component.network != "none":
        found.append((f"network: {component.network}", f"of {component.mirrors or component.node}"))
    if component.lock:
        found.append((f"lock: {component.lock}", "holds this kernel facility alone"))
    return found


def resources_item(product: Product, peak: Peak) -> Item:
    """Declared limits against the most that was seen."""
    rows = [("component", "memory limit", "most used", "CPU seconds", "killed for memory", "processes refused")]
    wrong, measured = [], {}
    for component in product.components:
        limit, used = size_of(component.mem_limit), peak.memory.get(component.id)
        cpu = peak.cpu_s.get(component.id)
        kills, refused = peak.oom_kills.get(component.id, 0), peak.forks_refused.get(component.id, 0)
        rows.append(
            (
                component.id, component.mem_limit, "–" if used is None else f"{used / (1 << 20):.0f} MiB",
                "–" if cpu is None else f"{cpu:.1f}", str(kills), str(refused),
            )
        )  # fmt: skip
        measured[f"{component.id}_memory_bytes"] = used
        if used is not None and used > limit:
            wrong.append(f"{component.id} used {used / (1 << 20):.0f} MiB of {component.mem_limit}")
        if kills:
            wrong.append(f"{component.id}: {kills} processes killed for want of memory")
        if refused:
            wrong.append(f"{component.id}: {refused} processes refused")
    details: dict[str, Any] = {"table": tuple(rows), "measured": measured}
    if not peak.memory:
        return skipped("resources", "nothing could be measured", **details)
    if wrong:
        mend = "Declare what it really needs (mem_limit, pids_limit), or let it need less."
        return failed("resources", "; ".join(wrong), "at most what is declared", mend, **details)
    words = ", ".join(f"{name} at most {used / (1 << 20):.0f} MiB" for name, used in peak.memory.items())
    return passed("resources", words, **details)


def shutdown_item(ended: Sequence[Ended] | None) -> Item:
    """How the components ended when they were told to."""
    if ended is None:
        return skipped("shutdown", "this kernel does not tell of processes")
    late = [one.component for one in ended if one.seconds is None]
    left = [f"{one.component}: {', '.join(one.left)}" for one in ended if one.left]
    measured = {f"{one.component}_s": None if one.seconds is None else round(one.seconds, 3) for one in ended}
    if late or left:
        words = [f"{name} still ran {GRACE_S:.0f} s after SIGTERM" for name in late]
        words += [f"left running by {line}" for line in left]
        mend = "Start the product with `exec`, or pass the signal on: trap 'trap - TERM; kill 0' TERM … wait."
        return failed("shutdown", "; ".join(words), f"all of it within {GRACE_S:.0f} s", mend, measured=measured)
    ends = ", ".join(f"{one.component} after {one.seconds or 0:.1f} s" for one in ended)
    return passed("shutdown", f"ended on SIGTERM: {ends}", measured=measured)


def leftovers_item(left: Sequence[str], unknown: Sequence[str]) -> Item:
    """What is there after everything was taken down."""
    if left:
        mend = "Undo it in `teardown` of the component."
        return failed("leftovers", "; ".join(left)[:500], "nothing", mend)
    note = f" (not looked at: {', '.join(unknown)})" if unknown else ""
    return passed("leftovers", f"no container, no network, no kernel rule{note}")


def location(folder: Path) -> str:
    """The file that an item is about, for reports that want one."""
    return (folder / "product.yaml").as_posix()
