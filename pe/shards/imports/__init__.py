"""Imports: one file a layout of another tool; each says where the pictures and the annotations of a source are."""

from __future__ import annotations

from pe.shards.imports._base import Extra, Layout, PictureExtras

__all__ = ["Extra", "Layout", "PictureExtras"]
