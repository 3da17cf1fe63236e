"""Which verifiers a sample's fields stand for, how their components are weighed, and what is missing or an error."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel, ValidationError

import pe.verifiers._scoring as scoring
from pe.errors import InputError
from pe.formats import Decoded
from pe.registry import load
from pe.schemas.sample import Sample
from pe.verifiers import (
    V_TRIUNE,
    Call,
    Missing,
    Parameters,
    Question,
    Schedule,
    Thresholds,
    Truth,
    Verifier,
    check,
    panel,
    read_truth,
    score,
    stages,
)

IMAGE = (640, 480)


class StandInParameters(Parameters):
    format: str = "text"
    also: dict[str, dict[str, Any]] = {"format-tags": {}}  # noqa: RUF012
    iou: Thresholds = Schedule(until=((1.0, 0.5),))


class StandIn(Verifier):
    """Says what it was told, and counts how often it prepares."""

    Parameters: ClassVar[type[Parameters]] = StandInParameters
    behaviour = "threshold"
    formula = source = ""
    prepared: ClassVar[list[Truth]] = []

    def prepare(self, truth: Truth, call: Call) -> Truth:
        self.prepared.append(truth)
        assert call.response == ""
        if truth.text == "bad":
            raise ValueError("it is bad")
        return truth

    def judge(self, answer: Decoded, truth: Truth, call: Call) -> Mapping[str, float]:
        said = answer.text
        if said == "missing":
            raise Missing("no idea")
        if said == "raise":
            raise RuntimeError("broken")
        if said == "nothing":
            return {}
        if said == "progress":
            return {"accuracy": self.parameters.iou.at(call.progress)[0]}
        if said == "tokens":
            return {"accuracy": float(call.tokens or 0)}
        return {"accuracy": float(said), "seen": 7.0}

    def stages(self) -> tuple[float, ...]:
        stages: tuple[float, ...] = self.parameters.iou.stages()
        return stages


@pytest.fixture(autouse=True)
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(kind: str, name: str) -> Any:
        return StandIn if (kind, name) == ("verifiers", "stand-in") else load(kind, name)

    monkeypatch.setattr(scoring, "load", find)
    scoring.panel.cache_clear()
    scoring._prepare.cache_clear()
    StandIn.prepared.clear()


def question(truth: Any = "x", params: Any = None, weights: Any = None, name: str = "stand-in") -> Question:
    gold = truth if isinstance(truth, str) else json.dumps(truth)
    return Question(name, gold, IMAGE, json.dumps(params or {}), json.dumps(weights or {}))


def tagged(text: str) -> str:
    return f"<think>a</think><answer>{text}</answer>"


def test_without_weights_the_first_component_is_the_score() -> None:
    (got,) = score(question(), ["0.25"])
    assert (got.score, got.components, got.state) == (0.25, {"accuracy": 0.25, "format": 0.0}, "ok")
    assert got.metrics == {"seen": 7.0}


@pytest.mark.parametrize(("accuracy", "form"), [(1.0, 0.1), (10.0, 1.0), (3.0, 0.0), (0.0, 2.0)])
def test_weights_are_normalised(accuracy: float, form: float) -> None:
    right, wrong = score(question(weights={"accuracy": accuracy, "format": form}), [tagged("1"), tagged("0.5")])
    assert right.score == pytest.approx(1.0)
    assert wrong.score == pytest.approx((0.5 * accuracy + form) / (accuracy + form))


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("missing", "no idea"),
        ("raise", "RuntimeError in test_scoring: broken"),
        ("nothing", "KeyError in test_scoring: 'accuracy'"),
        ("nan", "accuracy is not a finite number"),
        ("inf", "accuracy is not a finite number"),
    ],
)
def test_a_missing_component_makes_the_score_missing(said: str, reason: str) -> None:
    (got,) = score(question(weights={"accuracy": 1, "format": 0.1}), [tagged(said)])
    assert (got.score, got.components) == (None, {"accuracy": None, "format": 1.0})
    assert got.reason == reason


def test_a_component_without_a_weight_makes_it_missing_too() -> None:
    (got,) = score(question(weights={"format": 1}), [tagged("missing")])
    assert got.score is None


def test_one_response_that_fails_leaves_the_others() -> None:
    got = score(question(), ["1", "raise", "0.5", "missing"])
    assert [item.score for item in got] == [1.0, None, 0.5, None]


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        (question(name="no-such"), "no verifier is called 'no-such'"),
        (question(name="detectoin"), "did you mean detection"),
        (question(params={"also": {"no-such": {}}}), "no verifier is called"),
        (question(params={"format": "no-such"}), "no format is called"),
        (question(params={"also": {"format-tags": {"format": "no-such"}}}), "no format is called"),
        (question(params={"iuo": 1}), r"iuo: Extra inputs .*\(it takes format, also, iou\)"),
        (question(params={"iou": 2}), "iou"),
        (question(params={"also": {"length": {"limit": 0}}}), "limit"),
        (question(weights={"acuracy": 1}), r"no component 'acuracy' to weigh \(it returns accuracy, format\)"),
        (question(weights={"accuracy": -1}), "not a number from 0 on"),
        (question(weights={"accuracy": "1"}), "not a number from 0 on"),
        (question(weights={"accuracy": True}), "not a number from 0 on"),
        (question(weights={"accuracy": 0}), "all weights are 0"),
        (Question("stand-in", "x", IMAGE, weights_json='{"accuracy": Infinity}'), "not a number from 0 on"),
        (Question("stand-in", "x", IMAGE, weights_json="[1]"), "not a JSON object"),
        (Question("stand-in", "x", IMAGE, params_json="{"), "not a JSON object"),
        (question("bad"), "the ground truth cannot be used: it is bad"),
        (question({"objects": [{"bbox": [1, 2, 3]}]}), "ground truth"),
        (question({"objects": [{"colour": "red"}]}), "ground truth"),
        (question({"text": "x", "colour": "red"}), "ground truth"),
        (question(params={"also": {"format": {}, "format-tags": {}}}), "several of its verifiers return format"),
        (question(params={"also": {"stand-in": {}}}), "several of its verifiers return accuracy"),
        (question(params={"also": {"length": {"also": {"format": {}}}}}), "has no `also` of its own"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_unknown_is_an_error_when_it_is_checked_and_when_it_is_scored(asked: Question, match: str) -> None:
    with pytest.raises(InputError, match=match):
        check(asked)
    with pytest.raises(InputError, match=match):
        score(asked, ["1"])


def test_also_puts_verifiers_side_by_side() -> None:
    asked = question(params={"also": {"length": {"limit": 4, "unit": "characters"}, "repetition": {}}})
    weights = json.dumps({"accuracy": 1, "length": 1, "repetition": 2})
    (got,) = score(Question(asked.verifier, asked.ground_truth, IMAGE, asked.params_json, weights), ["0.25"])
    assert got.components == {"accuracy": 0.25, "length": 0.5, "repetition": 0.0}
    assert got.score == pytest.approx(0.75 / 4)
    assert panel("stand-in", '{"also": {}}').components == ("accuracy",)


def test_verifiers_beside_it_read_in_its_format_unless_they_name_their_own() -> None:
    assert panel("stand-in", '{"format": "boxed"}').formats == ("boxed", "boxed")
    own = panel("stand-in", '{"format": "boxed", "also": {"format": {"format": "glm"}}}')
    assert own.formats == ("boxed", "glm")
    (got,) = score(question(params={"format": "boxed", "also": {"format": {"format": "text"}}}), ["\\boxed{1}"])
    assert (got.components, got.state) == ({"accuracy": 1.0, "format": 1.0}, "ok")


def test_progress_and_tokens_arrive_with_the_call() -> None:
    asked = question(params={"iou": "v-triune"})
    assert [score(asked, ["progress"], at)[0].score for at in (0.0, 0.10, 0.11, 0.25, 0.26, 1.0)] == [
        *(0.85, 0.85, 0.95),
        *(0.95, 0.99, 0.99),
    ]
    assert [item.score for item in score(asked, ["tokens", "tokens"], tokens=[3, 4])] == [3.0, 4.0]
    assert stages(asked) == (0.10, 0.25, 1.0)
    assert stages(question()) == (1.0,)
    with pytest.raises(ValueError, match="zip"):
        score(asked, ["1", "2"], tokens=[3])


def test_the_truth_is_prepared_once_for_all_responses_and_calls() -> None:
    asked = question({"text": "a"})
    check(asked)
    for _ in range(3):
        score(asked, ["1"] * 8)
    score(question({"text": "b"}), ["1"])
    assert [truth.text for truth in StandIn.prepared] == ["a", "b"]


def test_threads_get_what_one_thread_gets() -> None:
    asked = [question({"text": str(i)}, weights={"accuracy": 1, "format": i % 3}) for i in range(6)]
    responses = [tagged(str(i / 10)) for i in range(20)]
    want = [[item.score for item in score(one, responses)] for one in asked]
    scoring._prepare.cache_clear()
    got: dict[int, list[float | None]] = {}
    threads = [
        threading.Thread(target=lambda i=i: got.update({i: [item.score for item in score(asked[i % 6], responses)]}))
        for i in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {i: want[i % 6] for i in range(12)}


def test_a_sample_asks_its_own_question() -> None:
    record = {
        "verifier": {"name": "detection", "params_json": '{"format": "glm"}'},
        "reward_model": {"style": "rule", "ground_truth": "[]", "weights_json": '{"accuracy": 1}'},
    }
    sample = Sample.model_construct(
        width=30,
        height=20,
        input_width=0,
        input_height=0,
        verifier=_Part(**record["verifier"]),
        reward_model=_Part(**record["reward_model"]),
    )
    assert Question.of(sample) == Question("detection", "[]", (30, 20), '{"format": "glm"}', '{"accuracy": 1}', None)
    seen = sample.model_copy(update={"input_width": 28, "input_height": 56})
    assert Question.of(seen).input_size == (28, 56)


class _Part(BaseModel, extra="allow"):
    pass


def test_truths() -> None:
    written = read_truth(" <answer>\\boxed{4}</answer>")
    assert written == Truth(written=" <answer>\\boxed{4}</answer>")
    assert read_truth("{1, 2}").written == "{1, 2}"
    assert read_truth("[[0.1, 0.2]]").written == "[[0.1, 0.2]]"
    assert read_truth('{"name": "cat"}').written == '{"name": "cat"}'
    boxes = '[{"phrase": "cat", "bbox": [1, 2, 3, 4]}, {"phrase": "dog", "point": [1, 2]}]'
    assert read_truth(boxes) == read_truth(f'{{"objects": {boxes}}}')
    assert read_truth(boxes).phrases == ("cat", "dog")
    assert read_truth('{"negatives": ["dog", "cat"], "objects": [{"phrase": "cat"}]}').phrases == ("cat", "dog")
    assert read_truth("[]") == Truth()


@pytest.mark.parametrize(
    "wrong",
    [
        '{"objects": [{"bbox": [1, 2, 3, NaN]}]}',
        '{"objects": [{"rings": [[1, 2, 3, 4]]}]}',
        '{"objects": 3}',
        '{"count": "many"}',
    ],
)
def test_a_truth_that_is_nearly_one_is_an_error(wrong: str) -> None:
    with pytest.raises(InputError, match="ground truth"):
        read_truth(wrong)


def test_a_truth_as_text_is_text_to_a_verifier_without_shapes_and_objects_to_one_with_them() -> None:
    check(question("a cat"))
    assert StandIn.prepared[-1].text == "a cat"
    seen: list[Truth] = []

    class WithShapes(StandIn):
        shapes = ("bbox",)

        def prepare(self, truth: Truth, call: Call) -> Truth:
            seen.append(truth)
            return truth

    form = '{"format": "qwen2.5-vl", "also": {}}'
    verifier = WithShapes(StandInParameters())
    call = Call("", IMAGE)
    truth = read_truth('```json [{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]```')
    as_objects = scoring._as_needed(truth, verifier, json.loads(form)["format"], Call("", (644, 476)))
    assert [(item.phrase, item.bbox) for item in as_objects.objects] == [("cat", (1.0, 2.0, 30.0, 40.0))]
    assert as_objects.written == truth.written
    assert scoring._as_needed(Truth(text="a"), verifier, "text", call) == Truth(text="a")


def test_a_choice_is_read_with_its_options() -> None:
    truth = {"text": "B", "question": "Which?", "options": {"A": "the dog", "B": "the cat"}}
    (got,) = score(question(truth, {"format": "auto"}, name="choice"), ["I would say that it is the cat"])
    assert (got.score, got.state) == (1.0, "ok")


class Settings(BaseModel):
    iou: Thresholds


def schedule(value: Any) -> Schedule:
    return Settings.model_validate({"iou": value}).iou


def test_schedules() -> None:
    assert schedule(0.5).at(0.0) == schedule(0.5).at(1.0) == (0.5,)
    assert schedule([0.5, 0.75]).at(0.3) == (0.5, 0.75)
    assert schedule("v-triune") == Schedule(until=V_TRIUNE)
    own = schedule({"until": [[0.5, 0.3], [1.0, 0.9]]})
    assert [own.at(at) for at in (0.0, 0.5, math.nextafter(0.5, 1), 1.0, 1.5)] == [
        (0.3,),
        (0.3,),
        (0.9,),
        (0.9,),
        (0.9,),
    ]
    assert own.stages() == (0.5, 1.0)
    assert schedule([0.5, 0.75]).stages() == schedule(1).stages() == (1.0,)


@pytest.mark.parametrize(
    "wrong",
    [
        *(True, "qwen", 1.5, -0.1, [], [2.0], {}, None),
        {"until": [[0.5, 0.3]]},
        {"until": [[1.0, 0.3], [0.5, 0.3]]},
        {"until": [[0.5, 0.3], [0.5, 0.4], [1.0, 0.5]]},
        {"until": [[1.0, 0.5]], "mean": [0.5]},
        {"until": [[1.0, 0.5]], "more": 1},
    ],
)
def test_a_schedule_that_is_none_is_an_error(wrong: Any) -> None:
    with pytest.raises(ValidationError):
        schedule(wrong)
