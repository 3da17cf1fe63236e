from __future__ import annotations

import json
import random
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.errors import DamageError, InputError, SampleError
from pe.shards.lease import lease
from pe.shards.output import Output
from pe.shards.plan import Fingerprint, Plan, extend_plan, load_plan, unplanned
from pe.shards.sources.base import Entry, Meta, Raw, Source
from tests.shards import factory


def plan_of(root: Path, source: Source, shard_inputs: int = 4, shard_bytes: int = 2**29) -> Plan:
    return extend_plan(Output(root), source, factory.CONFIG, factory.CONFIG_HASH, shard_inputs, shard_bytes)


def ids(plan: Plan) -> list[list[str]]:
    return [[item.id for item in piece.inputs] for piece in plan]


def lines(root: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (root / "plan.jsonl").read_bytes().splitlines()]


def test_slices_are_consecutive_inputs_in_order(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, factory.photos(10))
    names = [f"{number:05d}.jpg" for number in range(10)]
    assert plan.names == ["0000-00000", "0000-00001", "0000-00002"]
    assert ids(plan) == [names[:4], names[4:8], names[8:]]
    assert (plan.inputs, plan.new_inputs, plan.new_slices) == (10, 10, 3)
    assert ids(load_plan(Output(tmp_path))) == ids(plan)
    header, *_, end = lines(tmp_path)
    assert header["config"] == factory.CONFIG
    assert end == {"plan_end": "0000", "slices": 3, "inputs": 10}
    assert plan.slice("0000-00002").key(1) == "0000-00002-00001"


def test_duplicates_and_errors_are_planned_with_their_reason(tmp_path: Path) -> None:
    source = factory.photos(12)
    items = [item for piece in plan_of(tmp_path, source) for item in piece.inputs]
    assert items[6].dup_of == "00000.jpg"
    assert items[6].sha256 == items[0].sha256
    assert items[10].error == ("truncated", "made so")
    assert items[10].sha256 == ""
    with pytest.raises(SampleError, match="truncated: made so"):
        items[10].read(source)
    assert items[0].read(source).data == source.files["00000.jpg"]


def test_an_entry_that_is_known_to_be_bad_is_not_read(tmp_path: Path) -> None:
    class Bad(factory.BytesSource):
        def entries(self) -> Iterator[Entry]:
            yield Entry("x", 0, "", {}, ("too_large", "9 GB"))

    source = Bad({})
    (piece,) = plan_of(tmp_path, source)
    assert piece.inputs[0].error == ("too_large", "9 GB")
    assert source.reads == 0
    assert plan_of(tmp_path, source).new_inputs == 0


def test_bytes_that_changed_after_planning_are_not_taken(tmp_path: Path) -> None:
    source = factory.photos(3)
    item = plan_of(tmp_path, source).slice("0000-00000").inputs[1]
    source.files[item.id] = factory.picture(77)
    with pytest.raises(SampleError, match="changed"):
        item.read(source)


def test_slices_close_at_the_byte_limit(tmp_path: Path) -> None:
    source = factory.BytesSource({f"{number}": bytes([number]) * 40 for number in range(6)})
    source.files["2"] = bytes([9]) * 1000
    plan = plan_of(tmp_path, source, shard_inputs=100, shard_bytes=100)
    assert ids(plan) == [["0", "1"], ["2"], ["3", "4"], ["5"]]
    assert [piece.size for piece in plan] == [80, 1000, 80, 40]


def test_nothing_new_is_no_new_plan_and_reads_nothing(tmp_path: Path) -> None:
    source = factory.photos(10)
    plan_of(tmp_path, source)
    before, reads = (tmp_path / "plan.jsonl").read_bytes(), source.reads
    again = plan_of(tmp_path, source)
    assert (again.new_inputs, again.inputs, source.reads) == (0, 10, reads)
    assert (tmp_path / "plan.jsonl").read_bytes() == before
    assert list(unplanned(Output(tmp_path), source)) == []


def test_an_empty_source_makes_no_plan(tmp_path: Path) -> None:
    assert plan_of(tmp_path, factory.BytesSource({})).names == []
    assert (tmp_path / "plan.jsonl").read_bytes() == b""


