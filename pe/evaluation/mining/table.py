"""What was mined, as a table by data source and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from pe.engines.summary import RunSummary
from pe.evaluation.mining.difficulty import Difficulty


@dataclass
class Tally:
    """The rows of one data source: sums of what was measured, rows that none, some or all samples answer rightly."""

    rows: int = 0
    unknown: int = 0
    kept: int = 0
    none: int = 0
    some: int = 0
    all: int = 0
    pass_rate: float = 0.0
    mean: float = 0.0
    best: float = 0.0
    greedy: float = 0.0
    with_greedy: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    def add(self, row: Difficulty, why_not: str) -> None:
        """Count one row; `why_not` is "" when it is kept."""
        self.rows += 1
        self.kept += not why_not
        self.dropped.update([why_not] if why_not else [])
        if row.reason:
            self.unknown += 1
            return
        self.none += row.right == 0
        self.some += 0 < row.right < row.samples
        self.all += row.right == row.samples
        self.pass_rate += row.pass_rate
        self.mean += row.mean
        self.best += row.best
        if row.greedy is not None:
            self.greedy += row.greedy
            self.with_greedy += 1

    def figures(self) -> dict[str, Any]:
        """Counts, and means over the rows that were measured; None where there are none."""
        known = self.rows - self.unknown

        def share(total: float, count: int) -> float | None:
            return round(total / count, 4) if count else None

        return {
            "rows": self.rows,
            "unknown": self.unknown,
            "none_right": self.none,
            "some_right": self.some,
            "all_right": self.all,
            "pass_rate": share(self.pass_rate, known),
            "mean": share(self.mean, known),
            "best": share(self.best, known),
            "greedy": share(self.greedy, self.with_greedy),
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
        }


@dataclass
class MineSummary:
    """Figures by data source and of all rows, for answers of `samples` a row, and the accounts of the run."""

    samples: int
    by_source: dict[str, Tally]
    run: RunSummary

    def total(self) -> Tally:
        """All data sources together."""
        whole = Tally()
        for tally in self.by_source.values():
            for name, value in vars(tally).items():
                if name == "dropped":
                    whole.dropped.update(value)
                else:
                    setattr(whole, name, getattr(whole, name) + value)
        return whole

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(
            {
                "samples": self.samples,
                "by_source": {name: tally.figures() for name, tally in sorted(self.by_source.items())},
                "all": self.total().figures(),
                "run": json.loads(self.run.to_json()),
            },
            ensure_ascii=False,
        )

    def to_table(self) -> Table:
        """A table with a line of totals."""
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("data source", overflow="fold")
        for name in ("rows", "none right", "some", "all", "pass rate", "mean", "best", "greedy", "kept"):
            table.add_column(name, justify="right")
        table.add_column("dropped", overflow="fold")
        lines = [*sorted(self.by_source.items()), ("all", self.total())]
        for name, tally in lines:
            found = tally.figures()
            counts = [f"{found[key]:,}" for key in ("rows", "none_right", "some_right", "all_right")]
            rates = [_rate(found[key]) for key in ("pass_rate", "mean", "best", "greedy")]
            dropped = ", ".join(f"{count:,} {reason}" for reason, count in found["dropped"].items())
            # A data source's name comes from the data and may not steer the terminal.
            plain = Text("".join(char if char.isprintable() else "?" for char in name))
            table.add_row(plain, *counts, *rates, f"{found['kept']:,}", dropped)
        return table


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
