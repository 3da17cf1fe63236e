from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pe.annotators.annotation_files import AnnotationFile
from pe.annotators.load_annotations import load_annotations
from pe.errors import InputError


def coco(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}, {"id": 3, "name": "cow"}],
        "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}],
    }
    return {**content, **changes}


def write(path: Path, content: Any) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def names(file: AnnotationFile, source: str) -> list[str]:
    return [image.name for image in file.find(source)]


def with_images(tmp_path: Path, *files: str) -> AnnotationFile:
    images = [{"id": index, "file_name": name, "width": 4, "height": 3} for index, name in enumerate(files)]
    return load_annotations(write(tmp_path / f"{abs(hash(files))}.json", coco(images=images, annotations=[])))


def test_coco128_has_all_its_objects(shared: Path) -> None:
    folder = shared / "photos" / "coco128"
    file = load_annotations(str(folder / "instances.json"))
    truth = json.loads((folder / "instances.json").read_text())
    assert len(file.images) == 128
    objects = [annotation for image in file.images for annotation in image.annotations]
    assert len(objects) == len(truth["annotations"]) == 939
    assert sum(annotation.crowd for annotation in objects) == 10
    assert {annotation.id for annotation in objects} == {str(item["id"]) for item in truth["annotations"]}
    for path in (folder / "images").iterdir():
        (image,) = file.find(path.name)
        assert image.name == path.name
        present = {annotation.category for annotation in image.annotations}
        assert set(file.negatives(image)) == set(file.categories) - present
    assert file.license == ""


def test_lvis_negatives_are_those_it_verified(shared: Path) -> None:
    path = shared / "photos" / "lvis_val_100" / "instances_lvis.json"
    file = load_annotations(str(path))
    truth = json.loads(path.read_text())
    by_id = {category["id"]: category["name"] for category in truth["categories"]}
    record = next(image for image in truth["images"] if image["id"] == 266409)
    (image,) = file.find("val2017/000000266409.jpg")  # the name in coco_url; file_name is another
    assert file.find("COCO_val2014_000000266409.jpg") == [image]
    assert file.negatives(image) == [by_id[key] for key in record["neg_category_ids"]]
    assert sum(len(image.annotations) for image in file.images) == 977


def test_a_file_is_parsed_once_until_it_changes(tmp_path: Path) -> None:
    path = Path(write(tmp_path / "a.json", coco()))
    first = load_annotations(str(path))
    assert load_annotations(f"{tmp_path}/../{tmp_path.name}/a.json") is first
    path.write_text(json.dumps(coco(annotations=[])))
    os.utime(path, ns=(1, 1))
    assert load_annotations(str(path)) is not first


def test_paths_agree_as_far_as_both_go(tmp_path: Path) -> None:
    file = with_images(tmp_path, "train/1.jpg", "val/1.jpg", "val/2.png", "val/sub/2.png")
    assert names(file, "train/1.jpg") == ["train/1.jpg"]
    assert names(file, "images/val/1.jpg") == ["val/1.jpg"]
    assert names(file, "1.jpg") == ["train/1.jpg", "val/1.jpg"]
    assert names(file, "test/1.jpg") == []
    assert names(file, "val/2.jpg") == ["val/2.png"]
    assert names(file, "other/3.jpg") == []


def test_the_only_folder_of_a_file_does_not_matter(tmp_path: Path) -> None:
    file = with_images(tmp_path, "train2017\\000000000009.jpg", "train2017\\x.y.jpg")
    for source in ("photos/000000000009.jpg", "000000000009.webp", "00003.tar#000000000009.jpg"):
        assert len(file.find(source)) == 1, source
    assert names(file, "a.parquet#3") == []
    assert names(file, "x.jpg") == []
    assert len(file.find("x.y.png")) == 1


