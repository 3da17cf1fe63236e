"""Scores that are missing: what stands for one, and when there are too many of them."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from pe.errors import InputError, PeError
from pe.verifiers import Question, Score, score

MAX_MISSING = 0.05
"""The share of missing scores above which a run stops."""

WINDOW = 500


class TooManyMissing(PeError):
    """More scores are missing than the run may go on with."""

    exit_code = 3


class Guard:
    """Watches the last `window` scores and raises as soon as more than `limit` * `window` of them are missing.

    A `limit` of 1 never raises. May be called from any thread.
    """

    def __init__(self, limit: float = MAX_MISSING, window: int = WINDOW) -> None:
        if not 0 <= limit <= 1 or window < 1:
            raise InputError(f"a share of missing scores is 0 to 1 of a window of 1 or more, not {limit} of {window}")
        self.limit = limit
        self.missing = 0
        self._last: deque[bool] = deque(maxlen=window)
        self._window = window
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # TRL's asynchronous trainer sends its reward functions to another process.
        vars(self).update(state, _lock=threading.Lock())

    def watch(self, found: Score) -> None:
        """Count one score. Raises TooManyMissing, with the reason of the last missing one."""
        gone = found.score is None
        with self._lock:
            self.missing += gone
            self._last.append(gone)
            among = sum(self._last) if gone else 0
        if among > self.limit * self._window:
            raise TooManyMissing(
                f"{among:,} of the last {len(self._last):,} scores are missing, more than {self.limit:.1%} of "
                f"{self._window:,}; the last one: {found.reason}"
            )


def score_or_missing(question: Question, response: str, progress: float, tokens: int | None) -> Score:
    """The score of one response; missing, with the reason, where the question itself cannot be scored."""
    try:
        return score(question, [response], progress, None if tokens is None else [tokens])[0]
    except InputError as error:
        return Score(None, {}, "", str(error))
    except Exception as error:  # what breaks one answer's score stops no training; too many of them do
        return Score(None, {}, "", f"{type(error).__name__}: {error}"[:200])
