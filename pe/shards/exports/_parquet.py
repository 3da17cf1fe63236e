"""Parquet with the features that Hugging Face `datasets` keeps in the schema, written as a stream."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pe.schemas.sample import Sample
from pe.shards.exports._base import Export, Table

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""An image as `datasets.Image()` stores it; its bytes are never null."""

# A reader of a row group holds it whole; the dataset viewer gives up at a few hundred MB.
_GROUP_ROWS, _GROUP_BYTES = 100, 32 * 2**20
_FILE_BYTES = 500 * 10**6

_CROISSANT = {pa.int64(): "sc:Integer", pa.float64(): "sc:Float", pa.bool_(): "sc:Boolean", IMAGE: "sc:ImageObject"}


def schema_of(columns: list[tuple[str, pa.DataType]]) -> pa.Schema:
    """The schema of `columns`, with their features as `datasets` (4 and later) writes them itself."""
    features = {name: _feature(kind) for name, kind in columns}
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> Any:
    if kind == IMAGE:
        return {"_type": "Image"}
    if pa.types.is_struct(kind):
        return {kind.field(index).name: _feature(kind.field(index).type) for index in range(kind.num_fields)}
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    return {"dtype": {"double": "float64", "float": "float32"}.get(str(kind), str(kind)), "_type": "Value"}


class ParquetFiles:
    """STEM-00000.parquet and so on in `folder`, files of about `file_bytes`.

    What is in memory is one row group, of at most 100 rows and about `group_bytes`.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        schema: pa.Schema,
        *,
        group_bytes: int = _GROUP_BYTES,
        file_bytes: float = _FILE_BYTES,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stem, self._schema = folder, stem, schema
        self._most_in_group, self._most_in_file = group_bytes, file_bytes
        self._writer: pq.ParquetWriter | None = None
        self._group: list[dict[str, Any]] = []
        self._group_bytes = self._file_bytes = self._files = 0
        self.rows = 0

    def add(self, row: dict[str, Any], size: int) -> None:
        """Append a row; `size` is about what it takes, in bytes."""
        self._group.append(row)
        self._group_bytes += size
        self.rows += 1
        if len(self._group) >= _GROUP_ROWS or self._group_bytes >= self._most_in_group:
            self._flush()

    def close(self) -> None:
        """End the last file."""
        if self._group:
            self._flush()
        self._end()

    def _flush(self) -> None:
        if self._writer is None:
            path = self._folder / f"{self._stem}-{self._files:05d}.parquet"
            self._writer = pq.ParquetWriter(path, self._schema, compression="snappy")
            self._files += 1
            self._file_bytes = 0
        self._writer.write_table(pa.Table.from_pylist(self._group, schema=self._schema))
        self._file_bytes += self._group_bytes
        self._group, self._group_bytes = [], 0
        if self._file_bytes >= self._most_in_file:
            self._end()

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class ParquetExport(Export):
    """Rows in data/SPLIT-00000.parquet and so on; a layout says which columns and what is in them."""

    hub = "data/*.parquet"
    _files: ParquetFiles | None = None
    _schema: pa.Schema | None = None

    @abstractmethod
    def columns(self, sample: Sample) -> list[tuple[str, pa.DataType]]:
        """Names and types of the columns for samples of this one's kind."""

    @abstractmethod
    def row(self, sample: Sample, image: bytes) -> dict[str, Any]:
        """The row of a sample. Raises LeftOut."""

    def add(self, sample: Sample, image: bytes) -> None:
        row = self.row(sample, image)
        if self._files is None:
            self._schema = schema_of(self.columns(sample))
            self._files = ParquetFiles(self.out / "data", self.split, self._schema)
        self._files.add(row, len(image) + len(sample.objects_json) + len(sample.messages_json))

    def close(self) -> None:
        if self._files is not None:
            self._files.close()

    def tables(self) -> list[Table]:
        return [] if self._schema is None else [parquet_table("data/*.parquet", self._schema)]


def image_cell(image: bytes, name: str) -> dict[str, Any]:
    """The cell of an IMAGE column."""
    return {"bytes": image, "path": name}


def parquet_table(files: str, schema: pa.Schema) -> Table:
    """The table for the card; nested columns are left to the schema itself, but for a picture."""
    columns = {
        field.name: _CROISSANT.get(field.type, "sc:Text")
        for field in schema
        if field.type == IMAGE or not pa.types.is_nested(field.type)
    }
    return Table(files, "application/x-parquet", columns)
