"""Scenes by number, as inputs: what they are drawn from stands for their bytes."""

from __future__ import annotations

from collections.abc import Iterator

from pe.engines.synthetic.settings import SynthSettings
from pe.schemas.sample import dumps
from pe.shards.sources.base import Entry, Meta, Raw, Source


class SceneSource(Source):
    """Scenes 0 to `settings.scenes` - 1; asking for more later only adds to them."""

    def __init__(self, settings: SynthSettings) -> None:
        super().__init__()
        self._settings = settings

    def entries(self) -> Iterator[Entry]:
        for index in range(self._settings.scenes):
            yield Entry(f"scene-{index:08d}", 0, "drawn", {"index": index})

    def read(self, entry: Entry) -> Raw:
        config = self._settings
        numbers = {"profile": config.profile, "split": config.split, "seed": config.seed, "index": entry.at["index"]}
        return Raw(dumps(numbers).encode(), Meta(license="CC0-1.0"))
