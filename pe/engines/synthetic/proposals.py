"""Logical forms that may fit a scene, by kind; whether they do is for the judge to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar, get_args

import numpy as np

from pe.engines.synthetic.forms import (
    PLACES,
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
from pe.engines.synthetic.looks import COLOURS, SIZES, TEXTURES
from pe.engines.synthetic.outlines import SHAPES
from pe.engines.synthetic.scene import Thing

KINDS = ("category", "attribute", "relation", "ordinal", "superlative", "negation", "plural", "count")

T = TypeVar("T")
Things = tuple[Thing, ...]
_VALUES = {"size": tuple(SIZES), "texture": TEXTURES, "colour": tuple(COLOURS), "shape": SHAPES}
_WORTH = {"size": 0.3, "texture": 0.3, "colour": 0.6, "shape": 0.75}
"""How likely a noun tells each look."""
_BARE = 0.15
"""How often "thing" alone will do."""
_NUMBERS = 6
# What seldom holds is tried more often.
_RELATIONS: tuple[Relation, ...] = (
    *get_args(Relation),
    "nearest to",
    *("next to", "overlapping", "in front of", "behind") * 3,
)


def propose(kind: str, rng: np.random.Generator, things: Things, empty: bool) -> Form | None:
    """A form of `kind` about some of `things`, or one that should mean nothing if `empty`; None if this try failed."""
    if len(things) < 2 and kind not in ("category", "attribute"):
        return None
    form = _form(kind, rng, things, empty)
    return None if form is not None and form.noun == Noun() and rng.random() > _BARE else form


def _form(kind: str, rng: np.random.Generator, things: Things, empty: bool) -> Form | None:
    match kind:
        case "category":
            return Plain(_maybe_other(rng, Noun(shape=_pick(rng, things).shape), empty))
        case "attribute":
            noun = _noun(rng, [_pick(rng, things)])
            noun = _maybe_other(rng, noun, empty)
            return Plain(noun) if noun.size or noun.texture or noun.colour else None
        case "relation":
            one, other = _pair(rng, things)
            relation = _word(rng, _RELATIONS)
            # An empty relation is the more telling the more of its words are in the scene.
            noun = _maybe_other(rng, _noun(rng, [one]), empty and rng.random() < 0.3)
            return Related(noun, relation, _noun(rng, [other]))
        case "ordinal":
            noun = _noun(rng, _pair(rng, things))
            side: Side = _word(rng, get_args(Side))
            return Ranked(noun, int(rng.integers(min(len(PLACES), len(things) + 1))), side)
        case "superlative":
            extreme: Extreme = _word(rng, get_args(Extreme))
            return Most(_maybe_other(rng, _noun(rng, _pair(rng, things)), empty), extreme)
        case "negation":
            return _negation(rng, things)
        case "plural":
            return All(_maybe_other(rng, _noun(rng, _pair(rng, things)), empty))
        case _:
            noun = _noun(rng, _pair(rng, things))
            count = sum(noun.fits(thing) for thing in things)
            if empty:
                count += 1 if count < 3 or rng.random() < 0.5 else -1
            return All(noun, count, every=bool(rng.random() < 0.4)) if 2 <= count <= _NUMBERS else None


def _negation(rng: np.random.Generator, things: Things) -> Form | None:
    one, other = _pair(rng, things)
    if rng.random() < 0.3:
        noun = _noun(rng, [one])
        return Except(noun, sum(noun.fits(thing) for thing in things) > 1) if noun != Noun() else None
    look = _word(rng, ("colour", "colour", "texture", "size"))
    noun = replace(_noun(rng, [one, other]), **{look: ""})
    lacking = getattr(other, look)
    left = sum(noun.fits(thing) and getattr(thing, look) != lacking for thing in things)
    return Lacking(noun, lacking, many=left > 1 or (left == 0 and bool(rng.random() < 0.5)))


def _noun(rng: np.random.Generator, things: list[Thing]) -> Noun:
    """Some of the looks that all `things` have."""
    first, *rest = things
    told = {
        look: getattr(first, look)
        for look, chance in _WORTH.items()
        if rng.random() < chance and all(getattr(first, look) == getattr(thing, look) for thing in rest)
    }
    return Noun(**told)


def _maybe_other(rng: np.random.Generator, noun: Noun, changed: bool) -> Noun:
    """The noun, or one that a single word tells from it."""
    if not changed:
        return noun
    look = _word(rng, [look for look in _VALUES if getattr(noun, look)] or list(_VALUES))
    return replace(noun, **{look: _word(rng, _VALUES[look])})


def _pick(rng: np.random.Generator, things: Things) -> Thing:
    return things[int(rng.integers(len(things)))]


def _pair(rng: np.random.Generator, things: Things) -> list[Thing]:
    one, step = int(rng.integers(len(things))), int(rng.integers(1, len(things)))
    return [things[one], things[(one + step) % len(things)]]


def _word(rng: np.random.Generator, words: Sequence[T]) -> T:
    return words[int(rng.integers(len(words)))]
