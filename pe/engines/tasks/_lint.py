"""What broke published prompts, found in templates before they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_SEVERAL = ("phrases", "list", "bullets", "split")
_ONE = ("phrase", "bare")
TOPICS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "detect": (_SEVERAL, ()),
    "layout": (_SEVERAL, ()),
    "point": (_SEVERAL, ()),
    "refer": (_ONE, ()),
    "spatial-pointing": (_ONE, ()),
    "text-to-box": (_ONE, ()),
    "text-to-mask": (_ONE, ()),
    "box-to-mask": (("box",), ()),
    "point-to-mask": (("point",), ()),
    "box-to-caption": (("box",), ()),
    "mask-to-caption": (("mask",), ()),
    "count": (_ONE, ()),
    "count-objects": (_ONE, ()),
    "read-boxes": ((), ("unit",)),
    "read-quads": ((), ("unit",)),
    "transcribe": ((), ("unit",)),
    "find-text": (("phrase",), ()),
    "gui-box": (("phrase",), ()),
    "gui-point": (("phrase",), ()),
    "keypoints": (_ONE, ("names",)),
    "visual-prompt": (("boxes",), ()),
    "caption": ((), ()),
    "qa": (("question",), ()),
}
"""The topics: placeholders of which a question has exactly one, and others that it may have."""

_DICTIONARY = re.compile(r"""\{\s*["'](\w+)["']\s*:""")
_EXAMPLE_KEYS = ("bbox_2d", "point_2d", "label", "bbox", "point")
_TAG = re.compile(r"<(/?)([a-z_]+)>")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)|(?<=[\w\"}])'(?=s\b)")
_INSIDE = re.compile(r"\[[^\[\]]*\]|<[^<>]*>")
_RULES = (
    (re.compile(r"[a-z)\]}\"'>][.?!](?=[A-Z{][a-z])"), "two sentences run together (a missing space or comma?)"),
    (re.compile(r"[a-z]{2}[A-Z][a-z]"), "two words run together"),
    (re.compile(r"\w\{[a-z_]+\}|\{[a-z_]+\}\w"), "a placeholder touches a word"),
    (re.compile(r"  |\t"), "a doubled space or a tab"),
    (re.compile(r"^\s|\s$"), "a space at the beginning or the end"),
    (re.compile(r"[^\S\n][.,;?!](?:\s|$)"), "a space before a mark"),
    (re.compile(r"(?<![\"“'])\"\"(?!\")|(?<!')''(?!')"), "a doubled quote"),
)


def lint_templates(section: str, topics: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The faults of one section of a pool ("questions", "answers" or "thinking"), each with its place."""
    for topic, templates in topics.items():
        if topic not in TOPICS and not (topic == "any" and section == "thinking"):
            yield f"{section}.{topic}: no such topic (known: {', '.join(TOPICS)})"
            continue
        if not templates:
            yield f"{section}.{topic}: no wording"
        seen: dict[str, int] = {}
        for place, template in enumerate(templates):
            where = f"{section}.{topic}[{place}]"
            key = " ".join(template.casefold().split())
            if key in seen:
                yield f"{where}: the same as [{seen[key]}]"
            seen.setdefault(key, place)
            needed = {"answers": (("answer",), ()), "thinking": (("question",), ())}.get(section) or TOPICS[topic]
            for fault in (*_placeholders(template, *needed), *_text(template)):
                yield f"{where}: {fault}"


def _placeholders(template: str, one_of: tuple[str, ...], also: tuple[str, ...]) -> Iterator[str]:
    names = PLACEHOLDER.findall(template)
    for name in dict.fromkeys(names):
        if name not in (*one_of, *also):
            yield f"unknown placeholder {{{name}}}"
        elif names.count(name) > 1:
            yield f"{{{name}}} stands there twice (two wordings in one?)"
    found = {name for name in names if name in one_of}
    if one_of and not found:
        yield f"it has none of {', '.join(f'{{{name}}}' for name in one_of)}"
    if len(found) > 1:
        yield f"it has more than one of {', '.join(f'{{{name}}}' for name in one_of)}"


def _text(template: str) -> Iterator[str]:
    if not template.strip():
        yield "it is empty"
        return
    for pattern, fault in _RULES:
        if pattern.search(template):
            yield fault
    bare = PLACEHOLDER.sub("", template)
    if re.search(r"[,;](?=[A-Za-z{])|[?!:](?=[A-Za-z])", _INSIDE.sub("", template)):
        yield "no space after a mark"
    if bare.count('"') % 2 or _APOSTROPHE.sub("", template).count("'") % 2 or bare.count("“") != bare.count("”"):
        yield "a stray quote"
    if bare.count("```") % 2:
        yield "a fence that is not closed"
    if not _closes(bare):
        yield "brackets that do not match"
    if not _tags_match(bare):
        yield "tags that do not match"
    if any(key not in _EXAMPLE_KEYS for key in _DICTIONARY.findall(bare)):
        yield "a dictionary is printed into it"


def _closes(text: str) -> bool:
    stack: list[str] = []
    for mark in re.findall(r"[()\[\]{}]", text):
        if mark not in _PAIRS:
            stack.append(mark)
        elif not stack or stack.pop() != _PAIRS[mark]:
            return False
    return not stack


def _tags_match(text: str) -> bool:
    stack: list[str] = []
    for slash, name in _TAG.findall(text):
        if not slash:
            stack.append(name)
        elif not stack or stack.pop() != name:
            return False
    return not stack
