"""The table of a Score."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from pe.evaluation.labels import HIT, Score

_COLUMNS = {
    "truths": "truths",
    "predictions": "found",
    "precision": "precision",
    "recall": "recall",
    "ap50": "AP50",
    "ap": "AP",
    "mask_iou": "mask IoU",
    "ring_iou": "ring IoU",
    "boundary_f": "boundary F",
    "duplicates": "dup.",
    "wrong_phrase": "wrong",
    "on_absent_phrases": "absent",
}


def quality_table(score: Score, most: int) -> RenderableType:
    """Overall and the `most` phrases with the most truths (0 for all), then what the columns do not hold."""
    table = Table(title=f"{score.pictures['scored']:,} pictures; a hit is IoU {HIT} with the right phrase")
    table.add_column("phrase")
    for title in _COLUMNS.values():
        table.add_column(title, justify="right")
    ordered = sorted(score.phrases.items(), key=lambda pair: (-pair[1]["truths"], pair[0]))
    shown = ordered[:most] if most else ordered
    for phrase, figures in shown:
        table.add_row(phrase, *(_cell(figures.get(name)) for name in _COLUMNS))
    table.add_section()
    table.add_row("all", *(_cell(score.overall.get(name)) for name in _COLUMNS), style="bold")
    lines = []
    if len(shown) < len(ordered):
        lines.append(f"{len(ordered) - len(shown)} more phrases: --phrases 0 shows all")
    overall, captions = score.overall, score.captions
    lines.append(
        f"box IoU of hits {_cell(overall['box_iou'])}, boxes found under any phrase "
        f"{_cell(overall['box_recall_any_phrase'])}, "
        f"error of the predicted IoU {_cell(overall['predicted_iou_error'])}, mask AP50 {_cell(overall['mask_ap50'])}"
    )
    lines.append(
        f"captions: {captions['claims']:,} claims, {_cell(captions['precision'])} of them true, "
        f"{_cell(captions['recall'])} of what is there is said; {captions['claims_unread']:,} parts unread"
    )
    left = [
        f"{score.pictures[name]:,} {words}"
        for name, words in (
            ("without_truth", "samples without truth"),
            ("truth_without_sample", "truths without a sample"),
            ("other_size", "of another size than their truth"),
        )
        if score.pictures[name]
    ]
    if overall["not_judged"]:
        left.append(f"{overall['not_judged']:,} labels of phrases that the truth does not judge")
    if left:
        lines.append("not counted: " + ", ".join(left))
    return Group(table, *lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
