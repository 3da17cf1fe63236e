"""The whole chain with real models, small and of random weights: what they say means nothing, how it fits does."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pe.annotators import checkpoints, endpoint
from pe.annotators.base import AdapterSettings
from pe.annotators.detectors.transformers import TransformersDetector
from pe.engines.run import annotate
from pe.engines.settings import AnnotateSettings
from pe.errors import InputError, ModelError, TryLater
from pe.geometry.masks import decode
from pe.schemas.settings import load_settings
from pe.shards.output import Output
from pe.shards.pictures import load_picture
from pe.shards.sources.base import Meta
from pe.shards.verify import verify_output
from tests.annotators.captioners import tiny_models as captioners
from tests.annotators.detectors import tiny_models as detectors
from tests.annotators.segmenters import tiny_models as segmenters
from tests.engines.conftest import Annotate, Silent, content, samples

pytest.importorskip("torch")
pytest.importorskip("openai")

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
PHRASES = "red kite, blue hat, green car, white cat"


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("chain")
    dino = detectors.grounding_dino(root / "tiny-dino")
    made = {
        "transformers": dino,
        "groundingdino": Path(shutil.copytree(dino, root / "tiny-published")),
        "sam": segmenters.sam(root / "tiny-sam"),
        "sam2": segmenters.sam2(root / "tiny-sam2"),
        "vlm": captioners.vlm(root / "tiny-vlm"),
    }
    for name, folder in made.items():
        (folder / "README.md").write_text(f"---\nlicense: licence-of-{name}\n---\n# A model\n")
    return made


@pytest.fixture(scope="module")
def few(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few") / "pictures"
    folder.mkdir()
    for path in [*sorted(drawn.glob("*.jpg"))[:5], drawn / "instances.json"]:
        shutil.copy(path, folder)
    return folder


def grounded(models: dict[str, Path], detector: str, segmenter: str, mask_model: str, **more: Any) -> dict[str, Any]:
    return {
        "detector": detector,
        "detector_model": str(models[detector]),
        "segmenter": segmenter,
        "segmenter_model": str(models[mask_model]),
        "annotations": "",
        "phrases": PHRASES,
        "box_threshold": 0.5,
        "text_threshold": 0.3,
        "device": "cpu",
        "shard_inputs": 3,
        **more,
    }


def weights_sha256(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("detector", "segmenter", "mask_model", "dtype"),
    [
        ("groundingdino", "sam", "sam", "float32"),
        ("transformers", "transformers", "sam", "float32"),
        ("transformers", "transformers", "sam2", "bfloat16"),
        ("groundingdino", "sam", "sam", "bfloat16"),
    ],
)
def test_boxes_masks_and_who_made_them(
    few: Path,
    tmp_path: Path,
    run: Annotate,
    models: dict[str, Path],
    detector: str,
    segmenter: str,
    mask_model: str,
    dtype: str,
) -> None:
    summary = run(few, tmp_path / "out", **grounded(models, detector, segmenter, mask_model, dtype=dtype))
    assert summary.run.inputs == summary.run.written == 5
    found = 0
    for sample, objects in samples(tmp_path / "out"):
        provenance = json.loads(sample.provenance_json)
        for stage, adapter, name in (("detector", detector, detector), ("segmenter", segmenter, mask_model)):
            assert provenance[stage] == {
                "adapter": adapter,
                "model": models[name].name,
                "sha256": weights_sha256(models[name]),
                "license": f"licence-of-{name}",
            }
        asked = set(PHRASES.split(", "))
        seen = {item.phrase for item in objects} | {item["phrase"] for item in provenance.get("dropped", [])}
        assert seen <= asked
        assert set(json.loads(sample.negatives_json)) == asked - seen
        for item in objects:
            found += 1
            assert item.mask is not None
            assert item.rings
            assert decode(item.mask).shape == (sample.height, sample.width)
            assert item.predicted_iou is not None
            assert item.stability is not None
            assert 0 <= item.stability <= 1
            assert item.ring_iou is not None
    assert found > 5
    assert verify_output(Output(tmp_path / "out")).whole


def test_the_two_grounding_dinos_give_the_same_records(
    few: Path, tmp_path: Path, run: Annotate, models: dict[str, Path]
) -> None:
    for name in ("transformers", "groundingdino"):
        run(few, tmp_path / name, **grounded(models, name, "sam", "sam"))
    for (_, ours), (_, theirs) in zip(
        samples(tmp_path / "transformers"), samples(tmp_path / "groundingdino"), strict=True
    ):
        assert [item.phrase for item in ours] == [item.phrase for item in theirs]
        for one, other in zip(ours, theirs, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-3)
            assert one.bbox == pytest.approx(other.bbox, abs=0.1)


def test_a_local_model_captions_pictures_and_regions(
    few: Path, tmp_path: Path, run: Annotate, models: dict[str, Path]
) -> None:
    words = {"captioner": "transformers", "captioner_model": str(models["vlm"]), "region_captions": True}
    run(few, tmp_path / "out", **words, caption_tokens=6, device="cpu")
    for sample, objects in samples(tmp_path / "out"):
        assert sample.caption
        assert all(item.caption for item in objects)
        assert json.loads(sample.provenance_json)["captioner"]["license"] == "licence-of-vlm"


def test_the_same_bytes_with_one_and_two_workers(
    few: Path, tmp_path: Path, run: Annotate, models: dict[str, Path]
) -> None:
    words = grounded(models, "transformers", "sam", "sam", captioner="transformers", captioner_model=str(models["vlm"]))
    words |= {"region_captions": True, "caption_tokens": 4}
    run(few, tmp_path / "one", **words)
    run(few, tmp_path / "two", **words, workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_hundreds_of_phrases(few: Path, tmp_path: Path, run: Annotate, models: dict[str, Path]) -> None:
    colours, things = detectors.WORDS[5:11], ["cat", "dog", "cow", "flag", "light", "person", "hat", "car", "kite"]
    asked = [f"{size} {colour} {thing}" for size in ("big", "small", "tiny") for colour in colours for thing in things]
    path = tmp_path / "words.txt"
    path.write_text("\n".join([*asked, "# no phrase", "ünïcödé 猫", "kite " * 300]), encoding="utf-8")
    words = grounded(models, "groundingdino", "none", "sam", phrases=str(path), captioner="none")
    run(few, tmp_path / "out", **words)
    for sample, objects in samples(tmp_path / "out"):
        dropped = json.loads(sample.provenance_json).get("dropped", [])
        seen = {item.phrase for item in objects} | {item["phrase"] for item in dropped}
        negatives = json.loads(sample.negatives_json)
        assert seen.isdisjoint(negatives)
        assert set(asked) <= seen | set(negatives)


def test_a_phrase_file_counts_by_what_is_in_it(few: Path, tmp_path: Path, run: Annotate) -> None:
    path = tmp_path / "words.txt"
    path.write_text("red ring\n")
    run(few, tmp_path / "out", phrases=str(path))
    moved = path.rename(tmp_path / "moved.txt")
    assert run(few, tmp_path / "out", phrases=str(moved)).run.inputs == 0
    moved.write_text("red ring\nblue star\n")
    with pytest.raises(InputError, match="blue star"):
        run(few, tmp_path / "out", phrases=str(moved))


def test_each_record_asks_for_its_own(few: Path, tmp_path: Path, run: Annotate, models: dict[str, Path]) -> None:
    source = tmp_path / "pictures"
    shutil.copytree(few, source)
    names = sorted(path.stem for path in source.glob("*.jpg"))
    for name, tags in zip(names, ["red kite", ["blue hat", "car"], "dog", None, "cat;cow"], strict=True):
        record = {"caption": name} if tags is None else {"tags": tags}
        (source / f"{name}.json").write_text(json.dumps(record))
    summary = run(source, tmp_path / "out", **grounded(models, "transformers", "none", "sam", phrases="field:tags"))
    assert (summary.run.written, summary.run.quarantined) == (4, {"phrases": 1})
    asked = []
    for sample, objects in samples(tmp_path / "out"):
        dropped = json.loads(sample.provenance_json).get("dropped", [])
        seen = {item.phrase for item in objects} | {item["phrase"] for item in dropped}
        asked.append(sorted(seen | set(json.loads(sample.negatives_json))))
    assert asked == [["red kite"], ["blue hat", "car"], ["dog"], ["cat", "cow"]]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_a_record_that_asks_for_no_category_is_quarantined_alone(
    few: Path, tmp_path: Path, run: Annotate, shared: Path, batch_size: int
) -> None:
    source = tmp_path / "pictures"
    shutil.copytree(few, source)
    for path in source.glob("*.jpg"):
        path.with_suffix(".json").write_text(json.dumps({"tags": "unicorn" if path.stem == "0002" else "red ring"}))
    summary = run(source, tmp_path / "out", phrases="field:tags", batch_size=batch_size)
    assert (summary.run.written, summary.run.quarantined) == (4, {"phrases": 1})
    model = shared.parent / "models/yolox_nano.onnx"
    for path in source.glob("*.jpg"):
        path.with_suffix(".json").write_text(json.dumps({"tags": "unicorn" if path.stem == "0002" else "dog"}))
    words = {"detector": "onnx", "detector_model": str(model), "segmenter": "none", "annotations": ""}
    summary = run(source, tmp_path / "onnx", phrases="field:tags", batch_size=batch_size, **words)
    assert (summary.run.written, summary.run.quarantined) == (4, {"phrases": 1})


class Server:
    """The scripted endpoint as a process of its own; `down` kills it, `up` starts it again at the same address."""

    def __init__(self) -> None:
        self.port = 0
        self.up()

    def up(self) -> None:
        script = Path(captioners.__file__).with_name("scripted_server.py")
        words = [sys.executable, str(script), *([str(self.port)] if self.port else [])]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def down(self) -> None:
        self._process.kill()
        self._process.communicate()

    def requests(self) -> int:
        """How many there were since the last call."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/stats") as stream:
            return int(json.load(stream)["requests"])


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.down()


