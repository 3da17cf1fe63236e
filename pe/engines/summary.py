"""The accounts of a run and of an output folder, for people and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pe.shards.output import Output, Summary
from pe.shards.sidecar import Sidecar

QUARANTINE_LIMIT = 0.05


@dataclass(frozen=True)
class NotFound:
    """Annotated `pictures`, `of` so many, that are not under `root`; `example` is the first one's name."""

    pictures: int
    of: int
    root: str
    example: str


@dataclass
class RunSummary:
    """This run's inputs by what became of them, the folder's totals, and where the time went.

    `run_near` and `total_near` of the duplicates have other bytes than what they are duplicates of. `not_found` is
    of an import.
    """

    out: str
    run: Summary
    total: Summary
    left: dict[str, str]
    ignored: dict[str, int]
    seconds: float
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    run_near: int = 0
    total_near: int = 0
    not_found: NotFound | None = None

    @classmethod
    def of(
        cls,
        output: Output,
        done: list[str],
        *,
        near: Counter[str],
        left: dict[str, str],
        ignored: Counter[str],
        seconds: float,
        stages: Mapping[str, dict[str, float]],
    ) -> RunSummary:
        """Add up the sidecars of the slices that were `done` and of the whole folder; `near` is counted by slice."""
        run = Summary()
        for name in sorted(done):
            run.add(Sidecar.load(output.sidecar_path(name), index=False))
        return cls(
            str(output.root),
            run,
            output.summary(),
            left,
            dict(sorted(ignored.items())),
            seconds,
            dict(stages),
            sum(near[name] for name in done),
            sum(near[name] for name in output.committed()),
        )

    @property
    def too_many_quarantined(self) -> bool:
        """Whether more than 5 % of this run's inputs were quarantined."""
        return sum(self.run.quarantined.values()) > QUARANTINE_LIMIT * self.run.inputs

    def to_json(self) -> str:
        """One JSON object."""
        data = {
            "out": self.out,
            "run": _counts(self.run, self.run_near),
            "total": _counts(self.total, self.total_near),
            "left_to_others": self.left,
            "ignored_files": self.ignored,
            **({"not_found": asdict(self.not_found)} if self.not_found else {}),
            "seconds": round(self.seconds, 3),
            "inputs_per_second": round(self.run.inputs / max(self.seconds, 1e-9), 3),
            "stages": {
                name: {key: round(value, 4) for key, value in seconds.items()} for name, seconds in self.stages.items()
            },
        }
        return json.dumps(data)

    def to_text(self) -> str:
        """A few lines that add up."""
        run, lines = self.run, []
        if not run.inputs and not self.left:
            lines.append("nothing new")
        if run.inputs:
            rate = run.inputs / max(self.seconds, 1e-9)
            lines.append(f"{_sum_line(run, self.run_near)}, in {self.seconds:.1f} s ({rate:.1f} a second)")
            lines += _reasons(run)
            if self.stages:
                stages = sorted(self.stages.items(), key=lambda item: -item[1]["wall"])
                spent = ", ".join(f"{name} {1000 * used['wall'] / run.inputs:.1f}" for name, used in stages)
                lines.append(f"  ms an input: {spent}")
        if self.left:
            holders = sorted({who for who in self.left.values() if who}) or ["another run"]
            lines.append(f"{len(self.left)} slices are being done by {', '.join(holders)}")
        if self.ignored:
            lines.append("ignored files: " + ", ".join(f"{count} {name}" for name, count in self.ignored.items()))
        if gone := self.not_found:
            lines.append(
                f"{gone.pictures} of {gone.of} annotated pictures were not found under {gone.root} "
                f"(for example {gone.example})"
            )
        lines.append(
            f"{self.out}: {self.total.samples} samples in {self.total.shards} shards "
            f"({self.total.bytes / 1e6:.1f} MB); {_sum_line(self.total, self.total_near)}"
        )
        if self.too_many_quarantined:
            lines.append(f"over 5 % of the inputs were quarantined; {self.out}/quarantine says why for each")
        return "\n".join(lines)


def _sum_line(counts: Summary, near: int) -> str:
    of_them = f" ({near} near)" if near else ""
    return (
        f"{counts.inputs} inputs = {counts.written} written + {sum(counts.filtered.values())} filtered "
        f"+ {counts.duplicate} duplicates{of_them} + {sum(counts.quarantined.values())} quarantined"
    )


def _reasons(counts: Summary) -> list[str]:
    return [
        f"  {word}: " + ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        for word, reasons in (("filtered", counts.filtered), ("quarantined", counts.quarantined))
        if reasons
    ]


def _counts(counts: Summary, near: int) -> dict[str, Any]:
    return {
        "shards": counts.shards,
        "bytes": counts.bytes,
        "inputs": counts.inputs,
        "written": counts.written,
        "filtered": dict(sorted(counts.filtered.items())),
        "duplicates": counts.duplicate,
        "near_duplicates": near,
        "quarantined": dict(sorted(counts.quarantined.items())),
    }


@dataclass
class Preview:
    """What a run would do."""

    source: str
    new_inputs: int
    new_bytes: int
    first_inputs: list[str]
    ignored: dict[str, int]
    planned_inputs: int
    unfinished_slices: int
    new_slices: int
    device: str
    config_hash: str
    stages: dict[str, str]

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self))

    def to_text(self) -> str:
        """A few lines."""
        found = f"{self.new_inputs} new inputs ({self.new_bytes / 1e6:.1f} MB), {self.planned_inputs} planned before"
        lines = [f"{self.source}: {found}", *(f"  {name}" for name in self.first_inputs)]
        if self.new_inputs > len(self.first_inputs):
            lines.append(f"  ... and {self.new_inputs - len(self.first_inputs)} more")
        if self.ignored:
            lines.append("ignored files: " + ", ".join(f"{count} {name}" for name, count in self.ignored.items()))
        lines.append(
            f"would write about {self.new_slices} new shards and finish {self.unfinished_slices} begun by earlier runs"
        )
        lines.append(f"on {self.device}: " + ", ".join(f"{stage} {words}" for stage, words in self.stages.items()))
        return "\n".join(lines)
