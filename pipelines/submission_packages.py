"""What is installed in an image, read from its package databases and language manifests. Nothing of it is run.

Read: dpkg, apk, rpm (SQLite databases), Python's dist-info and egg-info, npm's package.json below `node_modules`, and
the build information in programs made with Go. Not read: jar files, Rust and other compiled programs, files that no
package knows.
"""

import json
import re
import sqlite3
import struct
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from email.parser import Parser

from results.documents import Definition

PATHS = {
    "dpkg": re.compile(r"^var/lib/dpkg/status(\.d/[^/]+)?$"),
    "apk": re.compile(r"^(usr/)?lib/apk/db/installed$"),
    "rpm": re.compile(r"^(var/lib|usr/lib/sysimage)/rpm/rpmdb\.sqlite$"),
    "python": re.compile(r"(\.dist-info/METADATA|\.egg-info/PKG-INFO|\.egg-info)$"),
    "npm": re.compile(r"(^|/)node_modules/(@[^/]+/)?[^/]+/package\.json$"),
    "os": re.compile(r"^(etc|usr/lib)/os-release$"),
}
LARGEST = {"dpkg": 64 << 20, "apk": 64 << 20, "rpm": 512 << 20}
LARGEST_MANIFEST = 4 << 20
LARGEST_PROGRAM = 256 << 20
GO_MAGIC = b"\xff Go buildinf:"
SET_ID = 0o6000
CAPABILITY = "SCHILY.xattr.security.capability"


class Package(Definition):
    """One installed package."""

    kind: str
    """`deb`, `apk`, `rpm`, `pypi`, `npm` or `golang`, as in a package URL."""
    name: str
    version: str
    architecture: str | None = None
    licence: str | None = None


@dataclass
class Contents:
    """What an image holds."""

    packages: set[Package] = field(default_factory=set)
    privileged: set[str] = field(default_factory=set)
    """Programs that give rights to whoever starts them: set-user-id, set-group-id, file capabilities."""
    unread: set[str] = field(default_factory=set)
    """Databases that are there and could not be read, with the reason."""
    system: str = ""
    """E.g. `debian-13`."""


def read_contents(archive: tarfile.TarFile) -> Contents:
    """Read an image's file system, from front to back."""
    found = Contents()
    for member in archive:
        if not member.isreg():
            continue
        path = member.name.removeprefix("./").lstrip("/")
        if member.mode & SET_ID or CAPABILITY in member.pax_headers:
            found.privileged.add(f"/{path}")
        kind = next((kind for kind, pattern in PATHS.items() if pattern.search(path)), None)
        if kind is None and member.mode & 0o111 and 64 < member.size <= LARGEST_PROGRAM:
            kind = "go"
        if kind is None:
            continue
        if member.size > LARGEST.get(kind, LARGEST_PROGRAM if kind == "go" else LARGEST_MANIFEST):
            found.unread.add(f"/{path}: {member.size} bytes")
            continue
        file = archive.extractfile(member)
        if file is not None:
            _read(found, kind, path, file.read())
    return found


def _read(found: Contents, kind: str, path: str, data: bytes) -> None:
    """One file; whatever it holds, nothing is raised."""
    readers = {
        "dpkg": read_dpkg, "apk": read_apk, "rpm": read_rpm, "python": read_python, "npm": read_npm, "go": read_go,
    }  # fmt: skip
    if kind == "os":
        found.system = _system(data.decode("utf-8", "replace"))
        return
    try:
        found.packages.update(readers[kind](data))
    except (ValueError, KeyError, TypeError, struct.error, sqlite3.Error, RecursionError) as error:
        found.unread.add(f"/{path}: {type(error).__name__}")


def read_dpkg(data: bytes) -> Iterator[Package]:
    """Debian's `status`: what is installed, not what was removed."""
    for paragraph in data.decode("utf-8", "replace").split("\n\n"):
        fields = Parser().parsestr(paragraph, headersonly=True)
        installed = fields.get("Status", "install ok installed").endswith(" installed")
        if fields.get("Package") and fields.get("Version") and installed:
            yield Package(
                kind="deb", name=fields["Package"], version=fields["Version"], architecture=fields.get("Architecture")
            )


