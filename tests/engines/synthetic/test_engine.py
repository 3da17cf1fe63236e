"""Drawn scenes as shards: the same bytes on any number of workers, and a truth that can be held against the pixels."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pe.engines.synthetic.looks import KEPT_OUT
from pe.geometry.masks import decode
from pe.geometry.raster import rings_to_mask
from pe.schemas.sample import Sample
from pe.shards.output import Output
from pe.shards.read import read_shard
from pe.shards.verify import verify_output


def _synth(out: Path, *words: str) -> str:
    command = [sys.executable, "-c", "from pe.cli import main; main()", "synth", str(out), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _tars(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "shards").glob("*.tar"))}


def _samples(out: Path) -> list[tuple[Sample, bytes]]:
    return [pair for path in sorted((out / "shards").glob("*.tar")) for pair in read_shard(path)]


def test_workers_and_extension_change_nothing(tmp_path: Path) -> None:
    _synth(tmp_path / "one", "--scenes", "60", "--shard-inputs", "20", "--seed", "5")
    _synth(tmp_path / "two", "--scenes", "60", "--shard-inputs", "20", "--seed", "5", "--workers", "2")
    _synth(tmp_path / "more", "--scenes", "40", "--shard-inputs", "20", "--seed", "5")
    before = _tars(tmp_path / "more")
    text = _synth(tmp_path / "more", "--scenes", "60", "--shard-inputs", "20", "--seed", "5")
    assert "20 inputs = 20 written + 0 filtered + 0 duplicates + 0 quarantined" in text
    one = _tars(tmp_path / "one")
    assert len(one) == 3
    assert one == _tars(tmp_path / "two")
    # The plan's number is part of a slice's name and its keys; the pictures are the same ones.
    more = _samples(tmp_path / "more")
    assert before.items() <= _tars(tmp_path / "more").items()
    assert [sample.sha256 for sample, _ in more] == [sample.sha256 for sample, _ in _samples(tmp_path / "one")]
    assert verify_output(Output(tmp_path / "two")).whole


@pytest.mark.parametrize("profile", ["base", "dense", "crowd", "language", "text"])
def test_records_hold_the_truth(tmp_path: Path, profile: str) -> None:
    _synth(tmp_path / "out", "--scenes", "12", "--profile", profile, "--split", "test")
    found = _samples(tmp_path / "out")
    assert len(found) == 12
    words = 0
    for sample, data in found:
        picture = np.asarray(Image.open(io.BytesIO(data)))
        assert picture.shape == (sample.height, sample.width, 3)
        truth = json.loads(sample.provenance_json)
        objects = sample.objects()
        absent = json.loads(sample.negatives_json)
        assert not {item.phrase for item in objects} & set(absent)
        total = np.zeros((sample.height, sample.width), np.int64)
        for item in objects:
            assert item.mask is not None
            assert item.rings is not None
            mask = decode(item.mask)
            total += mask
            assert np.array_equal(rings_to_mask(item.rings, sample.height, sample.width), mask)
            assert item.ring_iou == 1.0
            assert item.point is not None
            assert mask[int(item.point[1]), int(item.point[0])]
            x0, y0, x1, y1 = (int(value) for value in item.bbox)
            assert mask[y0:y1, x0:x1].sum() == mask.sum()
        assert total.max(initial=0) <= 1
        for item, thing in zip(objects, truth["things"], strict=False):
            assert set(item.phrase.split()) <= set(thing.values())
            assert (thing["shape"], thing["colour"]) not in KEPT_OUT
        for item in objects[len(truth["things"]) :]:
            words += 1
            assert item.text
            assert item.quad is not None
            assert len(item.quad) == 8
        for said in truth["expressions"]:
            assert set(said["objects"]) <= {item.id for item in objects}
        if objects:
            assert sample.caption
    assert (words > 0) == (profile == "text")


def test_kept_out_pairs_are_alone_in_their_split(tmp_path: Path) -> None:
    _synth(tmp_path / "out", "--scenes", "10", "--split", "kept_out")
    pairs = {
        (thing["shape"], thing["colour"])
        for sample, _ in _samples(tmp_path / "out")
        for thing in json.loads(sample.provenance_json)["things"]
    }
    assert pairs
    assert pairs <= KEPT_OUT


def test_bad_words_are_one_line(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from pe.cli import main; main()",
        "synth",
        str(tmp_path / "out"),
        "--profile",
        "bass",
        "--scenes",
        "0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
