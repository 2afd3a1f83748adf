"""JSON Schemas of the records, generated from the models, so that other people's tools can read results."""

import json
from pathlib import Path

from pydantic import BaseModel

from results.records import Attribution, Campaign, Observation, StepExecution, Trial, Verdict
from results.summary import Summary

RECORDS = (Attribution, Campaign, Observation, StepExecution, Summary, Trial, Verdict)


def schema_text(model: type[BaseModel]) -> str:
    """The schema of one model, as it is committed."""
    return json.dumps(model.model_json_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(folder: Path, models: tuple[type[BaseModel], ...]) -> list[Path]:
    """Write `<Model>.json` for each model and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for model in models:
        path = folder / f"{model.__name__}.json"
        path.write_text(schema_text(model), "utf-8")
        paths.append(path)
    return paths
