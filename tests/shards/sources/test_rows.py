"""Rows with one picture each: what is one row's fault is that row's alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pe.errors import SampleError
from pe.shards.sources.rows import RowSource
from tests.shards.factory import picture

ROW = {"image": "0.jpg", "question": "How many?", "answer": 3}


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"image": "a\0b"}, "not_there"),
        ({"image": "\ud800"}, "row"),
        ({"question": "\ud800"}, "row"),
        ({"answer": "\ud800"}, "row"),
        ({"data_source": "\ud800"}, "row"),
    ],
)
def test_a_row_of_impossible_text_is_a_bad_row(
    changed: dict[str, Any], reason: str, suffix: str, tmp_path: Path
) -> None:
    (tmp_path / "0.jpg").write_bytes(picture(0))
    path = tmp_path / f"rows{suffix}"
    rows = [{**ROW, **changed}, ROW]
    path.write_text(json.dumps(rows) if suffix == ".json" else "\n".join(map(json.dumps, rows)))
    source = RowSource(path)
    bad, good = source.entries()
    with pytest.raises(SampleError) as refused:
        source.read(bad)
    assert refused.value.reason == reason
    refused.value.detail.encode()
    assert source.read(good).data.endswith(picture(0))


def test_the_rows_of_a_damaged_row_group_are_bad_and_the_others_are_read(tmp_path: Path) -> None:
    rows = [{**ROW, "image": {"bytes": picture(number), "path": None}} for number in range(2)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)
    data = path.read_bytes()
    path.write_bytes(data[:4] + bytes(600) + data[604:])
    source = RowSource(path)
    bad, good = source.entries()
    with pytest.raises(SampleError, match="row group 0 is damaged") as refused:
        source.read(bad)
    assert (refused.value.reason, "\n" in refused.value.detail) == ("row", False)
    assert source.read(good).data.endswith(picture(1))
