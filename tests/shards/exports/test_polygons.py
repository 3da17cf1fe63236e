from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from pycocotools import mask as coco

from pe.geometry.raster import rings_to_mask
from pe.geometry.rings import mask_to_rings
from pe.schemas.sample import Object
from pe.shards.exports._polygons import coco_segmentation, join_rings, object_rings
from tests.shards.exports.rows import masked

Mask = np.ndarray[Any, Any]
ANY = npst.arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24))).filter(lambda mask: bool(mask.any()))


@given(ANY)
def test_one_joined_ring_covers_what_the_rings_cover(mask: Mask) -> None:
    rings = mask_to_rings(mask, 0.0)
    joined = join_rings(rings)
    assert np.array_equal(rings_to_mask([joined], *mask.shape), mask)
    assert len(joined) == sum(map(len, rings)) + 2 * (len(rings) - 1)


@given(ANY, st.sampled_from([0.0, 0.01, 0.05]))
def test_a_coco_segmentation_draws_the_mask_bit_for_bit(mask: Mask, epsilon: float) -> None:
    item = masked(0, "thing", mask, epsilon)
    found = coco_segmentation(item, *mask.shape)
    assert found is not None
    rle = coco.merge(coco.frPyObjects(found, *mask.shape)) if isinstance(found, list) else found
    assert np.array_equal(coco.decode(rle).astype(bool), mask)


def test_a_simplified_ring_that_redraws_its_mask_is_kept_as_it_is() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:10, 3:17] = True
    item = masked(0, "box", mask, 0.005)
    assert coco_segmentation(item, 20, 20) == item.rings


def test_an_object_without_outline_has_none() -> None:
    item = Object(id=0, phrase="box", bbox=(0, 0, 4, 4))
    assert coco_segmentation(item, 8, 8) is None
    assert object_rings(item, 8, 8) == []
    with pytest.raises(ValueError, match="no rings"):
        join_rings([])


def test_rings_alone_are_drawn() -> None:
    item = Object(id=0, phrase="box", bbox=(1, 1, 5, 4), rings=[[1, 1, 5, 1, 5, 4, 1, 4]])
    found = coco_segmentation(item, 8, 8)
    assert isinstance(found, list)
    assert coco.decode(coco.merge(coco.frPyObjects(found, 8, 8))).sum() == 12