def asking(source: Path, out: Path, server: Server, model: str) -> list[str]:
    words = {
        "detector": "dataset",
        "annotations": source / "instances.json",
        "segmenter": "none",
        "captioner": "openai",
        "captioner-model": model,
        "captioner-url": f"http://127.0.0.1:{server.port}/v1",
        "shard-inputs": 4,
    }
    flags = [part for name, value in words.items() for part in (f"--{name}", str(value))]
    return [*PE, "annotate", str(source), str(out), *flags, "--region-captions", "--json"]


def test_killed_while_asking_an_endpoint_nothing_is_paid_for_twice(drawn: Path, tmp_path: Path, server: Server) -> None:
    def finish(out: Path) -> dict[str, Any]:
        done = subprocess.run(asking(drawn, out, server, "slow"), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    finish(tmp_path / "whole")
    wanted = server.requests()
    regions = sum(len(objects) for _, objects in samples(tmp_path / "whole"))
    assert wanted == 20 + regions
    for sample, objects in samples(tmp_path / "whole"):
        assert sample.sha256[:8] in sample.caption
        assert all(f"Describe the {item.phrase}"[:30] in (item.caption or "") for item in objects)

    out, asked = tmp_path / "out", 0
    for kept in (6, 40):
        child = subprocess.Popen(asking(drawn, out, server, "slow"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while len(list(out.glob("cache/*/*.json"))) < kept and child.poll() is None:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        time.sleep(0.5)
        asked += server.requests()
    finish(out)
    asked += server.requests()
    # Those that were on their way when the run was killed (eight at a time) have to be asked again.
    assert wanted <= asked <= wanted + 16
    for part in ("shards", "ledger", "quarantine"):
        assert content(out / part) == content(tmp_path / "whole" / part)
    assert not list(out.rglob("*.part"))
    finish(out)
    assert server.requests() == 0


@pytest.mark.slow
def test_an_endpoint_that_goes_down_is_75_and_the_same_command_goes_on(
    drawn: Path, tmp_path: Path, server: Server
) -> None:
    out = tmp_path / "out"
    child = subprocess.Popen(
        asking(drawn, out, server, "slow"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not list(out.glob("shards/*.json")) and child.poll() is None:
        time.sleep(0.01)
    server.down()
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 75, errors
    assert "Traceback" not in errors
    assert "does not answer" in errors.splitlines()[-1]
    assert not [path for path in out.rglob(".*") if path.is_file()]
    assert verify_output(Output(out)).whole
    server.up()
    done = subprocess.run(asking(drawn, out, server, "slow"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["total"]["written"] == result["total"]["inputs"] == 20


def test_an_endpoint_that_is_down_from_the_start(
    few: Path, tmp_path: Path, run: Annotate, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.01)
    url = f"http://127.0.0.1:{server.port}/v1"
    server.down()
    with pytest.raises(TryLater, match="does not answer"):
        run(few, tmp_path / "out", captioner="openai", captioner_model="any", captioner_url=url)
    assert not list((tmp_path / "out/shards").iterdir())


def test_without_weights_and_network_one_line_says_what_to_fetch(few: Path, tmp_path: Path) -> None:
    environ = os.environ | {"PE_OFFLINE": "1", "PE_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hub")}
    for workers in ("1", "2"):
        words = ["annotate", str(few), str(tmp_path / "out"), "--phrases", "cat", "--workers", workers]
        words += ["--shard-inputs", "2"]
        done = subprocess.run([*PE, *words], capture_output=True, text=True, env=environ)
        assert done.returncode == 2
        (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
        assert "groundingdino_swint_ogc.pth" in line
        assert str(tmp_path / "cache") in line
        assert "sha256" in line
        assert "--preset demo" in line
    right = [*PE, "annotate", str(few), str(tmp_path / "out"), "--detector", "dataset", "--segmenter", "dataset"]
    right += ["--annotations", str(few / "instances.json")]
    done = subprocess.run(right, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr


def shipped(root: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The small models in the place of those that come with pe."""
    shutil.copytree(models["transformers"], root / "demo" / "grounding-dino")
    shutil.copytree(models["sam"], root / "demo" / "sam")
    shutil.copytree(models["vlm"], root / "demo" / "base")
    monkeypatch.setattr(checkpoints, "ASSETS", root)


@pytest.mark.parametrize(("detector", "segmenter"), [("transformers", "transformers"), ("groundingdino", "sam")])
def test_the_demo_preset_needs_nothing_else(
    few: Path,
    tmp_path: Path,
    models: dict[str, Path],
    reporter: Silent,
    monkeypatch: pytest.MonkeyPatch,
    detector: str,
    segmenter: str,
) -> None:
    shipped(tmp_path / "assets", models, monkeypatch)
    flags = {"source": str(few), "out": tmp_path / "out", "phrases": PHRASES, "device": "cpu", "shard_inputs": 2}
    flags |= {} if detector == "transformers" else {"detector": detector, "segmenter": segmenter}
    settings = load_settings(AnnotateSettings, "annotate", flags, preset="demo", environ={})
    assert annotate(settings, reporter).run.written == 5
    assert [note for note in reporter.notes if "demo models know drawn scenes only" in note] == reporter.notes
    assert len(reporter.notes) == 1
    for sample, _ in samples(tmp_path / "out"):
        provenance = json.loads(sample.provenance_json)
        for stage, adapter, word, name in (
            ("detector", detector, "demo-grounding-dino", "transformers"),
            ("segmenter", segmenter, "demo-sam", "sam"),
        ):
            sha256 = weights_sha256(models[name])
            made = {"adapter": adapter, "model": word, "sha256": sha256, "license": "Apache-2.0"}
            assert provenance[stage] == made
    annotate(settings, reporter)
    assert len(reporter.notes) == 1  # nothing was left to do


def test_the_demo_preset_without_its_models(
    few: Path, tmp_path: Path, reporter: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path / "assets")
    flags = {"source": str(few), "out": tmp_path / "out", "phrases": PHRASES, "device": "cpu"}
    with pytest.raises(ModelError, match="demo-grounding-dino is not in this copy of pe: 'make demo-models'"):
        annotate(load_settings(AnnotateSettings, "annotate", flags, preset="demo", environ={}), reporter)
    assert reporter.notes == []


def test_half_the_batch_reaches_the_model(few: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    detector = TransformersDetector(AdapterSettings(model=str(models["transformers"]), batch_size=4))
    pictures = [
        load_picture(path.read_bytes(), source=path.name, meta=Meta(), source_sha256="")
        for path in sorted(few.glob("*.jpg"))[:4]
    ]
    sizes: list[int] = []
    inner: Any = detector._inner
    forward = inner._forward

    def counted(pixels: list[Any], prompts: list[Any]) -> Any:
        sizes.append(len(pixels))
        return forward(pixels, prompts)

    monkeypatch.setattr(inner, "_forward", counted)
    for batch_size in (4, 2):
        detector.settings = detector.settings.model_copy(update={"batch_size": batch_size})
        detector.detect(pictures, [["red kite"]] * 4)
    assert sizes == [4, 2, 2]