def test_a_grown_source_gets_new_slices_and_old_ones_stay(tmp_path: Path) -> None:
    old = plan_of(tmp_path, factory.photos(6))
    source = factory.photos(9)
    source.files["00000a.jpg"] = factory.picture(500)
    source.files["00000b.jpg"] = factory.picture(3)
    assert [entry.id for entry in unplanned(Output(tmp_path), source)] == [
        "00000a.jpg", "00000b.jpg", "00006.jpg", "00007.jpg", "00008.jpg",
    ]  # fmt: skip
    plan = plan_of(tmp_path, source)
    assert plan.names == [*old.names, "0001-00000", "0001-00001"]
    assert ids(plan)[:2] == ids(old)
    assert ids(plan)[2:] == [["00000a.jpg", "00000b.jpg", "00006.jpg", "00007.jpg"], ["00008.jpg"]]
    fresh = plan.slice("0001-00000").inputs
    assert [item.dup_of for item in fresh] == ["", "00003.jpg", "00000.jpg", ""]


def test_changed_bytes_are_a_new_input_and_a_new_stamp_alone_is_not(tmp_path: Path) -> None:
    source = factory.photos(5)
    plan_of(tmp_path, source)
    source.stamp = "2"
    source.files["00002.jpg"] = factory.picture(99)
    plan = plan_of(tmp_path, source)
    assert ids(plan)[2:] == [["00002.jpg"]]
    reads = source.reads
    assert plan_of(tmp_path, source).new_inputs == 0
    assert source.reads == reads, "a new stamp is remembered"
    source.stamp = "3"
    source.files["00002.jpg"] = factory.picture(2)
    assert plan_of(tmp_path, source).new_inputs == 0, "its first bytes are planned already"


def test_a_duplicate_with_a_new_stamp_is_not_new(tmp_path: Path) -> None:
    source = factory.photos(8)
    plan_of(tmp_path, source)
    source.stamp = "2"
    assert plan_of(tmp_path, source).new_inputs == 0


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    factory.run(tmp_path, factory.photos(5))
    before = factory.tree(tmp_path)
    config = {"detector": "onnx", "box_threshold": 0.25, "device": {"kind": "cuda"}, "dtype": "float16"}
    with pytest.raises(InputError) as caught:
        extend_plan(Output(tmp_path), factory.photos(9), config, "other")
    message = str(caught.value)
    assert 'detector "none" -> "onnx", device.kind "cpu" -> "cuda", dtype unset -> "float16"' in message
    assert "box_threshold" not in message
    assert "use another output folder" in message
    assert factory.tree(tmp_path) == before


def test_settings_are_free_until_something_is_labelled_with_them(tmp_path: Path) -> None:
    plan_of(tmp_path, factory.photos(5))
    work = lease(Output(tmp_path), "0000-00000")
    assert work is not None
    with work, pytest.raises(InputError):
        extend_plan(Output(tmp_path), factory.photos(5), {"detector": "onnx"}, "other")
    plan = extend_plan(Output(tmp_path), factory.photos(5), {"detector": "onnx"}, "other")
    assert [header["config_hash"] for header in plan.headers] == ["other"]
    assert (plan.new_inputs, plan.inputs) == (5, 5)


def test_other_code_with_the_same_settings_is_refused_too(tmp_path: Path) -> None:
    factory.run(tmp_path, factory.photos(5))
    with pytest.raises(InputError, match="made by pe"):
        extend_plan(Output(tmp_path), factory.photos(9), factory.CONFIG, "other")


def test_a_plan_cut_at_any_byte_goes_on_to_the_same_plan(tmp_path: Path) -> None:
    source = factory.photos(13)
    plan_of(tmp_path / "whole", source)
    whole = (tmp_path / "whole" / "plan.jsonl").read_bytes()
    for size in [*range(0, len(whole), 37), *range(len(whole) - 60, len(whole))]:
        Output(tmp_path / "cut").create()
        (tmp_path / "cut" / "plan.jsonl").write_bytes(whole[:size])
        load_plan(Output(tmp_path / "cut"))
        # Another slice size must not change the slices of a plan that has begun.
        began = b"\n" in whole[:size]
        plan_of(tmp_path / "cut", source, shard_inputs=7 if began else 4)
        assert (tmp_path / "cut" / "plan.jsonl").read_bytes() == whole, size


def test_a_damaged_line_is_told_with_its_place(tmp_path: Path) -> None:
    plan_of(tmp_path, factory.photos(13))
    data = (tmp_path / "plan.jsonl").read_bytes()
    start = data.index(b"\n") + 1
    for position in random.Random(0).sample(range(start, start + 60), 20):
        changed = bytearray(data)
        changed[position] = 0
        (tmp_path / "plan.jsonl").write_bytes(changed)
        with pytest.raises(DamageError, match=f"the line at byte {start} is damaged"):
            load_plan(Output(tmp_path))


