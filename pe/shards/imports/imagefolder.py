"""Hugging Face imagefolder: pictures with metadata.jsonl or metadata.csv. https://huggingface.co/docs/datasets/image_dataset"""

from __future__ import annotations

from pathlib import Path

from pe.shards.imports._base import Layout
from pe.shards.imports._find import one_file
from pe.shards.imports._rows import extras_of_rows

__all__ = ["imagefolder"]


def imagefolder(source: Path, pictures: str, split: str) -> Layout:
    """`source` is the metadata file, or the folder with it; `split` a folder in that. Captions, and boxes as x, y,
    width, height with their categories; no category is known to be absent.
    """
    home = source / split if split and source.is_dir() else source
    path = one_file(home, ("metadata.jsonl", "metadata.csv"), "metadata.jsonl or metadata.csv")
    extras, keypoints = extras_of_rows(path)
    return Layout(pictures or str(path.parent), path, extras, keypoints, exhaustive=False)
