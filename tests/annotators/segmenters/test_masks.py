from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pe.annotators.base import Instance
from pe.annotators.segmenters._masks import MAX_BOXES, MAX_LOGITS, box_chunks, to_segments
from pe.shards.pictures import Picture

torch = pytest.importorskip("torch")


def test_stability_is_segment_anythings() -> None:
    amg = pytest.importorskip("segment_anything.utils.amg")
    logits = torch.randn(5, 40, 60, generator=torch.Generator().manual_seed(0)) * 3
    expected = amg.calculate_stability_score(logits, 0.0, 1.0).tolist()
    segments = to_segments(logits, torch.ones(5), 0.0)
    assert [part.stability for part in segments] == pytest.approx(expected)
    np.testing.assert_array_equal(segments[2].mask, logits[2].numpy() > 0)


def test_masks_without_enough_pixels_say_why() -> None:
    logits = torch.full((3, 8, 8), -5.0)
    logits[1, 2, 2:5] = 5.0
    logits[2, 2, 2:6] = 5.0
    segments = to_segments(logits, torch.tensor([0.1, 0.2, 0.3]), 0.0)
    assert [(part.reason, part.mask is None) for part in segments] == [
        ("empty_mask", True),
        ("small_mask", True),
        ("", False),
    ]
    assert segments[2].predicted_iou == pytest.approx(0.3)


def test_large_pictures_take_fewer_boxes_at_once() -> None:
    for width, height in ((10, 10), (4000, 3000), (12000, 9000)):
        picture = Picture(Image.new("1", (1, 1)), b"", "PNG", width, height, "", "", "")
        instances = [Instance("thing", 1.0, (float(index), 0, 9, 9)) for index in range(150)]
        chunks = list(box_chunks(picture, instances))
        assert [box for chunk in chunks for box in chunk] == [item.box for item in instances]
        assert max(map(len, chunks)) <= MAX_BOXES
        assert max(map(len, chunks)) == 1 or max(map(len, chunks)) * width * height <= MAX_LOGITS