def test_names_that_are_not_utf8_come_back(tmp_path: Path) -> None:
    source = factory.BytesSource({"caf\udce9.jpg": factory.picture(1), "雪.jpg": factory.picture(2)})
    factory.run(tmp_path, source)
    plan = load_plan(Output(tmp_path))
    assert sorted(ids(plan)[0]) == sorted(source.files)
    assert plan.slice("0000-00000").inputs[0].read(source).data
    assert plan_of(tmp_path, source).new_inputs == 0
    assert "雪.jpg" in (tmp_path / "ledger" / "0000-00000.jsonl").read_text()


def test_a_planner_waits_for_another_and_can_be_stopped(tmp_path: Path) -> None:
    output = Output(tmp_path).create()
    held = lease(output, "plan")
    assert held is not None

    class StopError(Exception):
        pass

    def progress(seen: int, new: int) -> None:
        raise StopError

    with held, pytest.raises(StopError):
        extend_plan(output, factory.photos(5), factory.CONFIG, factory.CONFIG_HASH, on_progress=progress)
    assert list(output.leases_dir.iterdir()) == []
    assert plan_of(tmp_path, factory.photos(5)).new_inputs == 5


def test_progress_is_told_for_every_entry(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def note(seen: int, new: int) -> None:
        told.append((seen, new))

    plan_of(tmp_path, factory.photos(3))
    extend_plan(Output(tmp_path), factory.photos(5), factory.CONFIG, factory.CONFIG_HASH, on_progress=note)
    assert told == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 2)]


def test_input_hash_names_inputs_not_stamps(tmp_path: Path) -> None:
    source = factory.photos(4)
    first = plan_of(tmp_path / "a", source).slice("0000-00000")
    source.stamp = "other"
    assert plan_of(tmp_path / "b", source).slice("0000-00000").input_hash == first.input_hash
    source.files["00003.jpg"] = factory.picture(50)
    assert plan_of(tmp_path / "c", source).slice("0000-00000").input_hash != first.input_hash


