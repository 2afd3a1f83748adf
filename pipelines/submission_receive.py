"""`pij product receive`: everything in a submission is checked before anything of it is laid out.

The order is that of trust: limits and names, the signature, the digests, what the product says of itself. Only if there
is not a single objection are its images built and compared with what it says is in them.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attacks.catalogue import load_catalogue
from pipelines.submission import (
    MANIFEST,
    PRODUCT,
    SBOM,
    SIGNATURE,
    Submission,
    statement_problems,
    unfilled,
)
from pipelines.submission_archive import OWN, Limits, Opened, open_archive
from pipelines.submission_key import fingerprint, signature_objection
from pipelines.submission_sbom import Materials, parts_of, product_parts, sbom_objection
from products.lint import lint_product
from products.manifest import read_product
from results.errors import ContentError, Problem
from results.paths import state_folder

Read = Callable[[Path, Submission], Mapping[str, Materials]]
"""Builds a product's images and reads what they hold: component -> its materials."""
AGAIN = "Ask the vendor to submit again."


@dataclass
class Received:
    """What became of a submission."""

    opened: Opened
    notes: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)
    folder: Path | None = None
    """Where the product is now; None if it was refused."""

    @property
    def problems(self) -> list[Problem]:
        """Every reason against it."""
        return self.opened.problems

    @property
    def accepted(self) -> bool:
        """Nothing speaks against it."""
        return not self.problems


def receive(
    path: Path, sender: str | None, to: Path, read_images: Read | None, accept_newer: bool, limits: Limits | None = None
) -> Received:
    """Check a submission, and lay its product out below `to` if nothing speaks against it.

    Args:
        path: the archive.
        sender: the public key that it must be signed with; any if None.
        to: the folder in which the product's folder is made.
        read_images: builds the product's images and reads them; None: not compared.
        accept_newer: packages may have other versions than the bill of materials says.
        limits: what the archive may cost.
    """
    with tempfile.TemporaryDirectory(prefix="received-") as scratch:
        stage, tree = Path(scratch) / "kept", Path(scratch) / "tree"
        stage.mkdir()
        received = Received(open_archive(path, stage, limits))
        opened = received.opened
        steps: list[tuple[str, Callable[[], None]]] = [
            ("names, kinds, sizes and form of the archive", lambda: None),
            ("signature", lambda: _check_signature(received, sender)),
            ("digest of every file", lambda: _check_files(opened)),
            ("manifest, licence and claims", lambda: _check_product(opened, tree)),
            ("bill of materials", lambda: _check_sboms(opened)),
            ("place", lambda: _check_place(opened, to)),
        ]
        for name, check in steps:
            before = len(opened.problems)
            check()
            if len(opened.problems) == before and (name != steps[0][0] or received.accepted):
                received.passed.append(name)
        if received.accepted and opened.submission is not None:
            folder = tree / opened.submission.product
            _check_images(received, folder, read_images, accept_newer)
        if received.accepted and opened.submission is not None:
            to.mkdir(parents=True, exist_ok=True)
            received.folder = to / opened.submission.product
            shutil.copytree(tree / opened.submission.product, received.folder)
    return received


def _check_signature(received: Received, sender: str | None) -> None:
    opened = received.opened
    if opened.signature is None or not opened.manifest:
        opened.refuse(SIGNATURE, "no signature that can be read", "one over submission.json", AGAIN)
        return
    objection = signature_objection(opened.signature, opened.manifest)
    if objection:
        opened.refuse(SIGNATURE, *objection, "It was changed on its way, or badly signed. " + AGAIN)
    elif sender is not None and opened.signature.public_key != sender:
        found = f"signed with the key {fingerprint(opened.signature.public_key)}"
        opened.refuse(SIGNATURE, found, f"the key {fingerprint(sender)}", "It is not from whom you expect it.")
    elif sender is None:
        received.notes.append(
            f"signed with the key {fingerprint(opened.signature.public_key)}. Whose it is, nothing here says: compare "
            f"it with the vendor, or give --from {opened.signature.public_key}"
        )


def _check_files(opened: Opened) -> None:
    if opened.submission is None:
        opened.refuse(MANIFEST, "no manifest that can be read", "submission.json first in the archive", AGAIN)
        return
    listed = opened.submission.files
    there = {name: entry for name, entry in opened.found.items() if name not in OWN}
    for name in sorted(set(listed) - set(there)):
        opened.refuse(name, "not in the archive", "every file that the manifest lists", AGAIN)
    for name in sorted(set(there) - set(listed)):
        opened.refuse(name, "a file that the manifest does not list", "listed files only", AGAIN)
    for name in sorted(set(there) & set(listed)):
        if there[name] != listed[name]:
            found = f"{there[name].size} bytes, SHA-256 {there[name].sha256[:16]}…, executable {there[name].executable}"
            said = listed[name]
            allowed = f"{said.size} bytes, {said.sha256[:16]}…, executable {said.executable}"
            opened.refuse(name, found, allowed, "It was changed after the manifest was written. " + AGAIN)


