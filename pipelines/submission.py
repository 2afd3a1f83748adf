"""`pij product submit`: a product as one signed archive, from which an evaluator can check everything.

In the archive, in this order: `submission.json` (what it is, and the digest of every other file), `submission.sig` (the
signature over it), then in order of name `product/…` (the folder: manifest and build context) and `sbom/…` (the bill of
materials of each component's image). The same folder, images and key give the same bytes.
"""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from license_expression import ExpressionError, ParseError, get_spdx_licensing

from attacks.catalogue import load_catalogue
from pipelines.submission_key import sign
from products.lint import lint_product
from products.manifest import Product, read_product
from results.attack import Catalogue
from results.documents import Definition, load_yaml
from results.errors import ContentError, Problem
from results.paths import state_folder
from results.records import Slug, TechniqueId

MANIFEST, SIGNATURE = "submission.json", "submission.sig"
PRODUCT, SBOM = "product", "sbom"
CLAIMS = ("prevented", "alerted", "logged")
PLACEHOLDER = "FILL IN"
LARGEST_FOLDER = 512 << 20


class FileEntry(Definition):
    """One file of the archive."""

    sha256: str
    size: int
    executable: bool


class ComponentEntry(Definition):
    """What a component's image holds."""

    sbom: str
    """Its bill of materials, a file of the archive."""
    privileged: tuple[str, ...]
    """Programs with rights of their own (set-user-id, set-group-id, capabilities) that the product brings."""


