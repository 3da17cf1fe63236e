"""Where inputs come from: `open_source` makes one source of the word on the command line."""

from __future__ import annotations

from pe.shards.sources.opening import open_source

__all__ = ["open_source"]
