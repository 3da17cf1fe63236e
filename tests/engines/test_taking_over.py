"""Rows of others in the forms of verl, LLaVA, VLM-R1 and TRL become samples that the task `qa` asks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pe.cli._progress import reporter
from pe.engines.summary import RunSummary
from pe.engines.taking_over import RowSettings, take_over
from pe.errors import InputError
from pe.formats import Format
from pe.registry import load
from pe.schemas.sample import Sample
from pe.shards.read import read_shard, shards_of
from tests.shards.factory import picture


def taken(source: Path, out: Path) -> tuple[RunSummary, list[Sample]]:
    with reporter() as progress:
        summary = take_over(RowSettings(source=source, out=out), progress)
    return summary, [sample for shard in shards_of(out) for sample, _ in read_shard(shard)]


def lines(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    for number in range(3):
        (folder / "images" / f"{number}.jpg").write_bytes(picture(number))
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ROWS = (
    {
        "image": "images/0.jpg",
        "conversations": [{"from": "human", "value": "<image>How many?"}, {"from": "gpt", "value": "4"}],
    },
    {"image": "images/0.jpg", "problem": "What colour?", "solution": "red"},
    {"images": ["images/1.jpg"], "prompt": [{"role": "user", "content": "<image>\nWhich?\nA. x\nB. y"}], "answer": "B"},
)


def test_jsonl_rows_keep_their_messages_and_gold(tmp_path: Path) -> None:
    summary, samples = taken(lines(tmp_path, *ROWS), tmp_path / "out")
    assert summary.run.written == 3
    assert [sample.gold_text for sample in samples] == ["", "red", "B"]
    assert samples[0].sha256 == samples[1].sha256
    task = load("tasks", "qa")(load("tasks", "qa").Parameters(verifier="choice"))
    form: Format = load("formats", "text")()
    asked = [exchange for sample in samples for exchange in task.exchanges(sample, form, np.random.default_rng(0), [])]
    assert [exchange.answer.text for exchange in asked] == ["4", "red", "B"]
    assert asked[2].truth["options"] == {"A": "x", "B": "y"}


def test_parquet_rows_in_verls_form(tmp_path: Path) -> None:
    rows = [
        {
            "data_source": "math",
            "prompt": [{"role": "user", "content": "<image>What is x?"}],
            "images": [{"bytes": picture(number), "path": None}],
            "reward_model": {"style": "rule", "ground_truth": str(number)},
        }
        for number in range(3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=2)
    _, samples = taken(tmp_path / "rows.parquet", tmp_path / "out")
    assert [(sample.data_source, sample.gold_text) for sample in samples] == [("math", str(n)) for n in range(3)]


def test_rows_that_cannot_be_used_are_accounted_for(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        ROWS[1],
        {"image": ["images/0.jpg", "images/1.jpg"], "problem": "Which?", "solution": "a"},
        {"image": "images/9.jpg", "problem": "Which?", "solution": "a"},
        {"image": "../../etc/passwd", "problem": "Which?", "solution": "a"},
        {"image": "images/1.jpg"},
        {"problem": "Which?"},
    )
    with path.open("a") as stream:
        stream.write('{"image": \n')
    summary, samples = taken(path, tmp_path / "out")
    assert len(samples) == 1
    assert summary.run.filtered == {"several_images": 1}
    assert summary.run.quarantined == {"no_image": 1, "no_question": 1, "not_there": 1, "outside": 1, "row": 1}


@pytest.mark.parametrize(("name", "told"), [("rows.txt", "not as .txt"), ("none.jsonl", "no such file")])
def test_other_files_are_refused(name: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(InputError, match=told):
        taken(tmp_path / name, tmp_path / "out")


def test_the_command(tmp_path: Path) -> None:
    words = ["import", lines(tmp_path, *ROWS), tmp_path / "out", "--from", "rows", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", "from pe.cli import main; main()", *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"]["written"] == 3
