from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
PHOTOS = 8


def pe(*words: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PE, *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def score(*words: object) -> dict[str, Any]:
    done = pe("score-labels", *words, "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def photos(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first real photos of coco128, as pictures/ and instances.json, labelled by that file into out/."""
    folder = tmp_path_factory.mktemp("score")
    content = json.loads((shared / "photos/coco128/instances.json").read_text())
    images = sorted(content["images"], key=lambda image: image["file_name"])[:PHOTOS]
    ids = {image["id"] for image in images}
    content["images"] = images
    content["annotations"] = [item for item in content["annotations"] if item["image_id"] in ids]
    (folder / "instances.json").write_text(json.dumps(content))
    (folder / "pictures").mkdir()
    for image in images:
        shutil.copy(shared / "photos/coco128/images" / image["file_name"], folder / "pictures")
    flags = ("--detector", "dataset", "--segmenter", "dataset", "--annotations", folder / "instances.json")
    done = pe("annotate", folder / "pictures", folder / "out", *flags)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_truth_itself_scores_one_everywhere(photos: Path) -> None:
    result = score(photos / "out", "--truth", photos / "instances.json")
    overall = result["overall"]
    for prefix in ("", "mask_"):
        for name in ("precision", "recall", "f1", "ap", "ap50", "ap75"):
            assert overall[prefix + name] == 1.0
    assert overall["mask_iou"] == overall["boundary_f"] == overall["box_recall_any_phrase"] == 1.0
    assert overall["box_iou"] > 0.99
    assert overall["ring_iou"] > 0.95
    for name in ("duplicates", "wrong_phrase", "on_absent_phrases", "not_judged", "in_crowd", "below_min_score"):
        assert overall[name] == 0
    captions = result["captions"]
    assert captions["unread"] == 0
    assert captions["precision"] == captions["recall"] == captions["mention_recall"] == 1.0
    assert result["pictures"] == {
        "scored": PHOTOS, "without_truth": 0, "ambiguous_name": 0, "other_size": 0, "truth_without_sample": 0,
    }  # fmt: skip


def test_what_is_changed_in_the_truth_is_what_is_scored(photos: Path, tmp_path: Path) -> None:
    """One object gone, one renamed, one picture renamed, one of another size; the rest stays right."""
    content = json.loads((photos / "instances.json").read_text())
    by_image: dict[int, list[dict[str, Any]]] = {}
    for item in content["annotations"]:
        by_image.setdefault(item["image_id"], []).append(item)
    crowded = {item["image_id"] for item in content["annotations"] if item["iscrowd"]}
    images = [image for image in content["images"] if image["id"] not in crowded]
    elsewhere, resized, changed = images[:3]
    elsewhere["file_name"] = "elsewhere.jpg"
    # COCO's own pictures are found by their URL and by the id in their name, too.
    elsewhere.pop("coco_url", None)
    for item in by_image[elsewhere["id"]]:
        item["image_id"] = 0
    elsewhere["id"] = 0
    resized["width"] += 1
    left_out = {elsewhere["id"], resized["id"]}
    of_changed = by_image[changed["id"]]
    gone, renamed = of_changed[0], of_changed[1]
    unused = {category["id"] for category in content["categories"]} - {item["category_id"] for item in of_changed}
    renamed["category_id"] = min(unused)
    content["annotations"].remove(gone)
    path = tmp_path / "truth.json"
    path.write_text(json.dumps(content))

    result = score(photos / "out", "--truth", path)
    scored = [item for item in content["annotations"] if item["image_id"] not in left_out and not item["iscrowd"]]
    truths = len(scored)
    overall = result["overall"]
    assert result["pictures"] == {
        "scored": PHOTOS - 2, "without_truth": 1, "ambiguous_name": 0, "other_size": 1, "truth_without_sample": 1,
    }  # fmt: skip
    # The labels still have the object that is gone, and the old name of the other one.
    assert (overall["truths"], overall["predictions"], overall["hits"]) == (truths, truths + 1, truths - 1)
    assert overall["precision"] == overall["mask_precision"] == pytest.approx((truths - 1) / (truths + 1))
    assert overall["recall"] == overall["mask_recall"] == pytest.approx((truths - 1) / truths)
    assert overall["f1"] == pytest.approx(2 * (truths - 1) / (2 * truths + 1))
    assert overall["wrong_phrase"] >= 1
    assert overall["box_recall_any_phrase"] == 1.0
    assert overall["ap"] < 1.0

    text = pe("score-labels", photos / "out", "--truth", path).stdout
    assert "1 samples without truth, 1 samples whose size differs from the truth's, 1 truths without a sample" in text


def test_shards_as_truth(photos: Path) -> None:
    [shard] = (photos / "out/shards").glob("*.tar")
    for labels, truth in ((photos / "out", shard), (shard, photos / "out")):
        result = score(labels, "--truth", truth)
        assert result["pictures"]["scored"] == PHOTOS
        assert result["overall"]["f1"] == result["overall"]["mask_ap"] == 1.0


def test_errors_are_one_line(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"images": [}')
    (tmp_path / "other.json").write_text('{"images": [], "annotations": [], "categories": []}')
    for truth, words in (
        (tmp_path / "bad.json", "not JSON at line 1 column 13"),
        (tmp_path / "other.json", f"none of its {PHOTOS} pictures can be scored by the 0 of {tmp_path / 'other.json'}"),
        (tmp_path / "missing", "no such annotation file"),
        (tmp_path / "missing.tar", "not a committed shard"),
    ):
        done = pe("score-labels", photos / "out", "--truth", truth)
        assert (done.returncode, done.stdout) == (2, "")
        [line] = done.stderr.splitlines()
        assert words in line


def test_its_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['pe', 'score-labels', '--help']\n"
        "from pe.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'cv2', 'scipy', 'pycocotools', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
