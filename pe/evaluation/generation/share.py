"""One process's share of the answers of a model that runs here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pe.engines.devices import device_of_worker, resolve_device
from pe.engines.produce import Reporter
from pe.evaluation.generation.log import Log
from pe.evaluation.generation.place import Place
from pe.evaluation.generation.rows import batches
from pe.evaluation.generation.settings import GenerationSettings


def make_share(
    model: str, tars: Sequence[Path], out: Path, settings: GenerationSettings, here: Place, report: Reporter | None
) -> None:
    """Make what is missing of the share of `here`; the model is loaded when there is anything."""
    log = Log(out)
    local = None
    for batch in batches(tars, settings.samples, settings.batch_size, log, here.rank, here.world):
        if local is None:
            from pe.evaluation.generation.local import LocalModel
            from pe.evaluation.vlm import load_vlm

            device = device_of_worker(resolve_device(settings.device, uses_torch=True), here.local)
            local = LocalModel(load_vlm(model, device, settings.dtype), settings)
        before = log.count
        log.append(local.answer(batch))
        if report is not None:
            report.advanced(log.count - before, {})
