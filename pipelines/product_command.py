"""`pij product`: what a vendor does with a product, from an empty folder to a submission."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.terminal import explaining, named_paths, print_json, print_table, visible
from results.errors import ContentError, EvaluationError

product_app = typer.Typer(
    help="For vendors: make, check and submit a product. For evaluators: receive one.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@product_app.callback()
def product() -> None:
    """For vendors: make, check and submit a product. For evaluators: receive one."""


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]


@product_app.command()
def new(
    name: Annotated[str, typer.Argument(help="What you call it, e.g. my-edr; its id and folder become my_edr.")],
    product_class: Annotated[
        str, typer.Option("--class", help="edr, av, fim, siem, ids, waf … or a class of `Product`, e.g. anti_malware.")
    ],
    placement: Annotated[
        str | None,
        typer.Option(help="node, sensor, gateway or collector; if not given, the usual one of the class."),
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder in which the product's folder is made.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a commented folder for a product. It lints and works at once; replace what is marked FILL IN."""
    from pipelines.product_new import new_product
    from products.lint import lint_product

    with explaining(as_json):
        folder = new_product(name, product_class, placement, to)
        problems = lint_product(folder)
        if problems:
            raise ContentError(problems)
        if as_json:
            print_json({"folder": str(folder), "id": folder.name})
            return
        if folder.name != name:
            typer.echo(f"{name!r} becomes the id {folder.name!r} (letters, digits and _)")
        typer.echo(f"written: {visible(str(folder))}")
        for file in sorted(folder.iterdir()):
            typer.echo(f"  {file.name}")
        typer.echo(f"It works as it is: pij product check {visible(str(folder))}")
        typer.echo("Then replace what is marked FILL IN / 記入.")


