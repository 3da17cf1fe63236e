"""The device that `--device auto` means, and what running out of its memory looks like."""

from __future__ import annotations

import importlib.util
import os
import sys

import cv2

from pe.errors import InputError


def resolve_device(word: str, uses_torch: bool) -> str:
    """`word` itself, or for "auto" the first CUDA device when there is one and a torch adapter wants it.

    Raises InputError when a CUDA device is asked for and absent.
    """
    if not word.startswith("cuda") and (word == "cpu" or not uses_torch):
        return "cpu"
    if importlib.util.find_spec("torch") is None:
        return "cpu" if word == "auto" else word
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if word == "auto":
        return "cuda" if count else "cpu"
    index = int(word.partition(":")[2] or 0)
    if index >= count:
        raise InputError(f"--device {word}: torch sees {count} CUDA devices; use --device cpu or auto")
    return word


def device_of_worker(device: str, worker: int) -> str:
    """Worker `worker`'s device: plain "cuda" is spread over all GPUs, anything else is shared."""
    if device != "cuda":
        return device
    import torch

    return f"cuda:{worker % max(1, torch.cuda.device_count())}"


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def limit_threads(threads: int) -> None:
    """Give torch `threads` threads, 0 for one a core; OpenCV gets one, as pictures are spread over threads already.

    By default that does not depend on the number of workers: torch splits sums by its threads, so that another number
    changes the last bits of a score, and two runs would not write the same bytes.
    """
    cv2.setNumThreads(1)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads or cores())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that a device or the host ran out of memory."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and ("out of memory" in text or "can't allocate memory" in text or "failed to allocate" in text)
    )


def free_cached_memory() -> None:
    """Give cached device memory back before a retry."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
