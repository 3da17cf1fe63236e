"""Parquet with image bytes, as img2dataset and HF datasets write it."""

from __future__ import annotations

import datetime
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pe.errors import InputError, SampleError
from pe.schemas.sample import dumps
from pe.shards.sources import open_source, tables
from tests.shards.sources.helpers import jpeg, listed, outcomes, write

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def hf(path: Path, rows: list[dict[str, Any]], **options: Any) -> Path:
    """A file as HF datasets writes it, with the features in its metadata."""
    features = {"image": {"_type": "Image"}, "text": {"dtype": "string", "_type": "Value"}}
    schema = pa.schema([("image", IMAGE), ("text", pa.string())])
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, **options)
    return path


def test_img2dataset_s_output(shared: Path) -> None:
    path = shared / "img2dataset" / "made_parquet" / "00000.parquet"
    rows = pq.read_table(path).to_pylist()
    source, entries = listed(path.parent)
    assert [entry.id for entry in entries] == [f"00000.parquet#{row}" for row in range(17)]
    assert source.ignored == {".json": 1}
    for entry, row in zip(entries, rows, strict=True):
        if row["webp"] is None:
            assert entry.error == ("not_downloaded", f"{row['status']}: {row['error_message']}")
            with pytest.raises(SampleError, match="not_downloaded"):
                source.read(entry)
            continue
        raw = source.read(entry)
        assert raw.data == row["webp"]
        assert raw.meta.url == row["url"]
        assert raw.meta.caption == (row["caption"] or "").strip()
        assert "webp" not in raw.meta.fields
        assert raw.meta.fields["key"] == row["key"]
    assert sum(entry.error is not None for entry in entries) == 5


def test_hf_datasets(tmp_path: Path) -> None:
    rows: list[dict[str, Any]]
    rows = [{"image": {"bytes": jpeg(n), "path": f"{n}.jpg"}, "text": f"number {n}"} for n in range(50)]
    rows[7]["image"] = None
    rows[8]["image"] = {"bytes": None, "path": "far/away.jpg"}
    source, entries = listed(hf(tmp_path / "train.parquet", rows, row_group_size=20))
    errors = {entry.id: entry.error for entry in entries if entry.error}
    assert set(errors) == {"train.parquet#7", "train.parquet#8"}
    for entry, row in zip(entries, rows, strict=True):
        if entry.error is None:
            raw = source.read(entry)
            assert (raw.data, raw.meta.caption) == (row["image"]["bytes"], row["text"])
            assert raw.meta.fields["path"] == row["image"]["path"]
            assert 0 < entry.size < 3 * len(raw.data)


def test_missing_images_without_statistics_are_found_when_read(tmp_path: Path) -> None:
    rows: list[dict[str, Any]]
    rows = [
        {"image": {"bytes": jpeg(), "path": None}},
        {"image": {"bytes": None, "path": "far/away.jpg"}},
        {"image": None},
    ]
    path = hf(tmp_path / "a.parquet", rows, write_statistics=False)
    assert outcomes(path) == {"a.parquet#0": "ok", "a.parquet#1": "missing", "a.parquet#2": "not_downloaded"}
    assert [entry.error for entry in open_source(str(path)).entries()] == [None] * 3


@pytest.mark.parametrize("name", ["jpg", "jpeg", "png", "webp", "image", "bytes", "JPG"])
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_columns_of_bytes(tmp_path: Path, name: str, kind: pa.DataType) -> None:
    table = pa.table({name: pa.array([jpeg(1), jpeg(2)], kind), "caption": ["a", "b"]})
    pq.write_table(table, tmp_path / "a.parquet")
    source, entries = listed(tmp_path / "a.parquet")
    assert [source.read(entry).data for entry in entries] == [jpeg(1), jpeg(2)]
    assert outcomes(tmp_path / "a.parquet") == {"a.parquet#0": "a", "a.parquet#1": "b"}


def test_several_image_columns(tmp_path: Path) -> None:
    features = {"before": {"_type": "Image"}, "after": {"_type": "Image"}, "sound": {"_type": "Audio"}}
    schema = pa.schema(
        [(name, IMAGE) for name in features], {"huggingface": json.dumps({"info": {"features": features}})}
    )
    row = {name: {"bytes": jpeg(n), "path": None} for n, name in enumerate(features)}
    pq.write_table(pa.Table.from_pylist([row], schema=schema), tmp_path / "a.parquet")
    source, entries = listed(tmp_path)
    assert [entry.id for entry in entries] == ["a.parquet#0/before", "a.parquet#0/after"]
    assert [source.read(entry).data for entry in entries] == [jpeg(0), jpeg(1)]


