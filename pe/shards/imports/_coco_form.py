"""COCO-form content, filled picture by picture from annotations of another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pe.schemas.sample import clean_texts, dumps, is_coordinate
from pe.shards.imports._base import Layout
from pe.shards.imports._extras import coco_extras


class CocoForm:
    """What the annotations at `path` (a file or a folder) say, in COCO's form.

    Pictures go by name. Boxes are x0, y0, x1, y1 in pixels of the picture. One object a picture, category, box and
    what else is said of it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._images: dict[str, dict[str, Any]] = {}
        self._categories: dict[str, int] = {}
        self._objects: dict[str, dict[str, Any]] = {}

    def image(self, name: Any, width: Any = 0, height: Any = 0) -> dict[str, Any]:
        """The picture called `name`, in which nothing is known to be absent yet. Raises ValueError."""
        if not isinstance(name, str) or not name:
            raise ValueError(f"a picture's name is text, not {name!r:.60}")
        image = self._images.setdefault(
            name, {"id": len(self._images) + 1, "file_name": name, "neg_category_ids": [], "expressions": []}
        )
        if width and height:
            try:
                image["width"], image["height"] = int(width), int(height)
            except (OverflowError, TypeError, ValueError):
                raise ValueError(f"width and height are whole numbers, not {width!r:.30} and {height!r:.30}") from None
        return image

    def category(self, name: Any) -> int:
        """The id of a category. Raises ValueError."""
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"a category's name is text, not {name!r:.60}")
        return self._categories.setdefault(name, len(self._categories) + 1)

    def absent(self, image: dict[str, Any], names: list[Any]) -> None:
        """Say that nothing called `names` is in the picture."""
        known = image["neg_category_ids"]
        known += [number for number in map(self.category, dict.fromkeys(names)) if number not in known]

    def add(
        self, image: dict[str, Any], category: Any, box: Any, segmentation: dict[str, Any] | None = None, **said: Any
    ) -> int:
        """The id of an object. Without a `box` its RLE tells it. Raises ValueError."""
        known = {"image_id": image["id"], "category_id": self.category(category), "iscrowd": 0}
        record: dict[str, Any] = {**said, **known}
        if box is not None:
            x0, y0, x1, y1 = numbers(box)
            record["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        if segmentation is not None:
            image["height"], image["width"] = segmentation["size"]
            record["segmentation"] = {"size": list(segmentation["size"]), "counts": segmentation["counts"]}
        return int(self._objects.setdefault(dumps(record), {**record, "id": len(self._objects) + 1})["id"])

    def say(self, image: dict[str, Any], text: Any, ids: list[int]) -> None:
        """An expression for the objects with `ids`, or for nothing in the picture. Raises ValueError."""
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"an expression is text, not {text!r:.60}")
        image["expressions"].append({"text": " ".join(text.split()), "ids": list(dict.fromkeys(ids))})

    def layout(self, pictures: str) -> Layout:
        """The layout of all this; absent is what was said to be absent."""
        content = clean_texts(
            {
                "images": list(self._images.values()),
                "annotations": list(self._objects.values()),
                "categories": [{"id": number, "name": name} for name, number in self._categories.items()],
            }
        )
        bare = [{**item, "segmentation": None} for item in content["annotations"]]
        extras, names = coco_extras({**content, "annotations": bare}, self.path)
        return Layout(pictures, self.path, extras, names, exhaustive=False, form=dumps(content).encode())


def numbers(values: Any, count: int = 4) -> list[float]:
    """`values` as `count` floats that can be coordinates. Raises ValueError."""
    good = isinstance(values, list) and len(values) == count
    if not good or not all(map(is_coordinate, values)):
        raise ValueError(f"{count} numbers are expected, not {values!r:.60}")
    return [float(value) for value in values]
