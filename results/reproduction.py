"""Reproduction bundles (scoring.md §6): everything that is needed to run one step against one product again.

A bundle is a zip file: `bundle.json` says what it is about, what came out and the SHA-256 of every other file;
`evidence/` holds the step's exact bytes and process tree, the trial, the observations and the verdict; `definitions/`
the plan, its procedures, the environment and the product. Reading one trusts nothing: what is not plain is refused
before it is unpacked, and what is unpacked are definitions, which run in containers or not at all.
"""

import hashlib
import json
import stat
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError, model_validator

from results.errors import EvaluationError, RecordVersionError
from results.records import READABLE_VERSIONS, SCHEMA_VERSION, Category, Outcome, Record, Slug, StepKind

MANIFEST = "bundle.json"
EVIDENCE = "evidence"
DEFINITIONS = "definitions"
MOST_FILES = 2_000
MOST_BYTES = 64 << 20
"""Unpacked, all together."""
LONGEST_NAME = 200
BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The time of every file in a bundle: the same content gives the same bytes."""


class Came(Record):
    """What came out."""

    outcome: Outcome
    category: Category | None
    verified: bool | None
    """The oracle saw the step's effect."""
    reason: str = ""


class Bundle(Record):
    """`bundle.json`."""

    schema_version: int = SCHEMA_VERSION
    campaign: str
    trial_id: str
    """`<product>-<arm>-r<repetition>`."""
    step_id: str
    kind: StepKind
    needs: tuple[str, ...]
    """Steps that are run before it, in order."""
    product: Slug
    product_name: str
    arm: Slug
    repetition: int
    seed: int
    plan: Slug
    plan_digest: str
    environment: Slug
    environment_digest: str
    images: tuple[str, ...]
    """Digests of the product's images, in the order of its components."""
    entry_digest: str
    """Of the product's folder, arm and content."""
    attack_release: str
    scorer_version: str
    seal: str
    """Root hash of the trial."""
    came: Came
    """What the scorer found then."""
    command: str
    """Runs it again."""
    files: dict[str, str]
    """Every other file -> its SHA-256."""
    executable: tuple[str, ...] = ()
    """Files that are programs; rights are part of what an image is built from."""

    @model_validator(mode="after")
    def _names_itself(self) -> "Bundle":
        if self.trial_id != f"{self.product}-{self.arm}-r{self.repetition}":
            raise ValueError("trial_id: not that of its product, arm and repetition")
        return self


