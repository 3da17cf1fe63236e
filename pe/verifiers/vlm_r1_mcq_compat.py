"""VLM-R1's multiple-choice reward as it is released."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._truth import Truth
from pe.verifiers._vlm_r1_words import choice, first_answer, gold_answer

__all__ = ["VlmR1McqCompatVerifier"]


class VlmR1McqCompatParameters(Parameters):
    """It reads the response itself."""

    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={"vlm-r1-format-compat": {}})


class VlmR1McqCompatVerifier(Verifier):
    """om-ai-lab/VLM-R1@90052f4, mcq_reward: "(C)" is no letter to it, the first answer counts."""

    Parameters: ClassVar[type[Parameters]] = VlmR1McqCompatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "threshold"
    formula = "1 if the letters are equal, else 0"
    source = "om-ai-lab/VLM-R1@90052f4"

    def prepare(self, truth: Truth, call: Call) -> str:
        """The letter of the solution, or all of it where there is none."""
        return choice(gold_answer(truth.text)) or truth.text.strip()

    def judge(self, answer: Decoded, truth: str, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        said = choice(first_answer(call.response))
        return {"accuracy": float(said != "" and said == truth)}
