"""Copies of sft rows with other coordinates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from pe.training.rows import Rows, find_shards
from tests.evaluation.rollouts import write
from tests.training import runs

SCRIPT = Path(__file__).parents[2] / "examples" / "arms" / "changed.py"
RING = "<1><2><30><4><50><60><7><80>"


def test_vertices_are_shuffled_and_nothing_else(tmp_path: Path) -> None:
    gold = f"<|object_ref_start|>cat<|object_ref_end|><|box_start|>{RING}<|box_end|>"
    none = "<|object_ref_start|>cat<|object_ref_end|><|box_start|>None<|box_end|>"

    def row(number: int) -> dict[str, str]:
        answer = none if number == 3 else gold
        return {"gold_text": answer, "messages_json": runs.conversation(number, answer)}

    samples = [runs.sft(number, **row(number)) for number in range(8)]
    before = write(tmp_path / "sft", [samples[:5], samples[5:]])
    out = tmp_path / "unordered"
    subprocess.run([sys.executable, str(SCRIPT), "unordered", str(before), str(out)], check=True)
    rows = Rows(find_shards([str(out)]), "sft")
    answers = []
    for number, key in enumerate(rows.keys()):
        sample, image = rows.read(number)
        assert image
        assert sample.key == key
        answers.append(sample.gold_text)
        assert json.loads(sample.messages_json)[-1]["content"] == sample.gold_text
    assert answers[3] == none
    points = [re.findall(r"<\d+><\d+>", answer) for answer in answers if answer != none]
    assert len({tuple(found) for found in points}) > 1
    assert {tuple(sorted(found)) for found in points} == {tuple(sorted(re.findall(r"<\d+><\d+>", RING)))}

    subprocess.run([sys.executable, str(SCRIPT), "moved", str(before), str(tmp_path / "moved")], check=True)
    rows = Rows(find_shards([str(tmp_path / "moved")]), "sft")
    wanted = [int(number) for number in re.findall(r"<(\d+)>", RING)]
    for number in range(3):
        found = [int(value) for value in re.findall(r"<(\d+)>", rows.read(number)[0].gold_text)]
        assert found != wanted
        assert all(abs(one - other) <= 3 for one, other in zip(found, wanted, strict=True))
