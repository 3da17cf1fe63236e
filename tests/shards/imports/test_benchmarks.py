"""What each benchmark's layout finds in files of the published form, and what it refuses."""

from __future__ import annotations

import json
import pickle
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.errors import InputError
from pe.geometry.masks import encode, segmentation_to_mask
from pe.registry import load
from pe.shards.imports import Layout
from tests.shards.imports import benchmark_files as files


def layout(name: str, source: Path, pictures: str = "", split: str = "") -> Layout:
    found: Layout = load("imports", name)(source, pictures, split)
    return found


def content(found: Layout) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(found.form)
    return value


def absent(found: Layout) -> dict[str, list[str]]:
    names = {item["id"]: item["name"] for item in content(found)["categories"]}
    return {
        image["file_name"]: [names[number] for number in image["neg_category_ids"]]
        for image in content(found)["images"]
    }


def objects(found: Layout) -> list[tuple[str, list[float]]]:
    names = {item["id"]: item["name"] for item in content(found)["categories"]}
    return [(names[item["category_id"]], item.get("bbox")) for item in content(found)["annotations"]]


def test_d3_has_an_object_for_each_description_and_the_others_of_its_group_absent(tmp_path: Path) -> None:
    source = files.d3(tmp_path)
    found = layout("d3", source)
    near, far = [2, 3, 10, 10], [20, 3, 10, 10]
    assert objects(found) == [("a dog", near), ("a dog without a leash", near), ("a dog", far)]
    assert absent(found) == {"dog/1.jpg": ["a dog led by a rope outdoors"]}
    assert content(found)["annotations"][0]["segmentation"] == files.rle(2, 3, 12, 13)
    assert [name for name, _ in objects(layout("d3", source, split="abs"))] == ["a dog without a leash"]
    with pytest.raises(InputError, match="pres and abs"):
        layout("d3", source, split="full")


def test_d3_unites_the_parts_of_a_mask_and_takes_flat_boxes_too(tmp_path: Path) -> None:
    source = files.d3(tmp_path)
    annotations = json.loads((source / "annotations.json").read_text())
    annotations["1"] |= {"bbox": [2, 3, 10, 10], "segmentation": [files.rle(2, 3, 6, 13), files.rle(8, 3, 12, 13)]}
    files.write(source / "annotations.json", annotations)
    (near, _, _) = content(layout("d3", source))["annotations"]
    both = segmentation_to_mask(files.rle(2, 3, 6, 13), 30, 40) | segmentation_to_mask(files.rle(8, 3, 12, 13), 30, 40)
    assert near["bbox"] == [2, 3, 10, 10]
    assert near["segmentation"] == encode(both).model_dump(mode="json")


