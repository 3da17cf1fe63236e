"""V-Triune's MathVerify verifier, corrected: the last box, a gold that can be read, tags in their order."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from pe.verifiers._base import Parameters
from pe.verifiers.maths import MathsVerifier

__all__ = ["VTriuneMathverifyVerifier"]


class VTriuneMathverifyParameters(Parameters):
    """V-Triune weighs accuracy 1 and format 0.1 (0 for prompts without tags)."""

    format: str = "boxed"
    also: dict[str, dict[str, Any]] = Field(default={"format-tags": {}})


class VTriuneMathverifyVerifier(MathsVerifier):
    """`maths`, with `format-tags` beside it. docs/verifiers_text.md lists what differs from the released code."""

    Parameters: ClassVar[type[Parameters]] = VTriuneMathverifyParameters
    formula = "as maths, beside format-tags"
    source = "V-Triune (arXiv 2505.18129) section 3.2; MiniMax-AI/One-RL-to-See-Them-All"
