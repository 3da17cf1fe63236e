from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pe import registry
from pe.annotators.base import (
    AdapterSettings,
    Caption,
    Captioner,
    Detections,
    Detector,
    Instance,
    ModelInfo,
    Segment,
    Segmenter,
)
from pe.engines.run import source_name
from pe.errors import ConfigError, InputError, PeError, SampleError, TryLater
from pe.geometry.masks import decode
from pe.geometry.raster import rings_to_mask
from pe.shards.pictures import Picture
from pe.shards.sidecar import Sidecar
from tests.engines.conftest import Annotate, Silent, content, samples


def ledger(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted((out / "ledger").iterdir()) for line in path.read_text().splitlines()]


def test_a_folder_becomes_records_that_say_what_is_in_it(drawn: Path, tmp_path: Path, run: Annotate) -> None:
    summary = run(drawn, tmp_path / "out")
    truth = json.loads((drawn / "instances.json").read_text())
    assert summary.run.inputs == summary.run.written == len(truth["images"])
    assert summary.total.shards == 3
    names = {item["id"]: item["name"] for item in truth["categories"]}
    for sample, objects in samples(tmp_path / "out"):
        number = next(item["id"] for item in truth["images"] if item["file_name"] == sample.source)
        expected = [item for item in truth["annotations"] if item["image_id"] == number]
        assert [item.phrase for item in objects] == [names[item["category_id"]] for item in expected]
        assert {item.phrase for item in objects}.isdisjoint(json.loads(sample.negatives_json))
        assert len(json.loads(sample.negatives_json)) + len({item.phrase for item in objects}) == len(names)
        assert sample.data_source == "pictures/grounding"
        assert sample.verifier.name == "detection"
        assert len(json.loads(sample.reward_model.ground_truth)["objects"]) == len(objects)
        assert json.loads(sample.provenance_json)["detector"]["adapter"] == "dataset"
        assert sample.caption
        for item in objects:
            assert item.mask is not None
            assert item.rings is not None
            assert item.ring_iou is not None
            mask = decode(item.mask)
            rings = [np.array(ring).reshape(-1, 2) for ring in item.rings]
            drawn_mask = rings_to_mask(rings, sample.height, sample.width)
            assert abs((mask & drawn_mask).sum() / (mask | drawn_mask).sum() - item.ring_iou) < 1e-4
            assert item.point is not None
            assert mask[int(item.point[1]), int(item.point[0])]


def test_the_same_bytes_on_any_number_of_workers(drawn: Path, tmp_path: Path, run: Annotate) -> None:
    run(drawn, tmp_path / "one")
    run(drawn, tmp_path / "three", workers=3)
    assert content(tmp_path / "one") == content(tmp_path / "three")


def test_a_grown_source_makes_new_shards_and_nothing_new_makes_none(drawn: Path, tmp_path: Path, run: Annotate) -> None:
    source, out = tmp_path / "pictures", tmp_path / "out"
    source.mkdir()
    files = sorted(drawn.glob("*.jpg"))
    shutil.copy(drawn / "instances.json", source)
    for path in files[:10]:
        shutil.copy2(path, source)
    assert run(source, out).run.written == 10
    before = content(out / "shards")
    again = run(source, out)
    assert again.run.inputs == 0
    assert "nothing new" in again.to_text()
    for path in files[10:]:
        shutil.copy2(path, source)
    (source / files[0].name).touch()
    grown = run(source, out)
    assert (grown.run.written, grown.total.written) == (10, 20)
    after = content(out / "shards")
    assert before.items() <= after.items()
    for path in source.glob("*.jpg"):
        path.unlink()
    assert "nothing new" in run(source, out).to_text()
    assert len({sample.source for sample, _ in samples(out)}) == 20


