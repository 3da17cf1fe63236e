"""COCO: annotations/instances_SPLIT.json, annotations/captions_SPLIT.json and images/. https://cocodataset.org/#format-data"""

from __future__ import annotations

import json
import shutil
from typing import Any

from pycocotools import mask as rle_tools

from pe.schemas.sample import Object, Sample, dumps
from pe.shards.exports._base import Export, Table
from pe.shards.exports._files import JsonArray, write_image
from pe.shards.exports._polygons import coco_segmentation

__all__ = ["Coco"]


class Coco(Export):
    """Masks survive bit for bit, those with holes as run lengths. Phrases become categories, in order of appearance.

    Absent phrases become LVIS's `neg_category_ids` of the image. Score, text, caption and key points of an object are
    kept under `score`, `text`, `caption`, `keypoints`, which COCO's own tools leave alone.
    """

    kinds = frozenset({"annotated"})
    images = "images"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._folder = self.out / "annotations"
        self._pictures = JsonArray(self._folder / ".images.part")
        self._objects = JsonArray(self._folder / ".annotations.part")
        self._captions = JsonArray(self._folder / ".captions.part")
        self._categories: dict[str, dict[str, Any]] = {}
        self._licences: dict[str, int] = {}

    def add(self, sample: Sample, image: bytes) -> None:
        number = self._pictures.count + 1
        provenance = json.loads(sample.provenance_json)
        picture: dict[str, Any] = {
            "id": number,
            "width": sample.width,
            "height": sample.height,
            "file_name": write_image(self.out / "images", sample, image),
            "license": self._licences.setdefault(sample.license, len(self._licences) + 1),
            "coco_url": sample.url,
            "date_captured": "",
            "neg_category_ids": [self._category(phrase) for phrase in json.loads(sample.negatives_json)],
        }
        for item in sample.objects():
            self._objects.add(self._annotation(item, sample, number, provenance))
        if sample.caption:
            self._captions.add({"id": self._captions.count + 1, "image_id": number, "caption": sample.caption})
        self._pictures.add(picture)
        self.lost["referring expressions"] += len(provenance.get("expressions", ()))

    def close(self) -> None:
        for part in (self._pictures, self._objects, self._captions):
            part.close()
        head: dict[str, Any] = {
            "info": {"description": f"exported from pe shards, split {self.split}", "version": "1.0"},
            "licenses": [{"id": number, "name": name, "url": ""} for name, number in self._licences.items()],
        }
        categories = {"categories": list(self._categories.values())}
        self._join(f"instances_{self.split}.json", head | categories, ("images", "annotations"))
        if self._captions.count:
            self._join(f"captions_{self.split}.json", head, ("images", "captions"))
        for path in self._folder.glob(".*.part"):
            path.unlink()

    def tables(self) -> list[Table]:
        columns = {"image_id": "sc:Integer", "category_id": "sc:Integer", "bbox": "cr:BoundingBox"}
        return [Table(f"annotations/instances_{self.split}.json", "application/json", columns, path="$.annotations[*]")]

    def _annotation(self, item: Object, sample: Sample, image_id: int, provenance: dict[str, Any]) -> dict[str, Any]:
        x0, y0, x1, y1 = item.bbox
        segmentation = coco_segmentation(item, sample.height, sample.width)
        area = (x1 - x0) * (y1 - y0)
        if segmentation is not None and item.mask is not None:
            area = float(rle_tools.area(item.mask.model_dump()))
        annotation: dict[str, Any] = {
            "id": self._objects.count + 1,
            "image_id": image_id,
            "category_id": self._category(item.phrase),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "segmentation": [] if segmentation is None else segmentation,
            "area": area,
            "iscrowd": 0,
        }
        if item.score != 1.0:
            annotation["score"] = item.score
        for name in ("text", "caption"):
            if getattr(item, name) is not None:
                annotation[name] = getattr(item, name)
        if item.keypoints is not None:
            annotation["keypoints"] = item.keypoints
            annotation["num_keypoints"] = sum(seen > 0 for seen in item.keypoints[2::3])
            names = provenance.get("keypoint_names", {}).get(item.phrase)
            if names:
                self._categories[item.phrase]["keypoints"] = names
        if item.quad is not None and segmentation != [item.quad]:
            self.lost["text quads that are not the outline"] += 1
        return annotation

    def _category(self, phrase: str) -> int:
        known = self._categories.setdefault(
            phrase, {"id": len(self._categories) + 1, "name": phrase, "supercategory": ""}
        )
        return int(known["id"])

    def _join(self, name: str, head: dict[str, Any], parts: tuple[str, ...]) -> None:
        with (self._folder / name).open("wb") as file:
            file.write(dumps(head).encode()[:-1])
            for part in parts:
                key = "images" if part == "images" else "annotations"
                file.write(f',"{key}":'.encode())
                with (self._folder / f".{part}.part").open("rb") as source:
                    shutil.copyfileobj(source, file)
            file.write(b"}\n")
