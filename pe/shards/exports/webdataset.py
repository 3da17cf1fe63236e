"""A Hugging Face repository of WebDataset tars: the shards as they are, with a card. https://huggingface.co/docs/hub/datasets-webdataset"""

from __future__ import annotations

from pe.shards.exports._tars import TarExport

__all__ = ["WebDataset"]


class WebDataset(TarExport):
    """data/SPLIT-000000.tar and so on."""

    hub = files = "data/*.tar"

    def place(self, number: int) -> str:
        return f"data/{self.split}-{number:06d}.tar"
