"""V-Triune's MathVerify verifier as its reward server runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.registry import require
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._maths import LONGEST_TEXT, equal
from pe.verifiers._truth import Truth

__all__ = ["VTriuneMathverifyCompatVerifier"]

_TAGS = ("<think>\n", "\n</think>\n", "\n<answer>\n", "\n</answer>")


class VTriuneMathverifyCompatParameters(Parameters):
    """It reads the response itself; nothing stands beside it."""

    format: str = "boxed"
    also: dict[str, dict[str, Any]] = Field(default={})


class VTriuneMathverifyCompatVerifier(Verifier):
    """MiniMax-AI/One-RL-to-See-Them-All@39bcf0d, reward_server/verify.py, MathVerifyVerifier.

    Both texts are lower-cased; two boxes are read as one text; without a box LaTeX after "answer" counts; a gold that
    cannot be read gives 0. Responses above 16,000 characters score 0. Where the original's alarm stops it after 5 s,
    the score is missing.
    """

    Parameters: ClassVar[type[Parameters]] = VTriuneMathverifyCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    components = ("accuracy", "format")
    formula = "1 if math-verify finds boxed answer = gold, else 0; 0.25 for each of four tags that is there once"
    source = "MiniMax-AI/One-RL-to-See-Them-All@39bcf0d"

    def __init__(self, parameters: Any) -> None:
        require("v-triune-mathverify-compat", "maths", "math_verify", "latex2sympy2_extended")
        super().__init__(parameters)

    def prepare(self, truth: Truth, call: Call) -> str:
        """The gold text as it stands."""
        if len(truth.text) > LONGEST_TEXT:
            raise ValueError(f"it has more than {LONGEST_TEXT:,} characters")
        return truth.text

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        text = call.response
        same = len(text) <= LONGEST_TEXT and equal("v-triune", truth, text)
        return {"accuracy": float(same), "format": sum(0.25 for tag in _TAGS if text.count(tag) == 1)}
