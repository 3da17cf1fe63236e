"""Captions from any OpenAI-compatible endpoint (vLLM, SGLang, transformers serve, a hosted one)."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from pe.annotators.base import AdapterSettings, Caption, Captioner, Instance, ModelInfo
from pe.annotators.captioners._replies import Replies
from pe.annotators.captioners._vlm import LONGEST, PROMPT, region, region_prompt, tidy, whole
from pe.errors import InputError, SampleError, TryLater
from pe.registry import require
from pe.shards.pictures import Picture

__all__ = ["OpenAI"]

RETRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
MAX_BYTES = 1 << 20
_RETRIED = {408, 409, 425, 429}


class _Rejected(Exception):
    """The endpoint refuses one request, or (`server`) fails on it each time."""

    def __init__(self, problem: str, *, server: bool = False) -> None:
        self.server = server
        super().__init__(problem)


class OpenAI(Captioner):
    """One request a picture, and one a region when asked, `settings.concurrency` at a time; replies are cached.

    Pictures are sent as the bytes they are stored as (larger than 1536 pixels or other than gray and RGB: as JPEG), to
    `settings.url` and nowhere else: no redirects, no URL from a record. The key is $OPENAI_API_KEY.
    """

    def __init__(self, settings: AdapterSettings) -> None:
        super().__init__(settings)
        require("the openai captioner", "openai", "openai")
        parts = urlsplit(settings.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(
                f"the openai captioner needs --captioner-url, such as http://localhost:8000/v1, not {settings.url!r}"
            )
        self._shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        self._replies = Replies(settings.cache)
        self._model = settings.model or asyncio.run(self._only_model())

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
        async with self._client() as client:

            async def ask(prompt: str, encode: Callable[[], str]) -> str | SampleError:
                async with slots:
                    try:
                        return await self._ask(client, prompt, await asyncio.to_thread(encode))
                    except SampleError as error:
                        return error

            async def one(picture: Picture, found: Sequence[Instance]) -> Caption | SampleError:
                questions = [ask(self.settings.prompt or PROMPT, lambda: _picture_uri(picture))]
                if self.settings.region_captions:
                    questions += [
                        ask(region_prompt(item), lambda item=item: _jpeg_uri(region(picture, item)))  # type: ignore[misc]
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
            answer = await self._chat(client, request)
        except _Rejected as error:
            await self._probe(client, request)
            raise SampleError("caption", f"the endpoint turns it down: {error}") from error
        try:
            choice = answer["choices"][0]
            message = choice["message"]
            reply = {name: message.get(name) for name in ("content", "refusal")}
            reply["finish_reason"] = choice.get("finish_reason")
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise SampleError("caption", "the endpoint's reply has no message in it") from error
        text = _text(reply)
        self._replies.put(request, reply)
        return text

    async def _chat(self, client: Any, request: dict[str, Any]) -> Any:
        return await self._retried(lambda: _bounded(client.chat.completions.with_streaming_response.create(**request)))

    async def _probe(self, client: Any, request: dict[str, Any]) -> None:
        """Raise unless the endpoint takes a plain gray picture: else it is not the rejected picture that is bad."""
        content = [{"type": "image_url", "image_url": {"url": _jpeg_uri(Image.new("RGB", (224, 224), "gray"))}}]
        content += request["messages"][0]["content"][1:]
        try:
            await self._chat(client, {**request, "messages": [{"role": "user", "content": content}], "max_tokens": 8})
        except _Rejected as error:
            if error.server:
                raise TryLater(
                    f"{self._shown} fails on every picture ({error}): check its log, then run again"
                ) from error
            raise InputError(
                f"{self._shown} turns every picture down ({error}): check that {self._model} takes pictures"
            ) from error

    async def _only_model(self) -> str:
        try:
            async with self._client() as client:
                answer = await self._retried(lambda: _bounded(client.models.with_streaming_response.list()))
            names = sorted(str(item["id"]) for item in answer["data"])
        except (_Rejected, SampleError, KeyError, TypeError) as error:
            raise InputError(f"{self._shown} does not list its models: name one with --captioner-model") from error
        if len(names) != 1:
            raise InputError(
                f"{self._shown} serves {len(names)} models, name one with --captioner-model: {', '.join(names[:20])}"
            )
        return names[0]

    def _client(self) -> Any:
        import openai

        return openai.AsyncOpenAI(
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            base_url=self.settings.url,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=self.settings.timeout),
        )

    async def _retried(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What `call` returns; its failures as this project's errors, after retries where the server may recover."""
        import openai

        problem = ""
        wait = 0.0
        for attempt in range(RETRIES + 1):
            await asyncio.sleep(wait if attempt else 0)
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
            try:
                async with asyncio.timeout(self.settings.timeout):
                    return await call()
            except openai.APIStatusError as error:
                problem = f"{error.status_code} {_short(str(error.message))}"
                if error.status_code >= 500 or error.status_code in _RETRIED:
                    wait = _retry_after(error.response.headers.get("retry-after"), wait)
                elif error.status_code in (401, 403):
                    raise InputError(f"{self._shown} turned the key down ({problem}): check OPENAI_API_KEY") from error
                elif error.status_code == 404 or error.status_code < 400:
                    raise InputError(
                        f"{self._shown} has no such model or address ({problem}): check --captioner-model, and that "
                        "--captioner-url ends where the API begins (usually /v1)"
                    ) from error
                else:
                    raise _Rejected(problem) from error
                if error.status_code == 500 and attempt == RETRIES:
                    raise _Rejected(problem, server=True) from error
            except (openai.APITimeoutError, TimeoutError):
                problem = f"no answer within {self.settings.timeout:g} s"
            except (openai.APIConnectionError, ConnectionError) as error:
                problem = _short(str(error.__cause__ or error) or type(error).__name__)
            except ValueError:
                problem = "its reply is not JSON"
        raise TryLater(
            f"{self._shown} does not answer ({problem}; {RETRIES + 1} attempts): check that the server is up and the "
            "address right, then run the same command again"
        )


async def _bounded(opening: Any) -> Any:
    """The JSON of a streamed response; ValueError if it is none, SampleError if it is over 1 MiB."""
    body = bytearray()
    async with opening as response:
        try:
            async for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    break
        except Exception as error:  # httpx's or httpx2's, whichever this openai stands on
            raise ConnectionError(f"the reply broke off: {type(error).__name__}") from error
    if len(body) > MAX_BYTES:
        raise SampleError("caption", f"the endpoint's reply is over {MAX_BYTES} bytes")
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _text(reply: dict[str, Any]) -> str:
    if reply.get("refusal") or reply.get("finish_reason") == "content_filter":
        raise SampleError("caption", f"the model refused: {_short(str(reply.get('refusal') or 'content filter'))}")
    content = reply.get("content")
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return tidy(content if isinstance(content, str) else "", cut=reply.get("finish_reason") == "length")


def _retry_after(header: str | None, wait: float) -> float:
    try:
        return min(max(float(header or wait), 0.0), LONGEST_WAIT)
    except ValueError:
        return wait


def _short(text: str) -> str:
    return " ".join(text[:2000].split())[:200]


def _picture_uri(picture: Picture) -> str:
    if max(picture.width, picture.height) > LONGEST or picture.image.mode not in ("RGB", "L"):
        return _jpeg_uri(whole(picture))
    return _uri(picture.data, picture.format.lower())


def _jpeg_uri(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92, subsampling=0)
    return _uri(out.getvalue(), "jpeg")


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
