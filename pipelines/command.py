"""The `pij` command. Each verb imports what it needs when it runs, so that `pij --help` is instant."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines import people_command, statistics_command
from pipelines.product_command import product_app
from pipelines.terminal import explaining as _explaining
from pipelines.terminal import print_json as _print_json
from pipelines.terminal import print_table as _print_table
from pipelines.terminal import visible as _visible
from results.errors import MOST_LISTED, ContentError, EvaluationError, several
from results.paths import campaign_folder

app = typer.Typer(
    help="Proven in Japan: finds out what a security product really detects, and publishes it with the evidence.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(product_app, name="product")
for verb in (statistics_command.compare, statistics_command.rank, statistics_command.gap, statistics_command.power):
    app.command()(verb)
for decision in people_command.VERBS:
    app.command()(decision)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]
Attack = Annotated[
    Path | None, typer.Option("--attack", help="STIX bundle of ATT&CK Enterprise; the embedded 18.1 if not given.")
]


From = Annotated[
    list[Path] | None,
    typer.Option("--from", help="Folder of a corpus as upstream publishes it; the checkout's own if none is given."),
]

HOW_PROVEN = (
    "Made by `pij prove`: each procedure was run in fresh containers with no product, and what it did was looked at "
    "from outside. Effects are those that every run had."
)


@app.command()
def lint(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders or campaign files to check; everything if none is given.")
    ] = None,
    attack: Attack = None,
    as_json: AsJson = False,
) -> None:
    """Check products, plans, environments and campaigns; every problem at once, with line and remedy.

    Exits 0 if all is well, 2 if there are problems.
    """
    from pipelines.lint import lint_everything, lint_paths

    with _explaining(as_json):
        problems = lint_paths(folders, attack) if folders else lint_everything(attack)
        if problems:
            raise ContentError(problems)
        _print_json([]) if as_json else typer.echo("no problems")


@app.command("list")
def list_content(
    kind: Annotated[
        str, typer.Argument(help="products, mappings, plans, environments, campaigns, procedures or results.")
    ] = "campaigns",
    technique: Annotated[str | None, typer.Option(help="Only procedures of this technique (and below it).")] = None,
    platform: Annotated[str | None, typer.Option(help="Only procedures for this platform, e.g. linux.")] = None,
    corpus: Annotated[str | None, typer.Option(help="Only procedures of this corpus, e.g. atomic-red-team.")] = None,
    runnable: Annotated[
        bool, typer.Option(help="Only procedures that are proven, or that nothing speaks against.")
    ] = False,
    folders: From = None,
    as_json: AsJson = False,
) -> None:
    """List what there is: products, mappings, plans, environments, campaigns, procedures or results."""
    from pipelines.listing import listing
    from pipelines.procedures import Selector

    with _explaining(as_json):
        rows = listing(kind, folders or (), Selector(technique, platform, corpus, runnable))
        if as_json:
            _print_json(rows)
        else:
            _print_table(list(rows[0]) if rows else ["nothing there"], [list(row.values()) for row in rows])


@app.command()
def run(
    campaign: Annotated[str, typer.Argument(help="Campaign id (see `pij list`), or its file.")] = "demo",
    content: Annotated[
        list[str] | None,
        typer.Option("--content", help="ID=FOLDER: content that only you can give, e.g. sigma_rules=../sigma."),
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", help="ID=FILE: a secret of a product; else it is taken from PIJ_SECRET_<ID>."),
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="Run only this arm, <product>-<arm>; repeatable.")] = None,
    name: Annotated[str | None, typer.Option("--as", help="Another id for the results.")] = None,
    fresh: Annotated[bool, typer.Option(help="Set earlier results of this campaign aside and start over.")] = False,
    ui: Annotated[
        bool, typer.Option(help="Print the address of Prefect's pages and keep them up until Ctrl-C.")
    ] = False,
    no_prefect: Annotated[bool, typer.Option(help="Run the same trials without Prefect.")] = False,
    keep_engine: Annotated[bool, typer.Option(help="Leave a Docker engine that pij started running.")] = False,
    attack: Attack = None,
    as_json: AsJson = False,
) -> None:
    """Run a campaign: build what is missing, run the trials that are not sealed yet, and score.

    Stops cleanly on Ctrl-C and resumes when it is run again. `pij publish` makes the pages afterwards.
    """
    from pipelines.session import Wishes, run_campaign

    with _explaining(as_json):
        wishes = Wishes(
            campaign=campaign,
            attack=attack,
            content=_pairs(content or []),
            secrets=_secret_files(secret or []),
            only=tuple(only or ()),
            name=name,
            fresh=fresh,
            ui=ui,
            prefect=not no_prefect,
            keep_engine=keep_engine,
            quiet=as_json,
        )
        _print_summaries(run_campaign(wishes), as_json)


@app.command()
def prove(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Corpora as upstream publishes them; the checkout's own procedures if none is given."),
    ] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option(
            help="Where, in this order. If not given: linux_lab, systemd_server; linux_server for own procedures."
        ),
    ] = None,
    technique: Annotated[str | None, typer.Option(help="Only procedures of this technique (and below it).")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many, drawn with --seed.")] = None,
    seed: Annotated[int, typer.Option(help="For --sample.")] = 0,
    repeat: Annotated[int, typer.Option(min=1, max=20, help="Runs of each, each in a fresh container.")] = 2,
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Containers at once.")] = 8,
    limit: Annotated[float, typer.Option(min=1, max=600, help="Seconds after which a procedure is stopped.")] = 10.0,
    fresh: Annotated[bool, typer.Option(help="Prove again what is known already.")] = False,
    table: Annotated[Path | None, typer.Option(help="Write the summary table there (Markdown).")] = None,
    catalogue: Annotated[Path | None, typer.Option(help="Write every proof there (JSON).")] = None,
    keep_engine: Annotated[bool, typer.Option(help="Leave a Docker engine that pij started running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run procedures in fresh containers without a product, and write down what each really does.

    Proofs are kept: a second run does only what is new, and one that was stopped goes on where it was.
    """
    from pipelines.proofs import markdown, reason_rows, summary_rows
    from pipelines.session import ProvingWishes, prove_procedures

    with _explaining(as_json):
        wishes = ProvingWishes(
            folders=tuple(folders or ()), technique=technique, sample=sample, seed=seed, repeats=repeat,
            parallel=parallel, time_s=limit, fresh=fresh, keep_engine=keep_engine, quiet=as_json,
            **({"environments": tuple(environment)} if environment else {}),
        )  # fmt: skip
        proofs = prove_procedures(wishes)
        if catalogue is not None:
            whole = sorted(proofs, key=lambda proof: (proof.technique, proof.guid))
            text = json.dumps(
                [one.model_dump(mode="json") for one in whole], ensure_ascii=False, indent=1, sort_keys=True
            )
            catalogue.write_text(text + "\n", "utf-8")
        if table is not None:
            names = ", ".join(folder.name for folder in wishes.folders) or "the project's own procedures"
            table.write_text(markdown(proofs, f"Proof: {names}", HOW_PROVEN), "utf-8")
        if as_json:
            _print_json([proof.model_dump(mode="json") for proof in proofs])
            return
        for rows in (reason_rows(proofs), summary_rows(proofs)):
            if rows:
                _print_table(list(rows[0]), [list(row.values()) for row in rows])


