"""The page of verifiers of shapes: its examples run, and no verifier of the page is without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from pe.registry import names
from tests.verifiers.shape_scenes import ONES, SETS
from tests.verifiers.worked_examples import Example, examples, run

PAGE = Path(__file__).parents[2] / "docs" / "verifiers_shapes.md"
COMPAT = {"perception-r1-compat", "perception-r1-format-compat", "vlm-r1-rec-compat"}
COMPAT |= {"rexomni-point-in-box-compat", "rexomni-point-in-mask-compat"}


@pytest.mark.parametrize("example", examples(PAGE), ids=lambda example: example.name)
def test_an_example_gives_what_the_page_says(example: Example) -> None:
    assert run(example) == example.expected


def test_every_verifier_of_the_page_has_an_example() -> None:
    mine = {case.verifier for case in (*SETS, *ONES)} | {"count"} | COMPAT
    assert {example.name for example in examples(PAGE)} == mine
    assert mine <= set(names("verifiers"))
