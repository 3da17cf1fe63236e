"""What becomes of an input: the line that the ledger keeps, and whose fault a failure is."""

from __future__ import annotations

from typing import Any

from pe.engines.devices import is_out_of_memory
from pe.errors import PeError, SampleError
from pe.shards.plan import PlannedInput

Outcome = dict[str, Any]

OURS = {"captioner", "out_of_memory"}
"""Reasons that blame the model and not the picture."""
_FILTERS_OF_THE_SOURCE = {"opt_out", "not_downloaded", "several_images"}


class FilteredError(SampleError):
    """A rule leaves an input out; `reason` is the rule's name."""


class OutOfMemoryError(PeError):
    """The device's memory does not hold a batch; the slice starts again with a smaller one."""


def rejected(item: PlannedInput, reason: str, detail: str) -> Outcome:
    """An input that is filtered or quarantined, whichever its reason means."""
    if reason in _FILTERS_OF_THE_SOURCE:
        return outcome(item, "filtered", reason=reason, detail=detail)
    return outcome(item, "quarantined", reason=reason, detail=detail)


def outcome(item: PlannedInput, status: str, **more: str) -> Outcome:
    """The ledger line of one input."""
    return {"id": item.id, "sha256": item.sha256, "status": status, **more}


def of_all(stage: str, error: Exception) -> PeError:
    """What ends the run when a model takes no picture of a chunk, each alone: it is not the pictures then."""
    if is_out_of_memory(error):
        return PeError(f"the {stage} runs out of memory on every picture, one at a time: use a smaller model or device")
    why = blame(stage, error).detail
    return PeError(f"the {stage} fails on every picture: {why} (a defect; PE_TRACEBACK=1 shows where)")


def blame(stage: str, error: Exception) -> SampleError:
    """What quarantines the one picture that a model fails on."""
    reason = "out_of_memory" if is_out_of_memory(error) else stage
    return SampleError(reason, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
