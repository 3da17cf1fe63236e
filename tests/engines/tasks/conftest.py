"""Records for tasks: drawn scenes, real photos, texts and screens, and one made by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pe.annotators.base import Instance, Segment
from pe.engines.shapes import shape_object
from pe.engines.synthetic.engine import SyntheticEngine
from pe.engines.synthetic.settings import SynthSettings
from pe.engines.tasks import Exchange, Task
from pe.formats import Format
from pe.geometry.masks import segmentation_to_mask
from pe.registry import load
from pe.schemas.sample import Object, RewardModel, Sample, Verifier, dumps, objects_to_json

ABSENT = ("zebra", "traffic light")


def make_sample(objects: list[Object], size: tuple[int, int] = (640, 480), **fields: Any) -> Sample:
    """An annotated record with `objects`; `fields` replace its others."""
    values: dict[str, Any] = {
        "key": "k",
        "width": size[0],
        "height": size[1],
        "format": "JPEG",
        "sha256": "0" * 64,
        "source": "s.jpg",
        "source_sha256": "0" * 64,
        "data_source": "test/test",
        "objects_json": objects_to_json(objects),
        "reward_model": RewardModel(),
        "verifier": Verifier(name="detection"),
    }
    return Sample(**{**values, **fields})


def make_task(name: str, **parameters: Any) -> Task:
    """The task called `name` with `parameters`."""
    kind: type[Task] = load("tasks", name)
    return kind(kind.Parameters(**parameters))


def make_form(name: str) -> Format:
    """The format called `name`."""
    form: Format = load("formats", name)()
    return form


def ask(
    name: str, form: str, sample: Sample, absent: tuple[str, ...] = (), seed: int = 0, **parameters: Any
) -> list[Exchange]:
    """All exchanges of one task about one sample."""
    rng = np.random.default_rng(seed)
    return list(make_task(name, **parameters).exchanges(sample, make_form(form), rng, absent))


def dogs_and_cat() -> Sample:
    """Two dogs, one with a hole, a cat of two parts, and what all tasks but reading, screens and rows need."""
    dog = [100.0, 120.0, 220.0, 120.0, 220.0, 300.0, 100.0, 300.0]
    hole = [140.0, 150.0, 140.0, 200.0, 180.0, 200.0, 180.0, 150.0]
    cat = [[400.0, 50.0, 450.0, 50.0, 450.0, 90.0, 400.0, 90.0], [470.0, 50.0, 500.0, 50.0, 500.0, 80.0, 470.0, 80.0]]
    right = [300.0, 310.0, 380.0, 310.0, 380.0, 420.0, 300.0, 420.0]
    objects = [
        Object(id=0, phrase="dog", bbox=(300, 310, 380, 420), rings=[right], orientation="cw", point=(340, 365)),
        Object(
            id=1,
            phrase="dog",
            bbox=(100, 120, 220, 300),
            rings=[dog, hole],
            orientation="cw",
            point=(120.5, 250.5),
            caption="a dog with a white collar",
        ),
        Object(id=2, phrase="cat", bbox=(400, 50, 500, 90), rings=cat, orientation="cw", point=(425, 70)),
    ]
    said = [
        {"text": "the dog on the left", "kind": "relation", "objects": [1]},
        {"text": "the dogs", "kind": "plural", "objects": [1, 0]},
        {"text": "the dog right of the car", "kind": "relation", "objects": []},
        {"text": "the dog below the cat", "kind": "relation", "objects": [0]},
    ]
    return make_sample(objects, caption="Two dogs and a cat.", provenance_json=dumps({"expressions": said}))


@pytest.fixture(scope="session")
def hand_made() -> Sample:
    """See dogs_and_cat."""
    return dogs_and_cat()


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """A drawn scene with shapes, one with expressions, one with words."""
    out = tmp_path_factory.mktemp("scenes")
    found = []
    for profile, index in (("base", 0), ("language", 1), ("text", 0)):
        engine = SyntheticEngine(SynthSettings(out=out, profile=profile), "config")
        found.append(engine.draw(f"{profile}-{index}", index)[0])
    return found


@pytest.fixture(scope="session")
def photos(shared: Path) -> list[Sample]:
    """COCO photos with masks, and people with key points."""
    folder = shared / "photos" / "coco_mini"
    poses = json.loads((folder / "person_keypoints.json").read_text())
    keypoints = {item["id"]: item["keypoints"] for item in poses["annotations"] if item.get("num_keypoints")}
    return [
        make_sample(list(_coco_objects(image, rows, keypoints)), (image["width"], image["height"]))
        for image, rows in _coco(folder / "instances.json", 8)
    ]


@pytest.fixture(scope="session")
def texts(shared: Path) -> list[Sample]:
    """Photos of text with quads."""
    found = []
    for image, rows in _coco(shared / "ocr" / "instances.json", 11):
        objects = [
            Object(id=number, phrase="text", bbox=_box(row), text=row["text"], quad=row["segmentation"][0])
            for number, row in enumerate(rows)
            if row["text"] not in ("", "###") and len(row["segmentation"][0]) == 8
        ]
        found.append(make_sample(objects, (image["width"], image["height"])))
    return found


@pytest.fixture(scope="session")
def screens(shared: Path) -> list[Sample]:
    """Screenshots whose elements have text or a description."""
    return [
        make_sample(
            [
                Object(
                    id=number,
                    phrase=row["ui_class"],
                    bbox=_box(row),
                    text=row["text"] or None,
                    caption=row["content_desc"] or None,
                )
                for number, row in enumerate(rows)
            ],
            (image["width"], image["height"]),
        )
        for image, rows in _coco(shared / "gui" / "instances.json", 7)
    ]


def _coco(path: Path, most: int) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    data = json.loads(path.read_text())
    names = {item["id"]: item["name"] for item in data["categories"]}
    for image in data["images"][:most]:
        rows = [row for row in data["annotations"] if row["image_id"] == image["id"] and not row.get("iscrowd")]
        yield image, [{**row, "category": names[row["category_id"]]} for row in rows]


def _coco_objects(
    image: dict[str, Any], rows: list[dict[str, Any]], keypoints: dict[int, list[float]]
) -> Iterator[Object]:
    for number, row in enumerate(rows):
        mask = segmentation_to_mask(row["segmentation"], image["height"], image["width"])
        found = shape_object(Instance(row["category"], 1.0, _box(row)), Segment(mask), 0.005, "cw")
        if isinstance(found, Object):
            found.id = number
            found.keypoints = keypoints.get(row["id"])
            yield found


def _box(row: dict[str, Any]) -> tuple[float, float, float, float]:
    x, y, width, height = row["bbox"]
    return x, y, x + width, y + height
