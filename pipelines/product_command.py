"""`pij product`: what a vendor does with a product, from an empty folder to a submission."""

import typer

product_app = typer.Typer(
    help="For vendors: make, check and submit a product. For evaluators: receive one.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@product_app.callback()
def product() -> None:
    """For vendors: make, check and submit a product. For evaluators: receive one."""