class Reproduction(Record):
    """What came of a bundle that was run again."""

    bundle: str
    """SHA-256 of its `bundle.json`."""
    expected: Came
    found: Came
    status: str
    """Of the trial."""
    differences: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Outcome, category and effect came out the same."""
        return not self.differences


class BundleError(EvaluationError):
    """A bundle is not what pij writes, or does not hold together."""


def write_bundle(path: Path, bundle: Bundle, files: Mapping[str, bytes]) -> Path:
    """Write a bundle; the same content gives the same bytes."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    whole = bundle.model_copy(update={"files": digests})
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {MANIFEST: as_bytes(whole), **dict(sorted(files.items()))}.items():
            info = zipfile.ZipInfo(name, BEGINNING)
            info.external_attr, info.compress_type = (stat.S_IFREG | 0o644) << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def read_bundle(path: Path) -> tuple[Bundle, dict[str, bytes]]:
    """A bundle and its files, in memory: nothing is written anywhere.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        BundleError: it is damaged, hostile, or does not hold together; the text says which.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _require_plain(path, archive)
            files = {info.filename: _read(path, archive, info) for info in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BundleError(_words(path, "", f"no readable zip file ({str(error)[:100]})", "a bundle of pij")) from None
    manifest = files.pop(MANIFEST, b"")
    try:
        data = json.loads(manifest)
        version = data.get("schema_version") if isinstance(data, dict) else None
        if version not in READABLE_VERSIONS:
            raise RecordVersionError(path, version if isinstance(version, int) else 0, READABLE_VERSIONS)
        bundle = Bundle.model_validate(data)
    except (ValidationError, ValueError, RecursionError) as error:
        raise BundleError(_words(path, MANIFEST, " ".join(str(error).split())[:150], "a bundle of pij")) from None
    found = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    for name in sorted({*found, *bundle.files}):
        if found.get(name) != bundle.files.get(name):
            words = f"{found.get(name, 'nothing')[:16]} instead of {bundle.files.get(name, 'nothing')[:16]}"
            raise BundleError(_words(path, name, words, "the file that the bundle names, with its hash"))
    return bundle, files


def unpack(bundle: Bundle, files: Mapping[str, bytes], folder: Path) -> None:
    """Lay the definitions of a bundle that was read out in an empty folder."""
    for name, data in files.items():
        kind, _slash, rest = name.partition("/")
        if kind == DEFINITIONS:
            place = folder / rest
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
            place.chmod(0o755 if name in bundle.executable else 0o644)


def differences(expected: Came, found: Came) -> tuple[str, ...]:
    """What came out otherwise, in words."""
    pairs = {
        "outcome": (expected.outcome.value, found.outcome.value),
        "category": (expected.category and expected.category.value, found.category and found.category.value),
        "effect": (expected.verified, found.verified),
    }
    return tuple(f"{name}: then {then}, now {now}" for name, (then, now) in pairs.items() if then != now)


def as_bytes(record: Record) -> bytes:
    """A record as a bundle holds it."""
    return (json.dumps(record.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, indent=1) + "\n").encode()


def _require_plain(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse by the directory of the archive what could do harm, before anything of it is unpacked."""
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise BundleError(_words(path, "", f"{len(infos)} files", f"at most {MOST_FILES}"))
    if sum(info.file_size for info in infos) > MOST_BYTES:
        raise BundleError(_words(path, "", "more than it may unpack to", f"at most {MOST_BYTES} bytes"))
    seen: set[str] = set()
    for info in infos:
        # zipfile cuts a name at its first NUL and turns backslashes round; the name as written is what counts.
        objection = _objection(info.orig_filename, info)
        if objection:
            allowed = f"plain files below {EVIDENCE}/ and {DEFINITIONS}/"
            raise BundleError(_words(path, info.orig_filename[:80], objection, allowed))
        if info.filename.casefold() in seen:
            raise BundleError(_words(path, info.filename, "the same name twice", "each name once, whatever its case"))
        seen.add(info.filename.casefold())


def _objection(name: str, info: zipfile.ZipInfo) -> str | None:
    parts = name.split("/")
    kind = stat.S_IFMT(info.external_attr >> 16)
    if name.startswith("/") or ".." in parts or ":" in name or "\\" in name:
        return "a path that may lead out of the folder"
    if len(name) > LONGEST_NAME or not all(letter.isprintable() for letter in name):
        return "a name that is too long or has characters that can't be seen"
    if any(part in ("", ".") or part != part.strip() for part in parts):
        return "a name with empty parts or blanks at its ends"
    if kind not in (0, stat.S_IFREG):
        return "a link, folder or device"
    if info.flag_bits & 1:
        return "an encrypted file"
    if name != MANIFEST and (len(parts) < 2 or parts[0] not in (EVIDENCE, DEFINITIONS)):
        return "a file that has no place in a bundle"
    return None


def _read(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A file's content, never more than its directory entry says."""
    with archive.open(info) as file:
        data = file.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise BundleError(_words(path, info.filename, "more or less than its entry says", "what the entry says"))
    return data


def _words(path: Path, field: str, found: str, allowed: str) -> str:
    place = f"{path}: {field}:" if field else f"{path}:"
    return f"{place} found {found!r}; allowed: {allowed}. Nothing of it was unpacked or run; ask for it again."
