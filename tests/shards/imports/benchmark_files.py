"""Small files of the forms in which benchmarks are published, with pictures, for tests. Each says where it was seen."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pe.geometry.masks import encode
from tests.shards import factory

SIZE = (40, 30)


def pictures(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(factory.picture(number, SIZE))


def write(path: Path, value: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.suffix == ".jsonl"
    path.write_text("\n".join(map(json.dumps, value)) if lines else json.dumps(value))
    return path


def rle(x0: int, y0: int, x1: int, y1: int) -> dict[str, Any]:
    mask = np.zeros(SIZE[::-1], bool)
    mask[y0:y1, x0:x1] = True
    return dict(encode(mask).model_dump(mode="json"))


def d3(home: Path) -> Path:
    """github.com/shikras/d-cube, doc.md and d_cube/d3.py (`anno["bbox"][0]`): dictionaries by id, saved as JSON."""
    pictures(home, "dog/1.jpg")
    image = {"id": 0, "file_name": "dog/1.jpg", "height": 30, "width": 40, "anno_id": [1, 2], "group_id": 7}
    write(home / "images.json", {"0": {**image, "flickr_url": "http://f", "license": ""}})
    anno = {"iscrowd": 0, "area": [100], "image_id": 0, "group_id": 7}
    annotations = {
        "1": {"id": 1, "sent_id": [1, 2], "bbox": [[2, 3, 10, 10]], "segmentation": [rle(2, 3, 12, 13)], **anno},
        "2": {"id": 2, "sent_id": [1], "bbox": [[20, 3, 10, 10]], "segmentation": [rle(20, 3, 30, 13)], **anno},
    }
    write(home / "annotations.json", annotations)
    said = ["a dog", "a dog without a leash", "a dog led by a rope outdoors"]
    sentences = {
        str(n): {"id": n, "anno_id": [1], "group_id": [7], "is_negative": n == 2, "raw_sent": text, "raw_sent_zh": ""}
        for n, text in enumerate(said, 1)
    }
    write(home / "sentences.json", sentences)
    write(home / "groups.json", {"7": {"id": 7, "img_id": [0], "inner_sent_id": [1, 2, 3]}})
    return home


def ovdeval(home: Path) -> Path:
    """github.com/om-ai-lab/OVDEval, Evaluation.md: the example of its dataset structure."""
    pictures(home / "images/negation", "64d2.jpg")
    names = ["computer without screen on", "computer with screen on"]
    image = {"file_name": "64d2.jpg", "id": 0, "height": 30, "width": 40, "text": names[:1], "neg_text": names[1:]}
    content = {
        "categories": [{"supercategory": "object", "id": n, "name": name} for n, name in enumerate(names)],
        "annotations": [{"id": 0, "bbox": [1, 2, 9, 7], "category_id": 0, "image_id": 0, "iscrowd": 0, "area": 63}],
        "images": [image],
    }
    return write(home / "annotations/negation.json", content)


def visdrone(home: Path) -> Path:
    """github.com/VisDrone/VisDrone2018-DET-toolkit, README: left, top, width, height, score, category, ..."""
    pictures(home / "images", "0000001_a.jpg", "0000002_b.jpg")
    (home / "annotations").mkdir()
    lines = "684,8,273,116,0,0,0,0\n", "1,2,10,10,1,4,0,1\n20,2,10,10,0,1,0,0\n20,15,9,9,1,11,1,2\n"
    (home / "annotations/0000001_a.txt").write_text("1,1,5,5,0,0,0,0\n10,10,8,8,1,1,0,0,\n" + lines[0])
    (home / "annotations/0000002_b.txt").write_text(lines[1])
    return home


def humanref(home: Path) -> Path:
    """github.com/IDEA-Research/RexSeek, tools/visualize_humanref.py and metric/recall_precision_densityf1.py."""
    pictures(home / "images", "cafe.jpg")
    boxes = [[1.2, 2.0, 11.0, 12.0], [20.0, 2.0, 30.0, 12.0]]
    row = {"image_name": "cafe.jpg", "candidate_boxes": boxes, "sub_domain": "x"}
    rows = [
        {"id": 0, **row, "domain": "position", "referring": "the man on the left", "answer_boxes": boxes[:1]},
        {"id": 1, **row, "domain": "attribute", "referring": "everyone in  black", "answer_boxes": boxes},
        {"id": 2, **row, "domain": "rejection", "referring": "the woman on a horse", "answer_boxes": []},
    ]
    masks = [[rle(1, 2, 11, 12)], [rle(1, 2, 11, 12), rle(20, 2, 30, 12)], []]
    for item, found in zip(rows, masks, strict=True):
        item["answer_segmentations"] = found
    return write(home / "annotations.jsonl", rows).parent


def rexomni_eval(home: Path) -> Path:
    """github.com/IDEA-Research/Rex-Omni, evaluation/inference_text_prompt.py and metrics/other_metric.py."""
    pictures(home, "dense200/1.jpg", "humanref/2.jpg")
    rows = [
        {
            "image_path": "dense200/1.jpg",
            "categories": ["nail", "screw"],
            "gt": {"nail": [[1, 2, 5, 6], [7, 2, 11, 6]]},
            "dataset_name": "Dense200",
            "task_name": "common_object_detection",
        },
        {
            "image_path": "humanref/2.jpg",
            "categories": ["the man on the left"],
            "gt": {"the man on the left": [[1, 2, 5, 6]]},
            "dataset_name": "HumanRef",
            "task_name": "referring_object_detection",
        },
    ]
    write(home / "_annotations/box_eval/Dense200.jsonl", rows)
    points = {**rows[0], "gt": {"gt_mask": {"nail": [rle(1, 2, 5, 6)]}}, "task_name": "pointing"}
    write(home / "_annotations/point_eval/Dense200.jsonl", [points])
    return home / "_annotations/box_eval/Dense200.jsonl"


def screenspot(home: Path) -> Path:
    """github.com/njucckevin/SeeClick: screenspot_web.json ...; ScreenSpot-v2 has the same rows."""
    pictures(home / "images", "web_1.png")
    row = {"img_filename": "web_1.png", "bbox": [1, 2, 9, 7], "instruction": "close the window", "data_type": "icon"}
    other = {**row, "bbox": [20, 2, 9, 7], "instruction": "view the cart", "data_type": "text"}
    return write(
        home / "screenspot_web.json", [{**row, "data_source": "shop"}, {**other, "data_source": "shop"}]
    ).parent


def screenspot_pro(home: Path) -> Path:
    """github.com/likaixin2000/ScreenSpot-Pro-GUI-Grounding, eval_screenspot_pro.py: one file an application."""
    pictures(home / "images", "blender_windows/s1.png", "word_macos/s2.png")
    for name, folder in (("blender_windows", "blender_windows/s1.png"), ("word_macos", "word_macos/s2.png")):
        row = {"id": f"{name}_0", "img_filename": folder, "bbox": [1, 2, 9, 7], "img_size": [40, 30]}
        said = {"instruction": f"select in {name}", "instruction_cn": "选择", "application": name, "platform": "x"}
        write(home / f"annotations/{name}.json", [{**row, **said, "ui_type": "icon", "group": "CAD"}])
    return home


def _png(mask: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return stream.getvalue()


def refspatial(home: Path) -> Path:
    """huggingface.co/datasets/BAAI/RefSpatial-Bench, dataset card: id, image, mask, object, prompt, suffix, step."""
    rows = []
    for number, (seed, x) in enumerate(((0, 2), (0, 20), (1, 8))):
        mask = np.zeros((30, 40), np.uint8)
        mask[4:14, x : x + 10] = 255
        image = {"bytes": factory.picture(seed, SIZE), "path": None}
        rows.append(
            {
                "id": number,
                "image": image,
                "mask": {"bytes": _png(mask), "path": None},
                "object": f"the cup {number} on the left of the plate",
                "prompt": f"Please point out the cup {number} on the left of the plate.",
                "suffix": "Your answer should be formatted as a list of tuples.",
                "step": 2,
            }
        )
    home.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), home / "location-00000-of-00001.parquet", row_group_size=2)
    return home


def countbench(home: Path) -> Path:
    """huggingface.co/datasets/vikhyatk/CountBenchQA, dataset card: image, text, question, number (int32)."""
    rows = [
        {
            "image": {"bytes": factory.picture(seed, SIZE), "path": None},
            "text": f"{seed + 2} cups",
            "question": "How many cups are there in the image?",
            "number": seed + 2,
        }
        for seed in range(2)
    ]
    home.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), home / "test-00000-of-00001.parquet")
    return home / "test-00000-of-00001.parquet"


def pixmo_count(home: Path) -> Path:
    """huggingface.co/datasets/allenai/pixmo-count, dataset card: image_url, image_sha256, count, points, label."""
    data = factory.picture(0, SIZE)
    sha256 = hashlib.sha256(data).hexdigest()
    (home / "images").mkdir(parents=True)
    (home / "images" / f"{sha256}.jpg").write_bytes(data)
    points = {"x": [3.0, 9.0], "y": [4.0, 4.0]}
    row = {"image_url": "http://i/1.jpg", "image_sha256": sha256, "count": 2, "points": points, "label": "cats"}
    absent = {**row, "image_sha256": "0" * 64}
    pq.write_table(pa.Table.from_pylist([row, absent]), home / "validation-00000-of-00001.parquet")
    return home / "validation-00000-of-00001.parquet"
