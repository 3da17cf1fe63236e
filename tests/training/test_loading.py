"""Rows are loaded ahead, once each, and none of those that a run has behind it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pe.errors import InputError
from pe.evaluation.vlm import load_vlm
from pe.schemas.sample import Sample
from pe.training.loading import AHEAD, Examples, loader_of
from pe.training.order import Batches, order_of
from pe.training.rows import Rows, find_shards, manifest_of
from pe.training.settings import GrpoStage, SftStage
from tests import vlms
from tests.training import runs


class Counted(Rows):
    """Rows that remember what was read, and by which thread."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.reads: list[int] = []
        self.threads: set[str] = set()

    def read(self, number: int) -> tuple[Sample, bytes]:
        self.reads.append(number)
        self.threads.add(threading.current_thread().name)
        return super().read(number)


@pytest.fixture(scope="module")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load_vlm(str(vlms.qwen2_5_vl(tmp_path_factory.mktemp("model"))), "cpu").processor


def made(
    folder: Path, stage: SftStage | GrpoStage, processor: Any, count: int = 24
) -> tuple[Counted, Examples, Batches]:
    kind = "rl" if isinstance(stage, GrpoStage) else "sft"
    rows = Counted(find_shards([str(runs.rows(folder / kind, kind))]), kind)
    batches = Batches(order_of(rows.keys(), stage, 0), stage, 6, 0, 1)
    return rows, Examples(rows, stage, processor, 0), batches


def test_batches_come_ahead_and_in_order(processor: Any, tmp_path: Path) -> None:
    rows, examples, batches = made(tmp_path, SftStage(per_device_train_batch_size=4), processor)
    wanted = list(batches)
    found = []
    for number, batch in enumerate(loader_of(examples, batches, 0, list)):
        found.append([example["prompt"][-1]["content"][-1]["text"] for example in batch])
        assert len(rows.reads) <= 4 * (number + 1 + AHEAD)
    assert found == [[f"Where is cat {'very ' * (row % 4)}{row}?" for row in batch] for batch in wanted]
    assert rows.reads == [row for batch in wanted for row in batch]
    assert all(name.startswith("pe-rows") for name in rows.threads)


def test_a_run_that_goes_on_loads_nothing_that_is_behind_it(processor: Any, tmp_path: Path) -> None:
    from accelerate import skip_first_batches

    rows, examples, batches = made(tmp_path, SftStage(per_device_train_batch_size=4), processor)
    loader = skip_first_batches(loader_of(examples, batches, 4, list), 4)
    assert len(list(loader)) == 2
    assert rows.reads == [row for batch in list(batches)[4:] for row in batch]


def test_the_calls_of_one_generation_share_it(processor: Any, tmp_path: Path) -> None:
    stage = GrpoStage(per_device_train_batch_size=4, num_generations=4, gradient_accumulation_steps=2)
    rows, examples, batches = made(tmp_path, stage, processor)
    found = list(loader_of(examples, batches, 0, list))
    assert [len(batch) for batch in found] == [8] * 12
    assert len(rows.reads) == 12  # two prompts a generation, six generations
    first = found[0]
    assert first[0]["images"][0] is first[3]["images"][0]
    assert first[0]["images"][0] is not first[4]["images"][0]
    assert first[0]["verifier"]["name"] == "length"


def test_rows_without_a_picture_are_named(processor: Any, tmp_path: Path) -> None:
    messages = '[{"role": "user", "content": "no picture"}, {"role": "assistant", "content": "none"}]'
    shards = find_shards([str(runs.rows(tmp_path / "rows", "sft", messages_json=messages))])
    examples = Examples(Rows(shards, "sft"), SftStage(), processor, 0)
    with pytest.raises(InputError, match="row-0003"):
        examples[3]


def test_numbers_run_over_all_shards(tmp_path: Path) -> None:
    folder = runs.rows(tmp_path / "rows", "sft", 10)
    rows = Rows(find_shards([str(folder / "shards" / "*.tar")]), "sft")
    assert [rows.read(number)[0].key for number in range(len(rows))] == rows.keys()
    assert [rows.keys()[0], rows.keys()[-1], len(rows)] == ["row-0000", "row-0009", 10]
    assert [item["rows"] for item in manifest_of(rows.shards)] == [5, 5]
