from __future__ import annotations

import threading

import pytest

from pe.errors import InputError
from pe.verifiers import Question, Score
from pe.verifiers.format import FormatVerifier
from pe.verifiers.use.missing import Guard, TooManyMissing, score_or_missing

FOUND = Score(1.0, {"accuracy": 1.0}, "ok")
GONE = Score(None, {"accuracy": None}, "ok", "the judge is down")


def test_a_run_stops_right_above_the_share() -> None:
    guard = Guard(limit=0.1, window=20)
    for found in [FOUND] * 30 + [GONE] * 2:
        guard.watch(found)
    with pytest.raises(TooManyMissing, match=r"3 of the last 20 scores are missing, more than 10.0% .*judge is down"):
        guard.watch(GONE)
    assert guard.missing == 3
    assert TooManyMissing.exit_code == 3


def test_what_left_the_window_is_forgotten_but_counted() -> None:
    guard = Guard(limit=0.1, window=20)
    for _ in range(10):
        for found in [GONE] * 2 + [FOUND] * 18:
            guard.watch(found)
    assert guard.missing == 20


def test_no_limit_never_stops_and_zero_stops_at_once() -> None:
    guard = Guard(limit=1.0, window=5)
    for _ in range(50):
        guard.watch(GONE)
    with pytest.raises(TooManyMissing):
        Guard(limit=0.0).watch(GONE)


@pytest.mark.parametrize("arguments", [(-0.1, 5), (1.1, 5), (0.5, 0), (float("nan"), 5)])
def test_a_limit_that_is_none_is_refused(arguments: tuple[float, int]) -> None:
    with pytest.raises(InputError, match="share of missing scores"):
        Guard(*arguments)


def test_every_thread_counts() -> None:
    guard = Guard(limit=1.0)
    threads = [threading.Thread(target=lambda: [guard.watch(GONE) for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert guard.missing == 4_000


def test_a_question_of_no_use_is_a_missing_score() -> None:
    found = score_or_missing(Question("formt", "{}", (10, 10)), "x", 1.0, None)
    assert (found.score, found.components) == (None, {})
    assert "did you mean format" in found.reason
    found = score_or_missing(Question("format", '{"objects": 3}', (10, 10)), "x", 1.0, None)
    assert "objects" in found.reason


def test_a_fault_anywhere_is_a_missing_score(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("truth")

    monkeypatch.setattr(FormatVerifier, "prepare", broken)
    found = score_or_missing(Question("format", '{"text": "a fault"}', (10, 10)), "x", 1.0, None)
    assert (found.score, found.reason) == (None, "KeyError: 'truth'")
