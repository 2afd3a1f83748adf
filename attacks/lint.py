"""Linting a plan: everything that the model alone can't see, all at once, each with its line."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from attacks.atomic import Procedure
from attacks.lint_step import CONDITION_FIELDS, Report, lint_step
from attacks.plan import Plan
from environments.manifest import Environment
from results.attack import Catalogue
from results.documents import check, load_yaml
from results.errors import ContentError, Problem
from results.records import StepKind

__all__ = ["CONDITION_FIELDS", "lint_plan"]
