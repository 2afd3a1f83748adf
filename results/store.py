"""Campaigns on disk: JSON for what is read whole, Parquet for rows. The version is checked before the body.

```
<campaign>/campaign.json attack.json
<campaign>/trials/<trial>/{trial.json,steps.parquet,alerts.parquet,telemetry.parquet,resources.parquet,log.txt,seal.json}
<campaign>/{verdicts,attributions}.parquet summary.json          (made by scoring)
```
Every write goes to a temporary file first; the same records give the same bytes.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, TypeAdapter, ValidationError

from results.errors import EvaluationError, RecordVersionError
from results.parquet_mark import check_mark, write_mark
from results.records import (
    READABLE_VERSIONS,
    SCHEMA_VERSION,
    SCORER_VERSION,
    Attribution,
    Campaign,
    Observation,
    ResourceSample,
    StepExecution,
    Trial,
    Verdict,
    as_json,
)
from results.seal import SEAL
from results.summary import Summary

if TYPE_CHECKING:
    import pandas as pd

R = TypeVar("R", bound=BaseModel)
VERSION_KEY = b"schema_version"
ROWS_KEY = b"rows"
"""How many there are, once more: the footer of a Parquet file has no checksum. Files of version 1 lack it."""
TABLES: dict[str, type[BaseModel]] = {
    "steps": StepExecution,
    "alerts": Observation,
    "telemetry": Observation,
    "resources": ResourceSample,
}
SCORES = ("verdicts.parquet", "attributions.parquet", "summary.json")
"""What scoring makes of the sealed trials."""
ORIGINAL = "original"
"""Folder beside the scores: the same without what people decided; there only if they did."""
ROWS_AT_ONCE = 1 << 14
UNIQUE = ("observation_id", "matched")
"""Columns of attributions in which a dictionary saves nothing."""
_TEXT = json.JSONEncoder(ensure_ascii=False)
_MEMBER = json.JSONEncoder(sort_keys=True, ensure_ascii=False)
_NESTED = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=as_json)
"""Made once: `json.dumps` makes one for each value."""
SCALARS = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}


def write_trial(
    folder: Path,
    trial: Trial,
    steps: Sequence[StepExecution],
    alerts: Sequence[Observation],
    telemetry: Sequence[Observation],
    resources: Sequence[ResourceSample],
) -> None:
    """Write a trial that is not sealed yet."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_json(folder / "trial.json", trial)
    rows: dict[str, Sequence[BaseModel]] = {
        "steps": steps, "alerts": alerts, "telemetry": telemetry, "resources": resources,
    }  # fmt: skip
    for name, records in rows.items():
        write_rows(folder / f"{name}.parquet", TABLES[name], records)


def write_campaign(folder: Path, campaign: Campaign) -> None:
    """Write what was decided before the first trial."""
    _write_json(folder / "campaign.json", campaign)


def write_scores(folder: Path, verdicts: Sequence[Verdict], summary: Summary) -> None:
    """Write what scoring found, besides the attributions (`attribution_writer`)."""
    write_rows(folder / "verdicts.parquet", Verdict, verdicts)
    _write_json(folder / "summary.json", summary)


def write_attributions(folder: Path, attributions: Sequence[Attribution]) -> None:
    """Write attributions that stand in records; scoring itself has too many (`attribution_writer`)."""
    write_rows(folder / "attributions.parquet", Attribution, attributions)


@contextmanager
def attribution_writer(folder: Path) -> Iterator[Callable[[pa.Table], None]]:
    """What takes a campaign's attributions, table by table; the file is there once the block has ended well."""
    path = folder / "attributions.parquet"
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    writers: list[pq.ParquetWriter] = []
    rows = 0

    def take(table: pa.Table) -> None:
        nonlocal rows
        rows += table.num_rows
        if not writers:
            texts = [name for name in table.column_names if name not in UNIQUE]
            # Texts come as codes; without Arrow's own schema in the file they are read as the texts that they are.
            writer = pq.ParquetWriter(
                temporary, table.schema, compression="zstd", write_page_checksum=True, store_schema=False,
                use_dictionary=texts,
            )  # fmt: skip
            writer.add_key_value_metadata({VERSION_KEY: str(SCHEMA_VERSION)})
            writers.append(writer)
        writers[0].write_table(table)

    try:
        yield take
        if not writers:
            take(pa.schema(arrow_columns(Attribution).items()).empty_table())
        writers[0].add_key_value_metadata({ROWS_KEY: str(rows)})
        writers[0].close()
        write_mark(temporary)
        _finish(temporary, path)
    finally:
        for writer in writers:
            writer.close()
        temporary.unlink(missing_ok=True)


def read_campaign(folder: Path) -> Campaign:
    """The campaign of a folder. Raises RecordVersionError, FileNotFoundError."""
    return _read_json(folder / "campaign.json", Campaign)


