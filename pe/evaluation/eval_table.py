"""Results and comparisons as Markdown that can be read in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pe.evaluation.compare import Comparison, Difference
from pe.evaluation.eval_figures import ALL, Figures, Result, label
from pe.evaluation.evaluate import Evaluation
from pe.evaluation.intervals import Estimate

_TITLES = 2
_SECTIONS = ("How well", "What it does", "As published")
_NOT_EVALUATED = (
    ("unanswered", "samples without a response"),
    ("failed", "without an answer (`error`)"),
    ("unknown_keys", "to no sample here"),
    ("bad_lines", "lines that cannot be read"),
    ("unusable", "to samples whose question is of no use"),
    ("repeated", "given twice"),
    ("beyond", "beyond --samples"),
)


def result_markdown(result: Result) -> str:
    """What was evaluated, a table of all, one by data source, one of the views, and the rule of every metric."""
    evaluation = result.evaluation
    counts = evaluation.counts
    groups = [group for group in result.groups if group != ALL]
    title = (
        f"{counts['evaluated']:,} responses to {len(evaluation.keys):,} of {counts['samples']:,} samples, "
        f"{len(evaluation.images):,} images; intervals are 95 %, resampled by image."
    )
    lines = [title, ""]
    left = "; ".join(f"{counts[name]:,} {words}" for name, words in _NOT_EVALUATED if counts[name])
    if left:
        lines += [f"Not evaluated: {left}.", *(f"- {_plain(reason)}" for reason in evaluation.reasons), ""]
    for section, names in _by_section(evaluation, result.groups[ALL]):
        lines += [f"## {section}", "", *_table(result, names, {ALL: result.groups[ALL]}, counted=True), ""]
        if groups:
            shown = {group: result.groups[group] for group in groups}
            lines += [f"### {section}, by data source", "", *_table(result, names, shown), ""]
    if result.views:
        names = dict(_by_section(evaluation, result.groups[ALL])).get(_SECTIONS[0], [])
        lines += ["## Otherwise counted", "", *_table(result, names, result.views), ""]
    silent = sorted(name for name, count in result.applies.items() if not count)
    lines += ["## Rules", "", *_rules(evaluation, result.groups[ALL])]
    if silent:
        lines += ["", f"Of no use here: {', '.join(silent)}."]
    return "\n".join(lines)


def comparison_markdown(comparison: Comparison, evaluation: Evaluation, first: str, second: str) -> str:
    """Two runs side by side; `*` marks a difference whose interval leaves out 0."""
    title = (
        f"{comparison.common:,} samples that both runs answered ({comparison.only_first:,} and "
        f"{comparison.only_second:,} others left out). A is {_plain(first)}, B is {_plain(second)}."
    )
    lines = [
        title,
        "Intervals are 95 %, by the same draws of images for both; * marks a difference that leaves out 0.",
        "",
    ]
    for group, metrics in comparison.groups.items():
        for section, names in _by_section(evaluation, metrics):
            rows = [["metric", "figure", "A", "B", "B - A", "95 %"]]
            for name in names:
                first_values = {figure: value.first for figure, value in metrics[name].items()}
                rows += [
                    [name, label(evaluation.metrics[name], figure, first_values), *_difference(value)]
                    for figure, value in metrics[name].items()
                    if value.first.value is not None or value.second.value is not None
                ]
            title = section if group == ALL else f"{section}, {_plain(group)}"
            lines += [f"## {title}", "", *_aligned(rows), ""]
    lines += ["## Rules", "", *_rules(evaluation, comparison.groups[ALL])]
    return "\n".join(lines)


def _by_section(evaluation: Evaluation, found: Iterable[str]) -> list[tuple[str, list[str]]]:
    """The metrics that were found, as they stand in tables: those that say how well, how, and as others published."""
    sections: dict[str, list[str]] = {section: [] for section in _SECTIONS}
    for name in found:
        kind = 2 if name.endswith("-compat") else int(evaluation.metrics[name].metric.behaviour)
        sections[_SECTIONS[kind]].append(name)
    return [(section, names) for section, names in sections.items() if names]


def _table(result: Result, names: Sequence[str], groups: Mapping[str, Figures], counted: bool = False) -> list[str]:
    """A row a figure, a column a group."""
    rows = [["metric", "figure", *map(_plain, groups), *(["responses"] if counted else [])]]
    for name in names:
        kept = result.evaluation.metrics[name]
        known = next(figures[name] for figures in groups.values() if name in figures) if _any(groups, name) else {}
        for figure in known:
            values = [figures.get(name, {}).get(figure, Estimate(None)) for figures in groups.values()]
            if all(value.value is None for value in values):
                continue
            # What a name says beside its figure (the ratio of negatives) differs from group to group.
            ends = [label(kept, figure, found.get(name, {})).removeprefix(figure) for found in groups.values()]
            title = figure + ends[0] if len(groups) == 1 else figure
            marked = ends if len(groups) > 1 else [""]
            cells = [name, title, *(_cell(value) + end for value, end in zip(values, marked, strict=True))]
            rows.append([*cells, f"{result.applies[name]:,}"] if counted else cells)
    return _aligned(rows)


def _any(groups: Mapping[str, Figures], name: str) -> bool:
    return any(name in figures for figures in groups.values())


def _rules(evaluation: Evaluation, found: Iterable[str]) -> list[str]:
    return [f"- {name}: {evaluation.metrics[name].metric.rule}" for name in found]


def _difference(value: Difference) -> list[str]:
    difference = value.difference
    mark = " *" if value.clear else ""
    between = "" if difference.low is None else f"{_number(difference.low)} to {_number(difference.high)}"
    return [_number(value.first.value), _number(value.second.value), _number(difference.value) + mark, between]


def _cell(value: Estimate) -> str:
    if value.low is None:
        return _number(value.value)
    return f"{_number(value.value)} ({_number(value.low)} to {_number(value.high)})"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    # adding 0 takes the sign from what is rounded to nothing
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a metric, a figure and numbers; a metric is named in its first row."""
    shown = [
        ["" if number > 1 and row[0] == rows[number - 1][0] else row[0], *row[1:]] for number, row in enumerate(rows)
    ]
    widths = [max(len(row[column]) for row in shown) for column in range(len(rows[0]))]
    lines = []
    for row in shown:
        cells = [
            cell.ljust(width) if column < _TITLES else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(f"| {' | '.join(cells)} |")
    under = [f"{'-' * (width + 1)}{'-' if column < _TITLES else ':'}" for column, width in enumerate(widths)]
    return [lines[0], f"|{'|'.join(under)}|", *lines[1:]]


def _plain(text: str) -> str:
    # Names and keys come from the data and may neither steer the terminal nor end a cell.
    return "".join(char if char.isprintable() and char not in "|`<>" else "?" for char in text)[:200]
