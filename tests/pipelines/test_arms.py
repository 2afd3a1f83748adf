"""What each arm changes against its product's default one is published (scoring.md §5)."""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines import arms, history
from pipelines.arms import difference, for_publication
from pipelines.campaign import entry_of
from products.manifest import read_product
from results.arm_differences import ArmDifference, Basis, Written, read_differences, write_differences, written
from results.errors import EvaluationError
from results.paths import ROOT
from results.registration import Registration, committed, write_registration
from results.seal import seal_trial
from results.store import write_trial
from tests.campaign_builder import make_trial

PRODUCT = "fail2ban"


@pytest.fixture
def product(tmp_path, monkeypatch):
    """A copy of a product's folder, found in place of the checkout's."""
    place = Path(shutil.copytree(ROOT / "products" / PRODUCT, tmp_path / "products" / PRODUCT))
    found = {PRODUCT: place}
    monkeypatch.setattr(arms, "find", lambda _kind, name: found[name])
    return place


def entry(place, arm="tuned"):
    known = read_product(place)
    return entry_of(place, known, next(one for one in known.arms if one.id == arm), {}, {})


def campaign(folder, place, recorded=True):
    """Two sealed trials, one of each arm."""
    for arm in ("default", "tuned"):
        partial = folder / "trials" / f".{PRODUCT}-{arm}-r1.partial"
        digest = entry(place, arm).digest if recorded else None
        write_trial(partial, make_trial(f"{PRODUCT}-{arm}-r1", entry_digest=digest), [], [], [], [])
        seal_trial(partial)
    return folder


def registered(folder, place):
    products = {f"{PRODUCT}-{arm}": entry(place, arm).digest for arm in ("default", "tuned")}
    registration = Registration(
        campaign="demo", definition="f" * 64, plan="chain", plan_digest="p" * 64, held_out=False,
        environment="server", environment_digest="e" * 64, products=products, seeds={},
        attack_release="enterprise 18.1", scorer_version="2", methodology="0" * 64, registered_ns=1,
    )  # fmt: skip
    write_registration(folder, committed(registration))


def test_a_difference_holds_the_settings_the_files_they_name_and_the_files_that_read_them(product):
    text = difference(entry(product), Basis.RUN).text
    assert "\n+      SETTINGS: tuned\n" in text
    assert "--- /dev/null\n+++ tuned/tuned.local\n" in text
    assert "\n+maxretry = 3\n" in text
    assert "# start.sh: the same in both arms; reads SETTINGS\n" in text
    assert "\n     cp /usr/local/lib/fail2ban/tuned.local /etc/fail2ban/jail.d/zz-tuned.local\n" in text
    assert "node.local" not in text


def test_every_product_of_the_checkout_has_a_difference_for_each_arm_beside_the_default():
    """Else a buyer could not read what a tuned arm was tuned to."""
    empty = []
    for place in sorted(path.parent for path in (ROOT / "products").glob("*/product.yaml")):
        known = read_product(place)
        for arm in known.arms:
            if arm.id != arms.default_arm(known).id:
                found = difference(entry_of(place, known, arm, {}, {}), Basis.RUN)
                empty += [] if found.about.changed else [found.about.key]
    assert empty == []


def test_a_difference_made_later_says_how_its_folder_stands_to_what_was_run(product, tmp_path):
    (sealed,) = for_publication(campaign(tmp_path / "one", product))
    assert (sealed.about.basis, sealed.about.digest) == (Basis.MATCHED, entry(product).digest)
    (unknown,) = for_publication(campaign(tmp_path / "two", product, recorded=False))
    assert (unknown.about.basis, unknown.text) == (Basis.UNCHECKED, sealed.text)
    registered(tmp_path / "two", product)
    (known,) = for_publication(tmp_path / "two")
    assert (known.about.basis, known.text) == (Basis.REGISTERED, sealed.text)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_folder_that_was_changed_since_gives_no_difference(product, tmp_path, recorded):
    """Else a configuration that nobody ran would be shown as the one that was."""
    folder = campaign(tmp_path / "one", product, recorded)
    registered(folder, product)
    (product / "tuned.local").write_text("[DEFAULT]\nmaxretry = 1\n")
    (found,) = for_publication(folder)
    assert found == Written(ArmDifference(product=PRODUCT, first="default", second="tuned", basis=Basis.CHANGED), None)


