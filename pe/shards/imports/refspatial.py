"""RefSpatial-Bench: places and objects found by spatial relations, a mask each, in parquet.

https://huggingface.co/datasets/BAAI/RefSpatial-Bench (dataset card: id, image, mask, object, prompt, suffix, step)
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from glob import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pe.errors import InputError
from pe.geometry.masks import encode
from pe.shards.imports._base import Layout
from pe.shards.imports._coco_form import CocoForm
from pe.shards.imports._find import one_file
from pe.shards.imports._records import record

__all__ = ["refspatial"]

_COLUMNS = ("image", "mask", "object", "prompt", "suffix", "step")


def refspatial(source: Path, pictures: str, split: str) -> Layout:
    """`source` is a parquet file of a split (location, placement, unseen); its pictures are its own column `image`.

    What is sought (`object`) is an expression for the mask's region, whose phrase is the split; prompt, suffix and step
    are attributes. Rows with one picture are one sample. The masks, being pictures too, are counted as not annotated.
    """
    path = one_file(source, (f"{escape(split)}*.parquet",), "RefSpatial-Bench parquet")
    form = CocoForm(path)
    kind = path.stem.split("-")[0]
    first: dict[str, str] = {}
    for number, row in enumerate(_rows(path)):
        with record(f"{path}: row {number}"):
            name = first.setdefault(hashlib.sha256(row["image"]["bytes"]).hexdigest(), f"{path.name}#{number}/image")
            image = form.image(name)
            said = {key: row[key] for key in ("prompt", "suffix", "step")}
            form.say(image, row["object"], [form.add(image, kind, None, _rle(row["mask"]["bytes"]), **said)])
    return form.layout(pictures or str(path))


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        table = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a parquet file: {error}") from None
    missing = [name for name in _COLUMNS if name not in table.schema_arrow.names]
    if missing:
        raise InputError(f"{path}: not RefSpatial-Bench's columns: there is no {', '.join(missing)}")
    try:
        for batch in table.iter_batches(8, columns=list(_COLUMNS)):
            yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: damaged: {error}") from None


def _rle(data: bytes) -> dict[str, Any]:
    try:
        with Image.open(io.BytesIO(data)) as mask:
            return encode(np.asarray(mask.convert("L")) > 0).model_dump(mode="json")
    except (OSError, SyntaxError, Image.DecompressionBombError):
        raise ValueError("its mask is no picture that can be read") from None
