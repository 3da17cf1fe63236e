"""Whichever format a text is in, by its marks."""

from __future__ import annotations

import re
from dataclasses import replace

from pe.formats._answer import Decoded, Size
from pe.formats._base import Format
from pe.formats._frame import Frame
from pe.formats._reading import Reading
from pe.formats._words import says_none
from pe.registry import load

__all__ = ["Auto"]

# The first mark that is met decides: a plain word to look for, and what has to stand around it. What only the question
# can tell (the units of bare JSON) is settled in `_json_kind`.
_MARKS = tuple(
    (name, needle, re.compile(pattern))
    for name, needle, pattern in (
        ("molmopoint", "<POINT_", r"<POINT_\d"),
        ("ui-tars", "start_", r"\bstart_(?:box|point)\s?=\s?['\"]"),
        ("ui-tars", "point=", r"\bpoint=['\"]"),
        ("falcon-perception", "<|coord|>", r"<\|coord\|>"),
        ("deepseek-vl2", "<|det|>", r"<\|det\|>"),
        ("glm", "<|begin_of_box|>", r"<\|begin_of_box\|>"),
        ("qwen2-vl", "_start|>", r"<\|(?:box|quad)_start\|>\s{0,8}\("),
        ("rexomni", "_start|>", r"<\|(?:box_start|object_ref_start)\|>"),
        ("kosmos-2", "<patch_index_", r"<patch_index_\d"),
        ("florence-2", "<loc_", r"<loc_\d"),
        ("florence-2", "</s><s>", r"\A</s><s>"),
        ("paligemma", "<loc", r"<loc\d{4}>"),
        ("molmo2", "coords=", r"<(?:points|tracks)\s[^<>]{0,64}coords="),
        ("molmo", "<point", r"<points?\s"),
        ("locateanything", "<box>", r"<box>\s?(?:<\d|none)"),
        ("internvl", "<box>", r"<box>\s?[\[(\d]"),
        ("pyautogui", "pyautogui.", r"\bpyautogui\.\w"),
        ("ui-tars", "Action", r"\bActions?: ?\w{1,32}\("),
        ("rexomni", "bbox", r"['\"]bbox['\"]\s?:\s?['\"]\s?<\d"),
        ("gemini", "box_2d", r"\bbox_2d['\"]?\s?:"),
        ("gemini", "point", r"['\"]point['\"]\s?:\s?\[\d{1,4},\s?\d{1,4}\],\s{0,8}['\"]label"),
        ("visual-rft", "Position", r"['\"]Position['\"]\s?:"),
    )
)
_SHAPED = re.compile(
    r"""\b(?:bbox|point|box|coordinate|polygon|position)\w{0,12}["']?\s?:|[xy]1["']?\s?:""", re.IGNORECASE
)
_BARE = re.compile(r"[\[(]\s{0,8}-?\d{1,9}(?:\.\d{0,9})?\s{0,8},")
_VALUES = re.compile(r"""[\[{]\s{0,200}["'{]""")
_LIST = re.compile(r"[\[(]\s{0,4}\d[\d\s.,]{2,80}[\])]")
_LARGE = re.compile(r"(?<![\d.])\d{4,16}")
_LONGEST = 4_000
_LETTER = re.compile(r"(?:^|\n|\.\s)[^\n]{0,40}(?i:\banswer\b)[^\n]{0,20}[A-H]\b|^\W{0,4}[A-H]\W{0,4}$")


class Auto(Format):
    """Sniffs the format and reads the text as it says; the first note names it. Read only.

    JSON and bare lists do not tell their units: with an `input_size`, or with a number above 1000, they are pixels of
    it (qwen2.5-vl), otherwise thousandths (qwen3-vl); numbers up to 1 are fractions. Bare lists of fractions nested in
    lists are simpleseg. What has no marks at all is a refusal, a choice, or plain text.
    """

    grammar = "any of the others"
    coordinates = "as the format that is found"
    rounding = "read only"

    def decode(self, text: str, image: Size, input_size: Size | None = None, asked: str = "") -> Decoded:
        """What `text` says in the format its marks name; see `Format.decode`."""
        name = sniff(text, input_size is not None, asked)
        decoded: Decoded = load("formats", name)().decode(text, image, input_size, asked)
        notes = (f"read as {name}", *decoded.notes)
        if name == "text" and decoded.text.lower().strip(" .") != "no" and says_none(decoded.text):
            return Decoded((), (asked,) if asked else (), "", decoded.thought, "none-present", notes)
        return replace(decoded, notes=notes)

    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None:
        raise NotImplementedError


def sniff(text: str, pixels: bool, asked: str = "") -> str:
    """The name of the format of `text`. `pixels`: the size of what the model saw is known."""
    for name, needle, mark in _MARKS:
        if needle in text and mark.search(text):
            if name == "molmo" and any(float(n) > 100 for n in re.findall(r"\b[xy]\d{0,6}=[\"'](\d{1,9})", text)):
                return "qwen3-vl"
            return name
    body = text[text.rfind("</think>") + 1 :]
    if _SHAPED.search(body):
        return _json_kind(body, pixels)
    if "\\boxed{" in body:
        return "choice" if re.search(r"\\boxed\{\s?(?:\\text\{)?\(?[A-H]\b", body) else "boxed"
    if _BARE.search(body):
        nested = re.search(r"\[\s?\[\s?(?:\[\s?)?(?:0?\.\d|[01]\s?,)", body)
        return "simpleseg" if nested and not pixels else _json_kind(body, pixels)
    if _VALUES.search(body) and not says_none(body):
        return "json-values"
    if _LETTER.search(body[-_LONGEST:]) or (
        re.search(r"\bA[.):]\s.{0,400}?\bB[.):]\s", asked, re.DOTALL) and not says_none(body)
    ):
        return "choice"
    return "text"


def _json_kind(body: str, pixels: bool) -> str:
    if pixels:
        return "qwen2.5-vl"
    lists = " ".join(_LIST.findall(body))
    large = any(int(number) > 1000 for number in _LARGE.findall(lists))
    return "qwen2.5-vl" if large else "qwen3-vl"
