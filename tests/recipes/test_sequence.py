"""The sequence as real commands: what runs, what is left out, what goes on, and what comes back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from pe.errors import ConfigError, DamageError, InputError
from pe.recipes.plan import read_recipe
from pe.recipes.sequence import _fitted, run_recipe
from pe.shards.output import Output
from tests.shards import factory

MIX = {"sources": [{"task": "detect", "data": "world"}], "format": "rexomni"}
SECTIONS: dict[str, Any] = {
    "synth": [{"out": "world", "scenes": 6}, {"out": "test", "scenes": 4, "split": "test"}],
    "build_sft": {"out": "rows", **MIX},
}


def write(path: Path, sections: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(sections, sort_keys=False))
    return path


def run(file: Path, out: Path, **more: Any) -> tuple[int, list[str]]:
    said: list[str] = []
    code = run_recipe(read_recipe(file), out, say=said.append, **more)
    return code, [" ".join(line.split()) for line in said]


def test_sections_run_in_order_and_once(tmp_path: Path) -> None:
    file, out = write(tmp_path / "r.yaml", SECTIONS), tmp_path / "out"
    code, lines = run(file, out, dry=True)
    assert (code, lines) == (0, ["synth 1 world to do", "synth 2 test to do", "build_sft rows to do"])
    assert not out.exists()
    code, lines = run(file, out)
    assert code == 0
    assert [line.split(" done in ")[0] for line in lines] == ["synth 1 world", "synth 2 test", "build_sft rows"]
    assert len(Output(out / "world").shards()) == 1
    assert "detect" in (out / "recipe/build_sft-rows.log").read_text()
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")}
    code, lines = run(file, out)
    assert lines == ["synth 1 world unchanged", "synth 2 test unchanged", "build_sft rows unchanged"]
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")}

    more = {**SECTIONS, "synth": [{"out": "world", "scenes": 6}, {"out": "test", "scenes": 5, "split": "test"}]}
    assert [line.split(" in ")[0] for line in run(write(file, more), out)[1]] == [
        *("synth 1 world unchanged", "synth 2 test done", "build_sft rows unchanged")
    ]
    (out / "world/shards").rename(out / "world/away")
    assert run(write(file, more), out, start="build_sft")[1][:2] == ["synth 1 world left out", "synth 2 test left out"]


def test_other_inputs_run_what_reads_them(tmp_path: Path) -> None:
    file, out = write(tmp_path / "r.yaml", SECTIONS), tmp_path / "out"
    run(file, out)
    grown = {**SECTIONS, "synth": [{"out": "world", "scenes": 7}, SECTIONS["synth"][1]]}
    code, lines = run(write(file, grown), out)
    assert lines[0].startswith("synth 1 world done")
    assert lines[1] == "synth 2 test unchanged"
    assert lines[2].startswith("build_sft rows failed with exit code 2"), "another mix needs another folder"
    assert code == 2


def test_the_first_failure_ends_the_sequence_with_its_code(tmp_path: Path) -> None:
    bad = {
        "build_sft": {"out": "rows", **MIX, "sources": [{"task": "detect", "data": "nowhere"}]},
        "synth": {"out": "w"},
    }
    code, lines = run(write(tmp_path / "r.yaml", bad), tmp_path / "out")
    assert code == 2
    assert len(lines) == 1
    assert not (tmp_path / "out/w").exists()


def test_all_faults_at_once_before_anything_runs(tmp_path: Path) -> None:
    wrong = {"synth": {"out": "w", "scenes": 0, "splits": "test"}, "build_sft": {**MIX, "out": "r", "epochs": -1}}
    with pytest.raises(ConfigError) as error:
        run(write(tmp_path / "r.yaml", wrong), tmp_path / "out")
    assert len(error.value.problems) == 3
    assert error.value.problems[0].startswith("synth: ")
    assert any("did you mean 'split'" in problem for problem in error.value.problems)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError) as error:
        read_recipe(write(tmp_path / "r.yaml", {"sinth": {}, "train": 5, "recipe": {"titel": "x"}}))
    assert len(error.value.problems) == 4
    with pytest.raises(ConfigError, match="two steps write w"):
        read_recipe(write(tmp_path / "r.yaml", {"synth": [{"out": "w"}, {"out": "w"}]}))
    with pytest.raises(InputError, match="no section 'eval'"):
        run(write(tmp_path / "r.yaml", SECTIONS), tmp_path / "out", start="eval")


def test_pictures_from_outside_are_looked_at_each_time(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/1.jpg").write_bytes(factory.picture(1))
    images = [{"id": number, "file_name": f"{number}.jpg"} for number in (1, 2)]
    (tmp_path / "boxes.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    models = {
        "detector": "dataset",
        "annotations": str(tmp_path / "boxes.json"),
        "segmenter": "none",
        "captioner": "none",
    }
    sections = {
        "annotate": [
            {"source": str(tmp_path / "photos"), "out": "web", **models},
            {"source": "web/shards/*.tar", "out": "again", **models},
        ]
    }
    file = write(tmp_path / "r.yaml", sections)
    assert run(file, tmp_path / "out")[0] == 0
    (tmp_path / "photos/2.jpg").write_bytes(factory.picture(2))
    _, lines = run(file, tmp_path / "out", dry=True)
    assert lines == ["annotate 1 web to do", "annotate 2 again unchanged"]
    _, lines = run(file, tmp_path / "out")
    assert [line.split(" in ")[0] for line in lines] == ["annotate 1 web done", "annotate 2 again done"]
    assert sum(json.loads(path.read_text())["samples"] for path in tmp_path.glob("out/web/shards/*.json")) == 2


@pytest.mark.parametrize("text", ["", "- a\n", "a: [", "synth: x\n", "\x00"])
def test_what_is_no_recipe_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        read_recipe(tmp_path / "r.yaml")
    assert all("\n" not in problem for problem in error.value.problems)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_sequence_goes_on(signum: signal.Signals, tmp_path: Path) -> None:
    sections = {"synth": {"out": "world", "scenes": 100, "shard_inputs": 10}, "build_sft": {"out": "rows", **MIX}}
    file, out = write(tmp_path / "r.yaml", sections), tmp_path / "out"
    command = [sys.executable, "-m", "pe", "run", str(file), "--out", str(out)]
    with (tmp_path / "said").open("w") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(out.glob("world/shards/*.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(child.pid, signum)
    child.wait(60)
    if signum == signal.SIGKILL:
        # What it had started works on, and nobody else may meanwhile.
        with pytest.raises(InputError, match="another pe run works in it"):
            run(file, out)
        while True:
            try:
                code, lines = run(file, out)
                break
            except InputError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
    else:
        assert child.returncode == 128 + signum
        assert f"failed with exit code {128 + signum}" in (tmp_path / "said").read_text()
        code, lines = run(file, out)
    assert code == 0
    assert lines[-1].startswith("build_sft rows done")
    assert sum(json.loads(path.read_text())["samples"] for path in out.glob("world/shards/*.json")) == 100


@pytest.mark.parametrize(
    ("gpus", "accumulation", "launched"), [(0, 32, []), (1, 32, []), (2, 16, ["2"]), (8, 4, ["8"]), (16, 4, ["8"])]
)
def test_fewer_gpus_accumulate_more_often(
    gpus: int, accumulation: int, launched: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    stage = {"kind": "sft", "data": ["sft"], "gradient_accumulation_steps": 4}
    train = {"out": "train", "model": "org/model", "stages": [stage]}
    recipe = read_recipe(
        write(tmp_path / "r.yaml", {"recipe": {"title": "x", "devices": 8, "zero": 3}, "train": train})
    )
    settings, launcher = _fitted(recipe, recipe.steps[0])
    assert settings["stages"][0]["gradient_accumulation_steps"] == accumulation
    assert launcher[3:4] == launched
    assert ("--zero3_save_16bit_model" in launcher) == bool(launched)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    with pytest.raises(InputError, match="the 3 here do not divide"):
        _fitted(recipe, recipe.steps[0])


@pytest.mark.parametrize(
    ("outs", "said"),
    [
        (("a", "./a"), r"two steps write a \(also called ./a\)"),
        (("a", "a/"), "two steps write a"),
        (("a", "a/shards"), "one step writes a and another a/shards: neither may lie in the other"),
        (("w[1]", "b"), r"out 'w\[1\]': a step writes one folder"),
        (("~/w", "b"), "out '~/w': a step writes one folder"),
        (("--help", "b"), "out '--help': a step writes one folder"),
        (("a\0b", "b"), "a step writes one folder"),
    ],
)
def test_folders_that_steps_cannot_write(tmp_path: Path, outs: tuple[str, str], said: str) -> None:
    file = write(tmp_path / "r.yaml", {"synth": [{"out": out, "scenes": 2} for out in outs]})
    with pytest.raises(ConfigError, match=said):
        read_recipe(file)


def test_notes_are_a_steps_own(tmp_path: Path) -> None:
    outs = ["a/b", "a+b", "a%2Bb", "é" * 150, "é" * 151]
    recipe = read_recipe(write(tmp_path / "r.yaml", {"synth": [{"out": out, "scenes": 2} for out in outs]}))
    names = [step.file_name for step in recipe.steps]
    assert names[0] == "synth-a+b"
    assert len(set(names)) == len(names)
    assert max(len(f"{name}.yaml".encode()) for name in names) <= 255


def test_a_shard_that_went_is_missed(tmp_path: Path) -> None:
    file, out = write(tmp_path / "r.yaml", {"synth": {"out": "world", "scenes": 4}}), tmp_path / "out"
    assert run(file, out)[0] == 0
    (tar,) = (out / "world/shards").glob("*.tar")
    whole = tar.read_bytes()
    tar.write_bytes(whole[:1000])
    assert "unchanged" not in run(file, out, dry=True)[1][0]
    tar.unlink()
    with pytest.raises(DamageError, match="is gone, with 4 committed samples"):
        run(file, out)


def test_a_variable_of_a_setting_is_not_for_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PE_SYNTH__SCENES", "2")
    file, out = write(tmp_path / "r.yaml", {"synth": {"out": "world", "scenes": 5}}), tmp_path / "out"
    assert run(file, out)[0] == 0
    assert Output(out / "world").summary().samples == 5


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    file = write(tmp_path / "r.yaml", {"synth": {"out": "world", "scenes": 2}})
    for out in (file, file / "below", tmp_path / ("x" * 300)):
        done = subprocess.run(
            [sys.executable, "-m", "pe", "run", str(file), "--out", str(out)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (2, 74), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "unexpected" not in done.stderr
