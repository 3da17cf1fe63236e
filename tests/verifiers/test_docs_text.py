"""The page of text verifiers: its examples run, and no verifier of the page is without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pe.registry import names
from tests.verifiers.worked_examples import Example, examples, run

pytest.importorskip("math_verify")
PAGE = Path(__file__).parents[2] / "docs" / "verifiers_text.md"
MINE = {
    *("maths", "v-triune-mathverify", "v-triune-mathverify-compat", "choice", "yes-no", "exact-text", "fuzzy-text"),
    *("format-tags", "vlm-r1-format-compat", "vlm-r1-rec-format-compat", "length", "vlm-r1-length-compat"),
    *("repetition", "vlm-r1-repetition-compat", "vlm-r1-default-compat", "vlm-r1-mcq-compat"),
    *("vlm-r1-yes-no-compat", "vlm-r1-all-match-compat", "vlm-r1-math-compat"),
}


@pytest.mark.parametrize("example", examples(PAGE), ids=lambda example: example.name)
def test_an_example_gives_what_the_page_says(example: Example) -> None:
    got: dict[str, Any] = run(example)
    assert got == example.expected


def test_every_verifier_of_the_page_has_an_example() -> None:
    assert {example.name for example in examples(PAGE)} == MINE
    assert set(names("verifiers")) >= MINE | {"judge"}
