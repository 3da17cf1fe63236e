"""Reads an annotation file, whichever kind it is, once per process."""

from __future__ import annotations

import threading
from pathlib import Path

from pe.annotators._coco_file import read_coco
from pe.annotators._yolo_files import read_yolo
from pe.annotators.annotation_files import AnnotationFile
from pe.errors import InputError
from pe.shards.imports._rows import are_rows, rows_as_coco

_loaded: dict[tuple[str, int, int], AnnotationFile] = {}
_lock = threading.Lock()


def load_annotations(word: str, form: bytes = b"") -> AnnotationFile:
    """The annotation file at path `word`: COCO or LVIS JSON, rows of JSON or CSV, YOLO's data.yaml, or a labels folder.

    Parsed once per process and shared. `form` is what the path says in COCO's form, where it is of none of these.
    Raises InputError with the place of the first thing that is malformed.
    """
    path = Path(word).expanduser()
    if not path.exists():
        raise InputError(f"{path}: no such annotation file (COCO or LVIS JSON, YOLO data.yaml or labels folder)")
    if form:
        return read_coco(path, form)
    stat = path.stat()
    key = (str(path.resolve()), stat.st_mtime_ns, stat.st_size)
    with _lock:
        if key not in _loaded:
            try:
                if path.is_dir() or path.suffix.lower() in (".yaml", ".yml"):
                    _loaded[key] = read_yolo(path)
                elif are_rows(path):
                    _loaded[key] = read_coco(path, rows_as_coco(path))
                else:
                    _loaded[key] = read_coco(path)
            except OSError as error:
                raise InputError(f"{error.filename or path}: cannot be read: {error.strerror or error}") from error
        return _loaded[key]
