from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from pe.shards.exports import export
from tests.shards.exports import rows


@pytest.fixture(scope="module")
def out(annotated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("coco") / "set"
    export(annotated, out, "coco", split="val")
    return out


def coco(out: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(out / "annotations/instances_val.json"))


def test_pycocotools_draws_every_mask_bit_for_bit(out: Path) -> None:
    truth, masks = coco(out), rows.masks()
    names = {item["id"]: item["name"] for item in truth.cats.values()}
    seen = 0
    for annotation in truth.anns.values():
        name = names[annotation["category_id"]]
        if name in masks:
            assert np.array_equal(truth.annToMask(annotation), masks[name])
            assert annotation["area"] == masks[name].sum()
            seen += 1
    assert seen == 5 * len(masks)


def test_polygons_where_they_redraw_the_mask_and_run_lengths_for_holes(out: Path) -> None:
    truth = coco(out)
    names = {item["id"]: item["name"] for item in truth.cats.values()}
    kinds = {names[item["category_id"]]: type(item["segmentation"]) for item in truth.anns.values()}
    assert kinds["hole"] is kinds["noise"] is dict
    assert kinds["box"] is kinds["parts"] is kinds["pixel"] is list


def test_pictures_negatives_captions_and_licences(out: Path) -> None:
    truth = coco(out)
    ids = {item["name"]: item["id"] for item in truth.cats.values()}
    first, second = truth.loadImgs([1, 2])
    assert first["neg_category_ids"] == [ids["zebra"]]
    assert second["neg_category_ids"] == [ids["zebra"], ids["pixel"]]
    assert truth.getAnnIds(imgIds=[2]) == []
    assert [path.suffix for path in sorted((out / "images").iterdir())] == [".jpg", ".png", ".webp"] * 2
    assert (out / "images" / first["file_name"]).is_file()
    licences = {item["id"]: item["name"] for item in truth.dataset["licenses"]}
    assert licences[first["license"]] == "CC-BY-4.0"
    (bare,) = (item for item in truth.loadAnns(truth.getAnnIds(imgIds=[1])) if item["category_id"] == ids["bare box"])
    assert (bare["bbox"], bare["segmentation"], bare["score"]) == ([1.5, 2.0, 7.5, 6.25], [], 0.5)
    (text,) = (item for item in truth.loadAnns(truth.getAnnIds(imgIds=[1])) if item["category_id"] == ids["text"])
    assert text["text"] == "EXIT"
    captions = json.loads((out / "annotations/captions_val.json").read_text())
    assert [item["caption"][:9] for item in captions["annotations"]] == ["a picture"] * 6
    assert not list((out / "annotations").glob(".*"))


def test_what_is_lost_is_said(annotated: Path, tmp_path: Path) -> None:
    summary = export(annotated, tmp_path / "set", "coco")
    assert summary.lost == {"referring expressions": 6, "text quads that are not the outline": 5}
    assert "not carried by coco: 6 referring expressions" in summary.to_text()
