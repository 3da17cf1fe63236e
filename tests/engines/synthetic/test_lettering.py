"""Rendered words: where they say they are, apart, and readable on whatever they stand on."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np

from pe.engines.synthetic.lettering import TYPEFACES, Word
from pe.engines.synthetic.looks import COLOURS, Split
from pe.engines.synthetic.scene import WORLDS, Scene, draw_scene, scene_rng

_LUMA = (0.299, 0.587, 0.114)


def _scenes(count: int, split: Split = "train") -> list[Scene]:
    return [draw_scene(WORLDS["text"], scene_rng(2, split, index), split) for index in range(count)]


def _inside(word: Word, side: int, by: float) -> np.ndarray:
    """(side, side) bool: pixels whose centres are in the word's quad, grown by some pixels."""
    ys, xs = np.mgrid[0:side, 0:side] + 0.5
    inside = np.ones((side, side), bool)
    corners = np.array(word.quad)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        dx, dy = (end - start) / np.linalg.norm(end - start)
        inside &= dx * (ys - start[1]) - dy * (xs - start[0]) >= -by
    return inside


def test_quads_lie_tight_around_the_ink_and_start_top_left() -> None:
    for scene in _scenes(60):
        side = scene.owner.shape[0]
        assert 1 <= len(scene.words) <= 6
        assert scene.owner.max() == len(scene.things) + len(scene.words)
        for number, word in enumerate(scene.words, start=len(scene.things)):
            ink = scene.mask(number)
            quad = np.array(word.quad)
            assert (quad >= 0).all()
            assert (quad <= side).all()
            assert quad[0, 0] < quad[1, 0]
            assert quad[0, 1] < quad[3, 1]
            assert not (ink & ~_inside(word, side, 1.0)).any()
            ys, xs = np.nonzero(ink)
            points = np.stack([xs, ys], 1) + 0.5 - quad[0]
            for edge in (quad[1] - quad[0], quad[3] - quad[0]):
                length = np.linalg.norm(edge)
                along = points @ edge / length
                assert along.min() < 1.75
                assert along.max() > length - 1.75


def test_words_stand_on_free_ground_and_out_from_it() -> None:
    differences = []
    for scene in _scenes(60):
        side = scene.owner.shape[0]
        light = scene.pixels @ np.array(_LUMA)
        for number, word in enumerate(scene.words, start=len(scene.things)):
            inside = _inside(word, side, 0.5)
            others = set(np.unique(scene.owner[inside])) - {0, number + 1}
            assert not others, word
            ground = inside & (scene.owner == 0)
            near = cv2.dilate(scene.mask(number).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            if (ground & ~near).sum() > 5:
                apart = np.median(light[scene.mask(number)]) - np.median(light[ground & ~near])
                differences.append(abs(float(apart)))
    assert len(differences) > 100
    assert min(differences) > 30
    assert np.median(differences) > 80


def test_all_typefaces_and_many_colours_occur() -> None:
    words = [word for scene in _scenes(80) for word in scene.words]
    assert Counter(word.typeface for word in words).keys() == TYPEFACES.keys()
    assert {word.colour for word in words} == COLOURS.keys()


def test_typefaces_are_not_alike() -> None:
    pictures = [cv2.resize(draw("Hamburg 25"), (200, 60)) for draw in TYPEFACES.values()]
    assert len(pictures) >= 4
    for index, one in enumerate(pictures):
        for other in pictures[:index]:
            assert np.mean(cv2.absdiff(one, other)) > 8
