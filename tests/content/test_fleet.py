"""What the fleet's campaigns promise: ten products or more, each as it is shipped and tuned."""

import pytest

from pipelines.definition import CampaignDefinition
from products.manifest import read_product
from results.documents import read_document
from results.paths import ROOT

CAMPAIGNS = ROOT / "pipelines" / "campaigns"


def fleet(name):
    return read_document(CAMPAIGNS / f"{name}.yaml", CampaignDefinition)


def is_tuned(entry):
    product = read_product(ROOT / "products" / entry.product)
    return next(arm.tuned for arm in product.arms if arm.id == entry.arm)


@pytest.mark.parametrize(("name", "least"), [("fleet_linux", 9), ("fleet_web", 10), ("fleet", 10)])
def test_every_product_of_the_fleet_is_there_as_shipped_and_tuned(name: str, least: int):
    """Else a product would be judged by one configuration, or the fleet would be smaller than what is promised."""
    entries = fleet(name).entries
    arms = {product: {is_tuned(e) for e in entries if e.product == product} for product in {e.product for e in entries}}
    assert {product for product, kinds in arms.items() if kinds != {False, True}} == set()
    assert len(arms) >= least


def test_the_fleet_of_both_compares_the_same_arms_as_the_fleets_of_one():
    """Else what is read from one page would not be found on the other."""
    both = fleet("fleet")
    of_parts = {part.id: set(part.entries or both.entries) for part in both.parts}
    assert of_parts == {"linux": set(fleet("fleet_linux").entries), "web": set(fleet("fleet_web").entries)}
