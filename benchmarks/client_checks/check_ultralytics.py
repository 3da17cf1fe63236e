"""Ultralytics' label checker finds no corrupt label, and its polygons are as many as the objects."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import ultralytics
from ultralytics.data.utils import check_det_dataset, img2label_paths, verify_image_label

folder = Path(sys.argv[1])
config = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
images = sorted(str(path) for path in Path(config["train"]).iterdir())
labels = segments = 0
for image, label in zip(images, img2label_paths(images), strict=True):
    words = (image, label, "", False, len(config["names"]), 0, 0, False)
    _, found, _, outlines, _, missing, _, empty, corrupt, message = verify_image_label(words)
    assert not missing, message
    assert not corrupt, message
    labels += len(found)
    segments += len(outlines)
assert labels == segments == 35, (labels, segments)
print(json.dumps({"version": ultralytics.__version__, "images": len(images), "labels": labels, "polygons": segments}))
