"""Pools of wordings: the shipped ones are clean, the lint finds what broke published ones, phrases stay values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.engines.tasks._lint import PLACEHOLDER, TOPICS
from pe.engines.tasks._wordings import Pool, Wordings, fill, lint, load_pool, pool_names
from pe.errors import InputError
from pe.registry import load, names

HOSTILE = ("{answer}", "{0.__class__}", "{phrase.__init__.__globals__}", '"', "'", "a\nb", "%s %(x)s", "\\1", "{", "}}")


@pytest.mark.parametrize("name", pool_names())
def test_shipped_pools_have_no_fault(name: str) -> None:
    assert lint(load_pool(name)) == []


def test_the_plain_pool_has_every_topic_and_no_topic_is_without_a_task() -> None:
    asked = {topic for name in names("tasks") for topic in load("tasks", name).topics}
    assert set(load_pool("plain").questions) == asked == set(TOPICS)
    assert all(len(set(pool)) > 3 for topic, pool in load_pool("plain").questions.items() if _varied(topic))


def _varied(topic: str) -> bool:
    return topic not in ("qa", "keypoints", "count-objects")


def test_published_prompts_are_there_word_for_word() -> None:
    rex, compat = load_pool("rexomni").questions, load_pool("rexomni-compat").questions
    assert rex["detect"][0] == "Detect {phrases}. Output the bounding box coordinates in [x0, y0, x1, y1] format."
    assert rex["gui-box"] == ('Detect element "{phrase}" in the image.',)
    assert compat["gui-box"] == ('Detect element "{phrase}"" in the image.',)
    simpleseg = load_pool("simpleseg")
    assert len(simpleseg.questions["text-to-mask"]) == 7
    assert simpleseg.questions["text-to-mask"][0] == '"{phrase}"\'s polygon'
    assert "Sure, you can find it at {answer}." in simpleseg.answers["text-to-mask"]
    triune = load_pool("v-triune")
    assert len(triune.questions["detect"]) == len(triune.thinking["detect"]) == 10
    assert triune.thinking["detect"][0].endswith("[{'bbox_2d': [x1,y1,x2,y2],'label': label_name}]\n</answer>")


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("Detect {phrases} here.Find them.", "two sentences run together"),
        ("Detect {phrases}.{list}", "more than one of"),
        ("Detect {phrases}. Find {phrases}.", "stands there twice"),
        ("Detect all {phrases}in the image.", "touches a word"),
        ("Detect allThe {phrases}.", "two words run together"),
        ('Detect element "{phrases}"" in the image.', "stray quote"),
        ("Detect '{phrases} in the image.", "stray quote"),
        ('Detect "" {phrases}.', "doubled quote"),
        ("What is the polygon of {'tokens': ['a'], 'sent': 'b'} or {phrases}?", "a dictionary is printed"),
        ("Detect {category}.", "unknown placeholder {category}"),
        ("Detect it.", "it has none of {phrases}"),
        ("Detect  {phrases}.", "doubled space"),
        ("Detect {phrases}. ", "a space at the beginning or the end"),
        ("Detect {phrases} .", "a space before a mark"),
        ("Detect {phrases},please.", "no space after a mark"),
        ("Detect {phrases} in <think> tags.", "tags that do not match"),
        ("Detect {phrases} in <think> </answer> </think> <answer>.", "tags that do not match"),
        ("Detect {phrases} as [x0, y0.", "brackets that do not match"),
        ("Detect {phrases} as ```json [].", "fence that is not closed"),
        (" ", "it is empty"),
    ],
)
def test_the_lint_finds(template: str, fault: str) -> None:
    found = lint(Pool(questions={"detect": (template,)}))
    assert any(fault in line for line in found), found
    assert all(line.startswith("questions.detect[0]: ") for line in found)


def test_the_lint_finds_faults_between_wordings() -> None:
    pool = Pool(questions={"detect": ("Detect {phrases}.", "detect  {phrases}."), "point": (), "detekt": ("x",)})
    text = "\n".join(lint(pool))
    assert "questions.detect[1]: the same as [0]" in text
    assert "questions.point: no wording" in text
    assert "questions.detekt: no such topic" in text
    assert "it has none of {answer}" in lint(Pool(answers={"detect": ("Here you are.",)}))[0]
    assert "unknown placeholder {phrase}" in lint(Pool(answers={"detect": ("{phrase} is at {answer}.",)}))[0]
    assert "it has none of {question}" in lint(Pool(thinking={"any": ("Think.",)}))[0]
    assert lint(Pool(known=("questions.detect[0]: a stray quote",))) == [
        "known: 'questions.detect[0]: a stray quote' is not there"
    ]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("name", pool_names())
def test_what_a_phrase_holds_is_never_looked_at(name: str, value: str) -> None:
    pool = load_pool(name)
    for section in (pool.questions, pool.answers, pool.thinking):
        for templates in section.values():
            for template in templates:
                values = dict.fromkeys(PLACEHOLDER.findall(template), value)
                literal = PLACEHOLDER.split(template)[::2]
                assert fill(template, values) == value.join(literal)


@given(value=st.text())
@settings(max_examples=50, deadline=None)
def test_any_text_stands_in_a_question_as_it_is(value: str) -> None:
    wordings = Wordings(load_pool("v-triune"), thinking=True)
    question = wordings.ask("refer", np.random.default_rng(0), {"phrase": value})
    assert question.count(value) >= 1
    assert "<answer>" in question


def test_only_text_is_filled_in() -> None:
    with pytest.raises(TypeError, match="phrase is dict, not text"):
        fill("The {phrase}.", {"phrase": {"sent": "cat"}})  # type: ignore[dict-item]
    with pytest.raises(KeyError):
        fill("The {phrase}.", {})


def test_thinking_can_be_left_out() -> None:
    rng = np.random.default_rng
    plain = Wordings(load_pool("v-triune"), thinking=False).ask("qa", rng(1), {"question": "Why?"})
    assert plain == "Why?"
    asked = {Wordings(load_pool("v-triune"), True).ask("qa", rng(seed), {"question": "Why?"}) for seed in range(60)}
    assert len(asked) == 10
    assert all(text.startswith("Why?") and "<think>" in text for text in asked)


def test_a_topic_that_a_pool_lacks_is_asked_in_plain_words() -> None:
    question = Wordings(load_pool("rexomni"), True).ask(
        "count", np.random.default_rng(0), {"phrase": "cat", "bare": "cat"}
    )
    assert any(
        fill(text, {"phrase": "cat", "bare": "cat"}) == question for text in load_pool("plain").questions["count"]
    )


def test_a_file_is_a_pool(tmp_path: Path) -> None:
    good = tmp_path / "own.yaml"
    good.write_text("questions:\n  detect: ['Seek {phrases}.']\n")
    assert load_pool(str(good)).questions["detect"] == ("Seek {phrases}.",)
    for text, message in (
        ("questions:\n  detect: ['Seek {phrases}.' 'Find {phrases}.']\n", "not YAML"),
        ("questions:\n  detect: ['Seek {phrases}.Find {phrases}.']\n", r"questions.detect\[0\]: .*mend it"),
        ("questions:\n  detect: Seek\n", "questions.detect"),
        ("question: []\n", "question: Extra"),
        ("[]", "bad.*: wordings: "),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ):
        bad = tmp_path / f"bad{abs(hash(text))}.yaml"
        bad.write_text(text)
        with pytest.raises(InputError, match=message):
            load_pool(str(bad))
    with pytest.raises(InputError, match="cannot be read"):
        load_pool(str(tmp_path / "none.yaml"))
    with pytest.raises(InputError, match="did you mean rexomni"):
        load_pool("rexomi")
