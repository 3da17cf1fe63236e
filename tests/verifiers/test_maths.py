"""Equal expressions are equal, hostile ones end at a limit, and the worker leaves nothing behind."""

from __future__ import annotations

import importlib.util
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pe.errors import InputError, MissingExtra
from pe.verifiers import Missing, Question, Score, check, score
from pe.verifiers import _maths as maths
from tests.verifiers.attacks import BOMBS

pytest.importorskip("math_verify")
IMAGE = (640, 480)


def ask(gold: str, response: str, params: str = "{}", name: str = "maths") -> Score:
    return score(Question(name, gold, IMAGE, params), [response])[0]


@pytest.mark.parametrize(
    ("gold", "answer", "right"),
    [
        ("42", "42", 1),
        ("42", "43", 0),
        ("\\boxed{4}", "4.0", 1),
        ('{"text": "\\\\frac{1}{2}"}', "0.5", 1),
        ('{"count": 3}', "3", 1),
        ("1/2", "\\dfrac12", 1),
        ("0.5", "50\\%", 1),
        ("12", "12 \\text{ cm}", 1),
        ("x^2+1", "1 + x^2", 1),
        ("x^2+1", "1 + y^2", 0),
        ("$\\sqrt{8}$.", "2\\sqrt{2}", 1),
        ("\\{1, 2\\}", "\\{2, 1\\}", 1),
        ("(1, 2)", "(2, 1)", 0),
        ("8", "2**3", 1),
        ("5", "3, 4, 5", 0),
        ("STOP", "STOP", 1),
        ("\\text{Paris}", "\\text{Rome}", 0),
        ("1{,}000", "1000", 1),
    ],
)
def test_an_answer_in_a_box_is_compared_as_an_expression(gold: str, answer: str, right: int) -> None:
    got = ask(gold, f"so it is \\boxed{{{answer}}}")
    assert (got.score, got.reason) == (right, "")


def test_the_last_box_counts_and_no_box_is_no_answer() -> None:
    assert ask("8", "\\boxed{7}, no: \\boxed{8}").score == 1.0
    assert ask("8", "\\boxed{8}, no: \\boxed{7}").score == 0.0
    assert ask("8", "it is 8").components == {"accuracy": 0.0, "format": 0.0}
    assert ask("8", "").score == 0.0


def test_another_format_finds_the_expression_in_the_text() -> None:
    params = '{"format": "text"}'
    assert ask("8", "<think>7</think><answer>The answer is $2^3$.</answer>", params).score == 1.0
    assert ask("8", "The answer is 9.", params).score == 0.0


@pytest.mark.parametrize(
    "answer", ["1" * 101, "(" * 30 + "1" + ")" * 30, "x^{10000}", "9^9^9^9^9", "((9!)!)!", "a" * 2001]
)
def test_what_is_beyond_the_caps_is_no_answer_and_no_gold(answer: str) -> None:
    got = ask("1", f"\\boxed{{{answer}}}")
    assert (got.score, got.metrics["beyond_caps"]) == (0.0, 1.0)
    with pytest.raises(InputError, match="beyond the caps"):
        check(Question("maths", answer, IMAGE))


@pytest.mark.parametrize("code", ["__import__('os').system('true')", "eval('1')", "lambda: 1", "().__class__"])
def test_code_never_reaches_the_worker(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question("maths", "1", IMAGE)
    check(question)
    monkeypatch.setattr("pe.verifiers.maths.equal", lambda *_: pytest.fail("it was asked"))
    assert score(question, [f"\\boxed{{{code}}}"])[0].score == 0.0


@pytest.mark.parametrize("gold", ["", "  ", "$$", '{"objects": []}'])
def test_a_gold_without_an_expression_is_an_error_when_the_data_are_built(gold: str) -> None:
    with pytest.raises(InputError, match="ground truth"):
        check(Question("maths", gold, IMAGE))


def test_the_extra_is_named_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    from pe.verifiers.maths import MathsParameters, MathsVerifier

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"\[maths\]"):
        MathsVerifier(MathsParameters())


@pytest.fixture
def worker() -> Iterator[maths._Worker]:
    own = maths._Worker()
    yield own
    own.stop()


