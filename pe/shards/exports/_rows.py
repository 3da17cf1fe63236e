"""What the layouts of training rows share: the messages of a row, checked, and its scalar columns."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from pe.schemas.sample import Sample
from pe.shards.exports._base import LeftOut

IMAGE_MARK = "<image>"
_OTHER_MARKS = ("<video>", "<audio>")

Message = dict[str, str]

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def messages(sample: Sample) -> list[Message]:
    """The messages of an sft or rl sample.

    Raises LeftOut unless they are role and text, hold one image mark and no mark of another medium (verl, ms-swift and
    LLaMA-Factory would look for one), and end as their kind does: an sft row with the answer, an rl row with the
    question.
    """
    try:
        value = json.loads(sample.messages_json)
    except ValueError:
        value = None
    if not isinstance(value, list) or not value or not all(map(_is_message, value)):
        raise LeftOut("rows whose messages are not role and text")
    if sum(message["content"].count(IMAGE_MARK) for message in value) != 1:
        raise LeftOut("rows with another number of image marks than one image")
    if any(mark in message["content"] for message in value for mark in _OTHER_MARKS):
        raise LeftOut("rows whose text has a <video> or <audio> mark")
    if value[-1]["role"] != ("assistant" if sample.kind == "sft" else "user"):
        raise LeftOut("rows that do not end with " + ("an answer" if sample.kind == "sft" else "a question"))
    return [{"role": message["role"], "content": message["content"]} for message in value]


def without_mark(found: list[Message]) -> list[Message]:
    """`found` without the image mark, for trainers that put the image there themselves."""
    return [{**message, "content": _unmarked(message["content"])} for message in found]


def scalars(sample: Sample) -> dict[str, Any]:
    """What a reward needs of a row besides its messages, flat; see SCALARS."""
    return {
        "key": sample.key,
        "data_source": sample.data_source,
        "ability": sample.ability,
        "verifier": sample.verifier.name,
        "params_json": sample.verifier.params_json,
        "style": sample.reward_model.style,
        "ground_truth": sample.reward_model.ground_truth,
        "weights_json": sample.reward_model.weights_json,
        "gold_text": sample.gold_text,
        "ceilings_json": sample.ceilings_json,
        "width": sample.width,
        "height": sample.height,
        "input_width": sample.input_width,
        "input_height": sample.input_height,
        "token_count": sample.token_count,
    }


_NUMBERS = ("width", "height", "input_width", "input_height", "token_count")
SCALARS = [
    (name, pa.int64() if name in _NUMBERS else pa.string())
    for name in (
        *("key", "data_source", "ability", "verifier", "params_json", "style", "ground_truth", "weights_json"),
        *("gold_text", "ceilings_json", *_NUMBERS),
    )
]
"""Names and types of `scalars`, in order."""


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("role", "content"))


def _unmarked(text: str) -> str:
    before, mark, after = text.partition(IMAGE_MARK)
    return before + after.removeprefix("\n") if mark else text
