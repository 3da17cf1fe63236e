from __future__ import annotations

from pathlib import Path

import pytest

from pe.errors import InputError
from pe.evaluation.generation.log import Log
from pe.evaluation.generation.rows import all_there, batches, count_rows
from pe.shards.read import shards_of
from tests.evaluation.generation.servers import ask
from tests.evaluation.rollouts import rl, write


@pytest.fixture(scope="module")
def tars(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two shards of seven rows whose answers are of very different lengths."""
    rows = [[ask(f"k{shard}{row}", gold_text="x" * (row % 3) * 500) for row in range(7)] for shard in range(2)]
    return shards_of(write(tmp_path_factory.mktemp("rows") / "rl", rows))


def names(found: list[list[tuple[str, int]]]) -> list[list[tuple[str, int]]]:
    return sorted(sorted(batch) for batch in found)


def planned(tars: list[Path], log: Log, size: int = 4, rank: int = 0, world: int = 1) -> list[list[tuple[str, int]]]:
    return [[(item.row.key, item.number) for item in batch] for batch in batches(tars, 2, size, log, rank, world)]


def test_every_answer_is_in_one_batch_of_one_shard(tars: list[Path], tmp_path: Path) -> None:
    log = Log(tmp_path / "r.jsonl")
    found = planned(tars, log)
    flat = [pair for batch in found for pair in batch]
    assert sorted(flat) == [(f"k{shard}{row}", n) for shard in range(2) for row in range(7) for n in range(2)]
    assert all(len({key[1] for key, _ in batch}) == 1 for batch in found)
    assert count_rows(tars) == 14


def test_answers_of_about_the_same_length_and_of_one_sample_go_together(tars: list[Path], tmp_path: Path) -> None:
    found = planned(tars[:1], Log(tmp_path / "r"), 2)
    assert [[int(key[2]) % 3 for key, _ in batch] for batch in found] == [[0, 0], [0, 1], [1, 2], [2]] * 2
    assert [{number for _, number in batch} for batch in found] == [{0}] * 4 + [{1}] * 4


def test_more_samples_are_more_batches_and_no_others(tars: list[Path], tmp_path: Path) -> None:
    log = Log(tmp_path / "r.jsonl")
    before = planned(tars, log)
    log.append({"key": key, "sample": number} for batch in before for key, number in batch)
    more = [[(item.row.key, item.number) for item in batch] for batch in batches(tars, 3, 4, log)]
    assert all(number == 2 for batch in more for _, number in batch)
    assert len(more) == len(before) / 2


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_processes_share_the_same_batches(tars: list[Path], tmp_path: Path, world: int) -> None:
    log = Log(tmp_path / "r.jsonl")
    shared = [batch for rank in range(world) for batch in planned(tars, log, rank=rank, world=world)]
    assert names(shared) == names(planned(tars, log))


def test_a_batch_is_whole_until_all_of_it_is_done(tars: list[Path], tmp_path: Path) -> None:
    log = Log(tmp_path / "r.jsonl")
    first, second, *rest = planned(tars, log)
    log.append({"key": key, "sample": number} for key, number in [*first, *second[:1]])
    assert planned(tars, log) == [second, *rest]
    assert not all_there(tars, 2, log)
    log.append({"key": key, "sample": number} for batch in [second, *rest] for key, number in batch)
    assert planned(tars, log) == []
    assert all_there(tars, 2, log)
    assert not all_there(tars, 3, log)


def test_annotated_samples_ask_nothing(tmp_path: Path) -> None:
    tars = shards_of(write(tmp_path / "annotated", [[rl("a", kind="annotated")]]))
    with pytest.raises(InputError, match="asks nothing"):
        planned(tars, Log(tmp_path / "r.jsonl"))
