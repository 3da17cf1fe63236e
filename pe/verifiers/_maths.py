"""Whether two mathematical texts are equal, by math-verify in a process that can be killed.

One worker a process that asks, started at the first question, shared by its threads, and started again when it dies,
overruns, has done 2,000 jobs, or after a fork. A job has 2 to 3 s of CPU time (the kernel ends it, whatever sympy is
in the middle of), 30 s of wall time and 1 GiB.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pe.verifiers._base import Missing

Kind = Literal["boxed", "text", "plain", "v-triune"]

SECONDS = 2
WALL = 30.0
MEMORY = 1 << 30
LONGEST = 2_000  # characters of an expression
LONGEST_TEXT = 16_000  # characters of a whole response
_MOST_JOBS = 2_000
_START = 120.0
_DEEPEST = 24
_TOO_MUCH = (
    ("a number of more than 100 digits", re.compile(r"\d{101}")),
    ("an exponent of more than 4 digits", re.compile(r"(?:\^|\*\*)[\s{(]{0,4}[-+]?\d{5}")),
    ("a tower of exponents", re.compile(r"(?:(?:\^|\*\*)[\s{(]{0,4}[\w.\\]{0,16}+[\s)}]{0,4}){4}")),
    ("a factorial too large", re.compile(r"\d{5}[\s)}]{0,4}!|(?:![\s)}]{0,4}){3}")),
    ("code", re.compile(r"__|\b(?:import|lambda|eval|exec)\b")),
)
_BRACKET = re.compile(r"[\[({\])}]")


def beyond(text: str) -> str:
    """Why `text` is no expression to compare (length, digits, nesting, exponents, code), or ""."""
    if len(text) > LONGEST:
        return f"more than {LONGEST:,} characters"
    depth = 0
    for mark in _BRACKET.findall(text):
        depth += 1 if mark in "[({" else -1
        if depth > _DEEPEST:
            return f"brackets nested more than {_DEEPEST} deep"
    return next((what for what, pattern in _TOO_MUCH if pattern.search(text)), "")


@lru_cache(maxsize=2_048)
def equal(kind: Kind, gold: str, answer: str) -> bool:
    """Whether `answer` equals `gold`. Raises Missing when the worker fails or overruns.

    "boxed": both are expressions; "text": the gold is one, the answer a text with one; "plain": both are texts, read by
    math-verify's defaults; "v-triune": as V-Triune's reward reads them.
    """
    return _WORKER.ask(kind, gold, answer)


class _Worker:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._jobs = 0

    def ask(self, *job: str) -> bool:
        with self._lock:
            for last in (False, True):
                try:
                    reply = self._reply(job)
                    break
                except OSError as error:  # it died between two jobs: not this one's fault
                    self.stop()
                    if last:
                        raise Missing(f"the maths worker does not run: {error}") from None
                except BaseException:  # what it would answer now belongs to this job, not to the next
                    self.stop()
                    raise
        if "fault" in reply:
            raise Missing(f"{reply['fault']} in the maths worker")
        return bool(reply["equal"])

    def stop(self) -> None:
        """End the worker; there may be none."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            self._close(process)

    def forget(self) -> None:
        """After a fork: the worker is the parent's, and so is the state of the lock."""
        process, self._process = self._process, None
        self._lock = threading.Lock()
        if process is not None:
            process.returncode = 0
            self._close(process)

    def _reply(self, job: tuple[str, ...]) -> dict[str, Any]:
        process = self._running()
        assert process.stdin is not None
        self._jobs += 1
        data = memoryview(json.dumps(job).encode() + b"\n")
        while data:
            data = data[os.write(process.stdin.fileno(), data) :]
        reply = _read_line(process, WALL)
        if reply is None:
            dead = process.poll()
            self.stop()
            if dead is None or -dead == signal.SIGXCPU:
                raise Missing(f"the maths worker was stopped at its limit of {SECONDS} s")
            raise Missing(f"the maths worker died ({dead})")
        return reply

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._jobs < _MOST_JOBS and self._process.poll() is None:
            return self._process
        self.stop()
        keep = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")  # no keys or tokens
        script = Path(__file__).with_name("_maths_worker.py")
        self._jobs = 0
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(script), str(os.getpid()), str(SECONDS), str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**{name: os.environ[name] for name in keep if name in os.environ}, "PYTHONHASHSEED": "0"},
            start_new_session=True,
        )
        if _read_line(self._process, _START) is None:
            raise OSError(f"it did not start within {_START:g} s, or math-verify cannot be imported")
        return self._process

    @staticmethod
    def _close(process: subprocess.Popen[bytes]) -> None:
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _read_line(process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
    """One line of the worker's, None if it ends or the time does."""
    assert process.stdout is not None
    stdout = process.stdout.fileno()
    poll = select.poll()
    poll.register(stdout, select.POLLIN)
    end = time.monotonic() + seconds
    data = b""
    while not data.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None
        part = os.read(stdout, 4096)
        if not part:
            process.wait(WALL)
            return None
        data += part
    reply: dict[str, Any] = json.loads(data)
    return reply


_WORKER = _Worker()
os.register_at_fork(after_in_child=_WORKER.forget)
atexit.register(_WORKER.stop)
