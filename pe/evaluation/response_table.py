"""A Report as text for the terminal."""

from __future__ import annotations

from pe.evaluation.responses import Report

_COLUMNS = {
    "responses": "responses",
    "score": "score",
    "missing": "missing",
    "state_unparsable": "unparsable",
    "precision_50": "P@50",
    "recall_50": "R@50",
    "iou": "IoU",
    "map": "mAP",
    "duplicates": "twice",
    "presence_mcc": "MCC",
}


def report_text(report: Report) -> str:
    """A row a data source, one for all, and what was not scored and why; columns without any value are left out."""
    total = report.monitor.total()
    rows = [*report.monitor.figures().items(), ("all", total)]
    components = {name: name.removeprefix("component_") for name in total if name.startswith("component_")}
    columns = {"responses": "responses", "score": "score", **components, **_COLUMNS}
    shown = {name: title for name, title in columns.items() if total[name] is not None}
    table = [["data source", *shown.values()]]
    table += [[_plain(source), *(_cell(figures.get(name)) for name in shown)] for source, figures in rows]
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in table
    ]
    answered = report.samples - report.unanswered
    lines += ["", f"{report.responses:,} responses to {answered:,} of {report.samples:,} samples"]
    if report.missing:
        lines.append(f"{report.missing:,} scores are missing: {_plain('; '.join(report.reasons))}")
    if report.unknown_keys:
        lines.append(f"{report.unknown_keys:,} responses to no sample here: {_plain(', '.join(report.unknown))}")
    if report.unanswered:
        lines.append(f"{report.unanswered:,} samples without a response")
    return "\n".join(lines)


def _plain(text: str) -> str:
    # Names and keys come from the data and may not steer the terminal.
    return "".join(char if char.isprintable() else "?" for char in text)[:200]


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
