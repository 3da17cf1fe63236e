"""How well few vertices draw a mask: `--simplify dp` and `--simplify fit` on the 929 masks of 128 COCO photographs.

python benchmarks/simplify.py --data ../shared/data

For 25 and for 14 vertices a mask, the mean over all masks with all their rings, each way takes the epsilon that gives
no more than that. IoU is with the exact mask, drawn by `pe.geometry.raster.rings_to_mask`; milliseconds are processor
time from mask to rings, of each mask the least of three.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pe.geometry.fit import fit_rings
from pe.geometry.masks import mask_iou, mask_window, segmentation_to_mask
from pe.geometry.raster import Ring, rings_to_mask
from pe.geometry.rings import mask_to_rings

Mask = npt.NDArray[np.bool_]
Simplifier = Callable[[Mask, float], list[Ring]]

WAYS: dict[str, Simplifier] = {"dp": mask_to_rings, "fit": fit_rings}
GOALS = {25: 0.990, 14: 0.972}
MILLISECONDS = 5.0


def masks(data: Path) -> list[Mask]:
    """Every mask of coco128 that is no crowd region, cut to its box."""
    content = json.loads((data / "photos/coco128/instances.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    cut = []
    for item in content["annotations"]:
        if not item["iscrowd"]:
            mask = segmentation_to_mask(item["segmentation"], *sizes[item["image_id"]])
            window = mask_window(mask)
            if window is not None:
                cut.append(np.ascontiguousarray(mask[window]))
    return cut


def epsilon_for(way: Simplifier, pieces: list[Mask], vertices: int) -> float:
    """The least epsilon, to 2 %, at which `way` takes at most `vertices` a mask in the mean."""
    low, high = 0.0005, 0.1
    while high / low > 1.02:
        middle = (low * high) ** 0.5
        mean = np.mean([sum(map(len, way(mask, middle))) for mask in pieces])
        low, high = (low, middle) if mean <= vertices else (middle, high)
    return high


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    pieces = masks(parser.parse_args().data)
    print(f"{len(pieces)} masks\n")
    print("| vertices | simplify | epsilon | mean IoU | least | vertices a mask | ms a mask |")
    print("|---|---|---|---|---|---|---|")
    reached = True
    for vertices, goal in GOALS.items():
        for name, way in WAYS.items():
            epsilon = epsilon_for(way, pieces, vertices)
            ious, counts, spent = [], [], []
            for mask in pieces:
                times = []
                for _ in range(3):
                    since = time.process_time()
                    rings = way(mask, epsilon)
                    times.append(time.process_time() - since)
                ious.append(mask_iou(rings_to_mask(rings, *mask.shape), mask))
                counts.append(sum(map(len, rings)))
                spent.append(1000.0 * min(times))
            print(
                f"| {vertices} | {name} | {epsilon:.5f} | {np.mean(ious):.4f} | {min(ious):.4f} "
                f"| {np.mean(counts):.2f} | {np.mean(spent):.2f} |",
                flush=True,
            )
            reached &= name != "fit" or (float(np.mean(ious)) >= goal and float(np.mean(spent)) < MILLISECONDS)
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
