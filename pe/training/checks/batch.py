"""The first batch as the model gets it, read back from its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pe.errors import InputError
from pe.evaluation.vlm import answer_text
from pe.schemas.sample import Sample
from pe.training.settings import SftStage


@dataclass(frozen=True)
class Input:
    """One row of the batch: `text` is all its tokens decoded, runs of picture tokens as their number; `answer` is what
    the loss is taken of (sft), or the gold text after a way through the tokenizer (rl). `tokens` are those of the text.
    """

    text: str
    answer: str
    tokens: int
    picture_tokens: int


def read_batch(
    examples: Sequence[dict[str, Any]], samples: Sequence[Sample], stage: Any, processor: Any, picture_ids: set[int]
) -> list[Input]:
    """The batch that `examples` of `samples` become, tokenised as TRL's trainers do, and read back.

    Raises InputError for rows that the processor does not take, for one whose prompt has no token of a picture, and
    for an sft row whose labels are not its answer and the marks that end it.
    """
    supervised = isinstance(stage, SftStage)
    try:
        batch = _collate(examples, processor) if supervised else _prompts(examples, processor)
    except ValueError as error:  # of transformers, for one where the template leaves the picture out
        text = " ".join(str(error).split())[:300]
        raise InputError(f"{samples[0].key} and what follows: not a batch for this model: {text}") from error
    found = []
    for row, sample in enumerate(samples):
        pairs = zip(batch["input_ids"][row], batch["attention_mask"][row], strict=True)
        ids = [int(token) for token, seen in pairs if seen]
        pictures = sum(token in picture_ids for token in ids)
        if picture_ids and not pictures:
            raise InputError(
                f"{sample.key}: no token of the picture is in the prompt: the chat template of this model leaves it out"
            )
        if supervised:
            labels = [int(token) for token in batch["labels"][row] if int(token) != -100]
            answer = _checked(labels, examples[row]["completion"], sample, processor.tokenizer)
        else:
            answer = round_trip(processor.tokenizer, sample.gold_text)
        found.append(Input(_read(ids, picture_ids, processor.tokenizer), answer, len(ids), pictures))
    return found


def round_trip(tokenizer: Any, text: str) -> str:
    """`text` as tokens, decoded as rollouts are."""
    return answer_text(tokenizer, tokenizer.encode(text, add_special_tokens=False), ())


def _collate(examples: Sequence[dict[str, Any]], processor: Any) -> Any:
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    collate = DataCollatorForVisionLanguageModeling(processor, max_length=None, completion_only_loss=True)
    return collate([dict(example) for example in examples])


def _prompts(examples: Sequence[dict[str, Any]], processor: Any) -> Any:
    from trl.data_utils import prepare_multimodal_messages

    prompts = [prepare_multimodal_messages(example["prompt"], images=example["images"]) for example in examples]
    options = {"padding": True, "padding_side": "left"}
    return processor.apply_chat_template(
        prompts, add_generation_prompt=True, tokenize=True, return_dict=True, processor_kwargs=options
    )


def _checked(labels: list[int], completion: Any, sample: Sample, tokenizer: Any) -> str:
    """The text of `labels` without marks, once they are known to be the answer, whole and alone."""
    wanted = "".join(part.get("text", "") for message in completion for part in message["content"])
    text = tokenizer.decode(labels, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    before, found, after = text.partition(wanted.strip())
    special = set(tokenizer.all_special_ids)
    rest = [*_ids(tokenizer, before), *_ids(tokenizer, after)]
    if not found or any(token not in special and tokenizer.decode([token]).strip() for token in rest):
        raise InputError(
            f"{sample.key}: the loss is not taken of its answer alone: the answer is {wanted[:120]!r}, the labels read "
            f"{text[:120]!r}: this model's chat template does not go with TRL's collator"
        )
    return wanted


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False)) if text else []


def _read(ids: Sequence[int], picture_ids: set[int], tokenizer: Any) -> str:
    """The text of `ids`; a run of tokens of a picture as "[picture: 9 tokens]"."""
    parts: list[str] = []
    start = 0
    while start < len(ids):
        end, picture = start, ids[start] in picture_ids
        while end < len(ids) and (ids[end] in picture_ids) == picture:
            end += 1
        piece = tokenizer.decode(ids[start:end], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        parts.append(f"[picture: {end - start:,} tokens]" if picture else piece)
        start = end
    return "".join(parts)
