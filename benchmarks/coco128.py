"""What `pe annotate` reaches on 128 COCO photographs, without network: one script, one JSON line a part.

python benchmarks/coco128.py --data ../shared/data --model ../shared/models/yolox_nano.onnx [PART ...]

Parts: detector (COCO metrics of YOLOX-nano's labels, grabcut masks), dataset (rings against COCO's own masks, counts),
speed (against bare decoding and bare forward passes), kills (SIGKILL and resume), bad (odd and damaged files).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from kill_and_resume import kill_and_resume
from PIL import Image
from pycocotools import mask as rle_tools
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pe.schemas.sample import Object, Sample
from pe.shards.output import Output
from pe.shards.read import read_shard

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
CORES = len(os.sched_getaffinity(0))


def pe(*words: object, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Run `pe ... --json` as a user would; its JSON object and its wall seconds."""
    since = time.monotonic()
    done = subprocess.run([*PE, *map(str, words), "--json"], capture_output=True, text=True)
    if done.returncode not in codes or "Traceback" in done.stderr:
        raise SystemExit(f"pe {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout) | {"wall": time.monotonic() - since, "code": done.returncode}


def samples(out: Path) -> Iterator[tuple[Sample, list[Object]]]:
    for shard in Output(out).shards():
        for sample, _ in read_shard(shard):
            yield sample, sample.objects()


def truth(data: Path) -> COCO:
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(data / "photos/coco128/instances.json"))


def coco_ap50(out: Path, coco: COCO) -> dict[str, float]:
    """COCO's AP and AP50 of the labels in `out`."""
    category = {item["name"]: number for number, item in coco.cats.items()}
    image_id = {item["file_name"]: number for number, item in coco.imgs.items()}
    found = [
        {
            "image_id": image_id[sample.source],
            "category_id": category[item.phrase],
            "bbox": [item.bbox[0], item.bbox[1], item.bbox[2] - item.bbox[0], item.bbox[3] - item.bbox[1]],
            "score": item.score,
        }
        for sample, objects in samples(out)
        for item in objects
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        scored = COCOeval(coco, coco.loadRes(found), "bbox")
        scored.evaluate()
        scored.accumulate()
        scored.summarize()
    return {"ap": round(float(scored.stats[0]), 4), "ap50": round(float(scored.stats[1]), 4), "boxes": len(found)}


def detector(data: Path, model: Path, work: Path) -> dict[str, Any]:
    """AP50 at two thresholds; grabcut's masks against the ground truth of the same phrase with box IoU >= 0.5."""
    photos, coco = data / "photos/coco128/images", truth(data)
    flags = ("--detector", "onnx", "--detector-model", model, "--captioner", "none")
    result: dict[str, Any] = {}
    for threshold in (0.05, 0.25):
        out = work / f"yolox-{threshold}"
        pe("annotate", photos, out, *flags, "--segmenter", "none", "--box-threshold", threshold)
        result[f"at {threshold}"] = coco_ap50(out, coco)
    out = work / "yolox-grabcut"
    run = pe("annotate", photos, out, *flags, "--segmenter", "grabcut", "--box-threshold", 0.25)
    ious = []
    for sample, objects in samples(out):
        image = next(item for item in coco.imgs.values() if item["file_name"] == sample.source)
        answers = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]], iscrowd=False))
        for item in objects:
            x0, y0, x1, y1 = item.bbox
            same = [answer for answer in answers if coco.cats[answer["category_id"]]["name"] == item.phrase]
            if not same or item.mask is None:
                continue
            overlaps = rle_tools.iou([[x0, y0, x1 - x0, y1 - y0]], [answer["bbox"] for answer in same], [0] * len(same))
            best = int(overlaps[0].argmax())
            if overlaps[0][best] >= 0.5:
                rle = {"size": list(item.mask.size), "counts": item.mask.counts}
                ious.append(float(rle_tools.iou([rle], [coco.annToRLE(same[best])], [0])[0, 0]))
    pe("view", out, "--output", work / "yolox-grabcut.html")
    result["grabcut"] = {"masks": len(ious), "mean_iou": round(float(np.mean(ious)), 4), "seconds": run["seconds"]}
    result["reached"] = result["at 0.05"]["ap50"] >= 0.48 and result["at 0.25"]["ap50"] >= 0.40
    return result


def dataset_flags(data: Path) -> list[str]:
    annotations = data / "photos/coco128/instances.json"
    return ["--detector", "dataset", "--annotations", str(annotations), "--captioner", "none"]


