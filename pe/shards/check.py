"""Checks one shard against its sidecar, or against its ledger when the sidecar is gone.

A sample is safe only when both payloads are proven to be what was committed and the record fits the image.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from pydantic import ValidationError

from pe.errors import DamageError
from pe.schemas.sample import Sample
from pe.shards.read import split_block
from pe.shards.sidecar import Row, Sidecar
from pe.shards.tar import Member, TarError, walk

_CHUNK = 1 << 20


@dataclass
class ShardReport:
    """What was found in one shard: `problems` is empty when it is whole; `unsafe` says what is wrong by key."""

    name: str
    samples: int = 0
    problems: list[str] = field(default_factory=list)
    safe: list[str] = field(default_factory=list)
    unsafe: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """The report on a damaged shard in one line."""
        text = f"{self.name}: damaged ({'; '.join(self.problems)}): {len(self.safe)} of {self.samples} samples are safe"
        if self.unsafe:
            keys = list(self.unsafe)
            more = f" and {len(keys) - 10} more" if len(keys) > 10 else ""
            text += f"; unsafe: {', '.join(keys[:10])}{more}"
        return text


def check_shard(tar: Path) -> tuple[ShardReport, Sidecar | None]:
    """The report on the shard at `tar` and its sidecar, None when that is missing or damaged."""
    report = ShardReport(tar.stem)
    path = tar.with_suffix(".json")
    sidecar = None
    try:
        if path.exists():
            sidecar = Sidecar.load(path)
        else:
            report.problems.append("its sidecar is missing, or it was never committed")
    except DamageError as error:
        report.problems.append(str(error).removeprefix(f"{path}: "))
    if sidecar is None:
        _salvage(tar, report)
        return report, None
    report.samples = sidecar.samples
    if sidecar.shard != tar.stem:
        report.problems.append(f"its sidecar is that of {sidecar.shard}")
    repeated = [key for key, count in Counter(row.key for row in sidecar.index).items() if count > 1]
    report.problems += [f"key {key} comes twice" for key in repeated]
    try:
        _check_tar(tar, sidecar, report)
    except FileNotFoundError:
        if sidecar.samples:
            report.problems.append("the tar is missing")
            report.unsafe = {row.key: "missing" for row in sidecar.index}
    except OSError as error:
        report.problems.append(f"the tar cannot be read: {error.strerror}")
        report.unsafe = {row.key: "cannot be read" for row in sidecar.index}
    return report, sidecar


def _check_tar(tar: Path, sidecar: Sidecar, report: ShardReport) -> None:
    with tar.open("rb") as stream:
        if not sidecar.samples:
            report.problems.append("there is a tar, and the sidecar says that nothing was written")
            return
        # One pass: the hash of the whole vouches for every sample in it; only without that is each one hashed.
        whole = hashlib.sha256()
        problems = {row.key: _problem(block, row) for row, block in _blocks(stream, sidecar, whole.update)}
        size = os.fstat(stream.fileno()).st_size
        if size != sidecar.bytes:
            report.problems.append(f"{size:,} bytes instead of {sidecar.bytes:,}")
        elif whole.hexdigest() != sidecar.sha256:
            report.problems.append("bytes were changed")
        if report.problems:
            blocks = _blocks(stream, sidecar, lambda data: None)
            problems = {row.key: _changed(block, row) or problems[row.key] for row, block in blocks}
    report.safe = [key for key, problem in problems.items() if not problem]
    report.unsafe = {key: problem for key, problem in problems.items() if problem}
    if report.unsafe and not report.problems:
        key, problem = next(iter(report.unsafe.items()))
        report.problems.append(f"{key}: {problem}")


def _blocks(stream: BinaryIO, sidecar: Sidecar, update: Callable[[bytes], object]) -> Iterator[tuple[Row, bytes]]:
    """Every sample's piece of the tar. `update` gets all bytes in order when the pieces lie one behind the other."""
    position = 0
    for row in sidecar.index:
        stream.seek(row.offset)
        block = stream.read(row.size)
        if row.offset == position:
            update(block)
            position += len(block)
        yield row, block
    stream.seek(position)
    while data := stream.read(_CHUNK):
        update(data)


def _changed(block: bytes, row: Row) -> str:
    """What of a sample is not as committed, going by the index; "" when all is."""
    try:
        image, record = split_block(block, row)
    except DamageError as error:
        return str(error)
    if hashlib.sha256(image).hexdigest() != row.image_sha256:
        return "the image's bytes were changed"
    if hashlib.sha256(record).hexdigest() != row.json_sha256:
        return "the record's bytes were changed"
    return ""


