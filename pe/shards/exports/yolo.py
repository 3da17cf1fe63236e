"""YOLO labels for detection or segmentation. https://docs.ultralytics.com/datasets/segment/"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from typing import Any

import numpy as np
import yaml

from pe.schemas.sample import Object, Sample
from pe.shards.exports._base import Export, Table
from pe.shards.exports._files import write_image
from pe.shards.exports._polygons import has_holes, join_rings, object_rings

__all__ = ["Yolo"]


class Yolo(Export):
    """images/SPLIT, labels/SPLIT and data.yaml, fractions of the picture's sides with 6 decimals.

    One label kind a set: polygons where any object has an outline (one without it takes its box's corners), boxes
    otherwise. A line is one polygon, so holes and further parts hang on the first ring by bridges of no width. A
    picture without objects has an empty label file.
    """

    kinds = frozenset({"annotated"})

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.images = f"images/{self.split}"
        self._boxes = self.out / "labels" / self.split
        self._polygons = self.out / ".polygons"
        for folder in (self._boxes, self._polygons):
            folder.mkdir(parents=True)
        self._names: dict[str, int] = {}
        self._outlines = self._bare = 0

    def add(self, sample: Sample, image: bytes) -> None:
        write_image(self.out / "images" / self.split, sample, image)
        boxes, polygons = [], []
        for item in sample.objects():
            name = self._names.setdefault(item.phrase, len(self._names))
            x0, y0, x1, y1 = item.bbox
            boxes.append(_line(name, _fractions([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], sample)))
            polygons.append(_line(name, _fractions(self._polygon(item, sample), sample)))
            self.lost["scores"] += item.score != 1.0
            self.lost["texts read"] += item.text is not None
            self.lost["key points"] += item.keypoints is not None
        (self._boxes / f"{sample.key}.txt").write_text("".join(boxes), "ascii")
        (self._polygons / f"{sample.key}.txt").write_text("".join(polygons), "ascii")
        self.lost["captions"] += bool(sample.caption)
        self.lost["referring expressions"] += len(json.loads(sample.provenance_json).get("expressions", ()))

    def close(self) -> None:
        if self._outlines:
            shutil.rmtree(self._boxes)
            self._polygons.rename(self._boxes)
            self.lost["outlines of objects that have a box alone (its corners stand for it)"] += self._bare
        else:
            shutil.rmtree(self._polygons)
        # Without `path` it is where this file lies; Ultralytics asks for both of train and val.
        place = f"images/{self.split}"
        config = {"train": place, "val": place, "names": {number: name for name, number in self._names.items()}}
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        (self.out / "data.yaml").write_text(
            f"# The split {self.split!r} stands for both; name another set for val.\n{text}", "utf-8"
        )

    def tables(self) -> list[Table]:
        return []

    def _polygon(self, item: Object, sample: Sample) -> Iterable[float]:
        rings = object_rings(item, sample.height, sample.width)
        if not rings:
            self._bare += 1
            x0, y0, x1, y1 = item.bbox
            return [x0, y0, x1, y0, x1, y1, x0, y1]
        self._outlines += 1
        if len(rings) > 1:
            what = "holes" if has_holes(rings) else "parts"
            self.lost[f"objects' {what} as rings of their own (a bridge joins them to the first ring)"] += 1
        return join_rings(rings).ravel().tolist()


def _fractions(values: Iterable[float], sample: Sample) -> list[float]:
    array = np.asarray(list(values), np.float64)
    sides = np.tile([sample.width, sample.height], len(array) // 2)
    return list(map(float, np.clip(array / sides, 0.0, 1.0)))


def _line(name: int, values: list[float]) -> str:
    return " ".join([str(name), *(f"{value:.6f}" for value in values)]) + "\n"
