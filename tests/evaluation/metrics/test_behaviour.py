"""What a model does: duplicates, whole pictures, boxes on nothing, silence, length."""

from __future__ import annotations

import pytest

from pe import registry
from pe.evaluation.lines import Line
from pe.formats import Item
from tests.evaluation.cases import case, figures, item, truth

A, B, C = (0.0, 0.0, 10.0, 10.0), (20.0, 20.0, 40.0, 40.0), (60.0, 60.0, 90.0, 90.0)


def test_duplicates_and_repetition() -> None:
    values = figures(
        "duplicate-ratio",
        case([truth(A)], [item(A), item(A), item(B)]),
        case([truth(A)], [item(A), item(A, "dog")]),
        case([truth(A)], [item(B)] * 10),
        case([], [], negatives=["cat"]),
    )
    assert values["duplicates"] == pytest.approx(10 / 15)
    assert values["answers with"] == 0.5
    assert values["repetition"] == 0.25
    many = case([truth(A)] * 5, [item(B)] * 10)
    assert figures("duplicate-ratio", many)["repetition"] == 0.0  # not more than twice as many as there are


def test_large_boxes() -> None:
    values = figures(
        "large-box-ratio",
        case([truth(A)], [item((0, 0, 100, 95)), item((0, 0, 100, 96))]),
        case([truth(A)], [Item("cat", rings=((0, 0, 100, 0, 100, 100, 0, 100),))]),
        case([truth(A)], [item(A)]),
    )
    assert values["large boxes"] == 0.5
    assert values["answers with"] == pytest.approx(2 / 3)


def test_off_target_and_distractors() -> None:
    cases = [
        case([truth(A)], [item(A), item(B, "dog"), item((0, 0, 10, 3))], others=(B, C)),
        case([], [item(C)], negatives=["dog"]),
    ]
    values = figures("off-target", *cases)
    assert values["off-target"] == pytest.approx(3 / 4)
    assert values["a response"] == 1.5
    assert values["far"] == pytest.approx(2 / 4)
    assert values["on others"] == 0.5  # of the two in the picture of which the others are known
    assert figures("off-target", cases[1])["on others"] is None
    assert figures("off-target", case([truth(A)], [item(A, "dog")]))["off-target"] == 0.0  # a wrong name is no such box


def test_rejection_is_by_phrase_and_no_target_by_sample() -> None:
    cases = [
        case([truth(A), truth(B, "dog")], [item(C)], negatives=["bird"]),
        case([], [], negatives=["cat"]),
        case([], [item(A, "mouse")], negatives=["cat"]),
        case([], [], negatives=["cat"], status="unparsable"),
        case([truth(A)], [], status="unparsable"),
    ]
    values = figures("rejection", *cases)
    assert values["wrong rejection"] == 0.5
    assert values["hallucination"] == 0.0
    values = figures("no-target-accuracy", *cases)
    assert values["no-target"] == pytest.approx(1 / 3)
    assert values["target"] == 0.5


def test_where_no_phrase_is_asked_the_picture_is() -> None:
    values = figures("rejection", case([], [item(A, "mouse")]), case([], []))
    assert (values["wrong rejection"], values["hallucination"]) == (None, 0.5)
    assert figures("cgf1-box", case([], [item(A)]), case([], []))["negatives a positive"] is None


def test_length_truncation_reading_and_score() -> None:
    cases = [
        case([truth(A)], [item(A), item(B)], line=Line("k", "x", tokens=30, truncated=False), scored=0.5),
        case([truth(A)], [], line=Line("k", "x", tokens=10, truncated=True), status="unparsable", scored=0.0),
        case([truth(A)], [item(A)], line=Line("k", "x"), status="repaired"),
    ]
    assert figures("response-length", *cases) == {"tokens": 20.0, "tokens an object": 15.0}
    assert figures("truncation", *cases) == {"truncated": 0.5}
    assert figures("reading", *cases) == pytest.approx({"unparsable": 1 / 3, "mended": 1 / 3, "cut": 0.0})
    assert figures("reward", *cases) == {"score": 0.25}
    assert figures("objects-a-response", *cases) == {"objects": 1.0, "truths": 1.0}


def test_counts() -> None:
    values = figures(
        "count-error",
        case([truth(A), truth(B)], [item(A)]),
        case([truth(A)], [item(A), item(B, "dog")], negatives=["dog"]),
        case([], [], negatives=["cat"], status="unparsable"),
    )
    assert values["MAE"] == pytest.approx(2 / 4)
    assert values["exact"] == pytest.approx(1 / 4)  # what cannot be read counted none, and is not exact
    assert values["bias"] == 0.0
    said = [case(kind="count", count=3, text="I see three."), case(kind="count", count=3, text="12"),
            case(kind="count", count=3, text="no idea")]  # fmt: skip
    assert figures("count-error", *said) == pytest.approx({"MAE": 4.0, "exact": 1 / 3, "bias": 2.0})


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_every_metric_says_what_it_is(name: str) -> None:
    metric = registry.load("metrics", name)()
    assert metric.rule
    assert metric.source
    assert metric.kinds
    assert metric.figures
    assert len(metric.rule) < 130
    compat = "compat" in name
    assert compat == ("Rex-Omni evaluation" in metric.source or "OVDEval eval.py" in metric.source)
