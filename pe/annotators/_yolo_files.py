"""YOLO labels: data.yaml or a labels folder, one text file a picture, fractions of the picture's size.

Format: https://docs.ultralytics.com/datasets/detect/ and https://docs.ultralytics.com/datasets/segment/.
"""

from __future__ import annotations

import hashlib
from array import array
from pathlib import Path
from typing import Any

import yaml

from pe.annotators.annotation_files import AnnotatedImage, Annotation, AnnotationFile
from pe.errors import InputError

# Rounding and labels that end just past the border are common; pixels instead of fractions are an error.
_LOW, _HIGH = -0.1, 1.1


def read_yolo(path: Path) -> AnnotationFile:
    """Read `path`, a data.yaml or a folder of labels with optional classes.txt. Raises InputError with the place.

    A picture without a label file is not annotated; one with an empty label file is annotated as empty.
    """
    if path.is_dir():
        configs = [path / name for name in ("data.yaml", "data.yml") if (path / name).is_file()]
        if configs:
            path = configs[0]
    config: dict[str, Any] = {}
    if path.is_dir():
        names = _names_beside(path)
        labels = path / "labels" if (path / "labels").is_dir() else path
        files = {str(file.relative_to(labels).with_suffix("")): file for file in _label_files(labels)}
    else:
        config = yaml_mapping(path)
        names = class_names(config.get("names"), str(path))
        files = _listed(path, config)
    if not files:
        raise InputError(f"{path}: no YOLO label files (*.txt) there; is it the labels folder or data.yaml?")
    digest = hashlib.sha256(repr(names).encode())
    images = []
    used = 0
    for name, file in sorted(files.items()):
        text = file.read_bytes()
        digest.update(name.encode() + b"\0" + hashlib.sha256(text).digest())
        image = AnnotatedImage(name, fractions=True)
        for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
            if line.strip():
                kind, annotation = _line(line.split(), f"{file}:{number}", str(number), names, "kpt_shape" in config)
                used = max(used, kind + 1)
                image.annotations.append(annotation)
        images.append((image, [name]))
    categories = names or [str(kind) for kind in range(used)]
    return AnnotationFile(path, digest.hexdigest(), categories, images)


def class_names(value: Any, where: str) -> list[str]:
    """Class names from a YAML list or a mapping {0: name, ...}; raises InputError unless each number has one name."""
    if isinstance(value, dict):
        by_number = {str(number): name for number, name in value.items()}
        if set(by_number) != {str(number) for number in range(len(value))}:
            raise InputError(f"{where}: names must be numbered 0 to {len(value) - 1}")
        value = [by_number[str(number)] for number in range(len(value))]
    if not isinstance(value, list) or not value or not all(isinstance(name, str) and name.strip() for name in value):
        raise InputError(f"{where}: names must be a list of class names or a mapping from number to name")
    return [name.strip() for name in value]


def yaml_mapping(path: Path) -> dict[str, Any]:
    """The top-level mapping of a YAML file, every scalar as text; raises InputError with the place of an error."""
    try:
        # Everything stays text, or a class called "no" or "on" would become a truth value.
        config = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise InputError(f"{path}: not YAML{place}: {getattr(error, 'problem', None) or error}") from error
    if not isinstance(config, dict):
        raise InputError(f"{path}: the top level of a data.yaml is a mapping")
    return config


def _names_beside(folder: Path) -> list[str]:
    for name in ("classes.txt", "names.txt"):
        for home in (folder, folder.parent):
            if (home / name).is_file():
                lines = (home / name).read_text("utf-8", "replace").splitlines()
                return [line.strip() for line in lines if line.strip()]
    return []


def _label_files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*.txt") if file.name not in ("classes.txt", "names.txt") and file.is_file()]


def _listed(path: Path, config: dict[str, Any]) -> dict[str, Path]:
    """Label files of every split, by the picture's path without its suffix."""
    root = path.parent
    if config.get("path") and (root / str(config["path"])).is_dir():
        root = root / str(config["path"])
    files: dict[str, Path] = {}
    for split in ("train", "val", "test"):
        words = config.get(split) or []
        for word in words if isinstance(words, list) else [words]:
            place = root / str(word)
            if not place.exists() and str(word).startswith("../"):
                place = root / str(word)[3:]  # exports that are meant to be unpacked one folder deeper
            if place.is_file():
                for line in place.read_text("utf-8", "replace").splitlines():
                    file = _labels_of(place.parent / line.strip()).with_suffix(".txt")
                    if line.strip() and file.is_file():
                        files[line.strip().rpartition(".")[0]] = file
                continue
            folder = _labels_of(place)
            for file in _label_files(folder):
                files[f"{word}/{file.relative_to(folder).with_suffix('')}"] = file
    return files


def _labels_of(path: Path) -> Path:
    """`path` with its last folder called "images" replaced by "labels"."""
    parts = list(path.parts)
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts)


def _line(words: list[str], where: str, ref: str, names: list[str], keypoints: bool) -> tuple[int, Annotation]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise InputError(f"{where}: not a YOLO label: {' '.join(words)[:80]!r}") from None
    kind = numbers[0]
    if kind != kind or kind < 0 or kind != int(min(kind, 1e9)) or (names and kind >= len(names)):
        raise InputError(f"{where}: class {words[0]} is not one of the {len(names) or 'numbered'} classes")
    values = numbers[1:5] if keypoints else numbers[1:]
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise InputError(f"{where}: a label is CLASS X Y WIDTH HEIGHT or CLASS and at least three x y points")
    if not all(_LOW <= value <= _HIGH for value in values):
        raise InputError(f"{where}: coordinates must be fractions of the picture's size, 0 to 1")
    category = names[int(kind)] if names else str(int(kind))
    if len(values) == 4:
        x, y, width, height = values
        return int(kind), Annotation(ref, category, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    xs, ys = values[0::2], values[1::2]
    return int(kind), Annotation(ref, category, (min(xs), min(ys), max(xs), max(ys)), (array("d", values),))
