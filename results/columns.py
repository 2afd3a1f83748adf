"""A trial's observations as columns, batch by batch: what scoring reads instead of a million records.

Only the columns that are asked for are read. A text column is a code for each row and the distinct texts, so that what
depends on a text is worked out once for each distinct one.
"""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from results.intervals import Bools, Ints
from results.records import Observation
from results.store import arrow_columns, opened, reading, require_rows

BATCH_ROWS = 1 << 18
"""Rows worked on at once: few enough to stay in the processor's cache, many enough that Python hardly matters."""
PLAIN_TEXTS = ("observation_id", "raw", "raw_sha256")
"""Texts that hardly ever repeat."""


@dataclass(frozen=True)
class Codes:
    """A text column."""

    codes: Ints
    """For each row the place of its text among `texts`; -1 where there is none."""
    texts: tuple[str, ...]

    def of(self, each: Sequence[int], missing: int) -> Ints:
        """A number for each row, from one for each distinct text."""
        return np.array([*each, missing], dtype=np.int64)[self.codes]


class Batch:
    """Some rows of a trial's alerts or telemetry."""

    def __init__(self, first: int, rows: pa.RecordBatch) -> None:
        """Rows that begin at number `first` of their file."""
        self.first = first
        self.rows = rows
        self.size = int(rows.num_rows)
        self._codes: dict[str, Codes] = {}

    def some(self, rows: Ints) -> "Batch":
        """Only these rows."""
        return Batch(self.first, self.rows.take(pa.array(rows)))

    def codes(self, name: str) -> Codes:
        """A text column as codes; a column that the file lacks holds nothing."""
        if name not in self._codes:
            self._codes[name] = self._coded(name)
        return self._codes[name]

    def numbers(self, name: str) -> tuple[Ints, Bools]:
        """A whole-number column, 0 where there is none, and where there is one."""
        if name not in self.rows.schema.names:
            return np.zeros(self.size, dtype=np.int64), np.zeros(self.size, dtype=bool)
        return whole_numbers(self.rows.column(name))

    def as_text(self, name: str) -> Codes:
        """Any column as text: numbers as digits."""
        if name not in self.rows.schema.names or pa.types.is_dictionary(self.rows.schema.field(name).type):
            return self.codes(name)
        if pa.types.is_string(self.rows.schema.field(name).type):
            return self.codes(name)
        if pa.types.is_boolean(self.rows.schema.field(name).type):
            return Codes(self.flags(name).astype(np.int64), ("False", "True"))
        values, known = self.numbers(name)
        distinct, codes = np.unique(values, return_inverse=True)
        return Codes(np.where(known, codes, -1), tuple(str(value) for value in distinct.tolist()))

    def flags(self, name: str) -> Bools:
        """A yes-or-no column."""
        if name not in self.rows.schema.names:
            return np.zeros(self.size, dtype=bool)
        column = self.rows.column(name)
        column = column.fill_null(False) if column.null_count else column
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)

    @cached_property
    def ids(self) -> pa.Array:
        """The observations' ids."""
        return self.rows.column("observation_id")

    def _coded(self, name: str) -> Codes:
        if name not in self.rows.schema.names:
            return Codes(np.full(self.size, -1, dtype=np.int64), ())
        column = self.rows.column(name)
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        codes = column.indices
        codes = codes.fill_null(-1) if codes.null_count else codes
        return Codes(codes.to_numpy(zero_copy_only=False).astype(np.int64), tuple(column.dictionary.to_pylist()))


def whole_numbers(column: pa.Array) -> tuple[Ints, Bools]:
    """An Arrow column of whole numbers: its values, 0 where there is none, and where there is one."""
    known = np.ones(len(column), dtype=bool)
    if column.null_count:
        known = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        column = column.fill_null(0)
    return column.to_numpy(zero_copy_only=False).astype(np.int64, copy=False), known


def batches(path: Path, names: Sequence[str], rows: int = BATCH_ROWS) -> Iterator[Batch]:
    """The observations of a file of a trial whose seal has been verified, in the order of arrival.

    Each batch is read while the one before is worked on.

    Args:
        path: `alerts.parquet` or `telemetry.parquet`.
        names: fields of `Observation` to read. One that an older file lacks is empty.
        rows: of a batch, at most.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        EvaluationError: the file is damaged; the text names it.
    """
    with ThreadPoolExecutor(max_workers=1) as reader:
        source = _in_turn(path, names, rows)
        job = reader.submit(next, source, None)
        while (batch := job.result()) is not None:
            job = reader.submit(next, source, None)
            yield batch


def _in_turn(path: Path, names: Sequence[str], rows: int) -> Iterator[Batch]:
    kinds = arrow_columns(Observation)
    texts = [name for name in names if kinds[name] == pa.string() and name not in PLAIN_TEXTS]
    with opened(path, read_dictionary=texts, verified=True) as file, reading(path):
        present = [name for name in names if name in file.schema_arrow.names]
        first = 0
        for part in file.iter_batches(batch_size=rows, columns=present):
            part.validate(full=True)
            yield Batch(first, part)
            first += part.num_rows
        require_rows(file.metadata.num_rows, first)


def rows_in(path: Path) -> int:
    """Observations of a file of a trial whose seal has been verified.

    Raises:
        RecordVersionError: of a schema that this pij does not read.
        EvaluationError: the file is damaged; the text names it.
    """
    with opened(path, verified=True) as file:
        return int(file.metadata.num_rows)


def hash_words(column: pa.Array) -> npt.NDArray[np.uint64]:
    """64 bits of each SHA-256 that is written as 64 hexadecimal digits, enough to tell records apart."""
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int32, count=len(column) + 1, offset=column.offset * 4)
    if len(column) and (column.null_count or not bool((np.diff(offsets) == 64).all())):
        digests = [hashlib.sha256(str(text).encode()).digest()[:8] for text in column.to_pylist()]
        return np.array([int.from_bytes(digest, "big") for digest in digests], dtype=np.uint64)
    data = np.frombuffer(column.buffers()[2], dtype=np.uint8) if len(column) else np.zeros(0, dtype=np.uint8)
    words = data[offsets[0] : offsets[-1]].reshape(-1, 64)[:, :16] if len(column) else data.reshape(0, 16)
    halves = np.ascontiguousarray(words).view(np.uint64)
    return halves[:, 0] ^ (halves[:, 1] * np.uint64(0x9E3779B97F4A7C15))
