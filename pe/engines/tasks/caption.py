"""Caption: what the picture shows, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pe.engines.tasks._asking import AskingTask
from pe.engines.tasks._base import Exchange
from pe.formats import Answer, Format
from pe.schemas.sample import Sample

__all__ = ["Caption"]


class Caption(AskingTask):
    """The record's caption. Nothing scores it unless the parameters name a verifier (fuzzy-text, judge)."""

    topics = ("caption",)
    ability = "captioning"

    def exchanges(
        self, sample: Sample, form: Format, rng: np.random.Generator, absent: Sequence[str]
    ) -> Iterator[Exchange]:
        """See Task."""
        text = sample.caption.strip()
        if "text" not in form.writes:
            self.skipped["the format does not write text"] += 1
        elif not text:
            self.skipped["a record has no caption"] += 1
        else:
            yield self.exchange("caption", form, {}, Answer(text=text), {"text": text}, rng)
