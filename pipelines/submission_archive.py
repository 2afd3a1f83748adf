"""Reading an archive that a stranger made: what could do harm is refused, and no name says where anything is written.

The archive is read once, from front to back, under limits that hold before anything is unpacked. Files are kept under
numbers of ours; whoever accepts the submission lays them out afterwards.
"""

import gzip
import hashlib
import io
import tarfile
import unicodedata
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from pipelines.submission import MANIFEST, PRODUCT, SBOM, SIGNATURE, FileEntry, Submission
from pipelines.submission_key import Signature
from results.errors import Problem

CHUNK = 1 << 20
OWN = (MANIFEST, SIGNATURE)


@dataclass(frozen=True)
class Limits:
    """What an archive may cost."""

    archive: int = 512 << 20
    unpacked: int = 1 << 30
    ratio: int = 200
    """Unpacked bytes for each packed one, beyond `free`."""
    free: int = 32 << 20
    files: int = 5000
    manifest: int = 4 << 20
    name: int = 200
    depth: int = 16


@dataclass
class Opened:
    """What an archive holds."""

    path: Path
    problems: list[Problem] = field(default_factory=list)
    manifest: bytes = b""
    submission: Submission | None = None
    signature: Signature | None = None
    found: dict[str, FileEntry] = field(default_factory=dict)
    kept: dict[str, Path] = field(default_factory=dict)
    """Name in the archive -> where its content lies, under a number of ours."""

    def refuse(self, field: str, found: str, allowed: str, mend: str) -> None:
        """Note one reason."""
        self.problems.append(
            Problem(path=self.path.name, line=None, field=field, found=found, allowed=allowed, mend=mend)
        )


class _TooMuch(Exception):
    """The archive unpacks to more than it may."""


class _Bounded(io.RawIOBase):
    """A stream that ends with `_TooMuch` when more comes out of it than may."""

    def __init__(self, inner: IO[bytes], most: int) -> None:
        self._inner, self._most = inner, most
        self.read_so_far = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001  # any writable buffer
        data = self._inner.read(len(buffer))
        self.read_so_far += len(data)
        if self.read_so_far > self._most:
            raise _TooMuch
        buffer[: len(data)] = data
        return len(data)


REMAKE = "Make it again with `pij product submit`."


def open_archive(path: Path, stage: Path, limits: Limits | None = None) -> Opened:
    """Read an archive; every reason against it is in `problems`.

    Args:
        path: the archive.
        stage: an empty folder of ours for the contents.
        limits: what it may cost.
    """
    limits = limits or Limits()
    opened = Opened(path)
    try:
        size = path.stat().st_size
    except OSError as error:
        opened.refuse("", f"{error.strerror}", "a submission (.tar.gz)", "Check the path.")
        return opened
    if size > limits.archive:
        opened.refuse("", f"{size} bytes", f"at most {limits.archive}", "Let the Dockerfile fetch large parts.")
        return opened
    most = min(limits.unpacked, limits.free + limits.ratio * size)
    try:
        with path.open("rb") as file, gzip.GzipFile(fileobj=file) as pressed:
            bounded = io.BufferedReader(_Bounded(pressed, most), CHUNK)  # type: ignore[arg-type]
            with tarfile.open(fileobj=bounded, mode="r|") as archive:
                _read_members(archive, opened, stage, limits)
    except _TooMuch:
        opened.refuse("", f"more than {most} bytes once unpacked", f"at most {most}", "An archive bomb is not read.")
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, OSError, ValueError, OverflowError) as error:
        opened.refuse("", f"no readable archive ({type(error).__name__}: {str(error)[:80]})", ".tar.gz", REMAKE)
    if not opened.problems:
        _require_plain(opened, most)
    return opened


def _read_members(archive: tarfile.TarFile, opened: Opened, stage: Path, limits: Limits) -> None:
    names: dict[str, str] = {}
    for number, member in enumerate(archive):
        if number >= limits.files:
            opened.refuse("", f"more than {limits.files} files", f"at most {limits.files}", "Submit fewer files.")
            return
        name = member.name
        objection = name_objection(name, limits) or kind_objection(member)
        if objection:
            opened.refuse(_shown(name), *objection)
            continue
        same = names.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if name in opened.found or same != name:
            opened.refuse(name, f"the same name twice (also {same!r})", "each name once, whatever its case", REMAKE)
            continue
        if number < len(OWN) and name != OWN[number]:
            opened.refuse(name, f"file number {number + 1}", f"{OWN[number]} there", REMAKE)
        _take(archive, member, opened, stage / f"{number:05d}", limits)
        if number + 1 == len(OWN):
            _read_own(opened)


