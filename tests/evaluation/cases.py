"""Cases for tests of metrics, built from objects rather than from texts, and the figures of some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pe import registry
from pe.evaluation.case import Case, Kind
from pe.evaluation.lines import Line
from pe.formats import Decoded, Item
from pe.verifiers import Truth, panel

VERIFIERS: dict[str, tuple[str, str]] = {
    "boxes": ("detection", "{}"),
    "masks": ("segmentation", "{}"),
    "points": ("point-in-mask", "{}"),
    "click": ("gui", "{}"),
    "keypoints": ("keypoints", "{}"),
    "texts": ("ocr", "{}"),
    "transcript": ("ocr", '{"region": "none"}'),
    "count": ("count", '{"by": "text"}'),
}


def case(
    truths: Sequence[dict[str, Any]] = (),
    items: Sequence[Item] = (),
    *,
    kind: Kind = "boxes",
    negatives: Sequence[str] = (),
    image: tuple[int, int] = (100, 100),
    status: Any = "",
    text: str = "",
    ability: str = "detection",
    params: str = "",
    whole: str = "",
    line: Line | None = None,
    **more: Any,
) -> Case:
    """One response with `items`; without any it says that nothing is there, unless `status` says otherwise.

    `text` is the answer's, `whole` the truth's.
    """
    name, parameters = VERIFIERS[kind]
    verifier = panel(name, params or parameters).verifiers[0]
    other = {key: more.pop(key) for key in ("scored", "others") if key in more}
    truth = Truth.model_validate({"objects": list(truths), "negatives": list(negatives), "text": whole, **more})
    status = status or ("ok" if items or text else "none-present")
    answer = Decoded(objects=tuple(items), text=text, status=status)
    return Case(kind, verifier, ability, image, truth, answer, line or Line("k", text), **other)


def figures(name: str, *cases: Case, images: Sequence[int] | None = None) -> dict[str, float | None]:
    """The figures of metric `name` over `cases` that it applies to, each of an image of its own."""
    metric = registry.load("metrics", name)()
    rows = [metric.add(one) for one in cases if metric.applies(one)]
    places = np.arange(len(rows)) if images is None else np.array(images)
    total = metric.totals(np.array(rows, np.int64), places, np.ones(len(rows)))
    values = total(np.ones((1, int(places.max()) + 1)))
    assert list(values) == list(metric.figures)
    return {figure: None if np.isnan(value[0]) else float(value[0]) for figure, value in values.items()}


def truth(box: Sequence[float], phrase: str = "cat") -> dict[str, Any]:
    """A box of the truth."""
    return {"phrase": phrase, "bbox": list(box)}


def item(box: Sequence[float], phrase: str = "cat", score: float | None = None) -> Item:
    """A box of an answer."""
    x0, y0, x1, y1 = map(float, box)
    return Item(phrase, bbox=(x0, y0, x1, y1), score=score)
