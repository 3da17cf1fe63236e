"""transformers models from a folder: quietly, all weights or nothing, every problem one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pe.annotators.base import AdapterSettings
from pe.annotators.checkpoints import Checkpoint, check_keys
from pe.errors import ModelError, PeError


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns whatever goes wrong while a checkpoint is read into a ModelError; silences transformers meanwhile."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    except PeError:
        raise
    except Exception as error:  # a bad file raises whatever the library that reads it likes
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{name}: cannot be loaded: {lines[0][:200]}") from error
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_model(cls: Any, checkpoint: Checkpoint, settings: AdapterSettings, harmless: Sequence[str] = ()) -> Any:
    """`cls` (a transformers model or Auto class) with the checkpoint's weights, in eval mode, on the settings' device.

    Raises ModelError when the folder cannot be read or its keys and the model's do not all match.
    """
    import torch

    name = checkpoint.info.model
    with reading(name):
        model, found = cls.from_pretrained(
            checkpoint.path,
            dtype=getattr(torch, settings.dtype),
            local_files_only=True,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    check_keys(
        name,
        missing=found["missing_keys"],
        unexpected=found["unexpected_keys"],
        mismatched=[str(key[0]) for key in found["mismatched_keys"]],
        harmless=harmless,
    )
    return model.to(settings.device).eval()
