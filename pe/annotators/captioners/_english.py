"""Just enough English to count things: a phrase's plural, its article, a list with "and"."""

from __future__ import annotations

import re
from collections.abc import Sequence

_NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]

_IRREGULAR = {
    "person": "people", "man": "men", "woman": "women", "child": "children", "foot": "feet", "tooth": "teeth",
    "goose": "geese", "mouse": "mice", "ox": "oxen", "die": "dice", "cactus": "cacti", "potato": "potatoes",
    "tomato": "tomatoes", "hero": "heroes", "knife": "knives", "wife": "wives", "leaf": "leaves", "shelf": "shelves",
    "wolf": "wolves", "loaf": "loaves", "half": "halves", "calf": "calves", "scarf": "scarves", "thief": "thieves",
}  # fmt: skip
_SAME = {"sheep", "fish", "deer", "moose", "aircraft", "series", "species", "bison", "salmon", "shrimp", "squid"}
_PLURALS = {*_IRREGULAR.values(), "skis", "taxis", "police", "cattle"}
_MASS = {
    "water", "grass", "sand", "snow", "rice", "bread", "broccoli", "food", "furniture", "clothing", "luggage",
    "traffic", "hair", "fruit", "cheese", "smoke", "fire", "mud", "gravel", "jewelry", "graffiti", "text",
    "equipment",
}  # fmt: skip
_SINGULAR_IN_S = {"lens", "gas", "canvas", "atlas", "christmas"}
_DETERMINERS = {"a", "an", "the", "some", "one"}
_JOINS = {
    "of", "in", "on", "with", "without", "at", "by", "from", "near", "under", "over", "behind", "beside", "between",
    "next", "that", "who", "which", "to", "for", "above", "below", "inside", "around", "against", "along", "off",
}  # fmt: skip


def clean(phrase: str) -> str:
    """`phrase` as it stands in a sentence: "Traffic_light (red)" and "the traffic light." become "traffic light"."""
    words = re.sub(r"\s*\([^()]*\)\s*$", "", phrase.replace("_", " ")).strip(" .,;:").split()
    if len(words) > 1 and words[0].lower() in _DETERMINERS:
        words = words[1:]
    text = " ".join(words) or "object"
    return text.lower() if text == text.capitalize() else text


def is_countable(phrase: str) -> bool:
    """Whether `phrase` names one thing that can be counted: "dog" does, "skis", "two dogs" and "grass" do not."""
    words, head = phrase.split(), _head(phrase)
    noun = words[head].lower()
    if words[0].lower() in _NUMBERS or words[0].isdigit() or noun in _MASS:
        return False
    if noun in _SAME or noun in _SINGULAR_IN_S:
        return True
    plural_ending = noun.endswith("s") and not noun.endswith(("ss", "us", "is"))
    return noun not in _PLURALS and not plural_ending


def plural(phrase: str) -> str:
    """The plural of a countable `phrase`: only its head changes ("pair of shoes" gives "pairs of shoes")."""
    words, head = phrase.split(), _head(phrase)
    words[head] = _plural_noun(words[head])
    return " ".join(words)


def counted(phrase: str, count: int) -> str:
    """`count` of `phrase`: "a dog", "two dogs", "13 dogs"; what cannot be counted stands alone: "skis"."""
    if not is_countable(phrase):
        return phrase
    if count == 1:
        return f"{_article(phrase)} {phrase}"
    return f"{number(count)} {plural(phrase)}"


def number(count: int) -> str:
    """`count` in words up to twelve."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def listed(parts: Sequence[str]) -> str:
    """`parts` with commas and a last "and"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _head(phrase: str) -> int:
    """Index of the noun that the rest of the phrase describes: "person" in "tall person riding a horse"."""
    words = phrase.lower().split()
    for index in range(1, len(words)):
        if words[index] in _JOINS or (words[index].endswith("ing") and index < len(words) - 1):
            return index - 1
    return len(words) - 1


def _plural_noun(noun: str) -> str:
    low = noun.lower()
    if low in _SAME:
        return noun
    for singular, form in _IRREGULAR.items():
        compound = singular in {"man", "woman", "child", "tooth"} and low not in {
            "human",
            "german",
            "roman",
            "talisman",
        }
        if low == singular or (compound and low.endswith(singular)):
            return noun[: len(noun) - len(singular)] + form
    if low.endswith("y") and low[-2:-1] not in {*"aeiou", ""}:
        return noun[:-1] + "ies"
    return noun + ("es" if low.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _article(phrase: str) -> str:
    first = re.split(r"[\s-]", phrase)[0]
    if len(first) > 1 and first.isupper():
        return "an" if first[0] in "AEFHILMNORSX" else "a"
    low = first.lower()
    if low.startswith(("hour", "honest", "heir")) or low == "x":
        return "an"
    if re.match(r"uni(?!n|m)|us[eu]|eu|ewe|once?\b|ukulele|utensil", low):
        return "a"
    return "an" if low[:1] in {*"aeiou"} else "a"
