"""What the verifiers of boxes share: labels, the policy, gold texts, schedules, and single formulas by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pe.errors import InputError
from pe.formats import Decoded, Item
from pe.verifiers import Question, check, score, stages
from pe.verifiers._labels import label
from pe.verifiers._policy import silence

TRUTH = [{"phrase": "cat", "bbox": [100, 100, 300, 300]}, {"phrase": "dog", "bbox": [400, 400, 600, 600]}]
CAT, DOG = {"bbox_2d": [100, 100, 300, 300], "label": "cat"}, {"bbox_2d": [400, 400, 600, 600], "label": "dog"}


def scored(name: str, answer: Any, truth: Any = TRUTH, progress: float = 1.0, **parameters: Any) -> float | None:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    gold = truth if isinstance(truth, str) else json.dumps(truth)
    question = Question(name, gold, (1000, 1000), json.dumps({"format": "qwen3-vl", **parameters}))
    return score(question, [text], progress)[0].score


def test_labels() -> None:
    assert label("  Red\n CAT ") == label("red cat") == "red cat"
    assert label("Straße") == label("STRASSE")
    assert label("red-cat") != label("red cat")


@pytest.mark.parametrize(
    ("answer", "truths", "value"),
    [
        (Decoded(status="none-present"), 0, 1.0),
        (Decoded(absent=("cat",), status="truncated"), 0, 1.0),
        (Decoded(status="none-present"), 2, 0.0),
        (Decoded(status="unparsable"), 0, 0.0),
        (Decoded(status="truncated"), 0, 0.0),
        (Decoded(text="I see a cat", status="ok"), 0, 0.0),
        (Decoded((Item("cat", point=(1, 1)),)), 0, 0.0),
        (Decoded((Item("cat", point=(1, 1)),), status="unparsable"), 1, 0.0),
        (Decoded((Item("cat", point=(1, 1)),), status="truncated"), 1, None),
    ],
)
def test_policy(answer: Decoded, truths: int, value: float | None) -> None:
    assert silence(answer, truths) == value


@pytest.mark.parametrize("text", ["None", "[]", "```json\n[]\n```", "There are none.", "<think>hm</think>[]"])
def test_ways_to_say_that_nothing_is_there(text: str) -> None:
    nothing = {"negatives": ["cat"]}
    assert scored("detection", text, nothing, format="auto") == 1.0
    assert scored("detection", text, format="auto") == 0.0


@pytest.mark.parametrize("text", ["", "A cat sits on a mat.", "<think> I look and look", '[{"bbox_2d": [1, 2'])
def test_what_says_nothing_at_all_earns_nothing(text: str) -> None:
    assert scored("detection", text, {"negatives": ["cat"]}, format="auto") == 0.0


def test_gold_texts_are_read_in_the_answers_format() -> None:
    gold = json.dumps([CAT, DOG])
    assert scored("detection", gold, f"<answer>{gold}</answer>") == 1.0
    assert scored("detection", "[]", "<answer>[]</answer>") == 1.0
    for name in ("detection", "v-triune-detection"):
        with pytest.raises(InputError, match=r"gold text cannot be read|holds no answer in the format"):
            check(Question(name, "<answer>a cat on a mat</answer>", (1000, 1000), '{"format": "v-triune"}'))


def test_a_truth_without_a_phrase_takes_any() -> None:
    assert scored("detection", [CAT], [{"bbox": [100, 100, 300, 300]}]) == 1.0
    assert scored("average-precision", [CAT], [{"bbox": [100, 100, 300, 300]}]) == 1.0


def test_the_pairing_is_the_best_of_all() -> None:
    truth = [{"phrase": "cat", "bbox": [0, 0, 100, 100]}, {"phrase": "cat", "bbox": [0, 50, 100, 150]}]
    # taken first, the better pair would leave the other two without an overlap
    answer = [{"bbox_2d": [0, 0, 100, 140], "label": "cat"}, {"bbox_2d": [0, 30, 100, 140], "label": "cat"}]
    assert scored("detection", answer, truth) == pytest.approx((100 / 140 + 90 / 120) / 2)


def test_schedules() -> None:
    near = [CAT, {"bbox_2d": [400, 400, 600, 580], "label": "dog"}]
    dynamic: dict[str, Any] = {"threshold": "v-triune"}
    found = [scored("detection-f1", near, progress=step / 100, **dynamic) for step in (0, 10, 11, 25, 26, 100)]
    assert found == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5]
    assert scored("detection-f1", near, threshold=[0.85, 0.95]) == 0.75
    assert stages(Question("detection-f1", "[]", (9, 9), '{"threshold": "v-triune"}')) == (0.1, 0.25, 1.0)
    assert stages(Question("vision-r1", "[]", (9, 9))) == (0.5, 1.0)
    assert stages(Question("detection", "[]", (9, 9))) == (1.0,)


def test_mean_iou_with_completeness() -> None:
    assert scored("mean-iou-completeness", [CAT]) == pytest.approx(0.7 * 0.5 + 0.3 * 0.75)
    junk = {"bbox_2d": [700, 700, 800, 800], "label": "cat"}
    assert scored("mean-iou-completeness", [CAT, DOG, junk]) == pytest.approx((0.7 + 0.3 * (1 - 1 / 6)) * 0.6)
    assert scored("mean-iou-completeness", [CAT, DOG, junk], count_penalty=1.0) == pytest.approx(0.95)
    assert scored("mean-iou-completeness", [CAT, junk]) < scored("mean-iou-completeness", [CAT])  # type: ignore[operator]
    assert scored("mean-iou-completeness", [CAT], completeness=1.0) == pytest.approx(0.75)


def test_ratios_of_v_triune() -> None:
    for ratio, value in {"map": 0.5 * 51 / 101 * 2, "map50": 51 / 101, "iou_max_iou_first": 0.5}.items():
        truth = [{"phrase": "cat", "bbox": [100, 100, 300, 300]}, {"phrase": "cat", "bbox": [400, 400, 600, 600]}]
        assert scored("v-triune-detection", [CAT], truth, det_reward_ratio={ratio: 1.0}) == pytest.approx(value)
    swapped = [{**CAT, "label": "dog"}, {**DOG, "label": "cat"}]
    by_iou = {"iou_max_iou_first": 1.0, "iou_completeness": 0.3}
    assert scored("v-triune-detection", swapped, det_reward_ratio=by_iou) == pytest.approx(0.3)
    assert scored("v-triune-detection", [DOG, CAT], det_reward_ratio=by_iou) == 1.0
    for wrong in ({"iou": 1.0}, {"map": 1.5}, {}, {"iou_completeness": 0.3}):
        with pytest.raises(InputError, match="det_reward_ratio"):
            scored("v-triune-detection", [CAT], det_reward_ratio=wrong)


def test_a_truth_in_json_is_scaled_to_the_models_input_where_the_original_reads_pixels_of_it() -> None:
    truth = json.dumps(TRUTH)
    half = [{"bbox_2d": [value // 2 for value in row["bbox_2d"]], "label": row["label"]} for row in (CAT, DOG)]
    fenced = f"<answer>```json\n{json.dumps(half)}\n```</answer>"
    python = f"\n<answer>\n{half!r}\n</answer>"
    for name, text in (
        ("vlm-r1-map-compat", fenced),
        ("vlm-r1-od-ap-compat", fenced),
        ("vlm-r1-od-length-compat", fenced),
        ("vlm-r1-weighted-sum-compat", fenced),
        ("v-triune-detection-compat", python),
        ("vlm-r1-od-ap", fenced),
        ("v-triune-detection", python),
    ):
        question = Question(name, truth, (1000, 1000), input_size=(500, 500))
        assert score(question, [text])[0].score == pytest.approx(1.0, abs=1e-9), name


HOSTILE = (
    "<answer>" * 8000,
    "```json" * 9000,
    "```json[" + "[" * 60000,
    "<answer>\n[" + "{'bbox_2d': [1, 2, 3, 1e999], 'label': 'cat'}," * 900 + "]\n</answer>",
    "<answer>\n[{'bbox_2d': [" + "9" * 60000 + ", 1, 2, 3], 'label': 'cat'}]\n</answer>",
    "<answer>```json\n[" + ",".join(["NaN", "null", "{}", '{"bbox_2d": {}, "label": []}'] * 1500) + "]\n```</answer>",
    "<answer>```json\n"
    + json.dumps([{"bbox_2d": [1, 2, 10**300, float("nan")], "label": "cat"}] * 800)
    + "```</answer>",
    "<|object_ref_start|>cat<|object_ref_end|><|box_start|>" + "<9><9><999><999>," * 3000 + "<|box_end|>",
    "<|object_ref_start|>" * 3000 + " " * 4000,
    "<|object_ref_start|>cat<|object_ref_end|><|box_start|><" + "1" * 60000 + "><1><2><3><|box_end|>",
    "\ud800\x00\n\r" * 9000,
)
COMPAT = (
    *("average-precision-compat", "nms-ap-compat", "rexomni-box-iou-compat", "v-triune-detection-compat"),
    *("vlm-r1-map-compat", "vlm-r1-od-ap-compat", "vlm-r1-od-length-compat", "vlm-r1-weighted-sum-compat"),
    *("vero-compat", "falcon-perception-compat"),
)


@pytest.mark.parametrize("name", COMPAT)
def test_hostile_text_is_scored_like_any_other(name: str) -> None:
    question = Question(name, json.dumps(TRUTH), (1000, 1000))
    for text, found in zip(HOSTILE, score(question, HOSTILE), strict=True):
        assert found.score is not None, (text[:60], found.reason)
        assert found.score <= 1.0
