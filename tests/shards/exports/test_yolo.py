from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pe.geometry.masks import mask_iou
from pe.geometry.raster import rings_to_mask
from pe.schemas.sample import Object
from pe.shards.exports import export
from tests.shards import factory
from tests.shards.exports import rows


def labels(path: Path) -> list[tuple[int, np.ndarray[Any, Any]]]:
    """What a YOLO label file says, by its documentation: class and numbers, fractions from 0 to 1."""
    found = []
    for line in path.read_text().splitlines():
        name, *words = line.split(" ")
        values = np.array([float(word) for word in words])
        assert ((values >= 0) & (values <= 1)).all()
        assert all(len(word.partition(".")[2]) == 6 for word in words)
        found.append((int(name), values))
    return found


@pytest.fixture(scope="module")
def out(annotated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("yolo") / "set"
    export(annotated, out, "yolo", split="val")
    return out


def test_labels_lie_beside_pictures_and_classes_have_names(out: Path) -> None:
    pictures = sorted(path.stem for path in (out / "images/val").iterdir())
    assert pictures == sorted(path.stem for path in (out / "labels/val").iterdir())
    config = yaml.safe_load((out / "data.yaml").read_text())
    assert config["train"] == config["val"] == "images/val"
    assert config["names"] == dict(enumerate([*rows.masks(), "bare box", "text"]))
    assert (out / f"labels/val/{pictures[1]}.txt").read_text() == ""
    assert not (out / ".polygons").exists()


def test_polygons_redraw_their_masks_holes_and_parts_too(out: Path) -> None:
    names = yaml.safe_load((out / "data.yaml").read_text())["names"]
    masks, checked = rows.masks(), 0
    for name, values in labels(out / "labels/val/0000-00000-00000.txt"):
        assert len(values) >= 6
        assert len(values) % 2 == 0
        if names[name] in masks:
            ring = values.reshape(-1, 2) * rows.SIZE
            assert mask_iou(rings_to_mask([ring], *rows.SIZE[::-1]), masks[names[name]]) > 0.99
            checked += 1
    assert checked == len(masks)


def test_boxes_alone_make_a_detection_set(tmp_path: Path) -> None:
    image = factory.picture(0, (40, 20))
    box = Object(id=0, phrase="a: b", bbox=(10, 5, 30, 15))
    shards = rows.write(tmp_path / "out", [(factory.sample("0000-00000-00000", image, [box]), image)])
    summary = export(shards, tmp_path / "set", "yolo")
    assert (tmp_path / "set/labels/train/0000-00000-00000.txt").read_text() == "0 0.500000 0.500000 0.500000 0.500000\n"
    assert yaml.safe_load((tmp_path / "set/data.yaml").read_text())["names"] == {0: "a: b"}
    assert summary.lost == {"captions": 1}


def test_what_is_lost_is_said(annotated: Path, tmp_path: Path) -> None:
    lost = export(annotated, tmp_path / "set", "yolo").lost
    assert lost["scores"] == 5
    assert lost["texts read"] == 5
    assert lost["outlines of objects that have a box alone (its corners stand for it)"] == 10
    assert sum(count for what, count in lost.items() if "holes" in what) == 10
    assert sum(count for what, count in lost.items() if "parts" in what) == 5
    assert json.loads(json.dumps(lost)) == lost
