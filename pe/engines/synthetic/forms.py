"""What an expression says, as a logical form, and its English."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pe.annotators.captioners._english import number, plural
from pe.engines.synthetic.looks import KEPT_OUT
from pe.engines.synthetic.scene import Thing

Relation = Literal[
    "left of", "right of", "above", "below", "next to", "nearest to", "overlapping", "in front of", "behind"
]
Extreme = Literal["largest", "smallest", "leftmost", "rightmost", "topmost", "bottommost"]
Side = Literal["left", "right", "top", "bottom"]
PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True, slots=True)
class Noun:
    """Things with these looks; an empty word leaves that look open."""

    size: str = ""
    texture: str = ""
    colour: str = ""
    shape: str = ""

    @property
    def text(self) -> str:
        return " ".join(word for word in (self.size, self.texture, self.colour, self.shape or "thing") if word)

    @property
    def many(self) -> str:
        return plural(self.text)

    def fits(self, thing: Thing) -> bool:
        return (
            self.shape in ("", thing.shape)
            and self.colour in ("", thing.colour)
            and self.texture in ("", thing.texture)
            and self.size in ("", thing.size)
        )


@dataclass(frozen=True, slots=True)
class Plain:
    """Whatever the noun fits, any number: "red ring"."""

    noun: Noun

    @property
    def text(self) -> str:
        return self.noun.text


@dataclass(frozen=True, slots=True)
class All:
    """At least two things, or exactly `count` of them: "all red rings", "the two keys", "both keys"."""

    noun: Noun
    count: int = 0
    every: bool = True

    @property
    def text(self) -> str:
        if self.every and self.count == 2:
            return f"both {self.noun.many}"
        words = ["all" if self.every else "the", number(self.count) if self.count else "", self.noun.many]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Lacking:
    """Things of a noun without one look: "the square that is not red", "the squares that are not red"."""

    noun: Noun
    look: str
    many: bool

    @property
    def text(self) -> str:
        return (
            f"the {self.noun.many} that are not {self.look}"
            if self.many
            else f"the {self.noun.text} that is not {self.look}"
        )


@dataclass(frozen=True, slots=True)
class Except:
    """All things but those of a noun: "every thing except the rings"; `many` when there are several of those."""

    noun: Noun
    many: bool

    @property
    def text(self) -> str:
        return f"every thing except the {self.noun.many if self.many else self.noun.text}"


@dataclass(frozen=True, slots=True)
class Related:
    """The one thing of a noun that stands so to the one thing of another: "the ring left of the blue square"."""

    noun: Noun
    relation: Relation
    anchor: Noun

    @property
    def text(self) -> str:
        return f"the {self.noun.text} {self.relation} the {self.anchor.text}"


@dataclass(frozen=True, slots=True)
class Ranked:
    """One thing of a row: "the second star from the left"; `place` counts from 0."""

    noun: Noun
    place: int
    side: Side

    @property
    def text(self) -> str:
        return f"the {PLACES[self.place]} {self.noun.text} from the {self.side}"


@dataclass(frozen=True, slots=True)
class Most:
    """The one thing of several that is so most of all: "the largest circle", "the leftmost red thing"."""

    noun: Noun
    extreme: Extreme

    @property
    def text(self) -> str:
        return f"the {self.extreme} {self.noun.text}"


Form = Plain | All | Lacking | Except | Related | Ranked | Most


def names_kept_out(form: Form) -> bool:
    """Whether a form names a shape in the colour that it is kept out of the training split in."""
    return any(pair in KEPT_OUT for pair in _pairs(form))


def _pairs(form: Form) -> Iterator[tuple[str, str]]:
    yield form.noun.shape, form.noun.colour
    if isinstance(form, Lacking):
        yield form.noun.shape, form.look
    if isinstance(form, Related):
        yield form.anchor.shape, form.anchor.colour
