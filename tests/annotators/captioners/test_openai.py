from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image

from pe.annotators import endpoint as module
from pe.annotators.base import AdapterSettings, Caption, Instance
from pe.annotators.captioners._vlm import PROMPT
from pe.annotators.captioners.openai import OpenAI, _picture_uri
from pe.errors import DiskError, InputError, SampleError, TryLater
from pe.shards.pictures import Picture

pytest.importorskip("openai")


def picture(
    seed: int = 0, size: tuple[int, int] = (60, 50), mode: str = "RGB", kind: Literal["JPEG", "PNG", "WEBP"] = "PNG"
) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    out = io.BytesIO()
    image.save(out, kind)
    image = Image.open(out)
    image.load()
    return Picture(image, out.getvalue(), kind, *size, "", "", "")


class Server:
    def __init__(self, port: int) -> None:
        self.root = f"http://127.0.0.1:{port}"

    def captioner(self, model: str, **more: Any) -> OpenAI:
        return OpenAI(AdapterSettings(url=f"{self.root}/v1", model=model, **more))

    def one(self, model: str, **more: Any) -> Caption | SampleError:
        (result,) = self.captioner(model, **more).caption([picture()], [[]])
        return result

    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.root}/stats") as stream:
            return dict(json.load(stream))


@pytest.fixture(scope="module")
def process() -> Iterator[Server]:
    script = Path(__file__).with_name("scripted_server.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        yield Server(int(child.stdout.readline()))
        child.kill()


@pytest.fixture
def server(process: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    process.stats()
    return process


def test_sends_the_stored_bytes_and_keeps_the_order(server: Server) -> None:
    pictures = [picture(seed) for seed in range(12)]
    results = server.captioner("org/good", max_tokens=77).caption(pictures, [[]] * 12)
    expected = [
        f"data:image/png {hashlib.sha256(item.data).hexdigest()[:8]} {PROMPT[:30]}".strip() for item in pictures
    ]
    assert [item.text for item in results if isinstance(item, Caption)] == expected
    stats = server.stats()
    assert stats["bodies"][0] == {"model": "org/good", "max_tokens": 77, "temperature": 0, "seed": 0}
    assert set(stats["keys"]) == {"Bearer none"}


def test_key_comes_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    server.one("good")
    assert server.stats()["keys"] == ["Bearer k"]


def test_regions_are_crops_with_their_phrase(server: Server) -> None:
    found = [Instance("dog", 1.0, (5.0, 5.0, 30.0, 30.0)), Instance("cat", 1.0, (30.0, 20.0, 60.0, 50.0))]
    (result,) = server.captioner("good", region_captions=True, prompt="What?").caption([picture()], [found])
    assert isinstance(result, Caption)
    assert result.text.endswith("What?")
    assert [text.split(" ", 2)[0] for text in result.regions] == ["data:image/jpeg"] * 2
    assert ["dog" in result.regions[0], "cat" in result.regions[1]] == [True, True]


@pytest.mark.parametrize("model", ["busy", "flaky", "reset", "cut"])
def test_passing_trouble_is_retried(server: Server, model: str) -> None:
    assert isinstance(server.one(model), Caption)
    stats = server.stats()
    assert stats["requests"] == 3
    if model == "busy":  # Retry-After: 0.3
        assert np.diff(stats["times"]).min() >= 0.3


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("refusing", "refused: not this one"),
        ("empty", "empty"),
        ("shapeless", "no message"),
        ("huge", "over 1048576 bytes"),
        ("picky", "400"),
        ("poison", "500"),
    ],
)
def test_trouble_with_one_picture_is_its_own(server: Server, model: str, words: str) -> None:
    results = server.captioner(model).caption([picture(0), picture(1)], [[], []])
    for result in results:
        assert isinstance(result, SampleError)
        assert result.reason == "caption"
        assert words in result.detail


@pytest.mark.parametrize("model", ["down", "overloaded", "garbage", "nested", "status-429"])
def test_a_service_that_is_down_is_tried_later(server: Server, model: str) -> None:
    with pytest.raises(TryLater, match=server.root) as caught:
        server.one(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["silent", "drip"])
