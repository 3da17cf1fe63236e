"""Labels against truth: figures worked out by hand, both kinds of truth, and what cannot be compared."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pe.errors import InputError
from pe.evaluation.labels import score_labels
from pe.geometry.masks import encode
from pe.schemas.sample import Object, dumps
from tests.reports.outputs import write

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
    assert result["pictures"] == {
        "scored": 2,
        "without_truth": 0,
        "ambiguous_name": 0,
        "other_size": 0,
        "truth_without_sample": 1,
    }
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


def _file(shared: Path) -> tuple[COCO, Path]:
    path = shared / "photos/coco128/instances.json"
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path)), path


def test_ap_is_that_of_pycocotools_for_boxes_and_masks(shared: Path, tmp_path: Path) -> None:
    truth, path = _file(shared)
    rng = np.random.default_rng(1)
    names = {number: item["name"] for number, item in truth.cats.items()}
    records: list[dict[str, object]] = []
    found: dict[str, list[dict[str, Any]]] = {"bbox": [], "segm": []}
    for image_id in sorted(truth.imgs):
        image = truth.imgs[image_id]
        objects = []
        for item in truth.loadAnns(truth.getAnnIds(image_id)):
            for _ in range(int(rng.choice(3, p=(0.2, 0.6, 0.2)))):
                x, y, w, h = np.array(item["bbox"]) * (1 + rng.normal(size=4) * 0.06)
                category = item["category_id"] if rng.random() < 0.9 else int(rng.choice(list(names)))
                mask = np.roll(truth.annToMask(item).astype(bool), tuple(rng.integers(-4, 5, 2)), (0, 1))
                objects.append(
                    Object(
                        id=len(objects), phrase=names[category], score=round(float(rng.random()), 2),
                        bbox=(x, y, x + w, y + h), mask=encode(mask),
                    )
                )  # fmt: skip
        sizes = {"source": image["file_name"], "width": image["width"], "height": image["height"]}
        records.append({"objects": objects, **sizes})
        for item in objects:
            assert item.mask is not None
            x0, y0, x1, y1 = item.bbox
            category = next(number for number, name in names.items() if name == item.phrase)
            shared_keys = {"image_id": image_id, "category_id": category, "score": item.score}
            found["bbox"].append({**shared_keys, "bbox": [x0, y0, x1 - x0, y1 - y0]})
            found["segm"].append(
                {**shared_keys, "segmentation": {"size": list(item.mask.size), "counts": item.mask.counts}}
            )
    write(tmp_path / "out", records, 100)
    score = score_labels(tmp_path / "out", path)
    for kind, prefix in (("bbox", ""), ("segm", "mask_")):
        with contextlib.redirect_stdout(io.StringIO()):
            judge = COCOeval(truth, truth.loadRes(found[kind]), kind)
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
        for name, expected in zip(("ap", "ap50", "ap75"), judge.stats, strict=False):
            assert 0.05 < expected < 0.95
            assert score.overall[prefix + name] == pytest.approx(expected, abs=1e-9)
        precision = judge.eval["precision"][..., 0, 2].mean(axis=1)
        for number, values in zip(judge.params.catIds, precision.T, strict=True):
            figures = score.phrases.get(names[number], {})
            expected = None if values[0] < 0 else pytest.approx(values.mean(), abs=1e-9)
            assert figures.get(prefix + "ap") == expected


def _thing(phrase: str, x: float, y: float, w: float, h: float, score: float = 1.0, **more: object) -> Object:
    """A rectangle in a 48 x 32 picture with itself as its mask and ring."""
    mask = np.zeros((32, 48), np.bool_)
    mask[int(y) : int(y + h), int(x) : int(x + w)] = True
    ring = [x, y, x + w, y, x + w, y + h, x, y + h]
    shapes = {"mask": encode(mask), "rings": [ring]} | more
    return Object(id=0, phrase=phrase, score=score, bbox=(x, y, x + w, y + h), **shapes)  # type: ignore[arg-type]


def test_every_label_is_a_prediction_or_left_out_for_a_reason(tmp_path: Path) -> None:
    there = [_thing("Red_Ring", 0, 0, 10, 10), _thing("cat", 20, 0, 20, 20)]
    write(tmp_path / "truth", [{"objects": there, "negatives_json": dumps(["bird"])}, {}, {}])
    labels = [
        _thing("red  ring", 0, 0, 10, 10, 0.9, predicted_iou=0.75),
        _thing("cat", 20, 0, 20, 16, 0.8, predicted_iou=0.9),
        _thing("BIRD", 20, 0, 20, 20, 0.7),
        _thing("zebra", 20, 0, 20, 20, 0.6),
        _thing("cat", 20, 0, 20, 20, 0.2),
    ]
    write(tmp_path / "out", [{"objects": labels}])
    score = score_labels(tmp_path / "out", tmp_path / "truth", 0.5)
    overall = score.overall
    left_out = [overall[name] for name in ("predictions", "not_judged", "below_min_score", "in_crowd")]
    assert left_out == [3, 1, 1, 0]
    assert set(score.phrases) == {"red ring", "cat", "bird"}
    assert (overall["hits"], overall["wrong_phrase"], overall["on_absent_phrases"]) == (2, 1, 1)
    assert overall["predicted_iou_error"] == pytest.approx((0.25 + 0.1) / 2)
    assert (overall["mask_precision"], overall["mask_recall"]) == (pytest.approx(2 / 3), 1.0)
    assert score.pictures["truth_without_sample"] == 2
    assert score.phrases["bird"]["ap"] is score.phrases["bird"]["recall"] is None
    assert overall["ap50"] == 1.0


def test_boxes_and_masks_are_hits_of_their_own(tmp_path: Path) -> None:
    write(tmp_path / "truth", [{"objects": [_thing("cat", 0, 0, 20, 20)]}])
    quarter = _thing("cat", 0, 0, 10, 10)
    good_box = quarter.model_copy(update={"bbox": (0.0, 0.0, 20.0, 20.0)})
    write(tmp_path / "out", [{"objects": [good_box]}])
    overall = score_labels(tmp_path / "out", tmp_path / "truth").overall
    assert (overall["f1"], overall["mask_f1"], overall["mask_iou"], overall["ring_iou"]) == (1.0, 0.0, 0.25, 0.25)
    assert (overall["ap"], overall["mask_ap50"]) == (1.0, 0.0)


def test_a_label_without_a_mask_among_those_with_one_is_no_mask_hit(tmp_path: Path) -> None:
    both = [_thing("cat", 0, 0, 20, 20), _thing("dog", 25, 0, 20, 20)]
    write(tmp_path / "truth", [{"objects": both}])
    write(tmp_path / "out", [{"objects": [both[0], both[1].model_copy(update={"mask": None, "rings": None})]}])
    overall = score_labels(tmp_path / "out", tmp_path / "truth").overall
    assert (overall["recall"], overall["mask_recall"], overall["mask_ap"], overall["mask_iou"]) == (1.0, 0.5, 0.5, 1.0)


def test_other_kinds_of_samples_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "out", [{"kind": "sft"}])
    write(tmp_path / "truth", [{}])
    with pytest.raises(InputError, match="holds sft samples"):
        score_labels(tmp_path / "out", tmp_path / "truth")