def test_coco_ids_in_twelve_digits(tmp_path: Path) -> None:
    names_of = {42: "train2017/000000000042.jpg", 43: "val2017/COCO_val2014_000000000043.jpg", 7: "zzz.jpg"}
    images = [{"id": number, "file_name": name, "width": 4, "height": 3} for number, name in names_of.items()]
    content = coco(images=[*images, {"id": 1, "file_name": "val2017/000000000008.jpg"}], annotations=[])
    file = load_annotations(write(tmp_path / "a.json", content))
    assert names(file, "COCO_val2014_000000000042.jpg") == names(file, "photos/000000000042.jpg") == [names_of[42]]
    assert names(file, "000000000043.jpg") == [names_of[43]]
    assert names(file, "frame_42.jpg") == []
    # An id is COCO's only where the name says so too.
    assert names(file, "000000000007.jpg") == names(file, "000000000001.jpg") == []
    assert names(file, "COCO_val2014_000000000008.jpg") == []


def test_ids_that_were_counted_off_find_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"image": "a/000000000001.jpg", "sent": "cup", "bbox": [1, 2, 3, 4]}\n{"image": "b/2.jpg"}')
    file = load_annotations(str(path))
    assert names(file, "a/000000000001.jpg") == ["a/000000000001.jpg"]
    assert names(file, "c/000000000001.jpg") == names(file, "000000000002.jpg") == []


def test_sources_that_mean_one_picture(tmp_path: Path) -> None:
    def claims(file: AnnotationFile, *sources: str) -> list[tuple[str, list[str], list[str]]]:
        return [(image.name, best, worse) for image, best, worse in file.claims(sources)]

    bare = with_images(tmp_path, "1.jpg", "2.jpg")
    assert claims(bare, "train/1.jpg", "val/1.jpg", "3.jpg") == [("1.jpg", ["train/1.jpg", "val/1.jpg"], [])]
    assert claims(bare, "1.jpg", "masks/1.jpg", "masks/1.png") == [("1.jpg", ["1.jpg"], ["masks/1.jpg", "masks/1.png"])]
    # One has the suffix, the other the folder: neither is the better one.
    deep = with_images(tmp_path, "val/1.jpg", "val/2.jpg")
    assert claims(deep, "1.png", "train/1.jpg") == [("val/1.jpg", ["1.png", "train/1.jpg"], [])]
    # The file's folder is there, so train/2.jpg is not its 2.jpg, which is missing.
    assert claims(deep, "train/1.jpg", "val/1.jpg", "train/2.jpg") == [
        ("val/1.jpg", ["val/1.jpg"], ["train/1.jpg"]),
        ("val/2.jpg", [], ["train/2.jpg"]),
    ]
    assert claims(deep, "photos/1.jpg", "photos.tar#2.jpg") == [
        ("val/1.jpg", ["photos/1.jpg"], []),
        ("val/2.jpg", ["photos.tar#2.jpg"], []),
    ]


def test_one_licence_is_the_licence(tmp_path: Path) -> None:
    one = write(tmp_path / "one.json", coco(licenses=[{"id": 1, "name": "CC BY 4.0"}]))
    assert load_annotations(one).license == "CC BY 4.0"
    two = write(tmp_path / "two.json", coco(licenses=[{"id": 1, "name": "A"}, {"id": 2, "name": "B"}]))
    assert load_annotations(two).license == ""


def test_boxes_come_from_the_segmentation_where_there_is_no_bbox(tmp_path: Path) -> None:
    square = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[2, 3, 9, 3, 9, 8, 2, 8], [1, 1, 2, 2]]}
    runs = {"size": [30, 40], "counts": [30 * 10 + 5, 4, 26, 4, 1200 - 339]}
    rle = {"id": 2, "image_id": 1, "category_id": 2, "segmentation": runs}
    file = load_annotations(write(tmp_path / "a.json", coco(annotations=[square, rle])))
    boxes = [annotation.box for annotation in file.images[0].annotations]
    assert boxes == [(2, 3, 9, 8), (10, 5, 12, 9)]


