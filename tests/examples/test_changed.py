"""Copies of sft rows with other coordinates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from pe.schemas.sample import RewardModel
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


def test_truths_stand_in_another_order(tmp_path: Path) -> None:
    boxes = [{"phrase": f"cat {number}", "bbox": [number, 0, number + 9, 9]} for number in range(6)]
    truth = RewardModel(ground_truth=json.dumps({"objects": boxes, "negatives": ["dog"]}))
    before = write(tmp_path / "rl", [[runs.rl(number, reward_model=truth) for number in range(4)]])
    subprocess.run([sys.executable, str(SCRIPT), "shuffled", str(before), str(tmp_path / "shuffled")], check=True)
    rows = Rows(find_shards([str(tmp_path / "shuffled")]), "rl")
    orders = set()
    for number in range(4):
        sample = rows.read(number)[0]
        assert sample.messages_json == runs.conversation(number)
        found = json.loads(sample.reward_model.ground_truth)
        assert found["negatives"] == ["dog"]
        orders.add(tuple(item["phrase"] for item in found["objects"]))
        assert sorted(found["objects"], key=lambda item: item["phrase"]) == boxes
    assert len(orders) > 1


def test_thoughts_count_what_the_answer_holds(tmp_path: Path) -> None:
    parts = (("cat", "<1><2><3><4>,<5><6><7><8>"), ("dog", "None"), ("bird", "<1><2><3><4>"))
    gold = ", ".join(f"<|object_ref_start|>{a}<|object_ref_end|><|box_start|>{b}<|box_end|>" for a, b in parts)
    answer = {"gold_text": gold, "messages_json": runs.conversation(0, gold)}
    before = write(tmp_path / "sft", [[runs.sft(0, **answer)]])
    subprocess.run([sys.executable, str(SCRIPT), "thought", str(before), str(tmp_path / "thought")], check=True)
    sample = Rows(find_shards([str(tmp_path / "thought")]), "sft").read(0)[0]
    assert sample.gold_text == f"<think>cat 2, dog 0, bird 1</think>{gold}"
    assert json.loads(sample.messages_json)[-1]["content"] == sample.gold_text


def test_another_folder_is_one_line(tmp_path: Path) -> None:
    words = [sys.executable, str(SCRIPT), "moved", str(tmp_path), str(tmp_path / "out")]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"changed.py: {tmp_path}: not an output folder of pe (it has no plan.jsonl), nor a shard's .tar"
    ]
