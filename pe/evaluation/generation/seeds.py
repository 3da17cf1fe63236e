"""Random numbers that belong to an answer."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt


def answer_seed(seed: int, key: str, number: int) -> int:
    """The seed of sample `number` of row `key`, 0 .. 2^31 - 1."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}/{number}".encode()).digest()[:4], "big") >> 1


def uniforms(seed: int, key: str, number: int, count: int) -> npt.NDArray[np.float64]:
    """(count,) numbers in [0, 1) that are those of this answer wherever it is made."""
    return np.random.default_rng(answer_seed(seed, key, number)).random(count)
