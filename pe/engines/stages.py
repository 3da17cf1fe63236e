"""Where the time goes: seconds per stage, counted in every thread that works."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Stages:
    """Seconds of CPU and of wall time by stage name; threads may time at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the block under `name`: the CPU time of this thread, and the wall time."""
        wall, cpu = time.perf_counter(), time.thread_time()
        try:
            yield
        finally:
            self._add(name, time.thread_time() - cpu, time.perf_counter() - wall)

    def _add(self, name: str, cpu: float, wall: float) -> None:
        with self._lock:
            self.cpu[name] = self.cpu.get(name, 0.0) + cpu
            self.wall[name] = self.wall.get(name, 0.0) + wall

    def as_dict(self) -> dict[str, dict[str, float]]:
        """{"decode": {"cpu": seconds, "wall": seconds}, ...}"""
        with self._lock:
            return {name: {"cpu": self.cpu[name], "wall": self.wall[name]} for name in self.wall}

    def merge(self, other: Mapping[str, Mapping[str, float]]) -> None:
        """Add what another process counted."""
        for name, seconds in other.items():
            self._add(name, seconds["cpu"], seconds["wall"])