@product_app.command("map-test")
def map_test(
    folder: Annotated[Path, typer.Argument(help="A product's folder, or one of a ready-made mapping.")],
    sample: Annotated[Path, typer.Argument(help="File with records as the product writes them.")],
    source: Annotated[
        int | None, typer.Option(help="Which source, counted from 1; all alert sources of the product if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show field by field what comes of each sample record. Runs nothing.

    Exits 0 if every record was read and has a time, and a title or rule; 1 if not.
    """
    from pipelines.map_test import lines_of
    from pipelines.map_test import map_test as read_sample

    with explaining(as_json):
        found = read_sample(folder, sample, source)
        if as_json:
            print_json({**found.model_dump(mode="json"), "complete": found.is_complete})
        else:
            for part in lines_of(found):
                if isinstance(part, str):
                    typer.echo(visible(part))
                else:
                    print_table(["field", "JMESPath", "gave", "became"], part)
        if not found.is_complete:
            raise typer.Exit(1)


@product_app.command()
def key(
    to: Annotated[Path | None, typer.Option(help="File of the private key; your own folder if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the key pair that submissions are signed with (Ed25519). Give the public key to the evaluator yourself."""
    from pipelines.submission_key import default_key, fingerprint, make_key

    with explaining(as_json):
        path = to or default_key()
        public = make_key(path)
        if as_json:
            print_json({"private_key": str(path), "public_key": public, "fingerprint": fingerprint(public)})
            return
        typer.echo(f"private key: {path} (keep it; nobody can make it again)")
        typer.echo(f"public key:  {public}")
        typer.echo(f"fingerprint: {fingerprint(public)} (read it out to the evaluator)")


@product_app.command()
def submit(
    product: Annotated[str, typer.Argument(help="The product's folder, or its name.")],
    to: Annotated[Path | None, typer.Option(help="The archive; <id>.submission.tar.gz here if not given.")] = None,
    key: Annotated[Path | None, typer.Option(help="Private key; made on the first use if none is named.")] = None,
    environment: Annotated[
        str | None,
        typer.Option(help="On whose nodes the images are built; the usual one of the placement if not given."),
    ] = None,
    keep_engine: Annotated[bool, typer.Option(help="Leave a Docker engine that pij started running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make one signed archive: manifest, digests, build context, bill of materials, claims, licence.

    The images are built to read what is in them; nothing of them is run.
    """
    from environments.engine import engine_for
    from pipelines.product_build import find_product
    from pipelines.submission import require_none, submission_problems, write_submission
    from pipelines.submission_facts import image_facts
    from pipelines.submission_key import default_key, fingerprint, known_key, make_key

    with explaining(as_json):
        folder = find_product(product)
        require_none(submission_problems(folder))
        path = key or default_key()
        if key is None and not path.exists():
            make_key(path)
            typer.echo(f"made a key pair: {path} (keep it)", err=True)
        archive = to or Path(f"{folder.resolve().name}.submission.tar.gz")
        with engine_for(_say, keep_engine) as engine:
            facts, where = image_facts(engine, folder, environment, _say)
        submission = write_submission(folder, facts, where, path, archive)
        public = known_key(str(path.with_name(f"{path.name}.pub"))) if _has_public(path) else None
        size = archive.stat().st_size
        if as_json:
            print_json({"archive": str(archive), "bytes": size, "public_key": public, "files": len(submission.files)})
            return
        typer.echo(f"written: {visible(str(archive))} ({size:,} bytes, {len(submission.files)} files)")
        if public is not None:
            typer.echo(f"signed with the key {fingerprint(public)}; the evaluator checks it with\n"
                       f"  pij product receive {archive.name} --from {public}")  # fmt: skip


@product_app.command()
def receive(
    archive: Annotated[Path, typer.Argument(help="A submission.")],
    sender: Annotated[
        str | None, typer.Option("--from", help="Public key (pij1:…), or a file that holds it; any key if not given.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder in which the product's folder is made.")] = Path(),
    rebuild: Annotated[bool, typer.Option(help="Build the images and compare them with the bill of materials.")] = True,
    accept_newer: Annotated[
        bool, typer.Option(help="Packages in the image may have other versions than the bill of materials says.")
    ] = False,
    keep_engine: Annotated[bool, typer.Option(help="Leave a Docker engine that pij started running.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a submission in every respect; its product is laid out only if nothing speaks against it.

    Exits 0 if it was accepted, 1 if it was refused.
    """
    from contextlib import ExitStack

    from environments.engine import engine_for
    from pipelines.submission_facts import reader
    from pipelines.submission_key import known_key
    from pipelines.submission_receive import receive as check

    with explaining(as_json), ExitStack() as stack:
        expected = known_key(sender) if sender is not None else None

        def read(*given):  # type: ignore[no-untyped-def]  # noqa: ANN002, ANN202  # an engine only if it comes so far
            return reader(stack.enter_context(engine_for(_say, keep_engine)), _say)(*given)

        received = check(archive, expected, to, read if rebuild else None, accept_newer)
        if as_json:
            print_json(
                {
                    "accepted": received.accepted,
                    "folder": str(received.folder) if received.folder else None,
                    "passed": received.passed,
                    "notes": received.notes,
                    "problems": [problem.model_dump(mode="json") for problem in received.problems],
                }
            )
        else:
            for line in received.passed:
                typer.echo(f"passed: {line}")
            for line in received.notes:
                typer.echo(visible(f"note: {line}"))
            for problem in received.problems:
                typer.echo(visible(f"refused: {problem}"), err=True)
            if received.folder is not None:
                typer.echo(f"accepted: {visible(str(received.folder))}")
            else:
                typer.echo(f"refused for {len(received.problems)} reason(s); nothing was laid out", err=True)
        if not received.accepted:
            raise typer.Exit(1)


def _say(line: str) -> None:
    typer.echo(visible(line), err=True)


def _has_public(path: Path) -> bool:
    return path.with_name(f"{path.name}.pub").is_file()


@product_app.command()
def check(
    product: Annotated[str | None, typer.Argument(help="The product's folder, or its name.")] = None,
    arm: Annotated[str | None, typer.Option(help="Which arm; `default` if not given.")] = None,
    environment: Annotated[
        str | None, typer.Option(help="linux_server, or web_dmz for gateways and collectors, if not given.")
    ] = None,
    content: Annotated[list[str] | None, typer.Option(help="ID=FOLDER: content that only you can give.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="ID=FILE: a secret that the product needs.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the report as JSON there; - to print it.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the report as JUnit XML there.")] = None,
    sarif: Annotated[Path | None, typer.Option(help="Write the report as SARIF 2.1.0 there.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every product of the checkout, one after the other.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Folder for one page a product, and an index.")] = None,
    keep_engine: Annotated[bool, typer.Option(help="Leave a Docker engine that pij started running.")] = False,
) -> None:
    """Run the conformance kit: what an evaluation needs of a product, and how to mend it.

    It takes under 3 minutes once the images are built. Exits 0 if no item failed, 1 if one did.
    """
    from pipelines.conformance_session import CheckWishes, check_products
    from pipelines.product_build import find_product
    from pipelines.registry import folders as registered

    with explaining(str(json_file) == "-"):
        if (product is None) != every:
            raise EvaluationError("found neither a product nor --all, or both; allowed: one of them. Name a product.")
        wishes = CheckWishes(
            folders=tuple(registered("product")) if product is None else (find_product(product),),
            arm=arm,
            environment=environment,
            content=named_paths("--content", content or []),
            secrets=named_paths("--secret", secret or []),
            json=json_file,
            junit=junit,
            sarif=sarif,
            markdown=markdown,
            keep_engine=keep_engine,
        )
        if not check_products(wishes):
            raise typer.Exit(1)
