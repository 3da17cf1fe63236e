"""ScreenSpot, ScreenSpot-v2 and ScreenSpot-Pro: elements of screens by instruction.

https://github.com/njucckevin/SeeClick (screenspot_web.json ...), https://huggingface.co/datasets/OS-Copilot/ScreenSpot-v2
(screenspot_web_v2.json ...), https://github.com/likaixin2000/ScreenSpot-Pro-GUI-Grounding (eval_screenspot_pro.py)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pe.errors import InputError
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm, numbers
from pe.shards.imports._find import pictures_of
from pe.shards.imports._records import record
from pe.shards.imports._rows import in_pixels, rows_of

__all__ = ["screenspot"]

# The words that CocoForm.add takes besides fields.
_TAKEN = frozenset(("self", "image", "category", "box", "segmentation", "content_desc"))
_KNOWN = frozenset(("img_filename", "bbox", "img_size", "instruction", "id"))


def screenspot(source: Path, pictures: str, split: str) -> Layout:
    """`source` is one file, or a folder of them (that of Pro has one an application); `split` is in the file's name.

    Boxes are x, y, width, height; those of Pro, whose rows have `img_size`, are x0, y0, x1, y1. The instruction is the
    element's caption, its kind (text or icon) the phrase; the other fields become attributes.
    """
    home = source / "annotations" if (source / "annotations").is_dir() else source
    found = sorted(home.glob("*.json")) if source.is_dir() else [source]
    files = [file for file in found if split in file.stem]
    if not files:
        named = f" with {split!r} in its name, of {', '.join(file.name for file in found[:30])}" if found else ""
        raise InputError(f"{source}: there is no ScreenSpot JSON{named}")
    form = CocoForm(source)
    for file in files:
        for number, row in rows_of(file):
            with record(f"{file}: row {number}"):
                _take(form, row)
    return form.layout(pictures_of(files[0], pictures))


def _take(form: CocoForm, row: dict[str, Any]) -> None:
    x0, y0, x1, y1 = numbers(row["bbox"])
    width = height = 0.0
    if row.get("img_size") is None:
        x1, y1 = x0 + x1, y0 + y1
    else:
        width, height = numbers(row["img_size"], 2)
    in_pixels([x0, y0, x1 - x0, y1 - y0], (width, height))
    image = form.image(row["img_filename"], width, height)
    if not isinstance(row["instruction"], str):
        raise ValueError(f"an instruction is text, not {row['instruction']!r:.60}")
    said = {key: value for key, value in row.items() if key not in _KNOWN}
    if clash := sorted(said.keys() & _TAKEN):
        raise ValueError(f"a field called {clash[0]} is none of ScreenSpot's; rename it")
    kind = said.get("ui_type") or said.get("data_type") or "element"
    form.add(image, kind, [x0, y0, x1, y1], content_desc=row["instruction"], **said)
