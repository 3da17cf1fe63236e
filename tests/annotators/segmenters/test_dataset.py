from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from pe.annotators.base import AdapterSettings, Instance
from pe.annotators.detectors.dataset import DatasetDetector
from pe.annotators.segmenters.dataset import DatasetSegmenter
from pe.errors import InputError
from pe.shards.pictures import Picture


def picture(width: int, height: int, source: str = "a.png") -> Picture:
    return Picture(Image.new("RGB", (width, height)), b"", "PNG", width, height, "", source, "")


def segmenter(path: Path) -> DatasetSegmenter:
    return DatasetSegmenter(AdapterSettings(annotations=str(path)))


def instances(*refs: str) -> list[Instance]:
    return [Instance("cat", 1.0, (0, 0, 1, 1), ref) for ref in refs]


def test_masks_of_coco128_are_cocos_own(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shared / "photos" / "coco128" / "instances.json"
    truth = COCO(str(path))
    capsys.readouterr()
    settings = AdapterSettings(annotations=str(path))
    boxes, masks = DatasetDetector(settings), DatasetSegmenter(settings)
    pictures = [picture(image["width"], image["height"], image["file_name"]) for image in truth.imgs.values()]
    found = boxes.detect(pictures, [[]] * len(pictures))
    with ThreadPoolExecutor(3) as pool:
        segments = list(pool.map(masks.segment, pictures, [item.instances for item in found]))
    compared = 0
    for detections, group in zip(found, segments, strict=True):
        for instance, segment in zip(detections.instances, group, strict=True):
            assert segment.mask is not None
            assert segment.mask.dtype == np.bool_
            assert np.array_equal(segment.mask, truth.annToMask(truth.anns[int(instance.ref)]).astype(bool))
            compared += 1
    assert compared == 929
    assert masks.info == boxes.info


def test_every_kind_of_segmentation_and_what_is_missing(tmp_path: Path) -> None:
    def object_(number: int, segmentation: Any) -> dict[str, Any]:
        box = [0, 0, 2, 2]
        return {"id": number, "image_id": 1, "category_id": 1, "bbox": box, "segmentation": segmentation}

    mask = np.zeros((6, 8), bool)
    mask[1:3, 2:5] = True
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 6}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            object_(1, [[2, 1, 5, 1, 5, 3, 2, 3]]),
            object_(2, {"size": [6, 8], "counts": runs}),
            object_(3, [[0, 0, 1, 1]]),
            object_(4, []),
            object_(5, {"size": [6, 8], "counts": [48]}),
            object_(6, {"size": [6, 8], "counts": "0"}),
            object_(7, {"size": [6, 8], "counts": "zzz"}),
            object_(8, [[0, 0, 0, 1, 1, 1], [2, 1, 5, 1, 5, 3, 2, 3]]),
        ],
    }
    path = tmp_path / "file.json"
    path.write_text(json.dumps(content))
    segments = list(segmenter(path).segment(picture(8, 6), instances(*"12345678", "9")))
    assert np.array_equal(segments[0].mask, mask)
    assert np.array_equal(segments[1].mask, mask)
    reasons = [segment.reason for segment in segments]
    assert reasons == ["", "", "no_mask", "no_mask", "empty_mask", "bad_mask", "bad_mask", "", "no_mask"]
    assert segments[7].mask is not None
    assert segments[7].mask[1:3, 2:5].all()


def test_yolo_polygons_are_scaled_to_the_picture(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 0.25 0.5 0.75 0.5 0.75 1.0 0.25 1.0\n0 0.5 0.5 0.5 0.5\n")
    first, second = segmenter(tmp_path).segment(picture(8, 6), instances("1", "2"))
    wanted = np.zeros((6, 8), bool)
    wanted[3:6, 2:6] = True
    assert np.array_equal(first.mask, wanted)
    assert (second.mask, second.reason) == (None, "no_mask")


def test_boxes_of_another_detector_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    with pytest.raises(InputError, match="needs detector dataset"):
        list(segmenter(tmp_path).segment(picture(8, 6), instances("")))
    with pytest.raises(InputError, match="--annotations"):
        DatasetSegmenter(AdapterSettings())
