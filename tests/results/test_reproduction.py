"""Reproduction bundles: the same content gives the same bytes; a hostile bundle is refused before it is unpacked."""

import hashlib
import json
import stat
import zipfile

import pytest

from results.errors import RecordVersionError
from results.records import Category, Outcome, StepKind
from results.reproduction import MOST_FILES, Bundle, BundleError, Came, differences, read_bundle, unpack, write_bundle

FILES = {
    "evidence/step.json": b"{}",
    "definitions/plan/plan.yaml": b"id: chain\n",
    "definitions/product/start.sh": b"#!/bin/sh\n",
}


def make_bundle(**changed):
    fields = {
        "campaign": "demo", "trial_id": "eyes-default-r1", "step_id": "wipe", "kind": StepKind.MALICIOUS, "needs": (),
        "product": "eyes", "product_name": "Eyes", "arm": "default", "repetition": 1, "seed": 43, "plan": "chain",
        "plan_digest": "p" * 64, "environment": "server", "environment_digest": "e" * 64, "images": (),
        "entry_digest": "d" * 64, "attack_release": "enterprise 18.1", "scorer_version": "2", "seal": "s" * 64,
        "came": Came(outcome=Outcome.MISSED, category=None, verified=True), "command": "pij reproduce x", "files": {},
        "executable": ("definitions/product/start.sh",),
    }  # fmt: skip
    return Bundle.model_validate(fields | changed)


@pytest.fixture
def path(tmp_path):
    return write_bundle(tmp_path / "one.pij.zip", make_bundle(), FILES)


def rewritten(path, change):
    """The bundle with other members: `change` gets and gives (ZipInfo, bytes) pairs."""
    with zipfile.ZipFile(path) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    other = path.with_name("other.pij.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for info, data in change(members):
            archive.writestr(info, data)
    return other


def named(name, data=b"x", mode=stat.S_IFREG | 0o644):
    """A member of an archive, its name as it is."""
    info = zipfile.ZipInfo(name)
    info.filename = info.orig_filename = name
    info.external_attr = mode << 16
    return info, data


def test_a_bundle_comes_back_as_it_was_written(path):
    bundle, files = read_bundle(path)
    assert files == FILES
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
    assert bundle == make_bundle(files=digests)


def test_the_same_content_gives_the_same_bytes(path, tmp_path):
    again = write_bundle(tmp_path / "two.pij.zip", make_bundle(), dict(reversed(FILES.items())))
    assert again.read_bytes() == path.read_bytes()


def test_only_definitions_are_laid_out(path, tmp_path):
    there = tmp_path / "there"
    unpack(*read_bundle(path), there)
    found = {str(one.relative_to(there)): one.stat().st_mode & 0o777 for one in there.rglob("*.*")}
    assert found == {"plan/plan.yaml": 0o644, "product/start.sh": 0o755}


@pytest.mark.parametrize(
    "name",
    [
        "../evil", "/etc/passwd", "definitions/../../evil", "definitions\\..\\evil", "C:evil", "definitions/./x",
        "definitions//x", "definitions/x ", "evil.txt", "definitions", "definitions/\x1b[2J", "other/x",
        "definitions/" + "x" * 300, "definitions/a\u202eb",
    ],
)  # fmt: skip
def test_a_name_that_could_lead_out_or_deceive_is_refused(path, tmp_path, name):
    """Nothing of such a bundle is unpacked or run."""
    hostile = rewritten(path, lambda members: [*members, named(name)])
    with pytest.raises(BundleError, match=r"Nothing of it was unpacked or run"):
        read_bundle(hostile)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["one.pij.zip", "other.pij.zip"]


@pytest.mark.parametrize(
    "mode", [stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755, stat.S_IFCHR | 0o644, stat.S_IFIFO | 0o644]
)
def test_a_link_folder_or_device_is_refused(path, mode):
    hostile = rewritten(path, lambda members: [*members, named("definitions/x", b"/etc/passwd", mode)])
    with pytest.raises(BundleError, match="a link, folder or device"):
        read_bundle(hostile)


def test_an_archive_bomb_is_refused_by_its_directory(path):
    hostile = rewritten(path, lambda members: [*members, named("definitions/x", b"\0" * (65 << 20))])
    with pytest.raises(BundleError, match="more than it may unpack to"):
        read_bundle(hostile)
    many = rewritten(path, lambda members: [*members, *(named(f"definitions/{n}") for n in range(MOST_FILES))])
    with pytest.raises(BundleError, match=f"at most {MOST_FILES}"):
        read_bundle(many)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", ["definitions/plan/plan.yaml", "definitions/plan/PLAN.yaml"])
def test_a_name_that_is_there_twice_is_refused(path, name):
    with pytest.raises(BundleError, match="the same name twice"):
        read_bundle(rewritten(path, lambda members: [*members, named(name)]))


@pytest.mark.parametrize(
    "change",
    [
        lambda members: [*members, named("definitions/more.yaml")],
        lambda members: members[:-1],
        lambda members: [(info, data + b" " if info.filename.startswith("def") else data) for info, data in members],
    ],
)
def test_a_file_that_is_not_the_one_the_bundle_names_is_refused(path, change):
    with pytest.raises(BundleError, match="the file that the bundle names"):
        read_bundle(rewritten(path, change))


@pytest.mark.parametrize(
    "changed",
    [
        {"trial_id": "../../x"},
        {"plan": "../x"},
        {"product": "Eyes/.."},
        {"environment": ""},
        {"more": 1},
        {"arm": "tuned"},
    ],
)
def test_a_manifest_that_says_something_else_is_refused(path, changed):
    def change(members):
        return [
            (info, json.dumps(json.loads(data) | changed).encode() if info.filename == "bundle.json" else data)
            for info, data in members
        ]

    with pytest.raises(BundleError, match=r"bundle\.json"):
        read_bundle(rewritten(path, change))


def test_a_bundle_from_the_future_and_no_bundle_at_all_are_refused(path):
    def change(members):
        return [
            (info, b'{"schema_version": 999}' if info.filename == "bundle.json" else data) for info, data in members
        ]

    with pytest.raises(RecordVersionError, match="found 999"):
        read_bundle(rewritten(path, change))
    with pytest.raises(BundleError, match=r"bundle\.json"):
        read_bundle(rewritten(path, lambda members: [m for m in members if m[0].filename != "bundle.json"]))
    path.write_bytes(b"no zip")
    with pytest.raises(BundleError, match="no readable zip file"):
        read_bundle(path)


def test_every_damaged_byte_of_a_bundle_is_an_error_or_changes_nothing(path):
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1 :])
        try:
            found = read_bundle(path)[1]
        except (BundleError, RecordVersionError):
            continue
        assert found == FILES


def test_what_came_out_otherwise_is_named():
    then = Came(outcome=Outcome.ALERTED, category=Category.TECHNIQUE, verified=True, reason="a")
    assert differences(then, then.model_copy(update={"reason": "b"})) == ()
    now = Came(outcome=Outcome.MISSED, category=None, verified=None)
    assert differences(then, now) == (
        "outcome: then alerted, now missed", "category: then technique, now None", "effect: then True, now None",
    )  # fmt: skip
