"""Worker processes of the reward service: started, watched, replaced, and handed requests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pe.verifiers.service.judge import write_rewards
from pe.verifiers.service.metrics import Metrics
from pe.verifiers.service.settings import TOKEN_VARIABLE, JudgeIou
from pe.verifiers.service.wire import RefusedError, missing, write_score
from pe.verifiers.service.worker import END, FRAME, JUDGE, OVER_TIME, REFUSED, REQUEST, RESULTS, SHAPE

GRACE = 0.5
"""How long after the time limit a worker may still say what it has, in seconds."""
WAIT_SECONDS = 30.0
"""How long a request may wait for a worker."""
STARTS = 3
"""Starts of a worker in a row that may fail before a service that never was ready gives up."""
START_SECONDS = 120.0
UNREAD = 3
"""Workers that may die, or turn out to be dead, before a request is read."""
STOP_SECONDS = 2.0
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_GONE = (asyncio.IncompleteReadError, ConnectionError)


@dataclass
class Answer:
    """What came of a request so far: the shape of its items (see Worker) and the results in order, as JSON."""

    route: int
    shape: list[Any] | None = None
    results: list[bytes] = field(default_factory=list)

    @property
    def lacking(self) -> int:
        """How many results are still to come."""
        return sum(item for item in self.shape or [] if isinstance(item, int)) - len(self.results)

    def begin(self) -> None:
        """Another worker reads the request; the results so far stay."""
        self.shape = None

    def fill(self, reason: str, count: int) -> None:
        """Put missing results in the place of the next `count`."""
        result = missing(reason)
        self.results += [write_rewards(result) if self.route == JUDGE else write_score(result)] * count


class Pool:
    """`count` worker processes; each is at work on one request at a time.

    A request may keep workers busy for `limit` seconds: what is not scored by then is missing, and a worker that hangs
    is replaced. When a worker dies, another goes on where it was, result by result, so that a response that kills
    its worker is missing alone. `failed` says why the service had to give up; `on_failure` is called then.
    """

    def __init__(
        self,
        count: int,
        limit: float,
        metrics: Metrics,
        judge_iou: JudgeIou,
        on_ready: Callable[[], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.failed = ""
        self.started = False
        self._limit = limit
        self._metrics = metrics
        self._arguments = [json.dumps(judge_iou)]
        self._on_ready, self._on_failure = on_ready, on_failure
        self._workers: list[_Worker | None] = [None] * count
        self._idle: asyncio.Queue[_Worker] = asyncio.Queue()
        self._keepers: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> int:
        """How many workers are idle or at work."""
        return sum(worker is not None and worker.usable for worker in self._workers)

    def start(self) -> None:
        """Start all workers; they are ready some time later."""
        self._keepers = [asyncio.create_task(self._keep(index)) for index in range(len(self._workers))]

    async def stop(self) -> None:
        """End all workers; what they are at is lost."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers if worker is not None))

    async def run(self, route: int, body: bytes) -> Answer:
        """The answer to a request; every result is there, some of them missing.

        Raises RefusedError where the request cannot be read or no worker is to be had.
        """
        answer = Answer(route)
        again = False
        unread = 0
        left = self._limit
        while True:
            worker = await self._take()
            answer.begin()
            label = str(worker.index)
            since = time.monotonic()
            try:
                async with asyncio.timeout(left + GRACE):
                    await worker.answer(answer, body, partial(self._count, label), at_once=again, seconds=left)
            except TimeoutError:
                worker.kill()
                if answer.shape is None:
                    raise RefusedError(504, "no worker could read the request in time") from None
                self._fill(answer, OVER_TIME, "time_limit", answer.lacking)
                return answer
            except _GONE:
                worker.kill()
                left = max(0.0, left - (time.monotonic() - since))
                if answer.shape is None:
                    unread += 1
                    if unread == UNREAD:
                        raise RefusedError(500, f"{UNREAD} workers died before they had read the request") from None
                    continue
                # Only one that sends each result at once has died of the very next response.
                if again and answer.lacking:
                    self._fill(answer, "its worker died", "worker_died", 1)
                if not answer.lacking:
                    return answer
                again = True
            except RefusedError:
                self._idle.put_nowait(worker)
                raise
            except BaseException:
                worker.kill()
                raise
            else:
                self._idle.put_nowait(worker)
                return answer
            finally:
                self._metrics.worker_seconds.labels(label).inc(time.monotonic() - since)

    async def _take(self) -> _Worker:
        with self._metrics.waiting.track_inprogress():
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    while True:
                        worker = await self._idle.get()
                        if worker.usable:
                            return worker
            except TimeoutError:
                raise RefusedError(503, "all workers are busy; try again") from None

    def _count(self, worker: str, counts: list[tuple[str, str, int]]) -> None:
        for verifier, what, count in counts:
            self._metrics.worker_results.labels(worker).inc(count)
            if what == "scored":
                self._metrics.scores.labels(verifier).inc(count)
            else:
                self._metrics.missing.labels(verifier, what).inc(count)

    def _fill(self, answer: Answer, reason: str, label: str, count: int) -> None:
        answer.fill(reason, count)
        self._metrics.missing.labels("", label).inc(count)

    async def _keep(self, index: int) -> None:
        """One worker after the other, for good."""
        failures = 0
        up = self._metrics.worker_up.labels(str(index))
        while self.started or failures < STARTS:
            up.set(0)
            worker: _Worker | None = None
            try:
                async with asyncio.timeout(START_SECONDS):
                    worker = self._workers[index] = await _Worker.start(index, self._arguments)
                    await worker.frame()
            except (asyncio.IncompleteReadError, OSError):  # the latter also where no process can be made, and late
                if worker is not None:
                    worker.kill()
                failures += 1
                await asyncio.sleep(min(failures, 10))
                continue
            failures = 0
            worker.ready = True
            up.set(1)
            self._idle.put_nowait(worker)
            if not self.started and self.ready == len(self._workers):
                self.started = True
                self._on_ready()
            await worker.process.wait()
            self._metrics.worker_ends.labels(str(index)).inc()
        self.failed = f"worker {index} did not start {STARTS} times in a row; what it said is above"
        self._on_failure()


