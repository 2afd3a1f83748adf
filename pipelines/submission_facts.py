"""What a product's images hold, component by component, each beside the image that it was built on."""

from collections.abc import Mapping
from pathlib import Path

from environments.engine import Engine, Say
from environments.images import base_image
from pipelines.build import Images
from pipelines.campaign import Prepared
from pipelines.product_build import build_one, default_arm, environment_for, prepare_product
from pipelines.submission import ImageFacts, Submission
from pipelines.submission_receive import Read
from pipelines.submission_sbom import Materials, read_materials, write_sbom
from products.manifest import read_product
from products.placement import is_in_node, node_of


def read_product_materials(engine: Engine, prepared: Prepared, images: Images, say: Say) -> dict[str, Materials]:
    """Component -> what its image holds; nothing of it is started."""
    (entry,) = prepared.entries
    below = dict(images.nodes)
    found = {}
    for component in entry.components():
        image = images.products[entry.product.id, component.id][0]
        node = node_of(component, prepared.environment.nodes) if is_in_node(component) else None
        base = base_image(engine, say) if node is None else below[node]
        found[component.id] = read_materials(engine, image, base, say)
        if node is not None:
            below[node] = image
    return found


def image_facts(engine: Engine, folder: Path, environment: str | None, say: Say) -> tuple[dict[str, ImageFacts], str]:
    """What a submission says of its images: (component -> facts, the environment that they were built on).

    Raises:
        ContentError: the product or environment is wrong.
        EvaluationError: it does not build.
    """
    where = environment or environment_for(read_product(folder))
    prepared = prepare_product(folder, default_arm(folder), where)
    materials = read_product_materials(engine, prepared, build_one(engine, prepared, say), say)
    product = read_product(folder)
    facts = {
        name: ImageFacts(write_sbom(product.id, name, None, found), found.privileged)
        for name, found in materials.items()
    }
    return facts, prepared.environment.id


def reader(engine: Engine, say: Say) -> Read:
    """A reader of images for `receive`, which builds them on an engine."""

    def read(folder: Path, submission: Submission) -> Mapping[str, Materials]:
        prepared = prepare_product(folder, default_arm(folder), submission.environment)
        return read_product_materials(engine, prepared, build_one(engine, prepared, say), say)

    return read
