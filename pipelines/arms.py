"""What each arm changes against its product's default one: made from the product's folder, for the publication.

The manifest's arms differ in declared settings; what these do in the container is decided by files that both arms have
(a start script reads a variable). So a difference has three parts: the settings as a unified diff; the files that are
named after the arm or a changed value, as added or taken away; and, unchanged but in full, the files that read a
changed variable.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from pipelines.campaign import ArmOfProduct, Prepared, entry_of
from pipelines.history import earlier
from pipelines.registry import find, folder_digest
from products.deploy import sources_of
from products.manifest import Arm, Product, read_product
from results.arm_differences import ArmDifference, Basis, Written, held_against, read_differences, written
from results.errors import ContentError
from results.registration import read_registration
from results.store import read_trial, sealed_trials

LARGEST_FILE = 64_000
"""Bytes of a file that stands in a difference in full; of a larger one only its size is told."""
MANIFEST = "product.yaml"
APART = ("README.md", MANIFEST, "Dockerfile")
"""Files of a product's folder that are no arm's: for a reader, read by us, or run before there is an arm."""


def default_arm(product: Product) -> Arm:
    """The arm named `default`; else the first that is as shipped, else the first."""
    named = [arm for arm in product.arms if arm.id == "default"]
    return (*named, *(arm for arm in product.arms if not arm.tuned), *product.arms)[0]


def differences_of(prepared: Prepared) -> tuple[Written, ...]:
    """The differences of everything that a campaign is about to run."""
    return tuple(
        difference(entry, Basis.RUN) for entry in prepared.entries if entry.arm.id != default_arm(entry.product).id
    )


def difference(entry: ArmOfProduct, basis: Basis) -> Written:
    """One arm beside its product's default one.

    Args:
        entry: the arm; must not be the default one.
        basis: how it is known that this is what was run.
    """
    first = default_arm(entry.product)
    about = ArmDifference(
        product=entry.product.id, first=first.id, second=entry.arm.id, basis=basis, digest=entry.digest
    )
    parts = [*_settings(entry, first), *_files(entry, first)]
    return written(about, "".join(f"{line.rstrip()}\n" for line in parts))


def for_publication(folder: Path) -> tuple[Written, ...]:
    """The differences of a campaign that was run: as recorded then, else from the product folders of the checkout.

    Of a folder that was changed since, the commit that holds it as it was run is looked for, by its digest; where there
    is none, no difference is shown, only the word that it was changed.

    Args:
        folder: of the campaign.

    Raises:
        EvaluationError: what was recorded is not what was written.
    """
    recorded = read_differences(folder)
    trials = {path.name: read_trial(path) for path in sealed_trials(folder)}
    if recorded:
        return held_against(recorded, trials)
    registration = read_registration(folder)
    registered = registration.products if registration else {}
    ran = {(trial.product, trial.arm): trial.entry_digest for trial in trials.values() if trial.product and trial.arm}
    found = []
    for product_id in sorted({product for product, _arm in ran}):
        arms = {arm: digest for (product, arm), digest in sorted(ran.items()) if product == product_id}
        found += list(_made_now(product_id, arms, registered))
    return held_against(tuple(found), trials)


def _made_now(product_id: str, arms: Mapping[str, str | None], registered: Mapping[str, str]) -> Iterator[Written]:
    """The differences of one product's arms.

    Args:
        product_id: of the checkout.
        arms: arm -> digest that its trials recorded.
        registered: arm's name in the results -> digest.
    """
    try:
        place = find("product", product_id)
    except ContentError:
        yield from _withheld(product_id, "default", arms, Basis.ABSENT)
        return
    for folder in chain((place,), earlier(place)):
        try:
            product = read_product(folder)
            known = {arm.id: entry_of(folder, product, arm, {}, {}) for arm in product.arms}
        except ContentError:  # an older commit's manifest may be none that we read
            continue
        basis = _basis(product_id, known, arms, registered)
        if basis is not Basis.CHANGED:
            first = default_arm(product).id
            yield from (difference(known[arm], basis) for arm in arms if arm != first)
            return
    yield from _withheld(product_id, "default", arms, Basis.CHANGED)


def _withheld(product_id: str, first: str, arms: Iterable[str], basis: Basis) -> Iterator[Written]:
    for arm in arms:
        if arm != first:
            yield Written(ArmDifference(product=product_id, first=first, second=arm, basis=basis), None)


def _basis(
    product_id: str, known: Mapping[str, ArmOfProduct], arms: Mapping[str, str | None], registered: Mapping[str, str]
) -> Basis:
    """How a folder stands to what was run: one arm's digest covers the whole folder.

    An arm that takes content of the user's can't be told by its digest: the content is not at hand.
    """
    seen = set[Basis]()
    for arm, sealed in arms.items():
        entry = known.get(arm)
        then = sealed or registered.get(f"{product_id}-{arm}")
        if entry is None:
            return Basis.CHANGED
        if then is None or _takes_content(entry):
            continue
        if then != entry.digest:
            return Basis.CHANGED
        seen.add(Basis.MATCHED if sealed else Basis.REGISTERED)
    return next((one for one in (Basis.MATCHED, Basis.REGISTERED) if one in seen), Basis.UNCHECKED)


def _takes_content(entry: ArmOfProduct) -> bool:
    own, changed = entry.product.components, entry.arm.components.values()
    return any(part.content for part in own) or any(part.content for part in changed)


def _settings(entry: ArmOfProduct, first: Arm) -> Iterator[str]:
    before, after = (_declared(entry.product, arm) for arm in (first, entry.arm))
    for mount, folder in sorted(entry.content.items()):
        after += [f"# content {mount}: sha256 {folder_digest(folder)}"]
    names = (f"{first.id}/settings.yaml", f"{entry.arm.id}/settings.yaml")
    yield from difflib.unified_diff(before, after, *names, lineterm="")


def _declared(product: Product, arm: Arm) -> list[str]:
    """What the manifest says of an arm, with what the product says for every arm, as YAML lines."""
    components: dict[str, Any] = {}
    for component in product.components:
        changed = arm.components.get(component.id)
        data = component.model_dump(mode="json", exclude_defaults=True, by_alias=True)
        data["environment"] = component.environment | (changed.environment if changed else {})
        mounts = (*component.content, *(changed.content if changed else ()))
        data["content"] = [mount.model_dump(mode="json", exclude_defaults=True) for mount in mounts]
        components[component.id] = data
    sources: dict[str, list[Any]] = {"alerts": [], "telemetry": []}
    for kind, source in sources_of(product, arm):
        sources[kind].append(source.model_dump(mode="json", exclude_defaults=True, by_alias=True))
    canary = (arm.canary or product.canary).model_dump(mode="json", exclude_defaults=True)
    notes = [one.model_dump(mode="json", exclude_defaults=True) for one in (*product.notes, *arm.notes)]
    data = {"tuned": arm.tuned, "components": components, **sources, "canary": canary, "notes": notes}
    return yaml.safe_dump(data, allow_unicode=True, sort_keys=True, width=100).splitlines()


def _files(entry: ArmOfProduct, first: Arm) -> Iterator[str]:
    """The files that a changed setting names, then those that read it, then those that these name."""
    before, after = (_environment(entry.product, arm) for arm in (first, entry.arm))
    variables = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    old, new = (_words(values.get(name, "") for name in variables) for values in (before, after))
    paths = {
        name: path
        for path in sorted(entry.folder.rglob("*"))
        for name in [path.relative_to(entry.folder).as_posix()]
        if path.is_file() and "__pycache__" not in path.parts and name not in APART
    }
    was = {name for name, path in paths.items() if _is_named(path, old - new, first.id)}
    now = {name for name, path in paths.items() if _is_named(path, new - old, entry.arm.id)}
    texts = {name: _read(path) for name, path in paths.items()}
    for name in sorted(was ^ now):
        arm = first.id if name in was else entry.arm.id
        yield f"# {name}: in the image of both arms; named by the setting of {arm}"
        lines = (texts[name] or f"({paths[name].stat().st_size} bytes, not shown)").splitlines()
        if name in was:
            yield from difflib.unified_diff(lines, [], f"{arm}/{name}", "/dev/null", lineterm="")
        else:
            yield from difflib.unified_diff([], lines, "/dev/null", f"{arm}/{name}", lineterm="")
    rest = {name: text for name, text in texts.items() if text is not None and name not in was ^ now}
    readers = {name: found for name, text in rest.items() if (found := [one for one in variables if _has(text, one)])}
    named = {
        name: by
        for name in rest
        if name not in readers and (by := [one for one in readers if _has(rest[one], Path(name).name)])
    }
    for why, chosen in (("reads", readers), ("named by", named)):
        for name, found in chosen.items():
            yield f"# {name}: the same in both arms; {why} {', '.join(found)}"
            yield from _unchanged(rest[name].splitlines(), f"{first.id}/{name}", f"{entry.arm.id}/{name}")


def _words(values: Iterable[str]) -> set[str]:
    return {word for value in values for word in re.split(r"[\s/:,]+", value) if len(word) > 1}


def _has(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) is not None


def _environment(product: Product, arm: Arm) -> dict[str, str]:
    found: dict[str, str] = {}
    for component in product.components:
        changed = arm.components.get(component.id)
        found |= component.environment | (changed.environment if changed else {})
    return found


def _is_named(path: Path, values: Iterable[str], arm: str) -> bool:
    """Whether a file is called after a value or the arm, with or without its suffix."""
    return bool({path.name, path.stem} & {*values, *([arm] if arm != "default" else [])})


def _read(path: Path) -> str | None:
    """A file's text; None if it is none, or too large to stand in a difference."""
    if path.is_symlink() or path.stat().st_size > LARGEST_FILE:
        return None
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return None


def _unchanged(lines: list[str], first: str, second: str) -> Iterator[str]:
    """A file that both arms have, as one hunk without a change."""
    yield f"--- {first}"
    yield f"+++ {second}"
    yield f"@@ -1,{len(lines)} +1,{len(lines)} @@"
    yield from (f" {line}" for line in lines)
