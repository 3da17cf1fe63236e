"""A build of a mix: survey what the sources give, select, write."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from pe.engines.mixes.contamination import Excluded
from pe.engines.mixes.engine import MixEngine
from pe.engines.mixes.filters._base import build_row_filters
from pe.engines.mixes.pools import phrases_of
from pe.engines.mixes.selection import select
from pe.engines.mixes.settings import Data, Foreign, MixSettings
from pe.engines.mixes.source import MixSource
from pe.engines.mixes.summary import MixSummary
from pe.engines.mixes.survey import Part, Surveyor, build_task, tallies
from pe.engines.produce import Reporter, produce
from pe.engines.settings import config_hash
from pe.engines.signals import Signals
from pe.engines.summary import RunSummary
from pe.engines.worker import Job
from pe.errors import InputError, Interrupted
from pe.registry import load
from pe.shards.output import Output
from pe.shards.read import shards_of
from pe.shards.sidecar import Sidecar


def build(settings: MixSettings, report: Reporter) -> MixSummary:
    """Make the rows of a mix that are not in the output folder yet; returns the table of what it holds.

    Raises Interrupted after SIGINT or SIGTERM; the same call goes on from there.
    """
    with Signals() as signals:
        _check(settings)
        output = Output(settings.out)
        output.create()
        sources, imports = _sources(settings, output.cache_dir, signals, report)
        config = {**settings.rows_config(), "sources": _contents(sources)}
        name = config_hash(config)
        folder = output.cache_dir / f"mix-{name}"
        folder.mkdir(exist_ok=True)
        parts = _survey(settings, sources, folder, signals, report)
        selection = select(settings, parts)
        _refuse_positives_only(settings, parts)
        names = [leaf.name for leaf in settings.leaves]
        job = Job(
            _Written(settings, parts),
            config,
            name,
            _engine,
            settings.out,
            settings.workers,
            settings.shard_inputs,
            settings.shard_mb * 2**20,
        )
        run = produce(job, MixSource(selection, parts, names), report, signals)
        return MixSummary.of(settings, parts, selection, imports, run)


def preview(settings: MixSettings, report: Reporter) -> MixSummary:
    """The table of what a mix would hold: everything is surveyed, nothing is kept."""
    with Signals() as signals, _scratch() as folder:
        _check(settings)
        sources, imports = _sources(settings, folder, signals, report)
        parts = _survey(settings, sources, folder, signals, report)
        return MixSummary.of(settings, parts, select(settings, parts), imports, None)


@dataclass(frozen=True)
class _Written:
    """What a writing process needs."""

    settings: MixSettings
    parts: Sequence[Part]


def _engine(job: Job, output: Output, worker: int) -> MixEngine:
    return MixEngine(job.settings.parts)


def _check(settings: MixSettings) -> None:
    """Raise InputError or ConfigError for unknown names and parameters, and for words that name no shards."""
    for leaf in settings.leaves:
        build_task(leaf)
        build_row_filters(leaf.filters)
        load("formats", leaf.format)
        if isinstance(leaf.data, str):
            _shards(leaf.data)


def _sources(
    settings: MixSettings, home: Path, signals: Signals, report: Reporter
) -> tuple[dict[Data, list[Path]], dict[Data, RunSummary]]:
    """The shards of every source, each read once however many leaves it has, and the accounts of what was imported."""
    found: dict[Data, list[Path]] = {}
    imports: dict[Data, RunSummary] = {}
    for data in dict.fromkeys(leaf.data for leaf in settings.leaves):
        if isinstance(data, Foreign):
            # With the readers of all layouts, which a mix of shards needs none of.
            from pe.engines.mixes.foreign import bring_in

            imports[data] = bring_in(data, home, settings, signals, report)
            found[data] = shards_of(Path(imports[data].out))
        else:
            found[data] = _shards(data)
    return found, imports


def _shards(data: str) -> list[Path]:
    if any(mark in data for mark in "*?["):
        paths = [Path(path) for path in sorted(glob(data))]  # noqa: PTH207 -- Path.glob takes no absolute pattern
        if not paths:
            raise InputError(f"{data} matches no shard")
    else:
        paths = [Path(data)]
    try:
        return [shard.absolute() for path in paths for shard in shards_of(path)]
    except InputError as error:
        raise InputError(
            f"{error}; what another tool made is named as data: {{annotations: FILE, layout: coco, images: FOLDER}}"
        ) from None


def _contents(sources: dict[Data, list[Path]]) -> dict[str, list[str]]:
    """The sources by content: other shards are another mix."""
    return {
        data if isinstance(data, str) else data.model_dump_json(): [
            Sidecar.load(shard.with_suffix(".json"), index=False).sha256 for shard in shards
        ]
        for data, shards in sources.items()
    }


def _survey(
    settings: MixSettings, sources: dict[Data, list[Path]], folder: Path, signals: Signals, report: Reporter
) -> list[Part]:
    """All parts; those that an earlier, killed run finished are taken as they are."""
    parts: list[Part] = []
    work: list[tuple[Part, list[int]]] = []
    for number, (data, shards) in enumerate(sources.items()):
        leaves = [index for index, leaf in enumerate(settings.leaves) if leaf.data == data]
        for shard in shards:
            part = Part(folder, f"{number:03d}-{len(parts):06d}", shard)
            parts.append(part)
            if not part.is_whole():
                work.append((part, leaves))
    if not work:
        return parts
    pools = {
        leaf.name: phrases_of((leaf.negatives or settings.negatives).pool, sources[leaf.data])
        for leaf in settings.leaves
    }
    excluded = Excluded(settings.exclude)
    for done, _ in enumerate(_surveyed(settings, pools, excluded, work, signals), start=1):
        if signals.stop():
            raise Interrupted(signals.received)
        report.planning(done)
    return parts


def _surveyed(
    settings: MixSettings,
    pools: dict[str, list[str]],
    excluded: Excluded,
    work: list[tuple[Part, list[int]]],
    signals: Signals,
) -> Iterator[None]:
    if settings.workers == 1 or len(work) == 1:
        surveyor = Surveyor(settings, pools, excluded)
        for part, leaves in work:
            surveyor.survey(part, leaves)
            yield
        return
    context = multiprocessing.get_context("spawn")
    count = min(settings.workers, len(work))
    with ProcessPoolExecutor(count, context, _begin, (settings, pools, excluded)) as pool:
        try:
            yield from pool.map(_one, work)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_surveyor: list[Surveyor] = []


def _begin(settings: MixSettings, pools: dict[str, list[str]], excluded: Excluded) -> None:
    _surveyor[:] = [Surveyor(settings, pools, excluded)]


def _one(work: tuple[Part, list[int]]) -> None:
    _surveyor[0].survey(*work)


def _refuse_positives_only(settings: MixSettings, parts: Sequence[Part]) -> None:
    """An RL mix in which nothing is ever absent teaches a model to find everything."""
    if settings.kind != "rl" or settings.positives_only:
        return
    found = tallies(settings, parts).values()
    if any(tally.judged for tally in found) and not any(tally.negatives for tally in found):
        raise InputError(
            "no row of this mix asks for anything that is not there, which destroys a model's sense of absence under "
            "RL; give `negatives` a pool (pool: source, or a file of phrases), or say positives_only: true"
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="pe-mix-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
