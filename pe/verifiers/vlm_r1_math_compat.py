"""VLM-R1's mathematics reward as it is released: equal, equal to math-verify, or equal after MATH's clean-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.registry import require
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._maths import LONGEST_TEXT, equal
from pe.verifiers._truth import Truth
from pe.verifiers._vlm_r1_words import clean

__all__ = ["VlmR1MathCompatVerifier"]

_BOX = "\\boxed{"
_OPEN_BOX = "\\boxed "
_DROPPED = ("\\left", "\\right", "^{\\circ}", "^\\circ", "\\$")


class VlmR1MathCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={"vlm-r1-format-compat": {}})


class VlmR1MathCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, math_reward and utils/math.py (string rules after Hendrycks' MATH).

    Answers above 16,000 characters score 0. Where the worker of math-verify overruns, the score is missing.
    """

    Parameters: ClassVar[type[Parameters]] = VlmR1MathCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if the texts, the expressions or the cleaned texts are equal, else 0"
    source = "om-ai-lab/VLM-R1@90052f4"

    def __init__(self, parameters: Any) -> None:
        require("vlm-r1-math-compat", "maths", "math_verify")
        super().__init__(parameters)

    def prepare(self, truth: Truth, call: Call) -> str:
        """The cleaned solution."""
        gold = clean(truth.text)
        if len(gold) > LONGEST_TEXT:
            raise ValueError(f"it has more than {LONGEST_TEXT:,} characters")
        return gold

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        said = clean(call.response)
        if said == truth:
            return {"accuracy": 1.0}
        if len(said) > LONGEST_TEXT:
            return {"accuracy": 0.0}
        return {"accuracy": float(equal("plain", said, truth) or _same_string(said, truth))}


def _same_string(said: str, truth: str) -> bool:
    inside = _unboxed(said)
    if inside is None:
        return False
    try:
        return _tidied(inside) == _tidied(truth)
    except (IndexError, ValueError):  # where the original's rules fail, it compares the texts as they are
        return inside == truth


def _unboxed(text: str) -> str | None:
    """What the last box holds, the text itself without one; None where the original gives up."""
    if _OPEN_BOX in text:
        return text.rpartition(_OPEN_BOX)[2].partition("$")[0]
    start = text.rfind("\\boxed")
    start = text.rfind("\\fbox") if start < 0 else start
    if start < 0:
        return text
    depth = 0
    for end in range(start, len(text)):
        depth += (text[end] == "{") - (text[end] == "}")
        if text[end] == "}" and depth == 0:
            return text[start + len(_BOX) : end] if text.startswith(_BOX, start) else None
    return text


def _tidied(text: str) -> str:
    """`text` in one of the ways in which MATH writes it. Raises IndexError or ValueError where the rules do not fit."""
    text = text.replace("\n", "").replace("\\!", "").replace("\\\\", "\\")
    text = text.replace("tfrac", "frac").replace("dfrac", "frac")
    for mark in _DROPPED:
        text = text.replace(mark, "")
    if "\\text{ " in text:
        text, unit = text.split("\\text{ ")
        del unit
    text = text.replace("\\%", "").replace(" .", " 0.").replace("{.", "{0.")
    if not text:
        return text
    if text[0] == ".":
        text = f"0{text}"
    sides = text.split("=")
    if len(sides) == 2 and len(sides[0]) <= 2:
        text = sides[1]
    text = _braced_fractions(_braced_roots(text).replace(" ", ""))
    return _as_fraction("\\frac{1}{2}" if text == "0.5" else text)


def _braced_roots(text: str) -> str:
    head, *parts = text.split("\\sqrt")
    return head + "".join("\\sqrt" + (part if part[0] == "{" else f"{{{part[0]}}}{part[1:]}") for part in parts)


def _braced_fractions(text: str) -> str:
    head, *parts = text.split("\\frac")
    done = [head]
    for part in parts:
        if part[0] == "{":
            done.append(part)
        elif len(part) < 2:
            return text
        elif part[1] == "{":
            done.append(f"{{{part[0]}}}{part[1:]}")
        else:
            done.append(f"{{{part[0]}}}{{{part[1]}}}{part[2:]}")
    return "\\frac".join(done)


def _as_fraction(text: str) -> str:
    parts = text.split("/")
    if len(parts) != 2:
        return text
    over, under = map(int, parts)
    return f"\\frac{{{over}}}{{{under}}}" if text == f"{over}/{under}" else text
