"""Reads committed shards through their sidecar's index: every payload is checked before it is handed out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from pe.errors import DamageError, InputError
from pe.schemas.sample import Sample
from pe.shards.output import Output
from pe.shards.sidecar import Row, Sidecar
from pe.shards.tar import BLOCK
from pe.shards.writer import tar_header


def shards_of(path: Path) -> list[Path]:
    """The tars of an output folder, in order, or the one shard that `path` is. Raises InputError when it is neither."""
    if path.suffix == ".tar":
        if not path.with_suffix(".json").is_file():
            raise InputError(f"{path}: not a committed shard (there is no {path.with_suffix('.json').name})")
        return [path]
    output = Output(path)
    if not output.exists:
        raise InputError(f"{path}: not an output folder of pe (it has no plan.jsonl), nor a shard's .tar")
    return output.shards()


def read_shard(path: str | Path) -> Iterator[tuple[Sample, bytes]]:
    """The samples of one shard, in order, with their image bytes; `path` is the tar or its sidecar.

    Raises DamageError at the first sample that is not what was committed, InputError without a sidecar.
    """
    tar = Path(path).with_suffix(".tar")
    sidecar = _sidecar(tar)
    if sidecar.samples:
        handle = _open(tar)
        try:
            for row in sidecar.index:
                yield _read_row(handle, tar, row)
        finally:
            os.close(handle)


def read_records(path: str | Path) -> Iterator[tuple[Sample, Row]]:
    """The records of one shard, in order, with their rows in its index; the images are not read.

    Raises DamageError at the first record that is not what was committed, InputError without a sidecar.
    """
    tar = Path(path).with_suffix(".tar")
    sidecar = _sidecar(tar)
    if sidecar.samples:
        handle = _open(tar)
        try:
            for row in sidecar.index:
                yield _read_record(handle, tar, row), row
        finally:
            os.close(handle)


def read_image(handle: int, offset: int, size: int, sha256: str) -> bytes:
    """The image of the sample whose piece of a tar is `size` bytes from `offset`; `handle` is the open tar.

    Raises DamageError when it is not the one that was committed.
    """
    block = os.pread(handle, size, offset)
    length = block[124:135]
    if len(block) == size and length.isdigit():
        image = block[BLOCK : BLOCK + int(length, 8)]
        if hashlib.sha256(image).hexdigest() == sha256:
            return image
    raise DamageError(f"the image at byte {offset} is not the one that was committed; `pe verify` says what is safe")


def read_sample(output: Output, key: str) -> tuple[Sample, bytes]:
    """The sample `key` and its image bytes. Raises InputError for an unknown key, DamageError for a damaged one."""
    home = key.rpartition("-")[0]
    rest = [name for name in output.committed() if name != home]
    for name in [home, *rest] if output.is_committed(home) else rest:
        tar = output.tar_path(name)
        for row in _sidecar(tar).index:
            if row.key == key:
                return read_row(tar, row)
    raise InputError(f"{output.root} has no sample {key}")


def read_row(tar: Path, row: Row) -> tuple[Sample, bytes]:
    """One sample of the shard `tar` and its image bytes. Raises DamageError when it is not what was committed."""
    handle = _open(tar)
    try:
        return _read_row(handle, tar, row)
    finally:
        os.close(handle)


def split_block(block: bytes, row: Row) -> tuple[bytes, bytes]:
    """Image and record bytes of a sample's piece of the tar. Raises DamageError unless its headers are in order."""
    image, rest = _member(block, f"{row.key}.jpg")
    record, rest = _member(rest, f"{row.key}.json")
    if rest or len(block) != row.size:
        raise DamageError(f"{row.key}: its part of the tar has another size than the index says")
    return image, record


def _member(block: bytes, name: str) -> tuple[bytes, bytes]:
    header = block[:BLOCK]
    digits = header[124:135]
    if len(header) == BLOCK and digits.isdigit() and not digits.strip(b"01234567"):
        size = int(digits, 8)
        end = BLOCK + size + -size % BLOCK
        if end <= len(block) and header == tar_header(name, size) and not any(block[BLOCK + size : end]):
            return block[BLOCK : BLOCK + size], block[end:]
    raise DamageError(f"{name}: its tar header is damaged")


def _read_row(handle: int, tar: Path, row: Row) -> tuple[Sample, bytes]:
    try:
        image, record = split_block(os.pread(handle, row.size, row.offset), row)
        if hashlib.sha256(image).hexdigest() != row.image_sha256:
            raise DamageError(f"{row.key}: the image is not the one that was committed")
        if hashlib.sha256(record).hexdigest() != row.json_sha256:
            raise DamageError(f"{row.key}: the record is not the one that was committed")
        return Sample.from_json(record), image
    except OSError as error:
        raise DamageError(f"{tar}: {row.key} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise DamageError(f"{tar}: {row.key}: the record is of another form: {error.errors()[0]['msg']}") from error
    except DamageError as error:
        raise DamageError(f"{tar}: {error}; `pe verify` says which samples are safe") from error


def _read_record(handle: int, tar: Path, row: Row) -> Sample:
    try:
        length = os.pread(handle, BLOCK, row.offset)[124:135]
        skipped = 2 * BLOCK + (-(-int(length, 8) // BLOCK) * BLOCK if length.isdigit() else row.size)
        rest = os.pread(handle, max(row.size - skipped + BLOCK, 0), row.offset + skipped - BLOCK)
        size = int(rest[124:135], 8) if rest[124:135].isdigit() else 0
        record = rest[BLOCK : BLOCK + size]
        if hashlib.sha256(record).hexdigest() != row.json_sha256:
            raise DamageError(f"{tar}: {row.key}: the record is not the one that was committed; `pe verify` says more")
        return Sample.from_json(record)
    except OSError as error:
        raise DamageError(f"{tar}: {row.key} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise DamageError(f"{tar}: {row.key}: the record is of another form: {error.errors()[0]['msg']}") from error


def _sidecar(tar: Path) -> Sidecar:
    path = tar.with_suffix(".json")
    if not path.exists():
        raise InputError(f"{tar}: there is no {path.name} beside it, so it was never committed")
    return Sidecar.load(path)


def _open(tar: Path) -> int:
    try:
        return os.open(tar, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DamageError(f"{tar}: the shard cannot be read: {error.strerror}") from error
