"""The contact sheet: one HTML page with pictures, boxes, rings and words, that opens from disk without a network.

Every word in a record is hostile here. Records reach the page as JSON in an inert script element, the page's script
writes them as text only, and its content policy runs that script alone and loads nothing but the pictures inside.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pe.schemas.sample import Object, Sample

_SIDE = 640


def contact_sheet(title: str, note: str, samples: Iterable[tuple[Sample, bytes]]) -> tuple[str, int]:
    """A self-contained HTML page of `samples`, each a record with its image bytes, and how many there are.

    `title` heads the page, `note` stands below it. Pictures are scaled to at most 640 px.
    """
    cards = [_card(sample, image) for sample, image in samples]
    here = Path(__file__).parent
    style, script = (here / "sheet.css").read_text("utf-8"), (here / "sheet.js").read_text("utf-8")
    parts = {
        "policy": f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        "title": html.escape(title),
        "note": html.escape(note),
        "style": style,
        "script": script,
        "data": _inert(cards),
    }
    page = (here / "sheet.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page), len(cards)


def thumbnail(image: bytes, side: int) -> Image.Image:
    """The picture in RGB with its longer side at most `side` px; raises OSError when it cannot be decoded."""
    with Image.open(io.BytesIO(image)) as opened:
        opened.draft("RGB", (side, side))
        picture = opened.convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _card(sample: Sample, image: bytes) -> dict[str, Any]:
    provenance = json.loads(sample.provenance_json)
    return {
        "key": sample.key,
        "source": sample.source,
        "data_source": sample.data_source,
        "url": sample.url,
        "license": sample.license,
        "caption": sample.caption,
        "width": sample.width,
        "height": sample.height,
        "picture": _data_uri(image),
        "objects": [_shape(item) for item in sample.objects()],
        "negatives": json.loads(sample.negatives_json),
        "dropped": provenance.get("dropped", []),
        "made_by": {
            stage: provenance[stage] for stage in ("detector", "segmenter", "captioner") if provenance.get(stage)
        },
    }


def _shape(item: Object) -> dict[str, Any]:
    shape = item.model_dump(mode="python", exclude_none=True, exclude={"mask", "rings", "keypoints"})
    if item.rings:
        # contours through pixel centres are drawn through the middle of their pixels
        shift = 0.5 if item.orientation == "simpleseg-compat" else 0.0
        shape["path"] = "".join(_path(ring, shift) for ring in item.rings)
    return shape


def _path(ring: Sequence[float], shift: float) -> str:
    pairs = [f"{x + shift:g} {y + shift:g}" for x, y in zip(ring[::2], ring[1::2], strict=True)]
    return f"M{'L'.join(pairs)}Z"


def _data_uri(image: bytes) -> str:
    try:
        picture = thumbnail(image, _SIDE)
    except OSError:
        return ""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=80, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


def _inert(value: Any) -> str:
    """JSON in which no '<' and no '&' is left to end the element that holds it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
