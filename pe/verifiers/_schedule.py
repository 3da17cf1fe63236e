"""Thresholds that may change while a model is trained."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0.0, le=1.0)]

V_TRIUNE = ((0.10, 0.85), (0.25, 0.95), (1.0, 0.99))
"""V-Triune's dynamic IoU (arXiv 2505.18129): 0.85 up to 10 % of the steps, 0.95 up to 25 %, then 0.99."""


class Schedule(BaseModel):
    """Thresholds by progress: `until` pairs of (progress, threshold), limits inclusive, the last one's is 1.

    Written as a number (always that), a list of numbers (the mean of the scores at each), {"until": [[0.1, 0.85],
    [0.25, 0.95], [1.0, 0.99]]}, or "v-triune", which is that example.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    until: tuple[tuple[Share, Share], ...] = ()
    mean: tuple[Share, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Schedule:
        if bool(self.until) == bool(self.mean):
            raise ValueError("a schedule is a number, a list of numbers, or one of `until` and `mean`")
        ends = [end for end, _ in self.until]
        if self.until and (ends != sorted(set(ends)) or ends[-1] != 1.0):
            raise ValueError("the progress of a schedule's stages rises, and ends at 1")
        return self

    def at(self, progress: float) -> tuple[float, ...]:
        """The thresholds in force at `progress` 0..1; the score is the mean of the scores at each."""
        if self.mean:
            return self.mean
        return (next((threshold for end, threshold in self.until if progress <= end), self.until[-1][1]),)

    def stages(self) -> tuple[float, ...]:
        """The last progress of each stage."""
        return tuple(end for end, _ in self.until) or (1.0,)


def _read(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a schedule is a number, a list of numbers, or a table")
    if isinstance(value, int | float):
        return {"until": ((1.0, value),)}
    if isinstance(value, list | tuple):
        return {"mean": tuple(value)}
    return {"until": V_TRIUNE} if value == "v-triune" else value


Thresholds = Annotated[Schedule, BeforeValidator(_read)]
"""A field of a verifier's parameters that is a `Schedule`."""