def test_odd_columns_become_json(tmp_path: Path) -> None:
    table = pa.table(
        {
            "jpg": [jpeg()],
            "when": [datetime.datetime(2024, 1, 1)],
            "price": pa.array([1], pa.decimal128(5, 2)),
            "nan": [float("nan")],
            "embedding": [[0.5, 1.5]],
            "blob": [b"\xff\x00"],
            "x_robots_tag": [["noai"]],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    source, (entry,) = listed(tmp_path / "a.parquet")
    meta = source.read(entry).meta
    assert meta.opt_out
    assert json.loads(dumps(meta.fields)) == {
        "when": "2024-01-01 00:00:00",
        "price": "1.00",
        "nan": None,
        "embedding": [0.5, 1.5],
        "blob": "[2 bytes]",
        "x_robots_tag": ["noai"],
    }


def test_parquet_without_images_is_no_input(shared: Path, tmp_path: Path) -> None:
    source, _ = listed(shared / "img2dataset" / "made_clean")
    assert source.ignored[".parquet"] == 3
    with pytest.raises(InputError, match=r"only 1 .parquet"):
        listed(shared / "img2dataset" / "made_clean" / "input.parquet")


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "encrypted", "footer"])
def test_broken_parquet_is_one_error(tmp_path: Path, damage: str) -> None:
    data = hf(tmp_path / "x", [{"image": {"bytes": jpeg(), "path": ""}, "text": ""}] * 30).read_bytes()
    footer = int.from_bytes(data[-8:-4], "little")
    broken = {
        "empty": b"",
        "text": b"<html>",
        "cut": data[: len(data) // 2],
        "encrypted": b"PARE" + data[4:-4] + b"PARE",
        "footer": data[: -8 - footer] + bytes(footer) + data[-8:],
    }[damage]
    write(tmp_path / "in" / "a.parquet", broken)
    _, (entry,) = listed(tmp_path / "in")
    assert entry.id == "a.parquet"
    assert entry.error is not None
    assert entry.error[0] == "parquet"
    assert "\n" not in entry.error[1]


def test_damaged_pages_are_the_rows_trouble(tmp_path: Path) -> None:
    rows = [{"image": {"bytes": random.Random(n).randbytes(500), "path": ""}, "text": ""} for n in range(60)]
    path = hf(tmp_path / "a.parquet", rows, row_group_size=20, compression="zstd")
    data = bytearray(path.read_bytes())
    data[4:40] = bytes(36)
    path.write_bytes(data)
    results = list(outcomes(path).values())
    assert results[20:] == ["ok"] * 40
    assert set(results[:20]) <= {"unreadable", "ok"}
    assert "unreadable" in results[:20]


def test_any_order_from_any_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "_CACHE", 20_000)
    for file in range(3):
        rows = [{"image": {"bytes": random.Random(f"{file}-{n}").randbytes(400), "path": ""}} for n in range(150)]
        hf(tmp_path / f"{file}.parquet", rows, row_group_size=70)
    source, entries = listed(tmp_path)

    def expected(name: str) -> bytes:
        file, row = name.split(".parquet#")
        return random.Random(f"{file}-{row}").randbytes(400)

    for order in (entries, entries[::-40], random.Random(0).sample(entries, 40)):
        assert all(source.read(entry).data == expected(entry.id) for entry in order)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda entry: source.read(entry).data, entries)) == [expected(e.id) for e in entries]


def test_a_row_group_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"image": {"bytes": jpeg(n), "path": ""}} for n in range(200)]
    source, entries = listed(hf(tmp_path / "a.parquet", rows, row_group_size=100))
    calls = []
    real = pq.ParquetFile.iter_batches

    def counted(self: pq.ParquetFile, *args: Any, **options: Any) -> Any:
        calls.append(options["row_groups"])
        return real(self, *args, **options)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    for entry in entries:
        source.read(entry)
    assert calls == [[0], [1]]
