"""The data of the full-size recipes in small: files of the published forms, with pictures, below data/."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.shards import factory
from tests.shards.imports import benchmark_files as files

SIZE = (160, 120)
NAMES = ("dog", "cat", "bus")


def _square(x: int, y: int, side: int) -> dict[str, Any]:
    ring = [x, y, x + side, y, x + side, y + side, x, y + side]
    return {"bbox": [x, y, side, side], "segmentation": [ring], "area": side * side, "iscrowd": 0}


def coco(annotations: Path, pictures: Path, seed: int, count: int = 6) -> None:
    """`count` pictures, the odd ones with two dogs and a cat, the even ones with a single dog."""
    pictures.mkdir(parents=True, exist_ok=True)
    annotations.parent.mkdir(parents=True, exist_ok=True)
    images, found = [], []
    for number in range(count):
        name = f"{seed:04}{number:08}.jpg"
        (pictures / name).write_bytes(factory.picture(1000 * seed + number, SIZE))
        images.append({"id": number, "file_name": name, "width": SIZE[0], "height": SIZE[1]})
        things = [(1, 10, 10, 40), (1, 70, 20, 36), (2, 112, 60, 44)] if number % 2 else [(1, 20, 30, 50)]
        for kind, x, y, side in things:
            found.append(
                {"id": len(found) + 1, "image_id": number, "category_id": kind, **_square(x + number, y, side)}
            )
    kinds = [{"id": number, "name": name} for number, name in enumerate(NAMES, 1)]
    annotations.write_text(json.dumps({"images": images, "annotations": found, "categories": kinds}))


def refcoco(home: Path, pictures: Path, seed: int) -> None:
    """Refs of both splits with their instances."""
    coco(home / "instances.json", pictures, seed)
    found = json.loads((home / "instances.json").read_text())["annotations"]
    refs = [
        {
            "ref_id": number,
            "ann_id": item["id"],
            "image_id": item["image_id"],
            "split": "val" if item["image_id"] < 2 else "train",
            "sentences": [{"sent": f"the {NAMES[item['category_id'] - 1]} number {number}"}],
        }
        for number, item in enumerate(found)
    ]
    (home / "refs.json").write_text(json.dumps(refs))


def questions(path: Path, seed: int) -> None:
    """Rows as V-Triune publishes them."""
    rows = [
        {
            "data_source": path.stem,
            "images": [{"bytes": factory.picture(1000 * seed + number, SIZE), "path": None}],
            "prompt": [{"role": "user", "content": f"<image>What is {number} plus {seed}?"}],
            "reward_model": {"answer": str(number + seed), "ground_truth": f"\\boxed{{{number + seed}}}"},
        }
        for number in range(4)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def data(home: Path) -> None:
    """Everything that the `needs` of the five recipes name, but for what `web` stands for."""
    root = home / "data"
    for seed, year in ((1, "train2017"), (2, "val2017")):
        coco(root / f"coco/annotations/instances_{year}.json", root / f"coco/{year}", seed)
    coco(root / "lvis/lvis_v1_val.json", root / "coco/train2017", 3)
    for seed, name in ((4, "refcoco"), (5, "refcoco+"), (6, "refcocog")):
        refcoco(root / name, root / "coco/train2014", seed)
    coco(root / "objects365/objects365_train.json", root / "objects365/images", 7)
    coco(root / "v3det/v3det_2023_v1_train.json", root / "v3det/images", 8)
    files.rexomni_eval(root / "Rex-Omni-Eval")
    files.visdrone(root / "VisDrone2019-DET-val")
    (files.d3(root / "d3") / "dog/1.jpg").write_bytes(factory.picture(9001, files.SIZE))
    files.ovdeval(root / "ovdeval")
    files.screenspot_pro(root / "screenspot-pro")
    files.countbench(root / "counts").rename(root / "countbench.parquet")
    for number, name in enumerate(("counting", "ocr", "math", "puzzle", "science", "chart")):
        questions(root / f"orsta/{name}.parquet", 20 + number)
    (row, _) = pq.read_table(files.pixmo_count(root / "pixmo-count")).to_pylist()
    for part, seed in (("validation", 9002), ("train", 9003)):
        picture = factory.picture(seed, files.SIZE)
        sha256 = hashlib.sha256(picture).hexdigest()
        (root / f"pixmo-count/images/{sha256}.jpg").write_bytes(picture)
        table = pa.Table.from_pylist([{**row, "image_sha256": sha256}])
        pq.write_table(table, root / f"pixmo-count/{part}.parquet")
