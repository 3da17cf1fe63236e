"""What a mix holds, as a table and as JSON: rows and tokens by source, task and format, and what was dropped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from pe.engines.mixes.selection import Selection
from pe.engines.mixes.settings import Data, MixSettings
from pe.engines.mixes.survey import Part, tallies
from pe.engines.summary import RunSummary


@dataclass
class MixSummary:
    """One line a leaf, what was skipped of the sources, the accounts of what was imported, and, of a build, its own."""

    leaves: list[dict[str, Any]]
    skipped: dict[str, int]
    imports: dict[str, RunSummary]
    run: RunSummary | None

    @staticmethod
    def of(
        settings: MixSettings,
        parts: Sequence[Part],
        selection: Selection,
        imports: Mapping[Data, RunSummary],
        run: RunSummary | None,
    ) -> MixSummary:
        """The table of what was surveyed in `parts` and taken by `selection`."""
        totals = tallies(settings, parts)
        skipped: Counter[str] = Counter()
        for part in parts:
            skipped.update(part.summary()["skipped"])
        taken = np.bincount(selection.rows["leaf"][selection.order], minlength=len(settings.leaves)).tolist()
        lines = []
        for leaf, count in zip(settings.leaves, taken, strict=True):
            tally = totals[leaf.name]
            drops = dict(sorted(tally.drops.items()))
            if selection.levelled[leaf.name]:
                drops["levelled"] = selection.levelled[leaf.name]
            lines.append(
                {
                    "leaf": leaf.name,
                    "data": str(leaf.data),
                    "task": leaf.task,
                    "format": leaf.format,
                    "samples": tally.samples,
                    "rows": tally.rows,
                    "taken": count,
                    "epochs": round(count / tally.rows, 4) if tally.rows else 0.0,
                    "tokens": round(count * tally.tokens / tally.rows) if tally.rows else 0,
                    "with_negatives": tally.negatives,
                    "drops": drops,
                    "unasked": dict(sorted(tally.unasked.items())),
                }
            )
        return MixSummary(lines, dict(sorted(skipped.items())), {str(key): run for key, run in imports.items()}, run)

    @property
    def taken(self) -> int:
        """The rows of the mix."""
        return sum(line["taken"] for line in self.leaves)

    @property
    def too_many_quarantined(self) -> bool:
        """Whether more than 5 % of what was imported from any source were quarantined."""
        return any(run.too_many_quarantined for run in self.imports.values())

    def to_json(self) -> str:
        """One JSON object."""
        run = json.loads(self.run.to_json()) if self.run else None
        imports = {name: json.loads(found.to_json()) for name, found in self.imports.items()}
        whole = {"leaves": self.leaves, "skipped": self.skipped, "imports": imports, "run": run}
        return json.dumps(whole, ensure_ascii=False)

    def to_table(self) -> Table:
        """A table with a line of totals."""
        table = Table(box=None, pad_edge=False)
        for name in ("leaf", "data", "format"):
            table.add_column(name, overflow="fold")
        for name in ("samples", "rows", "taken", "epochs", "tokens", "negative"):
            table.add_column(name, justify="right")
        table.add_column("dropped", overflow="fold")
        for line in self.leaves:
            drops = ", ".join(f"{count} {reason}" for reason, count in line["drops"].items())
            numbers = [line[name] for name in ("samples", "rows", "taken", "epochs", "tokens", "with_negatives")]
            table.add_row(line["leaf"], line["data"], line["format"], *map(str, numbers), drops)
        total = [sum(line[name] for line in self.leaves) for name in ("rows", "taken", "tokens", "with_negatives")]
        table.add_row("all", "", "", "", str(total[0]), str(total[1]), "", str(total[2]), str(total[3]), "")
        return table

    def notes(self) -> list[str]:
        """What the table does not say."""
        lines = [f"imported {name}: {run.to_text()}" for name, run in self.imports.items()]
        for line in self.leaves:
            if not line["taken"]:
                lines.append(f"{line['leaf']} gives no row")
            if line["unasked"]:
                what = ", ".join(f"{reason} ({count})" for reason, count in line["unasked"].items())
                lines.append(f"{line['leaf']} did not ask: {what}")
            if lost := line["drops"].get("not_representable", 0):
                lines.append(
                    f"{line['leaf']}: {lost} right answers, as {line['format']} writes them, score below the floor "
                    "at the end of their schedule: take larger pictures or objects (filter box-share), a finer format, "
                    "or a looser threshold (verifier_parameters)"
                )
            if lost := line["drops"].get("score_missing", 0):
                lines.append(
                    f"{line['leaf']}: {lost} right answers have no score, as its verifier needs what is not known "
                    "before training: a length in tokens (take unit: characters), a judge that does not answer"
                )
        if self.skipped:
            what = ", ".join(f"{count} {reason}" for reason, count in self.skipped.items())
            lines.append(f"samples left out: {what}")
        if self.run is not None:
            lines.append(self.run.to_text())
        return lines
