"""What each layout finds in a source, and what it refuses."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.annotators.load_annotations import load_annotations
from pe.errors import InputError
from pe.registry import load, names
from pe.shards.imports import Layout
from pe.shards.imports._rows import are_rows, in_pixels, rows_as_coco


def layout(name: str, source: Path, pictures: str = "", split: str = "") -> Layout:
    found: Layout = load("imports", name)(source, pictures, split)
    return found


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = isinstance(value, list) and path.suffix == ".jsonl"
    path.write_text("\n".join(map(json.dumps, value)) if lines else json.dumps(value))
    return path


COCO = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30, "license": 4, "flickr_url": "http://f/a"}],
    "licenses": [{"id": 4, "name": "CC BY"}],
    "categories": [{"id": 1, "name": "person"}],
    "annotations": [{"id": number, "image_id": 1, "category_id": 1, "bbox": [number, 2, 10, 10]} for number in (5, 7)],
}
POINTS = [3, 4, 2, 0, 0, 0]


def test_the_layouts_are_known_by_name() -> None:
    assert {"coco", "imagefolder", "lvis", "refcoco", "yolo"} <= set(names("imports"))


def test_coco_takes_captions_and_key_points_from_the_files_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "annotations"
    write(folder / "instances_val.json", COCO)
    captions = [{"id": 1, "image_id": 1, "caption": "one"}, {"id": 2, "image_id": 1, "caption": "two"}]
    write(folder / "captions_val.json", {"images": COCO["images"], "annotations": captions})
    pose = {**COCO["annotations"][0], "keypoints": POINTS, "num_keypoints": 1}  # type: ignore[index]
    kinds = [{"id": 1, "name": "person", "keypoints": ["nose", "tail"]}]
    write(folder / "person_keypoints_val.json", {**COCO, "categories": kinds, "annotations": [pose]})
    (tmp_path / "images").mkdir()
    found = layout("coco", folder / "instances_val.json")
    assert found.pictures == str(tmp_path / "images")
    extras = found.extras["a.jpg"]
    assert extras.captions == ["one", "two"]
    assert (extras.license, extras.url) == ("CC BY", "http://f/a")
    assert extras.objects["5"].keypoints == POINTS
    assert found.keypoint_names == {"person": ["nose", "tail"]}
    assert layout("coco", tmp_path).annotations == folder / "instances_val.json"
    write(folder / "instances_train.json", COCO)
    with pytest.raises(InputError, match="name the one to import"):
        layout("coco", tmp_path)
    with pytest.raises(InputError, match="no such file"):
        layout("coco", tmp_path / "absent")


def test_texts_quads_and_elements_of_screens(shared: Path) -> None:
    found = layout("coco", shared / "ocr")
    words = found.extras["icdar15_img_1.jpg"].objects
    assert words["1"].text == "Genaxis Theatre"
    assert words["1"].quad == [377.0, 117.0, 463.0, 117.0, 465.0, 130.0, 378.0, 130.0]
    assert words["3"].ignore
    assert not words["3"].text
    screen = layout("coco", shared / "gui").extras["rico_33626.jpg"].objects
    assert screen["29"].caption == "Image"
    assert screen["29"].attributes["clickable"] is True
    assert screen["29"].attributes["ui_class"] == "Button"
    assert screen["31"].text == "Dining room"


REFS = [
    {"ref_id": 0, "ann_id": 5, "image_id": 1, "split": "val", "sentences": [{"sent": "left  man"}, {"sent": "him"}]},
    {"ref_id": 1, "ann_id": [5, 7], "image_id": 1, "split": "train", "sentences": [{"sent": "both"}]},
    {"ref_id": 2, "ann_id": [-1], "image_id": 1, "split": "train", "sentences": [{"sent": "a zebra"}]},
]


def test_refcoco_refs_with_instances(tmp_path: Path) -> None:
    write(tmp_path / "refs.json", REFS)
    with pytest.raises(InputError, match=r"instances\.json beside"):
        layout("refcoco", tmp_path)
    write(tmp_path / "instances.json", COCO)
    found = layout("refcoco", tmp_path)
    said = found.extras["a.jpg"].expressions
    assert said == [("left man", ["5"]), ("him", ["5"]), ("both", ["5", "7"]), ("a zebra", [])]
    assert not found.exhaustive
    assert len(layout("refcoco", tmp_path, split="val").extras["a.jpg"].expressions) == 2
    write(tmp_path / "refs.json", [{"ann_id": 5, "image_id": 99, "sentences": []}])
    with pytest.raises(InputError, match=r"ref 0: its picture 99 is not in instances\.json"):
        layout("refcoco", tmp_path)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"ann_id": 99}, "ref 1: its ann_id 99 is no annotation of its picture 1"),
        ({"ann_id": 8}, "ref 1: its ann_id 8 is no annotation of its picture 1"),
        ({"ann_id": {"a": 1}}, "ref 1: its ann_id"),
        ({"sentences": "left cup"}, "ref 1: its sentences are a list, not 'left cup'"),
        ({"sentences": [{"sent": ""}]}, "ref 1: a sentence is a text with words"),
        ({"image_id": [1]}, "ref 1: a value in it is of another type"),
    ],
)
def test_a_ref_that_means_nothing_in_its_picture_is_named(changed: dict[str, Any], says: str, tmp_path: Path) -> None:
    elsewhere = {"id": 8, "image_id": 2, "category_id": 1, "bbox": [1, 2, 3, 4]}
    write(tmp_path / "instances.json", {**COCO, "annotations": [*COCO["annotations"], elsewhere]})
    write(tmp_path / "refs.json", [REFS[0], {**REFS[0], **changed}])
    with pytest.raises(InputError, match=says):
        layout("refcoco", tmp_path)


@pytest.mark.parametrize("value", [None, 3, {}, {"refs": REFS}, []])
def test_what_is_no_list_of_refs_is_refused(value: Any, tmp_path: Path) -> None:
    write(tmp_path / "instances.json", COCO)
    with pytest.raises(InputError, match=r"not a list of RefCOCO|no rows"):
        layout("refcoco", write(tmp_path / "refs.json", value))


def test_a_split_that_the_file_has_not_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "instances.json", COCO)
    with pytest.raises(InputError, match="no ref of split 'vall'; its splits: train, val"):
        layout("refcoco", write(tmp_path / "refs.json", REFS), split="vall")
    with pytest.raises(InputError, match="no row of split 'vall'; its splits: train, val"):
        layout("refcoco", write(tmp_path / "rows.jsonl", SPLIT), split="vall")


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path("/tmp/pe-pickle-was-opened").touch, ())


@pytest.mark.parametrize("name", ["refs(unc).p", "refs.json", "refs.jsonl"])
def test_pickles_are_refused_unopened_by_name_and_by_content(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(InputError, match="pickle") as error:
        layout("refcoco", tmp_path / name)
    assert "\n" not in str(error.value)
    assert not Path("/tmp/pe-pickle-was-opened").exists()


ROWS = [
    {"image": "x/1.jpg", "sent": "the red cup", "bbox": [1, 2, 10, 10], "category": "cup", "split": "val"},
    {"image": "x/1.jpg", "sentences": ["mug", {"sent": "red one"}], "bbox": [1, 2, 10, 10], "category": "cup"},
    {"image": "x/1.jpg", "sentence": "no category", "bbox_xyxy": [0, 0, 4, 4], "segmentation": [0, 0, 4, 0, 4, 4]},
    {"image": "x/2.jpg", "expression": "nothing like it", "bbox": [], "width": 40, "height": 30},
]


SPLIT = [
    {"image": "1.jpg", "sent": "another", "bbox": [1, 2, 3, 4], "split": "train"},
    {"image": "1.jpg", "sent": "it", "bbox": [5, 5, 3, 4], "split": "val"},
]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json"])
def test_rows_of_referring_expressions(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, ROWS)
    found = layout("refcoco", path, "photos")
    assert found.pictures == "photos"
    assert found.extras["x/1.jpg"].expressions == [
        ("the red cup", ["1"]), ("mug", ["1"]), ("red one", ["1"]), ("no category", ["2"]),
    ]  # fmt: skip
    assert found.extras["x/2.jpg"].expressions == [("nothing like it", [])]
    (image,) = load_annotations(str(path)).find("x/1.jpg")
    assert [item.category for item in image.annotations] == ["cup", "no category"]
    assert image.annotations[1].box == (0, 0, 4, 4)
    assert image.negatives == []
    assert layout("refcoco", write(path, SPLIT), split="val").extras["1.jpg"].expressions == [("it", ["2"])]


ASKED = "Please provide the bounding box coordinate of the region this sentence describes: left cup"


def test_rows_of_vlm_r1_have_corners_and_a_whole_question(tmp_path: Path) -> None:
    path = write(tmp_path / "refcoco_val.json", [{"image": "1.jpg", "problem": ASKED, "solution": [1, 2, 11, 14]}])
    assert layout("refcoco", path).extras["1.jpg"].expressions == [("left cup", ["1"])]
    (image,) = load_annotations(str(path)).find("1.jpg")
    assert image.annotations[0].box == (1, 2, 11, 14)


RING = [1, 1, 10, 1, 10, 10]


@pytest.mark.parametrize("mask", [RING, [RING], {"size": [30, 40], "counts": [31, 9, 21, 9, 1130]}])
def test_a_mask_alone_is_an_object(mask: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", [{"image": "1.jpg", "sent": "left cup", "segmentation": mask}])
    assert layout("refcoco", path).extras["1.jpg"].expressions == [("left cup", ["1"])]
    (image,) = load_annotations(str(path)).find("1.jpg")
    assert image.annotations[0].box == ((1, 1, 3, 10) if isinstance(mask, dict) else (1, 1, 10, 10))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"bbox": [20, 15, 30, 25], "width": 40, "height": 30}, r":1: .* beyond its picture of 40 x 30 .*bbox_xyxy"),
        ({"bbox_xyxy": [20, 15, 60, 25], "width": 40, "height": 30}, ":1: .* beyond its picture"),
        ({"bbox": [0.1, 0.1, 0.5, 0.5]}, ":1: .* looks like fractions"),
        ({"solution": [0, 0, 1, 1]}, ":1: .* looks like fractions"),
        ({"objects": {"bbox": [[0.1, 0.1, 0.5, 0.5]]}}, ":1: .* looks like fractions"),
        ({}, ':1: it says something of no object: .* bbox_xyxy.*"bbox": \\[\\]'),
        ({"box": [1, 2, 11, 12]}, ":1: it says something of no object"),
        ({"bbox": None}, ":1: it says something of no object"),
        ({"bbox": 5}, ":1: a box is four numbers"),
        ({"bbox": [10**400, 1, 2, 3]}, ":1: a box is four numbers"),
        ({"bbox": [float("nan"), 1, 2, 3]}, ":1: a box is four numbers"),
        ({"bbox": [], "width": float("inf")}, ":1: width is a number of pixels, not inf"),
        ({"bbox": [], "height": float("nan")}, ":1: height is a number of pixels, not nan"),
        ({"segmentation": "abc"}, ":1: a segmentation is polygons or an RLE"),
        ({"objects": [{"bbox": [1, 2, 3, 4]}]}, ":1: objects is"),
        ({"bbox": [], "sent": "\ud800"}, ":1: a text in it has a lone surrogate"),
        ({"bbox": [1, 2, 3, 4], "sent": {"a": 1}}, ":1: it says nothing: .*sentences"),
        ({"sent": None, "conversations": [{"from": "human", "value": "where?"}]}, ":1: it says nothing"),
    ],
)
def test_a_row_that_cannot_be_what_it_says_is_named(row: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says) as refusal:
        layout("refcoco", write(tmp_path / "rows.jsonl", [{"image": "1.jpg", "sent": "left cup", **row}]))
    assert "\n" not in str(refusal.value)


@given(st.lists(st.integers(2, 40), min_size=2, max_size=2), st.lists(st.integers(1, 60), min_size=2, max_size=2))
def test_a_box_is_in_its_picture_give_or_take_two_pixels(corner: list[int], sides: list[int]) -> None:
    box = [float(value) for value in (*corner, *sides)]
    if corner[0] + sides[0] <= 42 and corner[1] + sides[1] <= 42:
        assert in_pixels(box, (40, 40)) == box
    else:
        with pytest.raises(ValueError, match="beyond its picture"):
            in_pixels(box, (40, 40))
    assert in_pixels(box, (0, 0)) == box


@pytest.mark.parametrize("text", ["[]", "null", "3", '{"a": [{"image": "1.jpg"}]}', ""])
@pytest.mark.parametrize("name", ["screenspot", "rexomni-eval", "humanref", "refcoco", "imagefolder"])
def test_a_file_without_rows_is_refused(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / ("rows.json" if text else "rows.jsonl")
    path.write_text(text)
    with pytest.raises(InputError, match=r"rows\.jsonl?: (no rows|not an array of rows|not a list)"):
        layout(name, path)


def test_imagefolder_by_jsonl_and_csv(tmp_path: Path) -> None:
    objects = {"bbox": [[1, 2, 3, 4], [5, 5, 2, 2]], "categories": ["cat", "dog"]}
    write(tmp_path / "a/metadata.jsonl", [{"file_name": "1.jpg", "caption": "pets", "objects": objects}])
    (tmp_path / "b").mkdir()
    quoted = json.dumps(objects).replace('"', '""')
    text = f'file_name,text,objects\n1.jpg,"pets, two","{quoted}"\n'
    (tmp_path / "b/metadata.csv").write_text(text)
    for folder, caption in (("a", "pets"), ("b", "pets, two")):
        found = layout("imagefolder", tmp_path / folder)
        assert found.extras["1.jpg"].captions == [caption]
        (image,) = load_annotations(str(found.annotations)).find("1.jpg")
        boxes = {item.category: item.box for item in image.annotations}
        assert boxes == {"cat": (1, 2, 4, 6), "dog": (5, 5, 7, 7)}
    assert layout("imagefolder", tmp_path, split="a").pictures == str(tmp_path / "a")
    with pytest.raises(InputError, match=r"metadata\.jsonl"):
        layout("imagefolder", tmp_path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", ":2: not rows of JSON, at column 2: "),
        ("[1]", ":2: a row is an object"),
        ("{}", ":2: a row names its picture"),
        ('{"image": "a", "bbox": [1, 2]}', ":2: a box is four numbers"),
        ('{"file_name": "a", "objects": {"bbox": [[1,2,3,4]], "categories": ["a", "b"]}}', "1 boxes and 2 categories"),
        ('{"file_name": "a", "objects": {}}', "it has no 'bbox'"),
    ],
)
def test_a_malformed_row_is_named(line: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"image": "ok.jpg"}}\n{line}\n')
    with pytest.raises(InputError, match=says):
        rows_as_coco(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["image", "bbox", "objects", "sent", "segmentation", "categories"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=4))
def test_any_rows_are_read_or_refused_in_one_line(tmp_path_factory: pytest.TempPathFactory, value: list[Any]) -> None:
    path = tmp_path_factory.mktemp("any") / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, value)))
    assert are_rows(path)
    try:
        content = json.loads(rows_as_coco(path))
    except InputError as refusal:
        message = str(refusal)
    else:
        message = ""
        assert content["images"]
    assert "\n" not in message
