"""What holds for every layout."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pe.errors import DamageError, InputError, TryLater
from pe.registry import names
from pe.shards.exports import export
from pe.shards.output import Output
from tests.shards import factory
from tests.shards.exports import rows

ANNOTATED = ("coco", "energon", "hf", "imagefolder", "webdataset", "yolo")
RL = ("easyr1", "energon", "hf", "swift", "trl", "v-triune", "verl", "webdataset")
SFT = ("energon", "hf", "llama-factory", "swift", "trl", "verl", "webdataset")


def source(layout: str, annotated: Path, sft: Path, rl: Path) -> Path:
    return annotated if layout in ANNOTATED else rl if layout in RL else sft


def test_the_layouts_are_known_by_name() -> None:
    assert names("exports") == sorted({*ANNOTATED, *RL, *SFT})


@pytest.mark.parametrize("layout", sorted({*ANNOTATED, *RL, *SFT}))
def test_the_same_shards_give_the_same_bytes(layout: str, annotated: Path, sft: Path, rl: Path, tmp_path: Path) -> None:
    shards = source(layout, annotated, sft, rl)
    summaries = [export(shards, tmp_path / name / "set", layout) for name in "ab"]
    one, two = (factory.tree(tmp_path / name / "set") for name in "ab")
    assert one == two
    assert len(one) == summaries[0].files
    assert sum(map(len, one.values())) == summaries[0].bytes
    assert summaries[0].written == summaries[0].samples == (6 if layout in ANNOTATED else 7)
    assert not list(tmp_path.rglob(".*export*"))


@pytest.mark.parametrize("layout", sorted({*ANNOTATED, *RL, *SFT}))
def test_a_card_and_croissant_lie_beside_every_set(
    layout: str, annotated: Path, sft: Path, rl: Path, tmp_path: Path
) -> None:
    export(source(layout, annotated, sft, rl), tmp_path / "set", layout, split="val", name="A: set", creator="Lab")
    text = (tmp_path / "set/README.md").read_text()
    _, head, body = text.split("---\n", 2)
    card = yaml.safe_load(head)
    assert card["pretty_name"] == "A: set"
    assert card["license"] == ("other" if layout in ANNOTATED else "cc-by-4.0")
    assert card["size_categories"] == ["n<1K"]
    if layout in ANNOTATED:
        assert "| detector | onnx | yolox |  | Apache-2.0 | 6 |" in body
        assert "weird &#124; &#42;licence&#42;" in body
    about = json.loads((tmp_path / "set/croissant.json").read_text())
    assert about["conformsTo"] == "http://mlcommons.org/croissant/1.1"
    required = {"@context", "description", "license", "name", "url", "creator", "datePublished", "distribution"}
    assert all(about[key] for key in required)
    files = [item for item in about["distribution"] if item["@type"] == "cr:FileObject"]
    assert files
    for item in files:
        data = (tmp_path / "set" / item["contentUrl"]).read_bytes()
        assert item["sha256"] == hashlib.sha256(data).hexdigest()
        assert item["contentSize"] == f"{len(data)} B"
    sets = {item["@id"]: item["includes"] for item in about["distribution"] if item["@type"] == "cr:FileSet"}
    for record in about["recordSet"]:
        for field in record["field"]:
            assert field["source"]["fileSet"]["@id"] in sets
    for globs in sets.values():
        found = [globs] if isinstance(globs, str) else globs
        assert any(list((tmp_path / "set").glob(pattern)) for pattern in found), globs


@pytest.mark.parametrize(
    ("layout", "kind", "says"),
    [
        ("verl", "annotated", "build-rl"),
        ("coco", "rl", "coco takes annotated"),
        ("llama-factory", "rl", "takes sft"),
        ("easyr1", "sft", "takes rl"),
        ("verll", "rl", "did you mean verl"),
    ],
)
def test_a_kind_that_a_layout_has_no_form_for_is_refused(
    layout: str, kind: str, says: str, annotated: Path, sft: Path, rl: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        export({"annotated": annotated, "sft": sft, "rl": rl}[kind], tmp_path / "set", layout)
    assert list(tmp_path.iterdir()) == []


def test_mixed_kinds_are_refused(tmp_path: Path) -> None:
    shards = rows.write(tmp_path / "out", [rows.row(0, "rl"), rows.row(1, "sft")])
    with pytest.raises(InputError, match="one kind at a time"):
        export(shards, tmp_path / "set", "trl")
    assert not (tmp_path / "set").exists()


def test_out_is_refused_unless_empty(annotated: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        export(annotated, out, "coco")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]
    (out / "mine.txt").unlink()
    export(annotated, out, "coco")
    assert (out / "README.md").is_file()
    with pytest.raises(InputError, match="lies in"):
        export(annotated, annotated / "set", "coco")
    with pytest.raises(InputError, match="split"):
        export(annotated, tmp_path / "other", "coco", split="../x")
    with pytest.raises(InputError, match="not an output folder"):
        export(tmp_path / "nothing", tmp_path / "other", "coco")


def test_one_shard_can_be_exported(annotated: Path, tmp_path: Path) -> None:
    tar = Output(annotated).shards()[1]
    assert export(tar, tmp_path / "set", "hf").written == 2


@pytest.mark.parametrize("layout", ["coco", "webdataset"])
def test_damage_ends_an_export_with_nothing_left(layout: str, tmp_path: Path) -> None:
    shards = rows.annotated(tmp_path / "out", 5)
    tar = Output(shards).shards()[1]
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    with pytest.raises(DamageError):
        export(shards, tmp_path / "set", layout)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_rows_without_a_form_are_counted_by_reason(tmp_path: Path) -> None:
    def said(text: str, role: str = "user") -> str:
        return json.dumps([{"role": role, "content": text}])

    broken = [
        rows.row(1, "rl", messages_json=said("no mark")),
        rows.row(2, "rl", messages_json=said("<image><image>")),
        rows.row(3, "rl", messages_json=said("<image>x", "assistant")),
        rows.row(4, "rl", messages_json="[]"),
        rows.row(5, "rl", messages_json='[{"role":"user"}]'),
        rows.row(6, "rl", messages_json=said("<image>what does <video> mean?")),
    ]
    summary = export(rows.write(tmp_path / "out", [rows.row(0, "rl"), *broken]), tmp_path / "set", "verl")
    assert (summary.samples, summary.written) == (7, 1)
    assert sorted(summary.left_out.values()) == [1, 1, 2, 2]
    assert "7 samples = 1 written + 6 left out" in summary.to_text()
    assert "another number of image marks" in (tmp_path / "set/README.md").read_text()
    with pytest.raises(InputError, match="nothing to export to verl"):
        export(rows.write(tmp_path / "bad", broken), tmp_path / "none", "verl")


CHILD = """
import os, signal, sys
from pathlib import Path
from pe.shards import exports
from pe.shards.exports import _run
_run.os.sync = lambda: os.kill(os.getpid(), signal.SIGKILL) if sys.argv[3] == "kill" else __import__("time").sleep(600)
exports.export(Path(sys.argv[1]), Path(sys.argv[2]), "coco")
"""


def test_a_killed_export_leaves_nothing_that_looks_whole(annotated: Path, tmp_path: Path) -> None:
    """SIGKILL just before the rename; the next run cleans up and gives the bytes of an undisturbed one."""
    out = tmp_path / "set"
    done = subprocess.run([sys.executable, "-c", CHILD, annotated, out, "kill"], cwd=Path(__file__).parents[3])
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".set.export"]
    (tmp_path / ".set.export/images/left.jpg").write_bytes(b"left over")
    export(annotated, out, "coco")
    export(annotated, tmp_path / "b/set", "coco")
    assert factory.tree(out) == factory.tree(tmp_path / "b/set")
    assert not (tmp_path / ".set.export").exists()


def test_two_exports_do_not_write_one_folder(annotated: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", CHILD, str(annotated), str(tmp_path / "set"), "wait"]
    other = subprocess.Popen(words, cwd=Path(__file__).parents[3], env=os.environ)
    try:
        while not (tmp_path / ".set.export/croissant.json").exists():
            assert other.poll() is None
            time.sleep(0.02)
        with pytest.raises(TryLater):
            export(annotated, tmp_path / "set", "coco")
        assert (tmp_path / ".set.export/croissant.json").exists()
    finally:
        other.kill()
        other.wait()