def dataset(data: Path, model: Path, work: Path) -> dict[str, Any]:
    """Every ring against COCO's own mask, drawn by COCO's own rasteriser; objects against the annotation file."""
    out, coco = work / "dataset", truth(data)
    pe("annotate", data / "photos/coco128/images", out, *dataset_flags(data), "--segmenter", "dataset")
    ious, dropped, mismatched, vertices = [], Counter(), [], []
    for sample, objects in samples(out):
        gone = json.loads(sample.provenance_json).get("dropped", [])
        dropped.update(item["reason"] for item in gone)
        image = next(item for item in coco.imgs.values() if item["file_name"] == sample.source)
        answers = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        if len(answers) != len(objects) + len(gone):
            mismatched.append(sample.source)
        solid = [answer for answer in answers if not answer["iscrowd"]]
        for item, answer in zip(objects, solid, strict=True):
            drawn = np.zeros((sample.height, sample.width), np.uint8)
            for ring in item.rings or []:
                if len(ring) >= 6:
                    drawn ^= rle_tools.decode(rle_tools.frPyObjects([ring], sample.height, sample.width))[..., 0]
            ious.append(_iou(drawn.astype(bool), coco.annToMask(answer).astype(bool)))
            vertices.append(sum(len(ring) // 2 for ring in item.rings or []))
    return {
        "objects": len(ious),
        "dropped": dict(dropped),
        "in_the_file": len(coco.anns),
        "pictures_whose_count_differs": mismatched,
        "mean_iou": round(float(np.mean(ious)), 4),
        "least_iou": round(float(np.min(ious)), 4),
        "under_0.9": int(np.sum(np.array(ious) < 0.9)),
        "mean_vertices": round(float(np.mean(vertices)), 1),
        "reached": float(np.mean(ious)) >= 0.975 and not mismatched and len(ious) + dropped["crowd"] == len(coco.anns),
    }


def _iou(a: Any, b: Any) -> float:
    union = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / union if union else 1.0


def copies(photos: Path, folder: Path, times: int) -> None:
    """`times` copies of every photo, each with a comment of its own, as exact duplicates would be dropped."""
    for number in range(times):
        (folder / f"{number:03d}").mkdir(parents=True)
        for path in sorted(photos.iterdir()):
            data = path.read_bytes()
            text = f"copy {number}".encode()
            comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
            (folder / f"{number:03d}" / path.name).write_bytes(data[:2] + comment + data[2:])


def speed(data: Path, model: Path, work: Path) -> dict[str, Any]:
    """Runs against this machine's limits, measured in the same run: bare decoding, bare forward passes."""
    photos = work / "copies"
    copies(data / "photos/coco128/images", photos, 40)
    inputs = sum(1 for _ in photos.rglob("*.jpg"))
    result: dict[str, Any] = {"inputs": inputs, "cores": CORES}

    before = pe("bench", data / "photos/coco128/images")["decode_per_second"]
    # Many slices, so that no worker stands idle for long at the end.
    both = ("--workers", CORES, "--shard-inputs", 200)
    boxes = pe("annotate", photos, work / "speed-boxes", *dataset_flags(data), "--segmenter", "none", *both)
    after = pe("bench", data / "photos/coco128/images")["decode_per_second"]
    limit = (before + after) / 2 * CORES
    result["boxes"] = {
        "decode_per_second_one_core": [before, after],
        "per_second": round(inputs / boxes["wall"], 1),
        "share_of_decode_rate": round(inputs / boxes["wall"] / limit, 3),
        "stages_ms": _per_input(boxes, inputs),
        "reached": inputs / boxes["wall"] >= 0.75 * limit,
    }
    masks = pe("annotate", photos, work / "speed-masks", *dataset_flags(data), "--segmenter", "dataset", *both)
    busy = sum(stage["cpu"] for stage in masks["stages"].values())
    result["masks"] = {
        "per_second": round(inputs / masks["wall"], 1),
        "stages_ms": _per_input(masks, inputs),
        "cpu_of_stages_to_wall_times_cores": round(busy / (masks["wall"] * CORES), 3),
        "reached": busy >= 0.85 * masks["wall"] * CORES,
    }
    some = work / "some"
    copies(data / "photos/coco128/images", some, 16)
    count = sum(1 for _ in some.rglob("*.jpg"))
    bare = _bare_yolox(some, model)
    flags = ["--detector", "onnx", "--detector-model", model, "--segmenter", "none", "--captioner", "none"]
    whole = pe("annotate", some, work / "speed-yolox", *flags, *both)
    bare_after = _bare_yolox(some, model)
    bare = {name: (bare[name] + bare_after[name]) / 2 for name in bare}
    ratio = whole["wall"] / (bare["decode"] + bare["forward"])
    result["yolox"] = {
        "inputs": count,
        "wall": round(whole["wall"], 2),
        "bare_seconds": {name: round(value, 2) for name, value in bare.items()},
        "ratio": round(ratio, 3),
        "stages_ms": _per_input(whole, count),
        "reached": ratio <= 1.15,
    }
    result["reached"] = all(result[part]["reached"] for part in ("boxes", "masks", "yolox"))
    return result


def _per_input(run: dict[str, Any], inputs: int) -> dict[str, float]:
    return {name: round(1000 * stage["cpu"] / inputs, 3) for name, stage in run["stages"].items()}


def _bare_yolox(photos: Path, model: Path) -> dict[str, float]:
    """Seconds of decoding every photo and of one forward pass for each, one after the other, nothing else."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CORES
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    paths = sorted(photos.rglob("*.jpg"))
    since = time.monotonic()
    for path in paths:
        with Image.open(path, formats=("JPEG",)) as image:
            image.load()
    decode = time.monotonic() - since
    blob = np.full((1, 3, 416, 416), 114, np.float32)
    name = session.get_inputs()[0].name
    session.run(None, {name: blob})
    since = time.monotonic()
    for _ in paths:
        session.run(None, {name: blob})
    return {"decode": decode, "forward": time.monotonic() - since}


def kills(data: Path, model: Path, work: Path) -> dict[str, Any]:
    """100 SIGKILLs, half of them with one worker and half with four."""
    outcomes = []
    for workers in (1, 4):
        folder = work / f"kills-{workers}"
        folder.mkdir()
        flags = [*dataset_flags(data), "--segmenter", "dataset", "--shard-inputs", "8"]
        outcome = kill_and_resume(
            data / "photos/coco128/images", flags, kills=50, workers=workers, folder=folder, seed=workers
        )
        outcomes.append(asdict(outcome))
    whole = all(item["identical"] and not item["leftovers"] for item in outcomes)
    after = sum(item["after_commit"] for item in outcomes)
    return {"runs": outcomes, "after_commit": after, "reached": whole and after >= 30}


def bad(data: Path, model: Path, work: Path) -> dict[str, Any]:
    """Odd and damaged files and both img2dataset forms: every input accounted for, no traceback."""
    result: dict[str, Any] = {}
    flags = ["--detector", "onnx", "--detector-model", model, "--segmenter", "grabcut"]
    sources = {
        "badimages": (data / "badimages/files", sum(1 for _ in (data / "badimages/files").iterdir())),
        "img2dataset webdataset": (data / "img2dataset/made_clean", 68),
        "img2dataset parquet": (data / "img2dataset/made_parquet", 17),
    }
    for name, (source, expected) in sources.items():
        run = pe("annotate", source, work / name.replace(" ", "-"), *flags, codes=(0, 3))
        counts = run["run"]
        total = counts["written"] + counts["duplicates"]
        total += sum(counts["filtered"].values()) + sum(counts["quarantined"].values())
        result[name] = {"expected": expected, "code": run["code"], **counts, "adds_up": total == counts["inputs"]}
        result[name]["reached"] = total == counts["inputs"] == expected
    result["reached"] = all(part["reached"] for part in list(result.values()))
    return result


PARTS = {"detector": detector, "dataset": dataset, "speed": speed, "kills": kills, "bad": bad}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "parts", nargs="*", default=[], metavar="PART", help=f"of {', '.join(PARTS)}; all when left out"
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=Path("../shared/models/yolox_nano.onnx"))
    parser.add_argument("--keep", type=Path, help="write into this folder and keep it")
    options = parser.parse_args()
    reached = True
    with tempfile.TemporaryDirectory(prefix="pe-coco128-") as temporary:
        work = options.keep or Path(temporary)
        work.mkdir(parents=True, exist_ok=True)
        for name in options.parts or PARTS:
            result = PARTS[name](options.data.absolute(), options.model.absolute(), work)
            print(json.dumps({"part": name, **result}), flush=True)
            reached &= bool(result["reached"])
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
