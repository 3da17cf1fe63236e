"""Real servers, each a process of its own."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2

LIMIT = 3.0
"""Seconds that the shared server works on a request."""
PE = Path(sys.executable).with_name("pe")


class Server:
    """A `pe serve` on a free port, ready when made; what it says is in `log`."""

    def __init__(self, site: Path, *flags: str, token: str = "") -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
        environment.pop("PE_SERVE_TOKEN", None)
        if token:
            environment["PE_SERVE_TOKEN"] = token
        self.log: list[str] = []
        self.process = subprocess.Popen(
            [PE, "serve", "--port", "0", *flags], env=environment, stderr=subprocess.PIPE, text=True
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.address = self._address()
        self.http = httpx2.Client(
            base_url=self.address,
            trust_env=False,
            timeout=60,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put("")

    def _address(self) -> str:
        while line := self._lines.get(timeout=120):
            if line.startswith("serving "):
                return line.split()[1]
        self.process.wait(60)
        raise RuntimeError("".join(self.log))

    def score(self, *items: Any) -> list[dict[str, Any]]:
        """The answers to items of a request that is read."""
        reply = self.http.post("/score", content=body(*items), headers={"Content-Type": "application/json"})
        assert reply.status_code == 200, reply.text
        results: list[dict[str, Any]] = reply.json()["results"]
        assert len(results) == len(items)
        return results

    def scores(self, *responses: str) -> list[dict[str, Any]]:
        """The results of responses to one question of the probe's."""
        (item,) = self.score(probe(*responses))
        results: list[dict[str, Any]] = item["scores"]
        assert len(results) == len(responses)
        return results

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                words = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == self.process.pid and b"pe.verifiers.service.worker" in words:
                found.append(int(folder.name))
        return sorted(found)

    def until_ready(self) -> None:
        """Wait for all workers to be there again."""
        wait(lambda: (reply := self.http.get("/health")).status_code == 200 and not lacks(reply.json()))

    def stop(self) -> int:
        """End it by SIGTERM and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self._reader.join(60)
        return code

    def close(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        self._reader.join(60)


def probe(*responses: Any, **more: Any) -> dict[str, Any]:
    """An item for the probe verifier."""
    return {"verifier": "probe", "ground_truth": "x", "image_size": [64, 48], "responses": list(responses), **more}


def lacks(health: dict[str, Any]) -> bool:
    return bool(health["ready"] < health["workers"])


def wait(done: Any, seconds: float = 60) -> None:
    """Wait for `done()` to be true."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "it never came to pass"
        time.sleep(0.02)


def body(*items: Any) -> bytes:
    return json.dumps({"items": items}).encode()
