"""Every error that `pe` raises on purpose.

    PeError                     exit 1
    ├── InputError              exit 2   what the user named cannot be used
    │   ├── ConfigError                  settings, all problems at once
    │   ├── MissingExtra                 an optional dependency is not installed
    │   └── ModelError                   a checkpoint is absent, unknown or does not fit
    ├── SampleError             -        one input is bad: it is quarantined, the run goes on
    ├── DamageError             exit 3   a shard is not what its sidecar says
    ├── DiskError               exit 74  the disk is full or the write failed
    ├── TryLater                exit 75  a service is down; what is committed stays, run again
    └── Interrupted             exit 130 or 143

The message is one line: what, where, what to do.
"""

from __future__ import annotations

import signal
from typing import Any


class PeError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command ends with."""

    exit_code = 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[PeError], args: tuple[Any, ...], state: dict[str, Any]) -> PeError:
    # Workers send errors between processes; their constructors take other arguments than the message.
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


class InputError(PeError):
    """Something the user named (a path, a phrase file, a flag's value) cannot be used."""

    exit_code = 2


class ConfigError(InputError):
    """Settings that do not validate; `problems` holds every one of them."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class MissingExtra(InputError):
    """An optional dependency is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an extra that is not installed: pip install 'perception-engines[{extra}]'")


class ModelError(InputError):
    """A checkpoint is not there, is not known, or its keys or sizes do not match the model."""


class SampleError(PeError):
    """One input cannot be used. `reason` is a short word from a fixed set, `detail` says more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}" if detail else reason)


class DamageError(PeError):
    """A shard or a sidecar is not what was committed."""

    exit_code = 3


class DiskError(PeError):
    """No space, no quota or a failed write: nothing partial was committed."""

    exit_code = 74


class TryLater(PeError):
    """A service is unreachable: committed shards stay, the same command goes on from there."""

    exit_code = 75


class Interrupted(PeError):
    """SIGINT or SIGTERM: committed shards stay, the same command goes on from there."""

    def __init__(self, signum: int = signal.SIGINT) -> None:
        self.exit_code = 128 + signum
        super().__init__(f"interrupted by {signal.Signals(signum).name}")