class _Worker:
    def __init__(self, index: int, process: Process) -> None:
        self.index = index
        self.process = process
        self.ready = False

    @staticmethod
    async def start(index: int, arguments: list[str]) -> _Worker:
        # A worker is one core's; whoever asks the service has no say over its token.
        environment = {**dict.fromkeys(_THREADS, "1"), **os.environ}
        environment.pop(TOKEN_VARIABLE, None)
        command = [sys.executable, "-P", "-m", "pe.verifiers.service.worker", *arguments]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, env=environment, start_new_session=True
        )
        return _Worker(index, process)

    @property
    def usable(self) -> bool:
        return self.ready and self.process.returncode is None

    async def frame(self) -> tuple[bytes, bytes]:
        """The next frame of the process. Raises one of `_GONE` when it has ended."""
        assert self.process.stdout is not None
        kind, length = FRAME.unpack(await self.process.stdout.readexactly(FRAME.size))
        return kind, await self.process.stdout.readexactly(length)

    async def answer(
        self, answer: Answer, body: bytes, count: Callable[[list[Any]], None], *, at_once: bool, seconds: float
    ) -> None:
        """Have a request scored from where `answer` stands."""
        assert self.process.stdin is not None
        header = REQUEST.pack(answer.route, at_once, len(answer.results), seconds, len(body))
        self.process.stdin.writelines((header, body))
        await self.process.stdin.drain()
        kind = b""
        while kind != END:
            kind, payload = await self.frame()
            if kind == REFUSED:
                raise RefusedError(*json.loads(payload))
            if kind == SHAPE:
                answer.shape = json.loads(payload)
            elif kind == RESULTS:
                counts, *results = payload.split(b"\n")
                answer.results += results
                count(json.loads(counts))

    def kill(self) -> None:
        self.ready = False
        if self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def stop(self) -> None:
        self.ready = False
        assert self.process.stdin is not None
        self.process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
                return
        self.kill()
        await self.process.wait()
