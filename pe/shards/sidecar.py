"""The sidecar of a shard: the record that it is committed, what is in it and what became of every input.

The file is JSON. Its first line holds all but the index, so that a folder of shards can be added up without reading
the indices, and its last line the sha256 of everything before, so that a flipped byte in it is found.
"""

from __future__ import annotations

import builtins
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pe.errors import DamageError
from pe.schemas.sample import dumps

_CHECK = b'\n],"check":"'


class Row(NamedTuple):
    """One sample in the tar: `size` bytes from `offset` hold header, image, header, record, each padded to 512."""

    key: str
    offset: int
    size: int
    image_sha256: str
    json_sha256: str


class Counts(BaseModel):
    """What became of the inputs; `filtered` is by rule, `quarantined` by reason."""

    model_config = ConfigDict(extra="forbid")

    written: int = Field(default=0, ge=0)
    filtered: dict[str, int] = Field(default_factory=dict)
    duplicate: int = Field(default=0, ge=0)
    quarantined: dict[str, int] = Field(default_factory=dict)

    @property
    def total(self) -> int:
        """All inputs."""
        return self.written + sum(self.filtered.values()) + self.duplicate + sum(self.quarantined.values())


class Sidecar(BaseModel):
    """One committed shard. Holds no time, host or path: it is as deterministic as the shard.

    `bytes` and `sha256` are the tar's; a slice without any written sample has no tar, 0 and "". `input_hash` names the
    slice's inputs, `config_hash` what they were labelled with. `batch_size` is 0 where there are no batches.
    """

    model_config = ConfigDict(extra="forbid")

    shard: str
    samples: int = Field(ge=0)
    bytes: int = Field(ge=0)
    sha256: str
    keys_sha256: str
    first_key: str
    last_key: str
    inputs: int = Field(ge=0)
    counts: Counts
    ledger_sha256: str
    quarantine_sha256: str
    config_hash: str
    input_hash: str
    pe_version: str
    batch_size: int = Field(default=0, ge=0)
    extra: dict[str, Any] = Field(default_factory=dict)
    index: list[Row] = Field(default_factory=list)

    @model_validator(mode="after")
    def _adds_up(self) -> Sidecar:
        if self.counts.total != self.inputs:
            raise ValueError(f"{self.counts.total} inputs are accounted for and there are {self.inputs}")
        if self.counts.written != self.samples:
            raise ValueError(f"{self.counts.written} inputs were written and there are {self.samples} samples")
        return self

    def to_bytes(self) -> builtins.bytes:
        """The file's content."""
        head = dumps(self.model_dump(mode="json", exclude={"index"}))[:-1]
        body = f'{head},"index":[\n'.encode() + ",\n".join(dumps(list(row)) for row in self.index).encode()
        return body + _CHECK + hashlib.sha256(body).hexdigest().encode() + b'"}\n'

    @classmethod
    def load(cls, path: Path, *, index: bool = True) -> Sidecar:
        """Read a sidecar; with `index=False` only its first line, which leaves `index` empty.

        Raises DamageError when it is unreadable, does not add up or, read as a whole, was changed.
        """
        try:
            if not index:
                with path.open("rb") as stream:
                    return cls.model_validate_json(stream.readline() + b"]}")
            body, found, tail = path.read_bytes().rpartition(_CHECK)
            if not found or tail != hashlib.sha256(body).hexdigest().encode() + b'"}\n':
                raise DamageError(f"{path}: the sidecar is cut or was changed")
            sidecar = cls.model_validate_json(body + b"]}")
        except ValidationError as error:
            raise DamageError(f"{path}: the sidecar is damaged: {error.errors()[0]['msg']}") from error
        except OSError as error:
            raise DamageError(f"{path}: the sidecar cannot be read: {error.strerror}") from error
        sidecar._check_index(path)
        return sidecar

    def _check_index(self, path: Path) -> None:
        keys = [row.key for row in self.index]
        ends = (keys[0], keys[-1]) if keys else ("", "")
        if len(keys) != self.samples or keys_hash(keys) != self.keys_sha256 or ends != (self.first_key, self.last_key):
            raise DamageError(f"{path}: the sidecar's index is not that of its {self.samples} samples")


def keys_hash(keys: list[str]) -> str:
    """sha256 over the keys of a shard, one a line, in order."""
    return hashlib.sha256("".join(f"{key}\n" for key in keys).encode()).hexdigest()
