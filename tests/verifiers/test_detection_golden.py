"""Detection rewards against the outputs of the systems' own code, fed with the systems' own texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pe.verifiers import Question, Score, check, score

RATIOS = {
    "iou_max_label_first": "weighted_iou_score_max_label",
    "iou_max_iou_first": "weighted_iou_score_max_iou",
    "map": "weighted_map_score",
    "map50": "weighted_map50_score",
    "map75": "weighted_map75_score",
}
VLM_R1: dict[str, tuple[str, dict[str, Any]]] = {
    "map": ("vlm-r1-map-compat", {}),
    "od_ap": ("vlm-r1-od-ap-compat", {}),
    "od_ap50": ("vlm-r1-od-ap-compat", {"thresholds": [0.5]}),
    "odLength": ("vlm-r1-od-length-compat", {}),
    "weighted_sum": ("vlm-r1-weighted-sum-compat", {}),
}


@pytest.fixture(scope="module")
def golden(shared: Path) -> Path:
    return shared.parent / "golden"


def cases(golden: Path, name: str, field: str = "cases") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((golden / f"{name}_golden.json").read_text())[field]
    return found


def triune(case: dict[str, Any], name: str, **parameters: Any) -> Score:
    """The score of a golden case; its grid is what the reward manager passes on, 14 times the patches: pixels."""
    given = case["verifier_parm"]
    mode = case["DET_IOU_THRESHOLD"]
    if mode != "average":
        parameters["threshold"] = "v-triune" if mode == "dynamic" else float(mode)
    parameters = {"det_reward_ratio": given["det_reward_ratio"], **parameters}
    _, height, width = given["image_grid_thw"][0]
    weights = {"accuracy": case["accuracy_ratio"], "format": case["format_ratio"]}
    parameters["normalized"] = given["det_verifier_normalized"]
    size = (width, height)
    question = Question(name, case["solution"], size, json.dumps(parameters), json.dumps(weights), size)
    return score(question, [case["response"]], given["step"] / given["total_steps"])[0]


def test_v_triune(golden: Path) -> None:
    seen = cases(golden, "vtriune_detection")
    assert seen
    for case in seen:
        found = triune(case, "v-triune-detection-compat")
        assert found.score == pytest.approx(case["final_reward"], abs=1e-9), case["name"]
        assert found.components == pytest.approx(
            {"accuracy": case["accuracy_reward"], "format": case["format_reward"]}, abs=1e-9
        ), case["name"]


def test_v_triunes_scores_one_by_one(golden: Path) -> None:
    for case in cases(golden, "vtriune_detection"):
        weight = case["verifier_parm"]["det_reward_ratio"]["iou_completeness"]
        for ratio, detail in RATIOS.items():
            found = triune(case, "v-triune-detection-compat", det_reward_ratio={ratio: 1.0, "iou_completeness": weight})
            assert found.components["accuracy"] == pytest.approx(case["details"][detail], abs=1e-9), case["name"]


def test_v_triune_corrected_where_it_is_meant_to_differ(golden: Path) -> None:
    found = {case["name"]: triune(case, "v-triune-detection") for case in cases(golden, "vtriune_detection")}
    assert found["perfect"].score == found["json_fence"].score == found["gt_empty_list"].score == 1.0
    assert found["iou_first_reversed_order_bug"].score == 1.0
    assert found["no_answer_tag"].components == {"accuracy": 1.0, "format": 0.0}
    assert found["truncated_last_box"].components == {"accuracy": pytest.approx(0.575), "format": 0.0}
    assert found["one_missing"].components["accuracy"] == pytest.approx(0.575)
    assert found["exact_duplicate_box_same_label"].components["accuracy"] == pytest.approx(0.95 * 0.6)
    assert found["wrong_label"].components["accuracy"] == found["empty_list"].components["accuracy"] == 0.0


def test_vlm_r1(golden: Path) -> None:
    seen = [case for case in cases(golden, "vlmr1_rewards", "accuracy") if case["method"] in VLM_R1]
    assert {case["method"] for case in seen} == set(VLM_R1)
    for case in seen:
        name, parameters = VLM_R1[case["method"]]
        question = Question(name, case["solution"], (2048, 2048), json.dumps(parameters))
        assert score(question, [case["content"]])[0].score == pytest.approx(case["score"], abs=1e-9), case["name"]


def test_vlm_r1_corrected_where_it_is_meant_to_differ(golden: Path) -> None:
    names = {"od_ap": "vlm-r1-od-ap", "odLength": "vlm-r1-od-length", "weighted_sum": "vlm-r1-weighted-sum"}
    found = {}
    for case in cases(golden, "vlmr1_rewards", "accuracy"):
        if case["method"] in names:
            question = Question(names[case["method"]], case["solution"], (2044, 2044), input_size=(2044, 2044))
            found[case["name"]] = score(question, [case["content"]])[0].score
    for method in names:
        assert found[f"{method}:perfect"] == found[f"{method}:label_case"] == found[f"{method}:no_answer_tag"] == 1.0
        assert found[f"{method}:neg:none"] == found[f"{method}:neg:empty_list"] == 1.0
        assert found[f"{method}:garbage"] == found[f"{method}:neg:perfect"] == 0.0
        assert 0 < found[f"{method}:truncated"] < 1
        for fault in ("extra_same_class", "spam10_unknown", "dup_first_x5"):
            assert 0 < found[f"{method}:{fault}"] < 1


def test_rexomni(golden: Path) -> None:
    seen = [case for case in cases(golden, "rexomni_reward") if case["reward"] == "box_iou"]
    assert seen
    for case in seen:
        given = case["ground_truth"]
        for truth in (given, canonical(given)):
            question = Question("rexomni-box-iou-compat", json.dumps(truth), tuple(given["resized_image_size"]))
            assert score(question, [case["predict"]])[0].score == pytest.approx(case["score"], abs=1e-9), case["name"]


def canonical(given: dict[str, Any]) -> dict[str, Any]:
    """Rex-Omni's own truth as ours."""
    kinds = given["answer"].items()
    return {
        "objects": [{"phrase": phrase, "bbox": box} for phrase, kind in kinds for box in kind["boxes"]],
        "negatives": [phrase for phrase, kind in kinds if not kind["boxes"]],
    }


