"""V-Triune's and VLM-R1's own text rewards, on their own outputs and on cases worked by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pe.verifiers import Question, Score, score
from tests.conftest import SHARED

pytest.importorskip("math_verify")
GOLDEN = SHARED.parent / "golden"
IMAGE = (640, 480)
TEXT_METHODS = ("default", "mcq", "yes_no", "all_match", "math")


def cases(file: str, part: str) -> list[dict[str, Any]]:
    path = GOLDEN / file
    return list(json.loads(path.read_text())[part]) if path.is_file() else []


VLM_R1, V_TRIUNE = "vlmr1_rewards_golden.json", "vtriune_mathverify_golden.json"
golden = pytest.mark.skipif(not (GOLDEN / VLM_R1).is_file(), reason=f"no golden cases at {GOLDEN}; set PE_TEST_DATA")


def ask(name: str, gold: str, response: str, tokens: int | None = None) -> Score:
    return score(Question(name, gold, IMAGE), [response], tokens=None if tokens is None else [tokens])[0]


@golden
@pytest.mark.parametrize(
    "case",
    [case for case in cases(VLM_R1, "accuracy") if case["method"] in TEXT_METHODS],
    ids=lambda case: case["name"],
)
def test_vlm_r1_accuracy(case: dict[str, Any]) -> None:
    name = f"vlm-r1-{case['method'].replace('_', '-')}-compat"
    assert ask(name, case["solution"], case["content"]).score == pytest.approx(case["score"], abs=1e-9)


@golden
@pytest.mark.parametrize("part", ["format", "repetition", "format_reward_rec"])
def test_vlm_r1_form(part: str) -> None:
    name = "vlm-r1-rec-format-compat" if part == "format_reward_rec" else f"vlm-r1-{part}-compat"
    for case in cases(VLM_R1, part):
        want = case.get("score", case.get("format_reward_rec"))
        assert ask(name, "", case["content"]).score == pytest.approx(want, abs=1e-9), case


@golden
def test_vlm_r1_length() -> None:
    for case in cases(VLM_R1, "cosine_tokens"):
        assert ask("vlm-r1-length-compat", "", "x", case["tokens"]).score == pytest.approx(case["score"], abs=1e-9)


@golden
def test_v_triune() -> None:
    for case in cases(V_TRIUNE, "accuracy_cases"):
        assert ask("v-triune-mathverify-compat", case["solution"], case["predict"]).score == case["accuracy"], case
    for case in cases(V_TRIUNE, "format_cases"):
        got = ask("v-triune-mathverify-compat", "1", case["predict"]).components["format"]
        assert got == pytest.approx(case["format"], abs=1e-9), case


@pytest.mark.parametrize(
    ("method", "gold", "response", "want"),
    [
        ("yes-no", "yes", "<answer>I know it is yes</answer>", 0.0),  # "no" is in "know"
        ("yes-no", "YES", "<ANSWER>yes</ANSWER> no", 1.0),
        ("yes-no", "maybe", "perhaps", 1.0),
        ("mcq", "C", "<answer>(C)</answer>", 0.0),
        ("mcq", "<answer> C </answer>", "<answer>C</answer><answer>D</answer>", 1.0),
        ("mcq", "none of them", "B.", 0.0),
        ("all-match", "Red\n car..", "<answer>a</answer> <answer>red  car</answer>", 1.0),
        ("all-match", "a\nb", "a \nb", 1.0),
        ("default", "B", "<answer>it is B.</answer>", 1.0),
        ("default", "red car", "<answer>red cab</answer>", 12 / 14),
        ("default", "a3", "<answer>a4</answer>", 0.5),
        ("math", "\\frac{1}{2}", "<answer>\\boxed{\\frac12}</answer>", 1.0),
        ("math", "x=\\sqrt{5}", "<answer>\\sqrt5</answer>", 1.0),
        ("math", "7", "<answer>8</answer>", 0.0),
    ],
)
def test_what_vlm_r1_does_at_the_edges(method: str, gold: str, response: str, want: float) -> None:
    assert ask(f"vlm-r1-{method}-compat", gold, response).score == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize(
    ("response", "want"),
    [
        ("<think></think><answer></answer>", 1.0),
        ("<think>a</think> \n <answer>b</answer>", 1.0),
        (" <think>a</think><answer>b</answer>", 0.0),
        ("<think>a</think>b</think><answer>c</answer>", 1.0),
        ("<think>a</think><answer>", 0.0),
        ("<think><answer>b</answer></think>", 0.0),
        ("<think></think><answer", 0.0),
    ],
)
def test_what_vlm_r1_takes_for_its_format(response: str, want: float) -> None:
    assert ask("vlm-r1-format-compat", "", response).components["format"] == want


@pytest.mark.parametrize(
    ("fenced", "want"),
    [
        ("```json\n[{'bbox_2d': [1, 2], 'label': 'a'}, {'bbox_2d': [1, 2], 'label': 'a'}]\n```", -0.5),
        ("```\n[]\n``` a b c d e f a b c d e f", -1 / 10),
        ("```json\n{}\n```", 0.0),
        ('```json\n[{"label": "a"}]\n```', 0.0),
        ("", 0.0),
    ],
)
def test_what_vlm_r1_takes_for_repetition(fenced: str, want: float) -> None:
    assert ask("vlm-r1-repetition-compat", "", fenced).score == pytest.approx(want, abs=1e-9)


def test_v_triune_reads_one_box_or_what_stands_after_the_word_answer() -> None:
    name = "v-triune-mathverify-compat"
    assert ask(name, "8", "\\boxed{7} then \\boxed{8}").score == 0.0
    assert ask(name, "8", "\\boxed{8}").score == 1.0
    assert ask(name, "8", "8").score == 0.0
    assert ask(name, "8", "<answer>$8$</answer>").score == 1.0  # "answer" is an anchor, too


def test_v_triune_corrected() -> None:
    weights = json.dumps({"accuracy": 1.0, "format": 0.1})
    question = Question("v-triune-mathverify", "\\boxed{8}", IMAGE, weights_json=weights)
    whole, bare, wrong = score(
        question,
        [
            "<think>a</think><answer>\\boxed{7}, no, \\boxed{8}</answer>",
            "\\boxed{8}",
            "<think>a</think><answer>8</answer>",
        ],
    )
    assert (whole.score, bare.score) == (1.0, pytest.approx(1 / 1.1))
    assert wrong.score == pytest.approx(0.1 / 1.1)
