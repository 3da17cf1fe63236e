"""Claims of captions: what the template captioner writes is read back whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pe.annotators.base import Instance
from pe.annotators.captioners.template import _sentence
from pe.evaluation.metrics.caption_facts import claims, right

PHRASES = ["red ring", "blue key", "fish", "striped moon", "box", "mug"]


def test_claims_and_what_is_true_of_them() -> None:
    found, unread = claims("Two red rings, a blue key and three foxes.", PHRASES)
    assert found == {"red ring": 2, "blue key": 1}
    assert unread == 1
    assert right(found, {"red ring": 2, "blue key": 2}) == 1
    assert claims("", PHRASES) == ({}, 0)


@given(st.dictionaries(st.sampled_from(PHRASES), st.integers(1, 30), min_size=1))
def test_the_template_is_read_back(counts: dict[str, int]) -> None:
    instances = [Instance(phrase, 1.0, (0, 0, 9, 9)) for phrase, number in counts.items() for _ in range(number)]
    assert claims(_sentence(instances), PHRASES) == (counts, 0)
