"""Sums as figures: shares, means and rates, None where there is nothing to divide by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from pe.evaluation.metrics._presence import presence_mcc
from pe.evaluation.monitors.objects import THRESHOLDS
from pe.evaluation.monitors.reflection import WORDS

Sums = Mapping[str, float]
Figures = dict[str, float | None]

_STATES = ("ok", "repaired", "truncated", "none-present", "unparsable")


def figures(counted: Sums) -> Figures:
    """Every figure of a monitor from its sums; docs/monitors.md says what each is."""
    sums = defaultdict(float, counted)
    count = int(sums["responses"])
    values: Figures = {
        "responses": count,
        "score": _share(sums, "score", "scored"),
        "missing": _share(sums, "missing", "responses"),
        "correct": _share(sums, "correct", "judged"),
    }
    for key in sorted(key for key in sums if key.startswith(("component_", "metric_"))):
        values[key] = sums[key] / sums[f"n_{key}"]
    for state in _STATES:
        values[f"state_{state.replace('-', '_')}"] = sums[f"state_{state}"] / count if count else None
    values |= _lengths(sums) | _reflection(sums) | _objects(sums)
    return values


def _lengths(sums: Sums) -> Figures:
    values: Figures = {}
    for suffix in ("", "_correct", "_wrong"):
        values[f"length{suffix}"] = _share(sums, f"length{suffix}", f"texts{suffix}")
        values[f"tokens{suffix}"] = _share(sums, f"tokens{suffix}", f"counted{suffix}")
        values[f"clipped{suffix}"] = _share(sums, f"clipped{suffix}", f"limited{suffix}")
    return values


def _reflection(sums: Sums) -> Figures:
    with_words, without = sums["reflecting_correct"], sums["correct"] - sums["reflecting_correct"]
    reflecting = sums["reflecting_correct"] + sums["reflecting_wrong"]
    plain = sums["judged"] - reflecting
    values: Figures = {
        "reflection": _share(sums, "reflecting", "texts"),
        "reflection_in_correct": _share(sums, "reflecting_correct", "texts_correct"),
        "reflection_in_wrong": _share(sums, "reflecting_wrong", "texts_wrong"),
        "correct_with_reflection": with_words / reflecting if reflecting else None,
        "correct_without_reflection": without / plain if plain else None,
    }
    return values | {f"word_{word.replace(' ', '_')}": int(sums[f"word_{word}"]) for word in WORDS}


def _objects(sums: Sums) -> Figures:
    values: Figures = {"objects": _share(sums, "objects", "read"), "truths": _share(sums, "truths", "read")}
    values["iou"] = _share(sums, "iou", "compared_truths")
    found, there = sums["compared_objects"], sums["compared_truths"]
    for threshold in THRESHOLDS:
        name = f"{threshold * 100:.0f}"
        hits = sums[f"hits_{name}"]
        values[f"precision_{name}"] = hits / found if found else None
        values[f"recall_{name}"] = hits / there if there else None
        values[f"f1_{name}"] = 2 * hits / (found + there) if found + there else None
    values |= {
        "map": _share(sums, "ap", "pictures_with_truth"),
        "duplicates": _share(sums, "duplicates", "objects"),
        "large_boxes": _share(sums, "large", "regions"),
        "off_target": _share(sums, "off_target", "compared_objects"),
        "presence_mcc": presence_mcc(sums),
        "wrong_rejection": sums["fn"] / (sums["tp"] + sums["fn"]) if sums["tp"] + sums["fn"] else None,
        "wrong_acceptance": sums["fp"] / (sums["fp"] + sums["tn"]) if sums["fp"] + sums["tn"] else None,
        "tokens_per_object": _share(sums, "object_tokens", "objects_with_tokens"),
    }
    absent, pairs = sums["fp"] + sums["tn"], sum(sums[name] for name in ("tp", "fp", "fn", "tn"))
    return values | {"absent_share": absent / pairs if pairs else None}


def _share(sums: Sums, part: str, whole: str) -> float | None:
    return sums[part] / sums[whole] if sums[whole] else None
