from __future__ import annotations

import numpy as np
import pytest

from pe.engines.mixes.pools import Pool
from pe.engines.mixes.settings import Negatives
from pe.schemas.sample import Object, dumps
from tests.shards import factory


@pytest.mark.parametrize("reason", ["crowd", "not_exhaustive", "ignore"])
def test_what_was_dropped_is_never_drawn_as_absent(reason: str) -> None:
    cup = Object(id=0, phrase="Cup", bbox=(1, 1, 9, 9))
    record = factory.sample("a-0", factory.picture(0, (48, 32)), [cup])
    dropped = [{"phrase": "Cat", "bbox": [2, 2, 9, 9], "reason": reason, "score": 1.0}]
    sample = record.model_copy(update={"provenance_json": dumps({"dropped": dropped})})
    pool = Pool(Negatives(least=3, most=3, pool="source"), ["cat", "cup", "owl"])
    assert pool.draw(sample, np.random.default_rng(0)) == ["owl"]
