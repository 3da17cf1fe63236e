"""Real responses of models, read as a careful reader would."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from pe.formats import Decoded
from pe.registry import load
from tests.conftest import SHARED

FILE = SHARED / "transcripts" / "transcripts.jsonl"
CASES = [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.is_file() else []

READERS = {
    "decline": "molmo",
    "deepseek_ref_det": "deepseek-vl2",
    "degenerate_repeat": "text",
    "florence2": "florence-2",
    "gemini": "gemini",
    "glm45v": "glm",
    "infigui": "qwen2.5-vl",
    "internvl": "internvl",
    "json_answer": "json-values",
    "kosmos2": "kosmos-2",
    "molmo_points": "molmo",
    "molmopoint": "molmopoint",
    "multiple_choice": "choice",
    "opencua": "pyautogui",
    "paligemma": "paligemma",
    "qwen25vl": "qwen2.5-vl",
    "qwen3vl": "qwen3-vl",
    "qwen_agent_tool_call": "tool-call",
    "rex_omni": "rexomni",
    "think_answer_text": "text",
    "uitars": "ui-tars",
    "visualrft": "visual-rft",
    "vlmr1": "vlm-r1",
}
STATUS = {"partial": "truncated", "declined": "none-present"}


def side(units: str) -> float:
    """The side of an image in whose pixels the expected numbers stand."""
    for start, value in (("pixel", 4000), ("fraction", 1), ("percent", 100), ("0-1000", 1000), ("0-1023", 1023)):
        if units.startswith(start):
            return value
    return 999 if "v/999" in units or units in ("0-999", "bin 0-999") else 1000


def frame(case: dict[str, Any]) -> tuple[float, tuple[int, int], tuple[int, int] | None]:
    """How many pixels a unit is, an image size, and the size the model saw where its answer is in such pixels."""
    units = case["expected"]["units"]
    if units.startswith("pixel"):
        return 1.0, (4000, 3000), (4000, 3000)
    if case["format"].startswith("internvl"):
        return 1.0, (1000, 1000), None
    return 3200 / side(units), (3200, 3200), None


def plain(decoded: Decoded, scale: float, shift: float) -> list[tuple[str, str, list[float]]]:
    return [
        (item.shape, item.phrase, [round(number / scale - shift, 6) for number in item.numbers()])
        for item in decoded.objects
    ]


@pytest.mark.skipif(not CASES, reason=f"no shared test data at {SHARED}; set PE_TEST_DATA")
@pytest.mark.parametrize("by_name", [True, False], ids=["named", "auto"])
@pytest.mark.parametrize("case", CASES or [{}], ids=lambda case: f"{case.get('id')}-{case.get('format')}")
def test_a_transcript_reads_as_expected(case: dict[str, Any], by_name: bool) -> None:
    expected = case["expected"]
    name = next(name for start, name in READERS.items() if case["format"].startswith(start)) if by_name else "auto"
    scale, image, seen = frame(case)
    shift = 0.0
    if case["format"].startswith("florence2"):
        scale, image, shift = 1.0, (1000, 1000), 0.5
    asked = case["prompt"] or ""
    labels = {row["label"] for key in ("boxes", "points", "polygons") for row in expected.get(key, ())}
    named = re.search(r"'(\w+)'", asked)
    if not (case["format"].startswith("multiple_choice")):
        asked = named[1] if named and named[1] in labels else ""
    decoded = load("formats", name)().decode(case["text"], image, seen, asked)

    wanted = [("bbox", row["label"], row["box"]) for row in expected.get("boxes", ())]
    wanted += [("point", row["label"], row["point"]) for row in expected.get("points", ())]
    wanted += [("rings", row["label"], row["polygon"]) for row in expected.get("polygons", ())]
    found = plain(decoded, scale, shift)
    if "answer" in expected:
        answer = expected["answer"]
        assert (decoded.text if isinstance(answer, str) else json.loads(decoded.text)) == answer
    else:
        assert [(shape, label, pytest.approx(numbers, abs=1e-3)) for shape, label, numbers in wanted] == found
    status = expected["status"]
    if status not in ("ok", "repaired", *STATUS):
        status = "unparsable"
    assert decoded.status == STATUS.get(status, status)
