"""What the card says of a set, counted while it is exported."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

from pe.schemas.sample import Sample

_MOST = 1000
_STAGES = ("detector", "segmenter", "captioner", "reader")


@dataclass
class Facts:
    """Counts over the samples that were written; the labelling models, by stage, with their licences."""

    samples: int = 0
    licences: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    models: dict[tuple[str, ...], int] = field(default_factory=dict)
    kind: str = ""
    masks: bool = False
    captions: bool = False

    def add(self, sample: Sample) -> None:
        """Count one sample."""
        self.samples += 1
        self.kind = sample.kind
        _count(self.licences, sample.license or "not stated")
        _count(self.sources, sample.data_source)
        self.captions |= bool(sample.caption)
        self.masks |= '"mask":' in sample.objects_json
        provenance = json.loads(sample.provenance_json)
        for stage in _STAGES:
            info = provenance.get(stage)
            if isinstance(info, dict):
                words = [str(info.get(key, "")) for key in ("adapter", "model", "revision", "license")]
                entry = (stage, *words)
                if entry in self.models or len(self.models) < _MOST:
                    self.models[entry] = self.models.get(entry, 0) + 1


def _count(counter: Counter[str], word: str) -> None:
    counter[word if word in counter or len(counter) < _MOST else "others"] += 1
