"""The end of every detector: boxes cut to the picture, class-aware suppression, phrases asked for and not found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pe.annotators.base import Box, Detections, Dropped, Instance
from pe.geometry.boxes import clip, nms

Floats = npt.NDArray[np.float64]


def distinct(phrases: Sequence[str]) -> list[str]:
    """The phrases that can be asked for: stripped, the empty ones gone, each once whatever its case, first spelling."""
    kept: dict[str, str] = {}
    for phrase in phrases:
        if phrase.strip():
            kept.setdefault(phrase.strip().casefold(), phrase.strip())
    return list(kept.values())


def clipped(box: Sequence[float], width: int, height: int) -> tuple[Box, bool]:
    """`box` (x0, y0, x1, y1) cut to the picture, and whether anything of it is left."""
    x0, y0, x1, y1 = (float(value) for value in box)
    x0, x1 = max(x0, 0.0), min(x1, float(width))
    y0, y1 = max(y0, 0.0), min(y1, float(height))
    return (x0, y0, x1, y1), x1 > x0 and y1 > y0


def finish(
    boxes: Floats,
    scores: Floats,
    labels: npt.NDArray[np.int64],
    names: Sequence[str],
    size: tuple[int, int],
    nms_threshold: float,
    *,
    asked: Sequence[str],
    keep_suppressed: bool,
) -> Detections:
    """Detections from `boxes` (N, 4) x0, y0, x1, y1 in pixels, `scores` (N,) and `labels` (N,) into `names`.

    `size` is the picture's (width, height). Instances come with falling score. Suppression is within a label;
    `keep_suppressed` records what it removed, for detectors whose boxes are one an object to begin with.
    """
    detections = Detections()
    whole = np.isfinite(boxes).all(axis=1) & np.isfinite(scores)
    order = np.flatnonzero(whole)[np.argsort(-scores[whole], kind="stable")]
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    boxes = clip(boxes, height=size[1], width=size[0])
    alive = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kept = np.zeros(len(boxes), bool)
    index = np.flatnonzero(alive)
    kept[index[nms(boxes[alive], scores[alive], labels[alive].tolist(), nms_threshold)]] = True
    for i, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        phrase, score = names[int(labels[i])], float(scores[i])
        if kept[i]:
            detections.instances.append(Instance(phrase, score, (x0, y0, x1, y1)))
        elif keep_suppressed or not alive[i]:
            reason = "suppressed" if alive[i] else "degenerate"
            detections.dropped.append(Dropped(phrase, (x0, y0, x1, y1), reason, score))
    found = {instance.phrase for instance in detections.instances}
    detections.negatives = [phrase for phrase in asked if phrase not in found]
    return detections
