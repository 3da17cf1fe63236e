"""What can be said of a scene: expressions with their targets, phrases to ask for, a caption, counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from pe.annotators.captioners._english import counted, listed
from pe.engines.synthetic.forms import names_kept_out
from pe.engines.synthetic.judge import meant, view
from pe.engines.synthetic.looks import COLOURS, KEPT_OUT, TEXTURES, Split
from pe.engines.synthetic.outlines import SHAPES
from pe.engines.synthetic.proposals import KINDS, propose
from pe.engines.synthetic.scene import Scene

_TRIES = 30
_NO_TARGET = 0.25
_MODES = (0.25, 0.85, 0.93, 1.0)
_PARTS = (("shape",), ("colour", "shape"), ("texture", "shape"), ("texture", "colour", "shape"))
_ABSENT = 3 / 7
_NEAR = 0.5
_GROUPS = 8
_VALUES = {"shape": SHAPES, "colour": tuple(COLOURS), "texture": TEXTURES}


@dataclass(frozen=True, slots=True)
class Expression:
    """`text` of one of KINDS and the indices of the things it means; none of them where nothing fits."""

    text: str
    kind: str
    targets: tuple[int, ...]


def expressions(scene: Scene, rng: np.random.Generator, count: int) -> list[Expression]:
    """Up to `count` different expressions, of all kinds in turn, about a quarter of them without target.

    What "the ..." says of one thing is true of exactly one, or of none. A scene in which little can be said has fewer.
    A pair of KEPT_OUT is named only where a thing of the scene is one.
    """
    if not scene.things or not count:
        return []
    seen = view(scene)
    bold = any((thing.shape, thing.colour) in KEPT_OUT for thing in scene.things)
    found: dict[str, Expression] = {}
    kinds = rng.permutation(KINDS)
    for turn in range(2 * max(count, len(kinds))):
        if len(found) == count:
            break
        kind = str(kinds[turn % len(kinds)])
        empty = bool(rng.random() < _NO_TARGET)
        for _ in range(_TRIES):
            form = propose(kind, rng, scene.things, empty)
            if form is None or form.text in found or (names_kept_out(form) and not bold):
                continue
            targets = meant(form, seen)
            if targets is not None and bool(targets) != empty:
                found[form.text] = Expression(form.text, kind, targets)
                break
    return list(found.values())


def phrases(scene: Scene, rng: np.random.Generator, split: Split) -> tuple[list[str], list[str]]:
    """A phrase for each thing (then "text" for each word) and phrases that are true of nothing in the scene.

    Things of one shape are named in the same way, so none is the target of two phrases. Of all asked phrases about 30 %
    are absent, half of those one word away from a thing; in splits "train" and "test" none names a pair of KEPT_OUT.
    """
    ways: dict[str, int] = {}
    named: list[str] = []
    for thing in scene.things:
        if thing.shape not in ways:
            ways[thing.shape] = _mode(rng)
        named.append(" ".join(getattr(thing, part) for part in _PARTS[ways[thing.shape]]))
    wanted = int(len(set(named)) * _ABSENT + rng.random()) if named else int(rng.integers(1, 4))
    true = {" ".join(getattr(thing, part) for part in parts) for thing in scene.things for parts in _PARTS}
    absent: dict[str, None] = {}
    for _ in range(wanted):
        near = bool(named) and rng.random() < _NEAR
        for _ in range(_TRIES):
            parts = _PARTS[_mode(rng)]
            looks = {part: _one(rng, part) for part in parts}
            if near:
                thing, changed = scene.things[int(rng.integers(len(named)))], parts[int(rng.integers(len(parts)))]
                looks = {part: looks[part] if part == changed else getattr(thing, part) for part in parts}
            phrase = " ".join(looks.values())
            kept_out = (looks["shape"], looks.get("colour")) in KEPT_OUT
            if phrase not in true and phrase not in absent and (split == "kept_out" or not kept_out):
                absent[phrase] = None
                break
    return [*named, *("text" for _ in scene.words)], list(absent)


def _mode(rng: np.random.Generator) -> int:
    drawn = rng.random()
    return next(mode for mode, below in enumerate(_MODES) if drawn < below)


def _one(rng: np.random.Generator, part: str) -> str:
    values = _VALUES[part]
    return values[int(rng.integers(len(values)))]


def counts(scene: Scene) -> dict[str, int]:
    """How many things each shape, and each colour of a shape, has in the scene: {"ring": 2, "red ring": 1, ...}."""
    shapes = Counter(thing.shape for thing in scene.things)
    return dict(shapes + Counter(f"{thing.colour} {thing.shape}" for thing in scene.things))


def caption(scene: Scene) -> str:
    """One true sentence, `Two red rings, a blue key and the word "EXIT".`; of many kinds it tells shapes alone."""
    groups: dict[str, list[int]] = {}
    for index, thing in enumerate(scene.things):
        groups.setdefault(f"{thing.colour} {thing.shape}", []).append(index)
    if len(groups) > _GROUPS:
        parts = [counted(shape, count) for shape, count in Counter(thing.shape for thing in scene.things).items()]
    else:
        parts = [counted(f"{_shared(scene, group)}{name}", len(group)) for name, group in groups.items()]
    said = [f'"{word.text}"' for word in scene.words]
    if said:
        parts.append(f"the word{'s' if len(said) > 1 else ''} {listed(said)}")
    text = listed(parts) if parts else "nothing but a background"
    return f"{text[0].upper()}{text[1:]}."


def _shared(scene: Scene, group: list[int]) -> str:
    """The size and the texture that all of a group have, where they are worth a word."""
    things = [scene.things[index] for index in group]
    looks = ({thing.size for thing in things}, {thing.texture for thing in things})
    return "".join(f"{word} " for words in looks if len(words) == 1 for word in words - {"medium", "plain"})
