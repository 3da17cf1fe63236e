"""Average precision equals pycocotools' on boxes that are a little off, crowds included."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pe.evaluation.metrics.average_precision import AveragePrecision


def test_equal_to_pycocotools_on_real_annotations(shared: Path) -> None:
    path = shared / "photos/coco128/instances.json"
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
    rng = np.random.default_rng(0)
    found = []
    for item in json.loads(path.read_text())["annotations"]:
        for _ in range(int(rng.choice(3, p=(0.2, 0.6, 0.2)))):
            box = np.array(item["bbox"], float)
            box += rng.normal(size=4) * 0.12 * np.tile(box[2:], 2)
            box[2:] = np.maximum(box[2:], 1)
            label = item["category_id"] if rng.random() < 0.9 else int(rng.choice(truth.getCatIds()))
            score = round(float(rng.random()), 2)  # equal scores occur
            found.append({"image_id": item["image_id"], "category_id": label, "bbox": box.tolist(), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truth, truth.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, 2]  # thresholds, recalls, categories; all areas, 100 a picture
    compared = 0
    for k, category in enumerate(judge.params.catIds):
        ours = AveragePrecision()
        for image in judge.params.imgIds:
            here = [item for item in found if (item["image_id"], item["category_id"]) == (image, category)]
            there = truth.loadAnns(truth.getAnnIds(image, category))
            crowd = [item["iscrowd"] for item in there]
            overlaps = np.zeros((len(here), len(there)))
            if here and there:
                boxes = [np.array([item["bbox"] for item in side], float) for side in (here, there)]
                overlaps = coco.iou(*boxes, crowd)
            ours.add([item["score"] for item in here], overlaps, np.array(crowd, bool))
        expected = precision[:, :, k].mean(axis=1)
        result = ours.result()
        if result is None:
            assert (expected == -1).all()
            continue
        compared += 1
        assert result == pytest.approx(expected, abs=1e-9)
    assert compared > 60


def test_nothing_found_is_0_and_nothing_there_is_none() -> None:
    empty = AveragePrecision()
    empty.add([0.9], np.zeros((1, 0)), np.zeros(0, bool))
    assert empty.result() is None
    empty.add([], np.zeros((0, 2)), np.zeros(2, bool))
    result = empty.result()
    assert result is not None
    assert result.tolist() == [0.0] * 10
