"""The answering server as a process, and rows for it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pe.schemas.sample import Sample
from tests.evaluation.rollouts import rl

ROOT = Path(__file__).resolve().parents[3]


class Server:
    """Where it is and what it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as stream:
            return dict(json.load(stream))


@contextmanager
def serving() -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.evaluation.generation.answering_server"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield Server(int(child.stdout.readline()))
        child.kill()


def ask(key: str, text: str = "p=0.5 greedy=0", **changes: Any) -> Sample:
    """An rl row whose question says how it is to be answered."""
    talk = [{"role": "user", "content": f"<image>Where is the cat of {key}? {text}"}]
    return rl(key, messages_json=json.dumps(talk), **changes)
