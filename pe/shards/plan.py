"""Which input is in which slice, decided once and written down: plan.jsonl.

A plan is a header line, one line a slice, and an end line. It only ever grows, and in the order of the source, so a run
that is killed at any moment and goes on ends with the same slices as one that was left alone. Inputs that turn up later
make a new plan with new slices.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pe import __version__
from pe.errors import DamageError, InputError, SampleError
from pe.schemas.sample import dumps
from pe.shards.known import Known
from pe.shards.lease import Lease, holder, lease
from pe.shards.output import Output, disk_errors, write_all
from pe.shards.sources.base import EmptySourceError, Entry, Raw, Source

log = logging.getLogger(__name__)

Fingerprint = Callable[[Entry, Raw], int]
"""The perceptual hash of an input, 0 for one that nothing may be a near-duplicate of."""

_READERS = 4
_AHEAD = 64
_STAMPS_A_LINE = 1000


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """An input with its place in the plan.

    `sha256` is that of its bytes when they were planned, "" when they could not be read: then `error` says why.
    `dup_of` is the id of the first input with the same bytes, or of one that looks the same (`near`), "" when this is
    the first. `fingerprint` is the perceptual hash that near-duplicates are found by; 0 where they are kept, for what
    goes to no model, and for exact duplicates.
    """

    entry: Entry
    sha256: str
    dup_of: str
    error: tuple[str, str] | None
    fingerprint: int = 0

    @property
    def id(self) -> str:
        """The input's id."""
        return self.entry.id

    @property
    def near(self) -> bool:
        """Whether it is a duplicate that has other bytes than the first and looks the same."""
        return bool(self.dup_of and self.fingerprint)

    def read(self, source: Source) -> Raw:
        """The bytes that were planned. Raises SampleError when they cannot be had, or are other ones by now."""
        if self.error is not None:
            raise SampleError(*self.error)
        raw = source.read(self.entry)
        if hashlib.sha256(raw.data).hexdigest() != self.sha256:
            raise SampleError("changed", "the bytes changed after they were planned; the next run takes the new ones")
        return raw


