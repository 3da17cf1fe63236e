"""Answers by label, laid out so that many labels and many draws of images are judged at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from pe.evaluation.metrics._average_precision import THRESHOLDS
from pe.evaluation.metrics._base import Numbers

DRAWS = 25
"""Draws that are judged at once."""

_CELLS = 100_000


class Kept(NamedTuple):
    """One label of one response: `scores` (n,) best first, `hits` (sizes, thresholds, n), `truths` (sizes,)."""

    label: str
    scores: Numbers
    hits: npt.NDArray[np.int8]
    truths: Numbers


class List(NamedTuple):
    """The answers of one label over all pictures, best first, judged at one size; `answered` (D,) says which response.

    `hits` (thresholds, D) as in Kept; `truths` (R,) of each response.
    """

    size: int
    hits: npt.NDArray[np.int8]
    answered: npt.NDArray[np.int64]
    truths: Numbers


def lists_of(kept: list[tuple[int, Kept]], rows: int) -> Iterator[List]:
    """What is `kept` of one label, with the response each is of, as a list for each size of which there is a truth."""
    scores = np.concatenate([item.scores for _, item in kept])
    order = np.argsort(-scores, kind="stable")
    places = np.array([place for place, _ in kept], np.int64)
    answered = np.repeat(places, [len(item.scores) for _, item in kept])[order]
    hits = np.concatenate([item.hits for _, item in kept], axis=2)[:, :, order]
    for size, truths in enumerate(np.array([item.truths for _, item in kept]).T):
        if truths.any():
            by_row = np.zeros(rows)
            by_row[places] = truths
            yield List(size, hits[size], answered, by_row)


def alike(lists: list[List]) -> Iterator[list[List]]:
    """Lists of nearly the same length together, as many as fit into memory."""
    some: list[List] = []
    for one in sorted(lists, key=lambda item: len(item.answered)):
        if some and (len(some) + 1) * (len(one.answered) + 1) * len(THRESHOLDS) * DRAWS > _CELLS:
            yield some
            some = []
        some.append(one)
    if some:
        yield some


class Block(NamedTuple):
    """L lists filled up to one length with what costs nothing, of response R, which is none and never counts."""

    sizes: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int8]
    answered: npt.NDArray[np.int64]
    truths: csr_matrix

    @staticmethod
    def of(lists: list[List], rows: int) -> Block:
        """The block of `lists` about responses 0 to `rows` - 1."""
        longest = max(len(one.answered) for one in lists)
        hits = np.full((len(lists), len(THRESHOLDS), longest), -1, np.int8)
        answered = np.full((len(lists), longest), rows, np.int64)
        for index, one in enumerate(lists):
            hits[index, :, : len(one.answered)] = one.hits
            answered[index, : len(one.answered)] = one.answered
        truths = csr_matrix(np.stack([one.truths for one in lists], axis=1))
        return Block(np.array([one.size for one in lists], np.int64), hits, answered, truths)
