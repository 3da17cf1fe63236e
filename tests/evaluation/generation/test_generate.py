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

from pe.errors import DamageError, InputError
from pe.evaluation.generation import GenerationSettings, generate, is_first
from pe.evaluation.generation.about import about_path
from pe.evaluation.generation.place import Place, alone
from tests.evaluation.generation.servers import ROOT, ask
from tests.evaluation.rollouts import write

pytest.importorskip("transformers")

SETTINGS: dict[str, Any] = {"samples": 2, "batch_size": 4, "max_new_tokens": 8}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [[ask(f"k{shard}{row}", "why " * row) for row in range(5)] for shard in range(2)]
    return write(tmp_path_factory.mktemp("generate") / "rl", rows)


@pytest.fixture(scope="module")
def whole(tiny: Path, shards: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The lines of an undisturbed run, sorted."""
    return lines(
        generate(str(tiny), shards, tmp_path_factory.mktemp("whole") / "r.jsonl", GenerationSettings(**SETTINGS))
    )


def lines(path: Path) -> list[str]:
    return sorted(path.read_text().splitlines())


def test_every_sample_of_every_row_once(whole: list[str]) -> None:
    found = [(row["key"], row["sample"]) for row in map(json.loads, whole)]
    assert found == [(f"k{shard}{row}", number) for shard in range(2) for row in range(5) for number in range(2)]


def test_it_goes_on_after_a_line_that_was_cut(tiny: Path, shards: Path, whole: list[str], tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    generate(str(tiny), shards, out, GenerationSettings(**SETTINGS))
    out.write_bytes(out.read_bytes()[:700])
    generate(str(tiny), shards, out, GenerationSettings(**SETTINGS))
    assert lines(out) == whole


def test_shares_of_a_torchrun_are_the_whole(
    tiny: Path, shards: Path, whole: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "r.jsonl"
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in (2, 1, 0):  # the first waits for the others
        monkeypatch.setenv("RANK", str(rank))
        assert is_first() == (rank == 0)
        generate(str(tiny), shards, out, GenerationSettings(**SETTINGS))
        assert len(lines(out)) < 20 or rank == 0
    assert lines(out) == whole


def test_other_answers_are_not_mixed_in(tiny: Path, shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    settings = GenerationSettings(**SETTINGS)
    generate(str(tiny), shards, out, settings)
    for change, words in (
        ({"temperature": 0.5}, r"temperature 1\.0, not 0\.5"),
        ({"max_new_tokens": 9}, "max_new_tokens 8, not 9"),
        ({"seed": 1}, "seed 0, not 1"),
    ):
        with pytest.raises(InputError, match=words):
            generate(str(tiny), shards, out, settings.model_copy(update=change))
    other = write(tmp_path / "other", [[ask("k00", "another question")]])
    with pytest.raises(InputError, match="other rows"):
        generate(str(tiny), other, out, settings)
    about = json.loads(about_path(out).read_text())
    about_path(out).write_text(json.dumps({**about, "model": {"model": "big", "sha256": "ab" * 32}}))
    with pytest.raises(InputError, match=r"the model big \(abababababab\), not tiny \("):
        generate(str(tiny), shards, out, settings)
    about_path(out).write_text("{")
    with pytest.raises(DamageError, match="about"):
        generate(str(tiny), shards, out, settings)
    about_path(out).unlink()
    with pytest.raises(InputError, match="nothing says what made"):
        generate(str(tiny), shards, out, settings)


def test_one_process_a_share(tiny: Path, shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    with alone(out, Place()), pytest.raises(InputError, match="another process"):
        generate(str(tiny), shards, out, GenerationSettings(**SETTINGS))
    with alone(out, Place(1, 2)):
        generate(str(tiny), shards, out, GenerationSettings(**SETTINGS))


@pytest.mark.parametrize("bad", [{"samples": 2, "temperature": 0}, {"url": "http://x/v1", "workers": 2}, {"sample": 1}])
def test_settings_that_contradict(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at temperature 0|server has concurrency|sample"):
        GenerationSettings(**bad)


SCRIPT = (
    "import sys; from pathlib import Path; from pe.evaluation.generation import generate, GenerationSettings\n"
    "if __name__ == '__main__':\n"
    "    settings = GenerationSettings.model_validate_json(sys.argv[4])\n"
    "    generate(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), settings)\n"
)


def start(script: Path, *words: object, **settings: Any) -> subprocess.Popen[bytes]:
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), *map(str, words), json.dumps({**SETTINGS, **settings})]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_the_set_of_lines_is_the_same(
    tiny: Path, shards: Path, tmp_path: Path, workers: int
) -> None:
    settings = {"max_new_tokens": 60, "batch_size": 2}
    whole = generate(str(tiny), shards, tmp_path / "whole.jsonl", GenerationSettings(**{**SETTINGS, **settings}))
    out = tmp_path / "r.jsonl"
    for kills, least in enumerate((1, 9), start=1):
        child = start(tmp_path / "go.py", tiny, shards, out, workers=workers, **settings)
        deadline = time.monotonic() + 120
        while child.poll() is None and time.monotonic() < deadline:
            if out.exists() and len(lines(out)) >= least:
                child.send_signal(signal.SIGKILL)
            time.sleep(0.01)
        assert child.wait() == -signal.SIGKILL, f"kill {kills} came too late"
    time.sleep(0.5)  # its processes die with it
    child = start(tmp_path / "go.py", tiny, shards, out, workers=workers, **settings)
    assert child.wait() == 0
    assert lines(out) == lines(whole)
