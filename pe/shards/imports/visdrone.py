"""VisDrone-DET: a text file a picture, one object a line.

https://github.com/VisDrone/VisDrone2018-DET-toolkit (README, utils/dropObjectsInIgr.m)
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from pe.errors import InputError
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm
from pe.shards.imports._records import record

__all__ = ["visdrone"]

CLASSES = (
    *("ignored regions", "pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle"),
    *("bus", "motor", "others"),
)
_COUNTED = CLASSES[1:-1]


def visdrone(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a set's folder with `images` and `annotations`, or its annotations.

    A line is left, top, width, height (pixels), score, category, truncation, occlusion. What the evaluation leaves out
    is dropped as ignored: score 0, ignored regions, others, and an object at least half of which lies in ignored
    regions. In a picture without an ignored region, a category without an object is absent.
    """
    home = source / "annotations" if (source / "annotations").is_dir() else source
    files = sorted(home.glob("*.txt")) if home.is_dir() else []
    if not files:
        raise InputError(f"{source}: there are no VisDrone annotations in it (annotations/*.txt)")
    form = CocoForm(home)
    for name in _COUNTED:
        form.category(name)
    for file in files:
        image = form.image(f"{file.stem}.jpg")
        lines = [
            (number, _read(line, f"{file}:{number}"))
            for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1)
            if line.strip()
        ]
        regions = [values[:4] for _, values in lines if values[5] == 0]
        for number, (left, top, width, height, score, kind, truncation, occlusion) in lines:
            name = CLASSES[kind]
            ignore = not score or name not in _COUNTED or _hidden((left, top, width, height), regions) >= 0.5
            box = [left, top, left + width, top + height]
            with record(f"{file}:{number}"):
                form.add(image, name, box, ignore=ignore, truncation=truncation, occlusion=occlusion)
        if not regions:
            form.absent(image, list(_COUNTED))
    beside = home.parent / "images"
    return form.layout(pictures or str(beside if beside.is_dir() else home.parent))


def _read(line: str, place: str) -> list[int]:
    try:
        values = list(map(int, line.rstrip(",\r").split(",")))
    except ValueError:
        values = []
    if len(values) != 8 or not 0 <= values[5] < len(CLASSES):
        raise InputError(f"{place}: not VisDrone's eight numbers: {line[:60]!r}")
    return values


def _hidden(box: tuple[int, int, int, int], regions: list[list[int]]) -> float:
    """The share of `box` (left, top, width, height) that lies in `regions`, counted as the toolkit does."""
    left, top, width, height = (max(1, value) for value in box)
    # Its regions begin a pixel before their left and top, its boxes do not.
    spans = [
        (max(left, x - 1), max(top, y - 1), min(left + width, x + w), min(top + height, y + h))
        for x, y, w, h in ([max(1, value) for value in region] for region in regions)
    ]
    spans = [span for span in spans if span[0] < span[2] and span[1] < span[3]]
    columns = pairwise(sorted({x for span in spans for x in span[::2]}))
    rows = list(pairwise(sorted({y for span in spans for y in span[1::2]})))
    covered = sum(
        (x1 - x0) * (y1 - y0)
        for x0, x1 in columns
        for y0, y1 in rows
        if any(a <= x0 and x1 <= c and b <= y0 and y1 <= d for a, b, c, d in spans)
    )
    return covered / (width * height)
