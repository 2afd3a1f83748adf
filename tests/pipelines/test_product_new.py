"""`pij product new`: every template lints at once, and a wrong word is answered with the right one."""

import itertools
import json

import pytest
from typer.testing import CliRunner

from pipelines.command import app
from pipelines.product_new import new_product, slug_of
from pipelines.registry import folders
from products.lint import lint_product
from products.manifest import CLASS_ALIASES, Placement, ProductClass, read_product
from results.errors import ContentError

RUNNER = CliRunner()
EVERY = list(itertools.product([*ProductClass, *CLASS_ALIASES], [None, *Placement]))


@pytest.mark.parametrize(("word", "placement"), EVERY)
def test_every_class_at_every_placement_lints_at_once(tmp_path, word, placement):
    folder = new_product("my-product", word, placement, tmp_path)
    assert lint_product(folder) == []
    product = read_product(folder)
    assert (product.id, product.product_class) == ("my_product", CLASS_ALIASES.get(word, word))
    assert placement is None or product.components[0].placement is placement


@pytest.mark.parametrize(
    ("typed", "slug"), [("my-edr", "my_edr"), ("My EDR 2", "my_edr_2"), ("my_edr", "my_edr"), (" A.B ", "a_b")]
)
def test_a_name_as_people_type_it_becomes_an_id(typed, slug):
    assert slug_of(typed) == slug


@pytest.mark.parametrize("typed", ["", "日本", "3com", "x" * 41, "--"])
def test_a_name_that_can_be_no_id_is_refused(typed):
    with pytest.raises(ContentError, match="letters a to z"):
        slug_of(typed)


def test_the_command_says_which_id_a_name_became_and_what_comes_next(tmp_path):
    done = RUNNER.invoke(app, ["product", "new", "my-edr", "--class", "edr", "--to", str(tmp_path)])
    assert done.exit_code == 0
    assert "'my-edr' becomes the id 'my_edr'" in done.output
    assert f"pij product check {tmp_path / 'my_edr'}" in done.output


def test_an_unknown_class_is_answered_with_the_nearest(tmp_path):
    done = RUNNER.invoke(app, ["product", "new", "x", "--class", "endr", "--to", str(tmp_path), "--json"])
    (problem,) = json.loads(done.output)
    assert done.exit_code == 2
    assert (problem["field"], problem["found"], problem["mend"]) == ("--class", "'endr'", "Did you mean 'ndr'?")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    new_product("my-edr", "edr", None, tmp_path)
    with pytest.raises(ContentError, match="is there already"):
        new_product("My EDR", "av", None, tmp_path)


def test_the_templates_are_no_products_of_the_registry():
    assert "product_template" not in {folder.name for folder in folders("product")}
