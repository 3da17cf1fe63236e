from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.evaluation.metrics._presence import presence_mcc

COUNTS = st.fixed_dictionaries({name: st.integers(0, 40) for name in ("tp", "fp", "fn", "tn")})


@given(COUNTS)
def test_it_is_the_correlation_of_there_and_found(pairs: dict[str, int]) -> None:
    there = [1] * (pairs["tp"] + pairs["fn"]) + [0] * (pairs["fp"] + pairs["tn"])
    found = [1] * pairs["tp"] + [0] * pairs["fn"] + [1] * pairs["fp"] + [0] * pairs["tn"]
    value = presence_mcc(pairs)
    if len(set(there)) < 2:
        assert value is None
    elif len(set(found)) < 2:
        assert value == 0.0
    else:
        assert value == pytest.approx(np.corrcoef(there, found)[0, 1])


def test_always_yes_is_worth_nothing_and_a_share_of_absent_ones_costs() -> None:
    assert presence_mcc({"tp": 30, "fp": 1}) == 0.0
    # 10 % missed, 5 % false alarms: at one to one, and at one to thirty (SAM 3's natural share)
    assert presence_mcc({"tp": 90, "fn": 10, "fp": 5, "tn": 95}) == pytest.approx(0.851, abs=1e-3)
    assert presence_mcc({"tp": 90, "fn": 10, "fp": 150, "tn": 2850}) == pytest.approx(0.561, abs=1e-3)
    assert presence_mcc({}) is None
