"""`pij compare`, `rank`, `gap` and `power`: questions to scored campaigns. None needs Docker."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.terminal import explaining, print_json, print_table, visible
from results.errors import EvaluationError

if TYPE_CHECKING:
    from results.contrasts import Contrast
    from results.measures import Estimate
    from results.reading import Book
    from results.records import Rate

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]
MOST_PAIRS = 1_000_000
FEWER = {"techniques": "One technique shows nothing about others: leave it out to see how many it takes."}
ONE = "Name one of these."
WORDS = {
    "no_difference_shown": "no difference shown",
    "not_comparable": "not comparable",
    "no_gap_shown": "no gap shown",
    "recognises": "does better on what is public",
    "better_on_variants": "does better on the variants",
}


def compare(
    campaigns: Annotated[list[str], typer.Argument(help="Campaign ids, or folders of results or published data.")],
    metric: Annotated[
        str | None,
        typer.Option(help="Only detected, technique, visible, prevented, twins_left_alone or delay; all if not given."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare every pair of product arms on the same steps and seeds: difference, interval, tests, Holm.

    Several campaigns can be compared if plan, environment, seed, ATT&CK release and scorer version are the same.
    """
    from results.comparison import COMPARED, DELAY
    from results.comparison import compare as compare_ledgers
    from results.reading import cores_of, ledgers_of, require_distinct, require_same
    from results.tables import p_shown

    with explaining(as_json):
        if metric not in (None, *COMPARED, DELAY):
            raise EvaluationError(f"--metric: found {metric!r}; allowed: {', '.join((*COMPARED, DELAY))}. {ONE}")
        books = _books(campaigns)
        require_same(books)
        require_distinct(books)
        watched = {trial: steps for book in books for trial, steps in book.watched.items()}
        if len(books) > 1:  # trials of two campaigns may have the same name
            watched = {}
        found = compare_ledgers(ledgers_of(books), watched, cores_of(books))
        if found is None:
            raise EvaluationError(
                f"{', '.join(campaigns)}: found fewer than two product arms with a verdict; allowed: two or more. "
                "Run the campaign with another product."
            )
        contrasts = [one for one in found.contrasts if metric in (None, one.metric)]
        if as_json:
            print_json(
                found.model_dump(mode="json") | {"contrasts": [one.model_dump(mode="json") for one in contrasts]}
            )
            return
        header = ["metric", "first", "second", "difference [95 %]", "n", "only first/second", "p (Holm)", "result"]
        print_table(header, [_contrast_row(one) for one in contrasts])
        for name, tests in found.overall.items():
            if tests and metric in (None, name):
                shown = ", ".join(f"{test.name} p {p_shown(test.p_value)}" for test in tests)
                typer.echo(f"{name}, all arms alike? {shown}")


