from __future__ import annotations

import numpy as np
import pytest

from pe.annotators.detectors._finish import clipped, distinct, finish


def test_suppression_is_within_a_label_and_everything_is_accounted_for() -> None:
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 9], [0, 0, 10, 10], [-5, -5, 30, 30], [40, 0, 50, 9], [3, 3, 3, 9]])
    boxes = np.concatenate([boxes, [[0, 0, 9, np.nan]]])
    scores = np.array([0.5, 0.9, 0.4, 0.3, 0.2, 0.1, 0.8])
    labels = np.array([0, 0, 1, 2, 2, 2, 2])
    names, asked = ["cat", "dog", "cow"], ["cat", "dog", "cow", "kite"]
    found = finish(boxes, scores, labels, names, (20, 10), 0.5, asked=asked, keep_suppressed=True)
    assert [(item.phrase, item.score, item.box) for item in found.instances] == [
        ("cat", 0.9, (0, 0, 10, 9)),
        ("dog", 0.4, (0, 0, 10, 10)),
        ("cow", 0.3, (0, 0, 20, 10)),
    ]
    assert [(item.phrase, item.reason, item.score) for item in found.dropped] == [
        ("cat", "suppressed", 0.5),
        ("cow", "degenerate", 0.2),
        ("cow", "degenerate", 0.1),
    ]
    assert found.negatives == ["kite"]
    quiet = finish(boxes, scores, labels, names, (20, 10), 0.5, asked=[], keep_suppressed=False)
    assert quiet.instances == found.instances
    assert {item.reason for item in quiet.dropped} == {"degenerate"}


def test_nothing_found() -> None:
    none = np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64)
    found = finish(*none, ["cat"], (20, 10), 0.5, asked=["cat"], keep_suppressed=True)
    assert (found.instances, found.dropped, found.negatives) == ([], [], ["cat"])


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (["cat", " Cat", "dog", "", "  ", "cat "], ["cat", "dog"]),
        (["Straße", "STRASSE"], ["Straße"]),
        ([], []),
    ],
)
def test_distinct_phrases(asked: list[str], wanted: list[str]) -> None:
    assert distinct(asked) == wanted


def test_clipped() -> None:
    assert clipped((-1, 2, 30, 40), 20, 10) == ((0.0, 2.0, 20.0, 10.0), True)
    assert clipped((25, 2, 30, 40), 20, 10)[1] is False
    assert clipped((5, 2, 5, 4), 20, 10)[1] is False
