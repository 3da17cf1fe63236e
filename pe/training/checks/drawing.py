"""The first batch to look at: each answer's objects drawn on the picture, the text that the model gets beside it."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from zlib import crc32

from PIL import Image, ImageColor, ImageDraw

from pe.formats import Item
from pe.shards.output import disk_errors, write_whole

_LEAST = 480  # px of the longer side of a drawn picture
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:24px;color-scheme:light dark}figure{margin:0 0 32px}"
    "img{max-width:100%;max-height:70vh}pre{white-space:pre-wrap;overflow-wrap:anywhere}"
)


@dataclass(frozen=True)
class Shown:
    """One row: its picture, the objects of its answer in pixels of that, and words."""

    key: str
    picture: Any
    objects: Sequence[Item]
    text: str
    answer: str
    note: str


def save_first_batch(folder: Path, rows: Iterable[Shown]) -> Path:
    """KEY.png of every row and index.html, which opens from disk and runs nothing, in `folder`; the page's path."""
    figures = []
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        stream = io.BytesIO()
        draw(row.picture, row.objects).save(stream, "PNG")
        write_whole(folder / f"{row.key}.png", stream.getvalue())
        data = base64.b64encode(stream.getvalue()).decode("ascii")
        words = [html.escape(word) for word in (row.key, row.note, row.text, row.answer)]
        figures.append(
            f'<figure><h2>{words[0]}</h2><img src="data:image/png;base64,{data}" alt=""><p>{words[1]}</p>'
            f"<pre>{words[2]}</pre><p>Its answer</p><pre>{words[3]}</pre></figure>"
        )
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
        f'content="{policy}"><title>First batch</title><style>{_STYLE}</style><h1>First batch</h1>{"".join(figures)}'
    )
    write_whole(folder / "index.html", page.encode("utf-8", "backslashreplace"))
    return folder / "index.html"


def draw(picture: Any, objects: Sequence[Item]) -> Any:
    """`picture` (PIL, RGB), enlarged where it is small, with boxes, rings, points and names of `objects`."""
    width, height = picture.size
    scale = max(1, -(-_LEAST // max(width, height)))
    large = picture.resize((width * scale, height * scale), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(large)
    thick = max(2, max(large.size) // 300)
    for item in objects:
        colour = ImageColor.getrgb(f"hsl({crc32(item.phrase.casefold().encode()) % 360}, 95%, 55%)")
        if item.bbox is not None:
            x0, y0, x1, y1 = (value * scale for value in item.bbox)
            pen.rectangle((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), outline=colour, width=thick)
        for ring in item.rings or ():
            points = [(x * scale, y * scale) for x, y in zip(ring[::2], ring[1::2], strict=True)]
            pen.line([*points, points[0]], fill=colour, width=thick)
        for point in chain([item.point], (item.keypoints or {}).values()):
            if point is not None:
                x, y = (value * scale for value in point)
                pen.ellipse((x - 2 * thick, y - 2 * thick, x + 2 * thick, y + 2 * thick), fill=colour)
        numbers = item.numbers()
        if item.phrase and len(numbers) > 1:
            corner = (min(numbers[::2]) * scale + thick, min(numbers[1::2]) * scale + thick)
            name = item.phrase.encode("latin-1", "replace").decode("latin-1")[:40]
            pen.rectangle(pen.textbbox(corner, name), fill=(0, 0, 0))
            pen.text(corner, name, fill=colour)
    return large
