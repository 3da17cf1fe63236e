from __future__ import annotations

import argparse
import hashlib
import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pe.annotators import checkpoints
from pe.annotators.base import ModelInfo
from pe.annotators.checkpoints import (
    Known,
    check_keys,
    file_sha256,
    known_checkpoints,
    load_state,
    read_weights,
    resolve,
)
from pe.errors import ModelError

DATA = os.urandom(1) * 3_000_000
SHA256 = hashlib.sha256(DATA).hexdigest()
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
needs_hub = pytest.mark.skipif(importlib.util.find_spec("huggingface_hub") is None, reason="no huggingface_hub")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("PE_OFFLINE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def served() -> Iterator[str]:
    """The URL of a server that gives DATA for /file, half of it for /cut, and 404 for anything else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path not in ("/file", "/cut"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA if self.path == "/file" else DATA[: len(DATA) // 2])

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def know(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    entry = Known(**{"name": "toy", "kind": "detector", "adapters": ("onnx",), "file": "toy.bin", **fields})
    monkeypatch.setattr(checkpoints, "known_checkpoints", lambda: (entry,))


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "checkpoints").iterdir() if not path.name.endswith(".lock"))


def test_every_entry_can_be_fetched_and_is_named_once() -> None:
    names = [known.name for known in known_checkpoints()]
    assert len(names) == len(set(names)) >= 16
    for known in known_checkpoints():
        assert [bool(known.url and known.file), bool(known.hub), bool(known.asset)].count(True) == 1
        assert known.adapters
        assert not known.url or known.url.startswith("https://")
        assert known.sha256 == "" or len(known.sha256) == 64
        assert known.kind in ("detector", "segmenter", "text", "vlm")


def test_a_known_file_is_fetched_once_and_checked(
    served: str, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    know(monkeypatch, url=f"{served}/file", sha256=SHA256, bytes=len(DATA), license="MIT", revision="v1")
    with caplog.at_level("INFO", logger="pe"):
        found = resolve("onnx", "toy")
    assert found.path.read_bytes() == DATA
    assert (found.info.model, found.info.revision, found.info.sha256, found.info.license) == (
        "toy",
        "v1",
        SHA256,
        "MIT",
    )
    assert "fetching toy" in caplog.records[0].message
    assert any("100 %" in record.message for record in caplog.records)
    assert leftovers(cache) == ["toy.bin"]
    monkeypatch.setenv("PE_OFFLINE", "1")
    assert resolve("onnx", "toy") == found
    assert checkpoints.where(checkpoints.known_checkpoints()[0]) == found.path
    # the same bytes elsewhere are still known
    copy = cache / "copy.onnx"
    copy.write_bytes(DATA)
    assert resolve("onnx", str(copy)).info == found.info


def test_other_bytes_than_the_published_ones_are_refused(
    served: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(monkeypatch, url=f"{served}/file", sha256="0" * 64)
    with pytest.raises(ModelError, match=rf"sha256 {SHA256}, not 0000"):
        resolve("onnx", "toy")
    assert leftovers(cache) == []
    (cache / "checkpoints" / "toy.bin").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="not the published toy"):
        resolve("onnx", "toy")


@pytest.mark.parametrize("path", ["/absent", "/cut"])
def test_a_failed_download_leaves_nothing(path: str, served: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    know(monkeypatch, url=served + path, sha256=SHA256, bytes=len(DATA))
    with pytest.raises(ModelError) as caught:
        resolve("onnx", "toy")
    assert served + path in str(caught.value)
    assert "\n" not in str(caught.value)
    assert leftovers(cache) == []


def test_without_a_network_one_line_says_what_to_fetch(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PE_OFFLINE", "1")
    with pytest.raises(ModelError) as caught:
        resolve("groundingdino", "groundingdino-swint")
    message = str(caught.value)
    for part in (
        "groundingdino_swint_ogc.pth",
        "https://github.com",
        "694 MB",
        "3b3ca2563c77",
        str(cache),
        "--preset demo",
    ):
        assert part in message
    assert "\n" not in message
    monkeypatch.delenv("PE_OFFLINE")
    know(monkeypatch, url="http://127.0.0.1:1/file", sha256=SHA256)
    with pytest.raises(ModelError, match=r"the download failed: .*fetch http://127\.0\.0\.1:1/file"):
        resolve("onnx", "toy")


@needs_hub
def test_a_hub_model_without_a_network(tmp_path: Path) -> None:
    script = (
        "from pe.annotators.checkpoints import resolve\n"
        "from pe.errors import ModelError\n"
        "for word in ('grounding-dino-tiny', 'some/where@main'):\n"
        "    try:\n"
        "        resolve('transformers', word)\n"
        "    except ModelError as error:\n"
        "        print(error)\n"
    )
    root = Path(checkpoints.__file__).parents[2]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert "hf download IDEA-Research/grounding-dino-tiny --revision a2bb814dd30d" in first
    assert "sha256 1a2412ef99bd" in first
    assert "some/where is not on this machine (offline)" in second
    assert "--preset demo" in first
    assert "--preset demo" not in second  # who names a model wants that one
    assert "--revision main" in second


@needs_hub
def test_a_hub_model_in_the_librarys_own_cache(tmp_path: Path) -> None:
    commit = "a" * 40
    snapshot = tmp_path / "hf" / "hub" / "models--some--where" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(commit)
    (snapshot / "config.json").write_text("{}")
    script = (
        "from pe.annotators.checkpoints import resolve\n"
        "found = resolve('transformers', 'some/where')\n"
        "print(found.path, found.info.model, found.info.revision, found.info.sha256, found.info.license)\n"
    )
    root = Path(checkpoints.__file__).parents[2]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", script]
    partial = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "some/where is not on this machine" in partial.stderr  # a configuration alone is no model
    (snapshot / "model.safetensors").write_bytes(DATA)
    (snapshot / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Model\n")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(snapshot), "some/where", commit, SHA256, "apache-2.0"]


def test_a_shipped_model_is_one_folder_for_two_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path)
    monkeypatch.setenv("PE_OFFLINE", "1")
    words = {"demo-grounding-dino": ("groundingdino", "transformers"), "demo-sam": ("sam", "transformers")}
    for (word, adapters), folder in zip(words.items(), ("demo/grounding-dino", "demo/sam"), strict=True):
        home = tmp_path / folder
        home.mkdir(parents=True)
        (home / "config.json").write_text("{}")  # a configuration alone is no model
        for adapter in adapters:
            with pytest.raises(ModelError, match=f"{word} is not in this copy of pe: 'make demo-models'") as caught:
                resolve(adapter, word)
            assert "\n" not in str(caught.value)
        (home / "model.safetensors").write_bytes(DATA)
        for adapter in adapters:
            found = resolve(adapter, word)
            assert found.path == home
            assert found.info == ModelInfo(adapter, word, "", SHA256, "Apache-2.0")
    with pytest.raises(ModelError, match="demo-sam is a segmenter of transformers and sam, not of groundingdino"):
        resolve("groundingdino", "demo-sam")


def test_words_that_mean_nothing_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="did you mean groundingdino-swint"):
        resolve("groundingdino", "groundingdino-swin-t")
    with pytest.raises(ModelError, match=r"missing\.pth: no such file"):
        resolve("groundingdino", str(tmp_path / "missing.pth"))
    with pytest.raises(ModelError, match="sam-vit-b is a segmenter of sam, not of onnx"):
        resolve("onnx", "sam-vit-b")
    with pytest.raises(ModelError, match="no model is named"):
        resolve("onnx", "")


def test_a_local_folder_says_who_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(DATA)
    (folder / "README.md").write_text("---\nlicense: mit\ntags:\n- x\n---\n")
    info = resolve("transformers", str(folder)).info
    assert (info.model, info.sha256, info.license) == ("my-model", SHA256, "mit")


def test_a_digest_is_computed_once_and_again_after_a_change(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(DATA)
    assert file_sha256(path) == SHA256
    (kept,) = (cache / "sha256").iterdir()
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "sha256": "from the cache"}))
    assert file_sha256(path) == "from the cache"
    path.write_bytes(DATA + b"x")
    assert file_sha256(path) == hashlib.sha256(DATA + b"x").hexdigest()
    kept.write_text("damaged")
    path.write_bytes(DATA)
    assert file_sha256(path) == SHA256


def test_keys_that_do_not_match_are_counted() -> None:
    check_keys(
        "m", missing=["bert.pooler.dense.weight"], unexpected=["x.position_ids", "label_enc.weight"], mismatched=[]
    )
    with pytest.raises(ModelError, match=r"4 missing \(a, b, c\); 1 left over \(e\); 1 of another shape \(f\)"):
        check_keys("m", missing=list("dcba"), unexpected=["e"], mismatched=["f"])


@needs_torch
def test_weights_are_read_from_either_format(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    state = {"a.weight": torch.arange(6.0).reshape(2, 3)}
    save_file(state, tmp_path / "a.safetensors")
    torch.save({"model": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, tmp_path / "a.pth")
    for name in ("a.safetensors", "a.pth"):
        assert torch.equal(read_weights(tmp_path / name)["a.weight"], state["a.weight"])
    torch.save({"model": state, "args": argparse.Namespace(lr=1)}, tmp_path / "more.pth")
    with pytest.raises(ModelError, match="holds more than weights"):
        read_weights(tmp_path / "more.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "a.pth").read_bytes()[:100])
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-5])
    (tmp_path / "text.pth").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("cut.pth", "cut.safetensors", "text.pth", "list.pth", "absent.safetensors", "absent.pth"):
        with pytest.raises(ModelError) as caught:
            read_weights(tmp_path / name)
        assert "\n" not in str(caught.value)


@needs_torch
def test_all_of_a_state_is_loaded_or_nothing() -> None:
    import torch

    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = torch.nn.Linear(2, 2)
            self.same = self.one
            self.register_buffer("position_ids", torch.arange(3))

    module = Tied()
    full = {key: torch.full_like(value, 2) for key, value in module.state_dict().items()}
    load_state(module, {key: value.half() for key, value in full.items()}, "m")
    assert module.one.weight.dtype == torch.float32
    assert module.one.weight.eq(2).all()
    once = {"one.weight": torch.ones(2, 2), "one.bias": torch.ones(2), "bert.pooler.dense.bias": torch.ones(1)}
    load_state(module, once, "m")
    assert module.same.weight.eq(1).all()
    for broken, message in [
        ({"one.weight": once["one.weight"]}, r"2 missing \(one\.bias, same\.bias\)"),
        ({**once, "extra": torch.ones(1)}, r"1 left over \(extra\)"),
        ({**once, "one.bias": torch.ones(3)}, r"2 of another shape \(one\.bias, same\.bias\)"),
        ({**once, "same.weight": torch.zeros(2, 2)}, r"1 of another shape \(same\.weight\)"),
    ]:
        with pytest.raises(ModelError, match=message):
            load_state(module, broken, "m")
        assert module.one.weight.eq(1).all()
