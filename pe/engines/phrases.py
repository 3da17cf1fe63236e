"""Which phrases are asked of a picture: given in words, in a file, or in a field of the source's record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pe.errors import InputError, SampleError
from pe.schemas.sample import clean_text

Asked = Callable[[Mapping[str, Any]], list[str]]


def asked_phrases(words: str | list[str]) -> Asked | None:
    """A function from a source's record to the phrases asked of its picture; None when none are named.

    `words` is a list, "cat, traffic light", "file.txt" or "@file" (one phrase a line, # starts a comment), or
    "field:NAME" (a list, or text with the same separators). Raises InputError for an unreadable or empty file.
    """
    if isinstance(words, list):
        return _fixed([str(word) for word in words], "--phrases")
    word = words.strip()
    if not word:
        return None
    if is_field(word):
        return _field(word.removeprefix("field:").strip())
    if word.startswith("@") or word.endswith(".txt"):
        path = Path(word.removeprefix("@")).expanduser()
        try:
            lines = path.read_text("utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--phrases {word}: cannot be read as text: {error}") from None
        return _fixed([line.partition("#")[0] for line in lines], str(path))
    return _fixed(_split(word), "--phrases")


def is_field(words: str | list[str]) -> bool:
    """Whether each record says itself what is asked of its picture."""
    return isinstance(words, str) and words.strip().startswith("field:")


def _fixed(phrases: list[str], where: str) -> Asked:
    cleaned = _tidy(phrases)
    if not cleaned:
        raise InputError(f"{where} names no phrase: give words such as 'cat, traffic light', a file or field:NAME")
    return lambda fields: cleaned


def _field(name: str) -> Asked:
    def read(fields: Mapping[str, Any]) -> list[str]:
        if name not in fields:
            near = ", ".join(sorted(fields)[:8]) or "none"
            raise SampleError("phrases", f"the record has no field {name!r} (it has: {near})")
        value = fields[name]
        if isinstance(value, str):
            return _tidy(_split(value))
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return _tidy(value)
        raise SampleError("phrases", f"field {name!r} is neither text nor a list of texts")

    return read


def _split(text: str) -> list[str]:
    return re.split(r"[,;\n]", text)


def _tidy(phrases: list[str]) -> list[str]:
    words = (" ".join(clean_text(phrase).split()) for phrase in phrases)
    return list(dict.fromkeys(word for word in words if word))
