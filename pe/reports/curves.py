"""What a run logged, as curves: one a figure, with a line a data source."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pe.evaluation.monitors.figures import figures

MOST_POINTS = 400

Points = list[tuple[int, float]]

# The order of what is looked at first; everything else is folded away.
_MAIN = (
    *(
        "loss",
        "eval_loss",
        "reward",
        "reward_std",
        "mean_token_accuracy",
        "entropy",
        "kl",
        "grad_norm",
        "learning_rate",
    ),
    *("completions/mean_length", "completions/clipped_ratio", "frac_reward_zero_std"),
    *("score", "f1_50", "precision_50", "recall_50", "iou", "presence_mcc", "wrong_rejection", "wrong_acceptance"),
    *("off_target", "duplicates", "objects", "truths", "missing", "state_unparsable"),
)
_CLOCKS = ("epoch", "step", "total_flos")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one a line; lines that are none (a kill may have cut the last one) are left out."""
    try:
        with path.open("rb") as stream:
            for line in stream:
                try:
                    value = json.loads(line)
                except (ValueError, RecursionError):
                    continue
                if isinstance(value, dict):
                    yield value
    except FileNotFoundError:
        return


def curves(path: Path) -> tuple[list[dict[str, Any]], int]:
    """The curves of a metrics.jsonl and its last step; the last line that names a step counts.

    A curve is {"name", "main", "lines": [{"source", "points": [[step, value], ...]}]} with at most 400 points a line,
    each the mean of as many neighbours as it takes. Only finite numbers are drawn.
    """
    known = set(figures({}))
    found: defaultdict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    last = 0
    for line in read_lines(path):
        step = line.get("step")
        if isinstance(step, bool) or not isinstance(step, int):
            continue
        last = max(last, step)
        for name, value in line.items():
            if name in _CLOCKS or isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if math.isfinite(value):
                found[_split(name, known)][step] = float(value)
    by_name: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for (name, source), values in sorted(found.items()):
        by_name[name].append({"source": source, "points": _thinned(sorted(values.items()))})
    order = {name: place for place, name in enumerate(_MAIN)}
    names = sorted(by_name, key=lambda name: (order.get(name, len(order)), name))
    return [{"name": name, "main": name in order, "lines": by_name[name]} for name in names], last


def _split(name: str, known: set[str]) -> tuple[str, str]:
    """The figure and the data source of a name that a monitor logged; all others have no source."""
    figure, _, source = name.partition("/")
    if source and (figure in known or figure.startswith(("component_", "metric_"))):
        return figure, source
    return name, ""


def _thinned(points: Sequence[tuple[int, float]]) -> Points:
    size = -(-len(points) // MOST_POINTS)
    if size <= 1:
        return list(points)
    groups = (points[start : start + size] for start in range(0, len(points), size))
    return [(group[-1][0], sum(value for _, value in group) / len(group)) for group in groups]
