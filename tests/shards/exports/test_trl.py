from __future__ import annotations

from pathlib import Path

import pytest

from pe.shards.exports import export
from tests.shards.exports import rows

datasets = pytest.importorskip("datasets")

REWARD = {"verifier", "params_json", "ground_truth", "weights_json", "width", "height", "input_width", "input_height"}


def load(out: Path, cache: Path) -> object:
    return datasets.load_dataset("parquet", data_files=str(out / "data/*.parquet"), cache_dir=str(cache))["train"]


@pytest.mark.parametrize(("kind", "column"), [("sft", "messages"), ("rl", "prompt")])
def test_its_own_checks_take_the_rows(kind: str, column: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """TRL's data functions: rows are conversational, and the image goes where one placeholder is made for it."""
    trl = pytest.importorskip("trl.data_utils")
    export(request.getfixturevalue(kind), tmp_path / "set", "trl")
    for found in load(tmp_path / "set", tmp_path):  # type: ignore[attr-defined]
        assert trl.is_conversational(found)
        assert len(found["images"]) == 1
        assert not any("<image>" in message["content"] for message in found[column])
        made = trl.prepare_multimodal_messages(found[column], images=found["images"])
        parts = [part for message in made for part in message["content"]]
        assert [part["type"] for part in parts].count("image") == 1
        user = next(message for message in made if message["role"] == "user")
        assert user["content"][1]["text"].startswith("Detect ")


def test_every_column_that_a_reward_needs_is_there(rl: Path, tmp_path: Path) -> None:
    export(rl, tmp_path / "set", "trl")
    found = load(tmp_path / "set", tmp_path)
    assert set(found.column_names) >= REWARD | {"prompt", "images"}  # type: ignore[attr-defined]
    assert "messages" not in found.column_names  # type: ignore[attr-defined]
    sample, _ = rows.row(2, "rl")
    assert found[2]["ground_truth"] == sample.reward_model.ground_truth  # type: ignore[index]
    assert found[2]["token_count"] == 12  # type: ignore[index]
    assert found[2]["prompt"][-1]["role"] == "user"  # type: ignore[index]
