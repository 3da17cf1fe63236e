"""What `pe build-sft` and `pe build-rl` can be told."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from pe import registry
from pe.engines.import_settings import ImportChoices
from pe.schemas.sample import dumps

_NOT_ROWS = {"out", "workers", "shard_inputs", "shard_mb"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Negatives(_Strict):
    """How many phrases of what is not there a picture is asked for, and from where.

    `pool` is "own" (the record's own negatives: asked of the annotator and not found), "source" (phrases of the
    source's other pictures, for sources that are annotated exhaustively), or a text file with one phrase a line.
    """

    least: int = Field(0, ge=0, le=30)
    most: int = Field(3, ge=0, le=30)
    pool: str = "own"

    @model_validator(mode="after")
    def _order(self) -> Negatives:
        if self.least > self.most:
            raise ValueError(f"least is {self.least} and most is {self.most}")
        return self


class Level(_Strict):
    """Evens out the rows of a leaf by group before they are drawn.

    `by`: "objects" (how many the answer has), "phrase" (the first in the answer), "multiplicity" (single or multi).
    `most` rows a group stay, drawn by the seed. `shares` are the exact proportions of groups; what has none is left
    out.
    """

    by: Literal["objects", "phrase", "multiplicity"]
    most: int | None = Field(None, ge=1)
    shares: dict[str, float] = {}

    @model_validator(mode="after")
    def _something(self) -> Level:
        if self.most is None and not self.shares:
            raise ValueError("levelling needs `most` or `shares`")
        if any(share <= 0 for share in self.shares.values()):
            raise ValueError("shares are above 0")
        return self


class Foreign(ImportChoices):
    """Annotations or rows of another tool: what `pe import` calls SOURCE, its layout, and how it is taken."""

    annotations: str
    layout: str

    @model_validator(mode="after")
    def _known(self) -> Foreign:
        layouts = [*registry.names("imports"), "rows"]
        if self.layout not in layouts:
            raise ValueError(f"no layout is called {self.layout!r} (known: {', '.join(layouts)})")
        wrong = self.choices.keys() - {"images", "respect_opt_out", "data_source"}
        if self.layout == "rows" and wrong:
            raise ValueError(f"rows take no {', '.join(sorted(wrong))}")
        return self

    @property
    def choices(self) -> dict[str, Any]:
        """What is not as `pe import` has it by itself."""
        return self.model_dump(exclude_defaults=True, exclude={"annotations", "layout"})

    def __str__(self) -> str:
        return f"{self.annotations} ({self.layout})"


Data = Annotated[
    Annotated[str, Tag("word")] | Annotated[Foreign, Tag("import")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "import"),
]


class Leaf(_Strict):
    """One source with one task: `data` is an output folder of `pe`, a glob of its shards, or what is to be imported.

    One that is `optional` is left out, with its weight, where its source has nothing for its task but negatives.
    """

    data: Data = ""
    task: str
    parameters: dict[str, Any] = {}
    format: str = ""
    filters: dict[str, dict[str, Any]] = {}
    level: Level | None = None
    negatives: Negatives | None = None
    data_source: str = ""
    weight: float = Field(1.0, ge=0, le=1e6)
    count: int | None = Field(None, ge=0, le=10**9)
    optional: bool = False

    @model_validator(mode="after")
    def _json(self) -> Leaf:
        try:
            dumps([self.parameters, self.filters])
        except ValueError as error:
            raise ValueError(f"parameters and filters are what JSON can write: {error}") from None
        return self

    @cached_property
    def identity(self) -> str:
        """Eight hex digits that name the rows of this leaf, however many of them are taken."""
        what = self.model_dump(mode="json", exclude={"weight", "count", "optional"})
        return hashlib.sha256(dumps(what).encode()).hexdigest()[:8]

    @property
    def name(self) -> str:
        """A short name for tables."""
        return f"{self.task}-{self.identity}"


class MixSettings(_Strict):
    """The settings of a build; all but where it writes and how fast enter the configuration hash.

    Rows: with `rows`, that many in all, a leaf's share by its weight; without, `epochs` passes over everything, a
    leaf's weight being how often it is repeated in each. A leaf with `count` gives exactly that many. `part` picks one
    side of the `holdout` (a share of the images, by their sha256): train and val never share an image.
    """

    kind: Literal["sft", "rl"]
    out: Path
    data: Data = ""
    format: str = "qwen2.5-vl"
    sources: list[Leaf] = Field(min_length=1)
    rows: int | None = Field(None, ge=1)
    epochs: float = Field(1.0, gt=0, le=1e6)
    seed: int = Field(0, ge=0)
    holdout: float = Field(0.0, ge=0, lt=1)
    part: Literal["train", "val"] = "train"
    floor: float = Field(0.8, ge=0, le=1)
    tokenizer: str = ""
    exclude: list[str] = []
    negatives: Negatives = Negatives.model_validate({})
    positives_only: bool = False

    workers: int = Field(1, ge=1)
    shard_inputs: int = Field(1000, ge=1, le=100_000)
    shard_mb: int = Field(512, ge=1)

    @model_validator(mode="after")
    def _whole(self) -> MixSettings:
        if not self.data and any(not leaf.data for leaf in self.sources):
            raise ValueError("every source needs `data`, or the mix one for those without (--data)")
        if not self.tokenizer and any("tokens" in leaf.filters for leaf in self.sources):
            raise ValueError("the filter tokens needs a tokenizer, without which no row has any")
        if self.part == "val" and not self.holdout:
            raise ValueError("part val needs a holdout above 0")
        return self

    @cached_property
    def leaves(self) -> list[Leaf]:
        """The leaves, made whole; one that stands in the mix twice is one, with both weights or counts."""
        merged: dict[str, Leaf] = {}
        for leaf in self.sources:
            whole = leaf.model_copy(
                update={
                    "data": leaf.data or self.data,
                    "format": leaf.format or self.format,
                    "negatives": leaf.negatives or self.negatives,
                }
            )
            whole = Leaf.model_validate(whole.model_dump())
            twin = merged.get(whole.identity)
            if twin is not None:
                count = None if None in (twin.count, whole.count) else (twin.count or 0) + (whole.count or 0)
                whole = whole.model_copy(update={"weight": twin.weight + whole.weight, "count": count})
            merged[whole.identity] = whole
        return list(merged.values())

    def rows_config(self) -> dict[str, Any]:
        """What changes a row or which rows there are, as JSON values."""
        config: dict[str, Any] = self.model_dump(mode="json", exclude=_NOT_ROWS | {"sources", "data", "format"})
        config["leaves"] = {leaf.name: leaf.model_dump(mode="json") for leaf in self.leaves}
        return config
