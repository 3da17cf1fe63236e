"""docs/verifiers_boxes.md says of every verifier of boxes what the code says, and its examples are right."""

from __future__ import annotations

from pathlib import Path

import pytest

from pe.registry import load, names
from tests.verifiers.test_properties import BOXES
from tests.verifiers.worked_examples import Example, examples, run

PAGE = Path(__file__).parents[2] / "docs" / "verifiers_boxes.md"
COMPAT = [f"{name}-compat" for name in BOXES if f"{name}-compat" in names("verifiers")]
NAMES = [*BOXES, *COMPAT, "vlm-r1-map-compat"]


@pytest.mark.parametrize("example", examples(PAGE), ids=lambda example: example.name)
def test_the_example_is_right(example: Example) -> None:
    assert run(example) == example.expected


@pytest.mark.parametrize("name", NAMES)
def test_every_verifier_has_its_section(name: str) -> None:
    kind = load("verifiers", name)
    _, _, rest = PAGE.read_text().partition(f"\n### `{name}`\n")
    section = rest.partition("\n#")[0]
    assert f"- formula: `{kind.formula}`\n- source: {kind.source}\n" in section
    assert f"- behaviour: {kind.behaviour}; components: {', '.join(kind.components)}\n" in section
    for parameter in kind.Parameters.model_fields.keys() - {"also"}:
        assert f"`{parameter}` " in section
    assert f"```verify {name}\n" in section


def test_every_compat_has_its_differences() -> None:
    _, _, table = PAGE.read_text().partition("## Differences")
    for system in ("average-precision", "nms-ap", "V-Triune", "Rex-Omni", "VLM-R1", "Falcon Perception", "Vero"):
        assert f"\n| {system}" in table