@app.command()
def rehearse(
    plans: Annotated[list[str] | None, typer.Argument(help="Plan ids or folders; every plan if none is given.")] = None,
    repeat: Annotated[int, typer.Option(min=1, max=100, help="How often, each time with another seed.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="What the seeds of the runs are drawn from.")] = 1,
    parallel: Annotated[int, typer.Option(min=1, max=16, help="Trials at once.")] = 2,
    keep_engine: Annotated[bool, typer.Option(help="Leave a Docker engine that pij started running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run plans without any product and show every step whose effect the oracle did not see.

    Exits 0 if every oracle was true in every run, 1 if not.
    """
    from pipelines.session import rehearse_plans

    with _explaining(as_json):
        found = rehearse_plans(plans or [], repeat, seed, parallel, keep_engine, quiet=as_json)
        if as_json:
            _print_json([one.model_dump(mode="json") for one in found])
        else:
            header = ["plan", "seed", "status", "oracles true", "seconds"]
            _print_table(header, [[r.plan, r.seed, r.status, f"{r.confirmed}/{r.steps}", r.duration_s] for r in found])
            for one in found:
                for line in (*one.failures, *([one.reason] if one.reason else [])):
                    typer.echo(_visible(f"{one.plan}: {line}"))
        if not all(one.is_sound for one in found):
            raise typer.Exit(1)


@app.command()
def overhead(
    arms: Annotated[list[str], typer.Argument(help="<product>-<arm>, or an id or folder for the arm `default`.")],
    rounds: Annotated[int, typer.Option(min=1, max=50, help="How often; intervals need at least 2.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the order and of drawn values.")] = 1,
    plan: Annotated[
        list[str] | None,
        typer.Option(
            help="Time this plan's work with every arm, instead of what suits each arm: an id or folder; repeatable."
        ),
    ] = None,
    name: Annotated[str, typer.Option("--as", help="The results' id: NAME_PLAN for each plan.")] = "overhead",
    content: Annotated[list[str] | None, typer.Option("--content", help="ID=FOLDER, as in `pij run`.")] = None,
    fresh: Annotated[bool, typer.Option(help="Set earlier results aside and start over.")] = False,
    table: Annotated[
        Path | None, typer.Option("--markdown", help="Write a page there, and a picture for each plan beside it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Time ordinary work with and without products, in alternation; also what memory and CPU the products use.

    Each arm does the work that gives its product most to do, by what its manifest says it sees.

    working_load: compile, archive, database, many small files and programs on one server.

    web_load: pages, forms, uploads, downloads and log-ins through a gateway to a web shop.

    Arms of both kinds may be named at once. One that can't stand where the work is done is refused by name.

    One trial at a time; leave the machine alone meanwhile. Resumes when it is run again.

    Exits 0 if every arm was measured, 1 if some were not (the reason is printed), 2 if nothing could be.
    """
    from pipelines.overhead import measure
    from pipelines.overhead_page import cost_rows, remark_rows, rows, unmeasured_rows, write_page

    with _explaining(as_json):
        found = measure(arms, rounds, seed, name, _pairs(content or []), plan or (), fresh, quiet=as_json)
        if table is not None:
            given = [*(f"--plan {one}" for one in plan or []), *(f"--content {one}" for one in content or [])]
            command = " ".join(["pij overhead", *arms, f"--rounds {rounds} --seed {seed}", *given])
            write_page(table, found, command, forced=bool(plan))
        if as_json:
            _print_json([one.model_dump(mode="json") for one in found])
        else:
            for one in found:
                typer.echo(_visible(f"{one.title.en}: plan {one.plan} in environment {one.environment}"))
                for lines in (rows(one), remark_rows(one), cost_rows(one.costs)):
                    if lines:
                        _print_table(list(lines[0]), [list(line.values()) for line in lines])
            missing = unmeasured_rows(found)
            if missing:
                _print_table(list(missing[0]), [list(line.values()) for line in missing])
        if any(one.unmeasured for one in found):
            raise typer.Exit(1)


@app.command()
def score(
    campaign: Annotated[str, typer.Argument(help="Campaign id, or the folder of its results.")] = "demo",
    as_json: AsJson = False,
) -> None:
    """Score the sealed trials again: needs no Docker, and gives the same bytes each time."""
    from results.scoring import score_campaign

    with _explaining(as_json):
        _print_summary(score_campaign(campaign_folder(campaign)), as_json)


@app.command()
def publish(
    campaign: Annotated[str, typer.Argument(help="Campaign id, or the folder of its results.")] = "demo",
    to: Annotated[
        Path | None, typer.Option(help="Folder of the pages; results/published/<campaign> if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the pages, notebooks and data files of a scored campaign (日本語 and English)."""
    import time

    from pipelines.arms import for_publication
    from results.disputes import is_final, is_scored_since
    from results.paths import published_folder, shown
    from results.publish import publish_campaign
    from results.scoring import score_campaign

    with _explaining(as_json):
        folder = campaign_folder(campaign)
        if not is_scored_since(folder):
            typer.echo("people decided something since it was scored: scoring again", err=True)
            score_campaign(folder)
        place, final = to or published_folder() / folder.name, is_final(folder, time.time_ns())
        page = publish_campaign(folder, place, final, for_publication(folder))
        _print_json({"page": str(page)}) if as_json else typer.echo(f"published: {shown(page)}")


@app.command()
def attire(
    source: Annotated[str, typer.Argument(help="CAMPAIGN/TRIAL to write as a log, or a log (.json) to read.")],
    to: Annotated[Path | None, typer.Option(help="File for the log; standard output if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a trial's executed steps as an ATTiRe 1.1 log, or read such a log and show what it says was run."""
    from results.attire import read_attire, to_attire, to_steps
    from results.records import as_json as plain
    from results.store import read_steps, read_trial

    with _explaining(as_json):
        if source.endswith(".json"):
            steps = to_steps(read_attire(Path(source)))
            if as_json:
                _print_json([plain(step) for step in steps])
            else:
                rows = [
                    [s.step_id, s.technique, s.procedure_name, s.executor, s.started_ns, s.exit_code] for s in steps
                ]
                _print_table(["step", "technique", "procedure", "executor", "started (ns UTC)", "exit code"], rows)
            return
        campaign, _slash, trial_id = source.partition("/")
        folder = campaign_folder(campaign) / "trials" / trial_id
        if not (folder / "trial.json").is_file():
            known = sorted(path.parent.name for path in folder.parent.glob("*/trial.json"))
            raise EvaluationError(
                f"found no trial {source!r}; allowed: {campaign}/ and one of {several(known, trial_id)}. Name one."
            )
        text = json.dumps(to_attire(read_trial(folder), read_steps(folder)), ensure_ascii=False, indent=2)
        if to is None:
            typer.echo(text)
        else:
            to.write_text(text + "\n", "utf-8")
            typer.echo(f"written: {to}", err=True)


@app.command()
def verify(
    results: Annotated[Path, typer.Argument(help="Folder of a campaign's results, or of its published page.")],
    plan: Annotated[Path, typer.Argument(help="Folder of the plan that was opened.")],
    procedures: Annotated[
        Path | None, typer.Option(help="Folder of procedures that the plan brings with it, besides its own folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that an opened plan is the one that results were made with, byte for byte. Needs no Docker.

    Exits 0 if it is, 1 if not.
    """
    from dataclasses import asdict

    from pipelines.verify import verify_plan

    with _explaining(as_json):
        found = verify_plan(results, plan, procedures)
        if as_json:
            _print_json({**asdict(found), "holds": found.holds})
        else:
            typer.echo(f"commitment: sha256 {found.commitment}")
            typer.echo(f"this plan:  sha256 {found.plan_digest}")
            typer.echo(
                f"{found.trials} trials name it, {found.seals} seals hold, {found.steps} steps' bytes follow from it"
            )
            for problem in found.problems[:MOST_LISTED]:
                typer.echo(_visible(problem))
            if len(found.problems) > MOST_LISTED:
                typer.echo(f"and {len(found.problems) - MOST_LISTED} more, which --json lists")
            typer.echo("the same plan" if found.holds else "NOT the same plan, or not the same results")
        if not found.holds:
            raise typer.Exit(1)


@app.command()
def sweep(
    everything: Annotated[
        bool, typer.Option("--all", help="Also what belongs to a pij that still runs. Its trials will fail.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what a killed pij left behind: containers, networks, kernel rules, servers, an engine it started."""
    from pipelines.session import sweep_everything

    with _explaining(as_json):
        swept = sweep_everything(everything, (lambda _line: None) if as_json else typer.echo)
        if as_json:
            _print_json(swept)
        else:
            typer.echo(", ".join(f"{count} {name}" for name, count in swept.items()))


@app.command()
def show(
    address: Annotated[
        str, typer.Argument(help="CAMPAIGN/TRIAL/STEP, e.g. demo/fail2ban-default-r1/guess-password; or `procedure`.")
    ],
    guid: Annotated[str | None, typer.Argument(help="With `procedure`: its GUID, or the beginning of it.")] = None,
    folders: From = None,
    as_json: AsJson = False,
) -> None:
    """Print one step's whole evidence, or what a procedure would run, where, and what it needs.

    A step: bytes, processes, oracle, alerts as received, attribution, verdict. `pij show procedure GUID` runs nothing.
    """
    from pipelines.evidence import gather, lines, safe
    from pipelines.procedures import describe, describe_lines
    from results.paths import runs_folder

    with _explaining(as_json):
        if address == "procedure":
            if not guid:
                raise EvaluationError("found no GUID; allowed: `pij show procedure GUID` (see `pij list procedures`)")
            data, lines = describe(guid, folders or ()), describe_lines
        else:
            data = gather(runs_folder(), address)
        if as_json:
            _print_json(data)
        else:
            for line in lines(data):
                typer.echo(safe(line))


def main() -> None:
    """Entry point of the console script."""
    app()


def _pairs(texts: list[str]) -> dict[str, Path]:
    pairs = {}
    for text in texts:
        name, equals, folder = text.partition("=")
        if not equals or not Path(folder).is_dir():
            raise EvaluationError(f"--content: found {text!r}; allowed: ID=FOLDER with a folder that exists. Check it.")
        pairs[name] = Path(folder)
    return pairs


def _secret_files(texts: list[str]) -> dict[str, Path]:
    pairs = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or not Path(file).is_file():
            raise EvaluationError(f"--secret: found {text!r}; allowed: ID=FILE with a file that exists. Check it.")
        pairs[name] = Path(file)
    return pairs


def _print_summaries(summaries: tuple[Any, ...], as_json: bool) -> None:
    """One summary as it is; those of a campaign of several parts as a list."""
    from results.records import as_json as plain

    if as_json and len(summaries) != 1:
        _print_json([plain(summary) for summary in summaries])
        return
    for summary in summaries:
        if len(summaries) > 1:
            typer.echo(_visible(f"{summary.campaign}: {summary.plan} in {summary.environment}"))
        _print_summary(summary, as_json)


def _print_summary(summary: Any, as_json: bool) -> None:  # noqa: ANN401  # Summary, imported late
    from results.records import as_json as plain
    from results.tables import summary_table

    if as_json:
        _print_json(plain(summary))
        return
    header, *rows = summary_table(summary, "en")
    _print_table(list(header), [list(row) for row in rows])
    for trial in summary.trials:
        if trial.reason:
            typer.echo(_visible(f"{trial.trial_id}: {trial.status}: {trial.reason.splitlines()[0]}"))
    if summary.missing_trials:
        typer.echo(f"not run yet: {several(summary.missing_trials)}")
