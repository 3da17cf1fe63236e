"""Mined rows as inputs of a run: where a row lies, what was measured of it, what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pe.engines.outcomes import Outcome, outcome
from pe.engines.stages import Stages
from pe.errors import DamageError, Interrupted
from pe.schemas.sample import dumps
from pe.shards.plan import PlannedInput, Slice
from pe.shards.read import read_row
from pe.shards.sidecar import Row, Sidecar
from pe.shards.sources.base import Entry, Meta, Raw, Source
from pe.shards.writer import ShardWriter


class MinedSource(Source):
    """The rows of `tars` in their order, each with its verdict: {"status", "reason", "detail", "measured"}."""

    def __init__(self, tars: Sequence[Path], verdicts: Callable[[], Iterator[dict[str, Any]]]) -> None:
        super().__init__()
        self._tars = tars
        self._verdicts = verdicts

    def entries(self) -> Iterator[Entry]:
        verdicts = self._verdicts()
        for number, tar in enumerate(self._tars):
            for row in Sidecar.load(tar.with_suffix(".json")).index:
                at = {"tar": number, "row": list(row), **next(verdicts)}
                yield Entry(f"{tar.stem}/{row.key}", row.size, row.json_sha256[:16], at)

    def read(self, entry: Entry) -> Raw:
        return Raw(dumps([entry.id, entry.at["row"][3:], entry.at["measured"]]).encode(), Meta())


class MinedEngine:
    """Copies the rows that are kept, under their own keys, with what was measured in their provenance."""

    def __init__(self, tars: Sequence[Path], about: dict[str, Any]) -> None:
        self.stages = Stages()
        self._tars = tars
        self._about = about

    def run(
        self,
        work: Slice,
        writer: ShardWriter,
        *,
        batch_size: int,
        stop: Callable[[], bool],
        on_input: Callable[[Outcome], None],
    ) -> list[Outcome]:
        """See Engine."""
        outcomes = []
        with self.stages.timed("copy"):
            for item in work.inputs:
                if stop():
                    raise Interrupted
                outcomes.append(self._one(item, writer))
                on_input(outcomes[-1])
        return outcomes

    def _one(self, item: PlannedInput, writer: ShardWriter) -> Outcome:
        at = item.entry.at
        if at["status"] != "written":
            return outcome(item, at["status"], reason=at["reason"], detail=at["detail"])
        sample, image = read_row(self._tars[at["tar"]], Row(*at["row"]))
        try:
            provenance = dict(json.loads(sample.provenance_json))
        except (ValueError, TypeError) as error:
            raise DamageError(f"{sample.key}: its provenance is not a JSON object") from error
        provenance["mined"] = {**self._about, **at["measured"]}
        writer.add(sample.model_copy(update={"provenance_json": dumps(provenance)}), image)
        return outcome(item, "written", key=sample.key)