def test_what_was_recorded_before_the_run_is_published_though_the_folder_has_changed(product, tmp_path):
    folder = campaign(tmp_path / "one", product)
    one = difference(entry(product), Basis.RUN)
    write_differences(folder, (one,))
    (product / "tuned.local").write_text("another\n")
    assert for_publication(folder) == (one,)


def test_what_was_recorded_is_held_against_the_trials_and_its_own_hash(product, tmp_path):
    folder = campaign(tmp_path / "one", product)
    one = difference(entry(product), Basis.RUN)
    other = one.about.model_copy(update={"digest": "0" * 64})
    write_differences(folder, (Written(other, one.text),))
    (found,) = for_publication(folder)
    assert (found.about.basis, found.text) == (Basis.CHANGED, None)
    (folder / "arms" / one.about.file).write_text("nothing changed\n")
    with pytest.raises(EvaluationError, match=r"fail2ban-tuned\.diff\.txt: sha256: found"):
        read_differences(folder)


def test_a_product_that_is_not_at_hand_is_said_to_be_absent(tmp_path):
    folder = tmp_path / "one"
    for arm in ("default", "tuned"):
        partial = folder / "trials" / f".nobody-{arm}-r1.partial"
        write_trial(partial, make_trial(f"nobody-{arm}-r1"), [], [], [], [])
        seal_trial(partial)
    assert [(one.about.key, one.about.basis, one.text) for one in for_publication(folder)] == [
        ("nobody-tuned", Basis.ABSENT, None)
    ]


def test_a_difference_is_made_printable_and_cut_to_size():
    """A product's files are hostile: they may hold escapes for a terminal, or have no end."""
    about = ArmDifference(product="x", first="default", second="tuned", basis=Basis.RUN)
    assert written(about, "+a\x1b[2J\u202e\n").text == "+a\\x1b[2J⟦U+202E⟧\n"
    long = written(about, "+line\n" * 100_000)
    assert long.text.endswith("\n[cut off: 400000 characters more]\n")
    assert len(long.text) < 201_000


def test_a_folder_that_was_changed_since_is_looked_for_in_the_commits_by_its_digest(product, tmp_path, monkeypatch):
    """Else whatever is mended after a run would take its configuration out of the publication."""
    folder = campaign(tmp_path / "one", product)
    before = difference(entry(product), Basis.MATCHED)
    shown = []

    def earlier(place):
        shown.append(place)
        yield Path(shutil.copytree(ROOT / "products" / "aide", tmp_path / "other"))
        yield ROOT / "products" / PRODUCT

    monkeypatch.setattr(arms, "earlier", earlier)
    (product / "tuned.local").write_text("another\n")
    assert (for_publication(folder), shown) == ((before,), [product])


def test_the_commits_of_a_folder_are_unpacked_one_by_one_and_none_stays(tmp_path, monkeypatch):
    def git(*words):
        name = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"]
        subprocess.run(["git", *name, *words], cwd=tmp_path, check=True, capture_output=True)

    monkeypatch.setattr(history, "ROOT", tmp_path)
    place = tmp_path / "products" / "x"
    place.mkdir(parents=True)
    git("init", "-q")
    for words in ("one", "two"):
        (place / "file").write_text(words)
        git("add", ".")
        git("commit", "-q", "-m", words)
    seen = [(path, (path / "file").read_text()) for path in history.earlier(place)]
    assert [words for _path, words in seen] == ["two", "one"]
    assert not any(path.exists() for path, _words in seen)
    assert list(history.earlier(tmp_path.parent)) == []
