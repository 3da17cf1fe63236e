"""Sources of a mix that another tool annotated: every layout, resumed, the same bytes, other files another mix."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pe.engines.import_settings import ImportSettings
from pe.engines.importing import import_annotations
from pe.engines.mixes.build import build, preview
from pe.engines.mixes.settings import MixSettings
from pe.engines.mixes.summary import MixSummary
from pe.errors import ConfigError, InputError
from pe.schemas.sample import Sample
from pe.schemas.settings import load_settings
from pe.shards.exports import export
from pe.shards.read import read_shard, shards_of
from tests.shards import factory
from tests.shards.exports import rows

PE = [sys.executable, "-c", "from pe.cli import main; main()"]


class Quiet:
    def planning(self, inputs: int) -> None: ...
    def started(self, inputs: int, slices: int) -> None: ...
    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None: ...
    def note(self, text: str) -> None: ...


def settings(out: Path, *sources: dict[str, Any], **more: Any) -> MixSettings:
    return load_settings(MixSettings, "build_sft", {"kind": "sft", "out": out, "sources": list(sources), **more})


def built(out: Path, *sources: dict[str, Any], **more: Any) -> MixSummary:
    return build(settings(out, *sources, **more), Quiet())


def samples(out: Path) -> list[Sample]:
    return [sample for shard in shards_of(out) for sample, _ in read_shard(shard)]


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "shards").iterdir())}


def said(found: list[Sample]) -> list[tuple[str, str, list[str], list[str]]]:
    """What is true of each picture, in no order."""
    truths = [(sample, json.loads(sample.reward_model.ground_truth)) for sample in found]
    return sorted(
        (sample.source, sample.sha256, sorted(map(str, truth["objects"])), sorted(truth["negatives"]))
        for sample, truth in truths
    )


@pytest.fixture
def layouts(tmp_path: Path) -> dict[str, Path]:
    """The same six pictures with eight kinds of objects in three layouts."""
    shards = rows.annotated(tmp_path / "annotated")
    for layout in ("coco", "yolo", "imagefolder"):
        export(shards, tmp_path / layout, layout)
    return {
        "coco": tmp_path / "coco",
        "yolo": tmp_path / "yolo/data.yaml",
        "imagefolder": tmp_path / "imagefolder/train",
    }


@pytest.mark.parametrize("layout", ["coco", "yolo", "imagefolder"])
def test_a_layout_named_in_a_mix_gives_the_rows_of_its_import(
    layout: str, layouts: dict[str, Path], tmp_path: Path
) -> None:
    data = {"annotations": str(layouts[layout]), "layout": layout}
    all_of_it = {"least": 30, "most": 30}
    summary = built(tmp_path / "out", {"task": "detect", "data": data, "negatives": all_of_it})
    (run,) = summary.imports.values()
    assert run.run.inputs == run.run.written == 6
    import_annotations(ImportSettings(source=layouts[layout], out=tmp_path / "shards", layout=layout), Quiet())
    built(tmp_path / "same", {"task": "detect", "data": str(tmp_path / "shards"), "negatives": all_of_it})
    found = said(samples(tmp_path / "out"))
    assert found == said(samples(tmp_path / "same"))
    assert any(objects for _, _, objects, _ in found)


def test_real_photos_of_coco(shared: Path, tmp_path: Path) -> None:
    source = shared / "photos/coco128"
    content = json.loads((source / "instances.json").read_text())
    names = {image["id"]: image["file_name"] for image in content["images"]}
    chosen = [
        name for name in sorted(names.values())[:8] if any(names[i["image_id"]] == name for i in content["annotations"])
    ]
    (tmp_path / "photos.txt").write_text("".join(f"{source / 'images' / name}\n" for name in chosen))
    data = {"annotations": str(source / "instances.json"), "layout": "coco", "images": str(tmp_path / "photos.txt")}
    built(tmp_path / "out", {"task": "detect", "data": data}, format="rexomni")
    boxes = sum(len(json.loads(sample.reward_model.ground_truth)["objects"]) for sample in samples(tmp_path / "out"))
    real = [i for i in content["annotations"] if names[i["image_id"]] in chosen and not i["iscrowd"]]
    assert boxes == len(real) > 20


def test_lvis_asks_for_what_it_says_is_absent(shared: Path, tmp_path: Path) -> None:
    """LVIS's own annotations over plain pictures of the right sizes, as the set is here without its photographs."""
    (path,) = (shared / "photos/lvis_val_100").glob("*.json")
    images = json.loads(path.read_text())["images"][:5]
    for image in images:
        (tmp_path / "val2017").mkdir(exist_ok=True)
        name = image["coco_url"].rpartition("/")[2]
        (tmp_path / "val2017" / name).write_bytes(
            factory.picture(0, (image["width"], image["height"])) + b" " + name.encode()
        )
    data = {"annotations": str(path), "layout": "lvis", "images": str(tmp_path / "val2017")}
    built(tmp_path / "out", {"task": "detect", "data": data, "negatives": {"least": 30, "most": 30}})
    truths = [json.loads(sample.reward_model.ground_truth) for sample in samples(tmp_path / "out")]
    assert len(truths) == 5
    assert sum(len(truth["negatives"]) for truth in truths) == sum(len(image["neg_category_ids"]) for image in images)


