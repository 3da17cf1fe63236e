"""What a task is: it turns an annotated sample into questions, answers and what is true of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from pe.formats import Answer, Format
from pe.schemas.sample import Sample


@dataclass(frozen=True)
class Exchange:
    """One question about one image, its answer, and how a response to it is scored.

    `question` is the text of the prompt without a place for the image. `answer` is what is right, for the format to
    write, and `wording` what stands around that text in training by imitation ("It is at {answer}."). `truth` is the
    ground truth as `pe.verifiers.Truth` reads it. `verifier`, `parameters` (without the format, which the build adds)
    and `weights` go into the record as they are; without a verifier the exchange is for training by imitation alone.
    `system` is the system prompt, where there is one.
    """

    question: str
    answer: Answer
    truth: Mapping[str, Any]
    verifier: str
    ability: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=lambda: {"accuracy": 1.0, "format": 0.1})
    wording: str = "{answer}"
    system: str = ""


class Parameters(BaseModel):
    """What a mix may say of a task. A task that takes more has a subclass named `Parameters`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Task(ABC):
    """One task, made once for its parameters; what it yields depends on its arguments alone.

    `skipped` counts by reason what it could not ask or its format could not write.
    """

    Parameters: ClassVar[type[Parameters]] = Parameters

    def __init__(self, parameters: Any) -> None:
        self.parameters = parameters
        self.skipped: Counter[str] = Counter()

    @abstractmethod
    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """The questions that `sample` gives, none where it has nothing for this task.

        `form` is the format of the answers: a task asks nothing that `form.writes` does not hold. `absent` are phrases
        that are not in the picture, chosen by the mix for this sample, to be asked for as well.
        """
