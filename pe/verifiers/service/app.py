"""The reward service: POST /score and /judge, GET /health and /metrics."""

from __future__ import annotations

import asyncio
import hmac
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from starlette.requests import ClientDisconnect

from pe.errors import InputError, PeError
from pe.verifiers.service.metrics import CONTENT_TYPE, Counted, Metrics
from pe.verifiers.service.pool import Answer, Pool
from pe.verifiers.service.settings import TOKEN_VARIABLE, ServeSettings, is_loopback
from pe.verifiers.service.wire import RefusedError, missing, write_score
from pe.verifiers.service.worker import JUDGE, SCORE

WAITING = 32
"""Requests that may be under way, for each worker."""
_ROUTES = frozenset({"/score", "/judge", "/health", "/metrics"})


def serve(settings: ServeSettings, token: str, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight; `say` is told when all workers are ready.

    Without a `token` only callers on this machine are served. Raises InputError for an address that cannot be had, or
    may not without a token, and PeError when the workers do not start.
    """
    if not token and not is_loopback(settings.host):
        raise InputError(
            f"--host {settings.host} is open to other machines and needs a token: put one into {TOKEN_VARIABLE} or "
            "into the file that --token-file names"
        )
    listener = _listen(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"http://{host}:{listener.getsockname()[1]}"
    metrics = Metrics()
    server: uvicorn.Server

    def give_up() -> None:
        server.should_exit = True

    pool = Pool(
        settings.workers,
        settings.time_limit,
        metrics,
        settings.judge_iou,
        on_ready=lambda: say(f"serving {address} with {settings.workers} workers"),
        on_failure=give_up,
    )
    config = uvicorn.Config(
        Counted(_app(settings, token, pool, metrics), metrics, _ROUTES),
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=settings.stop_limit,
    )
    server = uvicorn.Server(config)
    # uvicorn raises the signal again when it has stopped; a service that was told to stop and did ends with 0.
    before = {signum: signal.signal(signum, lambda *_: give_up()) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        server.run(sockets=[listener])
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
    if pool.failed:
        raise PeError(pool.failed)


def _app(settings: ServeSettings, token: str, pool: Pool, metrics: Metrics) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pool.start()
        yield
        await pool.stop()

    def allowed(request: Request) -> None:
        if token:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {token}".encode()):
                raise HTTPException(401, "send the token: Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"})
        elif not is_loopback(_host(request)):
            # A web page that makes its own name point here must not be answered.
            raise HTTPException(403, "without a token, only localhost is served")

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    under_way = asyncio.Semaphore(WAITING * settings.workers)

    async def answered(route: int, request: Request) -> Answer | Response:
        if under_way.locked():
            return _refusal(503, "too many requests are under way; try again")
        async with under_way:
            try:
                return await pool.run(route, await _body(request, settings))
            except RefusedError as refused:
                return _refusal(refused.status, refused.detail)

    @app.post("/score", dependencies=[Depends(allowed)])
    async def score(request: Request) -> Response:
        answer = await answered(SCORE, request)
        if isinstance(answer, Response):
            return answer
        malformed = sum(item[0] for item in answer.shape or [] if not isinstance(item, int))
        metrics.missing.labels("", "malformed").inc(malformed)
        return _json(_results(answer))

    @app.post("/judge", dependencies=[Depends(allowed)])
    async def judge(request: Request) -> Response:
        answer = await answered(JUDGE, request)
        return answer if isinstance(answer, Response) else _json(answer.results[0])

    @app.get("/health")
    async def health() -> Response:
        ready = pool.started and pool.ready > 0
        state = {"status": "ready" if ready else "not ready", "workers": settings.workers, "ready": pool.ready}
        return _json(json.dumps(state).encode(), 200 if ready else 503)

    @app.get("/metrics", dependencies=[Depends(allowed)])
    async def text() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return app


def _results(answer: Answer) -> bytes:
    """{"results": [...]}: for each item its `scores`, and an `error` where it is malformed."""
    results = iter(answer.results)
    items = []
    for item in answer.shape or []:
        if isinstance(item, int):
            items.append(b'{"scores":[%b]}' % b",".join(next(results) for _ in range(item)))
        else:
            count, error = item
            scores = b",".join([write_score(missing(error))] * count)
            items.append(b'{"scores":[%b],"error":%b}' % (scores, json.dumps(error).encode()))
    return b'{"results":[%b]}' % b",".join(items)


async def _body(request: Request, settings: ServeSettings) -> bytes:
    """The request's body. Raises RefusedError for one that is too large, too slow, or no JSON by its own word."""
    # A page of another origin cannot send this type without asking first, and nothing here answers that question.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415, "send JSON, with Content-Type: application/json")
    most = settings.body_limit << 20
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(settings.time_limit):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise RefusedError(413, f"a body has at most {settings.body_limit} MiB; send several")
                parts.append(part)
    except TimeoutError:
        raise RefusedError(408, "the body did not arrive in time") from None
    except ClientDisconnect:
        raise RefusedError(400, "the body broke off") from None
    return b"".join(parts)


def _host(request: Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=512)
    except OSError as error:
        raise InputError(f"cannot listen on {host}:{port}: {error.strerror or error}") from None


def _refusal(status: int, detail: str) -> Response:
    headers = {"Retry-After": "1"} if status == 503 else None
    return _json(json.dumps({"detail": detail}).encode(), status, headers)


def _json(body: bytes, status: int = 200, headers: dict[str, Any] | None = None) -> Response:
    return Response(body, status, headers, media_type="application/json")
