"""Progress on standard error: a live line on a terminal, one JSON object now and then elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pe.engines.produce import Reporter

_EVERY_SECONDS = 10.0


@contextmanager
def reporter() -> Iterator[Reporter]:
    """The reporter that fits standard error."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    columns = (
        TextColumn("[progress.description]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[shares]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as live:
        yield _Live(live)


def shares(stages: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Each stage's share of the time spent in all stages, largest first."""
    total = sum(seconds["wall"] for seconds in stages.values()) or 1.0
    ordered = sorted(stages.items(), key=lambda item: -item[1]["wall"])
    return {name: round(seconds["wall"] / total, 3) for name, seconds in ordered}


class _Clock:
    """Inputs done and their rate."""

    def __init__(self) -> None:
        self.done = self.total = 0
        self.since = time.monotonic()

    def start(self, total: int) -> None:
        self.done, self.total, self.since = 0, total, time.monotonic()

    @property
    def rate(self) -> float:
        return self.done / max(1e-9, time.monotonic() - self.since)


class _Live:
    def __init__(self, live: Progress) -> None:
        self._live = live
        self._clock = _Clock()
        self._task: TaskID = live.add_task("planning", total=None, rate="", shares="")

    def planning(self, inputs: int) -> None:
        self._live.update(self._task, completed=inputs)

    def started(self, inputs: int, slices: int) -> None:
        self._clock.start(inputs)
        self._live.update(self._task, description="working", completed=0, total=inputs)

    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None:
        self._clock.done += inputs
        top = " ".join(f"{name} {share:.0%}" for name, share in list(shares(stages).items())[:4])
        self._live.update(self._task, completed=self._clock.done, rate=f"{self._clock.rate:.1f}/s", shares=top)

    def note(self, text: str) -> None:
        self._live.console.print(f"pe: {text}", markup=False, highlight=False)


class _Lines:
    def __init__(self) -> None:
        self._clock = _Clock()
        self._last = time.monotonic()

    def planning(self, inputs: int) -> None:
        if self._due():
            self._line({"event": "planning", "inputs": inputs})

    def started(self, inputs: int, slices: int) -> None:
        self._clock.start(inputs)
        self._line({"event": "started", "inputs": inputs, "slices": slices})

    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None:
        self._clock.done += inputs
        if self._due():
            clock = self._clock
            line = {"event": "progress", "done": clock.done, "total": clock.total, "per_second": round(clock.rate, 2)}
            self._line({**line, "shares": shares(stages)})

    def note(self, text: str) -> None:
        self._line({"event": "note", "text": text})

    def _due(self) -> bool:
        if time.monotonic() - self._last < _EVERY_SECONDS:
            return False
        self._last = time.monotonic()
        return True

    @staticmethod
    def _line(value: Mapping[str, object]) -> None:
        print(json.dumps(value), file=sys.stderr, flush=True)
