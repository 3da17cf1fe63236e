from __future__ import annotations

import contextlib
import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime")

from pe.annotators.base import AdapterSettings, Detections
from pe.annotators.detectors.onnx import OnnxDetector
from pe.errors import InputError, ModelError
from tests.annotators.detectors.conftest import MakePicture, open_picture, write_onnx

NAMES = {"names": "{0: 'red thing', 1: 'green_thing', 2: 'blue thing'}"}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def yolox(shared: Path) -> Path:
    path = shared.parent / "models" / "yolox_nano.onnx"
    if not path.is_file():
        pytest.skip(f"no model at {path}")
    return path


def detector(path: Path, **settings: Any) -> OnnxDetector:
    return OnnxDetector(AdapterSettings(**{"model": str(path), "box_threshold": 0.25, **settings}))


def grid_boxes(count: int, box: tuple[float, float, float, float]) -> np.ndarray:
    boxes = np.zeros((count, 4), np.float32)
    boxes[:] = box
    return boxes


def colour(height: int, width: int, rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), rgb, np.uint8)


@pytest.mark.parametrize(("threshold", "least"), [(0.05, 0.49), (0.25, 0.41)])
def test_yolox_reaches_its_average_precision_on_coco128(
    shared: Path, yolox: Path, threshold: float, least: float
) -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    folder = shared / "photos" / "coco128"
    pictures = [open_picture(path) for path in sorted((folder / "images").iterdir())]
    found = detector(yolox, box_threshold=threshold, nms_threshold=0.65).detect(pictures, [[]] * len(pictures))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / "instances.json"))
        images = {image["file_name"]: key for key, image in truth.imgs.items()}
        categories = {category["name"]: key for key, category in truth.cats.items()}
        results = [
            {
                "image_id": images[picture.source],
                "category_id": categories[item.phrase],
                "bbox": [item.box[0], item.box[1], item.box[2] - item.box[0], item.box[3] - item.box[1]],
                "score": item.score,
            }
            for picture, detections in zip(pictures, found, strict=True)
            for item in detections.instances
            if item.phrase in categories
        ]
        metric = COCOeval(truth, truth.loadRes(results), "bbox")
        metric.evaluate()
        metric.accumulate()
        metric.summarize()
    assert metric.stats[1] >= least
    for picture, detections in zip(pictures, found, strict=True):
        assert [item.score for item in detections.instances] == sorted(
            (item.score for item in detections.instances), reverse=True
        )
        for item in detections.instances:
            x0, y0, x1, y1 = item.box
            assert 0 <= x0 < x1 <= picture.width
            assert 0 <= y0 < y1 <= picture.height
            assert item.score >= threshold


def test_yolox_gives_the_same_for_one_picture_and_many_and_on_any_number_of_threads(shared: Path, yolox: Path) -> None:
    paths = sorted((shared / "photos" / "coco128" / "images").iterdir())[:3]
    pictures = [open_picture(path) for path in paths]
    model = detector(yolox, batch_size=2)
    together = model.detect(pictures, [[]] * 3)
    assert together == [model.detect([picture], [[]])[0] for picture in pictures]
    for threads in (2, 3):
        assert together == detector(yolox, batch_size=2, threads=threads).detect(pictures, [[]] * 3)
    assert model.info.license == "Apache-2.0"
    assert model.info.model == "yolox-nano"
    assert len(model.info.sha256) == 64


def test_asked_phrases_select_classes_and_give_negatives(
    shared: Path, yolox: Path, caplog: pytest.LogCaptureFixture
) -> None:
    paths = sorted((shared / "photos" / "coco128" / "images").iterdir())[:12]
    pictures = [open_picture(path) for path in paths]
    model = detector(yolox)
    with caplog.at_level(logging.WARNING, logger="pe"):
        found = model.detect(pictures, [["Person", "dragon", "toilet", "person", ""]] * len(pictures))
    everything = model.detect(pictures, [[]] * len(pictures))
    assert [record.message for record in caplog.records] == ["the detector has no class for 'dragon': not looked for"]
    for some, full in zip(found, everything, strict=True):
        phrases = {item.phrase for item in some.instances}
        assert phrases <= {"Person", "toilet"}
        assert sorted([*phrases, *some.negatives]) == ["Person", "toilet"]
        full_boxes = [item.box for item in full.instances if item.phrase in ("person", "toilet")]
        assert [item.box for item in some.instances] == full_boxes
        assert len(full.negatives) + len({item.phrase for item in full.instances}) == 80
    assert any(item.phrase == "Person" for some in found for item in some.instances)
    with pytest.raises(InputError, match=r"no class is called 'persn' \(near: person"):
        model.detect(pictures[:1], [["persn", "dragon"]])


def only(found: list[Detections]) -> Detections:
    (detections,) = found
    return detections


def test_v8_layout_rgb_scale_and_centred_letterbox(tmp_path: Path, make_picture: MakePicture) -> None:
    # 84 cells of a 64 x 64 canvas; a 128 x 64 picture lies in its rows 16 to 48, at half its size.
    boxes = grid_boxes(84, (32, 32, 20, 10))
    model = detector(write_onnx(tmp_path / "m.onnx", boxes, layout="v8", metadata=NAMES), box_threshold=0.5)
    detections = only(model.detect([make_picture(colour(64, 128, (0, 255, 0)))], [[]]))
    (item,) = detections.instances
    assert item.phrase == "green_thing"
    assert item.box == pytest.approx((44, 22, 84, 42))
    # half the canvas is the picture, the other half is 114
    assert item.score == pytest.approx((1 + 114 / 255) / 2, abs=1e-5)
    assert detections.negatives == ["red thing", "blue thing"]
    assert detections.dropped == []
    only_asked = only(model.detect([make_picture(colour(64, 128, (0, 255, 0)))], [["green thing"]]))
    assert [item.phrase for item in only_asked.instances] == ["green thing"]