def read_apk(data: bytes) -> Iterator[Package]:
    """Alpine's `installed`."""
    for paragraph in data.decode("utf-8", "replace").split("\n\n"):
        fields = dict(line.split(":", 1) for line in paragraph.splitlines() if line[1:2] == ":")
        if "P" in fields and "V" in fields:
            yield Package(
                kind="apk", name=fields["P"], version=fields["V"], architecture=fields.get("A"), licence=fields.get("L")
            )


def read_rpm(data: bytes) -> Iterator[Package]:
    """The SQLite database of rpm: a header a package (rpm's `header.c`: an index of tags, then their data)."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.deserialize(data)
        blobs = [bytes(row[0]) for row in connection.execute("SELECT blob FROM Packages")]
    finally:
        connection.close()
    for blob in blobs:
        yield _rpm_package(blob)


NAME, VERSION, RELEASE, EPOCH, LICENCE, ARCHITECTURE = 1000, 1001, 1002, 1003, 1014, 1022


def _rpm_package(blob: bytes) -> Package:
    entries, _length = struct.unpack_from(">II", blob)
    start = 8 + 16 * entries
    found: dict[int, str] = {}
    for index in range(entries):
        tag, _kind, offset, _count = struct.unpack_from(">IIiI", blob, 8 + 16 * index)
        if tag == EPOCH:
            found[tag] = str(struct.unpack_from(">I", blob, start + offset)[0])
        elif tag in (NAME, VERSION, RELEASE, LICENCE, ARCHITECTURE):
            found[tag] = blob[start + offset : blob.index(b"\0", start + offset)].decode("utf-8", "replace")
    epoch = f"{found[EPOCH]}:" if EPOCH in found else ""
    return Package(
        kind="rpm",
        name=found[NAME],
        version=f"{epoch}{found[VERSION]}-{found[RELEASE]}",
        architecture=found.get(ARCHITECTURE),
        licence=found.get(LICENCE),
    )


def read_python(data: bytes) -> Iterator[Package]:
    """`METADATA` of a wheel or `PKG-INFO` of an egg."""
    fields = Parser().parsestr(data.decode("utf-8", "replace"), headersonly=True)
    if fields.get("Name") and fields.get("Version"):
        name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
        licence = fields.get("License-Expression") or None
        yield Package(kind="pypi", name=name, version=fields["Version"], licence=licence)


def read_npm(data: bytes) -> Iterator[Package]:
    """`package.json` of an installed npm package."""
    fields = json.loads(data)
    if isinstance(fields, dict) and isinstance(fields.get("name"), str) and isinstance(fields.get("version"), str):
        licence = fields.get("license")
        yield Package(
            kind="npm", name=fields["name"], version=fields["version"],
            licence=licence if isinstance(licence, str) else None,
        )  # fmt: skip


def read_go(data: bytes) -> Iterator[Package]:
    """Modules of a program made with Go 1.18 or later (`debug/buildinfo`: two strings with their lengths)."""
    at = data.find(GO_MAGIC) if data.startswith(b"\x7fELF") else -1
    if at < 0 or not data[at + 15] & 2:
        return
    _version, after = _varint_string(data, at + 32)
    modules, _after = _varint_string(data, after)
    text = modules[16:-16].decode("utf-8", "replace")  # between two fixed marks
    for line in text.splitlines():
        kind, _tab, rest = line.partition("\t")
        parts = rest.split("\t")
        if kind in ("mod", "dep", "=>") and len(parts) >= 2:
            yield Package(kind="golang", name=parts[0], version=parts[1])


def _varint_string(data: bytes, at: int) -> tuple[bytes, int]:
    length = shift = 0
    while True:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return data[at : at + length], at + length
        if shift > 35:
            raise ValueError("no length")


def _system(text: str) -> str:
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    words = [fields.get(name, "").strip("\"'") for name in ("ID", "VERSION_ID")]
    return "-".join(word for word in words if word)


def added(whole: Iterable[Package], base: Iterable[Package]) -> set[Package]:
    """What an image has beyond the one that it was built on."""
    return set(whole) - set(base)
