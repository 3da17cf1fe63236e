"""Average precision equals pycocotools' on boxes that are a little off, crowds included, and figures by hand."""

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

from pe.evaluation.metrics._average_precision import MOST, AveragePrecision


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


def test_by_hand() -> None:
    """Hit, miss, hit of three truths: precision 1 up to recall 1/3, 2/3 up to 2/3, then nothing."""
    gathered = AveragePrecision()
    gathered.add([0.9, 0.7, 0.5], [[0.8, 0.0], [0.0, 0.3], [0.0, 0.62]], [False, False])
    gathered.add([], np.zeros((0, 1)), [False])
    result = gathered.result()
    assert result is not None
    assert result[0] == pytest.approx((34 * 1 + 33 * 2 / 3) / 101)
    assert result[5] == pytest.approx(34 / 101)
    assert result[9] == 0.0


def test_a_crowd_is_no_truth_and_costs_nothing() -> None:
    gathered = AveragePrecision()
    gathered.add([0.5, 0.9, 0.8], [[0.9, 0.1], [0.1, 0.9], [0.0, 0.95]], [False, True])
    assert gathered.truths == 1
    assert gathered.result() == pytest.approx(np.append(np.ones(9), 0.0))


def test_only_the_best_hundred_of_a_picture_count() -> None:
    gathered = AveragePrecision()
    overlaps = np.zeros((MOST + 1, 1))
    overlaps[-1] = 1.0
    gathered.add(np.linspace(1, 0.5, MOST + 1), overlaps, [False])
    assert gathered.result() == pytest.approx(np.zeros(10))


def test_without_truth_there_is_none() -> None:
    gathered = AveragePrecision()
    gathered.add([0.5], np.zeros((1, 0)), [])
    assert gathered.result() is None
    gathered.add([], np.zeros((0, 1)), [False])
    assert gathered.result() == pytest.approx(np.zeros(10))
