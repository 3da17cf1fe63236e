"""What a verifier is: it holds an answer against the truth and returns named components."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from pe.formats import Decoded, Size
from pe.verifiers._truth import Truth


class Missing(Exception):
    """This answer cannot be scored, and why: the score is missing, which is not zero."""


class Parameters(BaseModel):
    """What a sample's `params_json` may say. A verifier that takes more has a subclass named `Parameters`.

    `format` is the answer format that reads the response. `also` are further verifiers (name to parameters) whose
    components join this one's; they read in the same format unless they name their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = "auto"
    also: dict[str, dict[str, Any]] = {"format": {}}


@dataclass(frozen=True)
class Call:
    """One response and what it is about.

    `image` is (width, height) of the stored image, `input_size` that of what the model saw (None: the format's own
    rule). `progress` is how much of the training is done, 0..1. `tokens` is the response's length in tokens, where the
    caller knows it.
    """

    response: str
    image: Size
    input_size: Size | None = None
    progress: float = 1.0
    tokens: int | None = None


class Verifier(ABC):
    """One verifier, made once for its parameters; it keeps no state between calls and may be called from any thread.

    `behaviour`: a "continuous" one rises strictly with the quality of an object (0, 1], a "threshold" one never falls;
    "form" looks at the text alone (format, length, repetition). `shapes` are the shapes of objects that it compares;
    empty for one that compares text. `components` are the names that can carry weights. `formula` and `source` are one
    line each, for `pe verifiers` and the docs.
    """

    Parameters: ClassVar[type[Parameters]] = Parameters
    behaviour: ClassVar[Literal["continuous", "threshold", "form"]]
    shapes: ClassVar[tuple[str, ...]] = ()
    components: ClassVar[tuple[str, ...]] = ("accuracy",)
    formula: ClassVar[str]
    source: ClassVar[str]

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters

    def prepare(self, truth: Truth, call: Call) -> Any:
        """What `judge` needs of the truth, computed once for all responses to a prompt (`call.response` is empty).

        Raises ValueError for a truth that this verifier cannot use: an error when the data are built.
        """
        return truth

    @abstractmethod
    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        """Every one of `components`, and any metrics beside them; `truth` is what `prepare` returned.

        Raises Missing where the answer cannot be scored for a reason that is not the answer's. Never raises for any
        text otherwise.
        """

    def stages(self) -> tuple[float, ...]:
        """The progress at which each stage of a schedule is in force; (1.0,) for a verifier without one."""
        return (1.0,)
