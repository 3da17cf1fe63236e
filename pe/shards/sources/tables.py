"""Images in parquet: columns of struct{bytes, path} as HF datasets writes them, or of bytes as img2dataset does."""

from __future__ import annotations

import json
import threading
import weakref
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pe.errors import SampleError
from pe.shards.sources.base import Entry, Raw
from pe.shards.sources.meta import meta_of
from pe.shards.sources.names import TABLE, escape
from pe.shards.sources.stores import Found, Store, check_size

_BYTE_COLUMNS = frozenset(("jpg", "jpeg", "png", "webp", "image", "img", "bytes", "image_bytes"))
_BATCH = 16
_CACHE = 256 << 20
_FILES = 2


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of images; `leaf` is its path in the file, `struct` whether the bytes are a field of it."""

    name: str
    leaf: str
    struct: bool


def table_entries(store: Store, path: str, found: Found, ignored: Counter[str]) -> Iterator[Entry]:
    """One entry a row and image column; a file without image bytes is counted as no input.

    Sizes are the mean of a row group's, as the file keeps no others; no image is read to list them. Rows without an
    image, which img2dataset writes for a failed download, have the error "not_downloaded".
    """
    holder = escape(found.path)
    try:
        with store.open(path) as file:
            table = pq.ParquetFile(file)
            columns = _image_columns(table.schema_arrow)
            if not columns:
                ignored[TABLE] += 1
                return
            first = 0
            for group in range(table.num_row_groups):
                listed = [_column_of(table, group, column) for column in columns]
                rows = table.metadata.row_group(group).num_rows
                for row in range(rows):
                    for column, (size, errors) in zip(columns, listed, strict=True):
                        name = f"{holder}#{first + row}" + (f"/{escape(column.name)}" if len(columns) > 1 else "")
                        at = {"kind": "parquet", "file": holder, "group": group, "row": row, "column": column.name}
                        error = errors.get(row)
                        yield Entry(name, 0 if error else size, found.stamp, at, error)
                first += rows
    except Exception as error:  # pyarrow raises many kinds for a file that is none
        if isinstance(error, OSError) and error.errno is not None:
            raise
        yield Entry(holder, 0, found.stamp, error=("parquet", _line(error)))


class TableReader:
    """Reads rows by group and number. Groups are unpacked in order, a few rows at a time, and the last ones kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[str, pq.ParquetFile] = OrderedDict()
        self._batches: OrderedDict[tuple[str, int, int], pa.RecordBatch] = OrderedDict()
        self._cursor: tuple[str, int] | None = None
        self._next = 0
        self._iterator: Iterator[pa.RecordBatch] = iter(())

    def read(self, store: Store, path: str, at: dict[str, Any], limit: int) -> Raw:
        """The image of one row, and its other columns as metadata."""
        try:
            with self._lock:
                batch, row = self._row(store, path, at["group"], at["row"])
        except (pa.ArrowException, EOFError) as error:
            raise SampleError("unreadable", _line(error)) from None
        columns = _image_columns(batch.schema)
        images = {column.name for column in columns}
        record = {name: batch.column(name)[row].as_py() for name in batch.schema.names if name not in images}
        value = batch.column(at["column"])[row]
        if pa.types.is_struct(value.type):
            file_name = value["path"] if value.is_valid and value.type.get_field_index("path") >= 0 else None
            value = value["bytes"] if value.is_valid else None
            if file_name is not None and file_name.is_valid:
                record.setdefault("path", file_name.as_py())
        if value is None or not value.is_valid:
            raise SampleError(*_absent(record))
        buffer = value.as_buffer()
        check_size(buffer.size, limit)
        return Raw(buffer.to_pybytes(), meta_of(record))

    def _row(self, store: Store, path: str, group: int, row: int) -> tuple[pa.RecordBatch, int]:
        """The batch that holds a row, and the row's number in it."""
        for key, batch in self._batches.items():
            if key[:2] == (path, group) and key[2] <= row < key[2] + batch.num_rows:
                self._batches.move_to_end(key)
                return batch, row - key[2]
        if self._cursor != (path, group) or row < self._next:
            self._iterator = self._file(store, path).iter_batches(batch_size=_BATCH, row_groups=[group])
            self._cursor, self._next = (path, group), 0
        for batch in self._iterator:
            start = self._next
            self._next += batch.num_rows
            self._batches[path, group, start] = batch
            while len(self._batches) > 1 and sum(kept.nbytes for kept in self._batches.values()) > _CACHE:
                self._batches.popitem(last=False)
            if row < self._next:
                return batch, row - start
        self._cursor = None
        raise SampleError("unreadable", f"row group {group} has no row {row} any more")

    def _file(self, store: Store, path: str) -> pq.ParquetFile:
        table = self._files.pop(path, None)
        if table is None:
            file = store.open(path)
            table = pq.ParquetFile(file)
            weakref.finalize(table, file.close)
        self._files[path] = table
        if len(self._files) > _FILES:
            self._files.popitem(last=False)
        return table


def _image_columns(schema: pa.Schema) -> list[_Column]:
    """The columns that hold image bytes. Where HF's features are in the file they decide about structs."""
    columns = []
    features = _hf_features(schema)
    for item in schema:
        if pa.types.is_struct(item.type):
            index = item.type.get_field_index("bytes")
            declared = features.get(item.name, {}).get("_type", "Image")
            if index >= 0 and _is_binary(item.type.field(index).type) and declared == "Image":
                columns.append(_Column(item.name, f"{item.name}.bytes", struct=True))
        elif _is_binary(item.type) and item.name.lower() in _BYTE_COLUMNS:
            columns.append(_Column(item.name, item.name, struct=False))
    return columns


def _hf_features(schema: pa.Schema) -> dict[str, dict[str, Any]]:
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def _column_of(table: pq.ParquetFile, group: int, column: _Column) -> tuple[int, dict[int, tuple[str, str]]]:
    """The mean size of a column's images in one row group, and the rows that have none as far as that is cheap."""
    details = table.metadata.row_group(group)
    chunks = (details.column(index) for index in range(details.num_columns))
    chunk = next(chunk for chunk in chunks if chunk.path_in_schema == column.leaf)
    size = chunk.total_uncompressed_size // max(details.num_rows, 1)
    nulls = chunk.statistics.null_count if chunk.is_stats_set and chunk.statistics.has_null_count else None
    if nulls == 0:
        return size, {}
    told = [name for name in ("status", "error_message") if name in table.schema_arrow.names]
    if "status" in told:
        rows = table.read_row_group(group, columns=told).to_pylist()
        return size, {row: _absent(record) for row, record in enumerate(rows) if record["status"] != "success"}
    errors = {}
    if nulls:
        row = 0
        for batch in table.iter_batches(batch_size=_BATCH, row_groups=[group], columns=[column.leaf]):
            values = batch.column(0)
            for valid in (values.field("bytes") if column.struct else values).is_valid().to_pylist():
                if not valid:
                    errors[row] = _absent({})
                row += 1
    return size, errors


def _absent(record: dict[str, Any]) -> tuple[str, str]:
    """Why a row has no image."""
    told = [str(record[name]) for name in ("status", "error_message") if record.get(name)]
    if not told and record.get("path"):
        return "missing", "the row has a path and no bytes; embed the images when writing the parquet"
    return "not_downloaded", ": ".join(told) or "the row has no image"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
