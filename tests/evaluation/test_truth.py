from __future__ import annotations

import json
from pathlib import Path

import pytest

from pe.errors import InputError
from pe.evaluation.truth import Truth, load_truth, normal
from pe.schemas.sample import Sample, dumps
from pe.shards.read import shards_of
from tests.reports.outputs import thing, write
from tests.shards import factory


def sample(number: int, **more: object) -> Sample:
    """The record of picture `number` of outputs.write."""
    record = factory.sample("a-0", factory.picture(number, (48, 32)), source=f"{number:05d}.jpg")
    return Sample.model_validate(record.model_dump() | more)


def test_phrases_as_they_are_compared() -> None:
    assert normal(" Traffic_Light \n red") == normal("traffic light RED") == "traffic light red"


def test_shards_are_found_by_either_sha256(tmp_path: Path) -> None:
    records: list[dict[str, object]] = [
        {"objects": [thing("Cat")], "negatives_json": dumps(["Dog"])},
        {"source_sha256": "ab" * 32, "reencoded": True},
        {},
    ]
    output = write(tmp_path / "truth", records, 2)
    known = load_truth(output.root)
    assert (known.size, known.unpaired) == (3, 3)
    truth = known.find(sample(0, source="of/another/name.png"))
    assert isinstance(truth, Truth)
    assert [item.phrase for item in truth.objects] == ["cat"]
    assert truth.judged == {"cat", "dog"}
    assert isinstance(known.find(sample(7, source_sha256="ab" * 32)), Truth)
    assert known.find(sample(8)) == known.find(sample(9, source_sha256="")) == "without_truth"
    assert known.find(sample(2, width=32, height=48)) == "other_size"
    assert known.unpaired == 0
    assert load_truth(output.shards()[1]).size == 1


def coco(path: Path, images: list[dict[str, object]], annotations: list[dict[str, object]]) -> Path:
    categories = [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "bird"}]
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations}))
    return path


def test_annotation_files_are_found_by_name_and_say_what_is_judged(tmp_path: Path) -> None:
    images: list[dict[str, object]] = [
        {"id": 1, "file_name": "a/00000.jpg", "width": 48, "height": 32},
        {"id": 2, "file_name": "a/00001.jpg", "width": 48, "height": 32, "neg_category_ids": [3]},
        {"id": 3, "file_name": "a/00002.jpg", "width": 64, "height": 32},
        {"id": 4, "file_name": "a/same.jpg"},
        {"id": 5, "file_name": "b/same.jpg"},
        {"id": 6, "file_name": "a/00003.jpg", "not_exhaustive_category_ids": [2, 3]},
    ]
    box = {"bbox": [2, 2, 10, 10], "area": 100}
    annotations: list[dict[str, object]] = [
        {"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 1, **box},
        {"id": 2, "image_id": 2, "category_id": 2, "segmentation": [[2, 2, 12, 2, 12, 12, 2, 12]], **box},
        {"id": 3, "image_id": 6, "category_id": 2, **box},
    ]
    known = load_truth(coco(tmp_path / "t.json", images, annotations))
    first, second = known.find(sample(0, source="a/00000.jpg")), known.find(sample(1, source="a/00001.jpg"))
    assert isinstance(first, Truth)
    assert isinstance(second, Truth)
    assert first.judged == {"cat", "dog", "bird"}
    assert first.objects[0].crowd
    assert first.objects[0].mask is None
    assert second.judged == {"dog", "bird"}
    assert second.objects[0].box == (2, 2, 12, 12)
    assert second.objects[0].mask is not None
    third = known.find(sample(5, source="a/00003.jpg"))
    assert isinstance(third, Truth)
    assert third.judged == {"cat"}
    assert known.find(sample(2, source="a/00002.jpg")) == "other_size"
    assert known.find(sample(3, source="same.jpg")) == "ambiguous_name"
    assert known.find(sample(4, source="nowhere.jpg")) == "without_truth"
    assert known.unpaired == 2


def test_a_folder_of_yolo_labels_is_truth_with_fractions_made_pixels(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/00000.txt").write_text("0 0.5 0.5 0.5 0.25\n")
    (tmp_path / "data.yaml").write_text("names: [cat]\nval: images\n")
    (tmp_path / "images").mkdir()
    (tmp_path / "images/00000.jpg").write_bytes(factory.picture(0, (48, 32)))
    for place in ("labels", "data.yaml"):
        truth = load_truth(tmp_path / place).find(sample(0))
        assert isinstance(truth, Truth)
        assert truth.objects[0].box == (12, 12, 36, 20)


def test_what_is_no_output_and_no_shard(tmp_path: Path) -> None:
    for place, words in (("nowhere", "not an output folder"), ("nowhere.tar", "not a committed shard")):
        with pytest.raises(InputError, match=words):
            shards_of(tmp_path / place)
