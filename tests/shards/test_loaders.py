"""The loaders that people use read the shards as they are."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pe.schemas.sample import Sample
from pe.shards.lease import claim
from pe.shards.output import Output
from pe.shards.writer import ShardWriter
from tests.shards import factory

CODECS = ("JPEG", "PNG", "WEBP")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three shards of 60: the first 120 samples have no object, every third picture is PNG or WebP, none is alike."""
    output = Output(tmp_path_factory.mktemp("loaders") / "out").create()
    for part in range(3):
        name = f"0000-{part:05d}"
        held = claim(output, name)
        assert held is not None
        with held, ShardWriter(output, name) as writer:
            ledger = []
            for place in range(60):
                number = part * 60 + place
                image = factory.picture(number, (24 + number % 5, 16), CODECS[number % 3])
                objects = [factory.box(index, score=1.0) for index in range(number % 4)] if number >= 120 else []
                key = f"{name}-{place:05d}"
                writer.add(factory.sample(key, image, objects), image)
                ledger.append({"id": key, "status": "written", "key": key})
            writer.commit(ledger=ledger, quarantine=[], config_hash="", input_hash="")
    return [str(path) for path in output.shards()]


def expected(number: int) -> tuple[int, int, str, int]:
    return 24 + number % 5, 16, CODECS[number % 3], number % 4 if number >= 120 else 0


def check_record(record: dict[str, Any], number: int) -> None:
    width, height, codec, count = expected(number)
    assert (record["width"], record["height"], record["format"]) == (width, height, codec)
    objects = json.loads(record["objects_json"])
    assert len(objects) == count
    for item in objects:
        assert item["bbox"] == [1.5, 2.0, 9.0, 8.25]
        assert item["phrase"] == "a café"
        assert isinstance(item["score"], float)


def pixels(number: int) -> np.ndarray[Any, Any]:
    data = factory.picture(number, (24 + number % 5, 16), CODECS[number % 3])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_webdataset(shards: list[str]) -> None:
    wds = pytest.importorskip("webdataset")
    samples = list(wds.WebDataset(shards, shardshuffle=False, empty_check=False).decode("pil"))
    assert len(samples) == 180
    for number, sample in enumerate(samples):
        assert sample["__key__"] == f"0000-{number // 60:05d}-{number % 60:05d}"
        assert np.array_equal(np.asarray(sample["jpg"]), pixels(number))
        check_record(sample["json"], number)
        assert Sample.model_validate(sample["json"]).key == sample["__key__"]


def test_hugging_face_datasets(shards: list[str], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.load_dataset("webdataset", data_files=shards, split="train", cache_dir=str(tmp_path))
    assert len(rows) == 180
    for number, row in enumerate(rows):
        assert row["__key__"] == f"0000-{number // 60:05d}-{number % 60:05d}"
        assert np.array_equal(np.asarray(row["jpg"].convert("RGB")), pixels(number))
        check_record(row["json"], number)
        assert set(row["json"]) == set(Sample.model_fields)
        assert row["json"]["verifier"] == {"name": "detection", "params_json": "{}"}


def test_hugging_face_streaming(shards: list[str]) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.load_dataset("webdataset", data_files=shards, split="train", streaming=True)
    seen = 0
    for number, row in enumerate(rows):
        assert row["jpg"].size == expected(number)[:2]
        check_record(row["json"], number)
        seen += 1
    assert seen == 180


def test_ray_data(shards: list[str]) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        rows = ray.data.read_webdataset(shards).take_all()
    finally:
        ray.shutdown()
    rows.sort(key=lambda row: str(row["__key__"]))
    assert len(rows) == 180
    for number, row in enumerate(rows):
        assert np.array_equal(np.asarray(row["jpg"])[..., :3], pixels(number))
        check_record(row["json"], number)
