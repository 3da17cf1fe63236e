"""Detectors with a fixed list of classes: which class a phrase asks for, and COCO's names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

_COCO = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, "
    "mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, "
    "teddy bear, hair drier, toothbrush"
)
COCO = _COCO.split(", ")


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


class Classes:
    """The class names of a detector or an annotation file, found by phrase; case and underscores do not matter."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self._by_fold: dict[str, str] = {}
        for name in self.names:
            self._by_fold.setdefault(_folded(name), name)

    def match(self, phrases: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """{class: the first phrase that asks for it}, and the phrases that no class has."""
        known: dict[str, str] = {}
        unknown = []
        for phrase in phrases:
            name = self._by_fold.get(_folded(phrase))
            if name is None:
                unknown.append(phrase)
            else:
                known.setdefault(name, phrase)
        return known, unknown

    def describe(self, unknown: Sequence[str]) -> str:
        """One line for phrases that no class has: the first five, each with the nearest names there are."""
        words = []
        for phrase in unknown[:5]:
            near = difflib.get_close_matches(_folded(phrase), list(self._by_fold), n=3)
            hint = f" (near: {', '.join(self._by_fold[fold] for fold in near)})" if near else ""
            words.append(f"{phrase!r}{hint}")
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        return ", ".join(words) + more
