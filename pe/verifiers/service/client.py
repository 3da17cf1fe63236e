"""Scores from one or several reward services: spread, retried, and every one there or missing with a reason."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx2
from anyio.from_thread import start_blocking_portal

from pe.errors import InputError
from pe.verifiers import Score, score
from pe.verifiers.service.settings import TOKEN_VARIABLE
from pe.verifiers.service.wire import Rollouts, missing, one_line, read_score, write_items

BATCH = 64
"""Responses in a request, unless one item has more."""
IN_FLIGHT = 8
"""Requests under way to each server."""
RETRIES = 5
PAUSE, LONGEST_PAUSE = 0.25, 8.0
"""Seconds before the first retry and at most; each is twice the one before, times a random number from 0.5 to 1."""
ASIDE, LONGEST_ASIDE = 1.0, 60.0
"""Seconds that a server is put aside when it fails, twice as long each time in a row, and at most."""
_MEND = frozenset({400, 413, 415, 422})


class RewardClient:
    """Scores over the network; `async with RewardClient(["http://10.0.0.1:8400", ...]) as client`.

    A request goes to the server with the fewest under way, in turn. One that fails (no connection, no answer within
    `timeout` seconds, a status of 5xx, an answer that is none) is put aside for a while, and the request tried again
    elsewhere, `retries` times. What no server answered is scored in this process where `fallback` is set, and is
    missing otherwise. The token is PE_SERVE_TOKEN's unless given.
    """

    def __init__(
        self,
        servers: Sequence[str],
        *,
        token: str | None = None,
        timeout: float = 120.0,
        retries: int = RETRIES,
        fallback: bool = False,
    ) -> None:
        if not servers or not all(server.startswith(("http://", "https://")) for server in servers):
            raise InputError("reward servers: expected addresses such as http://127.0.0.1:8400")
        self._servers = [_Server(server.rstrip("/")) for server in servers]
        self._token = os.environ.get(TOKEN_VARIABLE, "") if token is None else token
        self._timeout = timeout
        self._retries = retries
        self._fallback = fallback
        self._turn = 0

    async def __aenter__(self) -> Self:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        # No proxy and no redirect of the environment's or a server's choosing gets the responses to see.
        most = IN_FLIGHT * len(self._servers)
        self._http = httpx2.AsyncClient(
            headers=headers,
            timeout=httpx2.Timeout(self._timeout, connect=min(5.0, self._timeout)),
            limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
            trust_env=False,
        )
        self._under_way = asyncio.Semaphore(most)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def score(self, rollouts: Sequence[Rollouts]) -> list[list[Score]]:
        """For each of `rollouts`, the score of each of its responses, in order."""
        parts = list(_parts(rollouts))
        found = await asyncio.gather(*(self._request(part) for part in parts))
        return [scores for part in found for scores in part]

    async def _request(self, part: list[Rollouts]) -> list[list[Score]]:
        async with self._under_way:
            body = write_items(part)
            problem = ""
            for attempt in range(self._retries + 1):
                if attempt:
                    pause = min(LONGEST_PAUSE, PAUSE * 2 ** (attempt - 1))
                    await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                server = self._choose()
                problem, final, scores = await self._ask(server, body, part)
                if scores is not None:
                    return scores
                if final:
                    break
            if self._fallback:
                return await asyncio.to_thread(_here, part)
            result = missing(f"no reward server scored it: {problem}")
            return [[result] * len(each.responses) for each in part]

    async def _ask(
        self, server: _Server, body: bytes, part: list[Rollouts]
    ) -> tuple[str, bool, list[list[Score]] | None]:
        """What went wrong, whether another try is of no use, and the scores if nothing did."""
        server.under_way += 1
        try:
            async with asyncio.timeout(self._timeout):
                reply = await self._http.post(f"{server.address}/score", content=body)
            if reply.status_code == 200:
                scores = _read(reply.content, part)
                server.failures = 0
                return "", True, scores
            problem = f"{server.address}: HTTP {reply.status_code}"
            if reply.status_code in _MEND:
                return f"{problem} {one_line(reply.text, 100)}", True, None
        except TimeoutError:
            problem = f"{server.address}: no answer within {self._timeout:g} s"
        except httpx2.HTTPError as error:
            problem = f"{server.address}: {type(error).__name__}"
        except ValueError as error:
            problem = f"{server.address}: {error}"
        finally:
            server.under_way -= 1
        server.put_aside()
        return problem, False, None

    def _choose(self) -> _Server:
        now = time.monotonic()
        self._turn += 1
        turned = [self._servers[(self._turn + place) % len(self._servers)] for place in range(len(self._servers))]
        here = [server for server in turned if server.aside_until <= now]
        if here:
            return min(here, key=lambda server: server.under_way)
        return min(turned, key=lambda server: server.aside_until)


class BlockingRewardClient:
    """A RewardClient for code that is not asynchronous, or that runs inside a loop already; any thread may call it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._client = RewardClient(*arguments, **options)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(self._portal.wrap_async_context_manager(self._client))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.close()

    def score(self, rollouts: Sequence[Rollouts]) -> list[list[Score]]:
        """See RewardClient."""
        return self._portal.call(self._client.score, rollouts)


@dataclass
class _Server:
    address: str
    under_way: int = 0
    failures: int = 0
    aside_until: float = 0.0

    def put_aside(self) -> None:
        now = time.monotonic()
        # Requests that were under way when it failed fail together; they are one failure.
        if self.aside_until <= now:
            self.aside_until = now + min(LONGEST_ASIDE, ASIDE * 2**self.failures)
            self.failures += 1


def _parts(rollouts: Sequence[Rollouts]) -> Iterator[list[Rollouts]]:
    part: list[Rollouts] = []
    size = 0
    for each in rollouts:
        if part and size + len(each.responses) > BATCH:
            yield part
            part, size = [], 0
        part.append(each)
        size += len(each.responses)
    if part:
        yield part


def _read(content: bytes, part: list[Rollouts]) -> list[list[Score]]:
    """The scores in an answer to `part`. Raises ValueError unless there is one for every response."""
    try:
        results = json.loads(content)["results"]
        if len(results) != len(part):
            raise ValueError("its answer has another number of items")
        found = []
        for each, result in zip(part, results, strict=True):
            scores = [read_score(value) for value in result["scores"]]
            if len(scores) != len(each.responses):
                raise ValueError("its answer has another number of scores")
            found.append(scores)
    except (KeyError, TypeError, RecursionError):
        raise ValueError("its answer is not of the known form") from None
    return found


def _here(part: list[Rollouts]) -> list[list[Score]]:
    """The scores by this process; a question that cannot be scored has missing ones, as from a server."""
    found = []
    for each in part:
        try:
            found.append(score(each.question, each.responses, each.progress, each.tokens))
        except InputError as error:
            found.append([missing(one_line(error))] * len(each.responses))
    return found
