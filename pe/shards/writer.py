"""Writes one shard whole or not at all: temporary file, fsync, read back, rename, ledger, and last the sidecar."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any

from pe import __version__
from pe.errors import DiskError
from pe.schemas.sample import KEY_PATTERN, Sample, dumps
from pe.shards.output import Output, disk_errors, sync_folder, temp_path, write_all, write_whole
from pe.shards.sidecar import Counts, Row, Sidecar, keys_hash
from pe.shards.tar import BLOCK, TarError, walk

_END = bytes(2 * BLOCK)
_MAX_SIZE = 8**11 - 1


def tar_header(name: str, size: int) -> bytes:
    """A plain ustar header of 512 bytes for a regular file: mode 0644, no owner, time 0.

    Raises ValueError for a name over 100 bytes or a size over 8 GiB, which plain ustar cannot hold.
    """
    raw = name.encode("ascii")
    if len(raw) > 100 or size > _MAX_SIZE:
        raise ValueError(f"{name}: {size} bytes do not fit into a plain tar member")
    head = raw.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2 + f"{size:011o}\0".encode() + b"00000000000\0"
    tail = b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\0" * 2
    checksum = sum(head) + 8 * ord(" ") + sum(tail)
    return (head + f"{checksum:06o}\0 ".encode() + tail).ljust(BLOCK, b"\0")


def tar_member(name: str, data: bytes) -> bytes:
    """Header and content of a tar member, padded to 512 bytes."""
    return tar_header(name, len(data)) + data + bytes(-len(data) % BLOCK)


class ShardWriter:
    """Writes slice `name`; to be used while its lease is held. Leaving the `with` block uncommitted abandons it.

    What an earlier, killed attempt left behind is removed first. Any method may raise DiskError; then nothing partial
    is kept.
    """

    def __init__(self, output: Output, name: str) -> None:
        if output.is_committed(name):
            raise ValueError(f"{name} is committed already")
        self.output = output
        self.name = name
        self._tar = output.tar_path(name)
        self._temp = temp_path(self._tar)
        self._index: list[Row] = []
        self._keys: set[str] = set()
        self._hash = hashlib.sha256()
        self._offset = 0
        self._open = True
        self._remove()
        with disk_errors(self._tar):
            self._handle = os.open(self._temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def __len__(self) -> int:
        return len(self._index)

    def add(self, sample: Sample, image: bytes) -> None:
        """Append KEY.jpg and KEY.json. `sample.sha256` has to be that of `image`; it is not computed again.

        Raises ValueError for a bad or repeated key.
        """
        self.add_record(sample.key, sample.to_json(), image, sample.sha256)

    def add_record(self, key: str, record: bytes, image: bytes, image_sha256: str) -> None:
        """Append a sample whose record is in its wire form already; as `add` otherwise."""
        if not re.fullmatch(KEY_PATTERN, key):
            raise ValueError(f"{key!r} cannot be a key: letters, digits, _ and - only")
        if key in self._keys:
            raise ValueError(f"key {key} is in {self.name} already")
        start = self._offset
        # In pieces, as joining them would copy every picture.
        self._append(tar_header(f"{key}.jpg", len(image)))
        self._append(image)
        self._append(bytes(-len(image) % BLOCK) + tar_member(f"{key}.json", record))
        self._keys.add(key)
        self._index.append(Row(key, start, self._offset - start, image_sha256, hashlib.sha256(record).hexdigest()))

    def commit(
        self,
        *,
        ledger: list[dict[str, Any]],
        quarantine: list[dict[str, Any]],
        config_hash: str,
        input_hash: str,
        batch_size: int = 0,
        extra: dict[str, Any] | None = None,
    ) -> Sidecar:
        """Make the shard exist, and return its sidecar.

        `ledger` has one line an input, in order: "id", "status" (written, filtered, duplicate or quarantined), "key"
        when written, "reason" when filtered (the rule) or quarantined, anything else besides. Written lines get the
        record's sha256 added as "json_sha256", so that a shard can be checked without its sidecar. `quarantine` has
        one line for each quarantined input. Raises ValueError when they do not fit the samples that were added.
        """
        counts = self._count(ledger, quarantine)
        lines = self._ledger_lines(ledger)
        quarantined = _jsonl(quarantine)
        if self._index:
            self._append(_END)
        sidecar = Sidecar(
            shard=self.name,
            samples=len(self._index),
            bytes=self._offset,
            sha256=self._hash.hexdigest() if self._index else "",
            keys_sha256=keys_hash([row.key for row in self._index]),
            first_key=self._index[0].key if self._index else "",
            last_key=self._index[-1].key if self._index else "",
            inputs=len(ledger),
            counts=counts,
            ledger_sha256=hashlib.sha256(lines).hexdigest(),
            quarantine_sha256=hashlib.sha256(quarantined).hexdigest() if quarantined else "",
            config_hash=config_hash,
            input_hash=input_hash,
            pe_version=__version__,
            batch_size=batch_size,
            extra=extra or {},
            index=self._index,
        )
        try:
            # Without samples there is no tar: loaders take an empty one for a broken one.
            if self._index:
                self._publish()
            write_whole(self.output.ledger_path(self.name), lines)
            if quarantined:
                write_whole(self.output.quarantine_path(self.name), quarantined)
            write_whole(self.output.sidecar_path(self.name), sidecar.to_bytes())
        finally:
            self.abandon()
        return sidecar

    def abandon(self) -> None:
        """Remove all that was written, unless it is committed; a second call does nothing."""
        if self._open:
            self._open = False
            with suppress(OSError):
                os.close(self._handle)
            self._remove()

    def _append(self, data: bytes) -> None:
        if not self._open:
            raise ValueError(f"{self.name} is closed")
        try:
            with disk_errors(self._tar):
                write_all(self._handle, data)
        except DiskError:
            self.abandon()
            raise
        self._hash.update(data)
        self._offset += len(data)

    def _publish(self) -> None:
        with disk_errors(self._tar):
            os.fsync(self._handle)
            self._read_back()
            if hasattr(os, "posix_fadvise"):
                # Nobody reads it soon, and the source's files can use the memory.
                os.posix_fadvise(self._handle, 0, 0, os.POSIX_FADV_DONTNEED)
            self._temp.replace(self._tar)
            sync_folder(self._tar.parent)

    def _read_back(self) -> None:
        expected = [
            (name, offset)
            for row in self._index
            for name, offset in ((f"{row.key}.jpg", row.offset + BLOCK), (f"{row.key}.json", None))
        ]
        with open(self._handle, "rb", buffering=4096, closefd=False) as stream:
            stream.seek(0)
            try:
                members = list(walk(stream, os.fstat(self._handle).st_size))
            except TarError as error:
                raise DiskError(f"{self._tar}: damaged while it was written ({error}); check this disk") from error
        found = [(member.name, member.offset if index % 2 == 0 else None) for index, member in enumerate(members)]
        if found != expected or os.fstat(self._handle).st_size != self._offset:
            raise DiskError(f"{self._tar}: what was read back is not what was written; check this disk")

    def _remove(self) -> None:
        """Delete every file of this slice that is not committed."""
        output, name = self.output, self.name
        finals = [self._tar, output.ledger_path(name), output.quarantine_path(name)]
        doomed = [temp_path(path) for path in [*finals, output.sidecar_path(name)]]
        if not output.is_committed(name):
            doomed += finals
        with suppress(OSError):
            for path in doomed:
                path.unlink(missing_ok=True)

    def _count(self, ledger: list[dict[str, Any]], quarantine: list[dict[str, Any]]) -> Counts:
        counts = count_ledger(ledger)
        written = [line["key"] for line in ledger if line["status"] == "written"]
        if written != [row.key for row in self._index]:
            raise ValueError(f"{self.name}: the ledger's written keys are not those of the samples that were added")
        refused = [line["id"] for line in ledger if line["status"] == "quarantined"]
        if refused != [line["id"] for line in quarantine]:
            raise ValueError(f"{self.name}: the quarantine's inputs are not those that the ledger calls quarantined")
        return counts

    def _ledger_lines(self, ledger: list[dict[str, Any]]) -> bytes:
        hashes = {row.key: row.json_sha256 for row in self._index}
        return _jsonl(
            {**line, "json_sha256": hashes[line["key"]]} if line["status"] == "written" else line for line in ledger
        )


def count_ledger(ledger: Iterable[dict[str, Any]]) -> Counts:
    """The counts of a slice's ledger lines. Raises ValueError for a line with no known status or no reason."""
    status: Counter[str] = Counter()
    filtered: Counter[str] = Counter()
    quarantined: Counter[str] = Counter()
    for line in ledger:
        status[line["status"]] += 1
        if line["status"] == "filtered":
            filtered[line["reason"]] += 1
        elif line["status"] == "quarantined":
            quarantined[line["reason"]] += 1
        elif line["status"] not in ("written", "duplicate"):
            raise ValueError(f"{line.get('id')}: {line['status']!r} is not a status")
    return Counts(
        written=status["written"],
        filtered=dict(sorted(filtered.items())),
        duplicate=status["duplicate"],
        quarantined=dict(sorted(quarantined.items())),
    )


def _jsonl(lines: Iterable[dict[str, Any]]) -> bytes:
    # Names that are not UTF-8 come as lone surrogates: escaped like this they are JSON, and come back as they were.
    return "".join(f"{dumps(line)}\n" for line in lines).encode("utf-8", "backslashreplace")