def test_timeouts_bound_the_whole_reply(server: Server, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRIES", 1)
    with pytest.raises(TryLater, match=r"no answer within 0\.4 s"):
        server.one(model, timeout=0.4)


@pytest.mark.parametrize("model", ["status-401", "status-403", "status-404", "status-302", "blind"])
def test_what_the_user_must_change(server: Server, model: str) -> None:
    with pytest.raises(InputError, match="check") as caught:
        server.one(model)
    assert server.root in str(caught.value)


def test_nobody_listens(server: Server) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(TryLater, match="check that the server is up"):
        OpenAI(AdapterSettings(url=f"http://user:secret@127.0.0.1:{port}/v1", model="m")).caption([picture()], [[]])
    with pytest.raises(TryLater) as caught:
        OpenAI(AdapterSettings(url=f"http://user:secret@127.0.0.1:{port}/v1"))
    assert "secret" not in str(caught.value)
    with pytest.raises(TryLater):
        OpenAI(AdapterSettings(url="http://name.invalid/v1", model="m")).caption([picture()], [[]])


@pytest.mark.parametrize("url", ["", "localhost:8000/v1", "file:///etc/passwd", "http://"])
def test_address_must_be_one(url: str) -> None:
    with pytest.raises(InputError, match="--captioner-url"):
        OpenAI(AdapterSettings(url=url, model="m"))


def test_the_only_model_is_found(server: Server) -> None:
    captioner = OpenAI(AdapterSettings(url=f"{server.root}/one"))
    assert captioner.info.model == "only-model"
    captioner.caption([picture()], [[]])
    assert server.stats()["bodies"][0]["model"] == "/srv/only-model"
    with pytest.raises(InputError, match=r"serves 2 models.*a/b, c/d"):
        OpenAI(AdapterSettings(url=f"{server.root}/two"))
    with pytest.raises(InputError, match="--captioner-model"):
        OpenAI(AdapterSettings(url=f"{server.root}/none"))
    assert server.captioner("org/name").info.model == "org/name"


def test_hostile_text_becomes_a_line(server: Server) -> None:
    assert server.one("dirty") == Caption("A dog on a mat.")
    assert server.one("cutoff") == Caption("A dog on a mat.")
    long = server.one("long")
    assert isinstance(long, Caption)
    assert 3900 < len(long.text) <= 4000


def test_requests_run_side_by_side(server: Server) -> None:
    pictures = [picture(seed) for seed in range(16)]
    server.captioner("slow", concurrency=8).caption(pictures, [[]] * 16)
    assert 2 < server.stats()["most"] <= 8
    server.captioner("slow", concurrency=2).caption(pictures[:4], [[]] * 4)
    assert server.stats()["most"] == 2


def test_replies_are_paid_once(server: Server, tmp_path: Path) -> None:
    first = server.one("good", cache=str(tmp_path))
    assert server.stats()["requests"] == 1
    assert server.one("good", cache=str(tmp_path)) == first
    assert server.stats()["requests"] == 0
    for change in ({"prompt": "Other?"}, {"max_tokens": 5}):
        server.one("good", cache=str(tmp_path), **change)
    server.one("better", cache=str(tmp_path))
    assert server.stats()["requests"] == 3
    kept = list(tmp_path.rglob("*.json"))
    assert len(kept) == 4
    for path, content in zip(kept, (b"", b'{"reply": {}}', b"\xff", b'{"reply": 3}'), strict=True):
        path.write_bytes(content)
    assert server.one("good", cache=str(tmp_path)) == first
    assert server.stats()["requests"] == 1
    assert isinstance(server.one("empty", cache=str(tmp_path)), SampleError)
    server.one("empty", cache=str(tmp_path))
    assert server.stats()["requests"] == 2
    assert not list(tmp_path.rglob("*.part"))


def test_leftovers_of_a_killed_run_are_cleared(server: Server, tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "ab").mkdir()
    stale, live = (tmp_path / "ab" / f"x.{pid}-1.part" for pid in (dead.pid, os.getpid()))
    stale.touch()
    live.touch()
    server.captioner("good", cache=str(tmp_path))
    assert (stale.exists(), live.exists()) == (False, True)


def test_a_cache_that_cannot_be_written_is_said(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot be kept"):
        server.one("good", cache=str(tmp_path / "file"))


def test_interrupt_does_not_wait_for_the_server(process: Server) -> None:
    code = (
        # A shell that starts things in the background leaves them deaf to SIGINT.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys; from PIL import Image; from pe.annotators.base import AdapterSettings\n"
        "from pe.annotators.captioners.openai import OpenAI; from pe.shards.pictures import Picture\n"
        "image = Image.new('RGB', (9, 9)); item = Picture(image, b'x', 'PNG', 9, 9, '', '', '')\n"
        f"captioner = OpenAI(AdapterSettings(url='{process.root}/v1', model='silent'))\n"
        "print('go', flush=True); captioner.caption([item] * 4, [[]] * 4)\n"
    )
    root = str(Path(__file__).resolve().parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "go\n"
        time.sleep(1.5)
        child.send_signal(signal.SIGINT)
        child.wait(10)
    assert child.returncode != 0


def test_pictures_on_the_wire() -> None:
    cases: list[tuple[Picture, str, tuple[int, int]]] = [
        (picture(size=(60, 50), kind="JPEG"), "jpeg", (60, 50)),
        (picture(size=(60, 50), kind="WEBP"), "webp", (60, 50)),
        (picture(size=(3000, 20)), "jpeg", (1536, 10)),
        (picture(size=(60, 50), mode="RGBA"), "jpeg", (60, 50)),
        (picture(size=(60, 50), mode="CMYK", kind="JPEG"), "jpeg", (60, 50)),
    ]
    for item, kind, size in cases:
        head, _, data = _picture_uri(item).partition(",")
        assert head == f"data:image/{kind};base64"
        sent = Image.open(io.BytesIO(base64.b64decode(data)))
        assert (sent.size, sent.mode) == (size, "RGB")
        assert _picture_uri(item) == f"{head},{data}"


def test_against_transformers_serve(tiny_vlm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights served over HTTP and run in this process give the same captions."""
    for name in ("accelerate", "fastapi", "uvicorn"):
        pytest.importorskip(name)
    from pe.annotators.captioners.transformers import Transformers

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve", str(tiny_vlm)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    log = tmp_path / "log"
    with (
        log.open("wb") as stream,
        subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=stream,
            stderr=stream,
            env=environment,
        ) as child,
    ):
        try:
            for _ in range(240):
                if child.poll() is not None:
                    pytest.fail(log.read_text()[-2000:])
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                    break
                except OSError:
                    time.sleep(0.5)
            found = [[Instance("dog", 1.0, (5.0, 5.0, 30.0, 30.0))], [], [Instance("cat", 1.0, (0.0, 0.0, 60.0, 50.0))]]
            pictures = [picture(0), picture(1, (90, 50)), picture(2, kind="JPEG")]
            more: dict[str, Any] = {"model": str(tiny_vlm), "max_tokens": 24, "region_captions": True}
            monkeypatch.setattr(module, "FIRST_WAIT", 0.01)
            served = OpenAI(AdapterSettings(url=f"http://127.0.0.1:{port}/v1", **more))
            results = served.caption(pictures, found)
            local = Transformers(AdapterSettings(**more)).caption(pictures, found)
            texts = [item.text for item in results if isinstance(item, Caption)]
            assert texts == [item.text for item in local if isinstance(item, Caption)]
            assert len(set(texts)) == 3
            regions = [item.regions for item in results if isinstance(item, Caption)]
            assert [[bool(text) for text in part] for part in regions] == [[True], [], [True]]
            (thin,) = served.caption([picture(0, (900, 2))], [[]])
            assert isinstance(thin, SampleError)
            assert served.info.model == tiny_vlm.name
        finally:
            child.kill()