def test_changed_bytes_are_a_new_input_and_repeated_ones_a_duplicate(
    drawn: Path, tmp_path: Path, run: Annotate
) -> None:
    source, out = tmp_path / "pictures", tmp_path / "out"
    shutil.copytree(drawn, source)
    shutil.copy(source / "0003.jpg", source / "0099.jpg")
    first = run(source, out)
    assert first.run.duplicate == 1
    assert next(line for line in ledger(out) if line["status"] == "duplicate")["of"] == "0003.jpg"
    Image.new("RGB", (320, 240), "red").save(source / "0004.jpg")
    second = run(source, out)
    assert (second.run.inputs, second.run.written) == (1, 1)


def test_filters_opt_out_and_what_cannot_be_used_are_accounted_for(drawn: Path, tmp_path: Path, run: Annotate) -> None:
    source, out = tmp_path / "pictures", tmp_path / "out"
    shutil.copytree(drawn, source)
    (source / "0001.json").write_text(json.dumps({"caption": "a ring", "opt_out": True}))
    (source / "0002.json").write_text(json.dumps({"caption": "kept", "LICENSE": "CC0", "url": "http://x/2.jpg"}))
    (source / "broken.jpg").write_bytes((source / "0003.jpg").read_bytes()[:900])
    (source / "page.jpg").write_text("<html>not found</html>")
    Image.new("RGB", (10, 10)).save(source / "tiny.png")
    summary = run(source, out, filters=["size:min_side=64"], captioner="none")
    counts = summary.run
    assert counts.inputs == 23 == counts.written + sum(counts.filtered.values()) + sum(counts.quarantined.values())
    assert counts.filtered == {"opt_out": 1, "size": 1}
    assert counts.quarantined == {"truncated": 1, "format": 1}
    assert summary.too_many_quarantined
    kept = next(sample for sample, _ in samples(out) if sample.source == "0002.jpg")
    assert (kept.caption, kept.license, kept.url) == ("kept", "CC0", "http://x/2.jpg")
    assert json.loads(kept.provenance_json)["source"]["LICENSE"] == "CC0"


def test_other_settings_need_another_folder_once_something_is_committed(
    drawn: Path, tmp_path: Path, run: Annotate
) -> None:
    run(drawn, tmp_path / "out")
    with pytest.raises(InputError, match=r"epsilon 0\.005 -> 0\.01"):
        run(drawn, tmp_path / "out", epsilon=0.01)


def test_settings_of_a_run_that_committed_nothing_may_change(drawn: Path, tmp_path: Path, run: Annotate) -> None:
    empty = tmp_path / "pictures"
    shutil.copytree(drawn, empty)
    (empty / "instances.json").write_text("{}")
    with pytest.raises(InputError):
        run(empty, tmp_path / "out", workers=2, phrases="nonsense")
    shutil.copy(drawn / "instances.json", empty)
    assert run(empty, tmp_path / "out", phrases="red ring").run.written == 20


class Fake(Detector):
    """One box a picture; fails as its class attributes say."""

    needs_phrases = False
    most = 100
    poison: Sequence[str] = ()

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("fake", "fake-1", license="MIT")

    def detect(self, pictures: Sequence[Picture], phrases: Sequence[Sequence[str]]) -> list[Detections]:
        if min(len(pictures), self.settings.batch_size) > self.most:
            raise MemoryError("out of memory")
        if any(picture.source in self.poison for picture in pictures):
            raise ValueError("a defect in the model")
        return [
            Detections([Instance("thing", 0.5, (1.0, 1.0, picture.width - 1.0, 9.0))], [], ["nothing"])
            for picture in pictures
        ]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[Fake]:
    class Own(Fake):
        pass

    real = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Own if name == "fake" else real(kind, name))
    return Own


