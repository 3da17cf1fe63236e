"""Every task in every format that can write it: the gold text decodes to the answer, and the truth agrees with it."""

from __future__ import annotations

import json
import string
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pe.engines.tasks import Exchange
from pe.formats import Format, Item
from pe.geometry.masks import decode, mask_iou
from pe.geometry.raster import rings_to_mask
from pe.registry import load, names
from pe.schemas.sample import Object, Sample, dumps
from pe.verifiers import Question, Target, check, read_truth, score
from tests.engines.tasks.conftest import ABSENT, ask, make_form, make_sample, make_task

TASKS = names("tasks")
WRITERS = [name for name in names("formats") if load("formats", name).writes]
EXACT = [name for name in WRITERS if not name.endswith("-compat")]


def agree(exchange: Exchange, form: Format, name: str, sample: Sample) -> None:
    """Assert all that holds of any exchange."""
    size = (sample.width, sample.height)
    truth = read_truth(json.dumps(exchange.truth))
    answer = exchange.answer
    gold = form.encode(answer, size)
    asked = truth.phrases[0] if len(truth.phrases) == 1 else ""
    for text in (gold, exchange.wording.replace("{answer}", gold)):
        read = form.decode(text, size, asked=asked)
        assert len(read.objects) == len(answer.objects), (text, read)
        for ours, theirs in zip(read.objects, answer.objects, strict=True):
            same(ours, theirs, form, name, size)
        if not answer.objects:
            assert read.text == answer.text or "text" not in form.writes, (text, read)
            assert read.status == ("ok" if answer.text else "none-present"), (text, read)
    if exchange.ability == "counting":
        assert truth.count == (int(answer.text) if answer.text else len(answer.objects))
    elif answer.text:
        assert truth.text == answer.text
    else:
        assert [item.phrase for item in answer.objects] == [item.phrase for item in truth.objects]
        for item, target in zip(answer.objects, truth.objects, strict=True):
            true(item, target, size)
    if not answer.text:
        assert truth.negatives == answer.absent
    assert "{answer}" in exchange.wording
    assert exchange.question.strip()


def same(read: Item, written: Item, form: Format, name: str, size: tuple[int, int]) -> None:
    assert (read.shape, read.phrase) == (written.shape, written.phrase)
    limits = [(1.0 if name == "kosmos-2" else 0.5) * step * (1 + 1e-9) for step in form.step(size)]
    if written.keypoints is not None:
        assert read.keypoints is not None
        assert {key: point is None for key, point in read.keypoints.items()} == {
            key: point is None for key, point in written.keypoints.items()
        }
    pairs = [(read.numbers(), written.numbers())]
    if written.rings is not None and name == "florence-2":  # it may start a ring at a later vertex
        (ours,), (theirs,) = read.rings or (), written.rings
        turns = [list(theirs[place:] + theirs[:place]) for place in range(0, len(theirs), 2)]
        pairs = [(list(ours), min(turns, key=lambda turn: max(abs(np.subtract(turn, ours)))))]
    for ours, theirs in pairs:
        for index, (first, second) in enumerate(zip(ours, theirs, strict=True)):
            assert abs(first - min(max(second, 0), size[index % 2])) <= limits[index % 2], (read, written)


def true(item: Item, target: Target, size: tuple[int, int]) -> None:
    assert target.bbox is not None
    x0, y0, x1, y1 = target.bbox
    if item.rings is not None and target.mask is not None:
        drawn = rings_to_mask(item.rings, size[1], size[0])
        assert mask_iou(drawn, decode(target.mask)) > 0.5  # holes may be left out
    elif item.rings is not None:
        assert target.rings == item.rings
    elif item.point is not None:
        assert x0 <= item.point[0] <= x1
        assert y0 <= item.point[1] <= y1
        if target.mask is not None:
            assert decode(target.mask)[int(item.point[1]), int(item.point[0])]
    else:
        assert item.bbox == target.bbox
        assert item.keypoints == target.keypoints


def parameters(task: str) -> list[dict[str, object]]:
    """The ways of a task that are worth going through."""
    return {
        "detect": [{}, {"phrases": "each", "limit": 2}, {"phrases": "some", "wordings": "rexomni-compat"}],
        "text-to-mask": [{"source": "phrases", "wordings": "simpleseg"}, {"holes": True, "limit": 3}],
        "count": [{}, {"answer": "points"}, {"answer": "boxes", "wordings": "perception-r1"}],
        "read-text": [{}, {"answer": "quads"}, {"answer": "text"}, {"find": True, "limit": 3}],
        "gui-box": [{}, {"by": "text", "wordings": "locateanything"}],
        "box-to-caption": [{"coordinates": "rexomni"}],
        "mask-to-caption": [{"says": "phrases", "limit": 2}],
        "box-to-mask": [{"limit": 2}],
        "point-to-mask": [{"limit": 2, "coordinates": "molmo"}],
        "refer": [{"wordings": "vlm-r1"}, {"source": "phrases"}],
    }.get(task, [{}])


