"""Masks to rings of few vertices: the vertices that miss the fewest pixels, and not the ones nearest to the border."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from pe.geometry.masks import mask_iou, mask_window
from pe.geometry.raster import Mask, Ring, rings_to_mask
from pe.geometry.rings import FLOOR_SLOPE, edges_that_cross, mask_to_rings, signed_area

__all__ = ["fit_rings"]

_PRICE = 5.0
_FINEST = 0.6
_COARSER = 0.4
_REACH = 32
_STEPS = (1.0, 0.5, 0.25)
_AROUND = np.array([(0, 0), *((x, y) for y in (-1, 0, 1) for x in (-1, 0, 1) if x or y)], np.float64)
_TRIES = 3
_BLOCK = 4_000_000
# Of the masks of 128 COCO photographs none has a tenth of these; noise has, and would take seconds.
_MOST_RINGS = 400
_MOST_VERTICES = 60_000

_Ints = npt.NDArray[np.int64]


def fit_rings(mask: Mask, epsilon: float = 0.005, orientation: Literal["cw", "ccw"] = "cw") -> list[Ring]:
    """The borders of a (H, W) bool `mask` as rings of few vertices that together draw nearly the same pixels.

    (N, 2) float64 arrays of x, y in edge coordinates, in multiples of 1/4 px, with the order, direction and start of
    `pe.geometry.rings.mask_to_rings`: as many rings as that gives at epsilon 0, each with an area of the same sign.
    Vertices may leave the pixel corners, never the mask's box; rings that are boxes come back as they are. At `epsilon`
    0 all rings are exact.

    A vertex stays where leaving it out would cost more wrong pixels than (5 * `epsilon`)**2 of the mask's area: 0.06 %
    at 0.005, where photographs need about as many vertices as with Douglas-Peucker at the same epsilon. No two edges
    cross, of one ring or of two: vertices of edges that do go back to the border. An object for which that is not
    enough, which would lose a ring's sense, or whose IoU with the mask would be below 1 - 20 * epsilon takes half the
    epsilon, twice at most, and after that `mask_to_rings` with the whole epsilon; so does a mask of more than 400 exact
    rings or 60,000 exact vertices at once, which keeps the fitting to about a second.

    Vertices are chosen on the border by dynamic programming, as in optimal polygonal approximation (Perez and Vidal,
    Pattern Recognition Letters 15, 1994), and then moved to where fewer pixels are wrong. Both count the pixels of
    `rings_to_mask`: the wrong ones are those of the mask plus the sum over the rings' inside of 1 for each pixel
    outside the mask and -1 for each in it, which by Green's theorem is a sum over edges.

    Raises ValueError for an epsilon outside [0, 1).
    """
    window = mask_window(mask)
    if window is None or not 0.0 < epsilon < 1.0:
        return mask_to_rings(mask, epsilon, orientation)
    crop = mask[window]
    exact = mask_to_rings(crop, 0.0)
    few = len(exact) <= _MOST_RINGS and sum(map(len, exact)) <= _MOST_VERTICES
    rings = _fit(exact, crop, epsilon) if few else None
    if rings is None:
        return mask_to_rings(mask, epsilon, orientation)
    if orientation == "ccw":
        rings = [np.concatenate([ring[:1], ring[:0:-1]]) for ring in rings]
    offset = (window[1].start, window[0].start)
    return [ring + offset for ring in rings]


def _fit(exact: list[Ring], crop: Mask, epsilon: float) -> list[Ring] | None:
    """The fitted rings of `crop`, or None where they do not stand."""
    pixels = _Pixels(crop)
    floor = 1.0 - FLOOR_SLOPE * epsilon
    price = (_PRICE * epsilon) ** 2 * np.count_nonzero(crop)
    for _ in range(_TRIES):
        chosen = [_choose(pixels, ring, price) for ring in exact]
        edges = _Edges([len(ring) for ring in chosen])
        border = np.concatenate(chosen)
        fixed = np.repeat([len(ring) == 4 for ring in exact], edges.lengths)
        points = _uncross(_move(pixels, border, fixed, edges), border, edges)
        if points is not None:
            rings = [_tidy(ring) for ring in np.split(points, np.cumsum(edges.lengths)[:-1])]
            same = all(signed_area(ring) * signed_area(whole) > 0.0 for ring, whole in zip(rings, exact, strict=True))
            if same and mask_iou(rings_to_mask(rings, *crop.shape), crop) >= floor:
                return rings
        price /= 4.0
    return None


class _Pixels:
    """What an edge adds to the sum over a ring's inside of 1 for each pixel outside the mask and -1 for each in it."""

    def __init__(self, crop: Mask) -> None:
        self.height, self.width = crop.shape
        sums = np.zeros((self.height, self.width + 1), np.int32)
        np.cumsum(1 - 2 * crop.view(np.int8), axis=1, dtype=np.int32, out=sums[:, 1:])
        self._sums = sums.ravel()

    def of_edges(self, start: Ring, stop: Ring) -> _Ints:
        """For each edge from `start` to `stop`, (N, 2) both: the sum left of it, positive where it runs down."""
        top, bottom = np.ceil(start[:, 1] - 0.5).astype(np.int64), np.ceil(stop[:, 1] - 0.5).astype(np.int64)
        rows = np.abs(bottom - top)
        ends = np.cumsum(rows)
        if ends[-1] > _BLOCK and len(rows) > 1:
            half = len(rows) // 2
            parts = [self.of_edges(start[:half], stop[:half]), self.of_edges(start[half:], stop[half:])]
            return np.concatenate(parts)
        run, rise = (stop - start).T
        slope = run / np.where(rise == 0.0, 1.0, rise)
        at_zero = start[:, 0] - (start[:, 1] - 0.5) * slope - 0.5
        edge = np.repeat(np.arange(len(rows)), rows)
        row = np.arange(len(edge)) + (np.minimum(top, bottom) - ends + rows)[edge]
        column = np.clip(np.ceil(at_zero[edge] + row * slope[edge]), 0, self.width).astype(np.int64)
        sums = np.zeros(len(edge) + 1, np.int64)
        np.cumsum(self._sums[row * (self.width + 1) + column], out=sums[1:])
        result: _Ints = np.sign(bottom - top) * (sums[ends] - sums[ends - rows])
        return result


