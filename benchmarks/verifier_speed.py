"""How fast verifiers are on one core, beside pycocotools, in one run: processor time, the least of many calls.

python benchmarks/verifier_speed.py [--seconds 1.0]

Detection: one call of `pe.verifiers.score` with one response, parsing included, after the truth is prepared.
Average precision: parsed boxes to COCO's AP, against COCOeval's evaluate, accumulate and summarize on its own index;
the values are compared. Masks: two polygons of 100 vertices at 640 x 480 to masks and their IoU.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import random
import time
from collections.abc import Callable

import numpy as np
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pe.formats import Answer, Decoded, Item
from pe.geometry.masks import mask_iou
from pe.geometry.raster import rings_to_mask
from pe.registry import load
from pe.verifiers import Call, Question, Truth, score

SIZE = (1280, 960)
COUNTS = {2: 0.15, 10: 0.3, 50: 1.0, 200: 5.0}
"""Boxes, and the goal in milliseconds for one response of as many."""

LABELS = ("cat", "red car", "person", "traffic light", "dog")


def least(work: Callable[[], object], seconds: float) -> float:
    """The least processor time of one call in milliseconds, over as many calls as there is time for."""
    best = math.inf
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        since = time.process_time()
        work()
        best = min(best, time.process_time() - since)
    return best * 1e3


def scene(count: int, rng: random.Random) -> tuple[list[Item], list[Item]]:
    """`count` objects, and an answer about them that is nearly right and has a few faults."""
    truth, answer = [], []
    for _ in range(count):
        x, y = rng.uniform(0, SIZE[0] - 160), rng.uniform(0, SIZE[1] - 160)
        box = (x, y, x + rng.uniform(20, 150), y + rng.uniform(20, 150))
        name = rng.choice(LABELS)
        truth.append(Item(name, bbox=box))
        x0, y0, x1, y1 = (value + rng.gauss(0, 3) for value in box)
        answer.append(Item(name if rng.random() < 0.95 else rng.choice(LABELS), bbox=(x0, y0, x1, y1)))
    return truth, answer


def detection(seconds: float) -> None:
    """The time of one response by the number of its boxes and its format."""
    formats = ("qwen2.5-vl", "v-triune", "rexomni")
    print(f"\ndetection, ms a response\n{'boxes':>6} {'goal':>6}", *(f"{name:>11}" for name in formats))
    for count, goal in COUNTS.items():
        truth, answer = scene(count, random.Random(count))
        gold = json.dumps([{"phrase": item.phrase, "bbox": item.bbox} for item in truth])
        times = []
        for name in formats:
            text = load("formats", name)().encode(Answer(tuple(answer), thought="I look."), SIZE)
            question = Question("detection", gold, SIZE, json.dumps({"format": name}))
            assert 0.5 < (score(question, [text])[0].score or 0) < 1
            times.append(least(lambda q=question, t=text: score(q, [t]), seconds))  # type: ignore[misc]
        print(f"{count:>6} {goal:>6}", *(f"{value:>11.3f}" for value in times), flush=True)


def average_precision(seconds: float) -> None:
    """COCO's AP of one image, here and by pycocotools."""
    print(f"\naverage precision of one image, ms\n{'boxes':>6} {'pe':>8} {'pycocotools':>12} {'times':>7} {'apart':>9}")
    kind = load("verifiers", "average-precision-compat")
    verifier = kind(kind.Parameters())
    call = Call("", SIZE)
    for count in COUNTS:
        truth, answer = scene(count, random.Random(count))
        ready = verifier.prepare(
            Truth.model_validate([{"phrase": item.phrase, "bbox": item.bbox} for item in truth]), call
        )
        decoded = Decoded(tuple(answer))
        here = least(lambda d=decoded, r=ready: verifier.judge(d, r, call), seconds)  # type: ignore[misc]
        names = sorted({item.phrase for item in truth})
        gold, found = index(truth, answer, names)
        there = least(lambda g=gold, f=found: coco_ap(g, f), seconds)  # type: ignore[misc]
        apart = abs(verifier.judge(decoded, ready, call)["accuracy"] - coco_ap(gold, found))
        print(f"{count:>6} {here:>8.3f} {there:>12.3f} {there / here:>7.0f} {apart:>9.1e}", flush=True)


def index(truth: list[Item], answer: list[Item], names: list[str]) -> tuple[COCO, COCO]:
    """pycocotools' own index of the truth and of the answer."""

    def row(item: Item) -> dict[str, object]:
        x0, y0, x1, y1 = item.bbox or (0, 0, 0, 0)
        box, area = [x0, y0, x1 - x0, y1 - y0], (x1 - x0) * (y1 - y0)
        return {"image_id": 1, "category_id": names.index(item.phrase) + 1, "bbox": box, "area": area, "iscrowd": 0}

    with contextlib.redirect_stdout(io.StringIO()):
        gold = COCO()
        gold.dataset = {
            "images": [{"id": 1}],
            "categories": [{"id": number} for number, _ in enumerate(names, 1)],
            "annotations": [{**row(item), "id": number} for number, item in enumerate(truth, 1)],
        }
        gold.createIndex()
        return gold, gold.loadRes([{**row(item), "score": 1.0} for item in answer if item.phrase in names])


def coco_ap(gold: COCO, found: COCO) -> float:
    """COCOeval's AP."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(gold, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def masks(seconds: float) -> None:
    """The IoU of two polygons of 100 vertices."""

    def polygon(x: float, y: float) -> list[float]:
        turns = np.linspace(0, 2 * np.pi, 100, endpoint=False)
        away = 150 + 20 * np.sin(7 * turns)
        return np.stack([x + away * np.cos(turns), y + away * np.sin(turns)], axis=1).ravel().tolist()

    first, second = polygon(300, 240), polygon(330, 250)

    def here() -> float:
        return mask_iou(rings_to_mask([first], 480, 640), rings_to_mask([second], 480, 640))

    def there() -> float:
        left, right = (coco_mask.merge(coco_mask.frPyObjects([ring], 480, 640)) for ring in (first, second))
        return float(coco_mask.iou([left], [right], [0])[0, 0])

    assert abs(here() - there()) < 0.02  # COCO's rasteriser has another rule for borders
    print("\nmask IoU of two polygons of 100 vertices at 640 x 480, ms (goal 0.3)")
    print(f"pe {least(here, seconds):.3f}, pycocotools {least(there, seconds):.3f}", flush=True)


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=1.0)
    seconds = parser.parse_args().seconds
    detection(seconds)
    average_precision(seconds)
    masks(seconds)


if __name__ == "__main__":
    main()
