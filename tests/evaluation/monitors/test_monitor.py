from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.evaluation.monitors import Monitor
from pe.formats import Answer, Item
from pe.geometry.masks import encode
from pe.geometry.raster import rings_to_mask
from pe.registry import load
from pe.verifiers import Question, Score, score

SIZE = (1000, 1000)
CAT, DOG = (100.0, 100.0, 300.0, 300.0), (500.0, 500.0, 900.0, 900.0)
TRUTH = {"objects": [{"phrase": "cat", "bbox": CAT}, {"phrase": "dog", "bbox": DOG}], "negatives": ["cow"]}
PARAMS = '{"format": "qwen3-vl"}'


def ask(truth: Any = TRUTH, verifier: str = "detection", params: str = PARAMS) -> Question:
    return Question(verifier, json.dumps(truth), SIZE, params)


def boxes(*pairs: tuple[str, tuple[float, float, float, float]], absent: tuple[str, ...] = ()) -> str:
    answer = Answer(tuple(Item(phrase, bbox=box) for phrase, box in pairs), absent)
    text: str = load("formats", "qwen3-vl")().encode(answer, SIZE)
    return text


def watch(
    monitor: Monitor, question: Question, *texts: str, source: str = "a", tokens: list[int] | None = None
) -> None:
    monitor.add(question, source, texts, score(question, texts, tokens=tokens), tokens)


def figures(question: Question, *texts: str, tokens: list[int] | None = None, **settings: Any) -> dict[str, Any]:
    monitor = Monitor(**settings)
    watch(monitor, question, *texts, tokens=tokens)
    return monitor.figures()["a"]


RIGHT = boxes(("cat", CAT), ("dog", DOG))


def test_a_right_answer() -> None:
    found = figures(ask(), RIGHT)
    for name in (
        "score",
        "correct",
        "component_accuracy",
        "component_format",
        "state_ok",
        "iou",
        "map",
        "presence_mcc",
    ):
        assert found[name] == 1.0
    for threshold in (50, 75, 95, 99):
        assert found[f"precision_{threshold}"] == found[f"recall_{threshold}"] == found[f"f1_{threshold}"] == 1.0
    for name in ("missing", "duplicates", "large_boxes", "off_target", "wrong_rejection", "wrong_acceptance"):
        assert found[name] == 0.0
    assert (found["objects"], found["truths"], found["absent_share"]) == (2.0, 2.0, pytest.approx(1 / 3))


def test_what_goes_wrong_is_seen_each_in_its_own_figure() -> None:
    twice = figures(ask(), boxes(("cat", CAT), ("cat", CAT), ("dog", DOG)))
    assert twice["duplicates"] == pytest.approx(1 / 3)
    assert (twice["recall_50"], twice["precision_50"], twice["off_target"]) == (1.0, pytest.approx(2 / 3), 0.0)
    large = figures(ask(), boxes(("cat", CAT), ("dog", (0, 0, 990, 990))))
    assert large["large_boxes"] == 0.5
    off = figures(ask(), boxes(("cat", CAT), ("dog", (0, 900, 50, 950))))
    assert (off["off_target"], off["recall_50"], off["presence_mcc"]) == (0.5, 0.5, 1.0)
    silent = figures(ask(), boxes(absent=("cat", "dog", "cow")))
    assert (silent["wrong_rejection"], silent["presence_mcc"], silent["precision_50"]) == (1.0, 0.0, None)
    eager = figures(ask(), boxes(("cat", CAT), ("dog", DOG), ("cow", DOG)))
    assert (eager["wrong_acceptance"], eager["presence_mcc"], eager["off_target"]) == (1.0, 0.0, 0.0)
    swapped = figures(ask(), boxes(("dog", CAT), ("cat", DOG)))
    assert (swapped["iou"], swapped["recall_50"], swapped["map"], swapped["off_target"]) == (0.0, 0.0, 0.0, 0.0)


def test_thresholds_tell_a_near_box_from_a_right_one() -> None:
    found = figures(ask({"objects": [{"phrase": "cat", "bbox": CAT}]}), boxes(("cat", (100, 100, 300, 280))))
    assert [found[f"recall_{name}"] for name in (50, 75, 95, 99)] == [1.0, 1.0, 0.0, 0.0]
    assert found["iou"] == pytest.approx(0.9)
    assert found["map"] == pytest.approx(0.9)  # 0.50 to 0.90 of ten thresholds


