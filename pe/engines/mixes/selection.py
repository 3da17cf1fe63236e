"""Which rows a mix takes, how often, and in which order: exact, and by the seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pe.engines.mixes.settings import Level, MixSettings
from pe.engines.mixes.survey import WHERE, Part, tallies
from pe.errors import InputError

_PLACED = np.dtype([("part", "i4"), *[(name, WHERE[name]) for name in WHERE.names or ()]])
Rows = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass
class Selection:
    """`rows` are all that there are (structured, with their part), `order` the indices of those taken, in order.

    `turn` says for each of `order` how often its row was taken before. `levelled` counts by leaf what levelling left
    out.
    """

    rows: Rows
    order: Indices
    turn: Indices
    levelled: Counter[str] = field(default_factory=Counter)


def select(settings: MixSettings, parts: Sequence[Part]) -> Selection:
    """The selection of a mix. Raises InputError when a leaf that has to give rows has none."""
    rows, names = _all_rows(parts)
    leaves = settings.leaves
    totals = tallies(settings, parts)
    pools: list[Indices] = []
    levelled: Counter[str] = Counter()
    for number, leaf in enumerate(leaves):
        pool = np.flatnonzero(rows["leaf"] == number)
        rng = np.random.default_rng([settings.seed, int(leaf.identity, 16)])
        pool = pool[rng.permutation(len(pool))]
        if leaf.optional and not totals[leaf.name].positives:
            pool = pool[:0]
        kept = level(pool, rows["group"][pool], names, leaf.level) if leaf.level else pool
        levelled[leaf.name] = len(pool) - len(kept)
        pools.append(kept)
    taken: list[Indices] = []
    turns: list[Indices] = []
    for leaf, pool, count in zip(leaves, pools, counts(settings, [len(pool) for pool in pools]), strict=True):
        if count and not len(pool):
            raise InputError(f"{leaf.name} ({leaf.data}) has to give {count} rows and has none; --dry-run says why")
        turn = np.arange(count) // max(len(pool), 1)
        taken.append(pool[np.arange(count) % max(len(pool), 1)] if count else pool[:0])
        turns.append(turn)
    order, turn = np.concatenate(taken), np.concatenate(turns)
    shuffle = np.random.default_rng([settings.seed, 1]).permutation(len(order))
    return Selection(rows, order[shuffle], turn[shuffle], levelled)


def counts(settings: MixSettings, available: Sequence[int]) -> list[int]:
    """How many rows each leaf gives, exactly: see MixSettings for what weights mean."""
    leaves = [
        leaf if there or not leaf.optional else leaf.model_copy(update={"count": 0})
        for leaf, there in zip(settings.leaves, available, strict=True)
    ]
    if settings.rows is None:
        return [
            leaf.count if leaf.count is not None else round(leaf.weight * settings.epochs * there)
            for leaf, there in zip(leaves, available, strict=True)
        ]
    fixed = sum(leaf.count or 0 for leaf in leaves)
    weighed = {number: leaf.weight for number, leaf in enumerate(leaves) if leaf.count is None}
    rest = settings.rows - fixed
    if rest < 0 or (rest and not sum(weighed.values())):
        raise InputError(f"the mix has {settings.rows} rows and its counts add up to {fixed}")
    shares = apportion(rest, weighed)
    return [leaf.count if leaf.count is not None else shares[number] for number, leaf in enumerate(leaves)]


def apportion(total: int, weights: Mapping[int, float]) -> dict[int, int]:
    """`total` split by `weights`: whole numbers that add up, each off by less than one (largest remainders)."""
    scale = sum(weights.values())
    exact = {key: total * weight / scale for key, weight in weights.items()} if scale else dict.fromkeys(weights, 0.0)
    shares = {key: int(value) for key, value in exact.items()}
    by_rest = sorted(exact, key=lambda key: (shares[key] - exact[key], key))
    for key in by_rest[: total - sum(shares.values()) if scale else 0]:
        shares[key] += 1
    return shares


def level(pool: Indices, groups: npt.NDArray[np.int32], names: Sequence[str], how: Level) -> Indices:
    """Those of `pool` (in a random order) that stay: at most `how.most` a group, then exactly `how.shares`."""
    rank = _rank_in_group(groups)
    keep = np.ones(len(pool), bool) if how.most is None else rank < how.most
    if how.shares:
        there = Counter(names[group] for group in groups[keep].tolist())
        scale = min(there[name] / share for name, share in how.shares.items())
        limit = np.array([int(scale * how.shares.get(name, 0.0)) for name in names] or [0])
        keep &= rank < limit[groups]
    return pool[keep]


def _rank_in_group(groups: npt.NDArray[np.int32]) -> Indices:
    """(N,) how many rows of the same group stand before each."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(groups) else np.zeros(0, np.int64)
    rank = np.empty(len(groups), np.int64)
    rank[order] = np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))
    return rank


def _all_rows(parts: Sequence[Part]) -> tuple[Rows, list[str]]:
    """The rows of all parts, and the names of their groups over all parts."""
    known: dict[str, int] = {}
    pieces = []
    for number, part in enumerate(parts):
        where = part.where()
        renamed = np.array([known.setdefault(name, len(known)) for name in part.summary()["groups"]] or [0], np.int32)
        piece = np.empty(len(where), _PLACED)
        piece["part"] = number
        for name in WHERE.names or ():
            piece[name] = where[name]
        piece["group"] = renamed[where["group"]]
        pieces.append(piece)
    return np.concatenate(pieces) if pieces else np.empty(0, _PLACED), list(known)
