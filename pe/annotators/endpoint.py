"""Any OpenAI-compatible endpoint (vLLM, SGLang, transformers serve, a hosted one): requests and retries."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

from pe.errors import InputError, SampleError, TryLater
from pe.registry import require

RETRIES = 5
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
MAX_BYTES = 1 << 20
_RETRIED = {408, 409, 425, 429}


class Rejected(Exception):
    """The endpoint refuses one request, or (`server`) fails on it each time."""

    def __init__(self, problem: str, *, server: bool = False) -> None:
        self.server = server
        super().__init__(problem)


class Endpoint:
    """One server, asked with the key of $OPENAI_API_KEY; nothing is sent anywhere else: no redirects.

    `what` needs it, with `timeout` seconds a request; `url` and `model` are what the user knows the address and the
    model by, for messages. Raises InputError for an address that is none, MissingExtra without the openai package.
    """

    def __init__(self, what: str, address: str, timeout: float, *, url: str, model: str) -> None:
        require(what, "openai", "openai")
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{what} needs {url}, such as http://localhost:8000/v1, not {address!r}")
        self.shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        self._address = address
        self._timeout = timeout
        self._url_word = url
        self._model_word = model

    def client(self) -> Any:
        """The client for `chat`, to be used in one `async with`."""
        import openai

        return openai.AsyncOpenAI(
            api_key=os.environ.get("OPENAI_API_KEY") or "none",
            base_url=self._address,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=self._timeout),
        )

    async def chat(self, client: Any, request: dict[str, Any]) -> Any:
        """The JSON that answers a chat completion `request`.

        Raises Rejected when it is turned down, SampleError "reply" when it is too long, TryLater when there is none
        after five retries, InputError for a bad key, address or model.
        """
        return await self._retried(lambda: _bounded(client.chat.completions.with_streaming_response.create(**request)))

    async def probe(self, client: Any, request: dict[str, Any]) -> None:
        """Raise unless the endpoint takes a plain gray picture: else it is not the rejected picture that is bad.

        `request` is the one that was rejected.
        """
        gray = {"type": "image_url", "image_url": {"url": jpeg_uri(Image.new("RGB", (224, 224), "gray"))}}
        messages = [{**message, "content": _with_pictures(message["content"], gray)} for message in request["messages"]]
        try:
            await self.chat(client, {**request, "messages": messages, "max_tokens": 8})
        except Rejected as error:
            if error.server:
                raise TryLater(
                    f"{self.shown} fails on every picture ({error}): check its log, then run again"
                ) from error
            raise InputError(
                f"{self.shown} turns every picture down ({error}): check that {request['model']} takes pictures"
            ) from error

    async def only_model(self) -> str:
        """The name of the one model that is served. Raises InputError when there are several."""
        try:
            async with self.client() as client:
                answer = await self._retried(lambda: _bounded(client.models.with_streaming_response.list()))
            names = sorted(str(item["id"]) for item in answer["data"])
        except (Rejected, SampleError, KeyError, TypeError) as error:
            raise InputError(f"{self.shown} does not list its models: name one with {self._model_word}") from error
        if len(names) != 1:
            raise InputError(
                f"{self.shown} serves {len(names)} models, name one with {self._model_word}: {', '.join(names[:20])}"
            )
        return names[0]

    async def _retried(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """What `call` returns; its failures as this project's errors, after retries where the server may recover."""
        import openai

        problem = ""
        wait = 0.0
        for attempt in range(RETRIES + 1):
            await asyncio.sleep(wait if attempt else 0)
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
            try:
                async with asyncio.timeout(self._timeout):
                    return await call()
            except openai.APIStatusError as error:
                problem = f"{error.status_code} {short(str(error.message))}"
                if error.status_code >= 500 or error.status_code in _RETRIED:
                    wait = _retry_after(error.response.headers.get("retry-after"), wait)
                elif error.status_code in (401, 403):
                    raise InputError(f"{self.shown} turned the key down ({problem}): check OPENAI_API_KEY") from error
                elif error.status_code == 404 or error.status_code < 400:
                    raise InputError(
                        f"{self.shown} has no such model or address ({problem}): check {self._model_word}, and that "
                        f"{self._url_word} ends where the API begins (usually /v1)"
                    ) from error
                else:
                    raise Rejected(problem) from error
                if error.status_code == 500 and attempt == RETRIES:
                    raise Rejected(problem, server=True) from error
            except (openai.APITimeoutError, TimeoutError):
                problem = f"no answer within {self._timeout:g} s"
            except (openai.APIConnectionError, ConnectionError) as error:
                problem = short(str(error.__cause__ or error) or type(error).__name__)
            except ValueError:
                problem = "its reply is not JSON"
        raise TryLater(
            f"{self.shown} does not answer ({problem}; {RETRIES + 1} attempts): check that the server is up and the "
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
        raise SampleError("reply", f"the endpoint's reply is over {MAX_BYTES} bytes")
    try:
        return json.loads(body)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def message_of(answer: Any) -> tuple[dict[str, Any], Any]:
    """The message of a chat completion and why it ended. Raises SampleError "reply" when there is none in it."""
    try:
        choice = answer["choices"][0]
        return dict(choice["message"]), choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise SampleError("reply", "the endpoint's reply has no message in it") from error


def short(text: str) -> str:
    """`text` in one line of at most 200 characters."""
    return " ".join(text[:2000].split())[:200]


def jpeg_uri(image: Image.Image) -> str:
    """`image` as a data: URI of a JPEG."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92, subsampling=0)
    return data_uri(out.getvalue(), "jpeg")


def data_uri(data: bytes, kind: str) -> str:
    """Bytes of image/`kind` as a data: URI."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _with_pictures(content: Any, picture: dict[str, Any]) -> Any:
    if isinstance(content, str):
        return content
    return [picture if part["type"] == "image_url" else part for part in content]


def _retry_after(header: str | None, wait: float) -> float:
    try:
        return min(max(float(header or wait), 0.0), LONGEST_WAIT)
    except ValueError:
        return wait