def test_labels_are_compared_as_the_verifiers_do() -> None:
    found = figures(ask(), boxes((" Cat", CAT), ("DOG", DOG)))
    assert (found["recall_99"], found["presence_mcc"]) == (1.0, 1.0)


def test_an_answer_that_cannot_be_read_finds_nothing_and_says_nothing_of_presence() -> None:
    found = figures(ask(), "asdf asdf", RIGHT)
    assert (found["state_unparsable"], found["state_ok"]) == (0.5, 0.5)
    assert (found["recall_50"], found["precision_50"]) == (0.5, 1.0)
    assert (found["presence_mcc"], found["wrong_rejection"]) == (1.0, 0.0)


def test_a_picture_without_any_phrase_is_a_pair_itself() -> None:
    empty = ask({"objects": []})
    found = figures(empty, "none", "none", boxes(("cat", CAT)))
    assert (found["wrong_acceptance"], found["wrong_rejection"]) == (pytest.approx(1 / 3), None)
    assert (found["map"], found["recall_50"], found["off_target"]) == (None, None, 1.0)


def test_masks_are_compared_where_rings_are_asked_for() -> None:
    ring = [100.0, 100, 300, 100, 300, 300, 100, 300]
    drawn = encode(rings_to_mask([ring], 1000, 1000)).model_dump()
    half = "[[[0.1, 0.1], [0.3, 0.1], [0.3, 0.2], [0.1, 0.2]]]"
    for target in ({"phrase": "cat", "rings": [ring]}, {"phrase": "cat", "mask": drawn, "bbox": CAT}):
        monitor = Monitor()
        question = ask({"objects": [target]}, "polygon-iou", '{"format": "simpleseg"}')
        monitor.add(question, "a", [half], [Score(0.5, {"accuracy": 0.5}, "ok")])
        found = monitor.figures()["a"]
        assert found["iou"] == pytest.approx(0.5)
        assert (found["recall_50"], found["recall_75"]) == (1.0, 0.0)


def test_points_have_presence_and_no_overlap() -> None:
    monitor = Monitor()
    question = ask({"objects": [{"phrase": "cat", "point": [5, 5]}]}, "point-in-box", '{"format": "molmo"}')
    text = '<points x1="1.0" y1="1.0" x2="1.1" y2="1.1" alt="cat">cat</points>'
    monitor.add(question, "a", [text], [Score(1.0, {"accuracy": 1.0}, "ok")])
    found = monitor.figures()["a"]
    assert (found["objects"], found["duplicates"], found["wrong_rejection"]) == (2.0, 0.5, 0.0)
    assert found["iou"] is found["map"] is found["off_target"] is found["large_boxes"] is None


def test_labels_do_not_count_where_the_verifier_leaves_them_out() -> None:
    truth = {"objects": [{"phrase": "the man on the left", "bbox": CAT}]}
    found = [
        figures(ask(truth, "box-iou", params), boxes(("man", CAT)))
        for params in ('{"format": "qwen3-vl"}', '{"format": "qwen3-vl", "labels": false}')
    ]
    assert [row["recall_99"] for row in found] == [0.0, 1.0]
    assert [row["wrong_rejection"] for row in found] == [1.0, 0.0]


def test_where_a_point_would_do_it_has_no_overlap_and_a_box_has() -> None:
    truth = {"objects": [{"phrase": "cat", "bbox": CAT}]}
    monitor = Monitor()
    point = '[{"point_2d": [200, 200], "label": "cat"}]'
    for source, text in (("point", point), ("box", boxes(("cat", CAT)))):
        monitor.add(ask(truth, "gui"), source, [text], [Score(1.0, {"accuracy": 1.0}, "ok")])
    found = monitor.figures()
    assert (found["point"]["iou"], found["box"]["iou"]) == (None, 1.0)
    assert found["point"]["wrong_rejection"] == 0.0


def test_text_has_no_figures_of_objects() -> None:
    found = figures(ask({"text": "42"}, "exact-text", "{}"), "42", "43")
    assert (found["score"], found["correct"]) == (0.5, 0.5)
    assert found["objects"] is found["presence_mcc"] is found["iou"] is found["duplicates"] is None


