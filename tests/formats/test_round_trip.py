"""Every format that writes: what is read again is what was written, within half a quantisation step."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pe.errors import InputError
from pe.formats import Answer, Format, Item
from pe.registry import load, names

WRITERS = [name for name in names("formats") if load("formats", name).writes]
EXACT = [name for name in WRITERS if not name.endswith("-compat")]
SIZES = st.integers(1, 6000)
PHRASES = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters="<>;\\"),
    min_size=1,
    max_size=12,
).map(lambda phrase: phrase.strip() or "cat")
PLAIN = st.text(string.ascii_letters + " '\"-,", min_size=1, max_size=12).map(lambda phrase: phrase.strip() or "dog")


@st.composite
def answers(draw: st.DrawFn, form: Format, width: int, height: int) -> Answer:
    shape = draw(st.sampled_from(sorted(form.writes - {"text", "keypoints"})))
    items = []
    for _ in range(draw(st.integers(1, 5))):
        xs = sorted(draw(st.lists(st.floats(0, width), min_size=2, max_size=2)))
        ys = sorted(draw(st.lists(st.floats(0, height), min_size=2, max_size=2)))
        phrase = draw(PHRASES | PLAIN) if form.named else ""
        if shape == "bbox":
            items.append(Item(phrase, bbox=(xs[0], ys[0], xs[1], ys[1])))
        elif shape == "point":
            items.append(Item(phrase, point=(xs[0], ys[1])))
        else:
            ring = (xs[0], ys[0], xs[1], ys[0], xs[1], ys[1], xs[0], ys[1])
            parts = draw(st.integers(1, 3)) if form.parts else 1
            items.append(Item(phrase, rings=(ring,) * parts))
    return Answer(tuple(items))


@pytest.mark.parametrize("name", [name for name in EXACT if load("formats", name).writes - {"text"}])
@given(data=st.data(), width=SIZES, height=SIZES)
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_within_half_a_step(name: str, data: st.DataObject, width: int, height: int) -> None:
    assume(max(width, height) <= 200 * min(width, height))
    form: Format = load("formats", name)()
    answer = data.draw(answers(form, width, height))
    text = form.encode(answer, (width, height))
    decoded = form.decode(text, (width, height))
    assert [item.shape for item in decoded.objects] == [item.shape for item in answer.objects], text
    assert [item.phrase for item in decoded.objects] == [item.phrase for item in answer.objects], text
    assert decoded.status == "ok", (text, decoded.notes)
    steps = form.step((width, height))
    for read, written in zip(decoded.objects, answer.objects, strict=True):
        assert len(read.rings or ()) == len(written.rings or ())
        ours, theirs = (item.numbers() for item in (read, written))
        slack = 1.0 if name == "kosmos-2" and _in_one_row(ours, steps) else 0.5
        for index, (first, second) in enumerate(zip(ours, theirs, strict=True)):
            assert abs(first - second) <= slack * steps[index % 2] * (1 + 1e-9), text


def _in_one_row(box: list[float], steps: tuple[float, float]) -> bool:
    """Kosmos-2 reads a box whose corners share a row or a column of patches as whole patches."""
    return any((box[axis] / steps[axis]) % 1 < 1e-6 or (box[axis] / steps[axis]) % 1 > 1 - 1e-6 for axis in (0, 1))


@pytest.mark.parametrize("name", [name for name in WRITERS if load("formats", name).writes - {"text"}])
def test_width_and_height_do_not_swap(name: str) -> None:
    form: Format = load("formats", name)()
    width, height = 1400, 280
    item = (
        Item("it", bbox=(1120.0, 28.0, 1260.0, 224.0))
        if "bbox" in form.writes
        else Item("it", point=(1120.0, 28.0))
        if "point" in form.writes
        else Item("it", rings=((1120.0, 28.0, 1260.0, 28.0, 1260.0, 224.0),))
    )
    (read,) = form.decode(form.encode(Answer((item,)), (width, height)), (width, height)).objects
    steps = form.step((width, height))
    for index, (first, second) in enumerate(zip(read.numbers(), item.numbers(), strict=True)):
        assert abs(first - second) <= steps[index % 2] * 1.001


@pytest.mark.parametrize("name", [name for name in WRITERS if load("formats", name).writes - {"text"}])
def test_borders_stay_on_the_image(name: str) -> None:
    form: Format = load("formats", name)()
    values: dict[str, Any] = {
        "bbox": Item("it", bbox=(-5.0, -5.0, 5000.0, 5000.0)),
        "point": Item("it", point=(5000.0, -5.0)),
        "rings": Item("it", rings=((-5.0, 0.0, 700.0, 0.0, 700.0, 5000.0, -5.0, 300.0),)),
    }
    for shape in form.writes & values.keys():
        (read,) = form.decode(form.encode(Answer((values[shape],)), (640, 480)), (640, 480)).objects
        assert all(0 <= number <= (640, 480)[index % 2] for index, number in enumerate(read.numbers()))


@pytest.mark.parametrize("name", [name for name in EXACT if "text" in load("formats", name).writes])
@given(words=st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=2, max_size=40))
@settings(max_examples=20, deadline=None)
def test_words_come_back(name: str, words: str) -> None:
    assume(words.lower() not in ("no", "none", "null", "nothing", "empty", "absent"))
    form: Format = load("formats", name)()
    assert form.decode(form.encode(Answer(text=words), (64, 64)), (64, 64)).text == words


@pytest.mark.parametrize("name", [name for name in EXACT if load("formats", name).writes - {"text"}])
def test_an_empty_answer_says_that_nothing_is_there(name: str) -> None:
    form: Format = load("formats", name)()
    if name == "florence-2":
        return
    decoded = form.decode(form.encode(Answer(), (64, 48)), (64, 48), asked="a cat")
    assert (decoded.status, decoded.objects, decoded.absent) == ("none-present", (), ("a cat",))


@pytest.mark.parametrize("name", ["rexomni", "locateanything"])
def test_absent_phrases_come_back(name: str) -> None:
    form: Format = load("formats", name)()
    answer = Answer((Item("dog", bbox=(1.0, 2.0, 30.0, 40.0)),), absent=("cat", "red car"))
    decoded = form.decode(form.encode(answer, (64, 48)), (64, 48))
    assert (decoded.absent, decoded.status, decoded.objects[0].phrase) == (("cat", "red car"), "ok", "dog")


@pytest.mark.parametrize("name", names("formats"))
def test_what_a_format_does_not_write_is_one_clear_line(name: str) -> None:
    form: Format = load("formats", name)()
    with pytest.raises(InputError, match=r"1 x 1|only read"):
        form.encode(Answer(), (0, 5))
    items = {
        "bbox": Item("a", bbox=(0.0, 0.0, 1.0, 1.0)),
        "point": Item("a", point=(0.0, 0.0)),
        "rings": Item("a", rings=((0.0, 0.0, 1.0, 0.0, 1.0, 1.0),)),
    }
    for shape in items.keys() - form.writes:
        with pytest.raises(InputError, match=f"does not write {shape}"):
            form.encode(Answer((items[shape],)), (64, 48))
    for mark in form.reserved:
        with pytest.raises(InputError, match="cannot write the phrase"):
            form.encode(Answer((Item(f"a{mark}b", bbox=(0.0, 0.0, 1.0, 1.0)),)), (64, 48))


@pytest.mark.parametrize("name", [name for name in EXACT if load("formats", name).writes - {"text"}])
def test_a_cut_answer_holds_a_beginning_of_the_whole_one(name: str) -> None:
    form: Format = load("formats", name)()
    size = (1000, 800)
    samples = {
        "bbox": [Item(f"cat {n}" if form.named else "", bbox=(10.0 + n, 20.0, 300.0, 400.0 + n)) for n in range(3)],
        "point": [Item("cat" if form.named else "", point=(123.0 + n, 456.0 - n)) for n in range(3)],
        "rings": [Item("word", rings=((10.0 + n, 10.0, 100.0, 15.0, 100.0, 50.0, 10.0, 50.0),)) for n in range(3)],
    }
    if name == "florence-2":
        del samples["rings"]  # four tokens at the end of a text without </s> are a box, whatever they were to become
    for shape in form.writes & samples.keys():
        text = form.encode(Answer(tuple(samples[shape])), size)
        whole = form.decode(text, size).objects
        for end in range(len(text)):
            cut = form.decode(text[:end], size)
            assert [item.numbers() for item in cut.objects] == [item.numbers() for item in whole[: len(cut.objects)]], (
                text[:end]
            )
            assert all(item.shape == shape for item in cut.objects)
            assert len(cut.objects) < 3 or cut.status in ("ok", "truncated", "repaired")
