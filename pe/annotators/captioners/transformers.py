"""Captions from a local vision-language model through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from pe.annotators._pretrained import load_model, reading
from pe.annotators.base import AdapterSettings, Caption, Captioner, Instance, ModelInfo, equal_batches
from pe.annotators.captioners._vlm import PROMPT, region, region_prompt, tidy, whole
from pe.annotators.checkpoints import resolve
from pe.errors import InputError, ModelError, SampleError
from pe.registry import require
from pe.shards.pictures import Picture

__all__ = ["Transformers"]

Question = tuple[Image.Image, str]


class Transformers(Captioner):
    """Greedy captions by any model of AutoModelForImageTextToText whose processor has a chat template.

    `settings.model` is a folder or a hub id. Images share a batch when their sizes and prompts are equal, so that
    nothing is padded and a caption does not depend on what it shares a batch with.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(settings)
        require("the transformers captioner", "models", "torch", "torchvision", "transformers")
        if not settings.model:
            raise InputError("the transformers captioner needs --captioner-model: a folder or a hub id")
        import transformers

        checkpoint = resolve("transformers", settings.model)
        self._info = checkpoint.info
        if not checkpoint.path.is_dir():
            raise ModelError(f"{checkpoint.path}: not a folder with config.json, weights and a processor")
        with reading(self._info.model):
            self._processor = transformers.AutoProcessor.from_pretrained(checkpoint.path, local_files_only=True)
        if not getattr(self._processor, "chat_template", None) or not hasattr(self._processor, "image_processor"):
            raise ModelError(f"{self._info.model}: its processor has no chat template for images")
        self._processor.tokenizer.padding_side = "left"
        self._model: Any = load_model(transformers.AutoModelForImageTextToText, checkpoint, settings)

    @property
    def info(self) -> ModelInfo:
        """The checkpoint the captions come from."""
        return self._info

    def caption(
        self, pictures: Sequence[Picture], instances: Sequence[Sequence[Instance]]
    ) -> list[Caption | SampleError]:
        """One Caption per picture in order; SampleError "caption" for an empty or refused one, or a picture that the
        model's processor does not take. A region without a usable reply is the empty string.
        """
        questions: list[Question] = []
        for picture, found in zip(pictures, instances, strict=True):
            questions.append((whole(picture), self.settings.prompt or PROMPT))
            if self.settings.region_captions:
                questions += [(region(picture, item), region_prompt(item)) for item in found]
        replies: list[str | SampleError] = [""] * len(questions)
        keys = [(image.size, prompt) for image, prompt in questions]
        for batch in equal_batches(keys, self.settings.batch_size):
            for index, reply in zip(batch, self._answer([questions[index] for index in batch]), strict=True):
                replies[index] = reply
        rest = iter(replies)
        results: list[Caption | SampleError] = []
        for found in instances:
            text = next(rest)
            regions = [next(rest) for _ in found] if self.settings.region_captions else []
            kept = ["" if isinstance(reply, SampleError) else reply for reply in regions]
            results.append(text if isinstance(text, SampleError) else Caption(text, kept))
        return results

    def _answer(self, questions: Sequence[Question]) -> list[str | SampleError]:
        import torch

        chats = [
            [{"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": prompt}]}]
            for image, prompt in questions
        ]
        try:
            inputs = self._processor.apply_chat_template(
                chats, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            )
        except ValueError as error:  # Qwen's, for one, refuses sides of more than 200 to 1
            return [SampleError("caption", f"the model does not take it: {str(error)[:200]}")] * len(questions)
        inputs = inputs.to(self._model.device, dtype=self._model.dtype)
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, do_sample=False, max_new_tokens=self.settings.max_tokens)
        tokens = tokens[:, inputs["input_ids"].shape[1] :]
        texts = self._processor.batch_decode(tokens, skip_special_tokens=True)
        return [_tidied(text, cut=self._cut(row)) for text, row in zip(texts, tokens.tolist(), strict=True)]

    def _cut(self, row: list[int]) -> bool:
        """Whether a reply ended at the token limit and not by itself."""
        ends = self._model.generation_config.eos_token_id
        ends = {ends} if isinstance(ends, int) else set(ends or ())
        return len(row) >= self.settings.max_tokens and not ends.intersection(row)


def _tidied(text: str, *, cut: bool) -> str | SampleError:
    try:
        return tidy(text, cut=cut)
    except SampleError as error:
        return error
