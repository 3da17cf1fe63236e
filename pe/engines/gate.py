"""How far decoding may run ahead, in pixels: the files say nothing about how large their pictures are."""

from __future__ import annotations

import threading


class Gate:
    """Threads `enter` with decoded pixels under consecutive numbers; the consumer `leave`s in their order.

    At most `limit` pixels are inside, but whoever the consumer waits for always gets in.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inside = self._next = 0
        self._open = False
        self._changed = threading.Condition()

    def enter(self, number: int, pixels: int) -> None:
        """Wait for room."""
        with self._changed:
            self._changed.wait_for(lambda: self._open or number == self._next or self._inside + pixels <= self._limit)
            self._inside += pixels

    def leave(self, pixels: int) -> None:
        """Take the next one out."""
        with self._changed:
            self._inside -= pixels
            self._next += 1
            self._changed.notify_all()

    def open(self) -> None:
        """Let everybody in: nothing is consumed any more."""
        with self._changed:
            self._open = True
            self._changed.notify_all()
