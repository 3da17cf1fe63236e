"""What the pages share: one HTML file that opens from disk without a network.

Every word in a record is hostile here. Records reach a page as JSON in an inert script element, the page's script
writes them as text only, and its content policy runs that script alone and loads nothing but the pictures inside.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

_SIDE = 640


def render(name: str, title: str, note: str, data: Any) -> str:
    """The page `name`.html with its style and script (after those that all pages share), holding `data`.

    `title` heads the page, `note` stands below it.
    """
    here = Path(__file__).parent
    style, script = (
        "\n".join((here / f"{stem}.{kind}").read_text("utf-8") for stem in ("page", name)) for kind in ("css", "js")
    )
    parts = {
        "policy": f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}",
        "title": html.escape(title),
        "note": html.escape(note),
        "style": style,
        "script": script,
        "data": _inert(data),
    }
    page = (here / f"{name}.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], page)


def thumbnail(image: bytes, side: int) -> Image.Image:
    """The picture in RGB with its longer side at most `side` px; raises OSError when it cannot be decoded."""
    with Image.open(io.BytesIO(image)) as opened:
        opened.draft("RGB", (side, side))
        picture = opened.convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def data_uri(image: bytes) -> str:
    """The picture as a data: address, its longer side at most 640 px; "" when it cannot be decoded."""
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