def test_out_of_memory_starts_the_slice_again_with_half_the_batch(
    drawn: Path, tmp_path: Path, run: Annotate, fake: type[Fake], reporter: Silent
) -> None:
    settings: dict[str, Any] = {"detector": "fake", "segmenter": "none", "annotations": "", "batch_size": 8}
    run(drawn, tmp_path / "roomy", **settings)
    fake.most = 2
    summary = run(drawn, tmp_path / "tight", **settings)
    assert summary.run.written == 20
    assert reporter.done == 40
    sidecars = [Sidecar.load(path) for path in sorted((tmp_path / "tight/shards").glob("*.json"))]
    assert [sidecar.batch_size for sidecar in sidecars] == [2, 2, 2]
    assert sum("batches of 2" in note for note in reporter.notes) == 3
    tars = [
        {path.name: path.read_bytes() for path in (tmp_path / name / "shards").glob("*.tar")}
        for name in ("roomy", "tight")
    ]
    assert tars[0] == tars[1]
    assert not list((tmp_path / "tight").rglob(".*"))


def test_no_batch_fits(drawn: Path, tmp_path: Path, run: Annotate, fake: type[Fake]) -> None:
    fake.most = 0
    with pytest.raises(PeError, match="out of memory on every picture, one at a time"):
        run(drawn, tmp_path / "out", detector="fake", segmenter="none", annotations="")


def test_a_picture_that_the_model_cannot_take_is_quarantined_and_a_broken_model_is_not(
    drawn: Path, tmp_path: Path, run: Annotate, fake: type[Fake]
) -> None:
    settings: dict[str, Any] = {"detector": "fake", "segmenter": "none", "annotations": ""}
    fake.poison = ["0007.jpg"]
    summary = run(drawn, tmp_path / "out", **settings)
    assert (summary.run.written, summary.run.quarantined) == (19, {"detector": 1})
    line = json.loads((tmp_path / "out/quarantine/0000-00000.jsonl").read_text())
    assert (line["id"], line["detail"]) == ("0007.jpg", "ValueError: a defect in the model")
    fake.poison = [path.name for path in drawn.glob("*.jpg")]
    with pytest.raises(PeError, match="every picture: ValueError: a defect in the model"):
        run(drawn, tmp_path / "broken", **settings)
    assert not list((tmp_path / "broken/shards").iterdir())


class Shy(Captioner):
    """Refuses one picture; is down when told so."""

    down = False

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("shy")

    def caption(
        self, pictures: Sequence[Picture], instances: Sequence[Sequence[Instance]]
    ) -> list[Caption | SampleError]:
        if self.down and any(picture.source == "0012.jpg" for picture in pictures):
            raise TryLater("the endpoint is down")
        return [
            SampleError("caption", "refused")
            if picture.source == "0002.jpg"
            else Caption(f"{len(found)} things", [f"thing {number}" for number in range(len(found))])
            for picture, found in zip(pictures, instances, strict=True)
        ]


def test_captions_regions_refusals_and_an_endpoint_that_is_down(
    drawn: Path, tmp_path: Path, run: Annotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Shy if name == "shy" else real(kind, name))
    out = tmp_path / "out"
    Shy.down = True
    with pytest.raises(TryLater):
        run(drawn, out, captioner="shy")
    assert [path.stem for path in sorted((out / "shards").glob("*.json"))] == ["0000-00000"]
    Shy.down = False
    summary = run(drawn, out, captioner="shy")
    assert (summary.run.inputs, summary.total.inputs, summary.total.quarantined) == (12, 20, {"caption": 1})
    for sample, objects in samples(out):
        assert sample.caption == f"{len(objects)} things"
        assert [item.caption for item in objects] == [f"thing {number}" for number in range(len(objects))]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"detector": "datasett", "segmenter": "none"}, "did you mean dataset"),
        ({"detector": "none", "segmenter": "none"}, "name a detector"),
        ({"filters": ["size:min=3"]}, "min"),
        ({"device": "cuda:77"}, "cuda:77"),
    ],
)
def test_wrong_settings_end_before_anything_is_written(
    drawn: Path, tmp_path: Path, run: Annotate, settings: dict[str, Any], says: str
) -> None:
    if "device" in settings:
        pytest.importorskip("torch")
    with pytest.raises((InputError, ConfigError), match=says):
        run(drawn, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("/data/coco/train2017", "train2017"),
        ("/data/coco/*.jpg", "coco"),
        ("s3://bucket/laion/{00000..00009}.tar", "laion"),
        ("s3://bucket/laion/00000.tar", "00000"),
        ("my photos/", "my_photos"),
    ],
)
def test_the_name_of_a_source(word: str, name: str) -> None:
    assert source_name(word) == name