def changed(**values: Any) -> dict[str, Any]:
    return coco(annotations=[{**coco()["annotations"][0], **values}])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"not JSON at line 1 column 1"),
        ('{"images": [\n  oops]}', r"not JSON at line 2 column 3"),
        ("[" * 100_000, r"not rows of JSON"),
        ('{"a": ' * 100_000, r"not JSON"),
        ("[]", r"no rows"),
        ("1", r"top level is not an object"),
        ({"images": [], "annotations": []}, r"no list of categories"),
        (coco(categories=[{"id": 1}]), r"categories\[0\] has no name"),
        (coco(categories=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]), r"categories\[1\] id 1 is used twice"),
        (coco(images=[{"id": 1}]), r"images\[0\] has no file_name"),
        (coco(images=["a.jpg"]), r"images\[0\] is not an object"),
        (coco(images=[{"id": 1, "file_name": "a", "width": 4.5}]), r"images\[0\] width must be a whole number"),
        (coco(images=coco()["images"] * 2), r"images\[1\] id 1 is used twice"),
        (coco(images=[{"id": 1, "file_name": "a", "neg_category_ids": [9]}]), r"images\[0\] neg_category_ids"),
        (coco(images=[{"id": 1, "file_name": "a", "not_exhaustive_category_ids": 2}]), r"images\[0\] not_exhaustive_c"),
        (coco(annotations=coco()["annotations"] * 2), r"annotations\[1\] \(id 5\) the id is used twice in image 1"),
        (changed(image_id=7), r"annotations\[0\] \(id 5\) image_id 7 is not among the images"),
        (changed(image_id=None), r"annotations\[0\] \(id 5\) has no image_id"),
        (changed(category_id=[]), r"annotations\[0\] \(id 5\) category_id must be a number"),
        (changed(category_id=9), r"annotations\[0\] \(id 5\) category_id 9 is not among the categories"),
        (changed(bbox=[1, 2, 3]), r"annotations\[0\] \(id 5\) bbox must be four numbers"),
        (changed(bbox=[1, 2, float("nan"), 4]), r"\(id 5\) bbox must be four numbers"),
        (changed(bbox=None), r"\(id 5\) has neither bbox nor segmentation"),
        (changed(segmentation=[[1, 2, 3]]), r"\(id 5\) segmentation has a polygon that is not x, y pairs"),
        (changed(segmentation=[[1, 2, 3, 4, 5, 1e9]]), r"\(id 5\) segmentation has a polygon"),
        (changed(segmentation=[["a", 2]]), r"\(id 5\) segmentation must be a list"),
        (changed(segmentation={"size": [30, 41], "counts": "x"}), r"\(id 5\) RLE size is \[30, 41\]"),
        (changed(segmentation={"size": [30, 40], "counts": [600, 599]}), r"\(id 5\) RLE counts do not add up to 1200"),
        (changed(segmentation={"size": [30, 40], "counts": None}), r"\(id 5\) RLE counts do not add up"),
    ],
)
def test_malformed_coco_is_one_line_with_the_place(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_annotations(write(tmp_path / "a.json", content))
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "a.json") in str(caught.value)


def test_an_absent_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such annotation file"):
        load_annotations(str(tmp_path / "a.json"))


def yolo(tmp_path: Path, text: str, config: str = "train: images/train\nnames: [cat, no, dog]\n") -> Path:
    labels = tmp_path / "labels" / "train"
    labels.mkdir(parents=True, exist_ok=True)
    (labels / "a.txt").write_text(text)
    (tmp_path / "data.yaml").write_text(config)
    return tmp_path / "data.yaml"


