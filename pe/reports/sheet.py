"""The contact sheet: one HTML page with pictures, boxes, rings and words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from pe.reports.page import data_uri, render
from pe.schemas.sample import Object, Sample


def contact_sheet(title: str, note: str, samples: Iterable[tuple[Sample, bytes]]) -> tuple[str, int]:
    """A self-contained HTML page of `samples`, each a record with its image bytes, and how many there are.

    `title` heads the page, `note` stands below it. Pictures are scaled to at most 640 px.
    """
    cards = [_card(sample, image) for sample, image in samples]
    return render("sheet", title, note, cards), len(cards)


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
        "picture": data_uri(image),
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
        shape["path"] = "".join(svg_path(ring, shift) for ring in item.rings)
    return shape


def svg_path(ring: Sequence[float], shift: float = 0.0) -> str:
    """The ring of x, y, x, y, ... as an SVG path, `shift` pixels to the right and down."""
    pairs = [f"{x + shift:g} {y + shift:g}" for x, y in zip(ring[::2], ring[1::2], strict=True)]
    return f"M{'L'.join(pairs)}Z"
