"""`pe serve` from start to stop: who may call, what it refuses, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pe.cli.serve import serve
from pe.errors import InputError, MissingExtra
from pe.verifiers.service.settings import is_loopback, read_token
from tests.verifiers.service.servers import PE, Server, probe, wait

TOKEN = "correct-horse-battery-staple"


def refused(*flags: str, **environment: str) -> str:
    """What a server says that does not start, in one line."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PE_SERVE")} | environment
    done = subprocess.run([PE, "serve", *flags], env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_other_machines_need_a_token() -> None:
    assert "needs a token" in refused("--host", "0.0.0.0")


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen on" in refused("--port", str(taken.getsockname()[1]))


def test_a_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[serve\]"):
        serve()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example.org", "", "2130706433"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_where_the_token_is_from(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    assert read_token(None, {}) == ""
    assert read_token(None, {"PE_SERVE_TOKEN": "other"}) == "other"
    assert read_token(file, {"PE_SERVE_TOKEN": "other"}) == TOKEN


@pytest.mark.parametrize("content", [b"", b" \n", b"two words", b"\xff\xfe", "möwe".encode()])
def test_a_token_file_that_cannot_be_used_does_not_show_what_is_in_it(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_token(file, {})
    assert str(raised.value).startswith(f"{file}: ")
    assert "words" not in str(raised.value)
    with pytest.raises(InputError):
        read_token(tmp_path / "absent", {})


def test_only_who_has_the_token_is_served_and_workers_do_not(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start("--workers", "1", "--host", "0.0.0.0", token=TOKEN)
    server.http.base_url = server.address.replace("0.0.0.0", "127.0.0.1")
    assert TOKEN.encode() not in Path(f"/proc/{server.process.pid}/cmdline").read_bytes()
    for given in ("", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer ö"):
        for path in ("/score", "/judge"):
            reply = server.http.post(path, json={"items": []}, headers={"Authorization": given.encode()})
            assert reply.status_code == 401
            assert reply.headers["www-authenticate"] == "Bearer"
        assert server.http.get("/metrics", headers={"Authorization": given.encode()}).status_code == 401
    assert server.http.get("/health", headers={"Authorization": ""}).status_code == 200
    assert [found["score"] for found in server.scores("secret", "0.5")] == [0.0, 0.5]
    assert server.http.get("/metrics").status_code == 200
    assert server.stop() == 0
    assert TOKEN not in "".join(server.log)


def test_sigterm_finishes_what_is_in_flight_and_takes_nothing_new(start: Callable[..., Server]) -> None:
    server = start("--workers", "1")
    workers = server.workers()
    results: list[Any] = []
    calls = [
        threading.Thread(target=lambda: results.append(server.score(probe("0.5", "sleep 0.7", "0.25"))))
        for _ in range(2)
    ]
    for call in calls:
        call.start()
    wait(lambda: server.http.get("/metrics").text.count("pe_reward_waiting_requests 1.0") == 1)
    # Whoever stops it may tell all its processes at once.
    for pid in (*workers, server.process.pid):
        os.kill(pid, signal.SIGTERM)
    host, port = server.address.removeprefix("http://").split(":")
    wait(lambda: not open_port(host, int(port)))
    for call in calls:
        call.join(60)
    assert [[found["score"] for found in item["scores"]] for (item,) in results] == [[0.5, 0.5, 0.25]] * 2
    assert server.process.wait(60) == 0
    assert not [pid for pid in workers if Path(f"/proc/{pid}").exists()]
    assert "Traceback" not in "".join(server.log)


def test_what_does_not_end_is_not_waited_for(start: Callable[..., Server]) -> None:
    server = start("--workers", "1", "--stop-limit", "1", "--time-limit", "600")
    workers = server.workers()

    call = threading.Thread(target=hang, args=(server,))
    before = cpu(workers[0])
    call.start()
    wait(lambda: cpu(workers[0]) - before > 0.2)
    assert server.stop() == 0
    call.join(60)
    wait(lambda: not Path(f"/proc/{workers[0]}").exists())


def test_a_killed_server_leaves_no_worker(start: Callable[..., Server]) -> None:
    server = start("--workers", "2", "--time-limit", "600")
    workers = server.workers()
    call = threading.Thread(target=hang, args=(server,))
    before = [cpu(pid) for pid in workers]
    call.start()
    wait(lambda: any(cpu(pid) - was > 0.2 for pid, was in zip(workers, before, strict=True)))
    server.process.kill()
    call.join(60)
    wait(lambda: not [pid for pid in workers if alive(pid)])


def test_workers_that_do_not_start_end_the_service(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif any('service.worker' in word for word in sys.orig_argv): os._exit(7)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [PE, "serve", "--port", "0", "--workers", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "did not start" in done.stderr
    assert "Traceback" not in done.stderr


def hang(server: Server) -> None:
    with pytest.raises((httpx2.HTTPError, AssertionError)):
        server.scores("hang")


def open_port(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError:
        return False
    return True


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
