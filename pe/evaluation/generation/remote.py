"""Answers of a model behind an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import queue
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from pe.annotators.endpoint import Endpoint, Rejected, message_of
from pe.engines.produce import Reporter
from pe.errors import SampleError
from pe.evaluation.generation.lines import Line, answered, failed
from pe.evaluation.generation.log import Log
from pe.evaluation.generation.place import Place
from pe.evaluation.generation.rows import Item, batches
from pe.evaluation.generation.seeds import answer_seed
from pe.evaluation.generation.settings import GenerationSettings
from pe.evaluation.vlm import messages_of
from pe.formats import Format
from pe.registry import load

_ROWS = 16
_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_utterance>", "<eos>", "</s>")


def endpoint_of(settings: GenerationSettings) -> Endpoint:
    """The server of `settings`. Raises InputError for a bad URL, MissingExtra without the openai package."""
    return Endpoint("generation through --url", settings.url, settings.timeout, url="--url", model="the model")


def server_model(model: str, settings: GenerationSettings) -> str:
    """`model`, or the only one that the server has. Raises InputError when it has several."""
    endpoint = endpoint_of(settings)
    return model or asyncio.run(endpoint.only_model())


def ask_server(
    model: str, tars: Sequence[Path], log: Log, settings: GenerationSettings, here: Place, report: Reporter | None
) -> None:
    """Make what is missing of the share of `here`, `settings.concurrency` requests at a time.

    Each answer is written as it comes in. Raises TryLater when the server does not answer, InputError when it turns the
    key, the address, the model or every picture down; what came in stays.
    """
    items = (
        item
        for batch in batches(tars, settings.samples, _ROWS, log, here.rank, here.world)
        for item in batch
        if not log.has(item.row.key, item.number)
    )
    asker = _Asker(model, endpoint_of(settings), settings)
    for line in asker.lines(items):
        log.append([line])
        if report is not None:
            report.advanced(1, {})


class _Asker:
    """Requests in a thread of their own, so that a signal ends the wait for them at once."""

    def __init__(self, model: str, endpoint: Endpoint, settings: GenerationSettings) -> None:
        self._model = model
        self._endpoint = endpoint
        self._settings = settings
        self._found: queue.Queue[Line | BaseException | None] = queue.Queue()
        self._stop = threading.Event()

    def lines(self, items: Iterator[Item]) -> Iterator[Line]:
        """A line an item, in the order in which they are answered."""
        threading.Thread(target=self._work, args=(items,), daemon=True).start()
        try:
            while (found := self._found.get()) is not None:
                if isinstance(found, BaseException):
                    raise found
                yield found
        finally:
            self._stop.set()

    def _work(self, items: Iterator[Item]) -> None:
        try:
            asyncio.run(self._ask_all(items))
        except BaseException as error:  # raised again where the lines are taken
            self._found.put(error)
        else:
            self._found.put(None)

    async def _ask_all(self, items: Iterator[Item]) -> None:
        async with self._endpoint.client() as client:

            async def take() -> None:
                # One iterator for all: each takes the next row when it is free.
                for item in items:
                    if self._stop.is_set():
                        return
                    self._found.put(await self._ask(client, item))

            await asyncio.gather(*[take() for _ in range(self._settings.concurrency)])

    async def _ask(self, client: Any, item: Item) -> Line:
        try:
            request = self._request(item, await asyncio.to_thread(picture_uri, item.image))
            try:
                answer = await self._endpoint.chat(client, request)
            except Rejected as error:
                await self._endpoint.probe(client, request)
                return failed(item, f"refused: {error}")
            message, finish = message_of(answer)
        except SampleError as error:
            return failed(item, str(error))
        if finish == "content_filter" or (message.get("refusal") and not message.get("content")):
            return failed(item, f"refused: {str(message.get('refusal') or 'content filter')[:200]}")
        usage = answer.get("usage")
        tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
        return answered(
            item, _text(message), tokens=tokens if type(tokens) is int else None, truncated=finish == "length"
        )

    def _request(self, item: Item, uri: str) -> dict[str, Any]:
        settings = self._settings
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [_wire(message, uri) for message in messages_of(item.row)],
            "max_tokens": settings.max_new_tokens,
            "temperature": settings.heat,
            "seed": answer_seed(settings.seed, item.row.key, item.number),
        }
        extra: dict[str, Any] = {}
        if settings.heat and settings.top_p < 1:
            request["top_p"] = settings.top_p
        if settings.heat and settings.top_k:
            extra["top_k"] = settings.top_k
        if _has_tokens(item):
            # vLLM and SGLang take the marks of such formats out of the text otherwise; others do not serve them.
            extra["skip_special_tokens"] = False
        return {**request, "extra_body": extra} if extra else request


def picture_uri(data: bytes) -> str:
    """A data: URI of stored bytes as they are; of a picture other than gray and RGB, of its RGB pixels as PNG.

    Never resized: coordinates would be those of another picture. Raises SampleError for bytes that are none.
    """
    try:
        image = Image.open(io.BytesIO(data))
        kind = str(image.format).lower()
        if image.mode not in ("RGB", "L"):
            out = io.BytesIO()
            image.convert("RGB").save(out, "PNG")
            data, kind = out.getvalue(), "png"
    except Exception as error:  # Pillow raises whatever it likes
        raise SampleError("corrupt", str(error)[:200]) from None
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _wire(message: dict[str, Any], uri: str) -> dict[str, Any]:
    parts = message["content"]
    if all(part["type"] == "text" for part in parts):
        return {"role": message["role"], "content": "".join(part["text"] for part in parts)}
    picture = {"type": "image_url", "image_url": {"url": uri}}
    return {"role": message["role"], "content": [picture if part["type"] == "image" else part for part in parts]}


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    text = content if isinstance(content, str) else ""
    for end in _ENDS:
        text = text.removesuffix(end)
    return text


def _has_tokens(item: Item) -> bool:
    name = json.loads(item.row.verifier.params_json).get("format", "")
    form: type[Format] | None = load("formats", name) if name else None
    return form is not None and form.vocabulary is not None
