"""Captions from any OpenAI-compatible endpoint (vLLM, SGLang, transformers serve, a hosted one)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

from pe.annotators.base import AdapterSettings, Caption, Captioner, Instance, ModelInfo
from pe.annotators.captioners._replies import Replies
from pe.annotators.captioners._vlm import LONGEST, PROMPT, region, region_prompt, tidy, whole
from pe.annotators.endpoint import Endpoint, Rejected, data_uri, jpeg_uri, message_of, short
from pe.errors import SampleError
from pe.shards.pictures import Picture

__all__ = ["OpenAI"]


class OpenAI(Captioner):
    """One request a picture, and one a region when asked, `settings.concurrency` at a time; replies are cached.

    Pictures are sent as the bytes they are stored as (larger than 1536 pixels or other than gray and RGB: as JPEG), to
    `settings.url` and nowhere else: no redirects, no URL from a record. The key is $OPENAI_API_KEY.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(settings)
        self._endpoint = Endpoint(
            "the openai captioner", settings.url, settings.timeout, url="--captioner-url", model="--captioner-model"
        )
        self._replies = Replies(settings.cache)
        self._model = settings.model or asyncio.run(self._endpoint.only_model())

    @property
    def info(self) -> ModelInfo:
        """The model as the server names it; of a path, its last part."""
        is_path = self._model.startswith(("/", ".", "~")) or "\\" in self._model
        return ModelInfo("openai", PurePath(self._model.replace("\\", "/")).name if is_path else self._model)

    def caption(
        self, pictures: Sequence[Picture], instances: Sequence[Sequence[Instance]]
    ) -> list[Caption | SampleError]:
        """One Caption per picture in order; SampleError "caption" for an empty, refused or rejected one, and
        for one that the server fails on (500) while it takes a plain gray picture.

        A region without a usable reply is the empty string. Raises TryLater when the endpoint does not answer after
        five retries, InputError when it turns the key, the address, the model or every picture down.
        """
        return asyncio.run(self._caption_all(pictures, instances))

    async def _caption_all(
        self, pictures: Sequence[Picture], instances: Sequence[Sequence[Instance]]
    ) -> list[Caption | SampleError]:
        slots = asyncio.Semaphore(self.settings.concurrency)
        async with self._endpoint.client() as client:

            async def ask(prompt: str, encode: Callable[[], str]) -> str | SampleError:
                async with slots:
                    try:
                        return await self._ask(client, prompt, await asyncio.to_thread(encode))
                    except SampleError as error:
                        return SampleError("caption", error.detail)

            async def one(picture: Picture, found: Sequence[Instance]) -> Caption | SampleError:
                questions = [ask(self.settings.prompt or PROMPT, lambda: _picture_uri(picture))]
                if self.settings.region_captions:
                    questions += [
                        ask(region_prompt(item), lambda item=item: jpeg_uri(region(picture, item)))  # type: ignore[misc]
                        for item in found
                    ]
                text, *regions = await asyncio.gather(*questions)
                if isinstance(text, SampleError):
                    return text
                return Caption(text, ["" if isinstance(reply, SampleError) else reply for reply in regions])

            return await asyncio.gather(*[one(*pair) for pair in zip(pictures, instances, strict=True)])

    async def _ask(self, client: Any, prompt: str, uri: str) -> str:
        """The tidied reply to one question about one image."""
        content = [{"type": "image_url", "image_url": {"url": uri}}, {"type": "text", "text": prompt}]
        request = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "max_tokens": self.settings.max_tokens,
            "temperature": 0,
            "seed": 0,
        }
        reply = self._replies.get(request)
        if reply is not None:
            with contextlib.suppress(SampleError):  # such are never kept, so this one is damaged
                return _text(reply)
        try:
            answer = await self._endpoint.chat(client, request)
        except Rejected as error:
            await self._endpoint.probe(client, request)
            raise SampleError("caption", f"the endpoint turns it down: {error}") from error
        message, finish = message_of(answer)
        reply = {name: message.get(name) for name in ("content", "refusal")} | {"finish_reason": finish}
        text = _text(reply)
        self._replies.put(request, reply)
        return text


def _text(reply: dict[str, Any]) -> str:
    if reply.get("refusal") or reply.get("finish_reason") == "content_filter":
        raise SampleError("caption", f"the model refused: {short(str(reply.get('refusal') or 'content filter'))}")
    content = reply.get("content")
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return tidy(content if isinstance(content, str) else "", cut=reply.get("finish_reason") == "length")


def _picture_uri(picture: Picture) -> str:
    if max(picture.width, picture.height) > LONGEST or picture.image.mode not in ("RGB", "L"):
        return jpeg_uri(whole(picture))
    return data_uri(picture.data, picture.format.lower())
