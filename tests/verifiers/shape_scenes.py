"""Scenes of labelled things, and answers about them that are right, nearly right or wrong, for every shape."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pe.formats import Decoded, Item
from pe.registry import load
from pe.verifiers import Call, Target, Truth

SIZE = (640, 480)
CELL, SIDE = 100, 60
PARTS = ("nose", "left_eye", "right_eye", "tail")


@dataclass(frozen=True)
class Thing:
    """A thing in a square of 60 px at (x, y); `near` says how good an answer about it is: 1 for full precision."""

    x: int
    y: int
    phrase: str
    reads: str = "STOP 24"

    @property
    def box(self) -> tuple[float, float, float, float]:
        return self.x, self.y, self.x + SIDE, self.y + SIDE

    @property
    def middle(self) -> tuple[float, float]:
        return self.x + SIDE / 2, self.y + SIDE / 2

    def ring(self, wide: float = SIDE) -> tuple[float, ...]:
        x0, y0, x1, y1 = self.x, self.y, self.x + wide, self.y + SIDE
        return x0, y0, x1, y0, x1, y1, x0, y1

    def keypoints(self, off: float = 0.0) -> dict[str, tuple[float, float] | None]:
        return {
            name: (self.x + 10.0 + 7 * place + off, self.y + 20.0) if place < 3 else None
            for place, name in enumerate(PARTS)
        }

    def target(self) -> Target:
        return Target(
            phrase=self.phrase,
            bbox=self.box,
            point=self.middle,
            rings=(self.ring(),),
            keypoints=self.keypoints(),
            text=self.reads,
        )


Make = Callable[[Thing, float], Item]


def box(thing: Thing, near: float) -> Item:
    x0, y0, x1, y1 = thing.box
    return Item(thing.phrase, bbox=(x0, y0, x0 + (x1 - x0) * near, y1))


def moved_box(thing: Thing, near: float) -> Item:
    x0, y0, x1, y1 = thing.box
    off = CELL * (1 - near)
    return Item(thing.phrase, bbox=(x0 + off, y0, x1 + off, y1))


def point(thing: Thing, near: float) -> Item:
    x, y = thing.middle
    return Item(thing.phrase, point=(x + CELL * (1 - near), y))


def rings(thing: Thing, near: float) -> Item:
    return Item(thing.phrase, rings=(thing.ring(SIDE * near),))


def keypoints(thing: Thing, near: float) -> Item:
    return Item(thing.phrase, bbox=thing.box, keypoints=thing.keypoints(20 * (1 - near)))


def read_box(thing: Thing, near: float) -> Item:
    return replace(box(thing, near), phrase=thing.reads)


def read_ring(thing: Thing, near: float) -> Item:
    return replace(rings(thing, near), phrase=thing.reads)


@dataclass(frozen=True)
class Case:
    """A verifier with parameters, how an answer to it is made, whether it is about one thing, and its behaviour."""

    verifier: str
    make: Make
    parameters: Mapping[str, Any]
    one: bool = False

    def __str__(self) -> str:
        return "-".join([self.verifier, *map(str, self.parameters.values())])

    @property
    def behaviour(self) -> str:
        return str(load("verifiers", self.verifier).behaviour)

    def judge(self, things: list[Thing], items: list[Item], status: Any = "ok") -> float:
        """The accuracy of an answer of `items` where `things` are right."""
        kind = load("verifiers", self.verifier)
        verifier = kind(kind.Parameters.model_validate(self.parameters))
        call = Call("", SIZE)
        truth = verifier.prepare(Truth(objects=tuple(thing.target() for thing in things)), call)
        return float(verifier.judge(Decoded(tuple(items), status=status), truth, call)["accuracy"])


SETS = (
    Case("point-in-box", point, {}),
    Case("rexomni-point-in-box", point, {}),
    Case("point-in-mask", point, {}),
    Case("rexomni-point-in-mask", point, {}),
    Case("point-distance", point, {}),
    Case("point-distance", point, {"sigma": 0.1}),
    Case("pointrl", point, {}),
    Case("segmentation", rings, {}),
    Case("segmentation", rings, {"centroid": 0.5, "boundary": 0.25}),
    Case("boundary", rings, {}),
    Case("ocr", read_box, {}),
    Case("ocr", read_ring, {"region": "quad"}),
    Case("keypoints", keypoints, {}),
    Case("perception-r1", box, {"task": "grounding"}),
    Case("perception-r1", box, {"task": "detection"}),
    Case("perception-r1", point, {"task": "counting"}),
)
ONES = (
    Case("box-iou", box, {}, True),
    Case("box-iou", box, {"power": 2}, True),
    Case("box-giou", box, {}, True),
    Case("vlm-r1-rec", box, {}, True),
    Case("gui", point, {}, True),
    Case("gui", moved_box, {}, True),
    Case("polygon-iou", rings, {}, True),
    Case("simpleseg", rings, {}, True),
)


def scene(seed: int) -> tuple[list[Thing], list[Thing]]:
    """Up to six things in cells of their own, and three that are not there."""
    rng = random.Random(seed)
    cells = rng.sample([(20 + CELL * x, 20 + CELL * y) for x in range(6) for y in range(4)], 9)
    things = [
        Thing(x, y, rng.choice(("red cat", "dog")), rng.choice("abc") + " 1" * rng.randrange(5)) for x, y in cells
    ]
    return things[: rng.randint(1, 6)], things[6:]
