"""Mixes from drawn scenes: exact, the same whatever the workers and kills, split by image, clean of evaluation sets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from pe.schemas.sample import Sample
from pe.shards.read import read_shard, shards_of

PE = [sys.executable, "-c", "from pe.cli import main; main()"]


def pe(*words: object, code: int = 0) -> str:
    done = subprocess.run([*PE, *map(str, words)], capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 drawn scenes in three shards."""
    out = tmp_path_factory.mktemp("world") / "base"
    pe("synth", out, "--scenes", 150, "--shard-inputs", 50, "--seed", 3)
    return out


def mix_file(folder: Path, kind: str, *sources: dict[str, Any], **more: Any) -> Path:
    path = folder / "mix.yaml"
    path.write_text(yaml.safe_dump({f"build_{kind}": {"sources": list(sources), **more}}))
    return path


def samples(out: Path) -> Iterator[Sample]:
    for shard in shards_of(out):
        for sample, _ in read_shard(shard):
            yield sample


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((out / "shards").iterdir())}


BOTH = ({"task": "detect", "weight": 3}, {"task": "point", "weight": 1, "format": "molmo"})


def test_rows_are_exact_and_whole(world: Path, tmp_path: Path) -> None:
    mix = mix_file(tmp_path, "sft", *BOTH, format="rexomni")
    table = json.loads(
        pe("build-sft", mix, tmp_path / "out", "--data", world, "--rows", 201, "--shard-inputs", 64, "--json")
    )
    assert [line["taken"] for line in table["leaves"]] == [151, 50]
    assert "whole" in pe("verify", tmp_path / "out")
    found = list(samples(tmp_path / "out"))
    assert Counter(sample.ability for sample in found) == {"detection": 151, "pointing": 50}
    assert len({sample.key for sample in found}) == 201
    for sample in found:
        assert sample.kind == "sft"
        user, answer = json.loads(sample.messages_json)[-2:]
        assert user["content"].startswith("<image>")
        assert user["content"].count("<image>") == 1
        assert sample.gold_text in answer["content"]
        assert (sample.input_width, sample.input_height) == (128, 128)


def test_the_same_bytes_on_any_number_of_workers_and_after_kills(world: Path, tmp_path: Path) -> None:
    mix = mix_file(tmp_path, "rl", *BOTH)
    words = ["--data", world, "--rows", 260, "--shard-inputs", 40, "--seed", 5]
    pe("build-rl", mix, tmp_path / "one", *words)
    pe("build-rl", mix, tmp_path / "two", *words, "--workers", 2)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")
    for delay in (0.8, 1.4, 2.0, 2.6):
        run = subprocess.Popen(
            [*PE, "build-rl", str(mix), str(tmp_path / "killed"), *map(str, words), "--workers", "2"],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(delay)
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    pe("build-rl", mix, tmp_path / "killed", *words)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "killed")


def test_another_seed_takes_other_rows_in_another_order(world: Path, tmp_path: Path) -> None:
    mix = mix_file(tmp_path, "sft", {"task": "detect"}, format="rexomni")
    for seed in (1, 2):
        pe("build-sft", mix, tmp_path / str(seed), "--data", world, "--rows", 60, "--seed", seed)
    one, two = ([sample.sha256 for sample in samples(tmp_path / seed)] for seed in ("1", "2"))
    assert len(one) == len(two) == 60
    assert set(one) != set(two)


def test_train_and_val_share_no_image(world: Path, tmp_path: Path) -> None:
    mix = mix_file(tmp_path, "sft", *BOTH, format="rexomni", holdout=0.3)
    for part in ("train", "val"):
        pe("build-sft", mix, tmp_path / part, "--data", world, "--part", part)
    train, val = ({sample.sha256 for sample in samples(tmp_path / part)} for part in ("train", "val"))
    assert train.isdisjoint(val)
    everything = {sample.sha256 for sample in samples(world)}
    assert train | val <= everything
    assert 20 <= len(val) <= 70


