from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.errors import DamageError
from pe.evaluation.generation.log import Log, read_at, read_log


def row(key: str, sample: int = 0, text: str = "x") -> dict[str, object]:
    return {"key": key, "sample": sample, "response": text}


def test_an_answer_is_written_once(tmp_path: Path) -> None:
    log = Log(tmp_path / "new" / "r.jsonl")
    log.append([row("a"), row("a", 3)])
    log.append([row("a", 3, "again"), row("b")])
    assert [(line["key"], line["sample"], line["response"]) for _, line in read_log(log.path)] == [
        ("a", 0, "x"), ("a", 3, "x"), ("b", 0, "x"),
    ]  # fmt: skip
    again = Log(log.path)
    assert (again.count, again.has("a", 3), again.has("a", 1), again.has("c", 0)) == (3, True, False, False)


@given(cut=st.integers(0, 200))
def test_wherever_a_kill_cuts_it_whole_lines_stay_and_no_others(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("log") / "r.jsonl"
    rows = [row(f"k{number}", number, "é\n\ud800" * number) for number in range(4)]
    Log(path).append(rows)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    log = Log(path)
    assert log.count == whole[:cut].count(b"\n")
    assert path.read_bytes() == whole[: whole[:cut].rfind(b"\n") + 1]
    log.append(rows)
    assert path.read_bytes() == whole


def test_offsets_lead_to_their_lines(tmp_path: Path) -> None:
    log = Log(tmp_path / "r.jsonl")
    log.append([row("a"), row("b", 1, "é")])
    offsets = [offset for offset, _ in read_log(log.path)]
    assert [line["key"] for line in read_at(log.path, reversed(offsets))] == ["b", "a"]


@pytest.mark.parametrize(
    "bad", ['{"key": 1, "sample": 0}', '{"key": "a"}', "nonsense", '{"key": "a", "sample": -1}', "[" * 9999]
)
def test_a_damaged_line_is_named(bad: str, tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(f'{{"key": "a", "sample": 0}}\n{bad}\n')
    with pytest.raises(DamageError, match="byte 26"):
        Log(path)


def _write(path: Path, name: str) -> None:
    log = Log(path)
    for number in range(60):
        log.append([row(f"{name}{number}", 0, "x" * (number * 37 % 5000))])


def test_processes_write_whole_lines_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=_write, args=(path, name)) for name in "ab"]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0]
    log = Log(path)
    assert log.count == 120
    assert all(log.has(f"{name}{number}", 0) for name in "ab" for number in range(60))


def test_what_others_write_is_seen_on_demand(tmp_path: Path) -> None:
    ours, theirs = Log(tmp_path / "r.jsonl"), Log(tmp_path / "r.jsonl")
    theirs.append([row("a")])
    assert not ours.has("a", 0)
    ours.refresh()
    assert ours.has("a", 0)
    assert ours.count == 1
