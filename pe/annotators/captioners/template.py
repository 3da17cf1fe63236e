"""Captions from what was found, without a model: "Two dogs and a frisbee." """

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pe.annotators.base import Box, Caption, Captioner, Instance, ModelInfo
from pe.annotators.captioners._english import clean, counted, is_countable, listed, number, plural
from pe.errors import SampleError
from pe.shards.pictures import Picture

__all__ = ["Template"]


class Template(Captioner):
    """Counts the instances of each phrase, the largest total box area first; says where each one is.

    A picture without instances has the empty caption: nothing found is no proof that nothing is there.
    """

    needs_pixels = False

    @property
    def info(self) -> ModelInfo:
        """There is no model behind it."""
        return ModelInfo("template")

    def caption(
        self, pictures: Sequence[Picture], instances: Sequence[Sequence[Instance]]
    ) -> list[Caption | SampleError]:
        """One Caption per picture; its regions read "the dog at the top left" or "one of the two dogs at the left"."""
        regions = self.settings.region_captions
        return [
            Caption(_sentence(found), _regions(picture, found) if regions else [])
            for picture, found in zip(pictures, instances, strict=True)
        ]


def _sentence(instances: Sequence[Instance]) -> str:
    if not instances:
        return ""
    counts: Counter[str] = Counter()
    areas: Counter[str] = Counter()
    for instance in instances:
        phrase = clean(instance.phrase)
        x0, y0, x1, y1 = instance.box
        counts[phrase] += 1
        areas[phrase] += int(64 * (x1 - x0)) * int(64 * (y1 - y0))
    order = sorted(counts, key=lambda phrase: (-areas[phrase], phrase))
    text = listed([counted(phrase, counts[phrase]) for phrase in order])
    return text[0].upper() + text[1:] + "."


def _regions(picture: Picture, instances: Sequence[Instance]) -> list[str]:
    named = [(clean(instance.phrase), _place(picture, instance.box)) for instance in instances]
    counts = Counter(named)
    return [_region(phrase, place, counts[phrase, place]) for phrase, place in named]


def _region(phrase: str, place: str, count: int) -> str:
    if count == 1:
        return f"the {phrase} {place}"
    if is_countable(phrase):
        return f"one of the {number(count)} {plural(phrase)} {place}"
    return f"{phrase} {place}"


def _place(picture: Picture, box: Box) -> str:
    """Which ninth of the picture the box's centre lies in."""
    column = min(int(1.5 * (box[0] + box[2]) / picture.width), 2)
    row = min(int(1.5 * (box[1] + box[3]) / picture.height), 2)
    words = [word for word in (("top", "", "bottom")[row], ("left", "", "right")[column]) if word]
    return f"at the {' '.join(words)}" if words else "in the middle"
