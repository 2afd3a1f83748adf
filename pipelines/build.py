"""Building every image that a campaign needs, once, before its first trial.

A product that does not build spoils only its own trials: the failure is kept and becomes their result.
"""

import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import uv

from environments.engine import Engine, Say
from environments.images import DEBIAN_SUITE, BuildError, base_image, build_image
from environments.intake import intake_image
from environments.manifest import Environment
from environments.witness import witness_image
from pipelines.campaign import ArmOfProduct, Prepared
from products.manifest import Component
from products.placement import is_in_node, node_of

PIP_TIMEOUT_S = 300


@dataclass
class Images:
    """What is built."""

    witness: str
    nodes: dict[str, str]
    """Node -> image."""
    products: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """(product, component) -> (image, digest)."""
    failed: dict[str, str] = field(default_factory=dict)
    """Product -> why it did not build."""

    def digest_of(self, entry: ArmOfProduct) -> str:
        """Digests of all of a product's images."""
        return " ".join(self.products[entry.product.id, part.id][1] for part in entry.components())


def build_all(engine: Engine, prepared: Prepared, say: Say) -> Images:
    """Build what is missing.

    Raises:
        TargetError: the base, the witness or a node does not build.
    """
    base = base_image(engine, say)
    images = Images(witness_image(engine, say), {})
    if prepared.entries:
        intake_image(engine, say)
    images.nodes = build_nodes(engine, prepared.environment, prepared.environment_folder, base, say)
    for entry in prepared.entries:
        if entry.missing_content:
            continue
        try:
            build_product(engine, entry, prepared.environment, images, base, say)
        except BuildError as error:
            images.failed[entry.product.id] = str(error)
            say(f"{entry.product.id} does not build; its trials will say so")
    return images


def build_nodes(engine: Engine, environment: Environment, folder: Path, base: str, say: Say) -> dict[str, str]:
    """Build the nodes of an environment: node -> image."""
    bases = {DEBIAN_SUITE: base}
    for node in environment.nodes.values():
        bases.setdefault(node.suite, "")
    bases = {suite: tag or base_image(engine, say, suite) for suite, tag in bases.items()}
    return {
        name: build_image(
            engine, f"node-{environment.id}-{name}", folder / node.build, "Dockerfile", {"BASE": bases[node.suite]}, say
        )[0]
        for name, node in environment.nodes.items()
    }


def build_product(
    engine: Engine, entry: ArmOfProduct, environment: Environment, images: Images, base: str, say: Say
) -> None:
    """Build the components of a product that are not built yet; components in one node lie upon one another.

    Raises:
        BuildError: one does not build.
    """
    top = dict(images.nodes)
    for component in entry.components():
        key = (entry.product.id, component.id)
        node = node_of(component, environment.nodes) if is_in_node(component) else None
        if key in images.products:
            if node is not None:
                top[node] = images.products[key][0]
            continue
        below = base if node is None else top[node]
        name = f"product-{entry.product.id}-{component.id}"
        args = {"BASE": below, **component.build.args}
        with tempfile.TemporaryDirectory(prefix="context-") as scratch:
            context = _context(entry.folder, component, Path(scratch), say)
            images.products[key] = build_image(engine, name, context, component.build.dockerfile, args, say)
        if node is not None:
            top[node] = images.products[key][0]


def _context(folder: Path, component: Component, scratch: Path, say: Say) -> Path:
    """The build context; with the product's Python wheels laid into it, if it has any."""
    context = folder / component.build.context
    if component.build.python_requirements is None:
        return context
    copy = scratch / "context"
    shutil.copytree(context, copy, symlinks=True)
    say(f"fetching the Python packages of {folder.name}")
    done = subprocess.run(  # noqa: S603  # our own uv; the requirements are pinned by hash
        [
            uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(copy / "python"),
            "--python-version", component.build.python_version,
            "--python-platform", f"{platform.machine()}-manylinux_2_28",
            "--only-binary", ":all:", "--require-hashes", "--no-deps",
            "-r", str(folder / component.build.python_requirements),
        ],
        capture_output=True, text=True, check=False, timeout=PIP_TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise BuildError(f"{folder / component.build.python_requirements}: {done.stderr.strip()[-1500:]}")
    for cache in copy.rglob("__pycache__"):
        shutil.rmtree(cache)
    return copy
