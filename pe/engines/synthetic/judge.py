"""Which things of a scene a logical form means, with margins: what a pixel could decide is not decided at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pe.engines.synthetic.forms import (
    All,
    Except,
    Extreme,
    Form,
    Lacking,
    Most,
    Noun,
    Plain,
    Ranked,
    Related,
    Relation,
    Side,
)
from pe.engines.synthetic.scene import Scene, Thing, coverage

APART = 8.0
"""Pixels between two centres, along one axis, from which one is before the other."""
LARGER = 1.2
"""Ratio of two areas from which one thing is larger."""
CLOSER = 1.25
"""Ratio of two distances from which one is shorter."""
BESIDE, AWAY = 8.0, 20.0
"""Pixels between two boxes up to which things are next to each other and from which they are not."""
HIDING = 20
"""Pixels of a thing that lie on another from which it is in front of it."""

Floats = npt.NDArray[np.float64]
_UNSURE = None
_AXIS: dict[str, tuple[int, int]] = {
    "left": (0, 1), "right": (0, -1), "top": (1, 1), "bottom": (1, -1),
    "leftmost": (0, 1), "rightmost": (0, -1), "topmost": (1, 1), "bottommost": (1, -1),
    "left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """What can be seen of N things: boxes (N, 4) x0, y0, x1, y1 and areas (N,) in pixels of their visible parts.

    `over` (N, N) counts the pixels of thing i that are seen where thing j would be if i were not there, and `shared`
    those that both cover, seen or not.
    """

    things: tuple[Thing, ...]
    boxes: Floats
    areas: Floats
    over: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]

    @property
    def centres(self) -> Floats:
        return (self.boxes[:, :2] + self.boxes[:, 2:]) / 2


def view(scene: Scene) -> View:
    """Boxes, areas and overlaps of the things of a scene; words do not count."""
    side, count = scene.owner.shape[0], len(scene.things)
    boxes = np.array([scene.box(index) for index in range(count)], float).reshape(-1, 4)
    areas = np.bincount(scene.owner.ravel(), minlength=count + 1)[1 : count + 1].astype(float)
    over, shared = np.zeros((2, count, count), np.int64)
    below: list[tuple[tuple[slice, slice], npt.NDArray[np.bool_]]] = []
    for index, thing in enumerate(scene.things):
        placed = coverage(thing, side)
        assert placed is not None
        (rows, columns), cover = placed
        solid = cover > 0.5
        for other, ((above, across), under) in enumerate(below):
            y0, y1 = max(rows.start, above.start), min(rows.stop, above.stop)
            x0, x1 = max(columns.start, across.start), min(columns.stop, across.stop)
            if y0 >= y1 or x0 >= x1:
                continue
            both = solid[y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start]
            both = both & under[y0 - above.start : y1 - above.start, x0 - across.start : x1 - across.start]
            shared[index, other] = shared[other, index] = np.count_nonzero(both)
            over[index, other] = np.count_nonzero(both & (scene.owner[y0:y1, x0:x1] == index + 1))
        below.append((placed[0], solid))
    return View(scene.things, boxes, areas, over, shared)


def meant(form: Form, seen: View) -> tuple[int, ...] | None:
    """Indices of the things that `form` means, in order; empty if nothing fits; None if that cannot be said.

    It cannot where a margin is not kept, and where a form takes for granted what is not so: "the square" of several.
    A number is part of what is said: "the two keys" means nothing where there are three.
    """
    fitting = _fitting(form.noun, seen)
    match form:
        case Plain():
            return tuple(fitting)
        case All(_, count):
            if count:
                return tuple(fitting) if len(fitting) == count else ()
            return tuple(fitting) if len(fitting) != 1 else None
        case Lacking(_, look, many):
            left = [
                i for i in fitting if look not in (seen.things[i].colour, seen.things[i].texture, seen.things[i].size)
            ]
            return tuple(left) if not left or (len(left) > 1) == many else None
        case Except(_, many):
            if not fitting or (len(fitting) > 1) != many:
                return None
            return tuple(i for i in range(len(seen.things)) if i not in fitting)
        case Related(_, relation, anchor):
            anchors = _fitting(anchor, seen)
            if len(anchors) != 1:
                return None if anchors else ()
            if fitting == anchors:
                return None
            return _related([i for i in fitting if i != anchors[0]], relation, anchors[0], seen)
        case Ranked(_, place, side):
            if place >= len(fitting):
                return ()
            order = _row(fitting, side, seen)
            return None if order is None or len(order) == 1 else (order[place],)
        case Most(_, extreme):
            if len(fitting) < 2:
                return None if fitting else ()
            return _most(fitting, extreme, seen)


def _fitting(noun: Noun, seen: View) -> list[int]:
    return [index for index, thing in enumerate(seen.things) if noun.fits(thing)]


def _row(indices: Sequence[int], side: Side, seen: View) -> list[int] | None:
    axis, sign = _AXIS[side]
    along = sign * seen.centres[indices, axis]
    order = np.argsort(along)
    if (np.diff(along[order]) < APART).any():
        return None
    return [indices[i] for i in order]


def _most(indices: list[int], extreme: Extreme, seen: View) -> tuple[int, ...] | None:
    if extreme in ("largest", "smallest"):
        power = 1 if extreme == "largest" else -1
        areas = seen.areas[indices] ** power
        # What is hidden of a thing still makes it look large: both areas have to agree.
        whole = np.array([seen.things[i].half ** (2 * power) for i in indices])
        return _winner(indices, np.log(areas), float(np.log(LARGER)), np.log(whole), float(np.log(LARGER)))
    axis, sign = _AXIS[extreme]
    edges = sign * seen.boxes[indices, axis if sign > 0 else axis + 2]
    return _winner(indices, -sign * seen.centres[indices, axis], APART, -edges, 0.0)


def _winner(indices: list[int], first: Floats, by: float, second: Floats, also: float) -> tuple[int, ...] | None:
    """The one whose `first` is highest by a margin and whose `second` is, too."""
    best = int(np.argmax(first))
    rest = np.arange(len(indices)) != best
    clear = (first[best] - first[rest] >= by).all() and (second[best] - second[rest] >= also).all()
    return (indices[best],) if clear else None


def _related(indices: list[int], relation: Relation, anchor: int, seen: View) -> tuple[int, ...] | None:
    if not indices:
        return ()
    if relation == "nearest to":
        far = np.linalg.norm(seen.centres[indices] - seen.centres[anchor], axis=1)
        gaps = np.array([_gap(index, anchor, seen) for index in indices])
        return _winner(indices, -np.log(far + 1e-9), float(np.log(CLOSER)), -gaps, 0.0) if len(indices) > 1 else None
    states = [_holds(index, relation, anchor, seen) for index in indices]
    if _UNSURE in states or sum(map(bool, states)) > 1:
        return None
    return tuple(index for index, state in zip(indices, states, strict=True) if state)


def _holds(index: int, relation: Relation, anchor: int, seen: View) -> bool | None:
    """Whether thing `index` stands in `relation` to `anchor`; None if that is too close to call."""
    over, under, shared = seen.over[index, anchor], seen.over[anchor, index], seen.shared[index, anchor]
    if relation in _AXIS:
        axis, sign = _AXIS[relation]
        ahead = sign * (seen.centres[anchor, axis] - seen.centres[index, axis])
        return _UNSURE if abs(ahead) < APART else bool(ahead > 0)
    if relation == "next to":
        gap = _gap(index, anchor, seen)
        if shared or BESIDE < gap < AWAY:
            return _UNSURE
        return gap <= BESIDE
    if not shared:
        # Boxes that meet in the picture may look like things that touch.
        return False if _gap(index, anchor, seen) > 0 else _UNSURE
    if max(over, under) < HIDING:
        return _UNSURE
    return relation == "overlapping" or bool(over > under if relation == "in front of" else under > over)


def _gap(one: int, other: int, seen: View) -> float:
    """Pixels between the two boxes, 0 where they meet."""
    a, b = seen.boxes[one], seen.boxes[other]
    return float(np.linalg.norm(np.maximum(np.maximum(a[:2] - b[2:], b[:2] - a[2:]), 0)))
