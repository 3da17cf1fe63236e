"""The drawn world: the same scene for the same numbers, and a truth that is what was drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pe.engines.synthetic.looks import COLOURS, KEPT_OUT, SIZES, TEXTURES, Split
from pe.engines.synthetic.outlines import OUTLINES, SHAPES
from pe.engines.synthetic.scene import LEAST_PIXELS, LEAST_SEEN, WORLDS, Scene, coverage, draw_scene, scene_rng


def _scene(index: int, split: Split = "train", world: str = "base", seed: int = 3) -> Scene:
    return draw_scene(WORLDS[world], scene_rng(seed, split, index), split)


def test_a_scene_depends_on_seed_split_and_index_alone() -> None:
    later = [_scene(i) for i in (4, 2)]
    assert np.array_equal(later[1].pixels, _scene(2).pixels)
    assert later[0].things == _scene(4).things
    assert not np.array_equal(_scene(2).pixels, _scene(2, "test").pixels)
    assert not np.array_equal(_scene(2).pixels, _scene(2, seed=4).pixels)


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_every_thing_is_seen_well_enough_and_lies_in_its_box(world: str) -> None:
    for index in range(12):
        scene = _scene(index, world=world)
        assert len(scene.things) <= WORLDS[world].most
        assert scene.owner.max() == len(scene.things) + len(scene.words)
        for i, thing in enumerate(scene.things):
            mask = scene.mask(i)
            placed = coverage(thing, WORLDS[world].side)
            assert placed is not None
            whole = np.count_nonzero(placed[1] > 0.5)
            assert mask.sum() >= max(LEAST_PIXELS, LEAST_SEEN * whole)
            x0, y0, x1, y1 = scene.box(i)
            assert mask[y0:y1, x0:x1].sum() == mask.sum()
            assert all(edge.any() for edge in (mask[y0], mask[y1 - 1], mask[:, x0], mask[:, x1 - 1]))


def test_pixels_show_the_colours_that_the_truth_names() -> None:
    names = list(COLOURS)
    palette = np.array([COLOURS[name] for name in names], float)
    right = total = 0
    for index in range(60):
        scene = _scene(index)
        for i, thing in enumerate(scene.things):
            if thing.texture == "plain":
                middle = np.median(scene.pixels[scene.mask(i)].astype(float), axis=0)
                right += names[int(np.abs(palette - middle).sum(axis=1).argmin())] == thing.colour
                total += 1
    assert total > 50
    assert right / total > 0.95


def test_all_kinds_occur_and_pairs_are_kept_out() -> None:
    seen: dict[Split, Counter[tuple[str, str]]] = {"train": Counter(), "test": Counter(), "kept_out": Counter()}
    textures: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for split, pairs in seen.items():
        for index in range(250):
            for thing in _scene(index, split).things:
                pairs[thing.shape, thing.colour] += 1
                textures[thing.texture] += 1
                sizes[thing.size] += 1
    assert len(SHAPES) >= 16
    assert len(COLOURS) == 10
    assert len(KEPT_OUT) * 10 == len(SHAPES) * len(COLOURS)
    assert set(textures) == set(TEXTURES)
    assert set(sizes) == set(SIZES)
    assert not KEPT_OUT & (seen["train"].keys() | seen["test"].keys())
    assert seen["kept_out"].keys() == KEPT_OUT
    assert {shape for shape, _ in seen["train"]} == set(SHAPES)
    assert {colour for _, colour in seen["train"]} == set(COLOURS)


def test_things_are_hidden_and_cut_and_backgrounds_are_not_plain() -> None:
    hidden = cut = 0
    for index in range(80):
        scene = _scene(index)
        outside = scene.pixels[scene.owner == 0].astype(float)
        assert outside.std(axis=0).max() > 1
        for i, thing in enumerate(scene.things):
            placed = coverage(thing, 128)
            assert placed is not None
            hidden += scene.mask(i).sum() < np.count_nonzero(placed[1] > 0.5)
            x0, y0, x1, y1 = scene.box(i)
            cut += x0 == 0 or y0 == 0 or x1 == 128 or y1 == 128
    assert hidden > 10
    assert cut > 10


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_fill_their_square_and_holes_are_inside(shape: str) -> None:
    outer, *holes = OUTLINES[shape]
    assert np.abs(outer).max() <= 1.1
    assert np.ptp(outer, axis=0).max() > 1.5
    for hole in holes:
        assert (hole.min(axis=0) > outer.min(axis=0)).all()
        assert (hole.max(axis=0) < outer.max(axis=0)).all()


def test_four_kinds_have_a_hole() -> None:
    assert {shape for shape, rings in OUTLINES.items() if len(rings) > 1} == {"ring", "frame", "mug", "key"}
