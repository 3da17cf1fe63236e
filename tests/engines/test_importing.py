"""`pe import` as a whole: annotations in, the same annotations in shards, and out and in again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.engines.import_settings import ImportSettings
from pe.engines.importing import import_annotations
from pe.engines.mixes.build import build
from pe.engines.mixes.settings import MixSettings
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


def test_what_lvis_did_not_annotate_exhaustively_is_neither_asked_for_nor_absent(tmp_path: Path) -> None:
    pictures(tmp_path / "val2017", "1.jpg")
    image = {"id": 1, "coco_url": "http://x/val2017/1.jpg", "width": 40, "height": 30}
    content = {
        "images": [{**image, "neg_category_ids": [3, 4], "not_exhaustive_category_ids": [2, 4]}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(("cup", "cat", "owl", "cow"), 1)],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": number, "bbox": [1, 1, 9, 9]} for number in (1, 2)
        ],
    }
    (tmp_path / "lvis.json").write_text(json.dumps(content))
    run(tmp_path / "lvis.json", tmp_path / "out", "lvis", images=str(tmp_path / "val2017"))
    ((sample, _),) = samples(tmp_path / "out")
    assert [item.phrase for item in sample.objects()] == ["cup"]
    assert json.loads(sample.negatives_json) == ["owl"]
    dropped = json.loads(sample.provenance_json)["dropped"]
    assert [(item["phrase"], item["reason"]) for item in dropped] == [("cat", "not_exhaustive")]


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


def boxes(path: Path, *names: str) -> Path:
    """A COCO file with one cup in each picture."""
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names)],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 1, "bbox": [1, 1, 9, 9]} for number in range(len(names))
        ],
    }
    path.write_text(json.dumps(content))
    return path


def test_no_labels_of_a_picture_of_the_same_name_in_another_folder(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "train/1.jpg", "train/2.jpg", "val/1.jpg")
    summary = run(boxes(tmp_path / "val.json", "val/1.jpg", "val/2.jpg"), tmp_path / "out", "coco")
    assert [sample.source for sample, _ in samples(tmp_path / "out")] == ["val/1.jpg"]
    assert summary.run.filtered == {"not_annotated": 2}
    assert "1 of 2 annotated pictures were not found" in summary.to_text()
    bare = boxes(tmp_path / "bare.json", "1.jpg")
    with pytest.raises(InputError, match=r"1\.jpg can be train/1\.jpg or val/1\.jpg under .*--images") as refusal:
        run(bare, tmp_path / "bare", "coco")
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "bare").exists()
    assert run(bare, tmp_path / "bare", "coco", images=str(tmp_path / "images/val")).run.written == 1
    # The same bytes are the same picture, whichever comes first.
    shutil.copy(tmp_path / "images/val/1.jpg", tmp_path / "images/train/1.jpg")
    both = run(boxes(tmp_path / "both.json", "val/1.jpg"), tmp_path / "both", "coco").run
    assert (both.written, both.duplicate, both.filtered) == (1, 1, {"not_annotated": 1})


@pytest.mark.parametrize("workers", [1, 2])
def test_annotated_pictures_that_are_not_there_are_counted(workers: int, tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.jpg", "other.jpg")
    path = boxes(tmp_path / "file.json", "0.jpg", "1.jpg", "2.jpg")
    for new in (2, 0):
        summary = run(path, tmp_path / "out", "coco", workers=workers)
        assert summary.run.inputs == new
        line = f"2 of 3 annotated pictures were not found under {tmp_path / 'images'} (for example 0.jpg)"
        assert line in summary.to_text().splitlines()
        assert json.loads(summary.to_json())["not_found"]["pictures"] == 2
    whole = run(boxes(tmp_path / "whole.json", "1.jpg"), tmp_path / "whole", "coco")
    assert whole.not_found is None
    assert "not_found" not in json.loads(whole.to_json())
    gone = run(boxes(tmp_path / "gone.json", "1.jpg", "a\nb.jpg"), tmp_path / "gone", "coco")
    assert r"(for example a\x0ab.jpg)" in gone.to_text()
    (tmp_path / "images/1.jpg").unlink()
    assert run(path, tmp_path / "out", "coco", workers=workers).run.inputs == 0
    for _ in range(2):
        with pytest.raises(InputError, match=r"none of its 3 pictures was found under .* \(for example 0\.jpg\)"):
            run(path, tmp_path / "new", "coco", workers=workers)
        assert not (tmp_path / "new").exists()


def test_a_mix_says_which_annotated_pictures_are_not_there(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.jpg")
    data = {"annotations": str(boxes(tmp_path / "file.json", "0.jpg", "1.jpg")), "layout": "coco"}
    leaf = {"task": "detect", "format": "rexomni", "data": data}
    mix = {"kind": "rl", "out": tmp_path / "out", "sources": [leaf], "floor": 0.0, "positives_only": True}
    notes = build(MixSettings.model_validate(mix), Quiet()).notes()
    assert any("1 of 2 annotated pictures were not found" in note for note in notes)
    data["annotations"] = str(boxes(tmp_path / "file.json", "0.jpg"))
    with pytest.raises(InputError, match="none of its 1 pictures was found"):
        build(MixSettings.model_validate({**mix, "out": tmp_path / "none"}), Quiet())


def test_a_name_given_twice_is_found_and_means_nothing(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.jpg")
    summary = run(boxes(tmp_path / "file.json", "1.jpg", "1.jpg"), tmp_path / "out", "coco")
    assert (summary.run.filtered, summary.not_found) == ({"not_annotated": 1}, None)


def test_half_a_character_and_nan_in_what_is_only_said(tmp_path: Path) -> None:
    pictures(tmp_path / "images", "1.jpg")
    content = json.loads(boxes(tmp_path / "file.json", "1.jpg").read_text())
    said = {"seen": "a\ud800", "area_m2": float("nan"), "more": {"\udfff": [float("inf"), 1]}}
    content["annotations"][0] |= {"text": "\ud83d\ude00\ud800", **said}
    content["images"][0]["captions"] = ["\ud800", "two"]
    content["categories"].append({"id": 2, "name": "x\ud800"})
    (tmp_path / "file.json").write_text(json.dumps(content))
    assert run(tmp_path / "file.json", tmp_path / "out", "coco").run.written == 1
    ((sample, _),) = samples(tmp_path / "out")
    provenance = json.loads(sample.provenance_json)
    assert provenance["attributes"]["0"] == {"seen": r"a\ud800", "more": {r"\udfff": [None, 1]}}
    assert provenance["captions"] == [r"\ud800", "two"]
    assert sample.objects()[0].text == "\N{GRINNING FACE}" + r"\ud800"
    assert json.loads(sample.negatives_json) == [r"x\ud800"]


VALUES: list[tuple[str, str, Any, str]] = [
    ("images", "captions", "a cat", "captions must be a list"),
    ("images", "expressions", ["a"], "an expression is a text and a list of ids"),
    ("images", "expressions", [{"text": "a", "ids": None}], "an expression is a text and a list of ids"),
    ("images", "id", [1], "id must be a number or a string"),
    ("images", "license", {}, "license must be a number or a string"),
    ("images", "width", float("inf"), "width must be a whole number"),
    ("images", "height", float("nan"), "height must be a whole number"),
    ("annotations", "image_id", [1], "image_id must be a number or a string"),
    ("annotations", "bbox", [10**400, 1, 2, 3], "bbox must be four numbers"),
    ("annotations", "bbox", [1e308, 1, 1e308, 3], "bbox must be four numbers"),
    ("annotations", "keypoints", [1, None, 2], "keypoints must be numbers in pixels"),
    ("annotations", "keypoints", [float("nan"), 1, 2], "keypoints must be numbers in pixels"),
    ("annotations", "keypoints", [10**400, 1, 2], "keypoints must be numbers in pixels"),
    ("annotations", "quad", ["a"] * 8, "quad must be numbers in pixels"),
]


@pytest.mark.parametrize(("section", "key", "value", "says"), VALUES)
def test_a_bad_value_is_one_line_with_its_place(section: str, key: str, value: Any, says: str, tmp_path: Path) -> None:
    pictures(tmp_path / "images", "0.jpg")
    content = json.loads(boxes(tmp_path / "file.json", "0.jpg").read_text())
    content["annotations"][0]["text"] = "words"
    content[section][0][key] = value
    (tmp_path / "file.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"file\.json: {section}\[0\].* {says}") as refusal:
        run(tmp_path / "file.json", tmp_path / "out", "coco")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.just(10**400)
    | st.text(st.characters(exclude_categories=()), max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["text", "ids", "size", "x"]), inner),
    max_leaves=6,
)
FIELDS = {
    "images": ["id", "file_name", "width", "captions", "expressions", "license", "neg_category_ids", "coco_url"],
    "annotations": [
        "id",
        "image_id",
        "bbox",
        "segmentation",
        "keypoints",
        "quad",
        "text",
        "caption",
        "ignore",
        "other",
    ],
    "categories": ["id", "name", "keypoints"],
    "licenses": ["id", "name"],
}


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([(part, key) for part, keys in FIELDS.items() for key in keys]), anything)
def test_any_value_is_imported_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[str, str], value: Any
) -> None:
    home = tmp_path_factory.mktemp("any")
    pictures(home / "images", "0.jpg")
    content = json.loads(boxes(home / "file.json", "0.jpg").read_text())
    content["licenses"] = [{"id": 1, "name": "CC0"}]
    content["annotations"][0]["text"] = "words"
    content[place[0]][0][place[1]] = value
    (home / "file.json").write_text(json.dumps(content))
    message = ""
    try:
        run(home / "file.json", home / "out", "coco")
    except InputError as refusal:
        message = str(refusal)
    assert "\n" not in message
