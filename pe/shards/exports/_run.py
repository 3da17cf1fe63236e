"""A run of `pe export`: shards in, one folder out, whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pe import registry
from pe.errors import InputError, TryLater
from pe.shards.exports._base import Export, LeftOut
from pe.shards.exports._card import card
from pe.shards.exports._croissant import croissant
from pe.shards.exports._facts import Facts
from pe.shards.output import disk_errors
from pe.shards.read import read_shard, shards_of
from pe.shards.sidecar import Sidecar


@dataclass(frozen=True)
class ExportSummary:
    """What was written, what was left out and what the layout could not carry, by reason."""

    out: str
    layout: str
    split: str
    samples: int
    written: int
    left_out: dict[str, int]
    lost: dict[str, int]
    files: int
    bytes: int

    def to_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def to_text(self) -> str:
        """A few lines; the numbers add up."""
        left = sum(self.left_out.values())
        lines = [f"{self.samples} samples = {self.written} written + {left} left out"]
        lines += [f"left out: {count} {what}" for what, count in self.left_out.items()]
        lines += [f"not carried by {self.layout}: {count} {what}" for what, count in self.lost.items()]
        size = f"{self.files} files ({self.bytes / 1e6:.1f} MB)"
        lines.append(f"{self.out}: {size}, README.md and croissant.json among them")
        return "\n".join(lines)


def export(
    shards: Path,
    out: Path,
    layout: str,
    *,
    split: str = "train",
    name: str = "",
    url: str = "",
    creator: str = "",
    started: Callable[[int, int], None] = lambda samples, shards: None,
    advanced: Callable[[int], None] = lambda samples: None,
) -> ExportSummary:
    """Write the samples of `shards` (an output folder, or one shard's tar) to `out` in the layout called `layout`.

    Everything is written beside `out` and renamed in the end, so that an export that was killed leaves no `out`. The
    same shards give the same bytes; the date of publication is the day the youngest shard was committed. `name`, `url`
    and `creator` are for the card. `started(samples, shards)` and `advanced(samples)` hear how far it is.

    Raises InputError for an `out` that is not empty, an unknown layout, a kind of sample that it does not take, and
    where no sample is left; DamageError for a damaged shard; TryLater while another export writes there.
    """
    kind: type[Export] = registry.load("exports", layout)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", split):
        raise InputError(f"--split {split!r}: letters, digits, _ and - only")
    tars = shards_of(shards)
    sidecars = [Sidecar.load(tar.with_suffix(".json"), index=False) for tar in tars]
    out = out.absolute()
    with _workplace(out, shards) as place, disk_errors(out):
        started(sum(sidecar.samples for sidecar in sidecars), len(tars))
        writer, facts, left_out = kind(place, split), Facts(), Counter[str]()
        for tar, sidecar in zip(tars, sidecars, strict=True):
            writer.shard(tar, sidecar)
            for sample, image in read_shard(tar):
                if sample.kind not in kind.kinds or (facts.kind and sample.kind != facts.kind):
                    raise InputError(_wrong_kind(layout, kind, sample.kind, facts.kind, tar))
                try:
                    writer.add(sample, image)
                except LeftOut as reason:
                    left_out[str(reason)] += 1
                else:
                    facts.add(sample)
            advanced(sidecar.samples)
        if not facts.samples:
            why = "; ".join(f"{count} {what}" for what, count in left_out.items())
            raise InputError(f"{shards}: nothing to export to {layout}" + (f" ({why})" if why else ": no samples"))
        writer.close()
        title = name or out.name
        (place / "README.md").write_text(card(title, layout, writer, facts, left_out), "utf-8")
        date = _date(tars)
        about = croissant(title, url, creator, date, writer, facts)
        (place / "croissant.json").write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8")
        sizes = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
        summary = ExportSummary(
            out=str(out),
            layout=layout,
            split=split,
            samples=facts.samples + sum(left_out.values()),
            written=facts.samples,
            left_out=dict(left_out),
            lost={what: count for what, count in writer.lost.items() if count},
            files=len(sizes),
            bytes=sum(sizes),
        )
        os.sync()
        place.rename(out)
    return summary


@contextmanager
def _workplace(out: Path, shards: Path) -> Iterator[Path]:
    """The folder beside `out` that becomes it. What a killed export left there is removed, and so is a failed one."""
    try:
        taken = out.exists() and (not out.is_dir() or any(out.iterdir()))
        if taken:
            raise InputError(f"{out} is there already and not empty; name a new or empty folder")
        if out.resolve().is_relative_to(shards.resolve()):
            raise InputError(f"{out} lies in {shards}; name a folder somewhere else")
        out.parent.mkdir(parents=True, exist_ok=True)
        place = out.with_name(f".{out.name}.export")
        place.mkdir(exist_ok=True)
        lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"{out}: cannot write there: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise TryLater(f"{out}: another export is writing there; try again when it has ended") from None
    try:
        for item in list(place.iterdir()):
            shutil.rmtree(item) if item.is_dir() else item.unlink()
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(lock)


def _wrong_kind(layout: str, kind: type[Export], found: str, before: str, tar: Path) -> str:
    if found in kind.kinds:
        return f"{tar}: holds {found} samples and others are {before}; export them one kind at a time"
    takes = " and ".join(sorted(kind.kinds))
    hint = "; `pe build-sft` and `pe build-rl` make rows of them" if found == "annotated" else ""
    return f"{tar}: holds {found} samples, {layout} takes {takes}{hint}"


def _date(tars: list[Path]) -> str:
    newest = max(tar.with_suffix(".json").stat().st_mtime for tar in tars)
    return datetime.fromtimestamp(newest, UTC).date().isoformat()
