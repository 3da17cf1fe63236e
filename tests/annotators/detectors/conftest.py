"""Pictures for detectors, and ONNX files written byte by byte (protobuf), so that no exporter is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from pe.shards.pictures import Picture

MakePicture = Callable[..., Picture]


@pytest.fixture
def make_picture() -> MakePicture:
    def make(array: npt.NDArray[np.uint8], source: str = "a.png") -> Picture:
        height, width = array.shape[:2]
        return Picture(Image.fromarray(array), b"", "PNG", width, height, "", source, "")

    return make


def open_picture(path: Path) -> Picture:
    image = Image.open(path)
    image.load()
    return Picture(image, b"", "JPEG", image.width, image.height, "", path.name, "")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name: str, array: npt.NDArray[Any]) -> bytes:
    kind = 1 if array.dtype == np.float32 else 7
    dims = b"".join(_field(1, size) for size in array.shape)
    return dims + _field(2, kind) + _field(8, name) + _field(9, array.tobytes())


def _value(name: str, shape: tuple[int | str, ...], kind: int = 1) -> bytes:
    dims = b"".join(_field(1, _field(1 if isinstance(size, int) else 2, size)) for size in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, dims)))


def _node(kind: str, inputs: list[str], output: str, **attributes: int) -> bytes:
    body = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(4, kind)
    for name, value in attributes.items():
        body += _field(5, _field(1, name) + _field(3, value) + _field(20, 2))
    return body


def write_onnx(
    path: Path,
    boxes: npt.NDArray[np.float32],
    *,
    layout: str,
    size: tuple[int | str, int | str] = (64, 64),
    batch: int | str = 1,
    metadata: dict[str, str] | None = None,
) -> Path:
    """An export whose class scores are the means of the input's three channels and whose boxes are `boxes` (N, 4).

    layout "v8": [B, 7, N]; "rows": [B, N, 8] with objectness 1; "end2end": [B, N, 6], class 0, score the first mean.
    """
    count = len(boxes)
    columns = layout == "v8"
    nodes = [
        _node("GlobalAveragePool", ["images"], "pooled"),
        _node("Reshape", ["pooled", "means_shape"], "means"),
        _node("Mul", ["means", "ones"], "scores"),
        _node("Slice", ["scores", "zero", "one", "last"], "first"),
        _node("Mul", ["first", "nothing"], "zeros"),
        _node("Mul", ["zeros", "four"], "room"),
        _node("Add", ["room", "boxes"], "batched"),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "means_shape": np.array([0, 3, 1] if columns else [0, 1, 3], np.int64),
        "ones": np.ones((1, 1, count) if columns else (1, count, 1), np.float32),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
        "last": np.array([1 if columns else 2], np.int64),
        "nothing": np.zeros((1, 1, 1), np.float32),
        "four": np.ones((1, 4, 1) if columns else (1, 1, 4), np.float32),
        "boxes": (boxes.T if columns else boxes)[None].astype(np.float32),
    }
    if layout == "v8":
        nodes.append(_node("Concat", ["batched", "scores"], "output", axis=1))
    elif layout == "rows":
        nodes.append(_node("Exp", ["zeros"], "objectness"))
        nodes.append(_node("Concat", ["batched", "objectness", "scores"], "output", axis=2))
    else:
        nodes.append(_node("Concat", ["batched", "first", "zeros"], "output", axis=2))
    graph = b"".join(_field(1, node) for node in nodes) + _field(2, "test")
    graph += b"".join(_field(5, _tensor(name, array)) for name, array in constants.items())
    graph += _field(11, _value("images", (batch, 3, *size)))
    graph += _field(12, _value("output", ("a", "b", "c")))
    model = _field(1, 8) + _field(7, graph) + _field(8, _field(2, 17))
    for key, value in (metadata or {}).items():
        model += _field(14, _field(1, key) + _field(2, value))
    path.write_bytes(model)
    return path
