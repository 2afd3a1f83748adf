"""A submission is accepted whole or refused with every reason; each way to tamper with it is refused by name."""

import base64
import gzip
import hashlib
import io
import json
import sqlite3
import struct
import tarfile

import pytest
from typer.testing import CliRunner

from pipelines.command import app
from pipelines.product_new import new_product
from pipelines.submission import (
    MANIFEST,
    SIGNATURE,
    FileEntry,
    ImageFacts,
    Submission,
    licence_objection,
    packed,
    submission_problems,
    write_submission,
)
from pipelines.submission_archive import Limits
from pipelines.submission_key import known_key, make_key, sign
from pipelines.submission_packages import (
    Contents,
    Package,
    read_apk,
    read_contents,
    read_dpkg,
    read_go,
    read_npm,
    read_python,
    read_rpm,
)
from pipelines.submission_receive import receive
from pipelines.submission_sbom import Materials, product_parts, sbom_objection, write_sbom
from results.documents import load_yaml

RUNNER = CliRunner()
BASE = Contents(
    {Package(kind="deb", name="libc6", version="2.41", architecture="amd64")}, {"/usr/bin/su"}, set(), "debian-13"
)
JQ = Package(kind="deb", name="jq", version="1.7.1-6", architecture="amd64")
IMAGE = Materials(Contents(BASE.packages | {JQ}, BASE.privileged | {"/opt/helper"}, set(), "debian-13"), BASE)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder, a key and its archive, as a vendor makes them."""
    place = tmp_path_factory.mktemp("vendor")
    folder = new_product("my-edr", "edr", None, place)
    text = (folder / "product.yaml").read_text("utf-8")
    text = (
        text.replace("FILL IN / 記入", "Tokyo Trial KK", 1)
        if "vendor: FILL" not in text
        else text.replace("vendor: FILL IN / 記入", "vendor: Tokyo Trial KK")
    )
    text = text.replace("example.com", "tokyo-trial.example").replace("claims: {}", "claims: {T1110.001: alerted}")
    (folder / "product.yaml").write_text(text, "utf-8")
    (folder / "README.md").write_text("# My EDR\n", "utf-8")
    key = place / "vendor.key"
    make_key(key)
    facts = {"main": ImageFacts(write_sbom("my_edr", "main", None, IMAGE), IMAGE.privileged)}
    archive = place / "my_edr.tar.gz"
    write_submission(folder, facts, "linux_server", key, archive)
    return folder, key, archive


def members(archive):
    with tarfile.open(archive) as opened:
        return [(one.name, opened.extractfile(one).read(), bool(one.mode & 0o111)) for one in opened]


def resigned(found, key, change):
    """The archive with its manifest changed and signed again, as a vendor with a key could."""
    data = dict((name, content) for name, content, _x in found)
    manifest = json.loads(data[MANIFEST])
    change(manifest, data)
    for name in manifest["files"]:
        if name in data:
            manifest["files"][name] |= {"sha256": hashlib.sha256(data[name]).hexdigest(), "size": len(data[name])}
    data[MANIFEST] = Submission.model_validate(manifest).as_bytes()
    data[SIGNATURE] = sign(key, data[MANIFEST]).model_dump_json().encode() + b"\n"
    modes = {name: executable for name, _content, executable in found}
    names = [MANIFEST, SIGNATURE, *sorted(set(data) - {MANIFEST, SIGNATURE})]
    return packed([(name, data[name], modes.get(name, False)) for name in names])


def refusals(path, tmp_path, sender=None, image=lambda *_: {"main": IMAGE}, newer=False, limits=None):
    received = receive(path, sender, tmp_path / "in", image, newer, limits)
    assert (received.folder is None) == bool(received.problems)
    assert not received.problems or not (tmp_path / "in").exists() or not any((tmp_path / "in").iterdir())
    return [(problem.field, problem.found) for problem in received.problems]


def test_an_untouched_submission_is_laid_out_byte_for_byte(made, tmp_path):
    folder, key, archive = made
    received = receive(archive, known_key(str(key) + ".pub"), tmp_path, lambda *_: {"main": IMAGE}, False)
    assert (received.problems, received.notes, received.folder) == ([], [], tmp_path / "my_edr")
    there = {file.name: (file.read_bytes(), file.stat().st_mode & 0o777) for file in received.folder.iterdir()}
    assert there == {
        file.name: (file.read_bytes(), 0o755 if file.name == "start.sh" else 0o644) for file in folder.iterdir()
    }


def test_the_same_folder_image_and_key_give_the_same_bytes(made, tmp_path):
    folder, key, archive = made
    facts = {"main": ImageFacts(write_sbom("my_edr", "main", None, IMAGE), IMAGE.privileged)}
    write_submission(folder, facts, "linux_server", key, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == archive.read_bytes()


def test_a_key_that_is_not_the_expected_one_is_refused(made, tmp_path):
    make_key(tmp_path / "other.key")
    ((field, found),) = refusals(made[2], tmp_path, known_key(str(tmp_path / "other.key.pub")))
    assert (field, found[:20]) == (SIGNATURE, "signed with the key ")


def test_without_an_expected_key_it_is_said_that_nobody_vouches(made, tmp_path):
    received = receive(made[2], None, tmp_path / "in", None, False)
    assert received.accepted
    assert [note.split(".")[0].split(" (")[0][:26] for note in received.notes] == [
        "signed with the key " + received.notes[0][20:26],
        "the bill of materials was ",
    ]


def changed(name, data=b"#!/bin/sh\n"):
    def tamper(found):
        return packed([(n, data if n == name else content, x) for n, content, x in found])

    return tamper


def without(name):
    return lambda found: packed([entry for entry in found if entry[0] != name])


def with_entry(name, **values):
    """One more entry, of any kind."""

    def tamper(found):
        buffer = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as pressed,
            tarfile.open(fileobj=pressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for n, content, x in found:
                info = tarfile.TarInfo(n)
                info.size, info.mode = len(content), 0o755 if x else 0o644
                archive.addfile(info, io.BytesIO(content))
            info = tarfile.TarInfo(name)
            info.mode = 0o644
            for field, value in values.items():
                setattr(info, field, value)
            archive.addfile(info)
        return buffer.getvalue()

    return tamper


def bomb(found):
    return packed([*found, ("product/zeros", bytes(64 << 20), False)])


def zeros(found):
    return gzip.compress(gzip.decompress(packed(found)) + bytes(64 << 20))


def appended(found):
    return gzip.compress(gzip.decompress(packed(found)) + b"something else" * 100, mtime=0)


def other_signature(found):
    data = json.loads(next(content for name, content, _x in found if name == SIGNATURE))
    data["signature"] = base64.b64encode(bytes(64)).decode()
    return changed(SIGNATURE, json.dumps(data).encode())(found)


def respelt(found):
    data = next(content for name, content, _x in found if name == MANIFEST)
    return changed(MANIFEST, data + b"\n")(found)


NOT_LISTED = "a file that the manifest does not list"
TAMPERED = {
    "a file's content": (changed("product/start.sh"), "product/start.sh", "10 bytes, SHA-256"),
    "a file's rights": (
        lambda found: packed([(n, c, x or n == "product/Dockerfile") for n, c, x in found]),
        "product/Dockerfile",
        "executable True",
    ),
    "a file left out": (without("product/start.sh"), "product/start.sh", "not in the archive"),
    "the bill of materials left out": (without("sbom/main.cdx.json"), "sbom/main.cdx.json", "not in the archive"),
    "the signature left out": (without(SIGNATURE), SIGNATURE, "no signature"),
    "the manifest left out": (without(MANIFEST), MANIFEST, "no manifest"),
    "another signature": (other_signature, SIGNATURE, "does not hold"),
    "another manifest": (changed(MANIFEST, b"{}"), MANIFEST, "Field required"),
    "a manifest that is spelt otherwise": (respelt, MANIFEST, "other bytes than its content"),
    "a file more": (with_entry("product/more"), "product/more", NOT_LISTED),
    "a path out of the folder": (with_entry("product/../../more"), "product/../../more", "leads out of the folder"),
    "an absolute path": (with_entry("/etc/cron.d/x"), "/etc/cron.d/x", "leads out of the folder"),
    "a path elsewhere": (with_entry("other/x"), "other/x", "no place in a submission"),
    "a backslash": (with_entry("product/..\\x"), "product/..\\x", "a backslash"),
    "a name that deceives": (with_entry("product/\u202etxt.sh"), "product/\u202etxt.sh", "can't be seen"),
    "a name twice": (with_entry("product/README.md"), "product/README.md", "same name twice"),
    "a name twice in other case": (with_entry("product/readme.MD"), "product/readme.MD", "same name twice"),
    "a link out": (with_entry("product/l", type=tarfile.SYMTYPE, linkname="/etc/shadow"), "product/l", "/etc/shadow"),
    "a hard link": (with_entry("product/l", type=tarfile.LNKTYPE, linkname="product/README.md"), "product/l", "a link"),
    "a device": (with_entry("product/d", type=tarfile.CHRTYPE), "product/d", "a device or pipe"),
    "a pipe": (with_entry("product/d", type=tarfile.FIFOTYPE), "product/d", "a device or pipe"),
    "a folder entry": (with_entry("product/d", type=tarfile.DIRTYPE), "product/d", "a folder or special entry"),
    "set-user-id": (with_entry("product/s", mode=0o4755), "product/s", "set-user-id"),
    "odd rights": (with_entry("product/s", mode=0o666), "product/s", "rights 0666"),
    "an archive bomb": (bomb, "", "bytes once unpacked"),
    "zeros after the end": (zeros, "", "more than its files"),
    "data after the end": (appended, "", "more than its files"),
    "an owner": (lambda found: with_entry("product/more", uid=1000)(found), "product/more", NOT_LISTED),
    "no archive at all": (lambda _found: b"MZ this is none", "", "no readable archive"),
    "an archive cut short": (lambda found: packed(found)[:700], "", "no readable archive"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_each_way_to_tamper_is_refused_by_name(made, tmp_path, what):
    tamper, field, words = TAMPERED[what]
    path = tmp_path / "tampered.tar.gz"
    path.write_bytes(tamper(members(made[2])))
    found = refusals(path, tmp_path, limits=Limits(free=8 << 20))
    assert any(one == field and words in text for one, text in found), found


def restated(field, value):
    def change(manifest, _data):
        manifest[field] = value

    return change


def rewritten(file, old, new):
    def change(_manifest, data):
        data[file] = data[file].replace(old.encode(), new.encode())

    return change


def with_bill(change_bill):
    def change(_manifest, data):
        bill = json.loads(data["sbom/main.cdx.json"])
        change_bill(bill)
        data["sbom/main.cdx.json"] = json.dumps(bill).encode()

    return change


def more_bills(manifest, data):
    data["sbom/other.cdx.json"] = data["sbom/main.cdx.json"]
    manifest["files"]["sbom/other.cdx.json"] = FileEntry(sha256="", size=0, executable=False).model_dump()


YAML = "product/product.yaml"
DISHONEST = {
    "another name": (restated("name", "Famous EDR"), "submission.json: name", "'Famous EDR'"),
    "another vendor": (restated("vendor", "Somebody"), "submission.json: vendor", "'Somebody'"),
    "another licence": (restated("licence", "MIT"), "submission.json: licence", "'MIT'"),
    "more claims": (restated("claims", {"T1059": "alerted"}), "submission.json: claims", "{'T1059': 'alerted'}"),
    "no component": (restated("components", {}), "submission.json: components", "[]"),
    "another id": (restated("product", "other"), "id", "my_edr"),
    "no licence": (rewritten(YAML, "LicenseRef-Proprietary", "ask us"), "licence", "'ask us' ("),
    "a technique that is not": (rewritten(YAML, "T1110.001", "T9999"), "claims.T9999", "T9999"),
    "a claim of another kind": (rewritten(YAML, ": alerted}", ": best}"), "claims.T1110.001", "'best'"),
    "no manifest of a product": (rewritten(YAML, "id: my_edr", "id: [my_edr"), "", "expected ',' or"),
    "a right that is not allowed": (
        rewritten(YAML, "capabilities: []", "capabilities: [{capability: SYS_MODULE, why: x}]"),
        "components.0.capabilities.0",
        "SYS_MODULE",
    ),
    "what the template put there": (rewritten(YAML, "Tokyo Trial KK", "FILL IN"), "vendor", "'FILL IN'"),
    "no bill of materials": (
        lambda _m, data: data.update({"sbom/main.cdx.json": b"{}"}), "sbom/main.cdx.json", "'bomFormat' is a required",
    ),
    "a part left out of the bill": (
        with_bill(lambda bill: bill["components"].pop(0)), "sbom/main.cdx.json", "jq 1.7.1-6 is in the image",
    ),
    "a part twice in the bill": (
        with_bill(lambda bill: bill["components"].append(bill["components"][0])), "sbom/main.cdx.json", "there 2 times",
    ),
    "a part that is none": (
        with_bill(lambda bill: bill["components"].append({"name": 1})), "sbom/main.cdx.json", "is a required property",
    ),
    "a bill of no component": (more_bills, "sbom/other.cdx.json", "of no component"),
}  # fmt: skip


@pytest.mark.parametrize("what", DISHONEST)
def test_a_signed_submission_that_does_not_match_is_refused_by_name(made, tmp_path, what):
    """A vendor can sign anything: the signature says who, not that it is true."""
    change, field, words = DISHONEST[what]
    path = tmp_path / "dishonest.tar.gz"
    path.write_bytes(resigned(members(made[2]), made[1], change))
    found = refusals(path, tmp_path)
    assert any(one == field and words in text for one, text in found), found


def image_with(packages=(), privileged=(), drop=()):
    whole = Contents(
        (IMAGE.whole.packages | set(packages)) - set(drop), IMAGE.whole.privileged | set(privileged), set(), "debian-13"
    )
    return lambda *_: {"main": Materials(whole, BASE)}


NEWER = Package(kind="deb", name="jq", version="1.8", architecture="amd64")
SURPRISES = {
    "a program with rights of its own": (image_with(privileged=["/opt/root-me"]), "/opt/root-me has rights of its own"),
    "a package more": (
        image_with([Package(kind="pypi", name="x", version="1")]), "pypi/x 1 is in the image, and not in it",
    ),
    "a package less": (image_with(drop=[JQ]), "deb/debian/jq 1.7.1-6 is in it, and not in the image"),
    "another version": (image_with([NEWER], drop=[JQ]), "the image has 1.8, the bill of materials 1.7.1-6"),
}  # fmt: skip


@pytest.mark.parametrize("what", SURPRISES)
def test_an_image_that_is_not_what_the_bill_says_is_refused(made, tmp_path, what):
    image, words = SURPRISES[what]
    ((_field, found),) = refusals(made[2], tmp_path, image=image)
    assert words in found


def test_newer_packages_can_be_accepted_and_are_noted(made, tmp_path):
    received = receive(made[2], None, tmp_path, image_with([NEWER], drop=[JQ]), True)
    assert received.accepted
    assert received.notes[-1] == "deb/debian/jq: the image has 1.8, the bill of materials 1.7.1-6"


def test_nothing_is_overwritten(made, tmp_path):
    (tmp_path / "in" / "my_edr").mkdir(parents=True)
    received = receive(made[2], None, tmp_path / "in", None, False)
    assert [problem.field for problem in received.problems] == ["--to"]


def test_images_are_built_only_without_any_objection(made, tmp_path):
    """Else a stranger's Dockerfile would run although its archive was refused."""
    path = tmp_path / "tampered.tar.gz"
    path.write_bytes(changed("product/start.sh")(members(made[2])))
    assert refusals(path, tmp_path, image=lambda *_: pytest.fail("built"))


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("vendor: Tokyo Trial KK", "vendor: FILL IN", "vendor"),
        ("LicenseRef-Proprietary", "see homepage", "licence"),
        ("T1110.001: alerted", "T9999: alerted", "claims.T9999"),
    ],
)
def test_what_is_not_fit_is_not_submitted(made, tmp_path, old, new, field):
    folder = tmp_path / "my_edr"
    folder.mkdir()
    for file in made[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / "product.yaml").read_text("utf-8").replace(old, new)
    (folder / "product.yaml").write_text(text, "utf-8")
    (problem,) = submission_problems(folder)
    _data, lines = load_yaml(folder / "product.yaml")
    assert (problem.field, problem.line) == (field, lines.of(tuple(field.split("."))))