def test_the_documented_lines_save_d3s_pickles_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = files.d3(tmp_path)
    for name in ("images", "annotations", "sentences", "groups"):
        path = source / f"{name}.json"
        value = {int(key): item for key, item in json.loads(path.read_text()).items()}
        for item in value.values() if name == "annotations" else ():
            item |= {"bbox": np.array(item["bbox"], np.float64), "area": np.array(item["area"])}
            item |= {"id": np.int64(item["id"]), "segmentation": item["segmentation"]}
            item["segmentation"][0]["counts"] = item["segmentation"][0]["counts"].encode()
        path.with_suffix(".pkl").write_bytes(pickle.dumps(value))
        path.unlink()
    text = (Path(__file__).parents[3] / "docs/benchmarks.md").read_text("utf-8")
    (lines,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(source)
    exec(textwrap.dedent("  " + lines.lstrip()), {})
    assert objects(layout("d3", source))[0] == ("a dog", [2, 3, 10, 10])


@pytest.mark.parametrize(
    ("name", "key", "changed", "says"),
    [
        ("annotations", "1", {"bbox": [[1, 2, 3, 4], [1, 2, 3, 4]]}, r"annotations\.json: 1: 4 numbers"),
        ("annotations", "1", {"bbox": [10**400, 1, 2, 3]}, r"annotations\.json: 1: 4 numbers are expected"),
        ("annotations", "1", {"segmentation": [[1, 1, 5, 1, 5, 5]]}, r"annotations\.json: 1: a segmentation is"),
        ("annotations", "1", {"sent_id": [77]}, r"annotations\.json: 1: sentences\.json has no '77'"),
        ("images", "0", {"anno_id": [77]}, r"images\.json: 0: annotations\.json has no '77'"),
        ("images", "0", {"width": float("inf")}, r"images\.json: 0: width and height are whole numbers"),
        ("images", "0", {"group_id": 8}, r"images\.json: 0: groups\.json has no '8'"),
        ("sentences", "1", {"raw_sent": None}, r"sentences\.json: 1: a value"),
        ("sentences", "1", {"raw_sent": "\ud800"}, r"sentences\.json: 1: a text in it has a lone surrogate"),
    ],
)
def test_d3_names_the_record_that_is_malformed(
    name: str, key: str, changed: dict[str, Any], says: str, tmp_path: Path
) -> None:
    path = files.d3(tmp_path) / f"{name}.json"
    value = json.loads(path.read_text())
    value[key] |= changed
    files.write(path, value)
    with pytest.raises(InputError, match=says):
        layout("d3", tmp_path)
    files.write(path, {})
    with pytest.raises(InputError, match=rf"{name}\.json: a dictionary by id is expected, with something in it"):
        layout("d3", tmp_path)


def test_d3_opens_no_pickle(tmp_path: Path) -> None:
    (tmp_path / "images.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(InputError, match=r"images\.pkl: a pickle"):
        layout("d3", tmp_path)


def test_ovdeval_takes_hard_negatives_of_the_picture_alone(tmp_path: Path) -> None:
    found = layout("ovdeval", files.ovdeval(tmp_path))
    assert absent(found) == {"64d2.jpg": ["computer with screen on"]}
    assert found.pictures == str(tmp_path / "images/negation")
    assert layout("ovdeval", tmp_path, split="negation").annotations == found.annotations
    assert not found.exhaustive


@pytest.mark.parametrize(
    ("image", "says"),
    [
        ({"text": ["?"], "neg_text": []}, "its text names a label that is no category"),
        ({"text": []}, "it has no 'neg_text'"),
        ({"text": [], "neg_text": "computer"}, "neg_text is a list of labels, not 'computer'"),
        ({"text": "computer", "neg_text": []}, "text is a list of labels"),
        ({"text": [], "neg_text": [5]}, "neg_text is a list of labels"),
        ("a", "a value in it is of another type"),
    ],
)
def test_ovdeval_names_the_picture_that_is_malformed(image: Any, says: str, tmp_path: Path) -> None:
    value = json.loads(files.ovdeval(tmp_path).read_text())
    image = {"id": 0, "file_name": "a", **image} if isinstance(image, dict) else image
    path = files.write(tmp_path / "x.json", {**value, "images": [image]})
    with pytest.raises(InputError, match=rf"x\.json: images\[0\]: {says}"):
        layout("ovdeval", path)


@pytest.mark.parametrize("subset", ["coco", "celebrity", "landmark", "logo"])
def test_ovdeval_asks_four_subsets_for_every_category(subset: str, tmp_path: Path) -> None:
    value = json.loads(files.ovdeval(tmp_path).read_text())
    value["images"] = [{"file_name": "64d2.jpg", "id": 0, "height": 30, "width": 40}]
    found = layout("ovdeval", files.write(tmp_path / f"annotations/{subset}.json", value))
    assert found.exhaustive
    assert content(found)["images"] == value["images"]


def test_visdrone_ignores_what_its_evaluation_ignores(tmp_path: Path) -> None:
    found = layout("visdrone", files.visdrone(tmp_path))
    first, second = "0000001_a.jpg", "0000002_b.jpg"
    assert absent(found)[first] == [], "an ignored region may hide anything"
    assert absent(found)[second] == [
        *("pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle", "bus", "motor")
    ]
    ignored = {ref for extras in found.extras.values() for ref, extra in extras.objects.items() if extra.ignore}
    kept = [item for item in content(found)["annotations"] if str(item["id"]) not in ignored]
    assert [item["bbox"] for item in kept] == [[10, 10, 8, 8], [1, 2, 10, 10]]
    path = tmp_path / "annotations/0000002_b.txt"
    path.write_text(f"1,2,{'9' * 400},10,1,4,0,1\n")
    with pytest.raises(InputError, match=r"0000002_b\.txt:1: 4 numbers are expected"):
        layout("visdrone", tmp_path)
    (tmp_path / "annotations/0000002_b.txt").write_text("1,2,3\n")
    with pytest.raises(InputError, match=r"0000002_b\.txt:1: not VisDrone"):
        layout("visdrone", tmp_path)
    (tmp_path / "annotations/0000002_b.txt").write_text("1,2,3,4,1,99,0,0\n")
    with pytest.raises(InputError, match="not VisDrone"):
        layout("visdrone", tmp_path)


def _toolkit_keeps(boxes: list[list[int]], regions: list[list[int]], height: int, width: int) -> list[bool]:
    """utils/dropObjectsInIgr.m, for boxes and regions inside the picture; pixels count from 1."""
    ignored = np.zeros((height + 1, width + 1))
    for x, y, w, h in (np.maximum(1, region) for region in regions):
        ignored[y : y + h + 1, x : x + w + 1] = 1
    ignored[0] = ignored[:, 0] = 0
    sums = ignored.cumsum(0).cumsum(1)
    kept = []
    for x, y, w, h in (np.maximum(1, box) for box in boxes):
        x1, y1 = min(width, x + w), min(height, y + h)
        kept.append(bool((sums[y, x] + sums[y1, x1] - sums[y, x1] - sums[y1, x]) / (w * h) < 0.5))
    return kept


inside = st.lists(st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(1, 19)] * 2).map(list), max_size=4)


