"""What a YOLOX or YOLO export expects and what its numbers mean, recognised from the model file itself."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from pe.annotators._yolo_files import class_names, yaml_mapping
from pe.annotators.base import AdapterSettings
from pe.annotators.detectors._classes import COCO
from pe.errors import InputError, ModelError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Found = tuple[Floats, Floats, Ints]

_GREY = 114
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))


class Export:
    """A session with its layout: "yolox", "v5" (rows with objectness), "v8" (columns of classes) or "end2end"."""

    def __init__(self, path: Path, settings: AdapterSettings) -> None:
        self.path = path
        self._session = _session(path, settings)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] != 3:
            shapes = ", ".join(f"{item.name} {item.shape}" for item in inputs)
            raise ModelError(f"{path}: not a YOLO export: one picture input [N, 3, H, W] is expected, it has {shapes}")
        self._input: str = inputs[0].name
        self._half = inputs[0].type == "tensor(float16)"
        meta = dict(self._session.get_modelmeta().custom_metadata_map)
        self.license = str(meta.get("license", ""))
        batch, _, height, width = inputs[0].shape
        self._batch = batch if isinstance(batch, int) else 0
        fallback = _image_size(meta)
        self._height = height if isinstance(height, int) else fallback[0]
        self._width = width if isinstance(width, int) else fallback[1]
        named = _names(path, meta)
        self._layout, channels = self._recognise(named)
        self.names = named or (list(COCO) if channels == 80 else [])
        if not self.names or (channels and len(self.names) != channels):
            count = f"{channels} classes" if channels else "classes"
            have = f"{len(self.names)} names were found" if self.names else "no names for them were found"
            raise ModelError(
                f"{path}: the model has {count} and {have}; put one name a line into {path.with_suffix('.txt').name} "
                "beside it"
            )

    def run(self, arrays: Sequence[npt.NDArray[np.uint8]], threshold: float) -> Iterator[Found]:
        """(boxes (K, 4) x0, y0, x1, y1 in the picture's pixels, scores (K,), classes (K,)) of each RGB (H, W, 3)
        picture, every candidate with score >= `threshold` before suppression."""
        step = self._batch or len(arrays)
        for start in range(0, len(arrays), step):
            part = arrays[start : start + step]
            canvas = np.full((self._batch or len(part), self._height, self._width, 3), _GREY, np.uint8)
            places = [self._letterbox(array, canvas[index]) for index, array in enumerate(part)]
            output = self._forward(canvas)
            for row, (left, top, scale_x, scale_y) in zip(output, places, strict=False):
                boxes, scores, labels = self._decode(row, threshold)
                yield (boxes - [left, top, left, top]) / [scale_x, scale_y, scale_x, scale_y], scores, labels

    def _letterbox(self, array: npt.NDArray[np.uint8], canvas: npt.NDArray[np.uint8]) -> tuple[int, int, float, float]:
        height, width = array.shape[:2]
        scale = min(self._height / height, self._width / width)
        rounded = int if self._layout == "yolox" else round
        wide, high = max(1, rounded(width * scale)), max(1, rounded(height * scale))
        left = top = 0
        if self._layout != "yolox":
            left, top = round((self._width - wide) / 2 - 0.1), round((self._height - high) / 2 - 0.1)
        canvas[top : top + high, left : left + wide] = cv2.resize(array, (wide, high), interpolation=cv2.INTER_LINEAR)
        return left, top, wide / width, high / height

    def _forward(self, canvas: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        batch = np.empty((len(canvas), 3, self._height, self._width), np.float16 if self._half else np.float32)
        for channel in range(3):  # plane by plane, which is nine times as fast as one transpose
            if self._layout == "yolox":
                batch[:, 2 - channel] = canvas[..., channel]
            else:
                np.divide(canvas[..., channel], np.float32(255), out=batch[:, channel], casting="same_kind")
        outputs = self._session.run(None, {self._input: batch})
        return np.asarray(next(item for item in outputs if item.ndim == 3), dtype=np.float32)

    def _recognise(self, named: Sequence[str]) -> tuple[str, int]:
        """The layout and the number of classes (0 when the output does not tell) from one pass over a grey picture."""
        grey = np.full((self._batch or 1, self._height, self._width, 3), _GREY, np.uint8)
        self._layout, self._centres = "", np.zeros((0, 3))
        try:
            output = self._forward(grey)
        except StopIteration:
            shapes = ", ".join(f"{item.name} {item.shape}" for item in self._session.get_outputs())
            raise ModelError(f"{self.path}: not a YOLO export: no output [N, A, B], it has {shapes}") from None
        except Exception as error:  # onnxruntime's own classes share no public base
            raise ModelError(f"{self.path}: does not run: {str(error).splitlines()[0]}") from error
        rows, columns = output.shape[1:]
        for strides in _STRIDES:
            centres = _grid(self._height, self._width, strides)
            cells = len(centres)
            with_objectness = rows == cells and not (named and columns == 4 + len(named))
            if with_objectness and columns > 5:
                self._centres = centres
                self._layout = "yolox"
                if _decoded(self._forward(grey)[0], centres):
                    self._centres = np.zeros((0, 3))
                return "yolox", columns - 5
            if rows == 3 * cells and columns > 5:
                return "v5", columns - 5
            if columns == cells and rows > 4:
                return "v8", rows - 4
            if rows == cells and columns > 4:
                return "v8-rows", columns - 4
        if columns == 6:
            return "end2end", 0
        size = f"{self._width}x{self._height}"
        raise ModelError(f"{self.path}: not a YOLOX or YOLO export: output {list(output.shape)} for a {size} input")

    def _decode(self, rows: npt.NDArray[np.float32], threshold: float) -> Found:
        """One picture's output as boxes on the canvas."""
        if self._layout == "end2end":
            kept = rows[rows[:, 4] >= threshold].astype(np.float64)
            labels = kept[:, 5].astype(np.int64)
            known = (labels >= 0) & (labels < len(self.names))
            return kept[known, :4], kept[known, 4], labels[known]
        if self._layout == "v8":
            rows = rows.T
        if self._layout in ("yolox", "v5"):
            # No class probability exceeds 1, so objectness alone rules most cells out.
            candidates = np.flatnonzero(rows[:, 4] >= threshold)
            classes = rows[candidates, 5:]
            labels = classes.argmax(axis=1)
            scores = rows[candidates, 4].astype(np.float64) * classes.max(axis=1)
        else:
            best = rows[:, 4:].max(axis=1)
            candidates = np.flatnonzero(best >= threshold)
            labels = rows[candidates, 4:].argmax(axis=1)
            scores = best[candidates].astype(np.float64)
        kept = scores >= threshold
        candidates, labels, scores = candidates[kept], labels[kept], scores[kept]
        xywh = rows[candidates, :4].astype(np.float64)
        if self._layout == "yolox" and len(self._centres):
            cells = self._centres[candidates]
            xywh[:, :2] = xywh[:, :2] * cells[:, 2:] + cells[:, :2]
            with np.errstate(over="ignore"):  # an infinite side is dropped with the box
                xywh[:, 2:] = np.exp(xywh[:, 2:]) * cells[:, 2:]
        half = xywh[:, 2:] / 2
        return np.hstack([xywh[:, :2] - half, xywh[:, :2] + half]), scores, labels.astype(np.int64)


def _session(path: Path, settings: AdapterSettings) -> ort.InferenceSession:
    if path.is_dir():
        raise ModelError(f"{path}: is a folder; name the .onnx file in it")
    options = ort.SessionOptions()
    options.intra_op_num_threads = max(1, settings.threads)
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    providers: list[str | tuple[str, dict[str, str]]] = ["CPUExecutionProvider"]
    if settings.device.startswith("cuda"):
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            raise InputError("detector onnx on cuda needs onnxruntime-gpu; without it use --device cpu")
        providers.insert(0, ("CUDAExecutionProvider", {"device_id": settings.device.partition(":")[2] or "0"}))
    try:
        return ort.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's own classes share no public base
        raise ModelError(f"{path}: not a model that onnxruntime can load: {str(error).splitlines()[0]}") from error


def _grid(height: int, width: int, strides: Sequence[int]) -> Floats:
    """(N, 3): each cell's x and y in pixels of the canvas, and its stride, in the order of the exports."""
    parts = []
    for stride in strides:
        ys, xs = np.mgrid[0 : math.ceil(height / stride), 0 : math.ceil(width / stride)]
        parts.append(np.stack([xs.ravel() * stride, ys.ravel() * stride, np.full(xs.size, stride)], axis=1))
    return np.concatenate(parts).astype(np.float64)


def _decoded(rows: npt.NDArray[np.float32], cells: Floats) -> bool:
    """Whether x and y are pixels already (YOLOX's decode_in_inference): near their cells, rather than near 0.5."""
    offsets = np.median(np.abs(rows[:, :2] - 0.5))
    distances = np.median(np.abs(rows[:, :2] - cells[:, :2] - cells[:, 2:] / 2) / cells[:, 2:])
    return bool(distances < offsets)


def _image_size(meta: dict[str, str]) -> tuple[int, int]:
    """Height and width for exports that leave them open; 640 x 640 unless the metadata says otherwise."""
    try:
        height, width = ast.literal_eval(meta.get("imgsz", "[640, 640]"))
        return int(height), int(width)
    except (ValueError, SyntaxError, TypeError):
        return 640, 640


def _names(path: Path, meta: dict[str, str]) -> list[str]:
    """Class names from the export's metadata, else from a file of the model's name beside it, else none."""
    if meta.get("names"):
        try:
            names = ast.literal_eval(meta["names"])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ModelError(f"{path}: the names in its metadata cannot be read: {meta['names'][:60]!r}") from None
        return class_names(names, f"{path} (metadata)")
    if path.with_suffix(".txt").is_file():
        lines = path.with_suffix(".txt").read_text("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if line.strip()]
    for suffix in (".yaml", ".yml"):
        beside = path.with_suffix(suffix)
        if beside.is_file():
            return class_names(yaml_mapping(beside).get("names"), str(beside))
    return []
