from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path

import pytest

from pe.errors import MissingExtra
from pe.evaluation.monitors import Monitor, TensorBoard, append_json_lines
from pe.verifiers import Question, Score

QUESTION = Question("format", "{}", (10, 10))


def monitor(value: float) -> Monitor:
    made = Monitor()
    for source in ("coyo/grounding", "café"):
        made.add(QUESTION, source, ["yet"], [Score(value, {"format": value}, "ok")])
    return made


def test_json_lines_grow_by_a_line_a_source(tmp_path: Path) -> None:
    path = tmp_path / "monitors.jsonl"
    append_json_lines(path, monitor(0.25), 1)
    append_json_lines(path, monitor(0.5), 2)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(row["step"], row["data_source"], row["score"]) for row in rows] == [
        (1, "café", 0.25), (1, "coyo/grounding", 0.25), (2, "café", 0.5), (2, "coyo/grounding", 0.5),
    ]  # fmt: skip
    assert rows[0]["iou"] is None
    assert rows[0]["word_yet"] == 1


def test_tensorboard_gets_every_figure(tmp_path: Path) -> None:
    board = pytest.importorskip("tensorboardX")
    writer = TensorBoard(tmp_path)
    writer.write(monitor(0.25), 3)
    writer.close()
    (events,) = tmp_path.glob("events*")
    data, at, found = events.read_bytes(), 0, {}
    while at < len(data):  # length, its checksum, an event, its checksum
        (size,) = struct.unpack_from("<Q", data, at)
        event = board.proto.event_pb2.Event.FromString(data[at + 12 : at + 12 + size])
        found |= {value.tag: (event.step, value.simple_value) for value in event.summary.value}
        at += 16 + size
    assert found["score/coyo/grounding"] == (3, 0.25)
    assert len(found) == len(monitor(0.25).flat())


def test_without_a_writer_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"perception-engines\[tensorboard\]"):
        TensorBoard(tmp_path)
