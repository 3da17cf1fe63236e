"""Training rows of others, each with one picture: parquet and JSON lines as verl, TRL, LLaVA and VLM-R1 write them.

So do CountBenchQA (image, question, number; https://huggingface.co/datasets/vikhyatk/CountBenchQA) and PixMo-Count
(image_url, image_sha256, label, count; https://huggingface.co/datasets/allenai/pixmo-count).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pe.errors import InputError, SampleError
from pe.shards.sources.base import EmptySourceError, Entry, Raw, Source
from pe.shards.sources.meta import meta_of

MARK = b"\n\0image\0\n"
"""Between a row and its picture in the bytes of an input: rows that share a picture are no duplicates."""

_PICTURES = ("images", "image", "img", "image_path", "image_name")
_MESSAGES = ("messages", "conversations", "prompt", "problem", "question")
_GOLD = ("answer", "solution", "gold", "completion", "ground_truth", "gt_answer", "number", "count")
_SUFFIXES = ("", ".jpg", ".jpeg", ".png", ".webp")
_ROLES = {"human": "user", "gpt": "assistant"}


class RowSource(Source):
    """The rows of one .parquet, .jsonl or .json (array) file; pictures that are named lie below `pictures`.

    The bytes of an input are the row's record ({"messages", "gold", "license", "url"}) as JSON, MARK, and the picture.
    Raises InputError for another file.
    """

    def __init__(self, path: Path, pictures: str = "") -> None:
        super().__init__()
        if path.suffix not in (".parquet", ".jsonl", ".json"):
            raise InputError(f"{path}: rows come as .parquet, .jsonl or .json, not as {path.suffix or 'this'}")
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        self._path = path
        self._pictures = Path(pictures) if pictures else path.parent
        self._table: tuple[int, list[dict[str, Any]]] = (-1, [])

    def entries(self) -> Iterator[Entry]:
        found = self._path.stat()
        stamp = f"{found.st_size}-{found.st_mtime_ns}"
        empty = True
        for number, at in enumerate(self._places()):
            empty = False
            yield Entry(f"{self._path.name}#{number}", 0, stamp, at)
        if empty:
            raise EmptySourceError(f"{self._path}: no rows")

    def read(self, entry: Entry) -> Raw:
        row = self._row(entry.at)
        picture = self._picture(row)
        messages = _messages(row)
        if not messages:
            raise SampleError("no_question", f"a row has none of {', '.join(_MESSAGES)} that is text or messages")
        meta = meta_of(
            {key: row[key] for key in ("license", "url", "image_url", "opt_out") if row.get(key) is not None}
        )
        record = {"messages": messages, "gold": _gold(row), "data_source": str(row.get("data_source") or "")}
        return Raw(json.dumps(record, ensure_ascii=False).encode() + MARK + picture, meta)

    def _places(self) -> Iterator[dict[str, Any]]:
        if self._path.suffix == ".parquet":
            try:
                table = pq.ParquetFile(self._path)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{self._path}: not a parquet file: {error}") from None
            for group in range(table.num_row_groups):
                for row in range(table.metadata.row_group(group).num_rows):
                    yield {"group": group, "row": row}
        elif self._path.suffix == ".jsonl":
            offset = 0
            with self._path.open("rb") as lines:
                for line in lines:
                    if line.strip():
                        yield {"offset": offset, "size": len(line)}
                    offset += len(line)
        else:
            yield from ({"item": number} for number in range(len(self._array())))

    def _array(self) -> list[Any]:
        if self._table[0] < 0:
            try:
                value = json.loads(self._path.read_bytes())
            except (ValueError, RecursionError) as error:
                raise InputError(f"{self._path}: not JSON: {error}") from None
            if not isinstance(value, list):
                raise InputError(f"{self._path}: a .json of rows is an array")
            self._table = (0, value)
        return self._table[1]

    def _row(self, at: Mapping[str, Any]) -> dict[str, Any]:
        row: Any
        if "group" in at:
            number, rows = self._table
            if number != at["group"]:
                try:
                    rows = pq.ParquetFile(self._path).read_row_group(at["group"]).to_pylist()
                except (pa.ArrowException, OSError, ValueError) as error:
                    detail = " ".join(str(error).split())
                    raise SampleError("row", f"row group {at['group']} is damaged: {detail}") from None
                self._table = (at["group"], rows)
            row = rows[at["row"]]
        elif "item" in at:
            row = self._array()[at["item"]]
        else:
            with self._path.open("rb") as stream:
                stream.seek(at["offset"])
                try:
                    row = json.loads(stream.read(at["size"]))
                except (ValueError, RecursionError) as error:
                    raise SampleError("row", f"not JSON: {error}") from None
        if not isinstance(row, dict):
            raise SampleError("row", "not an object")
        if "group" not in at:
            try:
                json.dumps(row, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                raise SampleError("row", "a text in it has a lone surrogate, no character") from None
        return row

    def _picture(self, row: Mapping[str, Any]) -> bytes:
        value = next((row[key] for key in _PICTURES if row.get(key) not in (None, "", [])), None)
        sha256 = row.get("image_sha256")
        if value is None and isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256):
            return self._hashed(sha256)
        pictures = value if isinstance(value, list) else [value]
        if len(pictures) > 1:
            raise SampleError("several_images", f"{len(pictures)} pictures in a row")
        (picture,) = pictures
        if isinstance(picture, Mapping):
            picture = picture.get("bytes") or picture.get("path")
        if isinstance(picture, bytes):
            return picture
        if not isinstance(picture, str) or not picture:
            raise SampleError("no_image", "a row without a picture")
        return self._file(picture)

    def _hashed(self, sha256: str) -> bytes:
        """A picture that is named by the hash of its bytes, as those are that a row only has the URL of."""
        names = [f"{sha256}{suffix}" for suffix in _SUFFIXES]
        data = self._file(next((name for name in names if (self._pictures / name).is_file()), f"{sha256}.jpg"))
        if hashlib.sha256(data).hexdigest() != sha256:
            raise SampleError("changed", f"{sha256}: the bytes of this file have another hash than the row says")
        return data

    def _file(self, picture: str) -> bytes:
        try:
            path = (self._pictures / picture).resolve()
        except ValueError as error:
            raise SampleError("not_there", f"{picture!r:.60}: {error}") from None
        if not path.is_relative_to(self._pictures.resolve()):
            raise SampleError("outside", f"{picture} is not below {self._pictures}")
        try:
            if path.stat().st_size > self.max_bytes:
                raise SampleError("too_large", f"{path.stat().st_size} bytes, the limit is {self.max_bytes}")
            return path.read_bytes()
        except OSError as error:
            raise SampleError("not_there", f"{picture}: {error.strerror}") from None


def _messages(row: Mapping[str, Any]) -> list[dict[str, str]]:
    """The turns of a row as {"role", "content"}; an answer that stands apart is no turn."""
    for key in _MESSAGES:
        value = row.get(key)
        if isinstance(value, str) and value.strip():
            return [{"role": "user", "content": value}]
        if isinstance(value, list) and value:
            turns = [_turn(item) for item in value if isinstance(item, Mapping)]
            return [turn for turn in turns if turn["content"]]
    label = row.get("label")
    if isinstance(label, str) and label.strip() and type(row.get("count")) is int:
        return [{"role": "user", "content": f"How many {label.strip()} are there?"}]
    return []


def _turn(item: Mapping[str, Any]) -> dict[str, str]:
    role = str(item.get("role") or item.get("from") or "")
    content = item.get("content", item.get("value"))
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, Mapping)]
        content = "\n".join(part for part in parts if isinstance(part, str))
    return {"role": _ROLES.get(role, role), "content": content if isinstance(content, str) else ""}


def _gold(row: Mapping[str, Any]) -> str:
    """The right answer where it stands apart from the turns."""
    reward = row.get("reward_model")
    places = [reward, row] if isinstance(reward, Mapping) else [row]
    for place in places:
        for key in _GOLD:
            value = place.get(key)
            if isinstance(value, str | int | float) and str(value).strip():
                return str(value)
            if isinstance(value, list) and value and isinstance(value[0], Mapping):
                return _turn(value[0])["content"]
    return ""