def rank(
    campaign: Annotated[str, typer.Argument(help="Campaign id, or a folder of results or published data.")] = "demo",
    weights: Annotated[
        list[str] | None,
        typer.Option(help="NAME=NUMBER, repeatable or with commas, e.g. technique=1,twins_disturbed=-1."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Order the product arms by your weights, with the places that the data really hold.

    Names: prevented, technique, tactic, general, logged, missed, twins_disturbed, delay, cost.
    """
    from results.grid import make_grids
    from results.ranks import DEFAULT_WEIGHTS, rank, read_weights, vectors
    from results.reading import cores_of, ledgers_of

    with explaining(as_json):
        books = _books([campaign])
        chosen = read_weights(weights) if weights else DEFAULT_WEIGHTS
        ledgers = ledgers_of(books)
        if not ledgers:
            raise EvaluationError(f"{campaign}: found no arm with a verdict; allowed: one or more. Run it first.")
        grids = make_grids(ledgers, books[0].watched)
        found = rank(grids, vectors(grids, cores_of(books)), chosen)
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        typer.echo("weights: " + ", ".join(f"{name} {value:g}" for name, value in found.weights.items()))
        if found.basis == "valid":
            typer.echo("No step can be seen by every arm's class: what one can't see counts as not seen.")
        if found.reason:
            typer.echo(visible(f"no order: {found.reason}"))
            return
        print_table(
            ["place", "arm", "score [95 %]", "places that hold", "keeps its place"],
            [
                [one.rank, one.arm_key, _interval(one.score), f"{one.low}–{one.high}", f"{one.keeps:.0%}"]
                for one in found.lines
            ],
        )
        typer.echo(
            f"The whole order stays under {found.order_survives or 0:.0%} of {found.redrawn} redrawn weights "
            "(each between half and twice yours). Places from–to hold for all arms at once with 95 %."
        )


def gap(
    public: Annotated[str, typer.Argument(help="Campaign on public plans.")],
    variants: Annotated[str, typer.Argument(help="Campaign on variants or plans kept back.")],
    metric: Annotated[str, typer.Option(help="One of detected, alerted, technique, visible, prevented.")] = "detected",
    as_json: AsJson = False,
) -> None:
    """Recognition gap: how much better a product does on what is public than on the same techniques in other dress."""
    from results.reading import GAP_TO_ITSELF, require_distinct
    from results.recognition import GAUGED, gaps
    from results.tables import p_shown

    with explaining(as_json):
        if metric not in GAUGED:
            raise EvaluationError(f"--metric: found {metric!r}; allowed: {', '.join(GAUGED)}. {ONE}")
        first, second = _books([public, variants])
        require_distinct([first, second], GAP_TO_ITSELF)
        found = gaps(first, second, metric)
        if as_json:
            print_json([one.model_dump(mode="json") for one in found])
            return
        if not found:
            raise EvaluationError(f"{public}, {variants}: found no arm that is in both; allowed: one or more.")
        print_table(
            ["arm", "public (mean)", "variants (mean)", "gap [95 %]", "techniques", "p", "result"],
            [
                [
                    one.arm_key, _mean(one.public), _mean(one.variants), _interval(one.gap), len(one.techniques),
                    p_shown(one.p_value), WORDS[one.conclusion],
                ]
                for one in found
            ],
        )  # fmt: skip


def power(
    first: Annotated[float, typer.Option(help="Rate that the first product is thought to have, e.g. 0.7.")],
    second: Annotated[float, typer.Option(help="Rate that the second is thought to have.")],
    techniques: Annotated[
        int | None, typer.Option(help="Techniques at hand, 2 or more; how many are needed if not given.")
    ] = None,
    repetitions: Annotated[int, typer.Option(help="Executions of each, 1 or more.")] = 1,
    stability: Annotated[
        float, typer.Option(help="Share of an answer's variance that stays when a step is repeated (alpha).")
    ] = 0.8,
    agreement: Annotated[float, typer.Option(help="Correlation of the two products over techniques.")] = 0.3,
    pairs: Annotated[int, typer.Option(help="Pairs of products that are compared at once (Holm).")] = 1,
    wanted: Annotated[float, typer.Option(help="Power that is wanted, 0.01 to 0.999.")] = 0.8,
    as_json: AsJson = False,
) -> None:
    """How many techniques and repetitions it takes to tell two products apart, or what those at hand can tell."""
    from results.power import LEVEL, Question, repetitions_needed, techniques_needed, variance
    from results.power import power as power_of

    with explaining(as_json):
        for name, value, least in (("techniques", techniques, 2), ("repetitions", repetitions, 1), ("pairs", pairs, 1)):
            if value is not None and value < least:
                raise EvaluationError(
                    f"pij power: --{name}: found {value}; allowed: {least} or more. {FEWER.get(name, 'Give a number.')}"
                )
        if not 0.01 <= wanted <= 0.999:
            raise EvaluationError(f"pij power: --wanted: found {wanted}; allowed: 0.01 to 0.999. Give a share, as 0.8.")
        if pairs > MOST_PAIRS:
            raise EvaluationError(f"pij power: --pairs: found {pairs}; allowed: 1 to {MOST_PAIRS:,}. Ask for fewer.")
        if first == second:
            raise EvaluationError(
                f"pij power: --second: found {second:g}, as --first; allowed: another rate. Nothing finds a difference "
                "that is not there: give the smallest one that matters."
            )
        question = Question(first, second, stability, agreement, LEVEL / pairs).checked()
        found: dict[str, float | int | None] = {
            "techniques_needed": techniques_needed(question, repetitions, wanted),
            "difference": abs(first - second),
            "variance_on_one_technique": round(variance(question, repetitions), 6),
        }
        if techniques is not None:
            found["power"] = round(power_of(question, techniques, repetitions), 4)
            found["repetitions_needed"] = repetitions_needed(question, techniques, wanted)
        if as_json:
            print_json(found)
            return
        needed = found["techniques_needed"]
        typer.echo(
            f"{needed} techniques with {repetitions} execution(s) each find a difference of "
            f"{abs(first - second):.0%} with {wanted:.0%}."
            if needed is not None
            else "No number of techniques up to 100000 finds it."
        )
        if techniques is not None:
            more = found["repetitions_needed"]
            typer.echo(f"{techniques} techniques find it with {found['power']:.0%}.")
            typer.echo(
                f"With {more} execution(s) of each they find it with {wanted:.0%} or more."
                if more is not None
                else "More repetitions of these techniques would not be enough: techniques differ, not only runs."
            )


def _books(campaigns: list[str]) -> "list[Book]":
    from results.paths import runs_folder
    from results.reading import read_book

    folders = [Path(one) if "/" in one else runs_folder() / one for one in campaigns]
    books: list[Book] = []
    for folder in folders:
        book = read_book(folder)
        if any(book.name == other.name for other in books):
            book = replace(book, name=f"{book.name}-{len(books) + 1}")
        books.append(book)
    return books


def _contrast_row(one: "Contrast") -> list[str]:
    from results.tables import p_shown

    words = {"first": f"{one.first} is ahead", "second": f"{one.second} is ahead"}
    result = words.get(one.conclusion) or WORDS[one.conclusion]
    if one.conclusion == "no_difference_shown" and one.detectable is not None:
        result += f" (could show {one.detectable:.0%})"
    return [
        one.metric, one.first, one.second, _interval(one.difference), str(one.n),
        f"{one.first_only}/{one.second_only}", p_shown(one.p_holm),
        f"{result}: {one.reason}" if one.reason else result,
    ]  # fmt: skip


def _interval(one: "Estimate") -> str:
    if one.value is None:
        return "–"
    if one.low is None or one.high is None:
        return _signed(one.value)
    return f"{_signed(one.value)} [{_signed(one.low)}, {_signed(one.high)}]"


def _signed(value: float) -> str:
    """Two places; what rounds to nothing is +0.00."""
    return f"{round(value, 2) + 0.0:+.2f}"


def _mean(one: "Rate") -> str:
    """A mean over techniques is not hits divided by n, so those do not stand beside it."""
    return "–" if one.value is None else f"{one.value:.0%}"
