from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from pe.evaluation.labels import score_labels
from pe.evaluation.table import quality_tables
from tests.reports.outputs import thing, write


def text(tmp_path: Path, most: int) -> str:
    hostile = "[bold]\x1b[31mred"
    objects = [thing(hostile), thing("cat"), thing("cat", 1), thing("dog")]
    write(tmp_path / "truth", [{"objects": objects}, {}])
    write(tmp_path / "out", [{"objects": [*objects, thing("zebra")], "caption": "Two cats and a zebra."}])
    console = Console(file=io.StringIO(), width=160)
    console.print(quality_tables(score_labels(tmp_path / "out", tmp_path / "truth"), most), markup=False)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_phrases_are_shown_most_truths_first_and_cannot_steer_the_terminal(tmp_path: Path) -> None:
    shown = text(tmp_path, 0)
    rows = [line.split("  ")[0] for line in shown.splitlines()]
    assert rows[-4:] == ["cat", "[bold]?[31mred", "dog", "all"]
    assert "\x1b" not in shown
    assert "1 truths without a sample, 1 labels of phrases that the truth does not judge" in shown
    assert "captions: 1 claims, precision 1.000, recall 0.333" in shown


def test_the_rest_is_counted_and_columns_of_nothing_are_left_out(tmp_path: Path) -> None:
    shown = text(tmp_path, 1)
    assert "and 2 more phrases: --phrases 0 shows all" in shown
    assert "mask" not in shown
