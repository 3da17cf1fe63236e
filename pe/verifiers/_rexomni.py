"""Answers and truths as Rex-Omni's reward code reads them, which no decoder does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pe.verifiers._truth import Truth

_MARKS = re.compile("([<>/])")
_BIN = re.compile(r"<(\d++)>")
_REF, _TURN, _END = "<|object_ref_start|>", "<|object_ref_end|><|box_start|>", "<|box_end|>"
_LONGEST = 300


def read_runs(response: str, numbers: int) -> list[tuple[str, list[int]]]:
    """(phrase, bins) of every object of `numbers` bins, the objects of a phrase together, phrases in their order.

    White space around "<", ">" and "/" is taken out, line feeds are too. The bins of a phrase are cut into objects
    whatever stands between them; what is left over at the end is lost. Bins of more than 300 digits are passed over.
    """
    pieces = _MARKS.split(response)
    last = len(pieces) - 1
    tight = [
        piece if index % 2 else (piece.strip() if 0 < index < last else piece.rstrip() if not index else piece.lstrip())
        for index, piece in enumerate(pieces)
    ]
    text = ("".join(tight) if last else response).replace("\n", "").strip()
    found: dict[str, list[list[int]]] = {}
    position = 0
    while (start := text.find(_REF, position)) >= 0:
        turn = text.find(_TURN, start + len(_REF))
        end = text.find(_END, turn + len(_TURN)) if turn >= 0 else -1
        if end < 0:
            break
        bins = _BIN.findall(text, turn + len(_TURN), end)
        objects = found.setdefault(text[start + len(_REF) : turn].strip(), [])
        for index in range(0, len(bins) - numbers + 1, numbers):
            group = bins[index : index + numbers]
            if all(len(number) <= _LONGEST for number in group):
                objects.append([int(number) for number in group])
        position = end + len(_END)
    return [(phrase, numbers_) for phrase, objects in found.items() for numbers_ in objects]


def read_pairs(truth: Truth, shape: str) -> tuple[tuple[int, int], list[tuple[str, Any]]]:
    """(width, height) and (phrase, shape) of the original's ground truth in `truth.written`.

    A phrase needs "points" and `shape` ("boxes" or "masks") of the same length; others are passed over. Raises
    ValueError for another form.
    """
    try:
        given = json.loads(truth.written)
        width, height = given["resized_image_size"]
        pairs = [
            (phrase, value)
            for phrase, entry in given["answer"].items()
            if "points" in entry and shape in entry and len(entry["points"]) == len(entry[shape])
            for value in entry[shape]
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("it is no ground truth of Rex-Omni (resized_image_size, answer)") from None
    return (width, height), pairs


def points_of(response: str, size: tuple[int, int]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """The phrases of the points of `response`, and their (N, 2) pixels in an image of `size` = (width, height)."""
    runs = read_runs(response, 2)
    places = [(x / 1000.0 * size[0], y / 1000.0 * size[1]) for _, (x, y) in runs]
    return [phrase for phrase, _ in runs], np.array(places, np.float64).reshape(-1, 2)


def same_phrase(phrases: Sequence[str], truths: Sequence[str]) -> npt.NDArray[np.bool_]:
    """(M, N) whether each of M truths has exactly the phrase of each of N points."""
    known = {name: np.array([phrase == name for phrase in phrases], np.bool_) for name in dict.fromkeys(truths)}
    return np.array([known[name] for name in truths], np.bool_).reshape(len(truths), len(phrases))


def greedy_f1(hits: npt.NDArray[np.bool_]) -> float:
    """F1 of (M, N) `hits`: the M truths in their order each take the first free one of the N points that hits."""
    truths, points = hits.shape
    if not truths or not points:
        return float(not truths and not points)
    taken = greedy_hits(hits)
    recall, precision = taken / truths, taken / points
    return 2 * (precision * recall) / (precision + recall) if taken else 0.0


def greedy_hits(hits: npt.NDArray[np.bool_]) -> int:
    """How many of the M truths of (M, N) `hits` get a point: in their order the first free one that hits."""
    free = np.ones(hits.shape[1], np.bool_)
    for row in hits:
        candidates = np.flatnonzero(row & free)
        free[candidates[:1]] = False
    return int(hits.shape[1]) - int(free.sum())
