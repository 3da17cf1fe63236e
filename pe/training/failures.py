"""What goes wrong while training, as one line that says what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pe.engines.devices import is_out_of_memory
from pe.errors import ConfigError, DiskError, PeError


class OutOfMemory(PeError):
    """A step does not fit into the memory of the device or the host."""


@contextmanager
def one_line(folder: Path) -> Iterator[None]:
    """Turn what a stage's libraries raise about memory, disk and missing parts into errors of `pe`."""
    try:
        yield
    except PeError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"{folder.name}: out of memory: lower per_device_train_batch_size and raise "
                "gradient_accumulation_steps as much, set gradient_checkpointing, or train adapters (lora), with a new "
                "--out; what is saved stays"
            ) from error
        if (isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)) or "No space left" in text:
            raise DiskError(f"the disk is full: {folder}; make room and run the same command again") from error
        if isinstance(error, ImportError):
            raise ConfigError([f"{folder.name}: {text[:300]}"]) from error
        raise
