"""The client: every score arrives or is reported missing, none wrong, none twice."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pe.errors import InputError
from pe.verifiers import Question, Score
from pe.verifiers.service import client as module
from pe.verifiers.service.client import BlockingRewardClient, RewardClient, Rollouts
from tests.verifiers.service.servers import Server

PROBE = Question("probe", "x", (64, 48))
FORMAT = Question("format", "x", (64, 48), '{"format": "text"}')
DEAD = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    monkeypatch.setattr(module, "ASIDE", 0.05)


def numbered(count: int, each: int = 8) -> list[Rollouts]:
    return [Rollouts(PROBE, tuple(str((at * each + n) / 10_000) for n in range(each))) for at in range(count)]


def expected(items: list[Rollouts]) -> list[list[float]]:
    return [[float(text) for text in item.responses] for item in items]


def values(found: list[list[Score]]) -> list[list[float | None]]:
    return [[score.score for score in scores] for scores in found]


def ask(servers: list[str], items: list[Rollouts], **options: Any) -> list[list[Score]]:
    async def run() -> list[list[Score]]:
        async with RewardClient(servers, **options) as client:
            return await client.score(items)

    return asyncio.run(run())


@contextmanager
def scripted(*answers: Any) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives these answers in turn, the last one for ever: a status, bytes, or None to hang up."""
    seen: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = answers[min(len(seen), len(answers) - 1)]
            seen.append(body)
            if callable(answer):
                answer = answer(body)
            if answer is None:
                self.close_connection = True
                return
            content = answer if isinstance(answer, bytes) else b'{"detail": "scripted"}'
            self.send_response(200 if isinstance(answer, bytes) else answer)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def right(body: bytes) -> bytes:
    """What a server would answer to items of the probe's."""
    items = json.loads(body)["items"]
    return json.dumps(
        {"results": [{"scores": [result(float(text)) for text in item["responses"]]} for item in items]}
    ).encode()


def result(score: Any) -> dict[str, Any]:
    return {"score": score, "components": {"accuracy": score}, "state": "ok", "reason": "", "metrics": {}}


def test_all_scores_in_order(server: Server) -> None:
    items = [*numbered(40), Rollouts(PROBE, ()), *numbered(3, 100)]
    assert values(ask([server.address], items)) == expected(items)


def test_all_that_a_question_and_a_score_hold_comes_across(server: Server) -> None:
    question = Question("format", "x", (64, 48), '{"format": "qwen2.5-vl", "also": {"length": {}}}', '{"format": 2}')
    texts = ("[]", "\ud800 nothing", '[{"bbox_2d": [1, 2, 3, 4], "label": "cat"}]')
    items = [Rollouts(question, texts, 0.5, (1, 2, 3))]
    assert ask([server.address], items) == module._here(items)


def test_a_malformed_item_is_missing_alone(server: Server) -> None:
    bad = Rollouts(Question("probe", "x", (64, 48), '{"nothing": 1}'), ("0.5", "0.5"))
    first, second, third = ask([server.address], [*numbered(1), bad, *numbered(1)])
    assert values([first, third]) == expected(numbered(1)) * 2
    assert [score.score for score in second] == [None, None]
    assert "nothing" in second[0].reason


def test_a_server_that_is_killed_costs_no_score(server: Server, start: Callable[..., Server]) -> None:
    other = start("--workers", "1")
    items = [Rollouts(PROBE, (*item.responses, "sleep 0.01")) for item in numbered(300)]
    threading.Timer(0.5, other.process.kill).start()
    since = time.monotonic()
    found = ask([other.address, server.address], items)
    assert time.monotonic() - since > 0.5
    assert values(found) == [[*map(float, item.responses[:-1]), 0.5] for item in items]


def test_servers_share_the_load() -> None:
    with scripted(right) as (one, first), scripted(right) as (two, second):
        items = numbered(200)
        assert values(ask([one, two], items)) == expected(items)
        assert len(first) + len(second) == 25
        assert min(len(first), len(second)) >= 8