@pytest.mark.parametrize("form", EXACT)
@pytest.mark.parametrize("task", TASKS)
def test_gold_answer_and_truth_agree(task: str, form: str, scenes: list[Sample], hand_made: Sample) -> None:
    for sample in (*scenes, hand_made):
        for chosen in parameters(task):
            found = ask(task, form, sample, ABSENT, **chosen)
            for exchange in found:
                agree(exchange, make_form(form), form, sample)


@pytest.mark.parametrize("task", ["detect", "point", "text-to-mask", "box-to-mask", "visual-prompt", "keypoints"])
def test_photos(task: str, photos: list[Sample]) -> None:
    asked = 0
    for form in ("rexomni", "simpleseg", "qwen2.5-vl"):
        for sample in photos:
            for exchange in ask(task, form, sample, ABSENT, limit=2):
                agree(exchange, make_form(form), form, sample)
                asked += bool(exchange.answer.objects)
    assert asked >= (2 if task == "keypoints" else 5)


@pytest.mark.parametrize("way", ["boxes", "quads", "text"])
def test_texts(way: str, texts: list[Sample]) -> None:
    asked = 0
    for form in ("rexomni", "qwen2.5-vl", "perception-r1", "text", "florence-2"):
        for sample in texts:
            for exchange in ask("read-text", form, sample, ("NOWHERE",), answer=way, find=True):
                agree(exchange, make_form(form), form, sample)
                asked += 1
    assert asked > 20


@pytest.mark.parametrize("task", ["gui-box", "gui-point"])
def test_screens(task: str, screens: list[Sample]) -> None:
    asked = 0
    for form in ("rexomni", "qwen3-vl", "locateanything"):
        for sample in screens:
            for exchange in ask(task, form, sample, ("Fly to the moon",)):
                agree(exchange, make_form(form), form, sample)
                asked += 1
    assert asked > 60


@pytest.mark.parametrize("form", [name for name in WRITERS if name.endswith("-compat")])
@pytest.mark.parametrize("task", TASKS)
def test_compat_formats_write_what_is_asked(task: str, form: str, scenes: list[Sample]) -> None:
    for sample in scenes:
        for exchange in ask(task, form, sample, ABSENT):
            assert make_form(form).encode(exchange.answer, (sample.width, sample.height))


PHRASES = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "Zs"), exclude_characters="<>;\\"), min_size=1, max_size=10
) | st.text(string.ascii_letters + " '\"-,{}", min_size=1, max_size=10)


@st.composite
def records(draw: st.DrawFn) -> Sample:
    width, height = draw(st.integers(40, 2000)), draw(st.integers(40, 2000))
    phrases = draw(st.lists(PHRASES, min_size=1, max_size=3))
    objects = []
    for number in range(draw(st.integers(0, 5))):
        left, top = draw(st.integers(0, width - 12)), draw(st.integers(0, height - 12))
        right, low = draw(st.integers(left + 10, width)), draw(st.integers(top + 10, height))
        box = (float(left), float(top), float(right), float(low))
        quad = [box[0], box[1], box[2], box[1], box[2], box[3], box[0], box[3]]
        objects.append(
            Object(
                id=number,
                phrase=draw(st.sampled_from(phrases)),
                bbox=box,
                rings=[quad] if draw(st.booleans()) else None,
                orientation="cw",
                text=draw(PHRASES | st.none()),
                quad=quad,
                caption=draw(PHRASES | st.none()),
                keypoints=[value for x in range(17) for value in (box[0] + x / 2, box[1], float(x % 3))],
            )
        )
    said = [
        {"text": draw(PHRASES), "kind": "relation", "objects": draw(st.lists(st.integers(0, 6), unique=True))}
        for _ in range(draw(st.integers(0, 2)))
    ]
    return make_sample(objects, (width, height), caption=draw(PHRASES), provenance_json=dumps({"expressions": said}))


# A text that reads as "none", or as coordinates, is the format's business: the build proves each row's gold text.
PLACED = [name for name in EXACT if name not in ("boxed", "text", "perception-r1", "florence-2")]


