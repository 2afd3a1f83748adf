"""Writes the JSON Schemas of records and content files to results/schema: `python -m pipelines.schemas`."""

from attacks.plan import Plan
from environments.manifest import Environment
from pipelines.definition import CampaignDefinition
from products.manifest import Product
from products.mapping import Mapping
from results.paths import ROOT
from results.schemas import RECORDS, write_schemas

FOLDER = ROOT / "results" / "schema"
CONTENT = (CampaignDefinition, Environment, Mapping, Plan, Product)
ALL = (*RECORDS, *CONTENT)

if __name__ == "__main__":
    write_schemas(FOLDER, ALL)