def read_summary(folder: Path) -> Summary:
    """The summary of a scored campaign.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        EvaluationError: of another scorer: its numbers can't stand beside ours.
        FileNotFoundError: there is none.
    """
    path = folder / "summary.json"
    data = _load_json(path)
    if data.get("scorer_version") != SCORER_VERSION:
        raise EvaluationError(
            f"{path}: scorer_version: found {data.get('scorer_version')!r}; allowed: {SCORER_VERSION!r}. "
            f"Run `pij score {folder}`: it scores the sealed trials again."
        )
    return _validated(path, data, Summary)


def read_trial(folder: Path) -> Trial:
    """A trial's own record. Raises RecordVersionError, FileNotFoundError."""
    return _read_json(folder / "trial.json", Trial)


def read_steps(folder: Path) -> list[StepExecution]:
    """The steps of a trial, canaries included, in the order they were run."""
    return read_rows(folder / "steps.parquet", StepExecution)


def read_alerts(folder: Path) -> list[Observation]:
    """The alerts of a trial, in the order of arrival."""
    return read_rows(folder / "alerts.parquet", Observation)


def read_telemetry(folder: Path) -> list[Observation]:
    """The telemetry of a trial, in the order of arrival."""
    return read_rows(folder / "telemetry.parquet", Observation)


def read_resources(folder: Path) -> list[ResourceSample]:
    """The resource samples of a trial."""
    return read_rows(folder / "resources.parquet", ResourceSample)


def read_verdicts(folder: Path) -> list[Verdict]:
    """The verdicts of a scored campaign."""
    return read_rows(folder / "verdicts.parquet", Verdict)


def read_attributions(folder: Path) -> list[Attribution]:
    """The attributions of a scored campaign."""
    return read_rows(folder / "attributions.parquet", Attribution)


def sealed_trials(folder: Path) -> list[Path]:
    """The sealed trials of a campaign, by name; one that was cut off is none."""
    return sorted(
        path.parent for path in (folder / "trials").glob("*/seal.json") if not path.parent.name.startswith(".")
    )


def query(folder: Path, sql: str) -> "pd.DataFrame":
    """Ask a campaign's files in SQL (DuckDB): steps, alerts, telemetry, resources, verdicts, attributions."""
    import duckdb  # only the notebooks need it

    views = {name: [str(trial / f"{name}.parquet") for trial in sealed_trials(folder)] for name in TABLES}
    views |= {name: [str(folder / f"{name}.parquet")] for name in ("verdicts", "attributions")}
    with duckdb.connect(":memory:") as connection:
        for name, files in views.items():
            if not files:
                continue
            relation = connection.read_parquet(files, filename=name in TABLES)
            if name in TABLES:
                relation = relation.project("parse_path(filename)[-2] AS trial_id, * EXCLUDE (filename)")
            relation.create_view(name)
        return connection.execute(sql).df()


def write_rows(path: Path, model: type[BaseModel], records: Iterable[BaseModel]) -> None:
    """Write records as Parquet: scalars as columns, everything nested as JSON text."""
    columns, rows = _columns(model), tuple(records)
    arrays = {
        name: pa.array([_plain(getattr(row, name), nested) for row in rows], type=kind)
        for name, (kind, nested) in columns.items()
    }
    metadata = {VERSION_KEY: str(SCHEMA_VERSION).encode(), ROWS_KEY: str(len(rows)).encode()}
    table = pa.table(arrays, schema=pa.schema([(n, k) for n, (k, _x) in columns.items()], metadata=metadata))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
    write_mark(temporary)
    _finish(temporary, path)


def read_rows(path: Path, model: type[R]) -> list[R]:
    """Read records from Parquet.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        EvaluationError: the file is damaged; the text names it.
        FileNotFoundError: there is no such file.
    """
    kinds, reader, found = _columns(model), TypeAdapter(list[model]), []  # type: ignore[valid-type]
    with opened(path) as file, reading(path):
        for rows in file.iter_batches(batch_size=ROWS_AT_ONCE):
            rows.validate(full=True)
            parts = [_as_json(name, rows.column(name), kinds[name][1]) for name in rows.schema.names]
            texts = pc.binary_join_element_wise("{", pc.binary_join_element_wise(*parts, ","), "}", "")
            found += reader.validate_json(f"[{','.join(texts.to_pylist())}]")
        require_rows(file.metadata.num_rows, len(found))
    return found


def _as_json(name: str, column: pa.Array, nested: bool) -> pa.Array:
    """`"name":value` for each row. The rows are put together as JSON, because pydantic reads that many times faster."""
    if nested:
        values = column
    elif pa.types.is_string(column.type):
        coded = column.dictionary_encode()
        quoted = pa.array([_TEXT.encode(text) for text in coded.dictionary.to_pylist()], pa.string())
        values = quoted.take(coded.indices)
    else:
        values = pc.cast(column, pa.string())
    return pc.binary_join_element_wise(f'"{name}":', pc.fill_null(values, "null"), "")


