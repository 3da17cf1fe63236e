"""What single tasks ask, and what they leave out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pe.engines.tasks.read_text import reading_lines
from pe.errors import InputError
from pe.formats import Answer
from pe.registry import names
from pe.schemas.sample import Object, Sample, dumps
from pe.verifiers import Question, score
from tests.engines.tasks.conftest import ABSENT, ask, make_form, make_sample, make_task

SIZE = (640, 480)


def test_every_task_of_the_issue_is_there() -> None:
    wanted = (
        "detect refer point count text-to-mask box-to-mask point-to-mask text-to-box mask-to-caption box-to-caption "
        "read-text layout gui-box gui-point keypoints visual-prompt spatial-pointing caption qa"
    )
    assert sorted(wanted.split()) == names("tasks")


@pytest.mark.parametrize("task", names("tasks"))
def test_the_same_arguments_give_the_same_questions(task: str, scenes: list[Sample], hand_made: Sample) -> None:
    scenes = [*scenes, hand_made]
    absent = (*ABSENT, "person")
    form = make_form("rexomni" if any(ask(task, "rexomni", sample, absent) for sample in scenes) else "text")
    made = make_task(task)
    first, again, other = (
        [list(made.exchanges(sample, form, np.random.default_rng(seed), absent)) for sample in scenes]
        for seed in (3, 3, 4)
    )
    assert first == again
    assert task == "qa" or first != other


def test_detection_asks_in_random_order_for_what_is_there_and_what_is_not(hand_made: Sample) -> None:
    orders = set()
    for seed in range(20):
        (found,) = ask("detect", "rexomni", hand_made, (*ABSENT, "DOG", "zebra"), seed, wordings="rexomni-compat")
        assert found.question.startswith("Detect ")
        asked = found.question[len("Detect ") :].partition(". Output")[0].split(", ")
        assert sorted(asked) == ["cat", "dog", "traffic light", "zebra"]
        orders.add(tuple(asked))
        dogs = [item.bbox for item in found.answer.objects if item.phrase == "dog"]
        assert dogs == [(100, 120, 220, 300), (300, 310, 380, 420)]
        assert set(found.answer.absent) == set(ABSENT) == set(found.truth["negatives"])
        assert found.system == "You are a helpful assistant"
    assert len(orders) > 5


def test_some_phrases_and_categories(hand_made: Sample) -> None:
    counts = {
        len(ask("detect", "rexomni", hand_made, seed=seed, phrases="some")[0].truth["objects"]) for seed in range(20)
    }
    assert counts == {1, 2, 3}
    (found,) = ask("layout", "qwen3-vl", hand_made, categories=("cat", "title"))
    assert list(found.truth["negatives"]) == ["title"]
    each = ask("detect", "rexomni", hand_made, ABSENT, phrases="each", limit=1)
    assert [len(item.answer.objects) > 0 for item in each] == [True, False, False]


def test_spelling_and_white_space_make_no_new_phrase() -> None:
    objects = [Object(id=n, phrase=text, bbox=(n, 0, n + 9, 9)) for n, text in enumerate(("Red  car", "red car", " "))]
    (found,) = ask("detect", "qwen3-vl", make_sample(objects), ("RED CAR",), wordings="v-triune", thinking=False)
    assert [item.phrase for item in found.answer.objects] == ["Red car", "Red car"]
    assert found.question.endswith(":\n- Red car")


def test_vlm_r1_asks_as_published(hand_made: Sample) -> None:
    questions = {ask("detect", "vlm-r1", hand_made, seed=seed, wordings="vlm-r1")[0].question for seed in range(30)}
    published = (
        "Please carefully check the image and detect the following objects: ['dog', 'cat']. Output the bbox "
        "coordinates of detected objects in <answer></answer>. The bbox coordinates in Markdown format should be: \n"
        '```json\n[{"bbox_2d": [x1, y1, x2, y2], "label": "object name"}]\n```\n If no targets are detected in the '
        'image, simply respond with "None".'
    )
    assert any(question.endswith(f"</answer>\n{published}") for question in questions)


def test_published_rows_are_asked_word_for_word(shared: Path) -> None:
    golden = json.loads((shared.parent / "golden" / "example_rows.json").read_text())
    content = golden["v_triune"]["rows"][1]["prompt"][0]["content"]
    objects = [Object(id=n, phrase=text, bbox=(9, 9, 99, 99)) for n, text in enumerate(("dog collar", "shiba dog"))]
    made, form, sample = make_task("detect", wordings="v-triune"), make_form("v-triune"), make_sample(objects)
    rngs = map(np.random.default_rng, range(1000))
    asked = {one.question for rng in rngs for one in made.exchanges(sample, form, rng, ())}
    assert content.removeprefix("<image>\n") in asked
    assert len(asked) > 150  # 10 x 10 x 2 orders
    said = dumps({"expressions": [{"text": golden["perception_r1"]["rows"][0]["problem"], "objects": [0]}]})
    sample = make_sample(objects[:1], provenance_json=said)
    (found,) = ask("refer", "perception-r1", sample, wordings="perception-r1-compat")
    assert found.question == golden["perception_r1"]["prompt_after_template"]
    (found,) = ask("refer", "perception-r1", sample, wordings="perception-r1")
    assert found.question == "Output the bounding box of the man on the left in the image."


def test_expressions_mean_one_several_or_none(hand_made: Sample) -> None:
    found = ask("refer", "rexomni", hand_made, ("the zebra",), wordings="simpleseg", thinking=False)
    assert [(len(item.answer.objects), item.answer.absent, item.verifier) for item in found] == [
        (1, (), "box-iou"),
        (2, (), "detection"),
        (1, (), "box-iou"),
        (0, ("the dog right of the car",), "detection"),
        (0, ("the zebra",), "detection"),
    ]
    assert len(ask("refer", "rexomni", hand_made, targets=("several",))) == 1
    assert len(ask("refer", "rexomni", hand_made, ABSENT, source="phrases", targets=("one",))) == 1
    captions = ask("refer", "rexomni", hand_made, source="captions")
    assert [item.answer.objects[0].phrase for item in captions] == ["a dog with a white collar"]


def test_spatial_pointing_takes_places_alone(hand_made: Sample) -> None:
    found = ask("spatial-pointing", "molmo", hand_made)
    assert [item.truth["objects"][0]["phrase"] for item in found[:2]] == [
        "the dog on the left",
        "the dog below the cat",
    ]
    assert [item.answer.objects[0].point for item in found[:2]] == [(120.5, 250.5), (340, 365)]
    assert (found[0].verifier, found[2].answer.absent) == ("point-in-mask", ("the dog right of the car",))


@pytest.mark.parametrize(
    "bad", ["[1]", '{"expressions": 3}', '{"expressions": [3, {"text": 3}, {"text": "a", "objects": [[1]]}]}']
)
def test_provenance_of_another_form_says_nothing(bad: str, hand_made: Sample) -> None:
    sample = hand_made.model_copy(update={"provenance_json": bad})
    assert ask("refer", "rexomni", sample, source="expressions") == []
    assert [item.answer.objects[0].phrase for item in ask("refer", "rexomni", sample)] == ["a dog with a white collar"]


def test_an_expression_of_objects_that_are_not_there_is_left_out(hand_made: Sample) -> None:
    said = dumps({"expressions": [{"text": "the bird", "kind": "category", "objects": [7]}]})
    sample = hand_made.model_copy(update={"provenance_json": said})
    assert ask("refer", "rexomni", sample, source="expressions") == []


def test_points_without_a_record_come_from_the_mask_or_the_box() -> None:
    ring = [0.0, 0.0, 100.0, 0.0, 100.0, 10.0, 10.0, 10.0, 10.0, 100.0, 0.0, 100.0]
    objects = [
        Object(id=0, phrase="bracket", bbox=(0, 0, 100, 100), rings=[ring]),
        Object(id=1, phrase="box", bbox=(200, 200, 300, 260)),
    ]
    bracket, box = ask("point", "simpleseg", make_sample(objects))
    x, y = bracket.answer.objects[0].point or (50, 50)

    assert min(x, y) < 10
    assert bracket.verifier == "point-in-mask"
    assert (box.answer.objects[0].point, box.verifier) == ((250, 230), "point-in-box")


def test_holes_are_the_rings_of_the_other_sense_or_inside_another(hand_made: Sample) -> None:
    found = ask("text-to-mask", "simpleseg", hand_made, source="phrases", holes=True)
    assert [[len(item.rings or ()) for item in one.answer.objects] for one in found] == [[1, 1], [2]]
    assert [one.verifier for one in found] == ["segmentation", "polygon-iou"]
    unsigned = [item.model_copy(update={"orientation": None}) for item in hand_made.objects()]
    sample = make_sample(unsigned)
    assert ask("text-to-mask", "simpleseg", sample, source="phrases", holes=True)[0].answer == found[0].answer
    assert [one.answer.objects[0].phrase for one in ask("text-to-mask", "simpleseg", sample, source="phrases")] == [
        "cat"
    ]


def test_a_mask_without_rings_is_traced(scenes: list[Sample]) -> None:
    bare = [item.model_copy(update={"rings": None, "orientation": None}) for item in scenes[0].objects()]
    sample = make_sample(bare, (scenes[0].width, scenes[0].height))
    assert len(ask("box-to-mask", "simpleseg", sample)) == len(ask("box-to-mask", "simpleseg", scenes[0]))


def test_the_four_tuple_shows_coordinates_as_the_format_writes_them(hand_made: Sample) -> None:
    (found, _, _) = ask("box-to-caption", "text", hand_made, wordings="simpleseg")
    assert "[0.469, 0.646, 0.594, 0.875]" in found.question
    assert found.answer.text == "the dog below the cat"
    assert found.verifier == ""
    says = [one.answer.text for one in ask("box-to-caption", "text", hand_made)]
    assert says == ["the dog below the cat", "a dog with a white collar", "cat"]
    shown = {
        "rexomni": "<|box_start|><468><645><593><874><|box_end|>",
        "qwen2.5-vl": '{"bbox_2d": [302, 307, 382, 417]}',
        "v-triune": "{'bbox_2d': [302, 307, 382, 417]}",
        "locateanything": "<box><469><646><594><875></box>",
        "internvl": "<box>[[469, 646, 594, 875]]</box>",
    }
    for form, text in shown.items():
        (found, *_) = ask("box-to-caption", "text", hand_made, coordinates=form)
        assert f"{text}" in found.question, (form, found.question)
    (found, *_) = ask("mask-to-caption", "text", hand_made, wordings="simpleseg", verifier="fuzzy-text")
    assert "[[[0.469, 0.646], [0.594, 0.646], [0.594, 0.875], [0.469, 0.875]]]" in found.question
    assert found.verifier == "fuzzy-text"


def test_coordinates_follow_what_the_model_sees(hand_made: Sample) -> None:
    sample = hand_made.model_copy(update={"input_width": 1280, "input_height": 960})
    (found, *_) = ask("box-to-caption", "text", sample, coordinates="qwen2.5-vl")
    assert '{"bbox_2d": [600, 620, 760, 840]}' in found.question


def test_words_stand_around_bare_coordinates_alone(hand_made: Sample) -> None:
    worded = {ask("text-to-mask", "simpleseg", hand_made, seed=s, wordings="simpleseg")[0].wording for s in range(20)}
    assert worded >= {"{answer}.", "It is at {answer}."}
    denied = ask("text-to-mask", "simpleseg", hand_made, ("zebra",), wordings="simpleseg")[-1]
    assert (denied.wording, denied.answer.absent) == ("{answer}", ("zebra",))
    assert {ask("text-to-mask", "rexomni", hand_made, seed=s, wordings="simpleseg")[0].wording for s in range(20)} == {
        "{answer}"
    }


def test_counts(hand_made: Sample) -> None:
    found = ask("count", "boxed", hand_made, ("zebra",))
    assert [one.answer.text for one in found] == ["2", "1", "0"]
    assert found[0].parameters == {"by": "text"}
    (dogs, *_) = ask("count", "perception-r1", hand_made, answer="boxes", wordings="perception-r1")
    assert dogs.question == "Output all the bounding boxes of the dog"
    assert (len(dogs.answer.objects), dogs.truth["count"], dogs.parameters) == (2, 2, {})
    (usual, *_) = ask("count", "boxed", hand_made, verifier="v-triune-mathverify", weights={"accuracy": 1.0})
    assert (usual.verifier, usual.parameters) == ("v-triune-mathverify", {})


def test_reading_order() -> None:
    boxes = [(50, 12, 90, 30), (10, 10, 40, 30), (10, 50, 40, 70), (60, 20, 80, 40)]
    objects = [Object(id=n, phrase="text", bbox=box, text=str(n)) for n, box in enumerate(boxes)]
    assert [[item.text for item in line] for line in reading_lines(objects)] == [["1", "0"], ["3"], ["2"]]
    (found,) = ask("read-text", "perception-r1", make_sample(objects), answer="text", wordings="perception-r1")
    assert (found.question, found.answer.text, found.parameters) == ("OCR this image.", "1 0\n3\n2", {"region": "none"})


def test_texts_that_are_not_there() -> None:
    objects = [Object(id=0, phrase="text", bbox=(5, 5, 50, 20), text="EXIT")]
    found = ask("read-text", "rexomni", make_sample(objects), ("exit", "ENTRY"), find=True, unit="word")
    assert [(len(one.answer.objects), one.verifier) for one in found] == [
        (1, "ocr"),
        (1, "detection"),
        (0, "detection"),
    ]

    assert "ENTRY" in found[2].question
    assert found[2].answer.absent == ("ENTRY",)
    assert ask("read-text", "rexomni", make_sample([]), ("ENTRY",)) == []
    (empty,) = ask("read-text", "rexomni", make_sample([]), empty=True)

    assert (empty.answer.objects, empty.truth) == ((), {"objects": []})


def test_screens_ask_for_what_one_name_tells() -> None:
    names_ = ("Back", "Send", "send", "", "Menu")
    objects = [Object(id=n, phrase="Button", bbox=(n, 0, n + 20, 20), text=text) for n, text in enumerate(names_)]
    objects[4] = objects[4].model_copy(update={"caption": "open the menu"})
    found = ask("gui-point", "qwen3-vl", make_sample(objects), ("Delete", "BACK"))
    assert [tuple(one.truth.get("negatives", ())) for one in found] == [(), (), ("Delete",)]
    assert [one.answer.objects[0].point for one in found[:2]] == [(10, 10), (14, 10)]
    assert [one.answer.objects[0].phrase for one in found[:2]] == ["Back", "open the menu"]
    assert ask("gui-point", "qwen3-vl", make_sample(objects[3:4]), ("Delete",)) == []


def test_key_points_have_names() -> None:
    person = [float(value) for n in range(17) for value in (100 + n, 50, n % 3)]
    objects = [
        Object(id=0, phrase="person", bbox=(90, 40, 130, 200), keypoints=person),
        Object(id=1, phrase="person", bbox=(190, 40, 230, 200)),
        Object(id=2, phrase="tool", bbox=(0, 0, 20, 20), keypoints=[1.0, 2.0, 2.0]),
    ]
    made = make_task("keypoints", wordings="rexomni", skeletons={"person": "person", "": "animal"})
    form = make_form("rexomni")
    found = list(made.exchanges(make_sample(objects), form, np.random.default_rng(0), ("horse", "car 2")))
    assert [(len(one.answer.objects), one.answer.absent) for one in found] == [(2, ()), (0, ("horse",))]
    pose = found[0].answer.objects[0].keypoints or {}
    assert (pose["nose"], pose["left eye"], pose["right ankle"]) == (None, (101, 50), (116, 50))
    assert set((found[0].answer.objects[1].keypoints or {}).values()) == {None}
    assert "root of tail, left shoulder" in found[1].question
    assert len(ask("keypoints", "rexomni", make_sample(objects), ("horse",))) == 1
    assert made.skipped == {
        "no names for the key points of a phrase": 1,
        "a phrase ends in a digit, which instances are numbered by": 1,
    }


def test_a_visual_prompt_does_not_tell_the_phrase(hand_made: Sample) -> None:
    (found,) = ask("visual-prompt", "rexomni", hand_made, wordings="rexomni")
    assert 'Given reference boxes {"object_1": ["<' in found.question
    assert "dog" not in found.question
    assert {item.phrase for item in found.answer.objects} == {"object_1"}
    assert len(found.answer.objects) == 2


def _row(user: object, gold: str = "", **fields: str) -> Sample:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": user}]
    if gold:
        messages.append({"role": "assistant", "content": gold})
    return make_sample([], kind="sft", messages_json=dumps(messages), **fields)


def test_rows_of_others() -> None:
    (found,) = ask("qa", "text", _row("<image>What colour is it?", "<think>I look.</think><answer>Red</answer>"))
    assert (found.question, found.answer.text, found.answer.thought) == ("What colour is it?", "Red", "I look.")
    assert (found.system, found.verifier, found.ability) == ("Be brief.", "exact-text", "question-answering")
    parts = [{"type": "image"}, {"type": "text", "text": "What is AB?"}]
    (maths,) = ask("qa", "boxed", _row(parts, gold_text="\\boxed{4}"), verifier="maths", ability="maths")
    assert (maths.answer.text, maths.truth["text"], maths.ability) == ("4", "4", "maths")
    assert make_form("boxed").encode(maths.answer, SIZE) == "\\boxed{4}"
    choice = _row("Which?\nA. a dog\nB. a cat\n(C) none of these", "(B) a cat")
    (found,) = ask("qa", "text", choice, verifier="choice")
    assert found.truth["options"] == {"A": "a dog", "B": "a cat", "C": "none of these"}
    assert (found.answer.text, found.truth["text"]) == ("B", "B")


@pytest.mark.parametrize("form", ["text", "boxed"])
@pytest.mark.parametrize(
    ("verifier", "question", "gold", "wrong"),
    [
        ("exact-text", "What is it?", "A red kite.", "A kite"),
        ("yes-no", "Is it red?", "Yes", "No"),
        ("choice", "Which?\nA. a dog\nB. a cat", "B. a cat", "A"),
    ],
)
def test_the_gold_of_a_row_scores_1(form: str, verifier: str, question: str, gold: str, wrong: str) -> None:
    (found,) = ask("qa", form, _row(question, gold), verifier=verifier)
    params, weights = dumps({"format": form, **found.parameters}), dumps(dict(found.weights))
    asked = Question(found.verifier, dumps(found.truth), SIZE, params, weights)
    answers = [make_form(form).encode(answer, SIZE) for answer in (found.answer, Answer(text=wrong))]
    right, other = score(asked, answers)
    assert right.score == 1.0
    assert other.components["accuracy"] == 0.0


def test_simpleseg_asks_and_answers_as_published(shared: Path) -> None:
    golden = json.loads((shared.parent / "golden" / "example_rows.json").read_text())["simpleseg"]["rows"][0]
    question, answer = (turn["value"] for turn in golden["conversations"])
    ring = [20.0, 10.0, 20.0, 39.0, 59.0, 39.0, 59.0, 10.0]
    cat = Object(id=0, phrase="the left cat", bbox=(20, 10, 60, 40), rings=[ring], orientation="simpleseg-compat")
    made, form = make_task("text-to-mask", wordings="simpleseg"), make_form("simpleseg-compat")
    said = set()
    for seed in range(200):
        (one,) = made.exchanges(make_sample([cat], (80, 60)), form, np.random.default_rng(seed), ())
        said.add((one.question, one.wording.replace("{answer}", form.encode(one.answer, (80, 60)))))
    assert (question.partition("</img>")[2], answer) in said
    assert len(said) == 7 * 4


def test_maths_rows_of_v_triune_are_taken_over(shared: Path) -> None:
    golden = json.loads((shared.parent / "golden" / "example_rows.json").read_text())["v_triune"]["rows"][0]
    row = make_sample([], messages_json=dumps(golden["prompt"]), gold_text=golden["reward_model"]["ground_truth"])
    (found,) = ask("qa", "boxed", row, verifier="v-triune-mathverify", wordings="v-triune", thinking=False)
    assert found.question == golden["prompt"][0]["content"].removeprefix("<image>")
    assert found.answer.text == golden["reward_model"]["answer"]
    assert make_form("boxed").encode(found.answer, SIZE) == golden["reward_model"]["ground_truth"]


def test_rows_of_several_turns_or_none_are_left_out() -> None:
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}] * 2
    for sample in (make_sample([], messages_json=dumps(turns)), make_sample([]), _row("Why?"), _row("<image>", "x")):
        made = make_task("qa")
        assert list(made.exchanges(sample, make_form("text"), np.random.default_rng(0), ())) == []
        assert made.skipped == {"a row is no single question with an answer": 1}
    (found,) = ask("qa", "text", make_sample([], messages_json=dumps(turns[:2])))
    assert (found.question, found.answer.text) == ("a", "b")


def test_wordings_without_a_topic_of_the_task_are_an_error() -> None:
    with pytest.raises(InputError, match="the wordings v-triune-free have none of detect"):
        make_task("detect", wordings="v-triune-free")
    with pytest.raises(InputError, match="no pool of wordings"):
        make_task("detect", wordings="rexomnia")
    with pytest.raises(ValueError, match="Extra inputs"):
        make_task("detect", wording="rexomni")