def _check_product(opened: Opened, tree: Path) -> None:
    """Lay the product out in a folder of ours, lint it, and compare what manifest and `product.yaml` say."""
    submission = opened.submission
    if submission is None:
        return
    folder = tree / submission.product
    folder.mkdir(parents=True)
    for name, kept in opened.kept.items():
        if name.startswith(f"{PRODUCT}/"):
            place = folder / name.removeprefix(f"{PRODUCT}/")
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(kept, place)
            except OSError as error:  # a file where a folder is needed
                opened.refuse(name, str(error.strerror), "names that can stand beside each other", AGAIN)
                continue
            place.chmod(0o755 if opened.found[name].executable else 0o644)
    problems = lint_product(folder)
    opened.problems += [_from_archive(problem, tree, folder) for problem in problems]
    if problems:
        return
    product, manifest = read_product(folder), folder / "product.yaml"
    problems = unfilled(folder)
    problems += statement_problems(product, manifest, load_catalogue(None, state_folder() / "attack"))
    opened.problems += [_from_archive(problem, tree, folder) for problem in problems]
    said = submission.model_dump(mode="json")
    facts = {
        "product": product.id,
        "name": product.name,
        "vendor": product.vendor,
        "product_class": product.product_class.value,
        "licence": product.licence,
        "claims": product.claims,
        "components": sorted(component.id for component in product.components),
    }
    said["components"] = sorted(submission.components)
    for field_name, fact in facts.items():
        if said[field_name] != fact:
            opened.refuse(f"{MANIFEST}: {field_name}", repr(said[field_name])[:120], repr(fact)[:120], AGAIN)


def _from_archive(problem: Problem, tree: Path, folder: Path) -> Problem:
    """The same problem, with its place in the archive instead of in a folder of ours."""
    path = problem.path.replace(f"{folder}/", f"{PRODUCT}/").replace(f"{tree}/", "")
    return problem.model_copy(update={"path": path})


def _check_sboms(opened: Opened) -> None:
    if opened.submission is None:
        return
    expected = {entry.sbom for entry in opened.submission.components.values()}
    for name in sorted(name for name in opened.found if name.startswith(f"{SBOM}/") and name not in expected):
        opened.refuse(name, "a bill of materials of no component", ", ".join(sorted(expected)), AGAIN)
    for name in sorted(expected):
        if name not in opened.kept or not name.startswith(f"{SBOM}/"):
            opened.refuse(name, "not in the archive", "a bill of materials for each component", AGAIN)
            continue
        objection = sbom_objection(opened.kept[name].read_bytes().decode("utf-8", "replace"))
        if objection:
            opened.refuse(name, objection, "CycloneDX 1.6 (JSON)", AGAIN)


def _check_place(opened: Opened, to: Path) -> None:
    if opened.submission is not None and (to / opened.submission.product).exists():
        found = f"{to / opened.submission.product} is there already"
        opened.refuse("--to", found, "a folder that is not there yet", "Move it away, or name another with --to.")


def _check_images(received: Received, folder: Path, read_images: Read | None, accept_newer: bool) -> None:
    opened, submission = received.opened, received.opened.submission
    if submission is None:
        return
    if read_images is None:
        received.notes.append("the bill of materials was not compared with an image (--no-rebuild)")
        return
    try:
        materials = read_images(folder, submission)
    except ContentError as error:
        opened.problems += [_from_archive(problem, folder.parent, folder) for problem in error.problems]
        return
    for component, entry in submission.components.items():
        found = materials[component]
        _compare_parts(received, entry.sbom, opened.kept[entry.sbom].read_text("utf-8"), found, accept_newer)
        for path in sorted(set(found.privileged) - set(entry.privileged)):
            opened.refuse(
                f"{MANIFEST}: components.{component}.privileged",
                f"{path} has rights of its own in the image, and was not declared",
                ", ".join(entry.privileged) or "none",
                AGAIN,
            )
    if received.accepted:
        received.passed.append("images built here, and compared with the bill of materials")


def _compare_parts(received: Received, name: str, text: str, found: Materials, accept_newer: bool) -> None:
    said = _versions(product_parts(text))
    there = _versions(parts_of(found.product, found.whole.system))
    for part in sorted(set(there) - set(said)):
        received.opened.refuse(name, f"{part} {there[part]} is in the image, and not in it", "every part", AGAIN)
    for part in sorted(set(said) - set(there)):
        received.opened.refuse(name, f"{part} {said[part]} is in it, and not in the image", "no other part", AGAIN)
    others = [part for part in sorted(set(said) & set(there)) if said[part] != there[part]]
    for part in others:
        words = f"{part}: the image has {there[part]}, the bill of materials {said[part]}"
        if accept_newer:
            received.notes.append(words)
        else:
            mend = "The package archive may have moved on: pin versions in the Dockerfile, or use --accept-newer."
            received.opened.refuse(name, words, "the same versions", mend)


def _versions(parts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Part -> its versions; npm may have several of one package."""
    found: dict[str, set[str]] = {}
    for part, version in parts:
        found.setdefault(part, set()).add(version)
    return {part: ", ".join(sorted(versions)) for part, versions in found.items()}
