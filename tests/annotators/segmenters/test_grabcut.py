from __future__ import annotations

import contextlib
import io
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools.coco import COCO

from pe.annotators.base import AdapterSettings, Box, Instance
from pe.annotators.segmenters.grabcut import GrabCut
from pe.shards.pictures import Picture


def picture(pixels: npt.NDArray[Any]) -> Picture:
    height, width = pixels.shape[:2]
    return Picture(Image.fromarray(pixels), b"", "PNG", width, height, "", "", "")


def masks(pixels: npt.NDArray[Any], *boxes: Box) -> list[npt.NDArray[np.bool_] | None]:
    segmenter = GrabCut(AdapterSettings())
    return [part.mask for part in segmenter.segment(picture(pixels), [Instance("thing", 1.0, box) for box in boxes])]


def noise(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_finds_a_coloured_cross() -> None:
    pixels = np.full((200, 300, 3), (40, 90, 40), np.uint8)
    truth = np.zeros((200, 300), bool)
    truth[40:160, 120:180] = truth[70:130, 90:210] = True
    pixels[truth] = (220, 40, 30)
    pixels = pixels + noise(200, 300) // 8
    (mask,) = masks(pixels, (90, 40, 210, 160))
    assert mask is not None
    assert mask.shape == (200, 300)
    assert mask.dtype == bool
    assert (mask & truth).sum() / (mask | truth).sum() > 0.95


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 5), (64, 64), (300, 7)])
def test_box_over_the_whole_picture(size: tuple[int, int]) -> None:
    for pixels in (noise(*size), np.zeros((*size, 3), np.uint8)):
        (mask,) = masks(pixels, (0, 0, size[1], size[0]))
        assert mask is not None
        assert mask.mean() > 0.4


@given(
    st.floats(0, 59.9), st.floats(0, 39.9), st.floats(0.01, 60), st.floats(0.01, 40), st.sampled_from(["flat", "noise"])
)
@settings(max_examples=60, deadline=None)
def test_any_box_gives_a_mask_in_the_pixels_it_touches(x: float, y: float, w: float, h: float, kind: str) -> None:
    pixels = noise(40, 60) if kind == "noise" else np.full((40, 60, 3), 7, np.uint8)
    box = (x, y, min(x + w, 60), min(y + h, 40))
    (mask,) = masks(pixels, box)
    assert mask is not None
    ys, xs = np.nonzero(mask)
    assert xs.min() >= int(box[0])
    assert ys.min() >= int(box[1])
    assert xs.max() < np.ceil(box[2])
    assert ys.max() < np.ceil(box[3])


def test_box_outside_the_picture_is_an_empty_mask() -> None:
    (part,) = GrabCut(AdapterSettings()).segment(picture(noise(20, 20)), [Instance("thing", 1.0, (30, 30, 40, 40))])
    assert (part.mask, part.reason) == (None, "empty_mask")


def test_two_threads_in_any_order_give_the_same_masks() -> None:
    pixels = cv2.GaussianBlur(noise(160, 220), (0, 0), 4)
    boxes: list[Box] = [(10 * i, 8 * i, 10 * i + 70, 8 * i + 60) for i in range(10)]
    alone = masks(pixels, *boxes)
    found: dict[str, list[npt.NDArray[np.bool_] | None]] = {}

    def work(name: str, order: list[int], rolls: int) -> None:
        found[name] = [None] * len(boxes)
        for index in order:
            cv2.randu(np.zeros(rolls), np.zeros(1), np.ones(1))  # someone else uses OpenCV's generator in between
            (found[name][index],) = masks(pixels, boxes[index])

    jobs = [("up", list(range(10)), 3), ("down", list(reversed(range(10))), 5)]
    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in found:
        for one, other in zip(alone, found[name], strict=True):
            np.testing.assert_array_equal(one, other)


def test_mean_iou_on_photos_from_true_boxes(shared: Path) -> None:
    root = shared / "photos" / "coco128"
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(root / "instances.json"))
    scores: list[float] = []
    ellipses: list[float] = []
    began = time.process_time()
    for image in [coco.imgs[key] for key in sorted(coco.imgs)][::8]:
        pixels = np.asarray(Image.open(root / "images" / image["file_name"]).convert("RGB"))
        shapes = [item for item in coco.imgToAnns[image["id"]] if not item["iscrowd"]]
        boxes = [(x, y, x + w, y + h) for x, y, w, h in (shape["bbox"] for shape in shapes)]
        for shape, box, mask in zip(shapes, boxes, masks(pixels, *boxes), strict=True):
            truth = coco.annToMask(shape).astype(bool)
            assert mask is not None
            scores.append((mask & truth).sum() / (mask | truth).sum())
            plain = np.zeros(truth.shape, np.uint8)
            center = int(8 * (box[0] + box[2])), int(8 * (box[1] + box[3]))
            axes = int(8 * (box[2] - box[0])), int(8 * (box[3] - box[1]))
            cv2.ellipse(plain, center, axes, 0, 0, 360, 1, -1, shift=4)
            ellipses.append(((plain > 0) & truth).sum() / ((plain > 0) | truth).sum())
    spent = 1e3 * (time.process_time() - began) / len(scores)
    print(f"{len(scores)} masks, mean IoU {np.mean(scores):.3f}, bare ellipse {np.mean(ellipses):.3f}, {spent:.1f} ms")
    assert np.mean(scores) > 0.61
    assert np.mean(scores) > np.mean(ellipses) + 0.04
