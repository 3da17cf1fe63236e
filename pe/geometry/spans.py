"""Masks as runs of pixels row by row: areas, overlaps and centroids at a cost of the outline, not of the area."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pe.geometry.masks import Mask, mask_window
from pe.geometry.raster import crossings

Runs = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Spans:
    """A mask of an image of `size` = (H, W): pixel number y * W + x is set where starts[k] <= it < stops[k].

    `starts` and `stops` (K,) rise and no run overlaps the next, but two may touch; none goes beyond its row. `area` is
    the number of set pixels.
    """

    size: tuple[int, int]
    starts: Runs
    stops: Runs

    @cached_property
    def area(self) -> int:
        return int((self.stops - self.starts).sum())

    @cached_property
    def _edges(self) -> Runs:
        return np.stack([self.starts, self.stops], axis=1).ravel()

    @cached_property
    def _below(self) -> Runs:
        """How many set pixels there are before each of `_edges`."""
        lengths = self.stops - self.starts
        below = np.cumsum(lengths)
        return np.stack([below - lengths, below], axis=1).ravel()

    def box(self) -> tuple[int, int, int, int]:
        """The smallest x0, y0, x1, y1 in edge coordinates that holds every set pixel; zeros for an empty mask."""
        if not self.area:
            return 0, 0, 0, 0
        width = self.size[1]
        rows = self.starts // width
        return (
            int((self.starts - rows * width).min()),
            int(rows[0]),
            int((self.stops - rows * width).max()),
            int(rows[-1]) + 1,
        )

    def centroid(self) -> tuple[float, float]:
        """The mean x and y of the set pixels' centres; (0, 0) for an empty mask."""
        if not self.area:
            return 0.0, 0.0
        rows, lengths = self.starts // self.size[1], self.stops - self.starts
        middles = (self.starts + self.stops) / 2 - rows * self.size[1]
        return float((middles * lengths).sum()) / self.area, float(((rows + 0.5) * lengths).sum()) / self.area

    def window(self, box: tuple[int, int, int, int], stride: int = 1) -> Mask:
        """Every `stride`-th row and column of the pixels in `box` (x0, y0, x1, y1), which lies in the image."""
        x0, y0, x1, y1 = box
        height, width = -(-(y1 - y0) // stride), -(-(x1 - x0) // stride)
        rows = self.starts // self.size[1]
        chosen = (rows >= y0) & (rows < y1) & ((rows - y0) % stride == 0)
        rows = rows[chosen]
        toggles = np.zeros((height, width + 1), np.uint8)
        for ends in (self.starts, self.stops):
            columns = np.clip(-(-(ends[chosen] - rows * self.size[1] - x0) // stride), 0, width)
            np.bitwise_xor.at(toggles, ((rows - y0) // stride, columns), 1)
        return np.bitwise_xor.accumulate(toggles[:, :width], axis=1).view(np.bool_)

    def holds(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether the pixel under each of (N, 2) points is set; the image's far borders belong to its last pixels.

        A point outside the image is in no pixel, nor is one that is not finite.
        """
        height, width = self.size
        x, y = np.asarray(points, np.float64).reshape(-1, 2).T
        inside = (x >= 0) & (y >= 0) & (x <= width) & (y <= height)
        if not len(self.starts):
            return np.zeros(len(x), np.bool_)
        columns = np.minimum(np.where(inside, x, 0).astype(np.int64), width - 1)
        places = np.minimum(np.where(inside, y, 0).astype(np.int64), height - 1) * width + columns
        run = np.searchsorted(self.starts, places, side="right") - 1
        held: npt.NDArray[np.bool_] = inside & (run >= 0) & (places < self.stops[run])
        return held


def overlap(a: Spans, b: Spans) -> int:
    """How many pixels are set in both of two masks of one image; quicker where `a` is the same from call to call."""
    if not a.area or not b.area or a.stops[-1] <= b.starts[0] or b.stops[-1] <= a.starts[0]:
        return 0
    below = np.interp(b._edges, a._edges, a._below)
    return int(below[1::2].sum() - below[::2].sum())


def union(masks: Sequence[Spans], size: tuple[int, int]) -> Spans:
    """The pixels set in any of `masks`, all of images of `size` = (H, W)."""
    if len(masks) == 1:
        return masks[0]
    starts = np.concatenate([np.empty(0, np.int64), *(mask.starts for mask in masks)])
    stops = np.concatenate([np.empty(0, np.int64), *(mask.stops for mask in masks)])
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(stops[order])
    first = np.ones(len(starts), bool)
    first[1:] = starts[1:] >= reach[:-1]
    last = np.roll(first, -1)
    return Spans(size, starts[first], reach[last])


def from_rings(rings: Sequence[Sequence[float]], size: tuple[int, int]) -> Spans:
    """What `pe.geometry.raster.rings_to_mask` sets for flat x, y, ... `rings` in an image of `size` = (H, W)."""
    found = crossings([np.asarray(ring, np.float64).reshape(-1, 2) for ring in rings], *size)
    if found is None:
        return _spans(np.empty(0, np.int64), size)
    (x, y, _, _), row, column = found
    return _spans(np.sort((row + y) * size[1] + column + x), size)


def from_mask(mask: Mask) -> Spans:
    """A (H, W) bool `mask` as its runs."""
    height, width = mask.shape
    window = mask_window(mask)
    if window is None:
        return _spans(np.empty(0, np.int64), (height, width))
    crop = np.pad(mask[window].view(np.int8), ((0, 0), (1, 1)))
    row, column = np.nonzero(np.diff(crop, axis=1))
    return _spans((row + window[0].start) * width + column + window[1].start, (height, width))


def rows_crossed(rings: Sequence[Sequence[float]], height: int) -> int:
    """How many rows the edges of flat `rings` cross in an image of `height`, at most: what drawing them costs."""
    return sum(_rows(np.clip(np.asarray(ring[1::2], np.float64), 0, height)) for ring in rings)


def _rows(y: npt.NDArray[np.float64]) -> int:
    return int(np.abs(np.diff(y, append=y[:1])).sum()) + len(y)


def _spans(edges: Runs, size: tuple[int, int]) -> Spans:
    starts, stops = edges[::2], edges[1::2]
    real = np.flatnonzero(starts < stops)
    return Spans(size, starts[real], stops[real])