def test_rexomni_corrected_where_it_is_meant_to_differ(golden: Path) -> None:
    found = {}
    for case in cases(golden, "rexomni_reward"):
        if case["reward"] == "box_iou":
            given = case["ground_truth"]
            question = Question("rexomni-box-iou", json.dumps(canonical(given)), tuple(given["resized_image_size"]))
            found[case["name"]] = score(question, [case["predict"]])[0].score
    assert 0.17 < found["box_duplicate_x10"] < 0.19
    assert found["box_truncated_last"] > 0.6
    assert 0.99 < found["box_perfect"] < 1.0  # 100 is no multiple of 1000/999
    assert found["box_none_vs_empty_gt"] == 1.0
    question = Question("rexomni-box-iou", json.dumps({"negatives": ["cat"]}), (1000, 1000))
    assert [item.score for item in score(question, ["I think it is a cat", "", "None"])] == [0.0, 0.0, 1.0]


@pytest.mark.parametrize(("field", "parameters"), [("nms_ap", {}), ("nms_ap50", {"thresholds": [0.5]})])
def test_ovdeval(golden: Path, field: str, parameters: dict[str, Any]) -> None:
    def box(row: dict[str, Any]) -> list[float]:
        x, y, width, height = row["bbox"]
        return [x, y, x + width, y + height]

    seen = cases(golden, "ovdeval_nmsap")
    assert seen
    for case in seen:
        truth = [{"phrase": str(row["category_id"]), "bbox": box(row)} for row in case["gt"]]
        answer = [
            {"bbox_2d": box(row), "label": str(row["category_id"]), "score": row["score"]} for row in case["pred"]
        ]
        params = json.dumps({"format": "qwen3-vl", **parameters})
        question = Question("nms-ap-compat", json.dumps(truth), (1000, 1000), params)
        assert score(question, [json.dumps(answer)])[0].score == pytest.approx(case[field], abs=1e-9), case["name"]
        question = Question("average-precision-compat", json.dumps(truth), (1000, 1000), params)
        before = case["ap_before" if field == "nms_ap" else "ap50_before"]
        assert score(question, [json.dumps(answer)])[0].score == pytest.approx(before, abs=1e-9), case["name"]


def test_the_published_rows_can_be_used(golden: Path) -> None:
    rows = json.loads((golden / "example_rows.json").read_text())["v_triune"]["rows"]
    row = next(row["reward_model"] for row in rows if row["reward_model"]["verifier"] == "detection")
    for name in ("v-triune-detection", "v-triune-detection-compat"):
        ratios = json.dumps({"det_reward_ratio": row["verifier_parm"]["det_reward_ratio"]})
        weights = json.dumps({"accuracy": row["accuracy_ratio"], "format": row["format_ratio"]})
        question = Question(name, row["ground_truth"], (1000, 1000), ratios, weights, (1000, 1000))
        check(question)
        (found,) = score(question, [f"<think>\nhm\n</think>\n{row['ground_truth']}"])
        assert found.score == 1.0
