"""Which samples of an output folder to look at."""

from __future__ import annotations

import bisect
import difflib
from collections.abc import Iterator

from pe.errors import InputError
from pe.schemas.sample import Sample
from pe.shards.output import Output
from pe.shards.read import read_sample, read_shard
from pe.shards.sidecar import Sidecar

_NEAR = 2000


def open_output(root: str) -> Output:
    """The output folder at `root`; raises InputError when `pe` has not made one there."""
    output = Output(root)
    if not output.exists:
        raise InputError(f"{root}: not an output folder of pe (it has no plan.jsonl)")
    return output


def spread(output: Output, limit: int) -> Iterator[tuple[Sample, bytes]]:
    """At most `limit` samples at even distances over all committed shards, in order; all of them for 0."""
    sizes = {name: Sidecar.load(output.sidecar_path(name), index=False).samples for name in output.committed()}
    total = sum(sizes.values())
    if not limit or total <= limit:
        for path in output.shards():
            yield from read_shard(path)
        return
    wanted = [rank * total // limit for rank in range(limit)]
    before = 0
    for name, size in sizes.items():
        here = [rank - before for rank in wanted if before <= rank < before + size]
        before += size
        if here:
            index = Sidecar.load(output.sidecar_path(name)).index
            for rank in here:
                yield read_sample(output, index[rank].key)


def matching(output: Output, limit: int, source: str | None, phrase: str | None) -> Iterator[tuple[Sample, bytes]]:
    """The first `limit` samples (all for 0) whose source or data_source contains `source` and with an object `phrase`.

    Case does not matter.
    """
    left = limit or -1
    for path in output.shards():
        for sample, image in read_shard(path):
            if source is not None and not any(
                source.casefold() in text.casefold() for text in (sample.source, sample.data_source)
            ):
                continue
            if phrase is not None and all(item.phrase.casefold() != phrase.casefold() for item in sample.objects()):
                continue
            yield sample, image
            left -= 1
            if not left:
                return


def find_key(output: Output, text: str) -> str:
    """The key that is `text`, or the only one that starts with it; raises InputError with the nearest keys."""
    home = text.rpartition("-")[0]
    names = sorted(output.committed(), key=lambda name: name != home)
    keys: list[str] = []
    for name in names:
        found = [row.key for row in Sidecar.load(output.sidecar_path(name)).index]
        if text in found:
            return text
        keys += found
    starting = sorted(key for key in keys if key.startswith(text))
    if text and len(starting) == 1:
        return starting[0]
    if text and starting:
        more = f" and {len(starting) - 3:,} more" if len(starting) > 3 else ""
        raise InputError(f"{output.root}: {text} starts several keys: {', '.join(starting[:3])}{more}")
    keys.sort()
    place = bisect.bisect(keys, text)
    near = difflib.get_close_matches(text, keys[max(0, place - _NEAR) : place + _NEAR], n=3, cutoff=0.0)
    hint = f"; the nearest are {', '.join(near)}" if near else "; it has no samples"
    raise InputError(f"{output.root}: no sample {text!r}{hint}")
