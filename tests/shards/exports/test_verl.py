from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pe.shards.exports import _parquet, export
from tests.shards.exports import rows

datasets = pytest.importorskip("datasets")


@pytest.fixture(scope="module")
def out(rl: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("verl") / "set"
    export(rl, out, "verl", split="test")
    return out


def test_rows_are_what_its_dataset_reads(out: Path, tmp_path: Path) -> None:
    """As RLHFDataset loads them: by the features in the parquet, image for image mark, the truth a string."""
    files = [str(path) for path in (out / "data").glob("*.parquet")]
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))["train"]
    assert loaded.features["images"] == datasets.List(datasets.Image())
    assert len(loaded) == 7
    for number, found in enumerate(loaded):
        sample, image = rows.row(number, "rl")
        assert set(found) == {"data_source", "prompt", "images", "ability", "reward_model", "extra_info"}
        assert sum(message["content"].count("<image>") for message in found["prompt"]) == len(found["images"]) == 1
        assert np.array_equal(np.asarray(found["images"][0].convert("RGB")), pixels(image))
        assert found["reward_model"] == {"style": "rule", "ground_truth": sample.reward_model.ground_truth}
        assert json.loads(found["reward_model"]["ground_truth"])["objects"]
        extra = found["extra_info"]
        assert (extra["split"], extra["index"], extra["key"]) == ("test", number, sample.key)
        assert (extra["verifier"], extra["params_json"]) == ("detection", '{"format":"qwen2.5-vl"}')
        assert [extra[name] for name in ("width", "height", "input_width", "input_height")] == [40, 30, 56, 28]
        assert extra["weights_json"] == sample.reward_model.weights_json


def test_image_bytes_are_the_stored_ones_and_never_null(out: Path) -> None:
    table = pq.read_table(next((out / "data").glob("*.parquet")))
    assert b"huggingface" in table.schema.metadata
    for number, cells in enumerate(table["images"].to_pylist()):
        assert cells == [{"bytes": rows.row(number, "rl")[1], "path": rows_name(number)}]


def test_sft_rows_carry_the_whole_conversation(sft: Path, tmp_path: Path) -> None:
    export(sft, tmp_path / "set", "verl")
    table = pq.read_table(next((tmp_path / "set/data").glob("*.parquet")))
    assert "prompt" not in table.column_names
    assert [message["role"] for message in table["messages"][0].as_py()] == ["system", "user", "assistant"]


def test_the_schema_is_the_one_that_datasets_writes_itself(out: Path, tmp_path: Path) -> None:
    file = next((out / "data").glob("*.parquet"))
    loaded = datasets.load_dataset("parquet", data_files=str(file), cache_dir=str(tmp_path))["train"]
    loaded.to_parquet(tmp_path / "again.parquet")
    ours, theirs = (
        json.loads(pq.read_schema(path).metadata[b"huggingface"]) for path in (file, tmp_path / "again.parquet")
    )
    assert ours["info"]["features"] == theirs["info"]["features"]


def rows_name(number: int) -> str:
    return f"0000-00000-{number:05d}" + (".jpg", ".png", ".webp")[number % 3]


def pixels(image: bytes) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def test_many_rows_go_to_small_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"group_bytes": 2**20, "file_bytes": 150_000}
    monkeypatch.setattr(_parquet.ParquetFiles.__init__, "__kwdefaults__", small)
    shards = rows.write(tmp_path / "out", [rows.row(number, "rl") for number in range(230)], shard=100)
    export(shards, tmp_path / "set", "verl")
    files = sorted((tmp_path / "set/data").iterdir())
    assert len(files) > 1
    counts = [pq.ParquetFile(path).metadata for path in files]
    assert sum(found.num_rows for found in counts) == 230
    assert all(found.row_group(index).num_rows <= 100 for found in counts for index in range(found.num_row_groups))
    index = [row["index"] for path in files for row in pq.read_table(path)["extra_info"].to_pylist()]
    assert index == list(range(230))