@given(boxes=inside, regions=inside)
def test_visdrone_drops_what_the_toolkit_drops_in_ignored_regions(
    tmp_path_factory: pytest.TempPathFactory, boxes: list[list[int]], regions: list[list[int]]
) -> None:
    home = tmp_path_factory.mktemp("visdrone")
    lines = [*((*region, 0, 0, 0, 0) for region in regions), *((*box, 1, 4, 0, n) for n, box in enumerate(boxes))]
    (home / "1.txt").write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    found = layout("visdrone", home)
    ignored = {ref for ref, extra in found.extras["1.jpg"].objects.items() if extra.ignore}
    cars = [item for item in content(found)["annotations"] if item["category_id"] == 4]
    assert [str(item["id"]) not in ignored for item in cars] == _toolkit_keeps(boxes, regions, 40, 40)


def test_humanref_says_whom_an_expression_means_and_that_one_means_nobody(tmp_path: Path) -> None:
    found = layout("humanref", files.humanref(tmp_path))
    assert [item["segmentation"] for item in content(found)["annotations"]] == [
        files.rle(1, 2, 11, 12), files.rle(20, 2, 30, 12),
    ]  # fmt: skip
    assert found.extras["cafe.jpg"].expressions == [
        ("the man on the left", ["1"]), ("everyone in black", ["1", "2"]), ("the woman on a horse", []),
    ]  # fmt: skip
    alone = layout("humanref", tmp_path, split="rejection")
    assert alone.extras["cafe.jpg"].expressions == [("the woman on a horse", [])]
    with pytest.raises(InputError, match="no rows of domain height"):
        layout("humanref", tmp_path, split="height")


def test_rexomni_eval_boxes_referring_and_masks(tmp_path: Path) -> None:
    found = layout("rexomni-eval", files.rexomni_eval(tmp_path))
    assert found.pictures == str(tmp_path)
    assert objects(found) == [("nail", [1, 2, 4, 4]), ("nail", [7, 2, 4, 4]), ("object", [1, 2, 4, 4])]
    assert absent(found) == {"dense200/1.jpg": ["screw"], "humanref/2.jpg": []}
    assert found.extras["humanref/2.jpg"].expressions == [("the man on the left", ["3"])]
    points = layout("rexomni-eval", tmp_path / "_annotations/point_eval")
    assert content(points)["annotations"][0]["segmentation"] == files.rle(1, 2, 5, 6)
    gui = files.write(tmp_path / "gui.jsonl", [{"image_path": "a", "categories": ["x"], "gt": [1, 2, 3, 4]}])
    with pytest.raises(InputError, match=r"gui\.jsonl:1: only rows with a dict"):
        layout("rexomni-eval", gui)
    corners = {"image_path": "a", "categories": ["x"], "gt": {"x": [[1, 2, 3, 4, 5, 6, 7, 8]]}}
    with pytest.raises(InputError, match="4 numbers are expected"):
        layout("rexomni-eval", files.write(gui, [corners]))


