from __future__ import annotations

import ast
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pe.schemas.sample import RewardModel
from pe.shards.exports import export
from tests.shards.exports import rows


def test_files_by_task_and_source_with_boxes_in_thousandths(rl: Path, tmp_path: Path) -> None:
    export(rl, tmp_path / "set", "v-triune", split="test")
    files = sorted(path.name for path in (tmp_path / "set").glob("*.parquet"))
    assert files == ["test_grounding_photos-detect_3.parquet", "test_grounding_synth-base-detect_4.parquet"]
    found = pq.read_table(tmp_path / "set" / files[0]).to_pylist()
    assert found[0]["data_source"] == "photos/detect"
    assert sum(message["content"].count("<image>") for message in found[0]["prompt"]) == len(found[0]["images"])
    model = found[0]["reward_model"]
    assert ast.literal_eval(model["answer"]) == [
        {"bbox_2d": [25, 66, 500, 500], "label": "dog's bowl"},
        {"bbox_2d": [100, 100, 1000, 1000], "label": "dog's bowl"},
    ]
    assert model["ground_truth"] == f"<answer>\n{model['answer']}\n</answer>"
    assert (model["verifier"], model["accuracy_ratio"]) == ("detection", 1.0)
    assert model["format_ratio"] == pytest.approx(0.1)
    assert found[0]["extra_info"] == {"id": "0000-00000-00001", "image_path": "0000-00000-00001.png"}


def test_the_columns_are_those_of_its_published_rows(rl: Path, shared: Path, tmp_path: Path) -> None:
    """Same keys at every level, same types, and the parameters of its own detection row."""
    golden = json.loads((shared.parent / "golden/example_rows.json").read_text())["v_triune"]["rows"]
    export(rl, tmp_path / "set", "v-triune")
    found = pq.read_table(next((tmp_path / "set").glob("*.parquet"))).to_pylist()[0]
    published = next(row for row in golden if row["reward_model"]["verifier"] == "detection")

    def keys(value: object) -> object:
        return {key: keys(item) for key, item in value.items()} if isinstance(value, dict) else None

    assert keys(found) == keys(published)
    ours, theirs = found["reward_model"]["verifier_parm"], published["reward_model"]["verifier_parm"]
    assert ours["det_verifier_normalized"] == theirs["det_verifier_normalized"]
    assert ours["det_reward_ratio"] == pytest.approx(theirs["det_reward_ratio"])
    assert found["reward_model"]["ground_truth"].startswith("<answer>\n[{'bbox_2d': [")
    assert published["reward_model"]["ground_truth"].startswith("<answer>\n[{'bbox_2d': [")


def test_the_ratios_of_a_row_go_with_it(tmp_path: Path) -> None:
    params = json.dumps({"det_reward_ratio": {"map": 0.5, "iou_completeness": None}})
    made = [rows.row(0, "rl", verifier={"name": "v-triune-detection-compat", "params_json": params})]
    export(rows.write(tmp_path / "out", made), tmp_path / "set", "v-triune")
    (found,) = pq.read_table(next((tmp_path / "set").glob("*.parquet"))).to_pylist()
    ratios = found["reward_model"]["verifier_parm"]["det_reward_ratio"]
    assert ratios == {**dict.fromkeys(ratios, 0.0), "map": 0.5}


def test_text_goes_to_mathverify_and_what_it_cannot_judge_is_left_out(tmp_path: Path) -> None:
    def truth(number: int, value: object) -> object:
        text = value if isinstance(value, str) else json.dumps(value)
        weights = '{"accuracy":1.0,"length":0.5}' if number == 1 else '{"accuracy":1.0}'
        model = RewardModel(ground_truth=text, weights_json=weights)
        return rows.row(number, "rl", reward_model=model.model_dump(), data_source="m")

    made = [
        truth(0, {"text": "4"}),
        truth(1, "\\boxed{7}"),
        truth(2, {"count": 0}),
        truth(3, {"objects": [], "negatives": ["cat"]}),
        truth(4, {"objects": [{"phrase": "cat", "point": [3, 4]}]}),
    ]
    summary = export(rows.write(tmp_path / "out", made), tmp_path / "set", "v-triune")  # type: ignore[arg-type]
    assert summary.written == 3
    assert sum(summary.left_out.values()) == 2
    assert summary.lost == {"weights of components other than accuracy and format": 1}
    found = [row["reward_model"] for row in pq.read_table(tmp_path / "set/train_grounding_m_3.parquet").to_pylist()]
    assert [(model["answer"], model["ground_truth"]) for model in found] == [
        ("4", "\\boxed{4}"), ("\\boxed{7}", "\\boxed{7}"), ("0", "\\boxed{0}"),
    ]  # fmt: skip
    assert {model["verifier"] for model in found} == {"mathverify"}
    assert found[0]["verifier_parm"]["det_verifier_normalized"] is None
