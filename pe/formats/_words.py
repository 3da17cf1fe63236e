"""The words around an answer: thinking, answer tags, end tokens, and ways to say that nothing is there."""

from __future__ import annotations

import re

from pe.formats._reading import Reading

_ENDS = ("<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "</s>", "<|end|>")
_MOST_ENDS = 64
_LONGEST_REFUSAL = 800
_BARE = frozenset(
    [
        "none",
        "null",
        "nothing",
        "n/a",
        "no",
        "empty",
        "not found",
        "not present",
        "not visible",
        "absent",
        "nothing found",
        "没有",
        "无",
    ]
)
_OPENING = re.compile(
    r"(?:none|nothing|there (?:is|are|was|were) (?:no|none|nothing|not any)|there (?:isn't|aren't))\b"
)
_NO_THING = re.compile(
    r"no (?:such )?(?:objects?|targets?|instances?|match(?:es)?|results?|detections?|points?|boxes)\b"
)
_NEGATION = re.compile(r"\b(?:no|not|none|cannot|unable|nothing)\b|n't\b|没有")
_PAIR = re.compile(r"\d\s{0,4},\s{0,4}\d|[\[(<]\s{0,4}\d")
_SEEING = re.compile(
    r"\b(?:contain|show|have|include|appear|exist|depict|see|find|locate|detect|spot|identify|point|present|visible|"
    r"found|detected|shown|in th(?:e|is) (?:image|picture|photo|scene|video|frame))"
)


def says_none(text: str) -> bool:
    """Whether a short `text` says, in its first sentence, that what was asked for is not there."""
    if len(text) > 4 * _LONGEST_REFUSAL:
        return False
    text = text.strip()
    if text.startswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    if not text or len(text) > _LONGEST_REFUSAL:
        return False
    said = re.split(r"[.!。]\s|[.!。]$|\n", text.strip(" []{}()'\"`*\t\n").lower(), maxsplit=1)[0].replace("’", "'")
    if said in _BARE or not said:
        return said in _BARE or not text.strip(" []{}()`\n\t") or text.replace(" ", "") in ("['']", '[""]')
    if _PAIR.search(text):
        return False
    if _OPENING.match(said) or _NO_THING.match(said):
        return True
    if said.startswith("no ") and text[0] not in "[{('\"" and len(said.split()) <= 4:
        return True
    return _NEGATION.search(said) is not None and _SEEING.search(said) is not None


def unwrap(text: str, reading: Reading) -> str:
    """`text` without its thinking (which becomes `reading.thought`), its last `<answer>` tags and its end token.

    Thinking that does not end means that the answer is missing. An answer that is not closed is taken to the end.
    """
    text = strip_end(text)
    think = text.rfind("</think>")
    answer = text.rfind("<answer>")
    if answer < 0:
        if think < 0 and text.lstrip().startswith("<think>"):
            reading.thought = text.lstrip()[len("<think>") :].strip()
            reading.begun = True
            reading.cut("the thinking does not end")
            return ""
        head, body = (text[:think], text[think + len("</think>") :]) if think >= 0 else ("", text)
    elif answer < think and text[think + len("</think>") :].strip():
        head, body = text[:think], text[think + len("</think>") :]
    else:
        head, body = text[:answer], text[answer + len("<answer>") :]
        end = body.find("</answer>")
        if end >= 0:
            body = body[:end]
        else:
            body = body.removesuffix("</answer").removesuffix("</")
            reading.repair("the answer tag is not closed")
    reading.thought = _between(head)
    return body


def think_answer(thought: str, body: str) -> str:
    """`body` in answer tags after `thought` in think tags, each on lines of its own (V-Triune, VLM-R1)."""
    return f"<think>\n{thought}\n</think>\n<answer>\n{body}\n</answer>"


def strip_end(text: str) -> str:
    """`text` without white space and end tokens at its end."""
    end = len(text)
    for _ in range(_MOST_ENDS):
        while end and text[end - 1].isspace():
            end -= 1
        mark = next((mark for mark in _ENDS if text.endswith(mark, 0, end)), "")
        end -= len(mark)
        if not mark:
            break
    return text[:end]


def _between(head: str) -> str:
    start = head.rfind("<think>")
    head = head[start + len("<think>") :] if start >= 0 else head
    end = head.find("</think")
    return (head[:end] if end >= 0 else head).strip()
