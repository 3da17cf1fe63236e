"""ms-swift, LLaMA-Factory and EasyR1: rows of JSON with pictures as files, by their documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pe.shards.exports import export
from tests.shards.exports import rows


def check(found: list[dict[str, Any]], out: Path, kind: str) -> None:
    for number, row in enumerate(found):
        texts = [row["prompt"]] if "prompt" in row else [message["content"] for message in row["messages"]]
        assert sum(text.count("<image>") for text in texts) == len(row["images"]) == 1
        assert (out / row["images"][0]).read_bytes() == rows.row(number, kind)[1]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_swift(sft: Path, rl: Path, tmp_path: Path) -> None:
    export(sft, tmp_path / "sft", "swift", split="val")
    found = lines(tmp_path / "sft/val.jsonl")
    assert len(found) == 7
    check(found, tmp_path / "sft", "sft")
    assert set(found[0]) == {"messages", "images"}
    assert [message["role"] for message in found[0]["messages"]] == ["system", "user", "assistant"]

    export(rl, tmp_path / "rl", "swift")
    found = lines(tmp_path / "rl/train.jsonl")
    check(found, tmp_path / "rl", "rl")
    assert found[3]["solution"] == rows.row(3, "rl")[0].reward_model.ground_truth
    assert found[3]["verifier"] == "detection"
    assert found[3]["messages"][-1]["role"] == "user"


def test_llama_factory(sft: Path, tmp_path: Path) -> None:
    export(sft, tmp_path / "set", "llama-factory")
    info = json.loads((tmp_path / "set/dataset_info.json").read_text())["pe_train"]
    found = json.loads((tmp_path / "set" / info["file_name"]).read_text())
    assert len(found) == 7
    check(found, tmp_path / "set", "sft")
    tags = info["tags"]
    roles = [message[tags["role_tag"]] for message in found[0][info["columns"]["messages"]]]
    assert roles == [tags["system_tag"], tags["user_tag"], tags["assistant_tag"]]


def test_easyr1_keeps_all_that_scores_a_response_in_its_answer(rl: Path, tmp_path: Path) -> None:
    summary = export(rl, tmp_path / "set", "easyr1")
    found = lines(tmp_path / "set/train.jsonl")
    check(found, tmp_path / "set", "rl")
    answer = json.loads(found[0]["answer"])
    sample, _ = rows.row(0, "rl")
    assert answer["ground_truth"] == sample.reward_model.ground_truth
    assert (answer["verifier"], answer["image"], answer["input"]) == ("detection", [40, 30], [56, 28])
    assert summary.lost == {"system prompts": 7}


def test_easyr1_leaves_out_several_turns(tmp_path: Path) -> None:
    turns = [("user", "<image>a"), ("assistant", "b"), ("user", "c")]
    messages = json.dumps([{"role": role, "content": content} for role, content in turns])
    made = [rows.row(0, "rl"), rows.row(1, "rl", messages_json=messages)]
    summary = export(rows.write(tmp_path / "out", made), tmp_path / "set", "easyr1")
    assert summary.left_out == {"rows of several turns: it takes one prompt": 1}