@contextmanager
def opened(path: Path, read_dictionary: Sequence[str] = (), verified: bool = False) -> Iterator[pq.ParquetFile]:
    """A Parquet file of ours, its version checked; what is read from it is checked page by page.

    Args:
        path: of the file.
        read_dictionary: text columns to be read as codes.
        verified: its seal has been verified, so its bytes need not be looked at again.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        EvaluationError: the file is damaged; the text names it.
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise FileNotFoundError(path)
    with ExitStack() as stack:
        with reading(path):
            if not verified:
                check_mark(path)
            metadata = pq.read_metadata(path)
            texts = [name for name in read_dictionary if name in metadata.schema.names]  # version 1 lacks some
            file = stack.enter_context(
                pq.ParquetFile(path, metadata=metadata, read_dictionary=texts, page_checksum_verification=True)
            )
            version = int((file.metadata.metadata or {}).get(VERSION_KEY, b"0"))
            groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
            values = [group.column(one).num_values for group in groups for one in range(group.num_columns)]
            rows = [group.num_rows for group in groups for _one in range(group.num_columns)]
            told = (file.metadata.metadata or {}).get(ROWS_KEY)
            counts = {
                file.metadata.num_rows,
                sum(group.num_rows for group in groups),
                int(told or file.metadata.num_rows),
            }
            if len(counts) > 1 or values != rows:
                raise ValueError("its numbers of rows contradict each other")
        _check_version(path, version)
        yield file


def require_rows(told: int, found: int) -> None:
    """Raises ValueError if a file has not as many rows as it says."""
    if told != found:
        raise ValueError(f"{found} rows instead of {told}")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever a damaged file makes Arrow, JSON or pydantic say becomes one sentence that names the file.

    Raises:
        EvaluationError: the file is damaged.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        words = " ".join(str(error).split())[:300] or type(error).__name__
        raise EvaluationError(
            f"{path}: found a damaged file ({words}); allowed: Parquet as pij wrote it. {_mend(path)}"
        ) from None


def _mend(path: Path) -> str:
    """How to mend a damaged file: what was made from sealed trials can be made again."""
    if path.name in SCORES:
        folder = path.parent.parent if path.parent.name == ORIGINAL else path.parent
        return f"Run `pij score {folder}`: it is made from the sealed trials, and can be made again."
    if (path.parent / SEAL).is_file():
        return "The trial's seal is broken: restore it from where it was published, or run the trial again."
    return "Restore it from where it was published, or run the trial again."


def arrow_columns(model: type[BaseModel]) -> dict[str, pa.DataType]:
    """Column -> Arrow type, in the order of the model's fields; what is nested is JSON text."""
    return {name: kind for name, (kind, _nested) in _columns(model).items()}


def _columns(model: type[BaseModel]) -> dict[str, tuple[pa.DataType, bool]]:
    """Column -> (Arrow type, whether it holds JSON text)."""
    found = {}
    for name, field in model.model_fields.items():
        kinds = [kind for kind in (get_args(field.annotation) or (field.annotation,)) if kind is not type(None)]
        kind = kinds[0] if len(kinds) == 1 else None
        base = next((b for b in (bool, int, float, str) if isinstance(kind, type) and issubclass(kind, b)), None)
        annotated = get_args(kind)[0] if base is None and get_args(kind) and get_args(kind)[0] is str else base
        found[name] = (SCALARS[annotated], False) if annotated in SCALARS else (pa.string(), True)
    return found


def _plain(value: Any, nested: bool) -> Any:  # noqa: ANN401  # JSON is what it is
    """A value as its column holds it."""
    if not nested or value is None:
        return value
    if value == ():
        return "[]"
    return _NESTED.encode(value)


def _write_json(path: Path, record: BaseModel) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        file.writelines(_lines(record.model_dump(mode="json")))
    _finish(temporary, path)


def _lines(data: dict[str, Any]) -> Iterator[str]:
    """Each member on a line, and each item of a long list: Python indents deeper only at a tenth of the speed."""
    opening = "{\n"
    for name in sorted(data):
        value = data[name]
        yield f"{opening} {json.dumps(name)}: "
        opening = ",\n"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield "[\n  "
            yield _MEMBER.encode(value[0])
            yield from (f",\n  {_MEMBER.encode(item)}" for item in value[1:])
            yield "\n ]"
        else:
            yield _MEMBER.encode(value)
    yield "\n}\n"


def _finish(temporary: Path, path: Path) -> None:
    """Make sure that the bytes are on disk before the name is."""
    descriptor = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)


def _read_json(path: Path, model: type[R]) -> R:
    return _validated(path, _load_json(path), model)


def _load_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except ValueError as error:
        raise EvaluationError(f"{path}: found {error}; allowed: JSON written by pij. {_mend(path)}") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    _check_version(path, version if isinstance(version, int) else 0)
    return dict(data)


def _validated(path: Path, data: dict[str, Any], model: type[R]) -> R:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        given = "nothing" if first["type"] == "missing" else repr(str(first.get("input"))[:80])
        raise EvaluationError(
            f"{path}: {where}: found {given} ({first['msg']}); allowed: what pij wrote. {_mend(path)}"
        ) from None


def _check_version(path: Path, version: int) -> None:
    if version not in READABLE_VERSIONS:
        raise RecordVersionError(path, version, READABLE_VERSIONS)
