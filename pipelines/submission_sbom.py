"""The bill of materials of a product's image, in CycloneDX 1.6, the same bytes for the same image."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.exception import CycloneDxException
from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component as Part
from cyclonedx.model.component import ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from environments.engine import Engine, Say
from environments.export import exported
from pipelines.submission_packages import Contents, Package, added, read_contents

FROM_PRODUCT, FROM_BASE = "product", "base"
ORIGIN = "pij:from"
UNREAD = "pij:unread"
LONG_LISTS = ("components", "dependencies")
AT_ONCE = 50
SHOWN = 120
"""Characters of each end of a long complaint."""
READ = "dpkg, apk, rpm, Python, npm and Go; jar files, Rust and files of no package are not read"


@dataclass(frozen=True)
class Materials:
    """What a component's image holds, and which part of it the product brought."""

    whole: Contents
    base: Contents

    @property
    def product(self) -> set[Package]:
        """Packages that the product brought."""
        return added(self.whole.packages, self.base.packages)

    @property
    def privileged(self) -> tuple[str, ...]:
        """Programs with rights of their own that the product brought."""
        return tuple(sorted(self.whole.privileged - self.base.privileged))


def read_materials(engine: Engine, image: str, base: str, say: Say) -> Materials:
    """Read an image and the one that it was built on; neither is started."""
    say("reading what the image holds")
    with exported(engine, image) as archive:
        whole = read_contents(archive)
    with exported(engine, base) as archive:
        return Materials(whole, read_contents(archive))


def write_sbom(product: str, component: str, version: str | None, materials: Materials) -> str:
    """The bill of materials as text."""
    subject = Part(
        name=f"{product}/{component}", type=ComponentType.CONTAINER, version=version, bom_ref=f"{product}/{component}"
    )
    metadata = BomMetaData(component=subject, properties=[Property(name="pij:read", value=READ)])
    for line in sorted(materials.whole.unread):
        metadata.properties.add(Property(name=UNREAD, value=line))
    ours = materials.product
    parts = {
        str(part.purl): part
        for package in sorted(materials.whole.packages, key=str)
        for part in [_part(package, materials.whole.system, FROM_PRODUCT if package in ours else FROM_BASE)]
    }
    bom = Bom(components=parts.values(), metadata=metadata)
    bom.register_dependency(subject, parts.values())
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join([product, component, *sorted(parts)]))
    # No time of its own: the same image has the same bill of materials.
    data = json.loads(JsonV1Dot6(bom).output_as_string())
    data["metadata"].pop("timestamp", None)
    return json.dumps(data, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def sbom_objection(text: str) -> str | None:
    """What is wrong with a bill of materials; None if it is valid CycloneDX 1.6 and no part stands there twice.

    The schema's validator compares every part with every other one. So the long lists are looked at piece by piece, and
    repetitions are looked for here: the cost grows with the size, also of a bill that somebody made to be slow.
    """
    try:
        whole = json.loads(text)
        lists = {name: whole.pop(name, []) for name in LONG_LISTS}
        ((name, times),) = Counter(str(part.get("bom-ref")) for part in lists["components"]).most_common(1) or [("", 0)]
        if times > 1:
            return f"{name!r} stands there {times} times"
        pieces = [{**whole, name: piece} for name, values in lists.items() for piece in _pieces(values)]
        validator = JsonStrictValidator(SchemaVersion.V1_6)
        found = next((one for one in (validator.validate_str(json.dumps(piece)) for piece in pieces) if one), None)
    except (CycloneDxException, ValueError, TypeError, AttributeError, RecursionError) as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    if found is None:
        return None
    words = str(getattr(found.data, "message", found))
    return words if len(words) <= 2 * SHOWN else f"{words[:SHOWN]} … {words[-SHOWN:]}"


def _pieces(values: Sequence[object]) -> list[Sequence[object]]:
    return [values[at : at + AT_ONCE] for at in range(0, max(1, len(values)), AT_ONCE)]


def product_parts(text: str) -> set[tuple[str, str]]:
    """(package URL without version, version) of what a bill of materials says that the product brought."""
    return {_key(part) for part in json.loads(text).get("components", []) if _origin(part) == FROM_PRODUCT}


def parts_of(packages: Iterable[Package], system: str) -> set[tuple[str, str]]:
    """The same of packages as they were read from an image."""
    return {_split(str(_purl(package, system))) for package in packages}


def _origin(part: dict[str, object]) -> str | None:
    properties = part.get("properties")
    named = properties if isinstance(properties, list) else []
    return next((entry.get("value") for entry in named if entry.get("name") == ORIGIN), None)


def _key(part: dict[str, object]) -> tuple[str, str]:
    return _split(str(part.get("purl", part.get("name", ""))))


def _split(purl: str) -> tuple[str, str]:
    try:
        found = PackageURL.from_string(purl)
    except ValueError:
        return purl, ""
    return f"{found.type}/{found.name if not found.namespace else f'{found.namespace}/{found.name}'}", (
        found.version or ""
    )


def _part(package: Package, system: str, origin: str) -> Part:
    purl = _purl(package, system)
    licences = [LicenseFactory().make_from_string(package.licence)] if package.licence else []
    return Part(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        licenses=licences,
        properties=[Property(name=ORIGIN, value=origin)],
    )


def _purl(package: Package, system: str) -> PackageURL:
    qualifiers = {"arch": package.architecture} if package.architecture else {}
    namespace, name = None, package.name
    if package.kind in ("deb", "apk", "rpm"):
        namespace = system.partition("-")[0] or "linux"
        qualifiers |= {"distro": system} if system else {}
    elif "/" in name:
        namespace, _slash, name = name.rpartition("/")
    return PackageURL(type=package.kind, namespace=namespace, name=name, version=package.version, qualifiers=qualifiers)
