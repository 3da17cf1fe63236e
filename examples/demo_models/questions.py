"""Questions about drawn scenes and their answers, as `pe build-sft` asks and writes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from base_model import SIDE
from tower import Targets
from words import phrase_of

from pe import registry
from pe.annotators.captioners._vlm import PROMPT
from pe.engines.synthetic.language import caption
from pe.engines.synthetic.looks import COLOURS, KEPT_OUT, TEXTURES
from pe.engines.synthetic.outlines import SHAPES
from pe.engines.synthetic.scene import Scene, Thing
from pe.engines.tasks._asking import one as single
from pe.engines.tasks._asking import several
from pe.engines.tasks._wordings import Wordings, load_pool
from pe.formats import Answer, Format, Item
from pe.geometry.masks import interior_point
from pe.geometry.rings import mask_to_rings, signed_area

SIZE = (SIDE, SIDE)
MODES = (0.25, 0.6, 0.08, 0.07)
PARTS = ((0,), (0, 1), (0, 2), (0, 1, 2))
RING_EPSILON = 0.02


def names(rng: np.random.Generator, kinds: np.ndarray) -> list[str]:
    """A phrase for each thing; things of one shape are named in the same way, as `pe synth` does it."""
    way = {int(shape): int(rng.choice(4, p=MODES)) for shape in np.unique(kinds[:, 0])}
    return [" ".join(phrase_of(kind, way[int(kind[0])])) for kind in kinds]


def absent(rng: np.random.Generator, kinds: np.ndarray, wanted: int, said: set[str]) -> list[str]:
    """Up to `wanted` phrases that are true of nothing, half of them one word away from a thing."""
    found: list[str] = []
    for _ in range(10 * wanted):
        if len(found) == wanted:
            break
        mode = int(rng.choice(4, p=MODES))
        kind = np.array([rng.integers(len(SHAPES)), rng.integers(len(COLOURS)), rng.integers(len(TEXTURES))])
        if len(kinds) and rng.random() < 0.5:
            changed = int(rng.choice(PARTS[mode]))
            near = kinds[int(rng.integers(len(kinds)))].copy()
            near[changed] = kind[changed]
            kind = near
        if (SHAPES[kind[0]], tuple(COLOURS)[kind[1]]) in KEPT_OUT:
            continue
        phrase = " ".join(phrase_of(kind, mode))
        true = any(all(kind[part] == thing[part] for part in PARTS[mode]) for thing in kinds)
        if not true and phrase not in said and phrase not in found:
            found.append(phrase)
    return found


def _format(name: str) -> Format:
    made: Format = registry.load("formats", name)()
    return made


@dataclass
class Asked:
    """A question and its answer; `marks`: the last character of each phrase asked for, and its leftmost box or None."""

    question: str
    answer: str
    marks: list[tuple[int, tuple[float, ...] | None]]


class Asker:
    """Questions about a scene and their answers, in the formats and wordings that `pe build-sft` uses."""

    def __init__(self) -> None:
        self.rexomni = _format("rexomni")
        self.detect = Wordings(load_pool("rexomni"), False)
        self.plain = Wordings(load_pool("plain"), False)
        self.shapes = Wordings(load_pool("simpleseg"), False)
        self.thinking = Wordings(load_pool("v-triune"), True)
        self.boxed = _format("boxed")

    def ask(self, rng: np.random.Generator, batch: Targets, i: int, owner: np.ndarray, easy: float) -> Asked:
        """One question and its answer about scene `i`; early ones (`easy` near 1) ask for one thing alone."""
        count = int(batch.count[i])
        looks, boxes = batch.looks[i, :count].numpy(), batch.boxes[i, :count].numpy()
        drawn = rng.random()
        if drawn < 0.74 + 0.26 * easy or not count:
            return self.boxes(rng, looks, boxes, easy)
        if drawn < 0.84:
            return self._caption(rng, looks, boxes)
        if drawn < 0.91:
            return self._mask(rng, looks, boxes, owner)
        if drawn < 0.96:
            points = [interior_point(owner == k + 1) or (0.0, 0.0) for k in range(count)]
            return self.boxes(rng, looks, boxes, easy, points)
        return self._count(rng, looks)

    def boxes(
        self,
        rng: np.random.Generator,
        looks: np.ndarray,
        boxes: np.ndarray,
        easy: float,
        points: list[tuple[float, float]] | None = None,
    ) -> Asked:
        """The boxes, or the `points`, of some phrases of a scene and of some that are true of nothing in it."""
        said = names(rng, looks)
        there = list(dict.fromkeys(said))
        if rng.random() < easy:
            there = [there[int(rng.integers(len(there)))]] if there and rng.random() < 0.8 else []
            away = [] if there else absent(rng, looks, 1, set(said))
        else:
            if len(there) > 1 and rng.random() < 0.7:
                chosen = rng.choice(len(there), int(rng.integers(1, len(there) + 1)), replace=False)
                there = [there[k] for k in sorted(chosen)]
            most = int(rng.integers(0, 4)) if there else int(rng.integers(1, 4))
            away = absent(rng, looks, most, set(said))
        asked = [*there, *away]
        asked = [asked[k] for k in rng.permutation(len(asked))] or ["thing"]
        order = sorted(range(len(said)), key=lambda k: (*boxes[k].tolist(), k))
        items = []
        for phrase in asked:
            for k in order:
                if said[k] == phrase and points is None:
                    items.append(Item(phrase, bbox=tuple(float(value) for value in boxes[k])))
                elif said[k] == phrase:
                    items.append(Item(phrase, point=points[k]))
        missing = tuple(phrase for phrase in asked if phrase not in there)
        question = self.detect.ask("point" if points is not None else "detect", rng, several(asked))
        marks, at = [], 0
        for phrase in asked:
            at = question.find(phrase, at) + len(phrase)
            leftmost = next((tuple(boxes[k].tolist()) for k in order if said[k] == phrase), None)
            marks.append((at - 1, leftmost))
        return Asked(question, self.rexomni.encode(Answer(tuple(items), missing), SIZE), marks)

    def _mask(self, rng: np.random.Generator, looks: np.ndarray, boxes: np.ndarray, owner: np.ndarray) -> Asked:
        """The outer rings of one phrase's things, few corners each; boxes where a thing is in several parts."""
        said = names(rng, looks)
        order = sorted(range(len(said)), key=lambda k: (*boxes[k].tolist(), k))
        phrase = said[int(rng.integers(len(said)))]
        if rng.random() < 0.15:
            phrase = (absent(rng, looks, 1, set(said)) or [phrase])[0]
        items = []
        for k in order:
            if said[k] == phrase:
                rings = [ring for ring in mask_to_rings(owner == k + 1, RING_EPSILON, "cw") if signed_area(ring) > 0]
                if len(rings) != 1:
                    return self.boxes(rng, looks, boxes, 0.0)
                items.append(Item(phrase, rings=(tuple(rings[0].ravel().tolist()),)))
        question = self.shapes.ask("text-to-mask", rng, single(phrase))
        leftmost = next((tuple(boxes[k].tolist()) for k in order if said[k] == phrase), None)
        answer = Answer(tuple(items), () if items else (phrase,))
        return Asked(question, self.rexomni.encode(answer, SIZE), [(question.find(phrase) + len(phrase) - 1, leftmost)])

    def _count(self, rng: np.random.Generator, looks: np.ndarray) -> Asked:
        said = names(rng, looks)
        phrase = said[int(rng.integers(len(said)))] if rng.random() < 0.8 else absent(rng, looks, 1, set(said))[0]
        words = self.plain if rng.random() < 0.5 else self.thinking
        answer = self.boxed.encode(Answer(text=str(said.count(phrase))), SIZE)
        return Asked(words.ask("count", rng, single(phrase)), answer, [])

    def _caption(self, rng: np.random.Generator, looks: np.ndarray, boxes: np.ndarray) -> Asked:
        """Shapes, colours and numbers from left to right: what is behind what no caption needs to know."""
        order = sorted(range(len(looks)), key=lambda k: (*boxes[k].tolist(), k))
        things = tuple(
            Thing(SHAPES[looks[k, 0]], tuple(COLOURS)[looks[k, 1]], "plain", "medium", (0.0, 0.0), 1.0, 0.0)
            for k in order
        )
        nothing = np.zeros((1, 1), np.uint8)
        question = self.plain.ask("caption", rng, {}) if rng.random() < 0.6 else PROMPT
        return Asked(question, caption(Scene(nothing, things, nothing)), [])
