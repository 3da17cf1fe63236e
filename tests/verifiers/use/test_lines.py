from __future__ import annotations

import json
from typing import Any

import pytest

from pe.errors import InputError
from pe.verifiers import Question, score
from pe.verifiers.use.lines import score_line

OBJECTS = {"objects": [{"phrase": "cat", "bbox": [100, 100, 300, 300]}]}
BOX = '[{"bbox_2d": [100, 100, 300, 250], "label": "cat"}]'
LINE: dict[str, Any] = {"response": BOX, "ground_truth": OBJECTS, "image_size": [1000, 1000]}


def line(**changes: Any) -> str:
    return json.dumps({key: value for key, value in (LINE | changes).items() if value is not None})


def test_a_line_is_scored_as_in_process() -> None:
    expected = score(Question("detection", json.dumps(OBJECTS), (1000, 1000)), [BOX])[0]
    assert expected.score == pytest.approx(0.75)
    assert score_line(line(), "detection") == expected
    assert score_line(line(ground_truth=json.dumps(OBJECTS)), "detection") == expected


def test_sizes_parameters_weights_and_lengths_are_taken() -> None:
    seen = '[{"bbox_2d": [50, 50, 150, 125], "label": "cat"}]'
    assert score_line(line(response=seen, input_size=[500, 500]), "detection").score == pytest.approx(0.75)
    both = score_line(line(), "detection", weights_json='{"accuracy": 1, "format": 1}')
    assert both.score == pytest.approx(0.875)
    one = score_line(line(weights={"format": 1}), "detection", weights_json='{"accuracy": 1}')
    assert one.score == 1.0
    assert score_line(line(params={"format": "molmo"}), "detection", '{"format": "qwen3-vl"}').state == "unparsable"
    form = {"response": "12345", "tokens": 5, "image_size": None, "ground_truth": None}
    assert score_line(line(**form), "length", '{"limit": 5, "floor": 0.25}').score == 0.25
    assert score_line(line(**form | {"tokens": None}), "length").score is None


def test_progress_reaches_a_schedule() -> None:
    staged = '{"threshold": "v-triune"}'
    wide = '[{"bbox_2d": [100, 100, 300, 275], "label": "cat"}]'
    scores = [
        score_line(line(response=wide, progress=progress), "detection-f1", staged).score for progress in (0.1, 0.11)
    ]
    assert scores == [1.0, 0.0]


def test_what_reads_no_coordinates_needs_no_size() -> None:
    text = line(response="kitten", ground_truth={"text": "Kitten "}, image_size=None)
    assert score_line(text, "exact-text").score == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not a JSON object"),
        (line(image_size=None), "image_size: .* is needed, as detection reads answers with format auto"),
        (line(image_size=[0, 5]), "image_size"),
        (line(input_size=[5]), "input_size"),
        (line(ground_truth=None), "ground_truth: is missing"),
        (line(ground_truth={"objects": [{"bbox": [1]}]}), "ground truth: objects.0.bbox"),
        (line(response=None), "response"),
        (line(response=7), "response"),
        (line(responses=["a"]), "one `response`"),
        (line(verifier="format"), "the verifier is named before"),
        (line(progress=1.5), "progress"),
        (line(tokens="five"), "tokens"),
        (line(tokns=5), "unknown keys: tokns"),
        (line(params={"thresold": 1}), "thresold"),
        (line(weights={"acc": 1}), "no component 'acc'"),
    ],
)
def test_a_bad_line_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_line(text, "detection")
