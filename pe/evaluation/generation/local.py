"""Answers of a model that runs here, through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from pe.engines.devices import free_cached_memory, is_out_of_memory
from pe.errors import InputError, PeError, SampleError
from pe.evaluation.generation.lines import Line, answered, failed
from pe.evaluation.generation.rows import Item
from pe.evaluation.generation.settings import GenerationSettings
from pe.evaluation.vlm import Vlm, answer_text, check_seen, end_tokens, media_tokens, messages_of
from pe.shards.pictures import load_picture
from pe.shards.sources.base import Meta


class LocalModel:
    """Makes the answers of one batch after the other.

    An answer is drawn by numbers of its own (see draw.py) and otherwise the likeliest one; nothing of the checkpoint's
    generation settings is used but its end tokens. The picture's own tokens cannot come out.
    """

    def __init__(self, vlm: Vlm, settings: GenerationSettings) -> None:
        import transformers

        self._vlm = vlm
        self._settings = settings
        self._most = settings.batch_size
        self._made = False
        tokenizer = vlm.tokenizer
        self._ends = end_tokens(vlm.model, tokenizer)
        pad = tokenizer.pad_token_id
        self._config = transformers.GenerationConfig(
            max_new_tokens=settings.max_new_tokens,
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            temperature=1.0,
            top_p=1.0,
            top_k=50,  # transformers' default: another value makes it warn that nothing is sampled
            eos_token_id=sorted(self._ends) or None,
            pad_token_id=min(self._ends, default=0) if pad is None else pad,
            suppress_tokens=media_tokens(vlm) or None,
        )

    def answer(self, items: Sequence[Item]) -> list[Line]:
        """A line an item, in order.

        A picture that cannot be decoded, or that the model does not take, has an `error` and an empty response. A batch
        that does not fit into memory is halved, and so are those that follow; an answer that does not fit alone is an
        error of its own, unless none was ever made: then PeError. Raises InputError when the model takes no picture.
        """
        pictures: dict[str, Image.Image | SampleError] = {}
        for item in items:
            if item.row.key not in pictures:
                pictures[item.row.key] = self._picture(item)
        lines: dict[int, Line] = {}
        good: list[int] = []
        for index, item in enumerate(items):
            picture = pictures[item.row.key]
            if isinstance(picture, SampleError):
                lines[index] = failed(item, str(picture))
            else:
                good.append(index)
        for start in range(0, len(good), self._most):
            part = good[start : start + self._most]
            found = self._halving([(items[index], pictures[items[index].row.key]) for index in part])
            lines.update(zip(part, found, strict=True))
        return [lines[index] for index in range(len(items))]

    def _picture(self, item: Item) -> Image.Image | SampleError:
        try:
            picture = load_picture(item.image, source=item.row.key, meta=Meta(), source_sha256=item.row.sha256)
            check_seen(self._vlm.processor, item.row)
        except SampleError as error:
            return error
        return picture.image.convert("RGB")

    def _halving(self, asked: list[tuple[Item, Any]]) -> list[Line]:
        try:
            return self._generate(asked)
        except ValueError as error:  # what a processor does not take, such as sides of 200 to 1
            reason = f"refused: {' '.join(str(error).split())[:200]}"
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = "out_of_memory"
        # Only here, after the exception and the tensors that it holds are gone, is there memory to give back.
        if reason == "out_of_memory":
            free_cached_memory()
            self._most = max(1, len(asked) // 2)
        if len(asked) == 1:
            if reason == "out_of_memory" and not self._made:
                raise PeError("the model runs out of memory on a single answer: use a smaller one, or another device")
            if not self._made:
                self._probe(asked[0][0], reason)
            return [failed(asked[0][0], reason)]
        half = len(asked) // 2
        return self._halving(asked[:half]) + self._halving(asked[half:])

    def _probe(self, item: Item, reason: str) -> None:
        """Raise unless a plain gray picture is answered: else it is not the picture that is bad."""
        try:
            self._generate([(item, Image.new("RGB", (224, 224), "gray"))])
        except ValueError:
            name = self._vlm.info.model
            raise InputError(f"{name} answers nothing, not even about a plain gray picture ({reason})") from None

    def _generate(self, asked: list[tuple[Item, Any]]) -> list[Line]:
        import torch

        from pe.evaluation.generation.draw import drawing

        chats = [_with_picture(messages_of(item.row), picture) for item, picture in asked]
        inputs = self._vlm.processor.apply_chat_template(
            chats,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(self._vlm.model.device, dtype=self._vlm.model.dtype)
        start = inputs["input_ids"].shape[1]
        draw = drawing(self._settings, [(item.row.key, item.number) for item, _ in asked], start)
        with torch.inference_mode():
            tokens = self._vlm.model.generate(**inputs, generation_config=self._config, logits_processor=draw)
        self._made = True
        return [self._line(item, row) for (item, _), row in zip(asked, tokens[:, start:].tolist(), strict=True)]

    def _line(self, item: Item, tokens: list[int]) -> Line:
        text = answer_text(self._vlm.tokenizer, tokens, self._ends)
        end = next((place for place, token in enumerate(tokens) if token in self._ends), None)
        made = len(tokens) if end is None else end + 1
        return answered(item, text, tokens=made, truncated=end is None)


def _with_picture(chat: list[dict[str, Any]], picture: Any) -> list[dict[str, Any]]:
    return [
        {**message, "content": [{**part, "image": picture} if part["type"] == "image" else part for part in parts]}
        for message in chat
        for parts in [message["content"]]
    ]
