"""V-Triune's /judge, against what V-Triune's own code answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verifiers.service.servers import Server


def payload(**more: Any) -> dict[str, Any]:
    """What V-Triune's trainer sends for one response."""
    parameters = {
        "is_training": True,
        "step": 50,
        "total_steps": 100,
        "image_path": ["x.jpg"],
        "image_grid_thw": [[1, 1000, 1000]],
        "verifier_style": "rule",
        "det_verifier_normalized": True,
        "det_reward_ratio": {"iou_max_label_first": 1.0, "iou_completeness": 0.3, "map": None},
    }
    box = "[{'bbox_2d': [100, 100, 300, 300], 'label': 'dog'}]"
    sent = {
        "response": f"<think>\nok\n</think>\n<answer>\n{box}\n</answer>",
        "prompt": "find the dog",
        "answer": box,
        "solution": f"<answer>\n{box}\n</answer>",
        "data_source": "v3det_train",
        "reward_verifier": "detection",
        "reward_verifier_parm": parameters,
        "format_ratio": 0.1,
        "accuracy_ratio": 1.0,
    }
    sent |= more
    if isinstance(sent["reward_verifier_parm"], dict):
        sent["reward_verifier_parm"] = json.dumps(sent["reward_verifier_parm"])
    return sent


@pytest.fixture(scope="module")
def judges(site: Path) -> Iterator[Callable[[str], Server]]:
    """A server for every value of DET_IOU_THRESHOLD."""
    servers: dict[str, Server] = {}

    def one(iou: str) -> Server:
        if iou not in servers:
            servers[iou] = Server(site, "--workers", "1", "--judge-iou", iou)
        return servers[iou]

    yield one
    for each in servers.values():
        each.close()


def test_detection_as_the_original(judges: Callable[[str], Server], shared: Path) -> None:
    file = shared.parent / "golden" / "vtriune_detection_golden.json"
    cases = json.loads(file.read_text("utf-8"))["cases"]
    assert cases
    for case in cases:
        names = ("response", "solution", "format_ratio", "accuracy_ratio")
        sent = payload(**{name: case[name] for name in names}, reward_verifier_parm=case["verifier_parm"])
        reply = judges(case["DET_IOU_THRESHOLD"]).http.post("/judge", json=sent)
        assert reply.status_code == 200, (case["name"], reply.text)
        rewards = reply.json()["rewards"]
        assert rewards["reward_error"] == 0
        for name in ("format_reward", "accuracy_reward", "final_reward"):
            assert rewards[name] == pytest.approx(case[name], abs=1e-9), (case["name"], name)


def test_maths_as_the_original(judges: Callable[[str], Server], shared: Path) -> None:
    pytest.importorskip("math_verify")
    golden = json.loads((shared.parent / "golden" / "vtriune_mathverify_golden.json").read_text("utf-8"))
    for case in golden["accuracy_cases"] + golden["format_cases"]:
        sent = payload(
            response=case["predict"],
            solution=case.get("solution", "\\boxed{1}"),
            reward_verifier="mathverify",
            reward_verifier_parm={"step": 1, "total_steps": 2, "image_grid_thw": None},
        )
        rewards = judges("dynamic").http.post("/judge", json=sent).json()["rewards"]
        assert rewards["reward_error"] == 0
        for name in ("accuracy", "format"):
            if name in case:
                assert rewards[f"{name}_reward"] == pytest.approx(case[name], abs=1e-9), case
        total = (rewards["accuracy_reward"] + 0.1 * rewards["format_reward"]) / 1.1
        assert rewards["final_reward"] == pytest.approx(total, abs=1e-9)


def test_ratios_that_are_not_sent_are_the_originals(judges: Callable[[str], Server]) -> None:
    sent = payload(response="<answer>[{'bbox_2d': [100, 100, 300, 300], 'label': 'dog'}]</answer>", format_ratio=None)
    del sent["accuracy_ratio"]
    rewards = judges("dynamic").http.post("/judge", json=sent).json()["rewards"]
    assert rewards["final_reward"] == pytest.approx(1 / 1.1)


@pytest.mark.parametrize(
    "more",
    [
        {"response": 3},
        {"solution": None},
        {"reward_verifier": "detection_iou_acc"},
        {"reward_verifier_parm": "["},
        {"reward_verifier_parm": {}},
        {"reward_verifier_parm": {"step": 1, "total_steps": 0}},
        {"reward_verifier_parm": {"step": 1, "total_steps": 2, "image_grid_thw": [[1, 2]]}},
        {"reward_verifier_parm": {"step": 1, "total_steps": 2, "det_reward_ratio": {"map": "1"}}},
        {"format_ratio": -1},
        {"accuracy_ratio": "1"},
    ],
    ids=str,
)
def test_what_its_sender_must_mend_is_an_error_and_no_zero(server: Server, more: dict[str, Any]) -> None:
    reply = server.http.post("/judge", json=payload(**more))
    assert reply.status_code == 422
    assert 0 < len(reply.json()["detail"]) < 300


def test_a_score_that_is_missing_is_a_zero_that_says_so(judges: Callable[[str], Server]) -> None:
    reply = judges("dynamic").http.post("/judge", json=payload(format_ratio=0, accuracy_ratio=0))
    assert reply.status_code == 200
    assert reply.json()["rewards"]["reward_error"] == 1
    assert reply.json()["rewards"]["final_reward"] == 0
    assert "weights" in reply.json()["reason"]
