"""docs/monitors.md names every figure, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

from pe.evaluation.monitors.figures import figures
from pe.evaluation.monitors.reflection import WORDS

PAGE = (Path(__file__).parents[3] / "docs" / "monitors.md").read_text()


def test_every_figure_has_its_row() -> None:
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
    kept = {name for name in figures({}) if not re.search(r"^word_|_(75|95|99)$", name)}
    assert named == kept | {"component_NAME", "metric_NAME", "word_WORD"}
    assert all(word in PAGE for word in WORDS)
