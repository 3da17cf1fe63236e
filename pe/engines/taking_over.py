"""Rows of other data sets, taken over as samples with messages, for the task `qa`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pe import __version__
from pe.engines.outcomes import Outcome, outcome, rejected
from pe.engines.produce import Reporter, produce
from pe.engines.run import source_name
from pe.engines.settings import config_hash
from pe.engines.signals import Signals
from pe.engines.stages import Stages
from pe.engines.summary import RunSummary
from pe.engines.worker import Job
from pe.errors import Interrupted, SampleError
from pe.schemas.sample import RewardModel, Sample, Verifier, dumps
from pe.shards.output import Output
from pe.shards.pictures import load_picture
from pe.shards.plan import PlannedInput, Slice
from pe.shards.sources.rows import MARK, RowSource
from pe.shards.writer import ShardWriter


class RowSettings(BaseModel):
    """The settings of `pe import --from rows`; where it writes and how fast do not enter the configuration hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Path
    out: Path
    images: str = ""
    respect_opt_out: bool = True
    data_source: str = ""

    workers: int = Field(1, ge=1)
    shard_inputs: int = Field(1000, ge=1, le=100_000)

    @property
    def name(self) -> str:
        """The data source of rows that name none."""
        return self.data_source or f"{source_name(str(self.source))}/rows"


class RowEngine:
    """Turns rows into samples of kind "sft" with the row's messages and its gold text."""

    def __init__(self, settings: RowSettings, config: str) -> None:
        self.settings = settings
        self.stages = Stages()
        self._source = RowSource(settings.source, settings.images)
        self._provenance = dumps({"engine": "rows", "pe": __version__, "config": config})

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
        for number, item in enumerate(work.inputs):
            if stop():
                raise Interrupted
            outcomes.append(self._take(work.key(number), item, writer))
            on_input(outcomes[-1])
        return outcomes

    def _take(self, key: str, item: PlannedInput, writer: ShardWriter) -> Outcome:
        if item.dup_of:
            return outcome(item, "duplicate", of=item.dup_of)
        try:
            with self.stages.timed("read"):
                raw = item.read(self._source)
            if raw.meta.opt_out and self.settings.respect_opt_out:
                return rejected(item, "opt_out", "its source says that it is not to be used")
            row, _, data = raw.data.partition(MARK)
            sha256 = hashlib.sha256(data).hexdigest()
            with self.stages.timed("decode"):
                picture = load_picture(data, source=item.id, meta=raw.meta, source_sha256=sha256, colours=False)
        except SampleError as error:
            return rejected(item, error.reason, error.detail)
        record: dict[str, Any] = json.loads(row)
        sample = Sample(
            key=key,
            kind="sft",
            width=picture.width,
            height=picture.height,
            format=picture.format,
            sha256=picture.sha256,
            source=picture.source,
            source_sha256=picture.source_sha256,
            reencoded=picture.reencoded,
            url=picture.meta.url,
            license=picture.meta.license,
            opt_out=picture.meta.opt_out,
            data_source=record["data_source"] or self.settings.name,
            ability="question-answering",
            messages_json=dumps(record["messages"]),
            gold_text=record["gold"],
            reward_model=RewardModel(ground_truth=dumps({"text": record["gold"]})),
            verifier=Verifier(name="exact-text"),
            provenance_json=self._provenance,
        )
        with self.stages.timed("write"):
            writer.add(sample, picture.data)
        return outcome(item, "written", key=key)


def take_over(settings: RowSettings, report: Reporter) -> RunSummary:
    """Take over the rows that are not in the output folder yet; returns this run's accounts.

    Raises Interrupted after SIGINT or SIGTERM; the same call goes on from there.
    """
    with Signals() as signals:
        return produce(rows_job(settings), RowSource(settings.source, settings.images), report, signals)


def rows_job(settings: RowSettings) -> Job:
    """What taking over rows has to do."""
    config = {"engine": "rows", "data_source": settings.name, "respect_opt_out": settings.respect_opt_out}
    return Job(
        settings,
        config,
        config_hash(config),
        _build,
        settings.out,
        settings.workers,
        settings.shard_inputs,
        512 * 2**20,
    )


def _build(job: Job, output: Output, worker: int) -> RowEngine:
    return RowEngine(job.settings, job.config_hash)
