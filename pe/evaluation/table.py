"""A Score as tables for the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe.evaluation.labels import Score
from pe.evaluation.picture import HIT

_RATES = {"precision": "precision", "recall": "recall", "f1": "F1", "ap50": "AP50", "ap75": "AP75", "ap": "AP"}
_COLUMNS = {
    "truths": "truths",
    "predictions": "found",
    "precision": "prec.",
    "recall": "recall",
    "f1": "F1",
    "ap50": "AP50",
    "ap": "AP",
    "mask_iou": "mask\nIoU",
    "ring_iou": "ring\nIoU",
    "boundary_f": "border\nF",
    "duplicates": "twice",
    "wrong_phrase": "wrong",
    "on_absent_phrases": "absent",
}
_NOT_COUNTED = (
    ("without_truth", "samples without truth"),
    ("ambiguous_name", "samples whose name is that of several truths"),
    ("other_size", "samples whose size differs from the truth's"),
    ("truth_without_sample", "truths without a sample"),
    ("not_judged", "labels of phrases that the truth does not judge"),
    ("in_crowd", "labels in crowds"),
    ("below_min_score", "labels below the least score"),
)


def quality_tables(score: Score, most: int) -> RenderableType:
    """Overall, the `most` phrases with the most truths (0 for all), and what was not counted and why."""
    overall = score.overall
    rates = _table("", _RATES)
    rates.add_row("boxes", *(_cell(overall[name]) for name in _RATES))
    if overall["mask_f1"] is not None:
        rates.add_row("masks", *(_cell(overall[f"mask_{name}"]) for name in _RATES))
    ordered = sorted(score.phrases.items(), key=lambda pair: (-pair[1]["truths"], pair[0]))
    shown = ordered[:most] if most else ordered
    columns = {name: title for name, title in _COLUMNS.items() if overall[name] is not None}
    phrases = _table("phrase", columns)
    for phrase, figures in shown:
        phrases.add_row(_plain(phrase), *(_cell(figures[name]) for name in columns))
    phrases.add_section()
    phrases.add_row("all", *(_cell(overall[name]) for name in columns), style="bold")
    hidden = len(ordered) - len(shown)
    more = [f"and {hidden:,} more phrases: --phrases 0 shows all"] if hidden else []
    title = (
        f"{score.pictures['scored']:,} pictures, {overall['truths']:,} truths, {overall['predictions']:,} labels; "
        f"a hit is IoU {HIT} with the right phrase"
    )
    return Group(title, "", rates, "", *_sentences(score), "", phrases, *more)


def _sentences(score: Score) -> list[str]:
    overall, captions = score.overall, score.captions
    twice, wrong, absent = (overall[name] for name in ("duplicates", "wrong_phrase", "on_absent_phrases"))
    lines = [
        "hits: "
        + ", ".join(
            f"{title} {_cell(overall[name])}"
            for name, title in (
                ("box_iou", "box IoU"),
                ("mask_iou", "mask IoU"),
                ("ring_iou", "ring IoU"),
                ("boundary_f", "border F"),
                ("predicted_iou_error", "error of the predicted IoU"),
            )
            if overall[name] is not None
        ),
        f"misses: {twice:,} found twice, {wrong:,} on what has another phrase, {absent:,} of phrases that are absent",
        f"boxes of any phrase: recall {_cell(overall['box_recall_any_phrase'])}",
    ]
    if captions["captions"]:
        lines.append(
            f"captions: {_cell(captions['claims'])} claims, precision {_cell(captions['precision'])}, recall "
            f"{_cell(captions['recall'])}; phrases named: precision {_cell(captions['mention_precision'])}, recall "
            f"{_cell(captions['mention_recall'])}"
        )
    counts = score.pictures | overall
    left = ", ".join(f"{counts[name]:,} {words}" for name, words in _NOT_COUNTED if counts[name])
    return [*lines, f"not counted: {left or 'nothing'}"]


def _table(first: str, columns: dict[str, str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column(first, vertical="bottom")
    for title in columns.values():
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _plain(phrase: str) -> Text:
    # A phrase comes from the data and may not steer the terminal.
    return Text("".join(char if char.isprintable() else "?" for char in phrase))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