def test_a_secret_is_not_submitted(made, tmp_path, monkeypatch):
    folder = tmp_path / "my_edr"
    folder.mkdir()
    for file in made[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / "product.yaml").read_text("utf-8")
    secret = "secrets: [{id: licence, what: {en: key, ja: 鍵}, component: main, path: /run/key}]\n"
    (folder / "product.yaml").write_text(text + secret, "utf-8")
    (folder / "key.txt").write_text("AAAA-BBBB-CCCC")
    monkeypatch.setenv("PIJ_SECRET_LICENCE", "AAAA-BBBB-CCCC")
    (problem,) = submission_problems(folder)
    assert (problem.path, problem.found) == (str(folder / "key.txt"), "the secret 'licence'")
    assert "AAAA" not in str(problem)


def test_a_link_is_not_submitted(made, tmp_path):
    folder = tmp_path / "my_edr"
    folder.mkdir()
    for file in made[0].iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "notes").symlink_to(folder / "README.md")
    (problem,) = submission_problems(folder)
    assert problem.found == "a link or a special file"


@pytest.mark.parametrize("text", ["Apache-2.0", "GPL-2.0-or-later", "MIT OR LicenseRef-Ours", "LicenseRef-Proprietary"])
def test_spdx_expressions_are_licences(text):
    assert licence_objection(text) is None


