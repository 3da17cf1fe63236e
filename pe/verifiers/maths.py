"""Mathematics: whether the answer equals the gold expression, by math-verify in a process that can be killed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pe.formats import Decoded
from pe.registry import require
from pe.verifiers._base import Call, Missing, Parameters, Verifier
from pe.verifiers._gold import gold_text
from pe.verifiers._maths import LONGEST, beyond, equal
from pe.verifiers._truth import Truth

__all__ = ["MathsVerifier"]


class MathsParameters(Parameters):
    """`format`: "boxed" compares all that the last box holds, another one the expression found in its text."""

    format: str = "boxed"


class MathsVerifier(Verifier):
    """1 for an answer that equals the gold expression, else 0.

    A gold beyond the caps of `_maths.beyond`, or that does not equal itself, is a ValueError in `prepare`. An answer
    beyond them scores 0 (metric `beyond_caps`). One on which the worker fails or overruns is missing.
    """

    Parameters: ClassVar[type[Parameters]] = MathsParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if math-verify finds answer = gold, else 0"
    source = "math-verify (huggingface/Math-Verify); V-Triune (arXiv 2505.18129) section 3.2"

    def __init__(self, parameters: Any) -> None:
        require("maths", "maths", "math_verify", "latex2sympy2_extended")
        super().__init__(parameters)

    def prepare(self, truth: Truth, call: Call) -> str:
        """The gold expression without dollars and boxes."""
        gold = _bare(gold_text(truth, self.parameters.format, call))
        if problem := beyond(gold):
            raise ValueError(f"the gold expression is beyond the caps: {problem}")
        try:
            if not equal("boxed", gold, gold):
                raise ValueError(f"math-verify cannot read the gold expression {gold[:80]!r}")
        except Missing as missing:
            raise ValueError(f"the gold expression {gold[:80]!r} cannot be compared: {missing}") from None
        return gold

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        boxed = self.parameters.format == "boxed"
        text = _bare(answer.text) if boxed else answer.text[-LONGEST:]
        if not text or answer.status == "unparsable":
            return {"accuracy": 0.0, "beyond_caps": 0.0}
        if beyond(text):
            return {"accuracy": 0.0, "beyond_caps": 1.0}
        same = text == truth or equal("boxed" if boxed else "text", truth, text)
        return {"accuracy": float(same), "beyond_caps": 0.0}


def _bare(text: str) -> str:
    return text.strip().rstrip(".").strip("$ \n\t").replace("**", "^")
