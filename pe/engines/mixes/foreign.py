"""Sources of a mix that another tool annotated: imported once into the output's cache, then shards like all others."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from pe.engines.import_settings import ImportSettings
from pe.engines.importing import import_job
from pe.engines.mixes.settings import Foreign, MixSettings
from pe.engines.produce import Reporter, produce
from pe.engines.settings import config_hash
from pe.engines.signals import Signals
from pe.engines.summary import RunSummary
from pe.engines.taking_over import RowSettings, rows_job
from pe.errors import TryLater
from pe.schemas.sample import dumps
from pe.shards.sources.base import Source
from pe.shards.sources.rows import RowSource


def bring_in(foreign: Foreign, home: Path, settings: MixSettings, signals: Signals, report: Reporter) -> RunSummary:
    """Import `foreign` into `home`/import-HASH, or finish what is there of it; the accounts' `out` is that folder.

    The hash is of what the annotations say, of what is taken of them, and of the names, sizes and times of the files
    with pictures. Raises InputError as `pe import` does, TryLater while another process has part of it in its hands.
    """
    path, chosen = Path(foreign.annotations).expanduser(), foreign.choices
    if foreign.layout == "rows":
        rows = RowSettings(source=path, out=home, workers=settings.workers, **chosen)
        job = rows_job(rows)
        source: Source = RowSource(rows.source, rows.images)
        missing = None
    else:
        # What the folder is called in the end is known when the annotations are read.
        new = home / "import"
        words = ImportSettings(source=path, out=new, layout=foreign.layout, workers=settings.workers, **chosen)
        with signals.at_once():
            job, source, missing = import_job(words, settings.out)
    name = config_hash({"config": job.config, "files": _files(source)})
    job = replace(job, out=home / f"import-{name}")
    run = produce(job, source, report, signals)
    if run.left:
        raise TryLater(f"{foreign.annotations} is being imported by another run; run the same command again after it")
    return replace(run, not_found=missing)


def _files(source: Source) -> str:
    """The inputs of `source` by name, size and time."""
    found = hashlib.sha256()
    for entry in source.entries():
        found.update(dumps([entry.id, entry.size, entry.stamp]).encode("utf-8", "backslashreplace"))
    return found.hexdigest()