def test_yolo_boxes_and_polygons(tmp_path: Path) -> None:
    path = yolo(tmp_path, "0 0.5 0.5 0.2 0.4\n\n1 0.1 0.2 0.3 0.2 0.3 0.6\n")
    (tmp_path / "labels" / "train" / "empty.txt").touch()
    for word in (path, tmp_path):
        file = load_annotations(str(word))
        assert file.categories == ["cat", "no", "dog"]
        (image,) = file.find("images/train/a.jpg")
        assert file.find("a.png") == file.find("train/a.jpg") == [image]
        assert image.fractions
        box, polygon = image.annotations
        assert (box.category, box.id, box.segmentation) == ("cat", "1", None)
        assert box.box == pytest.approx((0.4, 0.3, 0.6, 0.7))
        assert (polygon.category, polygon.id, polygon.box) == ("no", "3", (0.1, 0.2, 0.3, 0.6))
        assert file.negatives(image) == ["dog"]
        (empty,) = file.find("images/train/empty.jpg")
        assert file.negatives(empty) == ["cat", "no", "dog"]
        assert file.find("images/train/unlabelled.jpg") == []


def test_yolo_labels_folder_without_and_with_names(tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "a.txt").write_text("2 0.5 0.5 0.2 0.4\n")
    file = load_annotations(str(labels))
    assert file.categories == ["0", "1", "2"]
    assert file.find("a.jpg")[0].annotations[0].category == "2"
    (tmp_path / "classes.txt").write_text("x\ny\nz\n")
    named = load_annotations(str(tmp_path))
    assert named.find("a.jpg")[0].annotations[0].category == "z"
    assert named.sha256 != file.sha256


def test_yolo_lists_and_moved_folders(tmp_path: Path) -> None:
    path = yolo(tmp_path, "0 0.5 0.5 0.2 0.4\n", "path: .\ntrain: train.txt\nnames: {0: cat}\n")
    (tmp_path / "train.txt").write_text("./images/train/a.jpg\n./images/train/unlabelled.jpg\n")
    assert names(load_annotations(str(path)), "images/train/a.jpg") == ["./images/train/a"]
    path.write_text("train: ../images/train\nnames: {0: cat}\n# moved\n")
    assert len(load_annotations(str(path)).find("train/a.jpg")) == 1
    path.write_text("train: images/train\nkpt_shape: [1, 3]\nnames: {0: cat}\n")
    yolo(tmp_path, "0 0.5 0.5 0.2 0.4 0.5 0.5 2\n", path.read_text())
    assert load_annotations(str(path)).find("a.jpg")[0].annotations[0].segmentation is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 0.5 0.5 0.2\n", r"a\.txt:1: a label is CLASS X Y WIDTH HEIGHT"),
        ("0 0.5 0.5 0.2 0.4\n0 0.5 0.5 0.2 0.4 0.9\n", r"a\.txt:2: a label is CLASS"),
        ("3 0.5 0.5 0.2 0.4\n", r"a\.txt:1: class 3 is not one of the 3 classes"),
        ("-1 0.5 0.5 0.2 0.4\n", r"a\.txt:1: class -1"),
        ("nan 0.5 0.5 0.2 0.4\n", r"a\.txt:1: class nan"),
        ("inf 0.5 0.5 0.2 0.4\n", r"a\.txt:1: class inf"),
        ("0 320 240 64 48\n", r"a\.txt:1: coordinates must be fractions"),
        ("0 nan 0.5 0.2 0.4\n", r"a\.txt:1: coordinates must be fractions"),
        ("cat 0.5 0.5 0.2 0.4\n", r"a\.txt:1: not a YOLO label: 'cat 0\.5"),
        ("\x00\xff\n", r"a\.txt:1: not a YOLO label"),
    ],
)
def test_malformed_yolo_is_one_line_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_annotations(str(yolo(tmp_path, text)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("names: [a\nb: {", r"data\.yaml: not YAML at line"),
        ("- a\n", r"top level of a data\.yaml is a mapping"),
        ("train: images/train\n", r"names must be a list"),
        ("train: images/train\nnames: {0: a, 2: b}\n", r"names must be numbered 0 to 1"),
        ("train: elsewhere\nnames: [a]\n", r"no YOLO label files"),
    ],
)
def test_malformed_data_yaml_is_one_line(tmp_path: Path, config: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_annotations(str(yolo(tmp_path, "0 0.5 0.5 0.2 0.4\n", config)))
    assert "\n" not in str(caught.value)
