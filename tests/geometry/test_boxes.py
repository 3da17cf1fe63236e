from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco

from pe.geometry import boxes

_BOX = st.tuples(*[st.integers(0, 12)] * 4).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
_BOXES = st.lists(_BOX, max_size=12).map(lambda rows: np.array(rows, np.float64).reshape(-1, 4))


@given(_BOXES)
def test_xywh_round_trip(array: npt.NDArray[np.float64]) -> None:
    assert np.array_equal(boxes.from_xywh(boxes.to_xywh(array)), array)
    assert np.array_equal(boxes.area(array), boxes.to_xywh(array)[:, 2] * boxes.to_xywh(array)[:, 3])


@given(_BOXES, _BOXES)
def test_iou_counts_pixels(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> None:
    """On whole pixels the IoU of boxes is that of the pixels they cover."""

    def cover(box: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        x0, y0, x1, y1 = box.astype(int)
        canvas = np.zeros((24, 24), np.bool_)
        canvas[y0:y1, x0:x1] = True
        return canvas

    result = boxes.iou(a, b)
    assert result.shape == (len(a), len(b))
    for i, first in enumerate(map(cover, a)):
        for j, second in enumerate(map(cover, b)):
            union = (first | second).sum()
            assert result[i, j] == pytest.approx((first & second).sum() / union if union else 0.0)


def test_iou_equals_cocos() -> None:
    rng = np.random.default_rng(3)
    a = boxes.from_xywh(rng.random((40, 4)) * 100)
    b = boxes.from_xywh(rng.random((30, 4)) * 100)
    expected = coco.iou(boxes.to_xywh(a), boxes.to_xywh(b), [0] * 30)
    assert np.allclose(boxes.iou(a, b), expected)


def test_clip_and_area() -> None:
    clipped = boxes.clip([[-5, -5, 5, 5], [90, 40, 200, 80], [300, 300, 400, 400]], height=50, width=100)
    assert clipped.tolist() == [[0, 0, 5, 5], [90, 40, 100, 50], [100, 50, 100, 50]]
    assert boxes.area(clipped).tolist() == [25, 100, 0]
    assert boxes.area([[10, 10, 5, 5]]).tolist() == [0]


@given(_BOXES, st.data())
@settings(max_examples=200)
def test_nms_equals_the_plain_algorithm(array: npt.NDArray[np.float64], data: st.DataObject) -> None:
    count = len(array)
    scores = data.draw(st.lists(st.sampled_from([0.1, 0.5, 0.5, 0.9]), min_size=count, max_size=count))
    labels = data.draw(st.lists(st.sampled_from(["cat", "dog"]), min_size=count, max_size=count))
    threshold = data.draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
    kept: list[int] = []
    for index in sorted(range(count), key=lambda i: (-scores[i], i)):
        if all(
            labels[index] != labels[other] or boxes.iou(array[[index]], array[[other]])[0, 0] <= threshold
            for other in kept
        ):
            kept.append(index)
    assert boxes.nms(array, scores, labels, threshold).tolist() == kept


def test_nms_is_per_label_and_ties_go_to_the_first() -> None:
    same = [[0, 0, 10, 10]] * 4
    assert boxes.nms(same, [0.5, 0.5, 0.9, 0.5], ["a", "b", "b", "a"], 0.7).tolist() == [2, 0]
    assert boxes.nms([], [], [], 0.7).tolist() == []


@pytest.mark.parametrize(
    ("array", "scores", "labels"),
    [([[0, 0, 1, 1]], [], ["a"]), ([[0, 0, 1, 1]], [0.5], []), ([[0, 0, 1, 1]], [float("nan")], ["a"])],
)
def test_nms_refuses_what_does_not_fit(array: Any, scores: Any, labels: Any) -> None:
    with pytest.raises(ValueError, match=r"scores|score is not"):
        boxes.nms(array, scores, labels, 0.5)


@pytest.mark.parametrize("array", [[1, 2, 3], [[1, 2], [3, 4]], [[[1, 2, 3, 4]]]])
def test_only_rows_of_four_are_boxes(array: Any) -> None:
    with pytest.raises(ValueError, match="rows of 4"):
        boxes.as_boxes(array)
