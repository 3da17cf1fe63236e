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
from pe.shards.imports._rows import rows_of

__all__ = ["screenspot"]

_KNOWN = frozenset(("img_filename", "bbox", "img_size", "instruction", "id"))


def screenspot(source: Path, pictures: str, split: str) -> Layout:
    """`source` is one file, or a folder of them (that of Pro has one an application); `split` is in the file's name.

    Boxes are x, y, width, height; those of Pro, whose rows have `img_size`, are x0, y0, x1, y1. The instruction is the
    element's caption, its kind (text or icon) the phrase; the other fields become attributes.
    """
    files = [source]
    if source.is_dir():
        home = source / "annotations" if (source / "annotations").is_dir() else source
        files = sorted(file for file in home.glob("*.json") if split in file.stem)
        if not files:
            raise InputError(f"{source}: there is no ScreenSpot JSON in it")
    form = CocoForm(source)
    for file in files:
        for number, row in rows_of(file):
            try:
                _take(form, row)
            except (KeyError, TypeError, ValueError) as error:
                why = f"it has no {error}" if isinstance(error, KeyError) else error
                raise InputError(f"{file}: row {number}: {why}") from None
    return form.layout(pictures_of(files[0], pictures))


def _take(form: CocoForm, row: dict[str, Any]) -> None:
    x0, y0, x1, y1 = numbers(row["bbox"])
    size = row.get("img_size")
    if size is None:
        x1, y1 = x0 + x1, y0 + y1
    image = form.image(row["img_filename"], *(numbers(size, 2) if size is not None else ()))
    if not isinstance(row["instruction"], str):
        raise ValueError(f"an instruction is text, not {row['instruction']!r:.60}")
    said = {key: value for key, value in row.items() if key not in _KNOWN}
    kind = said.get("ui_type") or said.get("data_type") or "element"
    form.add(image, kind, [x0, y0, x1, y1], content_desc=row["instruction"], **said)
