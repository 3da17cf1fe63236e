"""The service over real HTTP, with what goes wrong in it."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import socket
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.verifiers.service.servers import LIMIT, Server, body, lacks, probe, wait

JSON = {"Content-Type": "application/json"}


def test_scores_come_one_a_response_in_order(server: Server) -> None:
    numbers = [round(random.Random(1).random(), 6) for _ in range(200)]
    results = server.score(*(probe(*map(str, numbers[at : at + 20])) for at in range(0, 200, 20)))
    assert [score["score"] for item in results for score in item["scores"]] == numbers
    first = results[0]["scores"][0]
    assert first == {
        "score": numbers[0],
        "components": {"accuracy": numbers[0]},
        "state": "ok",
        "reason": "",
        "metrics": {},
    }


def test_an_item_may_be_written_by_hand(server: Server) -> None:
    item = {
        "verifier": "format",
        "params": {"format": "qwen2.5-vl"},
        "ground_truth": {"objects": [{"phrase": "cat", "bbox": [1, 2, 30, 40]}]},
        "weights": {"format": 2},
        "image_size": [640, 480],
        "input_size": [644, 476],
        "response": '[{"bbox_2d": [1, 2, 30, 40], "label": "cat"}]',
        "progress": 0.5,
        "tokens": 17,
    }
    (found,) = server.score(item)
    assert [(score["score"], score["state"]) for score in found["scores"]] == [(1.0, "ok")]


def test_a_metric_that_is_no_number_is_null(server: Server) -> None:
    (found,) = server.scores("pid")
    assert found["metrics"]["nan"] is None
    assert found["metrics"]["pid"] in server.workers()


def test_what_a_verifier_prints_and_starts_stays_out_of_the_answer(server: Server) -> None:
    assert [found["score"] for found in server.scores("print", "0.25", "print")] == [1.0, 0.25, 1.0]


def test_a_fault_of_a_verifier_is_a_missing_score_without_a_traceback(server: Server) -> None:
    results = server.scores("0.5", "raise secret-of-the-trainer", "missing the judge is away", "0.25", "missing")
    assert [found["score"] for found in results] == [0.5, None, None, 0.25, None]
    assert results[1]["reason"].startswith("RuntimeError in pe_probe")
    assert len(results[1]["reason"]) <= 300
    assert results[2]["reason"] == "the judge is away"
    assert all(found["reason"] for found in results if found["score"] is None)
    assert "Traceback" not in json.dumps(results)


MALFORMED = [
    17,
    {},
    {"verifier": "probe"},
    probe("0.5", extra=1),
    probe("0.5", 3),
    probe("0.5", progress=1.5),
    probe("0.5", progress=math.nan),
    probe("0.5", progress=True),
    probe("0.5", tokens=[1, 2]),
    probe("0.5", tokens=[True]),
    probe("0.5", image_size=[64]),
    probe("0.5", image_size=[64.0, 48]),
    probe("0.5", image_size=[10**400, 48]),
    probe("0.5", image_size=[60_000, 60_000]),
    probe("0.5", input_size=[0, 1]),
    probe("0.5", response="0.5"),
    probe("0.5", params=[1]),
    probe("0.5", params="["),
    probe("0.5", params="[" * 50_000),
    probe("0.5", params={"nothing": 1}),
    probe("0.5", weights={"nothing": 1}),
    probe("0.5", weights={"accuracy": 0}),
    probe("0.5", ground_truth=None),
    probe("0.5", ground_truth='{"objects": 3}'),
    {**probe("0.5"), "verifier": "../../x"},
    {**probe("0.5"), "verifier": "_base"},
    {**probe("0.5"), "verifier": "service/app"},
    {**probe("0.5"), "verifier": "no-such-verifier"},
    {**probe("0.5"), "verifier": "x" * 300_000},
    {**probe("0.5"), "verifier": None},
]


@pytest.mark.parametrize("item", MALFORMED, ids=lambda item: json.dumps(item)[:60])
def test_a_malformed_item_is_an_error_for_itself_alone(server: Server, item: object) -> None:
    before, bad, after = server.score(probe("0.5"), item, probe("0.75", "\ud800"))
    assert before["scores"][0]["score"] == 0.5
    assert after["scores"][0]["score"] == 0.75
    assert all(found["score"] is None and found["reason"] for found in bad["scores"])
    assert bad["scores"] or bad["error"]
    assert len(json.dumps(bad)) < 3_000


def test_one_in_a_hundred_malformed_costs_no_other_score(server: Server) -> None:
    rng = random.Random(2)
    items = [rng.randrange(1000) / 1000 if rng.random() > 0.01 else None for _ in range(1000)]
    assert 5 <= items.count(None) <= 20
    broken = [17, {"responses": ["0.5"]}, probe("0.5", progress=2), probe("0.5", params="{")]
    for at in range(0, 1000, 25):
        if at % 500 == 0:
            cut = body(probe("0.5"))[: rng.randrange(1, 60)]
            assert server.http.post("/score", content=cut, headers=JSON).status_code == 400
        part = items[at : at + 25]
        results = server.score(*(rng.choice(broken) if number is None else probe(str(number)) for number in part))
        for number, result in zip(part, results, strict=True):
            assert [found["score"] for found in result["scores"]] == [number] or (number is None and "error" in result)


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", JSON, 400),
        (b"[]", JSON, 400),
        (b'{"items": 3}', JSON, 400),
        (b"\xff\xfe{", JSON, 400),
        (b"[" * 100_000, JSON, 400),
        (body(), {"Content-Type": "text/plain"}, 415),
        (body(*[{}] * 20_000), JSON, 413),
        (body(probe("x" * 1_100_000)), JSON, 413),
        (body(probe("x" * 30_000_000)), JSON, 413),
    ],
    ids=["empty", "list", "no items", "no text", "deep", "plain", "many", "large", "far too large"],
)
def test_a_request_that_cannot_be_read(server: Server, content: bytes, headers: dict[str, str], status: int) -> None:
    reply = server.http.post("/score", content=content, headers=headers)
    assert reply.status_code == status
    assert 0 < len(reply.json()["detail"]) < 300
    assert server.scores("0.5")[0]["score"] == 0.5


def test_a_body_without_a_length_is_bounded_too(server: Server) -> None:
    reply = server.http.post("/score", content=(b"x" * 65536 for _ in range(20)), headers=JSON)
    assert reply.status_code == 413


def test_a_body_that_never_comes_is_not_waited_for(server: Server) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        head = f"POST /score HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        connection.sendall(head.encode() + b'{"items"')
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")


def test_a_page_that_points_its_own_name_here_is_not_answered(server: Server) -> None:
    reply = server.http.post("/score", json={"items": []}, headers={"Host": "rebound.example"})
    assert reply.status_code == 403
    assert server.http.get("/metrics", headers={"Host": "rebound.example"}).status_code == 403


def test_other_paths_and_methods(server: Server) -> None:
    assert server.http.get("/").status_code == 404
    assert server.http.get("/docs").status_code == 404
    assert server.http.get("/score").status_code == 405


def test_over_the_time_limit_the_rest_is_missing_and_the_worker_survives(server: Server) -> None:
    workers = server.workers()
    results = server.scores("0.5", *["sleep 0.4"] * 10, "0.25")
    assert results[0]["score"] == 0.5
    assert [found["score"] for found in results[1:4]] == [0.5] * 3
    assert results[-1]["score"] is None
    assert "time limit" in results[-1]["reason"]
    assert server.workers() == workers


def test_a_verifier_that_hangs_costs_its_worker_and_no_score_that_was_done(server: Server) -> None:
    workers = server.workers()
    first, second = server.score(probe(*["0.5"] * 3, "sleep 0.1", "0.75", "hang", "0.25"), probe("0.125"))
    scores = [found["score"] for found in first["scores"] + second["scores"]]
    assert scores[:4] == [0.5] * 4
    assert scores[5:] == [None] * 3
    assert all("time limit" in found["reason"] for found in (*first["scores"], *second["scores"]) if not found["score"])
    server.until_ready()
    wait(lambda: len(set(server.workers()) & set(workers)) == 1 and len(server.workers()) == 2)
    assert server.scores("0.5")[0]["score"] == 0.5


@pytest.mark.parametrize("word", ["die", "leave"])
def test_a_response_that_kills_its_worker_is_missing_alone(server: Server, word: str) -> None:
    first, second = server.score(probe("0.5", word, "0.25"), probe("0.125"))
    assert [found["score"] for found in first["scores"]] == [0.5, None, 0.25]
    assert "died" in first["scores"][1]["reason"]
    assert second["scores"][0]["score"] == 0.125


def test_a_worker_that_is_killed_is_replaced_and_its_scores_arrive(server: Server) -> None:
    ended = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while not ended.wait(0.2):
            if not lacks(server.http.get("/health").json()):
                os.kill(server.workers()[len(killed) % 2], signal.SIGKILL)
                killed.append(1)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        at = 0
        while len(killed) < 3 or at < 400:
            numbers = [(at + place) % 1000 / 1000 for place in range(40)]
            results = server.scores(*map(str, numbers[:20]), "sleep 0.05", *map(str, numbers[20:]))
            del results[20]
            # A response whose worker is killed twice on it is given up; no other is.
            wrong = [found for found, number in zip(results, numbers, strict=True) if found["score"] != number]
            assert all(found["score"] is None and "died" in found["reason"] for found in wrong)
            assert len(wrong) <= len(killed) // 2
            at += 40
    finally:
        ended.set()
        thread.join()
    wait(lambda: server.http.get("/health").json() == {"status": "ready", "workers": 2, "ready": 2})


def test_health_says_when_no_worker_is_there(server: Server) -> None:
    for worker in server.workers():
        os.kill(worker, signal.SIGKILL)
    wait(lambda: server.http.get("/health").status_code == 503)
    server.until_ready()
    assert server.scores("0.5")[0]["score"] == 0.5


def test_metrics_are_what_happened(server: Server) -> None:
    before, _ = metrics(server)
    server.score(probe("0.5", "0.25", "raise"), {**probe("0.5"), "verifier": "made-up"}, {"response": "x"})
    server.scores("0.5", f"sleep {LIMIT + 0.2}", "0.5", "0.5")
    server.scores("die")
    server.http.get("/made-up-path")
    server.until_ready()
    after, text = metrics(server)
    assert "made-up" not in text
    grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key, 0)}
    assert grown["pe_reward_scores_total", ("verifier", "probe")] == 4
    missing = {key[1:]: value for key, value in grown.items() if key[0] == "pe_reward_missing_total"}
    assert missing == {
        (("reason", "verifier"), ("verifier", "probe")): 1,
        (("reason", "malformed"), ("verifier", "")): 2,
        (("reason", "time_limit"), ("verifier", "")): 2,
        (("reason", "worker_died"), ("verifier", "")): 1,
    }
    assert grown["pe_reward_requests_total", ("route", "/score"), ("status", "200")] == 3
    assert grown["pe_reward_requests_total", ("route", "other"), ("status", "404")] == 1
    assert grown["pe_reward_request_seconds_count", ("route", "/score")] == 3
    workers = [("worker", str(index)) for index in range(2)]
    assert [after["pe_reward_worker_up", worker] for worker in workers] == [1, 1]
    assert sum(grown.get(("pe_reward_worker_ends_total", worker), 0) for worker in workers) == 2
    assert sum(grown.get(("pe_reward_worker_results_total", worker), 0) for worker in workers) == 8
    assert sum(grown.get(("pe_reward_worker_busy_seconds_total", worker), 0) for worker in workers) > LIMIT


def metrics(server: Server) -> tuple[dict[tuple[object, ...], float], str]:
    reply = server.http.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[tuple[object, ...], float] = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.text)
        for sample in family.samples
    }
    return found, reply.text