def test_no_picture_of_an_evaluation_set_gets_through(world: Path, tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    held = []
    for shard in shards_of(world)[:1]:
        for sample, data in read_shard(shard):
            (tmp_path / "evaluation" / f"{sample.key}.jpg").write_bytes(data)
            held.append(sample.sha256)
    mix = mix_file(tmp_path, "sft", {"task": "detect"}, exclude=[str(tmp_path / "evaluation")])
    table = json.loads(pe("build-sft", mix, tmp_path / "out", "--data", world, "--json"))
    assert table["skipped"] == {"in_evaluation": 50}
    assert not {sample.sha256 for sample in samples(tmp_path / "out")} & set(held)


def test_a_picture_that_looks_like_an_evaluation_sets_gets_through_neither(shared: Path, tmp_path: Path) -> None:
    photos = sorted((shared / "photos/coco128/images").rglob("*.jpg"))[:12]
    (tmp_path / "photos").mkdir()
    (tmp_path / "evaluation").mkdir()
    for number, path in enumerate(photos):
        (tmp_path / "photos" / path.name).write_bytes(path.read_bytes())
        if number % 3 == 0:
            with Image.open(path) as picture:
                smaller = picture.convert("RGB").resize((picture.width // 2, picture.height // 2))
                as_other = ("a.jpg", "b.png", "c.webp", "d.jpg")[number // 3]
                grey = smaller.convert("L") if as_other == "d.jpg" else smaller
                grey.save(tmp_path / "evaluation" / as_other, quality=60)
    annotations = shared / "photos/coco128/instances.json"
    pe("annotate", tmp_path / "photos", tmp_path / "annotated", "--detector", "dataset", "--segmenter", "none",
       "--captioner", "none", "--annotations", annotations)  # fmt: skip
    mix = mix_file(tmp_path, "sft", {"task": "detect"}, exclude=[str(tmp_path / "evaluation")])
    table = json.loads(pe("build-sft", mix, tmp_path / "out", "--data", tmp_path / "annotated", "--json"))
    assert table["skipped"] == {"in_evaluation": 4}
    assert table["leaves"][0]["samples"] == 8


def test_a_positives_only_mix_is_refused_unless_asked_for(world: Path, tmp_path: Path) -> None:
    none = {"least": 0, "most": 0}
    mix = mix_file(tmp_path, "rl", {"task": "detect", "negatives": none})
    assert "positives_only" in pe("build-rl", mix, tmp_path / "out", "--data", world, code=2)
    mix = mix_file(tmp_path, "rl", {"task": "detect", "negatives": none}, positives_only=True)
    pe("build-rl", mix, tmp_path / "out", "--data", world)


def test_answers_that_no_text_can_give_are_explained(world: Path, tmp_path: Path) -> None:
    parameters = {"verifier": "v-triune-detection"}
    mix = mix_file(tmp_path, "rl", {"task": "detect", "parameters": parameters}, format="v-triune")
    told = pe("build-rl", mix, tmp_path / "out", "--data", world, "--dry-run")
    assert "not_representable" in told
    assert "a looser threshold" in told
    parameters["verifier_parameters"] = {"threshold": {"until": [[0.1, 0.5], [1.0, 0.85]]}}
    mix = mix_file(tmp_path, "rl", {"task": "detect", "parameters": parameters}, format="v-triune")
    assert "not_representable" not in pe("build-rl", mix, tmp_path / "out", "--data", world, "--dry-run")


def test_answers_without_a_score_are_explained(world: Path, tmp_path: Path) -> None:
    length = {"limit": 400, "floor": 0.0}
    parameters = {"verifier_parameters": {"also": {"length": length}}, "weights": {"accuracy": 1.0, "length": 0.3}}
    sources = ({"task": "detect", "parameters": parameters}, {"task": "point"})
    told = pe("build-rl", mix_file(tmp_path, "rl", *sources, floor=0.0), tmp_path / "out", "--data", world, "--dry-run")
    assert "score_missing" in told
    assert "unit: characters" in told
    assert " gives no row" in told
    length["unit"] = "characters"
    told = pe("build-rl", mix_file(tmp_path, "rl", *sources, floor=0.0), tmp_path / "out", "--data", world, "--dry-run")
    assert "score_missing" not in told
    assert " gives no row" not in told


@pytest.mark.parametrize("changes", [{"filters": {"count-per-category": {"min": 50}}}, {"weight": 0}])
def test_a_mix_without_rows_is_no_success(world: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    mix = mix_file(tmp_path, "sft", {"task": "detect", **changes})
    told = pe("build-sft", mix, tmp_path / "out", "--data", world, code=2)
    assert told.splitlines()[-1] == f"pe: {mix}: no source gives a row; the table counts what was dropped, and why"


@pytest.mark.parametrize(
    ("source", "changes", "said"),
    [
        ({"weight": float("inf")}, {}, "weight"),
        ({"parameters": {"weights": {"accuracy": float("nan")}}}, {}, "parameters and filters are what JSON can write"),
        ({}, {"epochs": 1e300}, "epochs"),
        ({"filters": {"tokens": {"max": 5}}}, {}, "the filter tokens needs a tokenizer"),
    ],
)
def test_settings_that_cannot_be_are_one_line(
    world: Path, tmp_path: Path, source: dict[str, object], changes: dict[str, object], said: str
) -> None:
    mix = mix_file(tmp_path, "sft", {"task": "detect", **source}, **changes)
    told = pe("build-sft", mix, tmp_path / "out", "--data", world, code=2)
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_other_sources_need_another_folder(world: Path, tmp_path: Path) -> None:
    mix = mix_file(tmp_path, "sft", {"task": "detect"})
    pe("build-sft", mix, tmp_path / "out", "--data", world)
    told = pe("build-sft", mix, tmp_path / "out", "--data", f"{world}/shards/0000-0000[01].tar", code=2)
    assert "other settings" in told


@pytest.mark.parametrize(
    ("source", "more", "told"),
    [
        ({"task": "detekt"}, {}, "did you mean detect"),
        ({"task": "detect", "parameters": {"colour": 1}}, {}, "colour"),
        ({"task": "detect", "filters": {"box-share": {"max": 2}}}, {}, "less than or equal to 1"),
        ({"task": "detect", "filters": {"box-shape": {}}}, {}, "box-share"),
        ({"task": "detect", "format": "rexomny"}, {}, "did you mean rexomni"),
        ({"task": "detect", "wait": 1}, {}, "wait"),
        ({"task": "detect"}, {"exclude": ["nowhere"]}, "nowhere"),
        ({"task": "detect", "negatives": {"pool": "nowhere.txt"}}, {}, "nowhere.txt"),
        ({"task": "detect", "data": "nowhere"}, {}, "nowhere"),
        ({"task": "detect", "count": 5, "filters": {"count-per-category": {"min": 99}}}, {}, "has none"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    source: dict[str, Any], more: dict[str, Any], told: str, world: Path, tmp_path: Path
) -> None:
    mix = mix_file(tmp_path, "sft", source, **more)
    message = pe("build-sft", mix, tmp_path / "out", "--data", world, code=2)
    assert told in message
    assert "Traceback" not in message


def test_a_dry_run_writes_nothing(world: Path, tmp_path: Path) -> None:
    mix = mix_file(tmp_path, "sft", *BOTH)
    assert "detect-" in pe("build-sft", mix, tmp_path / "out", "--data", world, "--dry-run")
    assert not (tmp_path / "out").exists()


def test_tokens_are_counted_and_filtered_by(world: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from pe.annotators.checkpoints import ASSETS

    mix = mix_file(tmp_path, "sft", {"task": "detect", "filters": {"tokens": {"max": 90}}}, format="rexomni")
    tokenizer = ASSETS / "demo" / "grounding-dino"
    table = json.loads(pe("build-sft", mix, tmp_path / "out", "--data", world, "--tokenizer", tokenizer, "--json"))
    counts = [sample.token_count for sample in samples(tmp_path / "out")]
    assert counts
    assert all(0 < count <= 90 for count in counts)
    assert table["leaves"][0]["tokens"] == sum(counts)
    assert table["leaves"][0]["drops"]["tokens"] > 0
