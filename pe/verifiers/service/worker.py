"""A worker process of the reward service: requests on standard input, results on standard output.

A request is a `REQUEST` header and the body as it came over HTTP. The answer is frames (`FRAME`, then the payload):
one SHAPE (a JSON list of how many results an item will have, or of [how many responses, why it is malformed]), RESULTS
as they come (a line of counts, then one result a line), and an END; or one REFUSED ([status, detail]). A worker that
dies has said all that it had done until about `FLUSH` seconds before the response that it died of.
"""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from pe.errors import InputError
from pe.registry import load, names
from pe.verifiers import Score, panel, score
from pe.verifiers.service.judge import read_judge, write_rewards
from pe.verifiers.service.settings import JudgeIou
from pe.verifiers.service.wire import (
    Malformed,
    RefusedError,
    Rollouts,
    missing,
    one_line,
    read_items,
    write_score,
)

REQUEST = struct.Struct(">BBIdI")
"""Route, whether every result is sent at once, how many results the server has already, seconds, length of the body."""
FRAME = struct.Struct(">cI")
"""Kind, length of the payload."""

SCORE, JUDGE = 0, 1
READY, SHAPE, RESULTS, END, REFUSED = b"r", b"s", b"f", b"e", b"x"
FLUSH = 0.05
OVER_TIME = "the request's time limit was over"

Send = Callable[[bytes, bytes], None]


class Desk:
    """Reads requests, scores them and sends what comes of it; `iou` is /judge's."""

    def __init__(self, iou: JudgeIou, send: Send) -> None:
        self._iou = iou
        self._send = send

    def serve(self, route: int, body: bytes, *, at_once: bool, start: int, seconds: float) -> None:
        """Answer one request; results before `start` are known already, those after `seconds` are missing."""
        deadline = time.monotonic() + seconds
        try:
            items = [read_judge(body, self._iou)] if route == JUDGE else read_items(body)
        except RefusedError as refused:
            self._send(REFUSED, json.dumps([refused.status, refused.detail]).encode())
            return
        shape = [[item.responses, item.error] if isinstance(item, Malformed) else len(item.responses) for item in items]
        self._send(SHAPE, json.dumps(shape).encode())
        write = write_rewards if route == JUDGE else write_score
        batch = _Batch(self._send)
        position = 0
        for item in items:
            if isinstance(item, Malformed):
                continue
            unfit: tuple[Score, str, str] | None = None
            for index in range(len(item.responses)):
                position += 1
                if position <= start:
                    continue
                now = time.monotonic()
                found = (missing(OVER_TIME), "", "time_limit") if now > deadline else unfit or _one(item, index)
                unfit = found if found[2] == "malformed" else None
                batch.add(write(found[0]), found[1:])
                if at_once or now - batch.since > FLUSH:
                    batch.flush()
        batch.flush()
        self._send(END, b"")


class _Batch:
    """Results that are not sent yet."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lines: list[bytes] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self.since = time.monotonic()

    def add(self, line: bytes, key: tuple[str, str]) -> None:
        self._lines.append(line)
        self._counts[key] += 1

    def flush(self) -> None:
        if self._lines:
            counts = json.dumps([[*key, count] for key, count in self._counts.items()]).encode()
            self._send(RESULTS, b"\n".join([counts, *self._lines]))
        self._lines.clear()
        self._counts.clear()
        self.since = time.monotonic()


def _one(item: Rollouts, index: int) -> tuple[Score, str, str]:
    """The score of one response, whose it is, and "scored" or what it is missing for."""
    # Only names that a verifier answers to are said: no caller can make up labels of the metrics.
    lengths = None if item.tokens is None else [item.tokens[index]]
    if problem := _problem(item.question.verifier, item.question.params_json):
        return missing(problem), "", "malformed"
    try:
        (found,) = score(item.question, [item.responses[index]], item.progress, lengths)
    except InputError as error:
        return missing(one_line(error)), "", "malformed"
    except Exception as error:  # a defect on one response is no reason to lose the others
        return missing(f"unexpected {type(error).__name__}"), "", "verifier"
    return found, item.question.verifier, "scored" if found.score is not None else "verifier"


@lru_cache(maxsize=1024)
def _problem(verifier: str, params_json: str) -> str:
    # Finding out that a name is unknown takes long, and whoever sends one often sends many.
    try:
        panel(verifier, params_json)
    except InputError as error:
        return one_line(error)
    except Exception as error:  # such as parameters that are nested too deep
        return f"unexpected {type(error).__name__}"
    return ""


def main() -> None:
    """Serve until standard input ends; `sys.argv[1]` is the JSON of /judge's IoU threshold."""
    # What a verifier prints goes to the log and not between the frames, and no process that it starts reads requests.
    source, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    # Whoever stops the service tells every process of it; the server decides when its workers end. A handler, unlike
    # SIG_IGN, is not handed down to the processes that verifiers start.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: None)
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()

    def send(kind: bytes, payload: bytes) -> None:
        out.write(FRAME.pack(kind, len(payload)) + payload)
        out.flush()

    desk = Desk(json.loads(sys.argv[1]), send)
    # Ready means that the first request is as quick as the next; a verifier that lacks an extra says so when asked.
    for name in names("verifiers"):
        with suppress(Exception):
            load("verifiers", name)
    send(READY, b"")
    while True:
        header = source.read(REQUEST.size)
        if len(header) < REQUEST.size:
            return
        route, at_once, start, seconds, length = REQUEST.unpack(header)
        desk.serve(route, source.read(length), at_once=bool(at_once), start=start, seconds=seconds)


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    main()
