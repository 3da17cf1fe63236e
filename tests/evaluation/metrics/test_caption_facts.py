from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.annotators.base import AdapterSettings, Instance
from pe.annotators.captioners.template import Template
from pe.evaluation.metrics._caption_facts import CaptionFacts, claims, mentions
from pe.evaluation.truth import normal
from pe.shards.pictures import Picture

PHRASES = ["dog", "hot dog", "Person", "red ring", "salt and pepper shaker", "traffic_light", "skis", "an apple", "bus"]


@given(st.lists(st.sampled_from(PHRASES), min_size=1, max_size=30))
def test_the_template_captioners_sentences_are_read_back(found: list[str]) -> None:
    picture = Picture(np.zeros((9, 9, 3), np.uint8), b"", "JPEG", 9, 9, "", "a.jpg", "")
    instances = [Instance(phrase, 1.0, (0.0, 0.0, 5.0, 5.0)) for phrase in found]
    [caption] = Template(AdapterSettings()).caption([picture], [instances])
    assert not isinstance(caption, Exception)
    said, unread = claims(caption.text, map(normal, PHRASES))
    counts = Counter(map(normal, found))
    assert dict(said) == {phrase: None if phrase == "skis" else count for phrase, count in counts.items()}
    assert unread == 0
    assert mentions(caption.text, map(normal, PHRASES)) == set(counts)


def test_what_is_no_claim_is_counted_as_unread() -> None:
    assert claims("A man walks two dogs, a cat and 13 birds.", ["dog", "cat", "bird"]) == (
        [("cat", 1), ("bird", 13)],
        1,
    )
    assert claims("One cat and 9999999 dogs.", ["dog", "cat"]) == ([("cat", 1)], 1)
    assert claims("", ["dog"]) == ([], 0)


def test_mentions_are_whole_words_and_the_longest_phrase() -> None:
    assert mentions("A man walks two dogs past the cattle.", ["dog", "cat", "man"]) == {"dog", "man"}
    assert mentions("Someone eats a hot dog", ["dog", "hot dog"]) == {"hot dog"}
    assert mentions("People", ["person"]) == {"person"}
    assert mentions("anything", []) == set()


def test_rates() -> None:
    facts = CaptionFacts()
    # Two of three claims are true; of unjudged zebras nothing is known, and nobody counted the people of a crowd.
    facts.add(
        "Two dogs, a cat, a zebra, a person and skis.",
        {"dog": 2, "skis": 1, "bird": 1},
        {"dog", "cat", "skis", "bird", "person"},
        {"person"},
    )
    facts.add("", {"dog": 1}, {"dog"}, ())
    result = facts.as_dict()
    assert (result["captions"], result["facts"], result["claims"], result["unread"]) == (1, 4, 3, 2)
    assert result["precision"] == pytest.approx(2 / 3)
    assert result["recall"] == pytest.approx(2 / 4)
    assert result["mention_precision"] == pytest.approx(2 / 3)
    assert result["mention_recall"] == pytest.approx(2 / 4)


def test_without_captions_there_is_nothing_to_score() -> None:
    facts = CaptionFacts()
    facts.add("", {"dog": 1}, {"dog"}, ())
    assert facts.as_dict()["recall"] is facts.as_dict()["precision"] is None
