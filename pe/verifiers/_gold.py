"""The right text of a truth, for the verifiers that compare text."""

from __future__ import annotations

from pe.formats import Format
from pe.registry import load
from pe.verifiers._base import Call
from pe.verifiers._truth import Truth


def gold_text(truth: Truth, form: str, call: Call, asked: str = "") -> str:
    """The truth's text or count; of a truth that came as text, what format `form` reads in it, or else all of it.

    Raises ValueError where there is none.
    """
    if truth.written:
        decoder: Format = load("formats", form)()
        text = decoder.decode(truth.written, call.image, call.input_size, asked).text or truth.written
    else:
        text = truth.text or ("" if truth.count is None else str(truth.count))
    if not text.strip():
        raise ValueError("it has no text")
    return text.strip()