def test_lengths_split_by_right_and_wrong_and_no_mean_of_nothing() -> None:
    found = figures(ask(), RIGHT, "asdf", "asdf asdf", tokens=[40, 4, 8], max_tokens=8)
    assert found["tokens"] == pytest.approx(52 / 3)
    assert (found["tokens_correct"], found["tokens_wrong"]) == (40.0, 6.0)
    assert (found["length_correct"], found["length_wrong"]) == (len(RIGHT), 6.5)
    assert (found["clipped"], found["clipped_correct"], found["clipped_wrong"]) == (pytest.approx(2 / 3), 1.0, 0.5)
    assert found["tokens_per_object"] == 20.0
    only = figures(ask(), RIGHT)
    assert only["length_wrong"] is only["tokens"] is only["clipped"] is only["tokens_per_object"] is None


def test_what_counts_as_correct_can_be_said() -> None:
    half = boxes(("cat", CAT))
    assert [figures(ask(), half, correct=limit)["correct"] for limit in (0.5, 2 / 3, 0.7)] == [1.0, 1.0, 0.0]


def test_reflection_is_split_by_right_and_wrong() -> None:
    found = figures(ask(), f"{RIGHT} Wait, yet: wait.", RIGHT, "waiter", "try again", "try again")
    assert (found["word_wait"], found["word_yet"], found["word_try_again"], found["word_verify"]) == (2, 1, 2, 0)
    assert (found["reflection"], found["reflection_in_correct"]) == (0.6, 0.5)
    assert found["reflection_in_wrong"] == pytest.approx(2 / 3)
    assert found["correct_with_reflection"] == pytest.approx(1 / 3)
    assert found["correct_without_reflection"] == 0.5
    assert figures(ask(), RIGHT)["correct_with_reflection"] is None


def test_a_missing_score_is_no_zero() -> None:
    monitor = Monitor()
    gone = Score(None, {"accuracy": None, "format": 1.0}, "ok", "no luck")
    monitor.add(
        ask(), "a", [RIGHT, RIGHT], [gone, Score(0.8, {"accuracy": 0.8, "format": 1.0}, "ok", metrics={"m": 3.0})]
    )
    found = monitor.figures()["a"]
    assert (found["responses"], found["missing"], found["score"]) == (2, 0.5, 0.8)
    assert (found["component_accuracy"], found["component_format"], found["metric_m"]) == (0.8, 1.0, 3.0)
    assert (found["correct"], found["length"]) == (1.0, len(RIGHT))


def test_a_question_of_no_use_is_counted_as_missing() -> None:
    monitor = Monitor()
    monitor.add(ask(verifier="detecton"), "a", ["x"], [Score(None, {}, "", "unknown")])
    found = monitor.figures()["a"]
    assert (found["missing"], found["score"], found["objects"], found["correct"]) == (1.0, None, None, None)


def test_sources_are_kept_apart_and_add_up() -> None:
    monitor = Monitor()
    watch(monitor, ask(), RIGHT, source="coyo/grounding")
    watch(monitor, ask(), "asdf", source="b")
    assert monitor.flat()["score/coyo/grounding"] == 1.0
    assert monitor.flat()["score/b"] == 0.0
    assert "precision_50/b" not in monitor.flat()
    assert all(type(value) in (int, float) for value in monitor.flat().values())
    assert monitor.total()["score"] == 0.5
    monitor.clear()
    assert (monitor.figures(), monitor.flat(), monitor.total()["score"]) == ({}, {}, None)


TEXTS = (RIGHT, boxes(("cat", CAT)), "none", "asdf wait", boxes(("cow", DOG), ("cow", DOG)), "")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.sampled_from("ab"), st.integers(0, 1)), max_size=8))
def test_parts_that_are_merged_are_the_whole(rows: list[tuple[str, str, int]]) -> None:
    whole, parts = Monitor(max_tokens=5), (Monitor(max_tokens=5), Monitor(max_tokens=5))
    for text, source, part in rows:
        for monitor in (whole, parts[part]):
            watch(monitor, ask(), text, source=source, tokens=[len(text)])
    merged = Monitor()
    for monitor in parts:
        merged.merge(json.loads(json.dumps(monitor.state())))
    assert merged.flat() == pytest.approx(whole.flat())
    assert all(np.isfinite(value) for value in whole.flat().values())
    counted = whole.total()
    assert counted["responses"] == len(rows)
    if rows:
        assert sum(value or 0 for name, value in counted.items() if name.startswith("state_")) == pytest.approx(1.0)
