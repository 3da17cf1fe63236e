"""What sources say about an image, brought into one form."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from pe.schemas.sample import clean_text, dumps
from pe.shards.sources.base import Meta

MAX_FIELDS = 100_000
"""Characters of JSON that one image's fields may take; the longest are cut beyond that."""

MAX_TEXT = 32_000
"""Characters of a caption, URL or licence."""

_CAPTION = ("caption", "text", "txt", "alt")
_URL = ("url", "image_url")
_LICENSE = ("license", "licence", "license_url", "licence_url", "license_name", "licence_name")
_OPT_OUT = ("opt_out", "optout", "opt-out", "noai")
_ROBOTS = ("robots", "x-robots-tag", "x_robots_tag", "robots_tag")
_TDM = ("tdm-reservation", "tdm_reservation")
_FORBIDDING = frozenset(("noai", "noimageai", "noindex", "noimageindex"))
_NO = frozenset(("", "0", "false", "no", "none", "null", "nan", "off"))
_CUT = 1000
_OURS = {"key", "data_source", "objects_json", "negatives_json", "reward_model"}
_DEPTH = 16


def meta_of(record: Mapping[str, Any], text: str = "") -> Meta:
    """The Meta of a source's record; field names count in any case. `text` is the caption when the record has none.

    An image is opted out when a field says so (opt_out, noai ...), when its robots tags hold noai, noimageai, noindex
    or noimageindex, or when its TDM reservation is 1.
    """
    fields = _fitting({clean_text(str(key)): _json_safe(value) for key, value in record.items()})
    lower: dict[str, Any] = {}
    for key, value in record.items():
        lower.setdefault(str(key).lower(), value)
    return Meta(
        caption=_first(lower, _CAPTION) or clean_text(text).strip()[:MAX_TEXT],
        url=_first(lower, _URL),
        license=_first(lower, _LICENSE),
        opt_out=_opted_out(lower),
        fields=fields,
    )


def meta_from_files(json_bytes: bytes | None, text_bytes: bytes | None) -> Meta:
    """The Meta of an image that has a .json, a .txt or both beside it. JSON that cannot be read leaves a note."""
    record: Any = {}
    if json_bytes is not None:
        try:
            record = json.loads(json_bytes.removeprefix(b"\xef\xbb\xbf"))
        except (ValueError, RecursionError) as error:
            record = {"json_error": str(error)}
        if not isinstance(record, dict):
            record = {"json": record}
        elif record.keys() >= _OURS:
            record = _of_sample(record)
    text = (text_bytes or b"").decode("utf-8-sig", "backslashreplace")
    return meta_of(record, text)


def _of_sample(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record of `pe` says about its image, without its labels; `phrases` are those that it answers for."""
    kept = {key: record[key] for key in ("key", "data_source", "caption", "url", "license", "opt_out") if key in record}
    try:
        objects, negatives = json.loads(record["objects_json"]), json.loads(record["negatives_json"])
        # In the order of the alphabet, so that it tells nothing.
        kept["phrases"] = sorted({str(item["phrase"]) for item in objects} | {str(phrase) for phrase in negatives})
    except (ValueError, TypeError, KeyError) as error:
        kept["json_error"] = f"objects_json or negatives_json: {error}"
    return kept


def _first(lower: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    for key in keys:
        value = lower.get(key)
        if isinstance(value, list | tuple) and value:
            value = value[0]
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and value.strip():
            return clean_text(value).strip()[:MAX_TEXT]
    return ""


def _opted_out(lower: Mapping[str, Any]) -> bool:
    if any(_truthy(lower.get(key)) for key in (*_OPT_OUT, *_TDM)):
        return True
    tags = [value for key in _ROBOTS if (value := lower.get(key)) is not None]
    words = re.findall(r"[a-z]+", json.dumps(tags, default=str).lower())
    return not _FORBIDDING.isdisjoint(words)


def _truthy(value: Any) -> bool:
    if isinstance(value, float) and math.isnan(value):
        return False
    return value.strip().lower() not in _NO if isinstance(value, str) else bool(value)


def _json_safe(value: Any, depth: int = 0) -> Any:
    """`value` in JSON's types: NaN and infinity as null, bytes as text or their number, all else as str()."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        try:
            return clean_text(data.decode("utf-8"))
        except UnicodeDecodeError:
            return f"[{len(data)} bytes]"
    if depth >= _DEPTH:
        return "[nested too deeply]"
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _json_safe(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_json_safe(item, depth + 1) for item in value]
    return clean_text(str(value))


def _fitting(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` cut to MAX_FIELDS: the longest values first, then whole fields from the end."""
    sizes = {key: len(dumps(key)) + len(dumps(value)) + 2 for key, value in fields.items()}
    total = sum(sizes.values()) + 2
    if total <= MAX_FIELDS:
        return fields
    fields = dict(fields)
    for key in sorted(sizes, key=lambda key: -sizes[key]):
        value = fields[key]
        text = value if isinstance(value, str) else dumps(value)
        fields[key] = f"{text[:_CUT]}[cut from {len(text)} characters]"
        total += len(dumps(key)) + len(dumps(fields[key])) + 2 - sizes[key]
        if total <= MAX_FIELDS:
            return fields
    while len(dumps(fields)) > MAX_FIELDS:
        fields = dict(list(fields.items())[: len(fields) // 2])
    return fields
