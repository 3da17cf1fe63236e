"""One sample in the terminal: its record, its objects and, in colour, its picture."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from itertools import groupby
from typing import Any
from zlib import crc32

from PIL import Image, ImageColor, ImageDraw
from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from pe.reports.page import thumbnail
from pe.schemas.sample import Object, Sample

_JOINERS = "\u200c\u200d"
_WIDEST = 96


def plain(text: str) -> str:
    """`text` without anything that could steer a terminal: control, format and unassigned characters as escapes."""
    return "".join(
        char
        if char == " " or char in _JOINERS or unicodedata.category(char)[0] not in "CZ" or char == "\u00a0"
        else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def print_sample(console: Console, sample: Sample, image: bytes) -> None:
    """Print `sample` to `console`; the picture too, in half blocks, where it is a terminal with colours."""
    objects = sample.objects()
    if console.is_terminal and console.color_system is not None and not console.no_color:
        columns = max(8, min(_WIDEST, console.width))
        rows = max(4, min(console.height - 8, columns // 2))
        try:
            console.print(half_blocks(thumbnail(image, max(columns, 2 * rows)), sample, objects, columns, rows))
        except OSError:
            console.print("(the picture cannot be decoded)")
    console.print(_fields(sample))
    if objects:
        console.print(_objects(objects))
    provenance = json.loads(sample.provenance_json)
    dropped = provenance.pop("dropped", [])
    if dropped:
        console.print(_dropped(dropped))
    if provenance:
        console.print(_grid({name: _flat(value) for name, value in provenance.items()}))


def half_blocks(picture: Image.Image, sample: Sample, objects: list[Object], columns: int, rows: int) -> Text:
    """`picture` in at most `columns` x `rows` characters, two pixels each, with the boxes' outlines."""
    scale = min(columns / sample.width, 2 * rows / sample.height)
    width, height = max(1, round(sample.width * scale)), max(2, round(sample.height * scale) // 2 * 2)
    small = picture.resize((width, height), Image.Resampling.BOX)
    pen = ImageDraw.Draw(small)
    for item in objects:
        x0, y0, x1, y1 = item.bbox
        left, top = max(0, int(x0 * width / sample.width)), max(0, int(y0 * height / sample.height))
        right, bottom = int(x1 * width / sample.width) - 1, int(y1 * height / sample.height) - 1
        pen.rectangle((left, top, max(left, right), max(top, bottom)), outline=_colour(item.phrase))
    pixels = small.load()
    assert pixels is not None
    text = Text(no_wrap=True, end="")
    for y in range(0, height, 2):
        for colours, run in groupby((pixels[x, y], pixels[x, y + 1]) for x in range(width)):
            upper, lower = (f"#{r:02x}{g:02x}{b:02x}" for r, g, b in colours)  # type: ignore[misc]
            text.append("▀" * len(list(run)), Style(color=upper, bgcolor=lower))
        text.append("\n")
    return text


def _colour(phrase: str) -> tuple[int, int, int]:
    red, green, blue = ImageColor.getrgb(f"hsl({crc32(phrase.casefold().encode()) % 360}, 95%, 58%)")[:3]
    return red, green, blue


def _fields(sample: Sample) -> Table:
    return _grid(
        {
            "key": sample.key,
            "source": sample.source,
            "data source": sample.data_source,
            "kind": f"{sample.kind} {sample.ability}".strip(),
            "picture": f"{sample.width} x {sample.height} {sample.format}{', re-encoded' * sample.reencoded}",
            "sha256": sample.sha256,
            "url": sample.url,
            "license": sample.license,
            "opt-out": "yes" if sample.opt_out else "",
            "caption": sample.caption,
            "not found": ", ".join(json.loads(sample.negatives_json)),
            "verifier": f"{sample.verifier.name} {sample.verifier.params_json}".replace(" {}", ""),
            "weights": sample.reward_model.weights_json.replace("{}", ""),
        }
    )


def _grid(rows: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if value:
            table.add_row(Text(plain(name)), Text(plain(value)))
    return table


def _objects(objects: list[Object]) -> Table:
    title = "1 object" if len(objects) == 1 else f"{len(objects)} objects"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("id", "phrase", "score", "box x0, y0, x1, y1", "rings", "ring IoU"):
        table.add_column(name, justify="right" if name in {"id", "score", "rings", "ring IoU"} else "left")
    table.add_column("text, caption", overflow="fold")
    for item in objects:
        rings = f"{len(item.rings)}/{sum(map(len, item.rings)) // 2}" if item.rings else ""
        table.add_row(
            str(item.id),
            Text(plain(item.phrase), Style(color="#{:02x}{:02x}{:02x}".format(*_colour(item.phrase)))),
            f"{item.score:.4f}",
            ", ".join(f"{value:.1f}" for value in item.bbox),
            rings,
            "" if item.ring_iou is None else f"{item.ring_iou:.4f}",
            Text(plain(" · ".join(filter(None, (item.text, item.caption))))),
        )
    return table


def _dropped(dropped: list[dict[str, Any]]) -> Table:
    table = Table(title=f"{len(dropped)} dropped", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name in ("phrase", "reason", "score", "box x0, y0, x1, y1"):
        table.add_column(name)
    for item in dropped:
        table.add_row(
            Text(plain(str(item["phrase"]))),
            Text(plain(str(item["reason"]))),
            f"{item['score']:.4f}",
            ", ".join(f"{value:.1f}" for value in item["bbox"]),
        )
    return table


def _flat(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(part, str) for part in value.values()):
        return ", ".join(filter(None, value.values()))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
