"""SIGINT and SIGTERM as requests for an orderly stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pe.errors import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class HaltError(BaseException):
    """Raised out of a signal handler; no library's `except Exception` takes it for a failure of its own."""


class Signals:
    """SIGINT and SIGTERM ask for an orderly stop; the second one ends the process at once.

    A worker (`patient`) is told by SIGTERM alone and often twice: by its parent, and by whoever stops them all.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.received = 0
        self._patient = patient
        self._at_once = False
        self._event = threading.Event()
        self._before: dict[int, Any] = {}

    def stop(self) -> bool:
        return self._event.is_set()

    def _handle(self, signum: int, frame: object) -> None:
        if self._event.is_set():
            if not self._patient:
                os._exit(128 + signum)
            return
        self.received = signum
        self._event.set()
        if self._at_once:
            raise HaltError

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within, the first signal raises Interrupted wherever the main thread is: loading a model takes long."""
        try:
            self._at_once = True
            if self.stop():
                raise HaltError
            yield
        except HaltError:
            raise Interrupted(self.received) from None
        except Exception:
            # Native code that was being loaded makes another error of it.
            if self._event.is_set():
                raise Interrupted(self.received) from None
            raise
        finally:
            self._at_once = False

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                ignored = self._patient and signum == signal.SIGINT
                self._before[signum] = signal.signal(signum, signal.SIG_IGN if ignored else self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        # A worker's last act is to leave here: its handlers stay, or a late Ctrl-C would print a traceback.
        for signum, handler in self._before.items() if not self._patient else ():
            signal.signal(signum, handler)