@pytest.mark.parametrize("task", [name for name in TASKS if name not in ("qa", "caption")])
@given(sample=records(), form=st.sampled_from(PLACED), seed=st.integers(0, 9), limit=st.integers(0, 2))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_record(task: str, sample: Sample, form: str, seed: int, limit: int) -> None:
    for exchange in ask(task, form, sample, ABSENT, seed, limit=limit):
        agree(exchange, make_form(form), form, sample)
    assert ask(task, form, sample, ABSENT, seed) == ask(task, form, sample, ABSENT, seed)


@pytest.mark.parametrize("form", PLACED)
def test_width_and_height_do_not_swap(form: str) -> None:
    box = (1120.0, 28.0, 1260.0, 224.0)
    ring = [1120.0, 28.0, 1260.0, 28.0, 1260.0, 224.0, 1120.0, 224.0]
    sample = make_sample([Object(id=0, phrase="it", bbox=box, rings=[ring], orientation="cw")], (1400, 280))
    swapped = make_sample([], (280, 1400))
    for task in ("detect", "point", "text-to-mask", "box-to-mask", "visual-prompt"):
        for exchange in ask(task, form, sample, **({"least": 1} if task == "visual-prompt" else {})):
            agree(exchange, make_form(form), form, sample)
            gold = make_form(form).encode(exchange.answer, (1400, 280))
            assert make_form(form).decode(gold, (swapped.width, swapped.height)).objects != exchange.answer.objects


@pytest.mark.parametrize("form", ["rexomni", "simpleseg", "qwen2.5-vl", "v-triune", "molmo", "text", "boxed"])
@pytest.mark.parametrize("task", TASKS)
def test_named_verifiers_score_the_gold_text(task: str, form: str, scenes: list[Sample], hand_made: Sample) -> None:
    values: list[float] = []
    for sample in (*scenes, hand_made):
        found = ask(task, form, sample, ABSENT, limit=3)
        values += [_score(exchange, form, sample) for exchange in found if exchange.verifier]
    assert all(value > 0.4 for value in values)
    assert not values or float(np.mean(values)) > 0.85


def _score(exchange: Exchange, form: str, sample: Sample) -> float:
    size = (sample.width, sample.height)
    params = dumps({"format": form, **exchange.parameters})
    question = Question(exchange.verifier, dumps(exchange.truth), size, params, dumps(dict(exchange.weights)))
    check(question)
    gold = make_form(form).encode(exchange.answer, size)
    (found,) = score(question, [gold])
    assert found.score is not None, found.reason
    return found.score


def test_parameters_replace_the_verifier(hand_made: Sample) -> None:
    (usual,) = ask("detect", "v-triune", hand_made)
    (other,) = ask(
        "detect",
        "v-triune",
        hand_made,
        verifier="v-triune-detection-compat",
        verifier_parameters={"threshold": 0.5},
        weights={"accuracy": 1.0},
    )
    assert (usual.verifier, usual.parameters, usual.weights) == ("detection", {}, {"accuracy": 1.0, "format": 0.1})
    assert other == replace(
        usual, verifier="v-triune-detection-compat", parameters={"threshold": 0.5}, weights={"accuracy": 1.0}
    )


def _skips(task: str, form: str, samples: Sequence[Sample], **chosen: object) -> dict[str, int]:
    made = make_task(task, **chosen)
    for sample in samples:
        list(made.exchanges(sample, make_form(form), np.random.default_rng(0), ABSENT))
    return dict(made.skipped)


def test_what_cannot_be_written_is_counted(hand_made: Sample) -> None:
    assert _skips("detect", "molmo", [hand_made]) == {"the format does not write bbox": 1}
    assert _skips("box-to-mask", "rexomni", [hand_made]) == {
        "an object has a hole, which no format writes": 1,
        "an object has several parts, the format writes one ring": 1,
    }
    assert _skips("box-to-mask", "simpleseg", [hand_made], holes=True) == {}
    assert _skips("box-to-mask", "qwen2-vl", [hand_made], holes=True) == {
        "an object has several parts, the format writes one ring": 1
    }
    denied = _skips("refer", "v-triune-compat", [hand_made])
    assert denied == {"the format cannot say that nothing is there": 3}
    odd = [
        Object(id=0, phrase="a <|im_end|> b", bbox=(0, 0, 9, 9)),
        Object(id=1, phrase="{'sent': 'x'}", bbox=(0, 0, 9, 9)),
    ]
    assert _skips("detect", "rexomni", [make_sample(odd)]) == {
        "a phrase holds a mark of chat templates": 1,
        "a phrase is a printed dictionary": 1,
    }
    locate = [Object(id=0, phrase="a < b", bbox=(0, 0, 9, 9))]
    assert _skips("detect", "locateanything", [make_sample(locate)]) == {"a phrase holds a mark of the format": 1}
