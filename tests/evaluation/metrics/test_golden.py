"""Figures against the outputs of the published evaluation code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pe.evaluation.case import Case
from pe.evaluation.metrics._rexomni import crosses_itself
from pe.evaluation.metrics.rexomni_oks_compat import similarity
from pe.formats import Item
from pe.verifiers import Target
from pe.verifiers.nms_ap_compat import kept_by_ovdeval
from tests.evaluation.cases import case, figures, item, truth


def golden(shared: Path, name: str, field: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((shared.parent / "golden" / f"{name}_golden.json").read_text())[field]
    assert found
    return found


def boxes(one: dict[str, Any]) -> Case:
    """A golden case of boxes; phrases without any box were asked for all the same."""
    there = [truth(box, phrase) for phrase, some in one["gt"].items() for box in some]
    found = [item(box, phrase) for phrase, some in one["pred"].items() for box in some if box != "None"]
    negatives = [phrase for phrase, some in one["gt"].items() if not some]
    return case(there, found, negatives=negatives)


def test_rexomni_detection(shared: Path) -> None:
    seen = 0
    for one in golden(shared, "rexomni_eval", "detection"):
        seen += 1
        values = figures("rexomni-f1-compat", outlines(one) if one["polygon"] else boxes(one))
        assert values["recall@.50"] == pytest.approx(one["recall"], abs=1e-9), one["name"]
        assert values["precision@.50"] == pytest.approx(one["precision"], abs=1e-9), one["name"]
        assert values["F1@.50"] == pytest.approx(one["f1"], abs=1e-9), one["name"]
    assert seen == 7


def outlines(one: dict[str, Any]) -> Case:
    """A golden case of polygons."""
    there = [{"phrase": phrase, "rings": [ring]} for phrase, some in one["gt"].items() for ring in some]
    found = [Item(phrase, rings=(tuple(ring),)) for phrase, some in one["pred"].items() for ring in some]
    return case(there, found, kind="masks")


def test_outlines_that_cross_or_touch_themselves() -> None:
    square = [0, 0, 10, 0, 10, 10, 0, 10]
    assert not crosses_itself(square)
    assert not crosses_itself([0, 0, 10, 0, 0, 10])
    assert not crosses_itself([0, 0, 4, 0, 4, 4, 6, 4, 6, 0, 10, 0, 10, 9, 0, 9])  # two edges on one line, apart
    assert crosses_itself([0, 0, 10, 10, 10, 0, 0, 10])
    assert crosses_itself([0, 0, 10, 0, 10, 10, 5, 0, 0, 10])  # a vertex on an edge
    same = {"gt": {"w": [square]}, "pred": {"w": [square]}}
    assert figures("rexomni-f1-compat", outlines(same))["F1@.95"] == 1.0


def test_rexomni_detection_without_any_prediction() -> None:
    """The two rules that the golden file words in its facts: {} is (1, 1), {"cat": []} is (0, 0)."""
    assert figures("rexomni-f1-compat", case())["F1@.50"] == 1.0
    assert figures("rexomni-f1-compat", case(negatives=["cat"]))["F1@.50"] == 0.0
    swapped = case(
        [truth((0, 0, 10, 10), "cat"), truth((50, 50, 60, 60), "dog")],
        [item((0, 0, 10, 10), "dog"), item((50, 50, 60, 60), "cat")],
    )
    assert figures("rexomni-f1-compat", swapped)["F1@.95"] == 1.0


def test_rexomni_visual_prompt(shared: Path) -> None:
    for one in golden(shared, "rexomni_eval", "visual_prompt"):
        values = figures("rexomni-duplicates-compat", boxes(one))
        assert values["duplicate ratio"] == pytest.approx(one["duplicate_ratio"], abs=1e-9)
        assert values["MAE"] == one["mae"]
        again = figures("rexomni-f1-compat", boxes(one))
        assert (again["recall@.50"], again["precision@.50"]) == (one["recall"], one["precision"])
    four = case([truth((0, 0, 10, 10))], [item((0, 0, 10, 10))] * 4)
    assert figures("rexomni-duplicates-compat", four)["duplicate ratio"] == 1.5


def test_rexomni_pointing(shared: Path) -> None:
    for one in golden(shared, "rexomni_eval", "pointing"):
        there = [{"phrase": phrase, "mask": mask} for phrase, some in one["gt"].items() for mask in some]
        found = [Item(phrase, point=tuple(place)) for phrase, some in one["pred"].items() for place in some]
        height, width = there[0]["mask"]["size"] if there else (10, 10)
        asked = [phrase for phrase, some in one["gt"].items() if not some]
        tested = case(there, found, kind="points", negatives=asked, image=(width, height))
        values = figures("rexomni-pointing-compat", tested)
        assert values["recall"] == pytest.approx(one["recall"], abs=1e-9), one["name"]
        assert values["precision"] == pytest.approx(one["precision"], abs=1e-9), one["name"]


def test_rexomni_gui(shared: Path) -> None:
    for one in golden(shared, "rexomni_eval", "gui"):
        found = [
            Item("b", point=tuple(place)) if len(place) == 2 else item(place, "b")
            for some in one["pred"].values()
            for place in some
        ]
        tested = case([truth(one["gt_box"], "b")], found, kind="click")
        assert figures("rexomni-click-compat", tested)["accuracy"] == float(one["correct"]), one["name"]


def test_rexomni_oks(shared: Path) -> None:
    for one in golden(shared, "rexomni_eval", "oks"):
        target = Target(bbox=tuple(one["gt_bbox"]), keypoints=one["gt_kp"])
        assert similarity(one["pred_kp"], target) == pytest.approx(one["oks"], abs=1e-9), one["name"]


def test_ovdeval(shared: Path) -> None:
    for one in golden(shared, "ovdeval_nmsap", "cases"):
        there = [truth(_corners(box["bbox"]), str(box["category_id"])) for box in one["gt"]]
        found = [item(_corners(box["bbox"]), str(box["category_id"]), box["score"]) for box in one["pred"]]
        tested = case(there, found, image=(1000, 1000))
        kept = kept_by_ovdeval(tested.box_overlaps, tested.scores.tolist())
        assert kept == one["kept"], one["name"]
        values = figures("ovdeval-nms-ap-compat", tested)
        assert values["AP"] == pytest.approx(one["nms_ap"], abs=1e-9), one["name"]
        assert values["AP50"] == pytest.approx(one["nms_ap50"], abs=1e-9), one["name"]
        before = figures("coco-ap", tested)
        assert before["AP"] == pytest.approx(one["ap_before"], abs=1e-9), one["name"]
        assert before["AP50"] == pytest.approx(one["ap50_before"], abs=1e-9), one["name"]


def _corners(box: list[float]) -> list[float]:
    x, y, width, height = box
    return [x, y, x + width, y + height]


def test_two_names_for_one_box_lose_one() -> None:
    """OVDEval's code takes the right one of two equally sure names away if it stands first; the corrected does not."""
    there = [truth((0, 0, 50, 50), "red cat")]
    found = [item((0, 0, 50, 50), "red cat"), item((0, 0, 50, 50), "dog")]
    assert figures("ovdeval-nms-ap-compat", case(there, found))["AP"] == 0.0
    assert figures("nms-ap", case(there, found))["AP"] == pytest.approx(1.0)
    sure = [item((0, 0, 50, 50), "red cat", 0.5), item((0, 0, 50, 50), "dog", 0.9)]
    assert figures("nms-ap", case(there, sure))["AP"] == 0.0
    assert figures("coco-ap", case(there, sure))["AP"] == pytest.approx(1.0)
    assert np.isclose(figures("nms-ap", case(there, sure[:1]))["AP"] or 0.0, 1.0)
