"""VisDrone-DET: a text file a picture, one object a line.

https://github.com/VisDrone/VisDrone2018-DET-toolkit (README)
"""

from __future__ import annotations

from pathlib import Path

from pe.errors import InputError
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm

__all__ = ["visdrone"]

CLASSES = (
    *("ignored regions", "pedestrian", "people", "bicycle", "car", "van", "truck", "tricycle", "awning-tricycle"),
    *("bus", "motor", "others"),
)
_COUNTED = CLASSES[1:-1]


def visdrone(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a set's folder with `images` and `annotations`, or its annotations.

    A line is left, top, width, height, score, category, truncation, occlusion. What the evaluation leaves out is
    dropped as ignored: score 0, ignored regions, others. In a picture without an ignored region, a category without an
    object is absent.
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
        whole = True
        for number, line in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
            if not line.strip():
                continue
            try:
                left, top, width, height, score, kind, truncation, occlusion = map(int, line.rstrip(",\r").split(","))
                name = CLASSES[kind] if kind >= 0 else CLASSES[len(CLASSES)]
            except (ValueError, IndexError):
                raise InputError(f"{file}:{number}: not VisDrone's eight numbers: {line[:60]!r}") from None
            whole &= kind > 0
            box = [left, top, left + width, top + height]
            ignore = not score or name not in _COUNTED
            form.add(image, name, box, ignore=ignore, truncation=truncation, occlusion=occlusion)
        if whole:
            form.absent(image, list(_COUNTED))
    beside = home.parent / "images"
    return form.layout(pictures or str(beside if beside.is_dir() else home.parent))
