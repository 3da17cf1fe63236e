"""`pe import` as a whole: annotations in, the same annotations in shards, and out and in again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pe.engines.import_settings import ImportSettings
from pe.engines.importing import import_annotations
from pe.engines.summary import RunSummary
from pe.errors import InputError
from pe.geometry.masks import decode, mask_iou
from pe.schemas.sample import Sample
from pe.shards.exports import export
from pe.shards.output import Output
from pe.shards.read import read_shard
from tests.shards import factory
from tests.shards.exports import rows


class Quiet:
    def planning(self, inputs: int) -> None: ...
    def started(self, inputs: int, slices: int) -> None: ...
    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None: ...
    def note(self, text: str) -> None: ...


def run(source: Path, out: Path, layout: str, **more: Any) -> RunSummary:
    return import_annotations(ImportSettings(source=source, out=out, layout=layout, **more), Quiet())


def samples(out: Path) -> list[tuple[Sample, bytes]]:
    return [pair for shard in Output(out).shards() for pair in read_shard(shard)]


def pictures(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(factory.picture(number, rows.SIZE))


def test_out_as_coco_and_in_again_gives_the_same_masks_bit_for_bit(tmp_path: Path) -> None:
    shards = rows.annotated(tmp_path / "out")
    export(shards, tmp_path / "set", "coco")
    summary = run(tmp_path / "set", tmp_path / "again", "coco", epsilon=0.0)
    assert summary.run.written == summary.run.inputs == 6
    for (before, image), (after, same) in zip(samples(shards), samples(tmp_path / "again"), strict=True):
        assert image == same
        ours, theirs = before.objects(), after.objects()
        assert [(item.phrase, item.bbox, item.text) for item in ours] == [
            (item.phrase, item.bbox, item.text) for item in theirs
        ]
        for one, two in zip(ours, theirs, strict=True):
            assert one.mask == two.mask
            if one.mask is not None and two.mask is not None:
                assert np.array_equal(decode(one.mask), decode(two.mask))
                assert two.ring_iou == 1.0
        assert json.loads(before.negatives_json) == json.loads(after.negatives_json)
        assert (before.caption, before.license) == (after.caption, after.license)


def test_real_photos_out_and_in_again(shared: Path, tmp_path: Path) -> None:
    """Eight photographs of coco128, one mask with a hole among them at least."""
    content = json.loads((shared / "photos/coco128/instances.json").read_text())
    content["images"] = sorted(content["images"], key=lambda image: str(image["file_name"]))[:8]
    ids = {image["id"] for image in content["images"]}
    content["annotations"] = [item for item in content["annotations"] if item["image_id"] in ids]
    (tmp_path / "in/images").mkdir(parents=True)
    (tmp_path / "in/instances.json").write_text(json.dumps(content))
    for image in content["images"]:
        shutil.copy(shared / "photos/coco128/images" / image["file_name"], tmp_path / "in/images")
    run(tmp_path / "in", tmp_path / "one", "coco")
    export(tmp_path / "one", tmp_path / "set", "coco")
    run(tmp_path / "set", tmp_path / "two", "coco")
    masks = [[item.mask for item in sample.objects()] for sample, _ in samples(tmp_path / "one")]
    assert masks == [[item.mask for item in sample.objects()] for sample, _ in samples(tmp_path / "two")]
    assert sum(map(len, masks)) == sum(not item["iscrowd"] for item in content["annotations"])
    segmentations = json.loads((tmp_path / "set/annotations/instances_train.json").read_text())["annotations"]
    assert any(isinstance(item["segmentation"], dict) for item in segmentations)
    first, _ = samples(tmp_path / "one")[0]
    assert first.url.startswith("http://farm")
    assert first.license.startswith("Attribution")


def test_out_as_yolo_and_in_again_keeps_holes(tmp_path: Path) -> None:
    shards = rows.annotated(tmp_path / "out")
    export(shards, tmp_path / "set", "yolo")
    run(tmp_path / "set/data.yaml", tmp_path / "again", "yolo")
    masks, checked = rows.masks(), 0
    for sample, _ in samples(tmp_path / "again"):
        for item in sample.objects():
            if item.phrase in masks and item.phrase != "pixel":
                assert item.mask is not None
                assert mask_iou(decode(item.mask), masks[item.phrase]) > (0.8 if item.phrase == "noise" else 0.95)
                checked += 1
    assert checked == 20


def test_boxes_alone_texts_and_negatives_of_screens(shared: Path, tmp_path: Path) -> None:
    summary = run(shared / "gui", tmp_path / "out", "coco", data_source="rico")
    assert summary.run.written == 7
    found = [sample for sample, _ in samples(tmp_path / "out")]
    objects = [item for sample in found for item in sample.objects()]
    assert len(objects) == 150
    assert {item.phrase for item in objects} == {"text", "button", "image", "input", "checkbox", "container"}
    assert any(item.text == "Dining room" for item in objects)
    provenance = json.loads(found[0].provenance_json)
    assert provenance["attributes"]["0"]["ui_class"]
    assert provenance["layout"] == "coco"
    assert found[0].data_source == "rico"
    assert any(json.loads(sample.negatives_json) for sample in found)


def test_words_with_quads_and_illegible_ones_dropped(shared: Path, tmp_path: Path) -> None:
    run(shared / "ocr", tmp_path / "out", "coco", negatives=False)
    found = [sample for sample, _ in samples(tmp_path / "out")]
    objects = [item for sample in found for item in sample.objects()]
    assert len(objects) == 72
    assert all(item.text for item in objects if item.quad)
    dropped = [item for sample in found for item in json.loads(sample.provenance_json).get("dropped", ())]
    assert [item["reason"] for item in dropped] == ["ignore"] * 28
    assert all(sample.negatives_json == "[]" for sample in found)


def test_captions_and_key_points(shared: Path, tmp_path: Path) -> None:
    source = shared / "photos/coco_mini"
    truth = json.loads((source / "person_keypoints.json").read_text())
    name = next(
        image["file_name"]
        for image in truth["images"]
        if any(item["image_id"] == image["id"] and item["num_keypoints"] for item in truth["annotations"])
    )
    run(source / "instances.json", tmp_path / "out", "coco", images=str(source / "images" / name))
    ((sample, _),) = samples(tmp_path / "out")
    provenance = json.loads(sample.provenance_json)
    assert len(provenance["captions"]) == 5
    assert sample.caption == provenance["captions"][0]
    assert provenance["keypoint_names"]["person"][0] == "nose"
    (image,) = (image for image in truth["images"] if image["file_name"] == name)
    poses = [item["keypoints"] for item in truth["annotations"] if item["image_id"] == image["id"]]
    ours = [item.keypoints for item in sample.objects() if item.keypoints]
    assert ours
    assert all(pose in poses for pose in ours)


def test_referring_expressions_go_to_the_provenance_with_their_objects(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.jpg", "2.jpg", "3.jpg")
    lines = [
        {"image": "1.jpg", "sent": "left cup", "bbox": [0, 0, 10, 10], "category": "cup"},
        {"image": "1.jpg", "sent": "right cup", "bbox": [20, 0, 10, 10], "category": "cup"},
        {"image": "1.jpg", "sent": "flat cup", "bbox": [20, 0, 0, 10], "category": "cup"},
        {"image": "2.jpg", "sent": "no cup", "bbox": []},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    summary = run(tmp_path / "rows.jsonl", tmp_path / "out", "refcoco")
    assert (summary.run.written, summary.run.filtered) == (2, {"not_annotated": 1})
    (one, _), (two, _) = samples(tmp_path / "out")
    said = json.loads(one.provenance_json)["expressions"]
    assert said == [
        {"text": "left cup", "kind": "referring", "objects": [0]},
        {"text": "right cup", "kind": "referring", "objects": [1]},
    ]
    assert json.loads(two.provenance_json)["expressions"] == [{"text": "no cup", "kind": "referring", "objects": []}]
    assert one.negatives_json == two.negatives_json == "[]"


def test_lvis_says_what_is_absent(tmp_path: Path) -> None:
    pictures(tmp_path / "val2017", "1.jpg")
    content = {
        "images": [{"id": 1, "coco_url": "http://x/val2017/1.jpg", "width": 40, "height": 30, "neg_category_ids": [2]}],
        "categories": [{"id": number, "name": name} for number, name in ((1, "cup"), (2, "cat"), (3, "owl"))],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "segmentation": [[1, 1, 10, 1, 10, 10]]}
        ],
    }
    (tmp_path / "lvis.json").write_text(json.dumps(content))
    run(tmp_path / "lvis.json", tmp_path / "out", "lvis", images=str(tmp_path / "val2017"))
    ((sample, _),) = samples(tmp_path / "out")
    assert json.loads(sample.negatives_json) == ["cat"]
    assert sample.objects()[0].rings


def test_nothing_new_the_second_time_and_other_annotations_are_other_labels(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.jpg")
    path = tmp_path / "rows.jsonl"
    path.write_text('{"image": "1.jpg", "sent": "cup", "bbox": [0, 0, 10, 10]}')
    run(path, tmp_path / "out", "refcoco")
    before = factory.tree(tmp_path / "out")
    assert run(path, tmp_path / "out", "refcoco").run.inputs == 0
    assert factory.tree(tmp_path / "out") == before
    path.write_text('{"image": "1.jpg", "sent": "mug", "bbox": [0, 0, 12, 10]}')
    with pytest.raises(InputError, match="annotations"):
        run(path, tmp_path / "out", "refcoco")


def test_workers_give_the_same_bytes(tmp_path: Path) -> None:
    export(rows.annotated(tmp_path / "out"), tmp_path / "set", "coco")
    run(tmp_path / "set", tmp_path / "one", "coco", shard_inputs=2)
    run(tmp_path / "set", tmp_path / "two", "coco", shard_inputs=2, workers=2)
    assert factory.tree(tmp_path / "one/shards") == factory.tree(tmp_path / "two/shards")


class Noted(Quiet):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def _annotated(folder: Path, names: list[str], **image: Any) -> Path:
    """A COCO file about 8 x 6 pictures called `names`, one object each."""
    content = {
        "images": [
            {"id": number, "file_name": name, "width": 8, "height": 6, **image} for number, name in enumerate(names, 1)
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 4, 4]}
            for number in range(1, len(names) + 1)
        ],
        "categories": [{"id": 1, "name": "cat"}],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "instances.json"
    path.write_text(json.dumps(content))
    return path


def _picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (shade, shade, shade)).save(path)


def test_annotated_pictures_that_are_not_there_are_said(tmp_path: Path) -> None:
    path = _annotated(tmp_path, [f"{number}.jpg" for number in range(5)])
    for number in range(2):
        _picture(tmp_path / "images" / f"{number}.jpg", 40 * number)
    settings = ImportSettings(source=path, out=tmp_path / "out", layout="coco", images=str(tmp_path / "images"))
    for written in (2, 0):  # what is not there is said again when nothing is new
        report = Noted()
        assert import_annotations(settings, report).run.written == written
        assert report.notes == [f"{path}: 3 of its 5 pictures are not in {tmp_path / 'images'}, for example 2.jpg"]
    _picture(tmp_path / "others" / "x.jpg", 9)
    nowhere = settings.model_copy(update={"images": str(tmp_path / "others"), "out": tmp_path / "none"})
    with pytest.raises(InputError, match="5 of its 5 pictures are not in"):
        import_annotations(nowhere, Quiet())


def test_one_annotated_picture_is_not_two(tmp_path: Path) -> None:
    path = _annotated(tmp_path, ["1.jpg", "2.jpg"])
    for name, shade in (("a/1.jpg", 0), ("b/1.jpg", 0), ("a/2.jpg", 50)):
        _picture(tmp_path / "images" / name, shade)
    settings = ImportSettings(source=path, out=tmp_path / "out", layout="coco", images=str(tmp_path / "images"))
    summary = import_annotations(settings, Quiet())
    assert (summary.total.written, summary.total.duplicate) == (2, 1), "a copy is a duplicate"
    _picture(tmp_path / "images/b/2.jpg", 200)
    with pytest.raises(InputError, match=r"2\.jpg could be a/2\.jpg and b/2\.jpg, which are two pictures"):
        import_annotations(settings.model_copy(update={"out": tmp_path / "again"}), Quiet())


def test_odd_values_are_named_or_left_out(tmp_path: Path) -> None:
    path = _annotated(tmp_path, ["1.jpg"], captions=None)
    _picture(tmp_path / "images/1.jpg", 0)
    content = json.loads(path.read_text())

    def take(number: int, text: str) -> RunSummary:
        path.write_text(text)
        images = str(tmp_path / "images")
        return import_annotations(
            ImportSettings(source=path, out=tmp_path / f"out{number}", layout="coco", images=images), Quiet()
        )

    content["annotations"][0] |= {"foo": float("nan"), "said": "\ud800", "deep": {"x": [float("inf")]}}
    assert take(0, json.dumps(content)).total.written == 1
    ((sample, _),) = samples(tmp_path / "out0")
    assert json.loads(sample.provenance_json)["attributes"] == {"0": {"said": "\ud800", "deep": {"x": [None]}}}
    broken = [
        ("annotations", {"bbox": [10**400, 0, 1, 1]}, r"annotations\[0\] .*bbox must be four numbers"),
        ("annotations", {"bbox": [1e308, 0, 1e308, 1]}, r"annotations\[0\] .*bbox must be four numbers"),
        ("annotations", {"keypoints": ["a", 1, 2]}, r"annotations\[0\] is not as COCO's form has it"),
        ("images", {"width": float("inf")}, r"images\[0\] width must be a whole number"),
        ("images", {"captions": "one"}, r"images\[0\] is not as COCO's form has it: captions must be a list"),
        ("images", {"expressions": ["left cat"]}, r"images\[0\] is not as COCO's form has it"),
        ("images", {"license": [1]}, r"images\[0\] is not as COCO's form has it"),
    ]
    for number, (section, change, said) in enumerate(broken, 1):
        changed = json.loads(json.dumps(content))
        changed[section][0] |= change
        with pytest.raises(InputError, match=said):
            take(number, json.dumps(changed))


def test_lvis_asks_nothing_of_what_is_partly_annotated(tmp_path: Path) -> None:
    path = _annotated(tmp_path, ["1.jpg", "2.jpg"], neg_category_ids=[])
    content = json.loads(path.read_text())
    content["images"][1]["not_exhaustive_category_ids"] = [1]
    path.write_text(json.dumps(content))
    for number in (1, 2):
        _picture(tmp_path / f"images/{number}.jpg", 60 * number)
    run(path, tmp_path / "out", "lvis", images=str(tmp_path / "images"))
    (whole, _), (partly, _) = samples(tmp_path / "out")
    assert [item.phrase for item in whole.objects()] == ["cat"]
    assert partly.objects() == []
    assert "ignore" in partly.provenance_json
    assert json.loads(partly.negatives_json) == []
