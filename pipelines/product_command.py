"""`pij product`: what a vendor does with a product, from an empty folder to a submission."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.terminal import explaining, print_json, visible
from results.errors import ContentError

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