def _problem(block: bytes, row: Row) -> str:
    """What is wrong with a sample whose bytes are as committed; "" when nothing is."""
    try:
        image, record = split_block(block, row)
    except DamageError as error:
        return str(error)
    return _record_problem(record, image, row.key, row.image_sha256)


def _record_problem(record: bytes, image: bytes, key: str, image_sha256: str) -> str:
    try:
        sample = Sample.from_json(record)
        sample.objects()
        for text in (
            sample.negatives_json,
            sample.messages_json,
            sample.ceilings_json,
            sample.provenance_json,
            sample.verifier.params_json,
            sample.reward_model.weights_json,
        ):
            json.loads(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"the record does not validate ({where + ': ' if where else ''}{first['msg']})"
    except (ValueError, TypeError, RecursionError) as error:
        return f"the record holds JSON that cannot be read ({error})"
    if sample.key != key:
        return f"the record is that of {sample.key}"
    if sample.sha256 != image_sha256:
        return "the record's sha256 is not that of the image"
    return _header_problem(sample, image)


def _header_problem(sample: Sample, image: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(image), formats=("JPEG", "PNG", "WEBP")) as picture:
                found = f"{picture.format} of {picture.width}x{picture.height}"
    except Exception as error:  # Pillow's parsers raise nearly anything on hostile bytes
        return f"the image's header cannot be read ({error})"
    said = f"{sample.format} of {sample.width}x{sample.height}"
    return "" if said == found else f"the record says {said}, the image is {found}"


def _salvage(tar: Path, report: ShardReport) -> None:
    """Without a sidecar: walk the tar itself, and trust what the ledger has the sha256 of."""
    records = _ledger_hashes(tar.parent.parent / "ledger" / f"{tar.stem}.jsonl")
    times: Counter[str] = Counter()
    try:
        with tar.open("rb") as stream:
            for key, image, record in _pairs(stream, _members(stream, report)):
                times[key] += 1
                report.unsafe[key] = _unproven(record, image, key, records)
    except FileNotFoundError:
        report.problems.append("the tar is missing")
    except OSError as error:
        report.problems.append(f"the tar cannot be read: {error.strerror}")
    for key in [key for key, count in times.items() if count > 1]:
        report.problems.append(f"key {key} comes twice")
        report.unsafe[key] = "comes twice"
    report.safe = [key for key, problem in report.unsafe.items() if not problem]
    report.unsafe = {key: problem for key, problem in report.unsafe.items() if problem}
    report.unsafe |= dict.fromkeys(records.keys() - times.keys(), "not found in the tar")
    report.samples = len(report.safe) + len(report.unsafe)


def _members(stream: BinaryIO, report: ShardReport) -> list[Member]:
    members = []
    try:
        for member in walk(stream, os.fstat(stream.fileno()).st_size):
            members.append(member)  # noqa: PERF402 - what was found before the damage counts
    except TarError as error:
        report.problems.append(f"the tar is damaged: {error}")
    return members


def _pairs(stream: BinaryIO, members: list[Member]) -> Iterator[tuple[str, bytes, bytes | None]]:
    """Key, image and record of each image member; a record of None when it does not follow the image."""
    for position, member in enumerate(members):
        key, _, suffix = member.name.partition(".")
        if suffix != "jpg":
            continue
        stream.seek(member.offset)
        image, record = stream.read(member.size), None
        after = members[position + 1] if position + 1 < len(members) else None
        if after is not None and after.name == f"{key}.json":
            stream.seek(after.offset)
            record = stream.read(after.size)
        yield key, image, record


def _unproven(record: bytes | None, image: bytes, key: str, records: dict[str, str]) -> str:
    if record is None:
        return "its record is missing"
    if key not in records:
        return "without sidecar and ledger nothing proves its record"
    if hashlib.sha256(record).hexdigest() != records[key]:
        return "the record's bytes were changed"
    return _record_problem(record, image, key, hashlib.sha256(image).hexdigest())


def _ledger_hashes(path: Path) -> dict[str, str]:
    """The sha256 of every written record by key, as far as the ledger can be read."""
    hashes = {}
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    for raw in lines:
        try:
            line = json.loads(raw)
            if line["status"] == "written":
                hashes[str(line["key"])] = str(line["json_sha256"])
        except (ValueError, KeyError, TypeError):
            continue
    return hashes
