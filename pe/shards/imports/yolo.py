"""YOLO labels for detection or segmentation. https://docs.ultralytics.com/datasets/detect/"""

from __future__ import annotations

from pathlib import Path

from pe.errors import InputError
from pe.shards.imports._base import Layout

__all__ = ["yolo"]


def yolo(source: Path, pictures: str, split: str) -> Layout:
    """`source` is data.yaml, a folder with one, or a folder of labels. Classes a picture lacks are absent from it."""
    if not source.exists():
        raise InputError(f"{source}: no such file or folder (YOLO's data.yaml or labels)")
    home = source if source.is_dir() else source.parent
    if home.name == "labels":
        home = home.parent
    return Layout(pictures or str(home / "images" if (home / "images").is_dir() else home), source, {})