class Submission(Definition):
    """`submission.json`."""

    format: Literal[1] = 1
    pij: str
    product: Slug
    name: str
    vendor: str
    product_class: str
    licence: str
    attack_release: str
    """In which the claims' techniques were looked up."""
    claims: dict[TechniqueId, str]
    environment: Slug
    """On whose nodes the images were built of which the bills of materials are."""
    components: dict[Slug, ComponentEntry]
    files: dict[str, FileEntry]
    """Every other file of the archive but the signature."""

    def as_bytes(self) -> bytes:
        """The one way to write it down."""
        return (json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


@dataclass(frozen=True)
class ImageFacts:
    """What was found out about a component's image."""

    sbom: str
    privileged: tuple[str, ...]


def submission_problems(folder: Path) -> list[Problem]:
    """Everything that speaks against submitting a folder, beyond its lint."""
    problems = lint_product(folder)
    if problems:
        return problems
    product = read_product(folder)
    problems = unfilled(folder)
    problems += statement_problems(product, folder / "product.yaml", load_catalogue(None, state_folder() / "attack"))
    problems += [problem for file in _files(folder) for problem in _file_problems(folder, file, product)]
    return problems


def unfilled(folder: Path) -> list[Problem]:
    """Lines of `product.yaml` and `README.md` that still hold what the template put there."""
    path = folder / "product.yaml"
    data, lines = load_yaml(path)
    found = [
        (field, data[field])
        for field in ("name", "vendor", "homepage", "licence")
        if isinstance(data.get(field), str) and (PLACEHOLDER in data[field] or "example.com" in data[field])
    ]
    problems = [
        _problem(path, lines.of((field,)), field, repr(text), "what it really is", "Fill it in.")
        for field, text in found
    ]
    readme = folder / "README.md"
    told = readme.read_text("utf-8", "replace").splitlines() if readme.is_file() else []
    problems += [
        _problem(readme, number, "", repr(line[:60]), "what the product is", "Write it.")
        for number, line in enumerate(told, 1)
        if line.startswith(PLACEHOLDER)
    ]
    return problems


def statement_problems(product: Product, path: Path, catalogue: Catalogue) -> list[Problem]:
    """What is wrong with the declared licence and claims."""
    _data, lines = load_yaml(path)
    problems = []
    objection = licence_objection(product.licence)
    if objection:
        mend = "Use SPDX's short name, or LicenseRef-Proprietary for one of your own."
        allowed = "an SPDX licence expression"
        problems.append(_problem(path, lines.of(("licence",)), "licence", objection, allowed, mend))
    for technique, level in product.claims.items():
        place = ("claims", technique)
        if catalogue.resolve(technique) is None:
            allowed, mend = f"a technique of {catalogue.release}", "Correct the id, or remove the claim."
            problems.append(_problem(path, lines.of(place), f"claims.{technique}", technique, allowed, mend))
        if level not in CLAIMS:
            mend = "Say which of the three it achieves."
            problems.append(
                _problem(path, lines.of(place), f"claims.{technique}", repr(level), ", ".join(CLAIMS), mend)
            )
    return problems


def licence_objection(text: str) -> str | None:
    """Why a text is no SPDX licence expression; None if it is one (`LicenseRef-…` counts)."""
    licensing = get_spdx_licensing()
    try:
        parsed = licensing.parse(text)
    except (ExpressionError, ParseError) as error:
        return f"{text!r} ({str(error)[:100]})"
    if parsed is None:
        return repr(text)
    unknown = [key for key in licensing.unknown_license_keys(parsed) if not key.startswith("LicenseRef-")]
    return f"{text!r} (unknown: {', '.join(unknown)[:100]})" if unknown else None


def write_submission(
    folder: Path, facts: Mapping[str, ImageFacts], environment: str, key: Path, to: Path
) -> Submission:
    """Write the archive.

    Args:
        folder: the product's folder, without problems.
        facts: component -> what its image holds.
        environment: on whose nodes the images were built.
        key: file of the private key.
        to: the archive.

    Raises:
        ContentError: the key can't be read.
        OSError: the archive can't be written.
    """
    product = read_product(folder)
    data = {f"{PRODUCT}/{file.relative_to(folder).as_posix()}": file.read_bytes() for file in _files(folder)}
    modes = {f"{PRODUCT}/{file.relative_to(folder).as_posix()}": _is_executable(file) for file in _files(folder)}
    sboms = {f"{SBOM}/{name}.cdx.json": fact.sbom.encode() for name, fact in facts.items()}
    data |= sboms
    submission = Submission(
        pij=version("pij"),
        product=product.id,
        name=product.name,
        vendor=product.vendor,
        product_class=product.product_class.value,
        licence=product.licence,
        attack_release=load_catalogue(None, state_folder() / "attack").release,
        claims=product.claims,
        environment=environment,
        components={
            name: ComponentEntry(sbom=f"{SBOM}/{name}.cdx.json", privileged=fact.privileged)
            for name, fact in facts.items()
        },
        files={
            name: FileEntry(
                sha256=hashlib.sha256(content).hexdigest(), size=len(content), executable=modes.get(name, False)
            )
            for name, content in data.items()
        },
    )
    manifest = submission.as_bytes()
    signature = sign(key, manifest).model_dump_json().encode() + b"\n"
    members = [(MANIFEST, manifest, False), (SIGNATURE, signature, False)]
    members += [(name, data[name], modes.get(name, False)) for name in sorted(data)]
    to.write_bytes(packed(members))
    return submission


def packed(members: list[tuple[str, bytes, bool]]) -> bytes:
    """An archive of (name, content, executable): no times, no owners, the order as given."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, filename="") as pressed,
        tarfile.open(fileobj=pressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content, executable in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755 if executable else 0o644
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return sorted(path for path in found if path.is_symlink() or not path.is_dir())


def _file_problems(folder: Path, file: Path, product: Product) -> list[Problem]:
    name = str(file.relative_to(folder))
    path = folder / name
    if file.is_symlink() or not file.is_file():
        return [_problem(path, None, "", "a link or a special file", "plain files", "Put the file itself there.")]
    if file.stat().st_size > LARGEST_FOLDER:
        found = f"{file.stat().st_size} bytes"
        return [_problem(path, None, "", found, f"at most {LARGEST_FOLDER}", "Let the Dockerfile fetch it.")]
    content = file.read_bytes()
    problems = []
    for secret in product.secrets:
        value = os.environ.get(f"PIJ_SECRET_{secret.id.upper()}", "")
        if len(value) >= 8 and value.encode() in content:
            mend = "Remove it; the evaluator gives it as a secret."
            problems.append(_problem(path, None, "", f"the secret {secret.id!r}", "no secret in any file", mend))
    return problems


def _is_executable(file: Path) -> bool:
    return bool(file.stat().st_mode & 0o111)


def _problem(path: Path, line: int | None, field: str, found: str, allowed: str, mend: str) -> Problem:
    return Problem(path=str(path), line=line, field=field, found=found, allowed=allowed, mend=mend)


def require_none(problems: list[Problem]) -> None:
    """Raises ContentError if there are problems."""
    if problems:
        raise ContentError(problems)
