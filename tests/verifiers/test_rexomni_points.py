"""Rex-Omni's point rewards as released, where the golden cases do not go."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pe.errors import InputError
from pe.verifiers import Question, check, score

REF, TURN, END = "<|object_ref_start|>", "<|object_ref_end|><|box_start|>", "<|box_end|>"


def run(name: str, answer: Any, response: str, size: tuple[int, int] = (1000, 1000)) -> float | None:
    truth = json.dumps({"raw_image_size": size, "resized_image_size": size, "answer": answer, "reward_name": "x"})
    return score(Question(f"rexomni-{name}-compat", truth, size), [response])[0].score


def said(phrase: str, *points: tuple[int, int]) -> str:
    return f"{REF}{phrase}{TURN}{','.join(f'<{x}><{y}>' for x, y in points)}{END}"


CUPS = {"cup": {"points": [[50, 50], [30, 30]], "boxes": [[0, 0, 100, 100], [40, 40, 20, 20]]}}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (said("cup", (80, 80), (30, 30)), 1.0),
        (said("cup", (30, 30), (80, 80)), 0.5),  # greedy in the order of the boxes
        (said("cup", (80, 80)) + ", " + said("bowl", (1, 1)) + said("cup", (40, 40)), pytest.approx(0.8)),
        (said(" cup ", (80, 80), (30, 30)), 1.0),
        (said("Cup", (80, 80), (30, 30)), 0.0),
        (f"{REF}cup{TURN}<80><80><30><30><7>{END}", 1.0),  # cut into twos whatever stands between
        (f"{REF} cup < |object_ref_end|> <|box_start|>\n<80> ,<80> <30>\n<30>{END}", 1.0),
        (f"{REF}cup{TURN}<80><80><30><30>", 0.0),
        (f"{REF}{said('cup', (80, 80))}", 0.0),  # the phrase begins at the first tag
        (f"{REF}cup{TURN}<{'9' * 400}><1><80><80><30><30>{END}", 1.0),
    ],
)
def test_points_in_boxes(response: str, expected: float) -> None:
    assert run("point-in-box", CUPS, response) == expected


def test_phrases_without_points_or_of_another_length_are_passed_over() -> None:
    uneven = {"cup": {"points": [[1, 1]], "boxes": [[0, 0, 9, 9], [0, 0, 9, 9]]}, "bowl": {"boxes": [[0, 0, 9, 9]]}}
    assert run("point-in-box", uneven, "anything") == 1.0
    assert run("point-in-box", uneven, said("cup", (1, 1))) == 0.0


def test_points_in_masks() -> None:
    mask = [[0, 0, 0, 0], [0, 1, 1, 0]]
    cups = {"cup": {"points": [[1, 1]], "masks": [mask]}}
    assert run("point-in-mask", cups, said("cup", (499, 999)), (4, 2)) == 1.0
    assert run("point-in-mask", cups, said("cup", (499, 1000)), (4, 2)) == 0.0  # beyond the last row
    assert run("point-in-mask", cups, said("cup", (499, 999)), (4, 3)) == 0.0  # a mask of another size
    broken = {"cup": {"points": [[1, 1]] * 3, "masks": ["x", [[1], [1, 0]], {"size": [2, 4], "counts": "~~"}]}}
    assert run("point-in-mask", broken, said("cup", (499, 999)), (4, 2)) == 0.0


def test_the_truth_may_be_objects() -> None:
    truth = (
        '{"objects": [{"phrase": "cup", "bbox": [0, 0, 9, 9], "rings": [[0, 0, 9, 0, 9, 9]]}], "negatives": ["hat"]}'
    )
    for name in ("rexomni-point-in-box-compat", "rexomni-point-in-mask-compat"):
        (found,) = score(Question(name, truth, (10, 10)), [said("cup", (700, 300))])
        assert found.score == 1.0


@pytest.mark.parametrize("name", ["rexomni-point-in-box-compat", "rexomni-point-in-mask-compat"])
@pytest.mark.parametrize("truth", ["nothing", '{"answer": {}}', '{"answer": 3, "resized_image_size": [1, 1]}', "[5]"])
def test_other_text_is_no_truth(name: str, truth: str) -> None:
    with pytest.raises(InputError, match="Rex-Omni"):
        check(Question(name, truth, (10, 10)))


def test_a_box_of_another_length_is_an_error() -> None:
    answer = {"cup": {"points": [[1, 1]], "boxes": [[0, 0, 9]]}}
    with pytest.raises(InputError, match="four numbers"):
        run("point-in-box", answer, "")
