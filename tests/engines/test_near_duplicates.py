from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from tests.engines.conftest import Annotate, content, samples
from tests.engines.test_kills import harness

COPIES = {"copy0.jpg": "0005.jpg", "copy1.jpg": "0001.jpg", "copy2.jpg": "0002.jpg"}


def ledger(out: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for path in sorted((out / "ledger").iterdir()) for line in path.read_text().splitlines()]
    return {line["id"]: line for line in found}


def listed(folder: Path) -> None:
    """Put the pictures of `folder` that its annotations lack into them, with no objects."""
    path = folder / "instances.json"
    data = json.loads(path.read_text())
    known = {item["file_name"] for item in data["images"]}
    for number, picture in enumerate(sorted(folder.rglob("*.jpg")), start=1000):
        if picture.name not in known:
            with Image.open(picture) as opened:
                width, height = opened.size
            data["images"].append({"id": number, "file_name": picture.name, "width": width, "height": height})
    path.write_text(json.dumps(data))


@pytest.fixture
def copied(drawn: Path, tmp_path: Path) -> Path:
    """The drawn pictures with copies: three saved anew in other sizes, one mirrored, one of equal bytes."""
    folder = tmp_path / "pictures"
    shutil.copytree(drawn, folder)
    for number, (copy, name) in enumerate(COPIES.items()):
        image = Image.open(folder / name)
        side = 1 + number / 4
        image.resize((round(image.width * side), round(image.height * side))).save(folder / copy, quality=85)
    ImageOps.mirror(Image.open(folder / "0003.jpg")).save(folder / "mirrored.jpg", quality=85)
    shutil.copy(folder / "0004.jpg", folder / "same.jpg")
    listed(folder)
    return folder


def test_near_duplicates_are_dropped_when_asked_and_counted(copied: Path, tmp_path: Path, run: Annotate) -> None:
    kept = run(copied, tmp_path / "kept")
    assert (kept.run.written, kept.run.duplicate, kept.run_near) == (24, 1, 0)
    summary = run(copied, tmp_path / "out", near_duplicates="drop")
    assert (summary.run.inputs, summary.run.written, summary.run.duplicate) == (25, 21, 4)
    lines = ledger(tmp_path / "out")
    assert {name: (lines[name]["of"], lines[name]["how"]) for name in COPIES} == {
        copy: (name, "near") for copy, name in COPIES.items()
    }
    assert (lines["same.jpg"]["of"], lines["same.jpg"].get("how")) == ("0004.jpg", None)
    assert lines["mirrored.jpg"]["status"] == "written"
    assert "25 inputs = 21 written + 0 filtered + 4 duplicates (3 near) + 0 quarantined" in summary.to_text()
    counts = json.loads(summary.to_json())
    assert (counts["run"]["duplicates"], counts["run"]["near_duplicates"], counts["total"]["near_duplicates"]) == (
        4,
        3,
        3,
    )
    assert len(samples(tmp_path / "out")) == 21


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_runs_and_several_workers_drop_the_same_ones(copied: Path, tmp_path: Path, workers: int) -> None:
    flags = ["--detector", "dataset", "--annotations", str(copied / "instances.json"), "--segmenter", "none"]
    flags += ["--shard-inputs", "4", "--near-duplicates", "drop"]
    outcome = harness().kill_and_resume(copied, flags, kills=3, workers=workers, folder=tmp_path, seed=workers)
    assert (outcome.kills, outcome.differing, outcome.leftovers) == (3, [], [])
    assert {ledger(tmp_path / "reference")[name]["status"] for name in COPIES} == {"duplicate"}


def test_any_number_of_workers_writes_the_same_bytes(copied: Path, tmp_path: Path, run: Annotate) -> None:
    run(copied, tmp_path / "one", near_duplicates="drop")
    run(copied, tmp_path / "two", near_duplicates="drop", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_a_copy_that_comes_a_night_later_is_a_duplicate_of_last_nights(
    copied: Path, tmp_path: Path, run: Annotate
) -> None:
    away = tmp_path / "away"
    away.mkdir()
    for name in (*COPIES, "mirrored.jpg", "same.jpg"):
        (copied / name).rename(away / name)
    out = tmp_path / "out"
    first = run(copied, out, near_duplicates="drop")
    assert (first.run.written, first.run.duplicate) == (20, 0)
    before = content(out / "shards")
    for path in away.iterdir():
        path.rename(copied / f"000{path.name}")
    listed(copied)
    later = run(copied, out, near_duplicates="drop")
    assert (later.run.inputs, later.run.written, later.run.duplicate, later.run_near) == (5, 1, 4, 3)
    assert (later.total.written, later.total_near) == (21, 3)
    lines = ledger(out)
    assert {name: lines[f"000{name}"]["of"] for name in COPIES} == COPIES
    assert before.items() <= content(out / "shards").items()
    assert "nothing new" in run(copied, out, near_duplicates="drop").to_text()


def test_a_picture_that_is_not_written_swallows_no_copy(copied: Path, tmp_path: Path, run: Annotate) -> None:
    """0001 opts out, the annotations do not know 0002, 0005 is too small for the filter and its copy not."""
    image = Image.open(copied / "0005.jpg")
    image.resize((image.width * 2, image.height * 2)).save(copied / "copy0.jpg")
    (copied / "0001.json").write_text(json.dumps({"opt_out": True}))
    path = copied / "instances.json"
    data = json.loads(path.read_text())
    for item in data["images"]:
        if item["file_name"] == "copy0.jpg":
            item |= {"width": image.width * 2, "height": image.height * 2}
        if item["file_name"] == "0002.jpg":
            item["file_name"] = "other.jpg"
    path.write_text(json.dumps(data))
    run(copied, tmp_path / "all", near_duplicates="drop")
    lines = ledger(tmp_path / "all")
    assert (lines["0005.jpg"]["status"], lines["copy0.jpg"]["of"]) == ("written", "0005.jpg")
    assert (lines["0001.jpg"]["reason"], lines["copy1.jpg"]["status"]) == ("opt_out", "written")
    assert (lines["0002.jpg"]["reason"], lines["copy2.jpg"]["status"]) == ("not_annotated", "written")
    run(copied, tmp_path / "large", near_duplicates="drop", filters=[f"size:min_side={min(image.size) + 1}"])
    lines = ledger(tmp_path / "large")
    assert (lines["0005.jpg"]["reason"], lines["copy0.jpg"]["status"]) == ("size", "written")
    summary = run(copied, tmp_path / "out", near_duplicates="drop", respect_opt_out=False)
    assert (summary.run_near, summary.run.filtered) == (2, {"not_annotated": 1})
