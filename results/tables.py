"""The campaign's headline as plain rows, for a terminal or any other table; pages have their own view."""

from results.measures import Estimate
from results.printable import printable
from results.records import Rate
from results.summary import ArmSummary, Summary
from results.wording import words
from results.wording_methods import rests_on

HEADLINE_DENOMINATOR = "applicable"


def share(rate: Rate) -> str:
    """A rate as it is always shown: percentage, counts, interval."""
    if rate.value is None or rate.low is None or rate.high is None:
        return f"– (0/{rate.n})"
    return f"{percent(rate.value)} ({rate.hits}/{rate.n}) [{rate.low * 100:.0f}–{rate.high * 100:.0f}]"


def mean_share(rate: Rate, language: str) -> str:
    """A mean over techniques, each counting alike: no counts stand beside it, since it is not hits divided by n."""
    if rate.value is None or rate.low is None or rate.high is None:
        return "–"
    techniques = rate.n if rate.clusters is None else rate.clusters  # None: each of them once
    over = words(language)["macro.over"].format(n=techniques)
    return f"{percent(rate.value)} [{rate.low * 100:.0f}–{rate.high * 100:.0f}]{over}"


def percent(value: float) -> str:
    """A share as a whole percentage."""
    return f"{value * 100:.0f}%"


def p_shown(p_value: float | None) -> str:
    """A p-value as it is always shown: never as nothing."""
    if p_value is None:
        return "–"
    return "< 0.0001" if p_value < 0.0001 else f"{p_value:.4f}"


def limited(estimate: Estimate, language: str) -> str:
    """An estimated share with its interval and n; `–` where there is none."""
    if estimate.value is None:
        return f"– (n = {estimate.n})"
    low, high = ("–" if end is None else f"{end * 100:.0f}" for end in (estimate.low, estimate.high))
    return f"{percent(estimate.value)} [{low}–{high}] ({rests_on(estimate.n, estimate.of, language)})"


def find_rate(arm: ArmSummary, metric: str, denominator: str = HEADLINE_DENOMINATOR) -> Rate | None:
    """One rate of an arm; None if it was not computed."""
    return next((line.rate for line in arm.rates if (line.metric, line.denominator) == (metric, denominator)), None)


def summary_table(summary: Summary, language: str) -> list[tuple[str, ...]]:
    """Header row, then one row for each product arm.

    Columns: product and arm, trials, prevented, alerted (technique/tactic/general), logged, missed, n, twins
    alerted, invalid. Outcomes are counts of step executions over the headline denominator `n`; the blanks
    (not applicable, disrupted, invalid) are never folded into them.
    """
    say = words(language)
    header = tuple(
        say[f"table.{column}"]
        for column in ("arm", "trials", "prevented", "alerted", "logged", "missed", "n", "twins", "blank")
    )
    return [header, *(_row(summary, arm, language) for arm in summary.arms if arm.product is not None)]


def _row(summary: Summary, arm: ArmSummary, language: str) -> tuple[str, ...]:
    alerted = _hits(arm, "alerted")
    categories = "/".join(_hits(arm, metric) for metric in ("technique", "tactic", "general"))
    rate = find_rate(arm, "missed")
    planned = sum(trial.arm_key == arm.arm_key for trial in summary.trials)
    completed = sum(trial.arm_key == arm.arm_key and trial.status == "completed" for trial in summary.trials)
    title = arm.title.ja if language == "ja" else arm.title.en
    return (
        printable(f"{arm.name} · {title}"),
        f"{completed}/{planned}",
        _hits(arm, "prevented"),
        f"{alerted} ({categories})",
        _hits(arm, "logged"),
        _hits(arm, "missed"),
        str(rate.n) if rate else "0",
        f"{arm.twins_alerted.hits}/{arm.twins_alerted.n}",
        "/".join(str(arm.counts.get(blank, 0)) for blank in ("invalid", "not_applicable", "disrupted")),
    )


def _hits(arm: ArmSummary, metric: str) -> str:
    rate = find_rate(arm, metric)
    return str(rate.hits) if rate else "–"