@dataclass(frozen=True)
class Slice:
    """Consecutive inputs that become one shard of the same name."""

    name: str
    inputs: list[PlannedInput]

    @cached_property
    def input_hash(self) -> str:
        """sha256 over what the inputs are: ids, bytes, duplicates and errors; not their stamps and fingerprints."""
        rows = [[item.id, item.sha256, item.dup_of, item.error, *(["near"] * item.near)] for item in self.inputs]
        return hashlib.sha256(dumps(rows).encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all inputs that are not duplicates."""
        return sum(item.entry.size for item in self.inputs if not item.dup_of)

    def key(self, index: int) -> str:
        """The key of the sample that input `index` becomes."""
        return f"{self.name}-{index:05d}"


class Plan:
    """All slices of an output folder, in order; each is read from the file when it is asked for.

    `new_inputs` and `new_slices` say what the run that made this added, `near` how many near-duplicates a slice has.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers: list[dict[str, Any]] = []
        self.names: list[str] = []
        self.inputs = 0
        self.open_plan: str | None = None
        self.new_inputs = 0
        self.new_slices = 0
        self.near: Counter[str] = Counter()
        self.open_inputs = 0
        self.end = 0
        self._places: dict[str, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[Slice]:
        return map(self.slice, self.names)

    def slice(self, name: str) -> Slice:
        """Slice `name`, read from the plan."""
        offset, size = self._places[name]
        with self.path.open("rb") as stream:
            stream.seek(offset)
            line = _parse(stream.read(size), self.path, offset)
        return Slice(name, [_unpack(row) for row in line["inputs"]])

    def note(self, line: dict[str, Any], offset: int, size: int) -> None:
        """Take in one line of the file."""
        self.end = offset + size
        if "slice" in line:
            self.names.append(line["slice"])
            self._places[line["slice"]] = (offset, size)
            self.inputs += len(line["inputs"])
            self.open_inputs += len(line["inputs"])
            if near := sum(len(row) > 7 and row[5] != "" for row in line["inputs"]):
                self.near[line["slice"]] = near
        elif "plan" in line:
            self.headers.append(line)
            self.open_plan = line["plan"]
            self.open_inputs = 0
        elif "plan_end" in line:
            self.open_plan = None


def _pack(item: PlannedInput) -> list[Any]:
    entry = item.entry
    row = [entry.id, entry.size, entry.stamp, entry.at, item.sha256, item.dup_of, item.error]
    return [*row, f"{item.fingerprint:016x}"] if item.fingerprint else row


def _unpack(row: list[Any]) -> PlannedInput:
    name, size, stamp, at, sha256, dup_of, error, *more = row
    fingerprint = int(more[0], 16) if more else 0
    return PlannedInput(Entry(name, size, stamp, at), sha256, dup_of, tuple(error) if error else None, fingerprint)


_FIELDS = {
    "plan": {"plan", "config", "config_hash", "pe_version", "shard_inputs", "shard_bytes"},
    "slice": {"slice", "inputs"},
    "stamps": {"stamps"},
    "plan_end": {"plan_end", "slices", "inputs"},
}
_FINGERPRINT = re.compile("[0-9a-f]{16}")


def _parse(line: bytes, path: Path, offset: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
        if isinstance(value, dict) and value.keys() == _FIELDS.get(next(iter(value), "")):
            rows = value["inputs"] if "slice" in value else ()
            if all(map(_is_row, rows)):
                return value
    except (ValueError, TypeError):
        pass
    raise DamageError(f"{path}: the line at byte {offset} is damaged; restore the file, or use another output folder")


def _is_row(row: Any) -> bool:
    whole = len(row) == 7 or (len(row) == 8 and _FINGERPRINT.fullmatch(row[7]) is not None)
    return whole and isinstance(row[0], str) and isinstance(row[4], str)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Offset and content of every whole line; a last one without its newline was cut short and does not count."""
    offset = 0
    with path.open("rb") as stream:
        for line in stream:
            if line.endswith(b"\n"):
                yield offset, line
            offset += len(line)


def load_plan(output: Output) -> Plan:
    """The plan of an output folder. Raises DamageError for a line that cannot be read, InputError without a plan."""
    return _load(output, None)


def _load(output: Output, known: Known | None) -> Plan:
    plan = Plan(output.plan_path)
    try:
        for offset, raw in _lines(output.plan_path):
            line = _parse(raw, output.plan_path, offset)
            plan.note(line, offset, len(raw))
            if known is not None:
                _learn(known, line)
    except OSError as error:
        raise InputError(f"{output.root} is not an output folder of pe: it has no readable plan.jsonl") from error
    return plan


def _learn(known: Known, line: dict[str, Any]) -> None:
    for item in map(_unpack, line["inputs"] if "slice" in line else ()):
        known.add(item.id, item.entry.stamp, item.sha256, item.dup_of, item.fingerprint)
    for name, stamp in line.get("stamps", ()):
        known.list(name, stamp)


def unplanned(output: Output, source: Source) -> Iterator[Entry]:
    """The entries that the next run would look at; reads no image and writes nothing."""
    known = Known()
    if output.exists:
        _load(output, known)
    return (entry for entry in _entries(source, output.exists) if not known.is_listed(entry.id, entry.stamp))


def extend_plan(
    output: Output,
    source: Source,
    config: dict[str, Any],
    config_hash: str,
    shard_inputs: int = 1000,
    shard_bytes: int = 512 * 2**20,
    on_progress: Callable[[int, int], None] | None = None,
    fingerprint: Fingerprint | None = None,
) -> Plan:
    """Plan every input of `source` that is not planned yet, and return the whole plan.

    An interrupted plan is continued with its own slice size. `on_progress(seen, new)` is called once an entry, and now
    and then while another process is planning and this one waits; it may raise to stop. A plan of other settings is
    made anew while no slice of it is committed or worked on; after that InputError names what differs.

    With `fingerprint`, which has to be thread-safe, an input is also a duplicate of the first one whose fingerprint is
    within NEAR bits of its own and that is no duplicate itself; 0 is like no other.
    """
    output.create()
    with _wait_for_plan(output, on_progress):
        known = Known()
        plan = _load(output, known)
        if plan.headers and plan.headers[-1]["config_hash"] != config_hash:
            _check_config(output, plan, config)
            known, plan = _begin_anew(output)
        header = {
            "plan": f"{len(plan.headers):04d}",
            "config": config,
            "config_hash": config_hash,
            "pe_version": __version__,
            "shard_inputs": shard_inputs,
            "shard_bytes": shard_bytes,
        }
        with _PlanFile(plan, header) as file:
            new = 0
            for seen, item in enumerate(_hashed(source, known, bool(plan.names), fingerprint), start=1):
                if item is not None and known.is_planned(item.id, item.sha256):
                    file.restamp(item.entry)
                elif item is not None:
                    new += 1
                    if first := known.first_with(item.sha256):
                        item = replace(item, dup_of=first, fingerprint=0)
                    else:
                        item = replace(item, dup_of=known.first_near(item.fingerprint))
                    known.add(item.id, item.entry.stamp, item.sha256, item.dup_of, item.fingerprint)
                    file.add(item)
                if on_progress is not None:
                    on_progress(seen, new)
            file.end()
    return plan


def _wait_for_plan(output: Output, on_progress: Callable[[int, int], None] | None) -> Lease:
    told = False
    while (taken := lease(output, "plan")) is None:
        if not told:
            log.info("waiting for %s, which is planning the same output", holder(output, "plan") or "another run")
            told = True
        if on_progress is not None:
            on_progress(0, 0)
        time.sleep(0.1)
    return taken


def _hashed(
    source: Source, known: Known, planned_before: bool, fingerprint: Fingerprint | None
) -> Iterator[PlannedInput | None]:
    """Every entry in order, with its hashes; None for one that is listed already. Reading overlaps."""

    def look(entry: Entry) -> PlannedInput:
        if entry.error is not None:
            return PlannedInput(replace(entry, error=None), "", "", entry.error)
        try:
            raw = source.read(entry)
        except SampleError as error:
            return PlannedInput(entry, "", "", (error.reason, error.detail))
        # What is made from something short (a scene, a row) says itself how large it will be.
        size, sha256 = max(entry.size, len(raw.data)), hashlib.sha256(raw.data).hexdigest()
        near = fingerprint(entry, raw) if fingerprint is not None else 0
        return PlannedInput(replace(entry, size=size), sha256, "", None, near)

    def done(future: Future[PlannedInput] | None) -> PlannedInput | None:
        return None if future is None else future.result()

    waiting: deque[Future[PlannedInput] | None] = deque()
    pool = ThreadPoolExecutor(_READERS, thread_name_prefix="plan")
    try:
        for entry in _entries(source, planned_before):
            if known.is_listed(entry.id, entry.stamp):
                waiting.append(None)
            else:
                known.list(entry.id, entry.stamp)
                waiting.append(pool.submit(look, entry))
            if len(waiting) >= _AHEAD:
                yield done(waiting.popleft())
        while waiting:
            yield done(waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)


def _entries(source: Source, planned_before: bool) -> Iterator[Entry]:
    """The source's entries; one that was emptied since the last run has nothing new, and that is no error."""
    try:
        yield from source.entries()
    except EmptySourceError:
        if not planned_before:
            raise


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    leaves: dict[str, Any] = {}
    for key, item in value.items():
        leaves |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return leaves


def _check_config(output: Output, plan: Plan, config: dict[str, Any]) -> None:
    """Raise InputError with what differs, unless nothing was labelled yet with the settings of the plan."""
    at_work = any(holder(output, path.name) for path in output.leases_dir.iterdir() if path.name != "plan")
    if not output.committed() and not at_work:
        return
    old, new = _flat(plan.headers[-1]["config"]), _flat(json.loads(dumps(config)))
    absent = object()
    changed = [
        f"{key} {dumps(old[key]) if key in old else 'unset'} -> {dumps(new[key]) if key in new else 'unset'}"
        for key in [*old, *(key for key in new if key not in old)]
        if old.get(key, absent) != new.get(key, absent)
    ]
    what = ", ".join(changed) or f"made by pe {plan.headers[-1]['pe_version']}, this is {__version__}"
    raise InputError(
        f"{output.root} was labelled with other settings ({what}); use another output folder, or the old settings"
    )


def _begin_anew(output: Output) -> tuple[Known, Plan]:
    with disk_errors(output.plan_path):
        os.truncate(output.plan_path, 0)
    known = Known()
    return known, _load(output, known)


class _PlanFile:
    """Appends to plan.jsonl: a line counts once it is flushed with its newline."""

    def __init__(self, plan: Plan, header: dict[str, Any]) -> None:
        self._plan = plan
        self._header = next((line for line in plan.headers if line["plan"] == plan.open_plan), header)
        self._count = sum(name.startswith(f"{plan.open_plan}-") for name in plan.names)
        self._inputs: list[PlannedInput] = []
        self._bytes = 0
        self._stamps: list[list[str]] = []

    def __enter__(self) -> _PlanFile:
        with disk_errors(self._plan.path):
            self._handle = os.open(self._plan.path, os.O_RDWR | os.O_CLOEXEC)
            # What follows the last whole line was cut short by a kill.
            os.ftruncate(self._handle, self._plan.end)
            os.lseek(self._handle, self._plan.end, os.SEEK_SET)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def add(self, item: PlannedInput) -> None:
        size = 0 if item.dup_of else item.entry.size
        if self._inputs and self._bytes + size > self._header["shard_bytes"]:
            self._close_slice()
        self._inputs.append(item)
        self._bytes += size
        if len(self._inputs) >= self._header["shard_inputs"]:
            self._close_slice()

    def restamp(self, entry: Entry) -> None:
        """Keep a new stamp of bytes that are planned, or every later run would read them again."""
        self._stamps.append([entry.id, entry.stamp])
        if len(self._stamps) >= _STAMPS_A_LINE:
            self._flush_stamps()

    def end(self) -> None:
        self._flush_stamps()
        if self._inputs:
            self._close_slice()
        if self._plan.open_plan is not None:
            self._append({"plan_end": self._plan.open_plan, "slices": self._count, "inputs": self._plan.open_inputs})

    def _close_slice(self) -> None:
        if self._plan.open_plan is None:
            self._append(self._header)
        name = f"{self._header['plan']}-{self._count:05d}"
        self._append({"slice": name, "inputs": [_pack(item) for item in self._inputs]})
        self._count += 1
        self._plan.new_slices += 1
        self._plan.new_inputs += len(self._inputs)
        self._inputs, self._bytes = [], 0

    def _flush_stamps(self) -> None:
        if self._stamps:
            self._append({"stamps": self._stamps})
            self._stamps = []

    def _append(self, line: dict[str, Any]) -> None:
        # Names that are not UTF-8 come as lone surrogates: escaped like this they are JSON, and come back as they were.
        raw = f"{dumps(line)}\n".encode("utf-8", "backslashreplace")
        try:
            with disk_errors(self._plan.path):
                write_all(self._handle, raw)
                os.fsync(self._handle)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(self._handle, self._plan.end)
            raise
        self._plan.note(line, self._plan.end, len(raw))
