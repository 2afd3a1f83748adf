"""Linting by path: what kind of content a path holds is told by the file in it."""

from pathlib import Path

from attacks.catalogue import load_catalogue
from attacks.corpus import KINDS, read_corpus
from attacks.lint import lint_plan
from attacks.lint_corpus import lint_corpus
from attacks.plan import read_plan
from environments.lint import lint_environment
from environments.manifest import read_environment
from pipelines.campaign import all_procedures, uses
from pipelines.definition import CampaignDefinition, of_part
from pipelines.registry import PROCEDURES, campaigns, find, folders
from products.lint import lint_product
from products.lint_mapping import lint_mapping
from products.mapping import FILE as MAPPING
from products.mapping import mapping_folders
from results.documents import read_document
from results.errors import ContentError, Problem
from results.paths import state_folder


def lint_everything(attack: Path | None = None) -> list[Problem]:
    """Every problem of the checkout's content."""
    paths = [folder for kind in ("product", "environment", "plan") for folder in folders(kind)]
    paths += PROCEDURES
    return lint_paths([*paths, *mapping_folders(), *campaigns()], attack)


def lint_paths(paths: list[Path], attack: Path | None = None) -> list[Problem]:
    """Every problem of the content at these paths."""
    problems: list[Problem] = []
    for path in paths:
        problems += _lint(path, attack)
    return list(dict.fromkeys(problems))


def _lint(path: Path, attack: Path | None) -> list[Problem]:
    try:
        if (path / "product.yaml").is_file():
            return lint_product(path)
        if (path / MAPPING).is_file():
            return lint_mapping(path)
        if (path / "environment.yaml").is_file():
            return lint_environment(path)
        if (path / "plan.yaml").is_file():
            return _lint_plan(path, attack)
        if path.is_file() and read_corpus(path).files:
            return lint_corpus(path, load_catalogue(attack, state_folder() / "attack"))
        if path.is_file():
            return _lint_campaign(path)
        if path.is_dir() and any(file.suffix in (".yaml", ".yml") for file in path.rglob("*")):
            return lint_corpus(path, load_catalogue(attack, state_folder() / "attack"))
    except ContentError as error:
        return list(error.problems)
    allowed = f"a folder with product.yaml, environment.yaml or plan.yaml, a campaign file, or {KINDS}"
    return [
        Problem(path=str(path), line=None, field="", found="nothing to check", allowed=allowed, mend="Check the path.")
    ]


def _lint_plan(path: Path, attack: Path | None) -> list[Problem]:
    procedures, problems = all_procedures()
    catalogue = load_catalogue(attack, state_folder() / "attack")
    plan = read_plan(path)
    environment = read_environment(find("environment", plan.environment))
    if uses(plan) <= set(procedures):
        problems = []  # another folder's, and shown with it
    return problems + lint_plan(path, procedures, catalogue, environment)


def _lint_campaign(path: Path) -> list[Problem]:
    definition = read_document(path, CampaignDefinition)
    problems: list[Problem] = []
    parts = [(part, of_part(definition, part)) for part in definition.blocks()]
    named = [("plan", part.plan) for part, _own in parts] + [("environment", part.environment) for part, _own in parts]
    named += [("product", entry.product) for _part, own in parts for entry in own.entries]
    for kind, name in dict.fromkeys(named):
        try:
            find(kind, name, path.parent)
        except ContentError as error:
            problems += [problem.model_copy(update={"path": str(path)}) for problem in error.problems]
    if definition.id != path.stem:
        problems.append(
            Problem(path=str(path), line=1, field="id", found=definition.id, allowed=path.stem, mend="Rename one.")
        )
    return problems