def name_objection(name: str, limits: Limits) -> tuple[str, str, str] | None:
    """(found, allowed, mend) if a name could lead out of the folder or deceive a reader."""
    allowed = f"{MANIFEST}, {SIGNATURE}, or a plain path below {PRODUCT}/ or {SBOM}/"
    mend = "Nothing is written where such a name says."
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        return "a path that leads out of the folder", allowed, mend
    if len(name) > limits.name or len(parts) > limits.depth:
        return f"{len(name)} characters in {len(parts)} parts", f"at most {limits.name} in {limits.depth}", mend
    if not all(character.isprintable() for character in name) or "\\" in name:
        return "a name with characters that can't be seen, or a backslash", allowed, mend
    if any(part in ("", ".") or part != part.strip() for part in parts):
        return "a name with empty parts or blanks at its ends", allowed, mend
    if name not in OWN and (parts[0] not in (PRODUCT, SBOM) or len(parts) < 2):
        return "a file that has no place in a submission", allowed, REMAKE
    return None


def kind_objection(member: tarfile.TarInfo) -> tuple[str, str, str] | None:
    """(found, allowed, mend) if an entry is anything but a plain file with plain rights."""
    mend = "Submit plain files; the Dockerfile can make the rest."
    if member.issym() or member.islnk():
        return f"a link to {_shown(member.linkname)}", "plain files", mend
    if member.ischr() or member.isblk() or member.isfifo():
        return "a device or pipe", "plain files", mend
    if not member.isreg() or member.issparse():
        return "a folder or special entry", "plain files", mend
    if member.mode & 0o7000:
        return f"set-user-id, set-group-id or sticky rights ({member.mode:04o})", "0644 or 0755", mend
    if member.mode not in (0o644, 0o755):
        return f"rights {member.mode:04o}", "0644 or 0755", REMAKE
    return None


def _take(archive: tarfile.TarFile, member: tarfile.TarInfo, opened: Opened, to: Path, limits: Limits) -> None:
    file = archive.extractfile(member)
    if file is None:
        opened.refuse(member.name, "no content", "a plain file", REMAKE)
        return
    if member.name in OWN and member.size > limits.manifest:
        opened.refuse(member.name, f"{member.size} bytes", f"at most {limits.manifest}", REMAKE)
        return
    digest, size = hashlib.sha256(), 0
    with to.open("wb") as kept:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            kept.write(chunk)
    opened.kept[member.name] = to
    opened.found[member.name] = FileEntry(sha256=digest.hexdigest(), size=size, executable=bool(member.mode & 0o111))


def _read_own(opened: Opened) -> None:
    """The manifest and the signature, as soon as both are there."""
    if not all(name in opened.kept for name in OWN):
        return
    opened.manifest = opened.kept[MANIFEST].read_bytes()
    try:
        opened.submission = Submission.model_validate_json(opened.manifest)
        if opened.submission.as_bytes() != opened.manifest:
            opened.refuse(MANIFEST, "other bytes than its content gives", "as pij writes it", REMAKE)
    except (ValidationError, ValueError, RecursionError) as error:
        opened.refuse(MANIFEST, _first(error), "a submission of format 1", REMAKE)
    try:
        opened.signature = Signature.model_validate_json(opened.kept[SIGNATURE].read_bytes())
    except (ValidationError, ValueError, RecursionError) as error:
        opened.refuse(SIGNATURE, _first(error), "algorithm, public_key and signature", REMAKE)


def _require_plain(opened: Opened, most: int) -> None:
    """Refuse whatever the archive holds beside its files: odd headers, data after its end."""
    wanted = _Hashing()
    with tarfile.open(fileobj=wanted, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for name, path in opened.kept.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = opened.found[name].size, 0o755 if opened.found[name].executable else 0o644
            with path.open("rb") as file:
                archive.addfile(info, file)
    seen = hashlib.sha256()
    with opened.path.open("rb") as file, gzip.GzipFile(fileobj=file) as pressed:
        left = most
        while left > 0 and (chunk := pressed.read(min(CHUNK, left))):
            seen.update(chunk)
            left -= len(chunk)
    if seen.digest() != wanted.digest.digest():
        found = "more than its files (odd headers, owners or times, or data after the end)"
        opened.refuse("", found, "an archive as pij writes it", REMAKE)


class _Hashing(io.RawIOBase):
    """Keeps only the digest of what is written."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]  # noqa: ANN001  # any buffer
        self.digest.update(data)
        return len(data)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        detail = error.errors()[0]
        return f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"[:150]
    return f"{type(error).__name__}: {str(error)[:100]}"


def _shown(name: str) -> str:
    return name if len(name) <= 120 else f"{name[:117]}…"
