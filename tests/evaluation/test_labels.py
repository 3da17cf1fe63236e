"""Labels against truth: figures worked out by hand, both kinds of truth, and what cannot be compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

PE = [sys.executable, "-c", "from pe.cli import main; main()"]


def pe(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PE, *map(str, words)], capture_output=True, text=True, env=os.environ, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _coco(
    path: Path, images: dict[str, list[tuple[str, list[int]]]], crowd: tuple[str, list[int]] | None = None
) -> None:
    """A COCO file of 100 x 80 pictures whose objects are rectangles x, y, w, h, each with itself as its polygon."""
    names = ["cat", "dog", "red_ring"]
    annotations = []
    for number, boxes in enumerate(images.values(), start=1):
        for name, (x, y, w, h) in boxes:
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": number, "category_id": names.index(name) + 1,
                    "bbox": [x, y, w, h], "area": w * h, "iscrowd": 0,
                    "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                }
            )  # fmt: skip
    if crowd is not None:
        name, (x, y, w, h) = crowd
        mask = np.zeros((80, 100), bool)
        mask[y : y + h, x : x + w] = True
        counts = [int(run) for run in np.diff(np.flatnonzero(np.diff(np.r_[2, mask.T.ravel(), 2])))]
        counts = counts if not mask[0, 0] else [0, *counts]
        annotations.append(
            {
                "id": 999, "image_id": 1, "category_id": names.index(name) + 1, "bbox": [x, y, w, h], "area": w * h,
                "iscrowd": 1, "segmentation": {"size": [80, 100], "counts": counts},
            }
        )  # fmt: skip
    value = {
        "images": [
            {"id": number, "file_name": name, "width": 100, "height": 80} for number, name in enumerate(images, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
        "annotations": annotations,
    }
    path.write_text(json.dumps(value))


def _annotated(folder: Path, labels: Path, names: list[str]) -> Path:
    (folder / "pictures").mkdir(exist_ok=True)
    for number, name in enumerate(names):
        pixels = np.random.default_rng(number).integers(0, 255, (80, 100, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / name)
    out = folder / "out"
    done = pe(
        "annotate", folder / "pictures", out, "--detector", "dataset", "--segmenter", "dataset", "--annotations", labels
    )
    assert done.returncode == 0, done.stderr
    return out


LABELS: dict[str, list[tuple[str, list[int]]]] = {
    # A hit, a second box on the same cat, a cat that is a dog, a dog where none is asked for but judged.
    "a.png": [("cat", [10, 10, 40, 40]), ("cat", [10, 10, 40, 30]), ("cat", [60, 10, 20, 20])],
    "b.png": [("dog", [0, 0, 50, 50]), ("red_ring", [60, 40, 20, 20])],
}
TRUTH: dict[str, list[tuple[str, list[int]]]] = {
    "a.png": [("cat", [10, 10, 40, 40]), ("dog", [60, 10, 20, 20])],
    "b.png": [("red_ring", [60, 40, 20, 16]), ("red_ring", [0, 0, 10, 10])],
    "c.png": [],
}


def _score(*words: object) -> dict[str, Any]:
    done = pe("score-labels", *words, "--json")
    assert done.returncode == 0, done.stderr
    value: dict[str, Any] = json.loads(done.stdout)
    return value


def test_figures_by_hand(tmp_path: Path) -> None:
    _coco(tmp_path / "labels.json", LABELS)
    _coco(tmp_path / "truth.json", TRUTH)
    out = _annotated(tmp_path, tmp_path / "labels.json", ["a.png", "b.png"])
    result = _score(out, "--truth", tmp_path / "truth.json")
    overall = result["overall"]
    assert result["pictures"] == {"scored": 2, "without_truth": 0, "other_size": 0, "truth_without_sample": 1}
    assert (overall["truths"], overall["predictions"], overall["hits"]) == (4, 5, 2)
    assert overall["precision"] == pytest.approx(2 / 5)
    assert overall["recall"] == pytest.approx(2 / 4)
    assert overall["mask_iou"] == pytest.approx((1.0 + 16 / 20) / 2)
    assert overall["ring_iou"] == pytest.approx((1.0 + 16 / 20) / 2)
    assert overall["duplicates"] == 1
    assert overall["wrong_phrase"] == 1
    assert overall["on_absent_phrases"] == 1
    assert overall["box_recall_any_phrase"] == pytest.approx(3 / 4)
    # Cat: one truth, found first (equal scores keep their order): precision 1 at every recall.
    assert result["phrases"]["cat"]["ap50"] == pytest.approx(1.0)
    assert result["phrases"]["dog"]["ap50"] == 0.0
    assert result["phrases"]["red ring"]["ap50"] == pytest.approx(51 / 101)
    # "Three cats." is wrong, "A dog and a red ring." says two false things, of three that are there.
    assert result["captions"]["claims"] == 3
    assert result["captions"]["precision"] == 0.0
    text = pe("score-labels", out, "--truth", tmp_path / "truth.json")
    assert "1 truths without a sample" in text.stdout
    assert "red ring" in text.stdout


def test_labels_equal_to_the_truth_are_perfect_by_both_kinds_of_truth(tmp_path: Path) -> None:
    _coco(tmp_path / "labels.json", TRUTH)
    out = _annotated(tmp_path, tmp_path / "labels.json", ["a.png", "b.png", "c.png"])
    for truth in (tmp_path / "labels.json", out, next((out / "shards").glob("*.tar"))):
        result = _score(out, "--truth", truth)
        assert result["pictures"]["scored"] == 3
        for name in ("precision", "recall", "f1", "ap", "mask_ap", "mask_iou", "ring_iou", "boundary_f"):
            assert result["overall"][name] == pytest.approx(1.0), name
        assert result["captions"]["precision"] == result["captions"]["recall"] == 1.0
        assert result["overall"]["duplicates"] == result["overall"]["wrong_phrase"] == 0


def test_predictions_in_a_crowd_cost_nothing(tmp_path: Path) -> None:
    _coco(tmp_path / "labels.json", {"a.png": [("cat", [10, 10, 20, 20]), ("cat", [60, 40, 20, 20])]})
    _coco(tmp_path / "truth.json", {"a.png": [("cat", [10, 10, 20, 20])]}, crowd=("cat", [50, 30, 50, 50]))
    out = _annotated(tmp_path, tmp_path / "labels.json", ["a.png"])
    overall = _score(out, "--truth", tmp_path / "truth.json")["overall"]
    assert (overall["truths"], overall["predictions"], overall["precision"], overall["ap"]) == (1, 1, 1.0, 1.0)


def test_phrases_that_a_truth_of_shards_does_not_judge_are_counted_apart(tmp_path: Path) -> None:
    _coco(tmp_path / "labels.json", {"a.png": [("cat", [10, 10, 20, 20])]})
    truth = _annotated(tmp_path, tmp_path / "labels.json", ["a.png"])
    other = tmp_path / "other"
    done = pe(
        "annotate", tmp_path / "pictures", other, "--detector", "dataset", "--segmenter", "none",
        "--annotations", tmp_path / "labels.json", "--phrases", "cat",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _coco(tmp_path / "more.json", {"a.png": [("cat", [10, 10, 20, 20]), ("dog", [50, 50, 20, 20])]})
    more = tmp_path / "more"
    done = pe(
        "annotate", tmp_path / "pictures", more, "--detector", "dataset", "--segmenter", "dataset",
        "--annotations", tmp_path / "more.json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    overall = _score(more, "--truth", other)["overall"]
    assert (overall["truths"], overall["predictions"], overall["not_judged"]) == (1, 1, 1)
    assert overall["mask_iou"] is None
    assert overall["box_iou"] == 1.0
    assert _score(more, "--truth", truth)["overall"]["predictions"] == 2


def test_what_cannot_be_compared_is_one_line(tmp_path: Path) -> None:
    _coco(tmp_path / "labels.json", {"a.png": [("cat", [10, 10, 20, 20])]})
    out = _annotated(tmp_path, tmp_path / "labels.json", ["a.png"])
    _coco(tmp_path / "other.json", {"z.png": [("cat", [10, 10, 20, 20])]})
    (tmp_path / "bad.json").write_text('{"images": [')
    for truth, words in (
        ("other.json", "compared by the file's name"),
        ("bad.json", "bad.json"),
        ("missing.json", "no such annotation file"),
    ):
        done = pe("score-labels", out, "--truth", tmp_path / truth)
        assert done.returncode == 2
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    done = pe("score-labels", tmp_path / "pictures", "--truth", tmp_path / "labels.json")
    assert done.returncode == 2
    assert "not an output folder" in done.stderr
