"""Secrets: taken from where the evaluator put them, and out of everything that is kept."""

import base64
import html
import json
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from products.manifest import read_product
from products.secret import Secrets, find_secrets
from results.errors import ContentError
from results.records import Text

SMALL = Path(__file__).parents[1] / "small"
KEY = 'k3y/of <the>+"API"'
WAYS = {
    "as it is": lambda key: key,
    "JSON": lambda key: json.dumps({"a": key}),
    "JSON in JSON": lambda key: json.dumps({"a": json.dumps({"b": key})}),
    "percent": lambda key: quote(key, safe=""),
    "percent, path": quote,
    "form": quote_plus,
    "lower-case percent": lambda key: re.sub("%..", lambda byte: byte.group(0).lower(), quote(key, safe="")),
    "HTML": html.escape,
    "hexadecimal": lambda key: key.encode().hex(),
    "base64": lambda key: base64.b64encode(key.encode()).decode(),
    "base64 after others": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "base64 between others": lambda key: base64.urlsafe_b64encode(f"ab{key}cd".encode()).decode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_is_found_however_it_is_printed(way):
    """Else a licence key that a product sends as basic authentication would be published."""
    written = WAYS[way](KEY)
    clean = Secrets({"key": KEY}).redactor().text(f"before {written} after")
    assert ("[secret key]" in clean, written in clean, clean[:7], clean[-6:]) == (True, False, "before ", " after")


@given(st.text(min_size=8, max_size=40).filter(lambda text: text.isprintable()), st.binary(max_size=50))
def test_whatever_the_secret_and_whatever_the_bytes_around_it_it_does_not_stay(key, around):
    line = Secrets({"key": key}).redactor().line(around + b"<" + key.encode() + b">" + around)
    assert key.encode() not in line or key in "[secret key]" or key.encode() in around


def test_without_secrets_nothing_is_changed():
    assert Secrets().redactor().line(b"\xff\x00 a line") == b"\xff\x00 a line"


def test_a_record_loses_its_secrets_in_every_field():
    clean = Secrets({"key": KEY}).redactor().record(Text(en=f"a {KEY}", ja=WAYS["base64"](KEY)))
    assert clean.en == "a [secret key]"
    assert clean.ja.startswith("[secret key]")


def test_secrets_are_not_shown_by_accident():
    """A traceback, a log of a task or a debugger shows what `repr` gives."""
    assert (repr(Secrets({"key": KEY})), hasattr(Secrets(), "__dict__")) == ("Secrets(key)", False)


def test_a_secret_comes_from_its_file_or_from_the_environment(tmp_path, monkeypatch):
    product = read_product(SMALL / "small_sources")
    (tmp_path / "key").write_text(KEY + "\n")
    monkeypatch.setenv("PIJ_SECRET_API_KEY", "another-key")
    assert find_secrets(product, {})[0]["api_key"] == "another-key"
    assert find_secrets(product, {"api_key": tmp_path / "key"})[0]["api_key"] == KEY
    monkeypatch.delenv("PIJ_SECRET_API_KEY")
    found, missing = find_secrets(product, {})
    assert ("api_key" in found, len(missing)) == (False, 1)


@pytest.mark.parametrize("value", ["short", "", "zero\0byte in it"])
def test_what_can_not_be_a_secret_is_refused_without_being_shown(tmp_path, value):
    """A secret of three letters would be found, and replaced, in half of all words."""
    product = read_product(SMALL / "small_sources")
    (tmp_path / "key").write_text(value)
    with pytest.raises(ContentError) as caught:
        find_secrets(product, {"api_key": tmp_path / "key"})
    (problem,) = caught.value.problems
    assert (problem.path, problem.field) == (str(tmp_path / "key"), "secret api_key")
    assert not value or value not in problem.found


def test_a_shared_secret_is_drawn_for_each_trial_and_only_where_it_is_asked_for():
    product = read_product(SMALL / "small_sources")
    good, leaks = product.arms[0], product.arms[1]
    drawn = [Secrets().drawn_for(product, good)["generated"] for _trial in range(2)]
    assert (len(set(drawn)), [len(one) for one in drawn]) == (2, [48, 48])
    assert "generated" not in Secrets().drawn_for(product, leaks)
