"""What is said of a scene against a reader of English that knows nothing of how it was written."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pe.engines.synthetic.language import caption, counts, expressions, phrases
from pe.engines.synthetic.looks import COLOURS, KEPT_OUT, SIZES, TEXTURES, Split
from pe.engines.synthetic.outlines import OUTLINES, SHAPES
from pe.engines.synthetic.proposals import KINDS
from pe.engines.synthetic.scene import WORLDS, Scene, Thing, draw_scene, scene_rng

_NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
_PLACES = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "sixth": 5}
_SHAPE_OF = {**{name + "s": name for name in (*SHAPES, "thing")}, "crosses": "cross", "boxes": "box", "fish": "fish"}
_RELATIONS = "left of|right of|above|below|next to|nearest to|overlapping|in front of|behind"


def _drawn(index: int, world: str = "language", split: Split = "train") -> tuple[Scene, np.random.Generator]:
    rng = scene_rng(11, split, index)
    return draw_scene(WORLDS[world], rng, split), rng


class _Reader:
    """Evaluates English on a scene by brute force; where two things are close it decides by the pixel.

    `shake` moves what it sees by some pixels, and areas by some percent.
    """

    def __init__(self, scene: Scene, shake: float = 0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.things = scene.things
        self.ids = range(len(scene.things))
        self.boxes = [scene.box(i) + np.tile(rng.uniform(-shake, shake, 2), 2) for i in self.ids]
        self.areas = [(scene.owner == i + 1).sum() * (1 + rng.uniform(-shake, shake) / 50) for i in self.ids]
        self.middle = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in self.boxes]
        self.seen = [scene.owner == i + 1 for i in self.ids]
        self.whole = [self._fill(thing, scene.owner.shape[0]) for thing in scene.things]

    @staticmethod
    def _fill(thing: Thing, side: int) -> np.ndarray:
        a = math.radians(thing.angle)
        mask = np.zeros((side, side), np.uint8)
        rings = [
            np.array(
                [
                    (
                        thing.centre[0] + thing.half * (x * math.cos(a) - y * math.sin(a)) - 0.5,
                        thing.centre[1] + thing.half * (x * math.sin(a) + y * math.cos(a)) - 0.5,
                    )
                    for x, y in ring
                ]
            )
            for ring in OUTLINES[thing.shape]
        ]
        cv2.fillPoly(mask, [np.round(ring * 256).astype(np.int32) for ring in rings], 1, shift=8)
        return mask > 0

    def noun(self, words: str) -> list[int]:
        *looks, head = words.split()
        shape = head if head in (*SHAPES, "thing") else _SHAPE_OF[head]
        assert set(looks) <= {*COLOURS, *TEXTURES, *SIZES}, words
        return [
            i
            for i in self.ids
            if shape in ("thing", self.things[i].shape)
            and all(word in (self.things[i].colour, self.things[i].texture, self.things[i].size) for word in looks)
        ]

    def read(self, text: str) -> tuple[str, bool, list[int]]:
        """The kind, whether it speaks of one thing, and the things."""
        if not re.match(r"(the|all|both|every) ", text):
            return ("category" if len(text.split()) == 1 else "attribute"), False, self.noun(text)
        if found := re.fullmatch(r"every thing except the (.+)", text):
            return "negation", False, [i for i in self.ids if i not in self.noun(found[1])]
        if found := re.fullmatch(r"the (.+) that (is|are) not (\w+)", text):
            left = [i for i in self.noun(found[1]) if i not in self.noun(f"{found[3]} thing")]
            return "negation", found[2] == "is", left
        if found := re.fullmatch(r"the (\w+) (.+) from the (left|right|top|bottom)", text):
            key, turn = {"left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1)}[found[3]]
            row = sorted(self.noun(found[2]), key=lambda i: turn * self.middle[i][key])
            return "ordinal", True, row[_PLACES[found[1]] :][:1]
        if found := re.fullmatch(rf"the (.+?) ({_RELATIONS}) the (.+)", text):
            anchors = self.noun(found[3])
            assert len(anchors) < 2
            if not anchors:
                return "relation", True, []
            others = [i for i in self.noun(found[1]) if i != anchors[0]]
            return "relation", True, self.related(others, found[2], anchors[0])
        if found := re.fullmatch(r"the (\w+most|largest|smallest) (.+)", text):
            group = self.noun(found[2])
            size = {"largest": -1, "smallest": 1}.get(found[1])
            if size:
                rank = [size * area for area in self.areas]
            else:
                key, turn = {"l": (0, 1), "r": (0, -1), "t": (1, 1), "b": (1, -1)}[found[1][0]]
                rank = [turn * middle[key] for middle in self.middle]
            return "superlative", True, sorted(group, key=lambda i: rank[i])[:1]
        text = re.sub("^both", "all two", text)
        found = re.fullmatch(rf"(all|the) (?:({'|'.join(_NUMBERS)}) )?(.+)", text)
        assert found is not None
        group = self.noun(found[3])
        if found[2]:
            return "count", False, group if len(group) == _NUMBERS[found[2]] else []
        assert found[1] == "all"
        return "plural", False, group

    def related(self, group: list[int], relation: str, anchor: int) -> list[int]:
        if relation == "nearest to":
            return sorted(group, key=lambda i: math.dist(self.middle[i], self.middle[anchor]))[:1]
        return [i for i in group if self.holds(i, relation, anchor)]

    def holds(self, i: int, relation: str, anchor: int) -> bool:
        (x, y), (u, v) = self.middle[i], self.middle[anchor]
        over = int((self.seen[i] & self.whole[anchor]).sum())
        under = int((self.seen[anchor] & self.whole[i]).sum())
        (a0, b0, a1, b1), (c0, d0, c1, d1) = self.boxes[i], self.boxes[anchor]
        gap = math.hypot(max(c0 - a1, a0 - c1, 0), max(d0 - b1, b0 - d1, 0))
        return {
            "left of": x < u,
            "right of": x > u,
            "above": y < v,
            "below": y > v,
            "next to": gap < 14,
            "overlapping": over + under > 15,
            "in front of": over > 15 and over > under,
            "behind": under > 15 and under > over,
        }[relation]


@pytest.mark.parametrize(("world", "scenes"), [("language", 160), ("base", 30), ("dense", 12)])
def test_an_independent_reader_finds_the_same_things(world: str, scenes: int) -> None:
    kinds: Counter[tuple[str, bool]] = Counter()
    relations: Counter[str] = Counter()
    for index in range(scenes):
        scene, rng = _drawn(index, world)
        said = expressions(scene, rng, 8)
        reader = _Reader(scene)
        assert len({item.text for item in said}) == len(said)
        for item in said:
            kind, one, things = reader.read(item.text)
            assert (kind, things) == (item.kind, list(item.targets)), (index, item)
            assert not one or len(things) <= 1
            if kind == "plural" or " are not " in item.text:
                assert len(things) != 1
            kinds[kind, bool(things)] += 1
            relations.update(re.findall(_RELATIONS, item.text) if kind == "relation" else [])
    if world == "language":
        assert min(kinds[kind, fits] for kind in KINDS for fits in (True, False)) > 10
        assert min(relations[name] for name in _RELATIONS.split("|")) > 2
        empty = sum(number for (_, fits), number in kinds.items() if not fits)
        assert 0.2 < empty / kinds.total() < 0.3


def test_what_is_said_does_not_hang_on_a_few_pixels() -> None:
    for index in range(80):
        scene, rng = _drawn(index)
        readers = [_Reader(scene, 2, seed) for seed in range(8)]
        for item in expressions(scene, rng, 20):
            if "nearest" not in item.text:  # its margin is a ratio
                assert all(reader.read(item.text)[2] == list(item.targets) for reader in readers), (index, item)


def test_a_scene_with_three_things_or_more_has_enough_to_say() -> None:
    for index in range(60):
        scene, rng = _drawn(index)
        if len(scene.things) >= 3:
            assert len(expressions(scene, rng, 8)) == 8
    scene, rng = _drawn(0)
    assert expressions(scene, rng, 0) == []
    assert expressions(replace(scene, things=(), owner=np.zeros_like(scene.owner)), rng, 5) == []


def test_the_same_scene_says_the_same() -> None:
    (one, first), (other, second) = _drawn(5), _drawn(5)
    assert phrases(one, first, "train") == phrases(other, second, "train")
    assert expressions(one, first, 8) == expressions(other, second, 8)


def _true(phrase: str, thing: Thing) -> bool:
    return set(phrase.split()) <= {thing.shape, thing.colour, thing.texture}


@pytest.mark.parametrize("split", ["train", "test", "kept_out"])
def test_phrases_are_true_of_their_things_alone_and_absent_ones_of_none(split: Split) -> None:
    ways: Counter[tuple[str, ...]] = Counter()
    named_pairs = present = asked = close = 0
    for index in range(400):
        scene, rng = _drawn(index, "base", split)
        named, absent = phrases(scene, rng, split)
        assert len(named) == len(scene.things)
        for phrase in set(named):
            assert [_true(phrase, thing) for thing in scene.things] == [name == phrase for name in named]
        for thing, phrase in zip(scene.things, named, strict=True):
            ways[tuple(look for look in ("texture", "colour", "shape") if getattr(thing, look) in phrase.split())] += 1
        assert len(set(absent)) == len(absent)
        for phrase in absent:
            assert not any(_true(phrase, thing) for thing in scene.things)
            words = set(phrase.split())
            close += any(len(words - {thing.shape, thing.colour, thing.texture}) == 1 for thing in scene.things)
            named_pairs += any({shape, colour} <= words for shape, colour in KEPT_OUT)
        present += len(set(named))
        asked += len(set(named)) + len(absent)
    assert 0.27 < 1 - present / asked < 0.33
    assert close / (asked - present) > 0.5
    assert (named_pairs > 0) == (split == "kept_out")
    shares = {way: count / ways.total() for way, count in ways.items()}
    expected = {
        ("shape",): 0.25,
        ("colour", "shape"): 0.6,
        ("texture", "shape"): 0.08,
        ("texture", "colour", "shape"): 0.07,
    }
    assert shares == pytest.approx(expected, abs=0.06)


def test_a_scene_without_things_is_asked_for_one_to_three() -> None:
    scene, rng = _drawn(0)
    empty = replace(scene, things=(), owner=np.zeros_like(scene.owner))
    assert {len(phrases(empty, rng, "train")[1]) for _ in range(60)} == {1, 2, 3}
    assert caption(empty) == "Nothing but a background."
    assert counts(empty) == {}


def test_words_are_objects_called_text() -> None:
    scene, rng = _drawn(1, "text")
    named, _ = phrases(scene, rng, "train")
    assert named[len(scene.things) :] == ["text"] * len(scene.words)
    assert all(f'"{word.text}"' in caption(scene) for word in scene.words)


def test_no_expression_names_a_pair_that_training_must_not_hear() -> None:
    for index in range(80):
        scene, rng = _drawn(index, "language", "test")
        for item in expressions(scene, rng, 8):
            for noun in re.split(rf" (?:{_RELATIONS}|except) ", item.text):
                words = {_SHAPE_OF.get(word, word) for word in noun.split()}
                assert not any({shape, colour} <= words for shape, colour in KEPT_OUT), item.text


def _with(*things: tuple[str, str, str, str]) -> Scene:
    drawn = tuple(
        Thing(shape, colour, texture, size, (20.0, 20.0), 9.0, 0.0) for size, texture, colour, shape in things
    )
    blank = np.zeros((40, 40), np.uint8)
    return Scene(np.zeros((40, 40, 3), np.uint8), drawn, blank)


def test_captions_and_counts() -> None:
    rings = _with(
        ("small", "plain", "red", "ring"),
        ("medium", "striped", "red", "ring"),
        ("small", "plain", "blue", "key"),
        ("large", "dotted", "orange", "fish"),
        ("large", "dotted", "orange", "fish"),
    )
    assert caption(rings) == "Two red rings, a small blue key and two large dotted orange fish."
    assert counts(rings) == {
        "ring": 2,
        "key": 1,
        "fish": 2,
        "red ring": 2,
        "blue key": 1,
        "orange fish": 2,
    }
    assert caption(_with(("medium", "plain", "orange", "cross"))) == "An orange cross."
    many = _with(*(("medium", "plain", colour, shape) for colour in COLOURS for shape in ("cross", "mug")))
    assert caption(many) == "Ten crosses and ten mugs."