@pytest.mark.parametrize(
    "answer",
    [
        500,
        503,
        429,
        401,
        None,
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"results": 3}',
        b'{"results": []}',
        b'{"results": [{"scores": []}]}',
        json.dumps({"results": [{"scores": [result(0.5)] * 9}]}).encode(),
        json.dumps({"results": [{"scores": [result("0.5")] * 8}]}).encode(),
        json.dumps({"results": [{"scores": [result(float("nan"))] * 8}]}).encode(),
        json.dumps({"results": [{"scores": [result(10**400)] * 8}]}).encode(),
        json.dumps({"results": [{"scores": [None] * 8}]}).encode(),
    ],
    ids=lambda answer: str(answer)[:40],
)
def test_a_bad_answer_is_asked_for_again(answer: Any) -> None:
    items = numbered(1)
    with scripted(answer, answer, right) as (address, seen):
        assert values(ask([address], items)) == expected(items)
        assert len(seen) == 3


def test_what_is_always_bad_is_missing_with_the_reason() -> None:
    with scripted(500) as (address, seen):
        (found,) = ask([address], numbered(1), retries=2)
        assert len(seen) == 3
    assert values([found]) == [[None] * 8]
    assert "HTTP 500" in found[0].reason


def test_what_the_caller_must_mend_is_not_asked_again() -> None:
    with scripted(413) as (address, seen):
        (found,) = ask([address], numbered(1))
        assert len(seen) == 1
    assert "HTTP 413 " in found[0].reason


def test_a_server_that_does_not_answer_is_given_up() -> None:
    def late(body: bytes) -> bytes:
        time.sleep(1)
        return right(body)

    items = numbered(1)
    with scripted(late) as (slow, _), scripted(right) as (quick, seen):
        assert values(ask([slow, quick], items, timeout=0.3)) == expected(items)
        assert values(ask([quick, slow], items, timeout=0.3)) == expected(items)
        assert len(seen) == 2


def test_a_server_put_aside_is_not_asked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASIDE", 60.0)
    with scripted(500) as (bad, refused), scripted(right) as (good, _):

        async def run() -> None:
            async with RewardClient([bad, good]) as client:
                for _ in range(10):
                    assert values(await client.score(numbered(1))) == expected(numbered(1))

        asyncio.run(run())
        assert len(refused) == 1


def test_without_a_server_the_scores_are_missing_or_from_here() -> None:
    items = [Rollouts(FORMAT, ("a", "")), Rollouts(Question("nobody", "x", (1, 1)), ("a",))]
    lost = ask([DEAD], items, retries=1)
    assert values(lost) == [[None, None], [None]]
    assert "no reward server" in lost[0][0].reason
    here = ask([DEAD], items, retries=1, fallback=True)
    assert values(here) == [[1.0, 0.0], [None]]
    assert "nobody" in here[1][0].reason


def test_the_token_is_sent(start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    server = start("--workers", "1", token="a-token")
    assert values(ask([server.address], numbered(1), token="a-token")) == expected(numbered(1))
    wrong = ask([server.address], numbered(1), token="another", retries=1)
    assert "HTTP 401" in wrong[0][0].reason
    monkeypatch.setenv("PE_SERVE_TOKEN", "a-token")
    assert values(ask([server.address], numbered(1))) == expected(numbered(1))


def test_from_code_that_is_not_asynchronous(server: Server) -> None:
    items = numbered(20)
    found: list[list[list[Score]]] = []

    async def inside_a_loop() -> None:
        found.append(client.score(items))

    with BlockingRewardClient([server.address]) as client:
        threads = [threading.Thread(target=lambda: found.append(client.score(items))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(inside_a_loop())
    assert [values(each) for each in found] == [expected(items)] * 4


@pytest.mark.parametrize("servers", [[], ["localhost:8400"], ["ftp://x"]])
def test_addresses_are_checked(servers: list[str]) -> None:
    with pytest.raises(InputError):
        RewardClient(servers)
