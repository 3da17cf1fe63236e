"""How hard a row is for a model: what its answers earned, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pe.schemas.sample import dumps


@dataclass(frozen=True)
class Difficulty:
    """What `samples` answers to a row earned: how many are right, their rewards' mean, sum and best; the greedy one's.

    `greedy` is the reward of the greedy answer, None when it was not asked for. `reason` and `detail` say why nothing
    is known of the row; the numbers are 0 then.
    """

    key: str
    samples: int
    right: int = 0
    mean: float = 0.0
    best: float = 0.0
    total: float = 0.0
    greedy: float | None = None
    greedy_right: bool = False
    reason: str = ""
    detail: str = ""

    @property
    def pass_rate(self) -> float:
        """The share of right answers."""
        return self.right / self.samples

    def as_dict(self) -> dict[str, Any]:
        """A line of difficulty.jsonl."""
        known = not self.reason
        line = {
            "key": self.key,
            "pass_rate": round(self.pass_rate, 6) if known else None,
            "mean": round(self.mean, 6) if known else None,
            "best": round(self.best, 6) if known else None,
            "greedy": None if self.greedy is None or not known else round(self.greedy, 6),
        }
        return line if known else {**line, "reason": self.reason}


def difficulty(
    key: str, rewards: Sequence[float | None], greedy: Sequence[float | None], pass_at: float, problem: str
) -> Difficulty:
    """The difficulty of row `key` by the rewards of its samples and of its greedy answer (one or none).

    An answer is right from `pass_at` on. A reward that is missing makes the row unknown: `problem` says of the first
    one why, as "reason: detail".
    """
    known = [value for value in (*rewards, *greedy) if value is not None]
    if len(known) < len(rewards) + len(greedy):
        reason, _, detail = problem.partition(": ")
        return Difficulty(key, len(rewards), reason=reason or "score_missing", detail=detail)
    earned = known[: len(rewards)]
    total = sum(earned)
    first = greedy[0] if greedy else None
    return Difficulty(
        key,
        len(earned),
        sum(value >= pass_at for value in earned),
        total / len(earned),
        max(earned),
        total,
        first,
        first is not None and first >= pass_at,
    )


def line_of(row: Difficulty) -> bytes:
    """The line of `row`."""
    return dumps(row.as_dict()).encode() + b"\n"
