"""`pij register`, `adjudicate`, `dispute`, `people`, `preview`, `bundle`, `reproduce`: what people decide."""

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.terminal import explaining, named_paths, print_json, print_table, visible
from results.errors import EvaluationError
from results.paths import campaign_folder

if TYPE_CHECKING:
    from results.people import Ruling, Standing

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]
Definition = Annotated[
    str | None, typer.Option(help="Campaign id or file that it was run with; the results' own id if not given.")
]
Step = Annotated[str, typer.Argument(help="CAMPAIGN/TRIAL/STEP, e.g. demo/fail2ban-default-r1/guess-password.")]
Author = Annotated[str, typer.Option(help="Who says so.")]
Reason = Annotated[str, typer.Option(help="Why, in words that a reader of the page understands.")]
Evidence = Annotated[
    list[str] | None, typer.Option(help="Id of an alert or telemetry record, or an address; repeatable.")
]


def register(
    campaign: Annotated[str, typer.Argument(help="Campaign id, or its file.")],
    content: Annotated[list[str] | None, typer.Option("--content", help="ID=FOLDER, as for `pij run`.")] = None,
    name: Annotated[str | None, typer.Option("--as", help="Another id for the results, as for `pij run`.")] = None,
    key: Annotated[Path | None, typer.Option(help="Sign with this Ed25519 key (`pij product key` makes one).")] = None,
    attack: Annotated[Path | None, typer.Option("--attack", help="STIX bundle of ATT&CK, as for `pij run`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Commit to a campaign before its first trial: file, plans, seeds, products, and how it will be scored.

    Give the commitment to somebody, or publish it, before `pij run`: it proves that nothing was chosen afterwards.
    """
    from pipelines.registering import register_campaign

    with explaining(as_json):
        found = register_campaign(campaign, attack, named_paths("--content", content or []), name, key, time.time_ns())
        if as_json:
            print_json([one.model_dump(mode="json") for one in found])
            return
        for one in found:
            typer.echo(
                f"{one.campaign}: {len(one.seeds)} trials, {len(one.products)} arms, ATT&CK {one.attack_release}"
            )
            typer.echo(f"commitment: sha256 {one.commitment}")
            if one.signature:
                typer.echo(f"signed by:  {one.signature.public_key}")


def adjudicate(
    address: Step,
    verdict: Annotated[str, typer.Option(help="What shall hold: missed, alerted:technique, invalid …")],
    reason: Reason,
    author: Author,
    evidence: Evidence = None,
    as_json: AsJson = False,
) -> None:
    """Change a verdict, on the record: append-only, with author, reason and evidence; the scorer's own stands beside.

    A detection needs the id of an alert among the evidence. The metrics are recomputed at once.
    """
    from results.adjudication import adjudicate as decide
    from results.adjudication import read_ruling
    from results.scoring import score_campaign

    with explaining(as_json):
        folder, trial, step = _addressed(address)
        words = {"author": author, "reason": reason}
        found = decide(folder, trial, step, read_ruling(verdict), words, evidence or [], time.time_ns())
        score_campaign(folder)
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        before, after = _ruled(found.before), _ruled(found.after)
        typer.echo(visible(f"{address}: {before} -> {after}, by {found.author}: {found.reason}"))
        typer.echo(f"the scores without any decision: {visible(str(folder / 'original'))}")


def dispute(
    address: Annotated[str, typer.Argument(help="CAMPAIGN/TRIAL/STEP to object to, or CAMPAIGN with --answers.")],
    reason: Reason,
    author: Author,
    evidence: Evidence = None,
    answers: Annotated[int | None, typer.Option(help="Number of the dispute that this answers.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a vendor's objection to a verdict, or an answer to one, on the record while the dispute window is open."""
    from results.disputes import answer
    from results.disputes import dispute as object_to

    with explaining(as_json):
        if answers is not None:
            found = answer(campaign_folder(address.partition("/")[0]), answers, author, reason, time.time_ns())
        else:
            folder, trial, step = _addressed(address)
            found = object_to(folder, trial, step, author, reason, evidence or [], time.time_ns())
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            typer.echo(visible(f"dispute {found.number}: {found.trial_id}/{found.step_id}: {found.reason}"))
            for words in found.answers:
                typer.echo(visible(f"  {words}"))


def people(
    campaign: Annotated[str, typer.Argument(help="Campaign id, or the folder of its results.")] = "demo",
    as_json: AsJson = False,
) -> None:
    """Show what people decided: registration, adjudications, disputes, and until when vendors may object."""
    from results.disputes import people_of
    from results.registration import REGISTRATION
    from results.store import sealed_trials

    with explaining(as_json):
        folder = campaign_folder(campaign, ("campaign.json", REGISTRATION))
        found = people_of(folder)
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        _show_standing(found.registration, has_results=bool(sealed_trials(folder)))
        if found.window:
            typer.echo(f"vendors may object until {_moment(found.window.until_ns)}")
        rows = [
            [one.trial_id, one.step_id, _ruled(one.before), _ruled(one.after), one.author, one.reason]
            for one in found.adjudications
        ]
        if rows:
            print_table(["trial", "step", "before", "after", "author", "reason"], rows)
        for one in found.disputes:
            typer.echo(visible(f"dispute {one.number}: {one.trial_id}/{one.step_id}, {one.author}: {one.reason}"))
            for words in one.answers:
                typer.echo(visible(f"  {words}"))


def _show_standing(found: "Standing", has_results: bool) -> None:
    """The words of the published page, a line each; of a trial that was not run yet nothing is missing."""
    from results.people_page import standing_view
    from results.wording import words

    say, planned = words("en"), len(found.missing)
    view = standing_view(found if has_results else found.model_copy(update={"missing": (), "not_recorded": {}}), say)
    lines = [f"registered: {f'{view.when} sha256 {view.commitment}' if view.commitment else 'never'}"]
    if view.commitment:
        lines += [f"signature: {view.signature}"]
    if (view.commitment and has_results) or view.lines:
        lines += [f"{say['as_registered']}: {view.as_registered}", *(f"  {line}" for line in view.lines)]
    if view.more:
        lines += [f"  {view.more} `pij people --json`"]
    lines += [f"  {view.restarts}"] if view.restarts else []
    if view.commitment and has_results:
        lines += [f"{say['as_scored']}: {view.as_scored}"]
    if not has_results:
        lines += [f"no results yet: found no sealed trial{f' of {planned}' if planned else ''}; `pij run` makes them"]
    for line in lines:
        typer.echo(visible(line))


def preview(
    campaign: Annotated[str, typer.Argument(help="Campaign id, or the folder of its results.")],
    product: Annotated[str, typer.Option(help="Whose view: a product's id.")],
    to: Annotated[Path, typer.Option(help="Folder that is made; must not be there yet, or be empty.")],
    days: Annotated[float, typer.Option(min=0, max=3650, help="How long the vendor may object, from now on.")] = 14.0,
    definition: Definition = None,
    content: Annotated[list[str] | None, typer.Option("--content", help="ID=FOLDER, as for `pij run`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a vendor's own view before publication: verdicts, and a reproduction bundle for each miss and false alarm.

    Names of other products are in none of it. Opens the dispute window; until its end a publication is provisional.
    """
    from pipelines.previewing import preview_product

    with explaining(as_json):
        folder = campaign_folder(campaign)
        given = named_paths("--content", content or [])
        found = preview_product(folder, product, to, definition or folder.name, given, days, time.time_ns())
        if as_json:
            print_json(found.model_dump(mode="json"))
            return
        typer.echo(f"written: {visible(str(to))} ({len(found.trials)} trials, {len(found.bundles)} bundles)")
        typer.echo(f"the vendor may object until {_moment(found.until_ns)}")


def bundle(
    address: Step,
    to: Annotated[Path | None, typer.Option(help="File to write; <trial>-<step>.pij.zip if not given.")] = None,
    definition: Definition = None,
    content: Annotated[list[str] | None, typer.Option("--content", help="ID=FOLDER, as for `pij run`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Pack one step with everything that is needed to run it again: `pij reproduce FILE` does."""
    from pipelines.reproduce import defined, make_bundle

    with explaining(as_json):
        folder, trial, step = _addressed(address)
        what = defined(definition or folder.name, named_paths("--content", content or []))
        path = make_bundle(folder, trial, step, what, to or Path(f"{trial}-{step}.pij.zip"))
        print_json({"bundle": str(path)}) if as_json else typer.echo(f"written: {visible(str(path))}")


def reproduce(
    file: Annotated[Path, typer.Argument(help="A bundle, as `pij bundle` or `pij preview` makes it.")],
    content: Annotated[list[str] | None, typer.Option("--content", help="ID=FOLDER, as for `pij run`.")] = None,
    keep_engine: Annotated[bool, typer.Option(help="Leave a Docker engine that pij started running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the step of a bundle again, with what it needs, in fresh containers, and say whether it came out the same.

    Exits 0 if outcome, category and effect are the same, 1 if not. Nothing of a bundle runs outside containers.
    """
    from environments.engine import engine_for
    from pipelines.reproduce import reproduce as run_again
    from pipelines.run import stopping_on_signals
    from results.reproduction import read_bundle

    with explaining(as_json):
        read_bundle(file)  # a hostile one is refused before any engine is looked for
        stop, early = threading.Event(), threading.Event()

        def say(trial: str, line: str) -> None:
            if not as_json:
                typer.echo(visible(f"{trial or 'all'}: {line}"), err=True)

        given = named_paths("--content", content or [])
        with stopping_on_signals(stop, early), engine_for(lambda line: say("", line), keep_engine) as engine:
            found = run_again(engine, file, given, say, stop)
        if as_json:
            print_json({**found.model_dump(mode="json"), "same": found.is_same})
        else:
            for name, came in (("then", found.expected), ("now", found.found)):
                words = f"{came.outcome}{f':{came.category}' if came.category else ''}, effect {came.verified}"
                typer.echo(visible(f"{name}: {words} ({came.reason})"))
            typer.echo("the same" if found.is_same else f"NOT the same: {'; '.join(found.differences)}")
        if not found.is_same:
            raise typer.Exit(1)


VERBS = (register, adjudicate, dispute, people, preview, bundle, reproduce)
"""Verbs of `pij`, in the order in which a campaign goes through them."""


def _addressed(address: str) -> tuple[Path, str, str]:
    parts: Sequence[str] = address.strip("/").split("/")
    if len(parts) < 3:
        raise EvaluationError(f"found {address!r}; allowed: CAMPAIGN/TRIAL/STEP, e.g. demo/fail2ban-default-r1/guess.")
    return campaign_folder("/".join(parts[:-2])), parts[-2], parts[-1]


def _ruled(ruling: "Ruling") -> str:
    """A verdict as `--verdict` takes it: outcome, and category after a colon."""
    return ":".join(filter(None, (ruling.outcome, ruling.category)))


def _moment(time_ns: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M UTC")
