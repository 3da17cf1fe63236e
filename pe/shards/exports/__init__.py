"""Exports: one file a layout of another tool; `export` writes any of them."""

from __future__ import annotations

from pe.shards.exports._run import ExportSummary, export

__all__ = ["ExportSummary", "export"]
