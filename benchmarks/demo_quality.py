"""What the demo models reach on fresh scenes: the quality table, and the figures behind it, printed by one command.

python benchmarks/demo_quality.py [--scenes 1000] [--work build/quality] [PART ...]

Parts: table (the whole chain with --preset demo on profile base), ap (mAP at a low threshold, seen and kept-out pairs),
masks (from true boxes, and the error of the predicted IoU), profiles (dense, language), libraries (the same weights
through transformers and through groundingdino-py and segment-anything).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pe import registry
from pe.annotators.base import AdapterSettings, Instance
from pe.geometry.boxes import iou
from pe.geometry.masks import decode, mask_iou
from pe.schemas.sample import Sample
from pe.shards.output import Output
from pe.shards.pictures import Picture, load_picture
from pe.shards.read import read_shard
from pe.shards.sources.base import Meta

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
PARTS = ("table", "ap", "masks", "profiles", "libraries")
LOW = ("--box-threshold", "0.05", "--text-threshold", "0.05")


def pe(*words: object) -> str:
    """Run `pe` as a user would; what it prints."""
    done = subprocess.run([*PE, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pe {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def world(work: Path, scenes: int, split: str, profile: str = "base") -> Path:
    """Fresh scenes: seed 1, where training and its curve had seed 0."""
    out = work / f"{profile}-{split}"
    pe("synth", out, "--scenes", scenes, "--split", split, "--profile", profile, "--seed", 1)
    return out


def labelled(truth: Path, name: str, *words: object) -> Path:
    """`truth` annotated with the demo models."""
    out = truth.with_name(f"{truth.name}-{name}")
    pe("annotate", truth, out, "--preset", "demo", "--phrases", "field:phrases", *words)
    return out


def pictures(out: Path, most: int) -> Iterator[tuple[Sample, Picture]]:
    """Samples of `out` with their decoded pictures."""
    count = 0
    for shard in Output(out).shards():
        for sample, data in read_shard(shard):
            if count == most:
                return
            count += 1
            yield sample, load_picture(data, source=sample.source, meta=Meta(), source_sha256=sample.sha256)


def masks(truth: Path, scenes: int) -> dict[str, float]:
    """Mean mask IoU from true boxes, and the mean absolute error of the predicted IoU."""
    segmenter = registry.load("segmenters", "sam")(AdapterSettings(model="demo-sam"))
    ious, errors = [], []
    for sample, picture in pictures(truth, scenes):
        objects = sample.objects()
        boxes = [Instance(item.phrase, 1.0, item.bbox) for item in objects]
        for item, segment in zip(objects, segmenter.segment(picture, boxes), strict=True):
            iou = 0.0 if segment.mask is None else mask_iou(segment.mask, decode(item.mask))
            ious.append(iou)
            if segment.predicted_iou is not None:
                errors.append(abs(segment.predicted_iou - iou))
    return {"objects": len(ious), "iou": float(np.mean(ious)), "predicted_iou_error": float(np.mean(errors))}


def libraries(truth: Path, scenes: int) -> dict[str, Any]:
    """The largest difference between the libraries over `scenes` pictures: boxes (pixels), scores, mask IoU."""
    settings = AdapterSettings(model="demo-grounding-dino", box_threshold=0.3, text_threshold=0.3, batch_size=1)
    detectors = [registry.load("detectors", name)(settings) for name in ("transformers", "groundingdino")]
    segmenters = [
        registry.load("segmenters", name)(AdapterSettings(model="demo-sam")) for name in ("transformers", "sam")
    ]
    counts, box, score, least = [0, 0], 0.0, 0.0, 1.0
    for sample, picture in pictures(truth, scenes):
        phrases = sorted({item.phrase for item in sample.objects()} | set(json.loads(sample.negatives_json)))
        first, second = (detector.detect([picture], [phrases])[0].instances for detector in detectors)
        counts[0], counts[1] = counts[0] + len(first), counts[1] + len(second)
        if not first or not second:
            continue
        overlap = iou(np.array([item.box for item in first]), np.array([item.box for item in second]))
        for item, column in zip(first, overlap.argmax(axis=1), strict=True):
            other = second[int(column)]
            box = max(box, float(np.abs(np.subtract(item.box, other.box)).max()))
            score = max(score, abs(item.score - other.score) + float(item.phrase != other.phrase))
        pairs = zip(*(segmenter.segment(picture, first) for segmenter in segmenters), strict=True)
        for one, two in pairs:
            if one.mask is not None and two.mask is not None:
                least = min(least, mask_iou(one.mask, two.mask))
    return {"boxes": counts, "largest_box_difference": box, "largest_score_difference": score, "least_mask_iou": least}


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path("build/quality"))
    arguments = parser.parse_args()
    base = world(arguments.work, arguments.scenes, "test")

    def say(part: str, value: dict[str, Any]) -> None:
        print(json.dumps({"part": part, **value}), flush=True)

    if "table" in arguments.parts:
        print(pe("score-labels", labelled(base, "demo"), "--truth", base), flush=True)
    if "ap" in arguments.parts:
        for truth in (base, world(arguments.work, arguments.scenes, "kept_out")):
            say(
                f"ap {truth.name}",
                json.loads(pe("score-labels", labelled(truth, "low", *LOW), "--truth", truth, "--json")),
            )
    if "masks" in arguments.parts:
        say("masks", masks(base, arguments.scenes))
    if "profiles" in arguments.parts:
        for profile in ("dense", "language"):
            truth = world(arguments.work, arguments.scenes // 5, "test", profile)
            print(profile, pe("score-labels", labelled(truth, "demo"), "--truth", truth), sep="\n", flush=True)
    if "libraries" in arguments.parts:
        say("libraries", libraries(base, 100))


if __name__ == "__main__":
    main()
