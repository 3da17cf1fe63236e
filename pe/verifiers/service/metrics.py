"""What the reward service counts, for Prometheus."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one server. Labels come from fixed sets; no caller can add a series."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        common: dict[str, Any] = {"namespace": "pe_reward", "registry": self._registry}
        self.requests = Counter("requests", "HTTP requests, by route and status.", ["route", "status"], **common)
        self.seconds = Histogram(
            "request_seconds", "Time from a request to its answer.", ["route"], buckets=SECONDS, **common
        )
        self.scores = Counter("scores", "Responses that have a score.", ["verifier"], **common)
        self.missing = Counter(
            "missing", "Responses without a score, by verifier (if known) and reason.", ["verifier", "reason"], **common
        )
        self.waiting = Gauge("waiting_requests", "Requests that wait for a worker.", **common)
        self.worker_up = Gauge("worker_up", "Whether a worker is ready or at work.", ["worker"], **common)
        self.worker_results = Counter("worker_results", "Results that a worker gave.", ["worker"], **common)
        self.worker_seconds = Counter("worker_busy_seconds", "Time a worker was at work.", ["worker"], **common)
        self.worker_ends = Counter("worker_ends", "How often a worker ended and was replaced.", ["worker"], **common)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)


class Counted:
    """ASGI middleware that counts and times requests; paths that are no route share one label."""

    def __init__(self, app: Any, metrics: Metrics, routes: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._routes = routes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        since = time.perf_counter()
        status = 500

        async def note(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note)
        finally:
            route = scope["path"] if scope["path"] in self._routes else "other"
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - since)
