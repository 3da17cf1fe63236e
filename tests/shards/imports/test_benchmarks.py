"""What each benchmark's layout finds in files of the published form, and what it refuses."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.errors import InputError
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


def test_d3_opens_no_pickle(tmp_path: Path) -> None:
    (tmp_path / "images.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(InputError, match=r"images\.pkl: a pickle"):
        layout("d3", tmp_path)


def test_ovdeval_takes_hard_negatives_of_the_picture_alone(tmp_path: Path) -> None:
    found = layout("ovdeval", files.ovdeval(tmp_path))
    assert absent(found) == {"64d2.jpg": ["computer with screen on"]}
    assert found.pictures == str(tmp_path / "images/negation")
    assert layout("ovdeval", tmp_path, split="negation").annotations == found.annotations
    path = files.write(tmp_path / "x.json", {**content(found), "images": [{"id": 0, "file_name": "a", "text": ["?"]}]})
    with pytest.raises(InputError, match=r"images\[0\]: its text"):
        layout("ovdeval", path)


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
    (tmp_path / "annotations/0000002_b.txt").write_text("1,2,3\n")
    with pytest.raises(InputError, match=r"0000002_b\.txt:1: not VisDrone"):
        layout("visdrone", tmp_path)
    (tmp_path / "annotations/0000002_b.txt").write_text("1,2,3,4,1,99,0,0\n")
    with pytest.raises(InputError, match="not VisDrone"):
        layout("visdrone", tmp_path)


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