def test_settings_reach_the_adapter(
    drawn: Path, tmp_path: Path, run: Annotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[AdapterSettings] = []

    class Spy(Fake):
        def __init__(self, settings: AdapterSettings) -> None:
            super().__init__(settings)
            seen.append(settings)

    real = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Spy if name == "spy" else real(kind, name))
    run(drawn, tmp_path / "out", detector="spy", segmenter="none", annotations="", box_threshold=0.1, device="cpu")
    assert (seen[0].box_threshold, seen[0].device, seen[0].batch_size) == (0.1, "cpu", 4)


class Weary(Captioner):
    """Runs out of memory on more than `most` pictures at once; cannot take the pictures of `poison`."""

    most = 100
    poison: Sequence[str] = ()

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("weary")

    def caption(
        self, pictures: Sequence[Picture], instances: Sequence[Sequence[Instance]]
    ) -> list[Caption | SampleError]:
        if min(len(pictures), self.settings.batch_size) > self.most:
            raise MemoryError("out of memory")
        if any(picture.source in self.poison for picture in pictures):
            raise ValueError("a defect in the model")
        return [Caption("fine") for _ in pictures]


def test_a_captioner_that_runs_out_of_memory_or_cannot_take_a_picture(
    drawn: Path, tmp_path: Path, run: Annotate, monkeypatch: pytest.MonkeyPatch, reporter: Silent
) -> None:
    class Own(Weary):
        most = 1
        poison = ("0007.jpg",)

    real = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Own if name == "weary" else real(kind, name))
    summary = run(drawn, tmp_path / "out", captioner="weary")
    assert (summary.run.written, summary.run.quarantined) == (19, {"captioner": 1})
    assert {sidecar.batch_size for sidecar in map(Sidecar.load, (tmp_path / "out/shards").glob("*.json"))} == {1}
    assert reporter.done == 20
    Own.poison = tuple(path.name for path in drawn.glob("*.jpg"))
    with pytest.raises(PeError, match="the captioner fails on every picture: ValueError"):
        run(drawn, tmp_path / "broken", captioner="weary")
    Own.most = 0
    with pytest.raises(PeError, match="the captioner runs out of memory on every picture"):
        run(drawn, tmp_path / "none", captioner="weary")


def test_fewer_masks_than_boxes_is_a_failure_of_the_model_on_that_picture(
    drawn: Path, tmp_path: Path, run: Annotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Short(Segmenter):
        @property
        def info(self) -> ModelInfo:
            return ModelInfo("short")

        def segment(self, picture: Picture, instances: Sequence[Instance]) -> list[Segment]:
            masks = [Segment(np.ones((picture.height, picture.width), bool)) for _ in instances]
            return masks[1:] if picture.source == "0003.jpg" else masks

    real = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Short if name == "short" else real(kind, name))
    summary = run(drawn, tmp_path / "out", segmenter="short")
    assert (summary.run.written, summary.run.quarantined) == (19, {"segmenter": 1})
    for _, objects in samples(tmp_path / "out"):
        assert [item.id for item in objects] == list(range(len(objects)))


def test_bytes_that_change_between_plan_and_run(
    drawn: Path, tmp_path: Path, run: Annotate, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "pictures", tmp_path / "out"
    shutil.copytree(drawn, source)
    Shy.down = True
    real = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: Shy if name == "shy" else real(kind, name))
    with pytest.raises(TryLater):
        run(source, out, captioner="shy")
    Shy.down = False
    Image.new("RGB", (320, 240), "red").save(source / "0015.jpg")
    (source / "0016.jpg").unlink()
    summary = run(source, out, captioner="shy")
    assert (summary.total.written, summary.total.quarantined) == (18, {"caption": 1, "changed": 1, "unreadable": 1})
    assert summary.total.inputs == 21
