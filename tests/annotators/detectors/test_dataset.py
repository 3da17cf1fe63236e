from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pe.annotators.base import AdapterSettings, Detections
from pe.annotators.detectors.dataset import DatasetDetector
from pe.errors import InputError, SampleError
from tests.annotators.detectors.conftest import MakePicture, open_picture


def detector(path: Path) -> DatasetDetector:
    return DatasetDetector(AdapterSettings(annotations=str(path)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    def object_(number: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
        return {"id": number, "image_id": 1, "category_id": category, "bbox": box, **more}

    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "categories": [{"id": n, "name": name} for n, name in enumerate(("cat", "dog", "cow", "fire_hydrant"))],
        "annotations": [
            object_(1, 0, [1.5, 2, 3, 4]),
            object_(2, 0, [1.5, 2, 3, 4]),
            object_(3, 0, [-5, 20, 100, 100]),
            object_(4, 1, [0, 0, 9, 9], iscrowd=1),
            object_(5, 2, [10, 10, 0, 5]),
            object_(6, 3, [50, 10, 5, 5]),
        ],
    }
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    return path


def picture_of(make_picture: MakePicture, source: str = "a.png", width: int = 40) -> Any:
    return make_picture(np.zeros((30, width, 3), np.uint8), source)


def test_every_annotation_is_an_instance_or_dropped_by_name(file: Path, make_picture: MakePicture) -> None:
    (found,) = detector(file).detect([picture_of(make_picture)], [[]])
    assert [(item.ref, item.phrase, item.score, item.box) for item in found.instances] == [
        ("1", "cat", 1.0, (1.5, 2, 4.5, 6)),
        ("2", "cat", 1.0, (1.5, 2, 4.5, 6)),
        ("3", "cat", 1.0, (0, 20, 40, 30)),
    ]
    assert [(item.phrase, item.reason) for item in found.dropped] == [
        ("dog", "crowd"),
        ("cow", "degenerate"),
        ("fire_hydrant", "degenerate"),
    ]
    # a crowd of dogs means that there are dogs, and a box without area that there is a cow
    assert found.negatives == []


def test_phrases_select_and_are_reported_as_asked(file: Path, make_picture: MakePicture) -> None:
    model = detector(file)
    (found,) = model.detect([picture_of(make_picture)], [["Fire Hydrant", "cat", "cat"]])
    assert {item.phrase for item in found.instances} == {"cat"}
    assert [item.phrase for item in found.dropped] == ["Fire Hydrant"]
    with pytest.raises(InputError, match=r"no category is called 'caat' \(near: cat"):
        model.detect([picture_of(make_picture)], [["cat", "caat"]])


def test_pictures_outside_the_file_are_refused(file: Path, make_picture: MakePicture) -> None:
    model = detector(file)
    assert model.refuse(picture_of(make_picture)) is None
    refusal = model.refuse(picture_of(make_picture, "b.png"))
    assert refusal == ("not_annotated", "the annotation file has no picture b.png")
    turned = picture_of(make_picture, width=50)
    assert model.refuse(turned) == ("annotation_size", "the annotation file says 40x30, the picture is 50x30")
    with pytest.raises(SampleError, match="annotation_size"):
        model.detect([turned], [[]])


def test_several_pictures_of_one_name_are_refused(tmp_path: Path, make_picture: MakePicture) -> None:
    images = [{"id": n, "file_name": f"{n}/a.png", "width": 40, "height": 30} for n in range(2)]
    (tmp_path / "file.json").write_text(json.dumps({"images": images, "categories": [], "annotations": []}))
    refusal = detector(tmp_path / "file.json").refuse(picture_of(make_picture))
    assert refusal == ("not_annotated", "a.png can be 2 pictures of the annotation file: 0/a.png, 1/a.png")


def test_no_annotation_file_is_one_line() -> None:
    with pytest.raises(InputError, match="--annotations"):
        DatasetDetector(AdapterSettings())


def test_counts_of_coco128(shared: Path) -> None:
    folder = shared / "photos" / "coco128"
    model = detector(folder / "instances.json")
    pictures = [open_picture(path) for path in sorted((folder / "images").iterdir())]
    assert [model.refuse(picture) for picture in pictures] == [None] * 128
    found: list[Detections] = model.detect(pictures, [[]] * 128)
    assert sum(len(item.instances) for item in found) == 929
    assert sum(len(item.dropped) for item in found) == 10
    assert {item.reason for detections in found for item in detections.dropped} == {"crowd"}
    truth = {str(item["id"]): item for item in json.loads((folder / "instances.json").read_text())["annotations"]}
    for picture, detections in zip(pictures, found, strict=True):
        for item in detections.instances:
            x, y, width, height = truth[item.ref]["bbox"]
            wanted = (x, y, min(x + width, picture.width), min(y + height, picture.height))
            assert item.box == pytest.approx(wanted, abs=1e-9)
    assert model.info.model == "instances.json"
    assert len(model.info.sha256) == 64


def test_lvis_negatives_are_only_the_verified_ones(shared: Path, make_picture: MakePicture) -> None:
    model = detector(shared / "photos" / "lvis_val_100" / "instances_lvis.json")
    picture = make_picture(np.zeros((480, 640, 3), np.uint8), "val2017/000000266409.jpg")
    (found,) = model.detect([picture], [[]])
    assert len(found.negatives) == 7
    (asked,) = model.detect([picture], [[found.negatives[0], "acorn"]])
    assert asked.negatives == [found.negatives[0]]


def test_yolo_fractions_become_pixels(tmp_path: Path, make_picture: MakePicture) -> None:
    (tmp_path / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n0 0.0 0.0 0.5 0.0 0.5 1.0\n")
    (found,) = detector(tmp_path).detect([picture_of(make_picture)], [[]])
    assert [(item.phrase, item.box) for item in found.instances] == [
        ("1", (10, 7.5, 30, 22.5)),
        ("0", (0, 0, 20, 30)),
    ]
