"""What docs/rewards.md shows is what comes out."""

from __future__ import annotations

import json
from pathlib import Path

from pe.verifiers.service.wire import write_score
from pe.verifiers.use import verl
from pe.verifiers.use.lines import score_line
from tests.shards import factory

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "rewards.md").read_text()


def test_the_line_gives_the_line() -> None:
    blocks = [block.strip() for block in PAGE.split("```")[1::2]]
    (given,) = [block for block in blocks if block.startswith('{"response"')]
    shown = blocks[blocks.index(given) + 1]
    assert write_score(score_line(given, "detection", '{"format": "qwen3-vl"}')).decode() == shown
    assert json.loads(shown)["score"] == 1.0


def test_the_keys_for_verl_are_all_there() -> None:
    sample = factory.sample("k", factory.picture(1))
    for key in (*verl.extra_info(sample), "progress"):
        assert f"`{key}`" in PAGE


def test_every_page_it_names_is_there() -> None:
    for name in ("answer_formats.md", "monitors.md"):
        assert f"({name})" in PAGE
        assert (DOCS / name).is_file()