class _Many(Source):
    """A hundred thousand inputs, half of them with the same bytes as another."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def entries(self) -> Iterator[Entry]:
        for number in range(self.count):
            yield Entry(f"part-{number // 1000:05d}/{number:09d}.jpg", 5, "17-123", {"offset": number})

    def read(self, entry: Entry) -> Raw:
        return Raw(b"%d" % (entry.at["offset"] // 2), Meta())


def test_a_hundred_thousand_inputs_plan_in_little_memory(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, _Many(100_000), shard_inputs=1000)
    assert (len(plan), plan.new_inputs) == (100, 100_000)
    tracemalloc.start()
    again = plan_of(tmp_path, _Many(100_000), shard_inputs=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert again.new_inputs == 0
    assert peak < 60 * 2**20


def looks(entry: Entry, raw: Raw) -> int:
    """A fingerprint that the bytes themselves name, after any time."""
    time.sleep(random.random() / 1000)
    return int(raw.data.split(b" ")[0])


def near_plan(
    root: Path,
    files: dict[str, tuple[int, int]],
    shard_inputs: int = 4,
    fingerprint: Fingerprint | None = looks,
    stamp: str = "1",
) -> Plan:
    """The plan of inputs {name: (fingerprint, what else tells its bytes)}."""
    source = factory.BytesSource({name: b"%d %d" % content for name, content in files.items()}, stamp)
    return extend_plan(Output(root), source, factory.CONFIG, factory.CONFIG_HASH, shard_inputs, fingerprint=fingerprint)


def duplicates(plan: Plan) -> dict[str, tuple[str, bool]]:
    return {item.id: (item.dup_of, item.near) for piece in plan for item in piece.inputs if item.dup_of}


A, B = 0xF0F0, 0xFFFF_0000_0000_0000
LOOKS = {
    "a": (A, 0),
    "b": (A ^ 0b1111, 1),
    "c": (A ^ 0b11111, 2),
    "d": (B, 3),
    "e": (A, 0),
    "f": (A ^ 0b1111, 1),
    "g": (0, 4),
    "h": (0, 5),
    "i": (0, 4),
}
NEAR_OF = {"b": ("a", True), "e": ("a", False), "f": ("a", True), "i": ("g", False)}


def test_near_duplicates_are_of_the_first_that_looks_the_same(tmp_path: Path) -> None:
    plan = near_plan(tmp_path, LOOKS)
    assert duplicates(plan) == NEAR_OF, "c is near b alone, which is no first; what has no fingerprint is like no other"
    assert plan.near == {"0000-00000": 1, "0000-00001": 1}
    again = load_plan(Output(tmp_path))
    assert [piece.inputs for piece in again] == [piece.inputs for piece in plan]
    assert again.near == plan.near
    prints = {item.id: item.fingerprint for piece in again for item in piece.inputs}
    assert prints == {name: 0 if name == "e" else value for name, (value, _) in LOOKS.items()}


def test_without_fingerprints_a_plan_has_none(tmp_path: Path) -> None:
    plan = near_plan(tmp_path, LOOKS, fingerprint=None)
    assert duplicates(plan) == {"e": ("a", False), "f": ("b", False), "i": ("g", False)}
    assert not plan.near
    (row, *_), *_ = [line["inputs"] for line in map(json.loads, (tmp_path / "plan.jsonl").open()) if "slice" in line]
    assert len(row) == 7


def test_near_duplicates_that_come_later_are_of_what_is_planned(tmp_path: Path) -> None:
    for count in range(1, len(LOOKS) + 1):
        plan = near_plan(tmp_path / "nights", dict(list(LOOKS.items())[:count]))
    assert duplicates(plan) == NEAR_OF
    before = (tmp_path / "nights/plan.jsonl").read_bytes()
    assert near_plan(tmp_path / "nights", LOOKS).new_inputs == 0
    assert (tmp_path / "nights/plan.jsonl").read_bytes() == before
    late = near_plan(tmp_path / "nights", LOOKS | {"0": (A ^ 1, 9), "a": (A ^ 2, 10), "z": (B ^ 3, 11)}, stamp="2")
    assert late.new_inputs == 3
    assert duplicates(late).items() - duplicates(plan).items() == {
        ("0", ("a", True)),
        ("a", ("a", True)),
        ("z", ("d", True)),
    }


def test_a_plan_with_fingerprints_cut_at_any_byte_goes_on_to_the_same_plan(tmp_path: Path) -> None:
    near_plan(tmp_path / "whole", LOOKS, shard_inputs=2)
    whole = (tmp_path / "whole/plan.jsonl").read_bytes()
    for size in range(0, len(whole), 13):
        Output(tmp_path / "cut").create()
        (tmp_path / "cut/plan.jsonl").write_bytes(whole[:size])
        near_plan(tmp_path / "cut", LOOKS, shard_inputs=2)
        assert (tmp_path / "cut/plan.jsonl").read_bytes() == whole, size


@pytest.mark.parametrize("wrong", ['"f0f"', '"000000000000f0fg"', "61680", "null", '"000000000000f0f0","x"'])
def test_a_damaged_fingerprint_is_told_with_its_place(tmp_path: Path, wrong: str) -> None:
    near_plan(tmp_path, LOOKS)
    data = (tmp_path / "plan.jsonl").read_text()
    assert data.count('"000000000000f0f0"') == 1
    (tmp_path / "plan.jsonl").write_text(data.replace('"000000000000f0f0"', wrong))
    with pytest.raises(DamageError, match=f"the line at byte {data.index(chr(10)) + 1} is damaged"):
        load_plan(Output(tmp_path))


def test_input_hash_names_near_duplicates_not_fingerprints(tmp_path: Path) -> None:
    def hashed(name: str, files: dict[str, tuple[int, int]], fingerprint: Fingerprint | None = looks) -> str:
        return near_plan(tmp_path / name, files, fingerprint=fingerprint).slice("0000-00000").input_hash

    def other(entry: Entry, raw: Raw) -> int:
        return looks(entry, raw) << 1

    files = {"a": (A, 0), "b": (A, 1), "c": (B >> 1, 2)}
    assert hashed("one", files) == hashed("same", files) == hashed("other", files, other)
    assert hashed("one", files) != hashed("kept", files, None)
    alone = {"a": (A, 0), "c": (B >> 1, 2)}
    assert hashed("alone", alone) == hashed("none", alone, None), "the same inputs, whoever looked for what"


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(1, 5))
def test_however_a_source_grows_each_version_is_planned_once(steps: list[int], shard_inputs: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, bytes | None] = {}
        expected: set[tuple[str, bytes]] = set()
        for step, number in enumerate(steps):
            for position in range(number):
                files[f"{position % 11}"] = b"%d" % (position + step % 2)
            source = factory.BytesSource(dict(files), stamp=str(step))
            plan = plan_of(Path(folder), source, shard_inputs)
            expected |= {(name, data) for name, data in files.items() if data is not None}
        planned = [(item.id, item.sha256) for piece in plan for item in piece.inputs]
        assert len(planned) == len(set(planned)) == len(expected)
        firsts = [item.sha256 for piece in plan for item in piece.inputs if not item.dup_of]
        assert len(firsts) == len(set(firsts)) == len({data for _, data in expected})
