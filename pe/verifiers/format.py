"""Whether a response has the form that was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers._base import Call, Parameters, Verifier
from pe.verifiers._policy import is_unread
from pe.verifiers._truth import Truth

__all__ = ["FormatVerifier"]


class FormatParameters(Parameters):
    """`signed`: -1 instead of 0 for a response that is not in the format (Perception-R1)."""

    also: dict[str, dict[str, Any]] = Field(default={})
    signed: bool = False


class FormatVerifier(Verifier):
    """1 for a response that its decoder reads as it stands ("ok" or "none-present"), 0 for any other.

    Mere words are no answer where the truth is about objects, though `auto` reads them as text.
    """

    Parameters = FormatParameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]] = "form"
    components = ("format",)
    formula = "1 if the parse status is ok or none-present (mere words are none about objects), else 0 (-1 if signed)"
    source = "Perception-R1 (arXiv 2504.07954) section 3.2: +1 / -1; most others 1 / 0"

    def prepare(self, truth: Truth, call: Call) -> bool:
        """Whether the truth is about objects alone."""
        return bool(truth.objects or truth.negatives) and truth.count is None and not truth.text

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """See Verifier."""
        whole = answer.status in ("ok", "none-present") and not (truth and is_unread(answer))
        return {"format": 1.0 if whole else -1.0 if self.parameters.signed else 0.0}