def _choose(pixels: _Pixels, ring: Ring, price: float) -> Ring:
    """The vertices of an exact `ring` for which wrong pixels plus `price` a vertex is least.

    The ring is thinned before, by less than what matters at that price, and opened at the vertex farthest from the
    middle. An edge skips at most 31 vertices, and none where the area between it and the border alone is too much.
    """
    tolerance = max(_FINEST, _COARSER * price**0.5)
    points = cv2.approxPolyDP(ring.astype(np.int32)[:, None], tolerance, True)[:, 0].astype(np.float64)
    count = len(points)
    if len(ring) == 4 or count < 4:
        return ring if count < 3 or len(ring) == 4 else points
    points = np.roll(points, -int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmax()), axis=0)
    path = np.concatenate([points, points[:1]])
    reach = min(count - 1, _REACH)
    stop, skip = np.nonzero(np.arange(1, count + 1)[:, None] > np.arange(reach))
    stop, begin = stop + 1, stop - skip
    swept = np.append(0.0, np.cumsum(path[:-1, 0] * path[1:, 1] - path[1:, 0] * path[:-1, 1]))
    a, b = path[begin], path[stop]
    between = np.abs(swept[stop] - swept[begin] - a[:, 0] * b[:, 1] + b[:, 0] * a[:, 1]) / 2.0
    # half a pixel along an edge, and a bit at its ends, can lie between it and the border with no wrong pixel
    keep = (skip == 0) | (between <= price * skip + np.abs(a - b).sum(axis=1) / 2.0 + 2.0)
    keep &= stop - begin < count
    costs = np.full((count + 1, reach), np.inf)
    costs[stop[keep], reach - 1 - skip[keep]] = pixels.of_edges(a[keep], b[keep]) + price
    least = np.full(count + 1 + reach, np.inf)
    least[reach] = 0.0
    before = [0] * (count + 1)
    for vertex in range(1, count + 1):
        ways = least[vertex : vertex + reach] + costs[vertex]
        best = int(ways.argmin())
        least[reach + vertex] = ways[best]
        before[vertex] = vertex - reach + best
    kept, vertex = [], count
    while vertex > 0:
        vertex = before[vertex]
        kept.append(vertex)
    return points[kept[::-1]] if len(kept) > 2 else points


class _Edges:
    """Which vertex comes before and after which, in rings of `lengths` that stand one after the other in an array.

    `turn` is another number for neighbours: 0 and 1 along a ring, 2 for the last vertex of an odd one.
    """

    def __init__(self, lengths: list[int]) -> None:
        self.lengths = lengths
        ends = np.cumsum(lengths)
        index = np.arange(ends[-1])
        first, last = np.repeat(ends - lengths, lengths), np.repeat(ends - 1, lengths)
        self.previous = np.where(index == first, last, index - 1)
        self.following = np.where(index == last, first, index + 1)
        self.turn = np.where((index == last) & ((index - first) % 2 == 0), 2, (index - first) % 2)


def _move(pixels: _Pixels, points: Ring, fixed: npt.NDArray[np.bool_], edges: _Edges) -> Ring:
    """`points` moved step by step to where fewer pixels are wrong, all but the `fixed` ones; neighbours in turns."""
    points = points.copy()
    turns = [np.flatnonzero((edges.turn == turn) & ~fixed) for turn in range(3)]
    for step in _STEPS:
        for group in turns:
            if not len(group):
                continue
            places = np.clip(points[group, None] + step * _AROUND, 0.0, (pixels.width, pixels.height)).reshape(-1, 2)
            a, b = (np.repeat(points[side[group]], len(_AROUND), axis=0) for side in (edges.previous, edges.following))
            sums = pixels.of_edges(np.concatenate([a, places]), np.concatenate([places, b]))
            best = sums.reshape(2, len(group), -1).sum(axis=0).argmin(axis=1)
            points[group] = places.reshape(len(group), -1, 2)[np.arange(len(group)), best]
    return points


def _uncross(points: Ring, border: Ring, edges: _Edges) -> Ring | None:
    """`points` with the ends of edges that cross put back to the `border`; None when that does not help."""
    while True:
        grid = (points * 64.0).astype(np.int64)
        crossing = np.flatnonzero(edges_that_cross(grid, grid[edges.following]))
        if not len(crossing):
            return points
        ends = np.concatenate([crossing, edges.following[crossing]])
        if np.array_equal(points[ends], border[ends]):
            return None
        points[ends] = border[ends]


def _tidy(ring: Ring) -> Ring:
    """`ring` from its smallest (y, x), without repeated vertices or ones on the line between their neighbours."""
    while len(ring) > 3:
        after = np.roll(ring, -1, axis=0) - ring
        keep = after.any(axis=1)
        if keep.all():
            before = np.roll(after, 1, axis=0)
            keep = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
        if keep.all():
            break
        ring = ring[keep]
    return np.roll(ring, -int(np.lexsort(ring.T)[0]), axis=0) if len(ring) else ring
