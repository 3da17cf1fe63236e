"""How VLM-R1's text rewards find and clean an answer (om-ai-lab/VLM-R1@90052f4, grpo_jsonl.py), in linear time."""

from __future__ import annotations

import re
from collections import Counter

_OPEN, _CLOSE = "<answer>", "</answer>"
_AFTER_SPACE = tuple(re.compile(rf"(?<=\s){mark}") for mark in ("\n", "\r"))
_SPACES = re.compile(r"\s+")
_LETTER = re.compile(r"(?<![A-Z])([A-Z])(?=[.,?!:;]|$)")
_CUES = tuple(
    word.upper()
    for word in (
        *("答案", "选择", "正确", "是", "对", "answer", "correct", "choose", "select", "right"),
        *("认为", "应该", "觉得", "think", "believe", "should"),
    )
)
_STOPS = "。.!！,，"
_NEAR = 20
_LATE = 0.7


def answers(text: str) -> list[str]:
    """What stands between each `<answer>` and the next `</answer>`, as the lazy regular expression finds them."""
    found, end = [], 0
    while (start := text.find(_OPEN, end)) >= 0 and (stop := text.find(_CLOSE, start + len(_OPEN))) >= 0:
        found.append(text[start + len(_OPEN) : stop])
        end = stop + len(_CLOSE)
    return found


def gold_answer(solution: str) -> str:
    """The first answer of `solution` that is on one line, or all of it."""
    found = next((inner[0] for line in solution.split("\n") if (inner := answers(line))), solution)
    return found.strip()


def first_answer(text: str) -> str:
    """The first answer of `text`, or all of it."""
    start = text.find(_OPEN)
    stop = text.find(_CLOSE, start + len(_OPEN)) if start >= 0 else -1
    return (text[start + len(_OPEN) : stop] if stop >= 0 else text).strip()


def last_answer(text: str) -> str:
    """The last answer of `text`, or all of it."""
    found = answers(text)
    return (found[-1] if found else text).strip()


def clean(text: str) -> str:
    """The last answer in lower case without line ends and final full stops."""
    found = answers(text)
    text = found[-1] if found else text
    for mark, after_space in zip("\n\r", _AFTER_SPACE, strict=True):
        text = after_space.sub("", text).replace(mark, " ")
    return text.strip().rstrip(".").lower()


def choice(text: str) -> str:
    """The letter that stands alone before a mark or at the end; of several, the one with the most cues around it.

    The cues are counted around the first place of the letter in the text, even inside a word, once each time it is met.
    """
    text = _SPACES.sub(" ", text.upper())
    letters = Counter(_LETTER.findall(text))
    scores = {letter: times * _cues(text, text.find(letter)) for letter, times in letters.items()}
    return max(scores, key=scores.__getitem__) if scores else ""


def _cues(text: str, place: int) -> int:
    around = text[max(0, place - _NEAR) : place + _NEAR]
    marked = place < len(text) - 1 and text[place + 1] in _STOPS
    return sum(word in around for word in _CUES) + 2 * (place > len(text) * _LATE) + marked