@pytest.mark.parametrize("truth", [{}, {"the man": []}, {"gt_mask": {}}])
def test_rexomni_eval_keeps_an_expression_that_refers_to_nothing(truth: dict[str, Any], tmp_path: Path) -> None:
    row = {"image_path": "a.jpg", "categories": ["the man"], "gt": truth, "task_name": "pointing_referring"}
    found = layout("rexomni-eval", files.write(tmp_path / "rows.jsonl", [row]))
    assert found.extras["a.jpg"].expressions == [("the man", [])]
    assert absent(found) == {"a.jpg": []}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"categories": "nail"}, "categories are a list of names, not 'nail'"),
        ({"gt": {"gt_mask": [1]}}, "gt_mask is a dict of masks by category"),
        ({"gt": {"nail": None}}, "a value in it is of another type"),
        ({"gt": {"nail": [[10**400, 1, 2, 3]]}}, "4 numbers are expected"),
        ({"categories": ["\ud800"]}, "a text in it has a lone surrogate"),
    ],
)
def test_rexomni_eval_names_the_row_that_is_malformed(changed: dict[str, Any], says: str, tmp_path: Path) -> None:
    row = {"image_path": "a.jpg", "categories": ["nail"], "gt": {}, "task_name": "pointing", **changed}
    with pytest.raises(InputError, match=rf"rows\.jsonl:1: {says}"):
        layout("rexomni-eval", files.write(tmp_path / "rows.jsonl", [row]))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"bbox": [0.1, 0.1, 0.2, 0.2]}, "looks like fractions"),
        ({"bbox": [0.1, 0.1, 0.2, 0.2], "img_size": [40, 30]}, "looks like fractions"),
        ({"bbox": [10, 10, 60, 20], "img_size": [40, 30]}, "beyond its picture"),
        ({"bbox": [10**400, 1, 2, 3]}, "4 numbers are expected"),
        ({"category": "x"}, "a field called category is none of ScreenSpot's"),
        ({"image": "x"}, "a field called image"),
        ({"box": "x"}, "a field called box"),
    ],
)
def test_screenspot_names_the_row_that_is_malformed(changed: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = files.screenspot(tmp_path) / "screenspot_web.json"
    (row, _) = json.loads(path.read_text())
    with pytest.raises(InputError, match=rf"screenspot_web\.json: row 1: .*{says}"):
        layout("screenspot", files.write(path, [{**row, **changed}]))


def test_screenspot_refuses_a_split_that_the_file_is_not_of(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with 'desktop' in its name"):
        layout("screenspot", files.screenspot(tmp_path) / "screenspot_web.json", split="desktop")


@pytest.mark.parametrize("make", [files.screenspot, files.screenspot_pro])
def test_screenspot_has_instructions_as_captions(make: Callable[[Path], Path], tmp_path: Path) -> None:
    found = layout("screenspot", make(tmp_path))
    extras = [extra for picture in found.extras.values() for extra in picture.objects.values()]
    assert len(extras) == 2
    assert found.pictures == str(tmp_path / "images")
    if make is files.screenspot:
        assert objects(found) == [("icon", [1, 2, 9, 7]), ("text", [20, 2, 9, 7])]
        assert [extra.caption for extra in extras] == ["close the window", "view the cart"]
        assert extras[0].attributes["data_source"] == "shop"
        assert layout("screenspot", tmp_path / "screenspot_web.json", split="web").extras == found.extras
    else:
        assert objects(found) == [("icon", [1, 2, 8, 5])] * 2
        assert extras[1].caption == "select in word_macos"
        assert (extras[1].attributes["group"], extras[1].attributes["instruction_cn"]) == ("CAD", "选择")
        assert len(layout("screenspot", tmp_path, split="blender").extras) == 1
        with pytest.raises(InputError, match="no ScreenSpot JSON"):
            layout("screenspot", tmp_path, split="excel")


def test_refspatial_joins_rows_of_one_picture(tmp_path: Path) -> None:
    found = layout("refspatial", files.refspatial(tmp_path))
    name = "location-00000-of-00001.parquet"
    assert [image["file_name"] for image in content(found)["images"]] == [f"{name}#0/image", f"{name}#2/image"]
    assert [text for text, _ in found.extras[f"{name}#0/image"].expressions] == [
        f"the cup {number} on the left of the plate" for number in range(2)
    ]
    masks = [item["segmentation"] for item in content(found)["annotations"]]
    assert masks == [files.rle(x, 4, x + 10, 14) for x in (2, 20, 8)]
    rows = pq.read_table(tmp_path / name).to_pylist()
    rows[1]["mask"]["bytes"] = b"no picture"
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    with pytest.raises(InputError, match="row 1: its mask is no picture that can be read"):
        layout("refspatial", tmp_path)
    (tmp_path / name).write_bytes(b"PAR1")
    with pytest.raises(InputError, match="not a parquet file"):
        layout("refspatial", tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4) | st.just([1, 2, 3, 4]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("image_name", "candidate_boxes", "answer_boxes", "referring", "image_path", "gt", "categories"),
                    *("img_filename", "bbox", "img_size", "instruction", "images", "annotations", "text", "neg_text"),
                ]
            ),
            inner,
        )
    ),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=4), st.sampled_from(["humanref", "rexomni-eval", "screenspot", "ovdeval"]))
def test_anything_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, value: list[Any], name: str
) -> None:
    suffix = ".json" if name in ("screenspot", "ovdeval") else ".jsonl"
    path = files.write(tmp_path_factory.mktemp("any") / f"rows{suffix}", value)
    try:
        message = "" if json.loads(layout(name, path).form) else "no form"
    except InputError as refusal:
        message = str(refusal)
    assert message != "no form"
    assert "\n" not in message
