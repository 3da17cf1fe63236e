"""Repetition: objects given twice, and sentences said again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._labels import label
from pe.verifiers._repeats import repeated, words_of

__all__ = ["RepetitionVerifier"]


class RepetitionParameters(Parameters):
    """`words` is how many words in a row count as one thing said."""

    also: dict[str, dict[str, Any]] = Field(default={})
    words: int = Field(default=6, ge=1, le=32)


class RepetitionVerifier(Verifier):
    """-1 times the larger of two shares: objects that are there already (same phrase, same coordinates), and runs of
    `words` words that are. Words are those of the thought, and of the answer where it has no objects; the first 10,000.
    """

    Parameters: ClassVar[type[Parameters]] = RepetitionParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("repetition",)
    formula = "-max(1 - unique / total over objects, 1 - unique / total over runs of words)"
    source = "VLM-R1 (arXiv 2504.07615), repetition_reward, corrected"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        objects = repeated([(label(item.phrase), *item.numbers()) for item in answer.objects])
        said = answer.thought if answer.objects else call.response
        return {"repetition": -max(objects, repeated(words_of(said), self.parameters.words))}
