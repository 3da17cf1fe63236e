"""What Hugging Face's `datasets` and webdataset read: hf, imagefolder, webdataset; energon by its documentation."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from pe.schemas.sample import Sample
from pe.shards.exports import export
from pe.shards.output import Output
from tests.shards import factory
from tests.shards.exports import rows

datasets = pytest.importorskip("datasets")


def pixels(number: int) -> np.ndarray:  # type: ignore[type-arg]
    data = factory.picture(number, rows.SIZE, rows.CODECS[number % 3])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_hf_is_loaded_by_its_card_alone(annotated: Path, tmp_path: Path) -> None:
    export(annotated, tmp_path / "set", "hf", split="validation")
    found = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))["validation"]
    assert found.features["image"] == datasets.Image()
    assert len(found) == 6
    for number, row in enumerate(found):
        assert np.array_equal(np.asarray(row["image"].convert("RGB")), pixels(number))
        objects = row["objects"]
        assert len(objects["bbox"]) == len(objects["categories"]) == (0 if number == 1 else 7)
        assert len(json.loads(row["objects_json"])) == len(objects["bbox"])
    assert found[0]["objects"]["bbox"][5] == [1.5, 2.0, 7.5, 6.25]
    assert found[1]["negatives"] == ["zebra", "pixel"]


def test_hf_rows(rl: Path, tmp_path: Path) -> None:
    export(rl, tmp_path / "set", "hf")
    found = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))["train"]
    assert found[0]["messages"][-1]["content"].startswith("<image>")
    assert found[0]["verifier"] == "detection"


def test_imagefolder_is_loaded_by_its_card_alone(annotated: Path, tmp_path: Path) -> None:
    summary = export(annotated, tmp_path / "set", "imagefolder")
    found = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(found) == 6
    by_size = {row["caption"]: row for row in found}
    row = by_size["a picture called 0000-00000-00000"]
    assert row["objects"]["categories"] == [*rows.masks(), "bare box", "text"]
    assert np.array_equal(np.asarray(row["image"].convert("RGB")), pixels(0))
    assert summary.lost["masks and rings"] == 25


@pytest.mark.parametrize("kind", ["annotated", "sft"])
def test_webdataset_tars_are_the_shards(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    shards = request.getfixturevalue(kind)
    export(shards, tmp_path / "set", "webdataset")
    copies = sorted((tmp_path / "set/data").glob("*.tar"))
    assert [path.read_bytes() for path in copies] == [path.read_bytes() for path in Output(shards).shards()]
    found = list(wds.WebDataset([str(path) for path in copies], shardshuffle=False, empty_check=False).decode("pil"))
    assert len(found) == (6 if kind == "annotated" else 7)
    assert {Sample.model_validate(item["json"]).kind for item in found} == {kind}
    hub = datasets.load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))["train"]
    assert len(hub) == len(found)


def test_energon_lists_its_shards(annotated: Path, rl: Path, tmp_path: Path) -> None:
    export(annotated, tmp_path / "set", "energon", split="val")
    meta = tmp_path / "set/.nv-meta"
    assert sorted(path.name for path in meta.iterdir()) == [".info.json", "dataset.yaml", "split.yaml"]
    counts = json.loads((meta / ".info.json").read_text())["shard_counts"]
    assert counts == {"shards/000000.tar": 4, "shards/000001.tar": 2}
    assert all((tmp_path / "set" / name).is_file() for name in counts)
    split = yaml.safe_load((meta / "split.yaml").read_text())
    assert split == {"split_parts": {"train": [], "val": list(counts), "test": []}, "exclude": []}
    dataset = yaml.safe_load((meta / "dataset.yaml").read_text())
    assert dataset["sample_type"]["__class__"] == "CaptioningSample"
    assert dataset["field_map"] == {"image": "jpg", "caption": "json[caption]"}
    export(rl, tmp_path / "rl", "energon")
    crude = yaml.safe_load((tmp_path / "rl/.nv-meta/dataset.yaml").read_text())
    assert crude == {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}