def process(worker: maths._Worker) -> subprocess.Popen[bytes]:
    assert worker._process is not None
    return worker._process


def test_the_worker_is_stopped_at_its_limit_and_the_next_question_is_answered(
    worker: maths._Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maths, "SECONDS", 0)
    with pytest.raises(Missing, match="stopped at its limit"):
        worker.ask("boxed", "3", "9^{9^{9}}")
    assert worker.ask("boxed", "3", "9/3")


def test_a_job_without_end_is_stopped_by_the_clock_too(worker: maths._Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker.ask("boxed", "3", "9/3")
    stopped = process(worker)
    stopped.send_signal(signal.SIGSTOP)
    monkeypatch.setattr(maths, "WALL", 0.2)
    with pytest.raises(Missing, match="stopped at its limit"):
        worker.ask("boxed", "3", "4")
    assert stopped.returncode == -signal.SIGKILL


def test_a_worker_that_died_is_started_again(worker: maths._Worker) -> None:
    assert worker.ask("boxed", "3", "9/3")
    first = process(worker)
    first.kill()
    first.wait()
    assert not worker.ask("boxed", "3", "9/2")
    assert process(worker).pid != first.pid


def test_a_worker_ends_after_its_share_of_jobs(worker: maths._Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maths, "_MOST_JOBS", 2)
    pids = []
    for answer in ("1", "2", "3"):
        worker.ask("boxed", "3", answer)
        pids.append(process(worker).pid)
    assert pids[0] == pids[1] != pids[2]


def test_a_worker_that_cannot_start_is_a_missing_score(worker: maths._Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Missing, match="does not run"):
        worker.ask("boxed", "3", "3")


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_the_worker_has_limits_and_no_keys(worker: maths._Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    worker.ask("boxed", "3", "3")
    pid = process(worker).pid
    for what, most in (
        (resource.RLIMIT_AS, maths.MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        assert resource.prlimit(pid, what) == (most, most)
    assert 0 < resource.prlimit(pid, resource.RLIMIT_CPU)[0] < 60
    assert b"secret-key" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_threads_share_it(worker: maths._Worker) -> None:
    got: dict[int, bool] = {}
    threads = [
        threading.Thread(target=lambda i=i: got.update({i: worker.ask("boxed", "3", f"{3 + i % 2}")}))
        for i in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {i: i % 2 == 0 for i in range(12)}


def test_the_caller_keeps_its_alarm() -> None:
    before = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        assert ask("17", "\\boxed{34/2}").score == 1.0
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 900
        assert signal.getsignal(signal.SIGALRM) is before
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


SCRIPT = """
import os, sys
from pe.verifiers import _maths
_maths.SECONDS = 0
assert _maths.equal("boxed", "3", "9/3")
mine = _maths._WORKER._process.pid
{then}
"""


def run(then: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SCRIPT.format(then=then)], stdout=subprocess.PIPE, text=True)


def test_a_fork_has_a_worker_of_its_own() -> None:
    asker = run("""
child = os.fork()
assert _maths.equal("boxed", "4", "8/2")
assert (_maths._WORKER._process.pid == mine) == bool(child)
if not child:
    _maths._WORKER.stop()
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert _maths.equal("boxed", "5", "10/2") and _maths._WORKER._process.pid == mine
print("good")
""")
    assert asker.communicate(timeout=300)[0] == "good\n"


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "at work"])
def test_no_worker_outlives_its_parent(busy: bool) -> None:
    then = (
        'print(mine, flush=True); _maths.equal("boxed", "3", "9^{9^{9}}")'
        if busy
        else "print(mine, flush=True); input()"
    )
    asker = run(then)
    assert asker.stdout is not None
    pid = int(asker.stdout.readline())
    time.sleep(0.3)
    asker.kill()
    asker.communicate()
    end = time.monotonic() + 120
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("bomb", BOMBS[::9])
def test_a_bomb_is_wrong_or_missing(bomb: str) -> None:
    got = ask("17", f"\\boxed{{{bomb}}}")
    assert got.score == 0.0 or (got.score is None and "the maths worker" in got.reason)


def test_the_payloads_were_not_run() -> None:
    assert not Path("pe_was_here").exists()
    assert not Path("p").exists()