@pytest.mark.parametrize("text", ["free", "", "MIT AND", "GPL 2"])
def test_other_words_are_no_licence(text):
    assert licence_objection(text) is not None


def test_a_bill_of_materials_is_valid_and_tells_the_product_from_its_base():
    text = write_sbom("my_edr", "main", None, IMAGE)
    assert sbom_objection(text) is None
    parts = [{"type": "library", "name": str(number), "bom-ref": str(number % 60)} for number in range(70)]
    assert sbom_objection(json.dumps({**json.loads(text), "components": parts})) == "'0' stands there 2 times"
    assert text == write_sbom("my_edr", "main", None, IMAGE)
    assert product_parts(text) == {("deb/debian/jq", "1.7.1-6")}


def header(**tags):
    """An rpm header as rpm stores it."""
    index, data = b"", b""
    for tag, value in ((1000, tags["name"]), (1001, tags["version"]), (1002, tags["release"]), (1022, "x86_64")):
        index += struct.pack(">IIiI", tag, 6, len(data), 1)
        data += value.encode() + b"\0"
    data += b"\0" * (-len(data) % 4)
    index += struct.pack(">IIiI", 1003, 4, len(data), 1)
    data += struct.pack(">I", 2)
    return struct.pack(">II", len(index) // 16, len(data)) + index + data


def rpm_database(tmp_path):
    connection = sqlite3.connect(tmp_path / "rpmdb.sqlite")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    connection.execute("INSERT INTO Packages VALUES (1, ?)", [header(name="bash", version="5.2", release="1.el9")])
    connection.commit()
    connection.close()
    return (tmp_path / "rpmdb.sqlite").read_bytes()


MODULES = b"path\tx\nmod\texample.org/x\tv1.0.0\th1:a=\ndep\texample.org/y\tv0.3.0\th1:b=\n"
HEAD = b"\x7fELF" + bytes(28) + b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\x08go1.22.1"
GO = HEAD + bytes([len(MODULES) + 32]) + bytes(16) + MODULES + bytes(16)


def test_every_database_of_packages_is_read(tmp_path):
    dpkg = (
        b"Package: jq\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.7.1-6\n\n"
        b"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
    )
    assert set(read_dpkg(dpkg)) == {JQ}
    assert set(read_apk(b"C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\n")) == {
        Package(kind="apk", name="musl", version="1.2.5-r0", architecture="x86_64", licence="MIT")
    }
    assert set(read_rpm(rpm_database(tmp_path))) == {
        Package(kind="rpm", name="bash", version="2:5.2-1.el9", architecture="x86_64")
    }
    assert set(read_python(b"Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.0\nLicense-Expression: MIT\n")) == {
        Package(kind="pypi", name="some-thing", version="1.0", licence="MIT")
    }
    assert set(read_npm(b'{"name": "@a/b", "version": "2.0.0", "license": "ISC"}')) == {
        Package(kind="npm", name="@a/b", version="2.0.0", licence="ISC")
    }
    assert {(p.name, p.version) for p in read_go(GO)} == {("example.org/x", "v1.0.0"), ("example.org/y", "v0.3.0")}


def filesystem(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content, mode, headers in files:
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.pax_headers = len(content), mode, headers
            archive.addfile(info, io.BytesIO(content))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer, mode="r|")


def test_an_image_is_read_from_its_files_alone():
    found = read_contents(
        filesystem(
            [
                ("etc/os-release", b'ID=debian\nVERSION_ID="13"\n', 0o644, {}),
                ("usr/bin/su", b"x", 0o4755, {}),
                ("usr/bin/ping", b"x", 0o755, {"SCHILY.xattr.security.capability": "x"}),
                ("opt/node_modules/a/package.json", b"[1, 2", 0o644, {}),
                ("var/lib/dpkg/status", b"Package: jq\nVersion: 1.7.1-6\nArchitecture: amd64\n", 0o644, {}),
            ]
        )
    )
    assert found == Contents(
        {JQ}, {"/usr/bin/su", "/usr/bin/ping"}, {"/opt/node_modules/a/package.json: JSONDecodeError"}, "debian-13"
    )


def test_the_command_refuses_with_every_reason_and_exits_1(made, tmp_path):
    path = tmp_path / "tampered.tar.gz"
    path.write_bytes(changed("product/start.sh")(members(made[2])))
    done = RUNNER.invoke(app, ["product", "receive", str(path), "--to", str(tmp_path / "in"), "--json"])
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["accepted"], answer["folder"]) == (1, False, None)
    (problem,) = answer["problems"]
    assert all(problem[part] for part in ("path", "field", "found", "allowed", "mend"))


def test_the_command_accepts_and_exits_0(made, tmp_path):
    options = ["--from", str(made[1]) + ".pub", "--to", str(tmp_path / "in"), "--no-rebuild"]
    done = RUNNER.invoke(app, ["product", "receive", str(made[2]), *options])
    assert done.exit_code == 0, done.output
    assert f"accepted: {tmp_path / 'in' / 'my_edr'}" in done.output


def test_a_key_is_never_overwritten(tmp_path):
    first = RUNNER.invoke(app, ["product", "key", "--to", str(tmp_path / "k")])
    before = (tmp_path / "k").read_bytes()
    again = RUNNER.invoke(app, ["product", "key", "--to", str(tmp_path / "k")])
    assert (first.exit_code, again.exit_code, (tmp_path / "k").read_bytes()) == (0, 2, before)
    assert (tmp_path / "k").stat().st_mode & 0o777 == 0o600