def test_referring_expressions_are_asked(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.png").write_bytes(factory.picture(number, (64, 64), "PNG"))
    lines = [
        {"image": "0.png", "sent": "the left cup", "bbox": [0, 0, 10, 10], "category": "cup", "split": "train"},
        {"image": "1.png", "sent": "a red mug", "bbox": [20, 0, 30, 40], "category": "mug", "split": "test"},
    ]
    (tmp_path / "refs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = {"annotations": str(tmp_path / "refs.jsonl"), "layout": "refcoco", "images": str(tmp_path / "*.png")}
    built(tmp_path / "out", {"task": "refer", "data": data | {"split": "train"}})
    found = samples(tmp_path / "out")
    assert sorted(sample.source for sample in found) == ["0.png", "1.png"]
    text = "".join(sample.messages_json for sample in found)
    # Of the other split the object is there all the same, and nothing that is said of it.
    assert "the left cup" in text
    assert "red" not in text
    assert {sample.data_source for sample in found} == {"refs/refcoco/refer"}


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_rows_of_others_are_asked(suffix: str, tmp_path: Path) -> None:
    questions = [{"problem": f"What is {number}?", "answer": str(number)} for number in range(3)]
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(factory.picture(number))
    if suffix == ".jsonl":
        lines = [json.dumps({**row, "image": f"{number}.jpg"}) for number, row in enumerate(questions)]
        (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    else:
        images = [{"bytes": factory.picture(number), "path": None} for number in range(3)]
        table = [{**row, "images": [image]} for row, image in zip(questions, images, strict=True)]
        pq.write_table(pa.Table.from_pylist(table), tmp_path / "rows.parquet")
    data = {"annotations": str(tmp_path / f"rows{suffix}"), "layout": "rows"}
    built(tmp_path / "out", {"task": "qa", "data": data, "format": "text"})
    assert sorted(sample.gold_text for sample in samples(tmp_path / "out")) == ["0", "1", "2"]


def test_the_same_bytes_on_any_number_of_workers_and_after_kills(tmp_path: Path) -> None:
    export(rows.annotated(tmp_path / "annotated", 30), tmp_path / "coco", "coco")
    data = {"annotations": str(tmp_path / "coco"), "layout": "coco"}
    mix = tmp_path / "mix.yaml"
    sources = [{"task": "detect", "data": data}, {"task": "text-to-mask", "data": data, "format": "simpleseg"}]
    mix.write_text(yaml.safe_dump({"build_sft": {"sources": sources}}))
    built(tmp_path / "one", *sources)
    words = ["build-sft", str(mix), str(tmp_path / "killed"), "--workers", "2"]
    for delay in (1.0, 1.8):
        run = subprocess.Popen(
            [*PE, *words],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(delay)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    done = subprocess.run([*PE, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "30 inputs = 30 written" in done.stdout
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "killed")
    assert len(list((tmp_path / "one/cache").glob("import-*"))) == 1


def test_nothing_new_without_the_cache_and_other_files_are_another_mix(
    layouts: dict[str, Path], tmp_path: Path
) -> None:
    source = {"task": "detect", "data": {"annotations": str(layouts["coco"]), "layout": "coco"}}
    built(tmp_path / "out", source)
    before = bytes_of(tmp_path / "out")
    for path in sorted((tmp_path / "out/cache").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    again = built(tmp_path / "out", source)
    assert again.run is not None
    assert again.run.run.inputs == 0
    assert bytes_of(tmp_path / "out") == before
    picture = min((layouts["coco"] / "images").iterdir())
    picture.write_bytes(picture.read_bytes() + b"\0")
    with pytest.raises(InputError, match="other settings"):
        built(tmp_path / "out", source)
    built(tmp_path / "other", source)
    assert len(samples(tmp_path / "other")) == len(samples(tmp_path / "out"))
    annotations = layouts["coco"] / "annotations/instances_train.json"
    content = json.loads(annotations.read_text())
    content["annotations"].pop()
    annotations.write_text(json.dumps(content))
    with pytest.raises(InputError, match="other settings"):
        built(tmp_path / "other", source)


def test_a_preview_imports_aside_and_writes_nothing(layouts: dict[str, Path], tmp_path: Path) -> None:
    source = {"task": "detect", "data": {"annotations": str(layouts["coco"]), "layout": "coco"}}
    summary = preview(settings(tmp_path / "out", source), Quiet())
    assert summary.leaves[0]["samples"] == 6
    assert not (tmp_path / "out").exists()


def test_pictures_that_cannot_be_used_are_accounted_for(layouts: dict[str, Path], tmp_path: Path) -> None:
    broken = min((layouts["coco"] / "images").iterdir())
    broken.write_bytes(b"\xff\xd8\xff" + b"x" * 100)
    mix = tmp_path / "mix.yaml"
    source = {"task": "detect", "data": {"annotations": str(layouts["coco"]), "layout": "coco"}}
    mix.write_text(yaml.safe_dump({"build_sft": {"sources": [source]}}))
    done = subprocess.run([*PE, "build-sft", mix, tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "6 inputs = 5 written + 0 filtered + 0 duplicates + 1 quarantined" in done.stdout
    assert "over 5 %" in done.stdout


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"annotations": "a.json", "layout": "koko"}, "known: coco"),
        ({"annotations": "a.json"}, "layout"),
        ({"annotations": "a.json", "layout": "coco", "colour": 1}, "colour"),
        ({"annotations": "a.jsonl", "layout": "rows", "split": "val"}, "rows take no split"),
        (3, "import"),
    ],
)
def test_what_is_wrong_with_a_source_is_said_before_anything_is_made(data: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        settings(tmp_path / "out", {"task": "detect", "data": data})
    assert told in str(error.value)


def test_a_file_that_is_no_shard_is_told_how_to_be_named(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text("{}")
    with pytest.raises(InputError, match="layout: coco"):
        built(tmp_path / "out", {"task": "detect", "data": str(tmp_path / "instances.json")})
    data = {"annotations": str(tmp_path / "nowhere.json"), "layout": "coco"}
    with pytest.raises(InputError, match=r"nowhere\.json"):
        built(tmp_path / "out", {"task": "detect", "data": data})
