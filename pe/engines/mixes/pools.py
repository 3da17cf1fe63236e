"""Phrases of what is not in a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pe.engines.mixes.settings import Negatives
from pe.errors import InputError
from pe.schemas.sample import Sample
from pe.shards.read import read_records


class Pool:
    """Draws the phrases that a picture is asked for although they are not there."""

    def __init__(self, settings: Negatives, phrases: Sequence[str]) -> None:
        self._settings = settings
        self._phrases = phrases

    def draw(self, sample: Sample, rng: np.random.Generator) -> list[str]:
        """`least` to `most` phrases, each number as likely, fewer if the pool has no more; none is in the picture."""
        wanted = int(rng.integers(self._settings.least, self._settings.most + 1))
        pool = json.loads(sample.negatives_json) if self._settings.pool == "own" else self._phrases
        if not wanted or not pool:
            return []
        # What was dropped (a crowd, an object of a category not exhaustively annotated) is there all the same.
        dropped = json.loads(sample.provenance_json).get("dropped", ())
        there = {
            _normal(phrase)
            for phrase in [*(item.phrase for item in sample.objects()), *(item["phrase"] for item in dropped)]
        }
        chosen: list[str] = []
        # Enough draws to find what is not there, however large the pool is.
        for place in rng.permutation(len(pool))[: 4 * wanted + len(there)].tolist():
            if len(chosen) < wanted and (name := _normal(pool[place])) not in there:
                there.add(name)
                chosen.append(pool[place])
        return chosen


def phrases_of(pool: str, shards: Sequence[Path]) -> list[str]:
    """The phrases of `pool` in a fixed order: none for "own", those in `shards` for "source", else a file's lines.

    Raises InputError for a file that cannot be read or has none.
    """
    if pool == "own":
        return []
    if pool == "source":
        found: set[str] = set()
        for shard in shards:
            for sample, _ in read_records(shard):
                found.update(item.phrase for item in sample.objects())
        return sorted(found)
    try:
        lines = Path(pool).expanduser().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"negatives: {pool} is not own or source, and cannot be read as a file: {error}") from None
    phrases = sorted({line.strip() for line in lines} - {""})
    if not phrases:
        raise InputError(f"negatives: {pool} has no phrase in it")
    return phrases


def _normal(phrase: str) -> str:
    return " ".join(phrase.casefold().split())
