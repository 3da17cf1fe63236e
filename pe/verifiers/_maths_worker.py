"""The process in which math-verify runs: one JSON line in, one out, under limits. Started by `_maths.py` as a file.

It imports nothing of pe. sympy may evaluate what it reads and math-verify's own time limit is a signal of the main
thread, so the limits here are the kernel's: CPU time a job, memory, no files, no processes. It ends when its input
does or when its parent is gone.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import resource
import select
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any


def main(parent: int, seconds: int, memory: int) -> None:
    """Answer jobs until the input ends; `seconds` of CPU time each, `memory` bytes in all."""
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    logging.disable(logging.CRITICAL)
    import math_verify
    from latex2sympy2_extended import NormalizationConfig

    latex = math_verify.LatexExtractionConfig(boxed_match_priority=0)
    plain = math_verify.ExprExtractionConfig()
    # V-Triune's configuration: boxed alone, nothing without it
    boxed_only = math_verify.LatexExtractionConfig(
        normalization_config=NormalizationConfig(
            nits=False, malformed_operators=False, basic_latex=True, boxed="all", units=True
        ),
        boxed_match_priority=0,
        try_extract_without_anchor=False,
    )

    def parse(text: str, **how: Any) -> list[Any]:
        found: list[Any] = math_verify.parse(text, parsing_timeout=None, **how)
        return found

    def one(gold: Any, answer: Any) -> bool:
        try:
            return bool(math_verify.verify(gold, answer, timeout_seconds=None, raise_on_error=True))
        except MemoryError:
            raise
        except Exception:  # math-verify's own reading: what cannot be compared is not equal
            return False

    def equal(kind: str, gold: str, answer: str) -> bool:
        if kind == "v-triune":
            golds = parse(gold.lower(), extraction_mode="first_match")
            answers = parse(answer.lower(), extraction_config=[boxed_only], extraction_mode="first_match")
        elif kind == "plain":
            golds, answers = parse(gold), parse(answer)
        else:
            golds = parse(f"\\boxed{{{gold}}}", extraction_config=[latex, plain])
            answers = parse(f"\\boxed{{{answer}}}", extraction_config=[latex, plain]) if kind == "boxed" else []
            answers = answers or parse(answer)
        return any(one(*pair) for pair in itertools.product(golds, answers))

    one(parse("1/2")[0], parse("\\boxed{0.5}")[0])  # builds the grammar, once
    _limit(memory)
    os.write(out, b'{"ready": true}\n')
    for line in _lines(parent):
        used = resource.getrusage(resource.RUSAGE_SELF)
        end = int(used.ru_utime + used.ru_stime) + seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.RLIM_INFINITY))
        try:
            reply: dict[str, Any] = {"equal": equal(*json.loads(line))}
        except Exception as error:
            reply = {"fault": type(error).__name__}
        os.write(out, json.dumps(reply).encode() + b"\n")


def _limit(memory: int) -> None:
    sys.dont_write_bytecode = True
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_NPROC, 0),
    ):
        with suppress(ValueError, OSError):  # some systems have a lower one, or none
            resource.setrlimit(what, (most, most))


def _lines(parent: int) -> Iterator[bytes]:
    """Lines of standard input. A fork of the parent may hold the other end open: its death is watched, too."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    pending = b""
    while os.getppid() == parent:
        if not poll.poll(1000):
            continue
        data = os.read(0, 1 << 16)
        if not data:
            return
        *whole, pending = (pending + data).split(b"\n")
        yield from whole


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