def test_v5_layout_multiplies_objectness(tmp_path: Path, make_picture: MakePicture) -> None:
    boxes = grid_boxes(252, (10, 20, 8, 8))
    model = detector(write_onnx(tmp_path / "m.onnx", boxes, layout="rows", metadata=NAMES), box_threshold=0.9)
    (item,) = only(model.detect([make_picture(colour(64, 64, (255, 10, 0)))], [[]])).instances
    assert (item.phrase, item.box) == ("red thing", (6, 16, 14, 24))
    assert item.score == pytest.approx(1.0)


def test_yolox_layout_is_bgr_0_to_255_top_left_and_decoded(tmp_path: Path, make_picture: MakePicture) -> None:
    # raw YOLOX numbers: offset 0.5 cells and log 2 sides at every cell
    boxes = grid_boxes(84, (0.5, 0.5, np.log(2), np.log(2)))
    model = detector(write_onnx(tmp_path / "m.onnx", boxes, layout="rows", metadata=NAMES), nms_threshold=0.99)
    found = only(model.detect([make_picture(colour(32, 64, (200, 0, 0)))], [[]])).instances
    # the channel means are B, G, R in 0..255: the picture's red is the third class
    assert {item.phrase for item in found} == {"blue thing"}
    assert found[0].score == pytest.approx((200 + 114) / 2)
    assert found[0].box == pytest.approx((0, 0, 12, 12))
    assert found[-1].box == pytest.approx((16, 16, 64, 32))


def test_yolox_exports_that_are_decoded_already_are_not_decoded_again(
    tmp_path: Path, make_picture: MakePicture
) -> None:
    centres = [(x * s + s / 2, y * s + s / 2) for s in (8, 16, 32) for y in range(64 // s) for x in range(64 // s)]
    boxes = np.array([(x, y, 6, 6) for x, y in centres], np.float32)
    model = detector(write_onnx(tmp_path / "m.onnx", boxes, layout="rows", metadata=NAMES), nms_threshold=0.99)
    found = only(model.detect([make_picture(colour(64, 64, (9, 9, 9)))], [[]])).instances
    assert found[0].box == (1, 1, 7, 7)


def test_end_to_end_layout(tmp_path: Path, make_picture: MakePicture) -> None:
    boxes = np.array([(0, 16, 10, 26), (0, 16, 10, 26), (40, 20, 90, 200), (5, 5, 5, 30)], np.float32)
    path = write_onnx(tmp_path / "m.onnx", boxes, layout="end2end", metadata=NAMES)
    detections = only(detector(path).detect([make_picture(colour(64, 128, (255, 0, 0)))], [[]]))
    assert [item.box for item in detections.instances] == [(0, 0, 20, 20), (80, 8, 128, 64)]
    assert [(item.reason, item.phrase) for item in detections.dropped] == [("degenerate", "red thing")]


@pytest.mark.parametrize("batch", ["batch", 1, 4])
def test_static_and_dynamic_batches_and_sizes(tmp_path: Path, make_picture: MakePicture, batch: int | str) -> None:
    boxes = grid_boxes(84, (32, 32, 20, 10))
    path = write_onnx(
        tmp_path / "m.onnx",
        boxes,
        layout="v8",
        batch=batch,
        size=("height", "width"),
        metadata={**NAMES, "imgsz": "[64, 64]"},
    )
    sizes = [(64, 128), (128, 64), (100, 100), (7, 640), (1, 1)]
    pictures = [make_picture(colour(*size, (0, 0, 255))) for size in sizes]
    model = detector(path, box_threshold=0.3, batch_size=3)
    together = model.detect(pictures, [[]] * 5)
    assert together == [model.detect([picture], [[]])[0] for picture in pictures]
    assert [found.instances[0].phrase for found in together] == ["blue thing"] * 5


def test_names_come_from_a_file_beside_the_model(tmp_path: Path, make_picture: MakePicture) -> None:
    path = write_onnx(tmp_path / "m.onnx", grid_boxes(84, (32, 32, 20, 10)), layout="v8")
    with pytest.raises(ModelError, match=r"3 classes and no names .* m\.txt beside it"):
        detector(path)
    (tmp_path / "m.yaml").write_text("names: {0: yes, 1: no, 2: maybe}\n")
    assert only(detector(path).detect([make_picture(colour(64, 64, (0, 255, 0)))], [[]])).instances[0].phrase == "no"
    (tmp_path / "m.txt").write_text("a\nb\n")
    with pytest.raises(ModelError, match="3 classes and 2 names were found"):
        detector(path)


def test_what_is_no_detector_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="not a model that onnxruntime can load"):
        detector(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match="no such file"):
        detector(tmp_path / "absent.onnx")
    with pytest.raises(ModelError, match=r"not a YOLOX or YOLO export: output \[1, 7, 10\]"):
        detector(write_onnx(tmp_path / "m.onnx", grid_boxes(10, (1, 1, 1, 1)), layout="v8", metadata=NAMES))
    with pytest.raises(ModelError, match="names in its metadata cannot be read"):
        detector(
            write_onnx(tmp_path / "m.onnx", grid_boxes(84, (1, 1, 1, 1)), layout="v8", metadata={"names": "__import__"})
        )
    with pytest.raises(InputError, match="--detector-model"):
        OnnxDetector(AdapterSettings())
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(ModelError, match="is a folder"):
        detector(folder)
