"""What a caption claims, held against what is there: "Two red rings and a key." claims two things."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from pe.annotators.captioners._english import clean, is_countable, number, plural

_NUMBERS = {"a": 1, "an": 1, **{number(count): count for count in range(1, 13)}}


@dataclass
class CaptionFacts:
    """Counts claims and mentions over captions; precision and recall of both."""

    captions: int = 0
    facts: int = 0
    claims: int = 0
    true_claims: int = 0
    unread: int = 0
    mentions: int = 0
    true_mentions: int = 0

    def add(self, caption: str, there: Mapping[str, int], judged: Collection[str], unsure: Collection[str]) -> None:
        """One picture: `there` says how many of each phrase there are, of phrases not `judged` nothing is known.

        The numbers of those that are `unsure` are not known (a crowd); they are left out.
        """
        known = frozenset(judged) - frozenset(unsure)
        facts = {phrase: count for phrase, count in there.items() if phrase in known}
        claimed, unread = claims(caption, known)
        said = mentions(caption, known)
        self.captions += bool(caption)
        self.facts += len(facts)
        self.claims += len(claimed)
        self.true_claims += sum(_is_true(count, facts.get(phrase, 0)) for phrase, count in claimed)
        self.unread += unread
        self.mentions += len(said)
        self.true_mentions += len(said & facts.keys())

    def as_dict(self) -> dict[str, int | float | None]:
        """Counts, and rates that are None where nothing was counted or there was no caption at all."""
        facts = self.facts if self.captions else 0
        return {
            "captions": self.captions,
            "facts": self.facts,
            "claims": self.claims,
            "unread": self.unread,
            "precision": self.true_claims / self.claims if self.claims else None,
            "recall": self.true_claims / facts if facts else None,
            "mention_precision": self.true_mentions / self.mentions if self.mentions else None,
            "mention_recall": self.true_mentions / facts if facts else None,
        }


def claims(caption: str, phrases: Iterable[str]) -> tuple[list[tuple[str, int | None]], int]:
    """(phrase, number) of all that `caption` claims of `phrases`, and how many of its parts are no such claim.

    Reads the sentences that the template captioner writes: counted phrases with commas and a last "and". The number is
    None where it is not said ("skis").
    """
    forms = _Forms.of(frozenset(phrases))
    pieces = re.split(r"(, | and )", " ".join(caption.casefold().split()).rstrip("."))
    found: list[tuple[str, int | None]] = []
    unread = 0
    start = 0
    while start < len(pieces):
        # A phrase may hold an "and" itself: the longest run of parts that is a claim is one.
        for stop in range(len(pieces), start, -2):
            claim = forms.claim("".join(pieces[start:stop]))
            if claim is not None:
                found.append(claim)
                start = stop + 1
                break
        else:
            unread += bool(pieces[start])
            start += 2
    return found, unread


def mentions(caption: str, phrases: Iterable[str]) -> set[str]:
    """Those of `phrases` whose words, or whose plural's, are in `caption`; "hot dog" is no mention of "dog"."""
    forms = _Forms.of(frozenset(phrases))
    found = forms.pattern.findall(" ".join(caption.casefold().split()))
    return {forms.words[text] for text in found}


def _is_true(claimed: int | None, count: int) -> bool:
    return count > 0 if claimed is None else count == claimed


@dataclass(frozen=True)
class _Forms:
    """{text: phrase} of how phrases stand in a sentence; `bare` are those without a number."""

    one: dict[str, str] = field(default_factory=dict)
    many: dict[str, str] = field(default_factory=dict)
    bare: dict[str, str] = field(default_factory=dict)

    @staticmethod
    @lru_cache(maxsize=64)
    def of(phrases: frozenset[str]) -> _Forms:
        forms = _Forms()
        for phrase in sorted(phrases):
            text = clean(phrase)
            if is_countable(text):
                forms.one.setdefault(text.casefold(), phrase)
                forms.many.setdefault(plural(text).casefold(), phrase)
            else:
                forms.bare.setdefault(text.casefold(), phrase)
        return forms

    @cached_property
    def words(self) -> dict[str, str]:
        return self.many | self.one | self.bare

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        texts = sorted(self.words, key=lambda text: (-len(text), text))
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, texts)) or '(?!)'})(?!\w)")

    def claim(self, part: str) -> tuple[str, int | None] | None:
        if part in self.bare:
            return self.bare[part], None
        first, _, rest = part.partition(" ")
        count = _NUMBERS.get(first) or (int(first) if first.isdecimal() and len(first) < 7 else 0)
        names = self.one if count == 1 else self.many
        return (names[rest], count) if count and rest in names else None
