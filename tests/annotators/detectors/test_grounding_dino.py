"""groundingdino-py and transformers' Grounding DINO: the same weights, the same answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("groundingdino")

import torch

from pe.annotators.base import AdapterSettings, Detections
from pe.annotators.detectors.groundingdino import GroundingDinoDetector, resized
from pe.annotators.detectors.transformers import TransformersDetector
from pe.errors import ModelError
from pe.shards.pictures import Picture
from tests.annotators.detectors import tiny_models
from tests.annotators.detectors.conftest import MakePicture, open_picture

PHRASES = [
    ["red cat", "dog", "U.S. flag"],
    ["cow"],
    ["fire hydrant", "person", "zebra"],
    ["black hat", "dog"],
    ["red cat", "dog", "U.S. flag"],
    [],
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same random weights for groundingdino-py and for transformers."""
    root = tmp_path_factory.mktemp("models")
    theirs = tiny_models.grounding_dino(root / "transformers")
    return tiny_models.published_folder(root / "published", theirs), theirs


def settings(folder: Path, **changes: Any) -> AdapterSettings:
    return AdapterSettings(**{"model": str(folder), "box_threshold": 0.3, "text_threshold": 0.25, **changes})


@pytest.fixture(scope="module")
def both(folders: tuple[Path, Path]) -> tuple[GroundingDinoDetector, TransformersDetector]:
    return GroundingDinoDetector(settings(folders[0])), TransformersDetector(settings(folders[1]))


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[Picture]:
    return [open_picture(path) for path in sorted((shared / "photos" / "coco128" / "images").iterdir())[:6]]


def assert_same(left: list[Detections], right: list[Detections], pixels: float = 0.1, score: float = 1e-3) -> None:
    for a, b in zip(left, right, strict=True):
        assert a.negatives == b.negatives
        assert [item.phrase for item in a.instances] == [item.phrase for item in b.instances]
        assert [item.reason for item in a.dropped] == [item.reason for item in b.dropped]
        for one, other in zip(a.instances, b.instances, strict=True):
            assert one.box == pytest.approx(other.box, abs=pixels)
            assert one.score == pytest.approx(other.score, abs=score)


def forward(detector: Any, pixels: Any, phrases: list[str]) -> tuple[np.ndarray, np.ndarray]:
    ((scores, boxes),) = detector._forward([pixels], detector._prompts(tuple(phrases)))
    return scores, boxes


def test_the_two_models_agree_to_1e_4(
    both: tuple[GroundingDinoDetector, TransformersDetector], pictures: list[Picture]
) -> None:
    ours, theirs = both[0], both[1]._inner
    for picture, phrases in zip(pictures[:3], PHRASES, strict=False):
        pixels = ours._pixels(picture)
        assert torch.allclose(pixels, theirs._pixels(picture), atol=1e-5)
        scores, boxes = forward(ours, pixels, phrases)
        other_scores, other_boxes = forward(theirs, pixels, phrases)
        assert scores.max() > 0.5
        assert scores[:, :8].std() > 0.05
        assert np.abs(scores - other_scores).max() < 1e-4
        assert np.abs(boxes - other_boxes).max() < 1e-4


def test_and_in_the_other_direction(folders: tuple[Path, Path], pictures: list[Picture], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    ours = GroundingDinoDetector(settings(folders[0]))
    module = ours._built.module
    generator = torch.Generator().manual_seed(7)
    for parameter in module.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    names = list(load_file(folders[1] / "model.safetensors"))
    state = tiny_models.from_published(module.state_dict(), names)
    unused = {name: torch.zeros(128) for name in names if "swin.layernorm" in name}
    shutil.copytree(folders[1], tmp_path / "model")
    save_file({**state, **unused}, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    theirs = TransformersDetector(settings(tmp_path / "model"))._inner
    pixels = ours._pixels(pictures[0])
    scores, boxes = forward(ours, pixels, PHRASES[0])
    other_scores, other_boxes = forward(theirs, pixels, PHRASES[0])
    assert np.abs(scores - other_scores).max() < 1e-4
    assert np.abs(boxes - other_boxes).max() < 1e-4
    round_trip = tiny_models.to_published({**state, **unused})
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in round_trip.items())


def test_both_adapters_find_the_same(
    both: tuple[GroundingDinoDetector, TransformersDetector], pictures: list[Picture]
) -> None:
    left, right = (detector.detect(pictures, PHRASES) for detector in both)
    assert_same(left, right)
    assert sum(len(item.instances) for item in left) > 20
    assert left[5] == Detections()
    for found, asked in zip(left, PHRASES, strict=True):
        phrases = {item.phrase for item in found.instances}
        # "zebra" is no word of the vocabulary: neither found nor missed
        assert sorted([*phrases, *found.negatives]) == sorted(phrase for phrase in asked if phrase != "zebra")
    assert any(item.phrase == "U.S. flag" for found in left for item in found.instances) or any(
        "U.S. flag" in found.negatives for found in left
    )


@pytest.mark.parametrize("which", [0, 1])
def test_company_changes_nothing(
    both: tuple[GroundingDinoDetector, TransformersDetector], pictures: list[Picture], which: int
) -> None:
    detector = both[which]
    together = detector.detect(pictures, PHRASES)
    alone = [detector.detect([picture], [asked])[0] for picture, asked in zip(pictures, PHRASES, strict=True)]
    assert_same(together, alone, pixels=0.02, score=1e-4)


def test_long_lists_are_asked_in_parts(
    both: tuple[GroundingDinoDetector, TransformersDetector], pictures: list[Picture]
) -> None:
    colours = ["red", "green", "blue", "grey", "white", "black"]
    things = ["cat", "dog", "cow", "flag", "person", "hat", "car", "kite"]
    sizes = ["big", "small", "tiny"]
    phrases = [f"{size} {colour} {thing}" for size in sizes for colour in colours for thing in things]
    prompts = both[0]._prompts(tuple(phrases))
    assert len(prompts) == 3
    left, right = (detector.detect(pictures[:2], [phrases, ["cat"]]) for detector in both)
    assert_same(left, right)
    found = {item.phrase for item in left[0].instances}
    assert found <= set(phrases)
    assert sorted([*found, *left[0].negatives]) == sorted(phrases)
    owners = [{item.phrase for item in left[0].instances} & set(prompt.phrases) for prompt in prompts]
    assert sum(bool(owner) for owner in owners) > 1  # several parts have found something


@pytest.mark.parametrize("size", [(1, 1), (20, 3000), (300, 7), (96, 160)])
def test_pictures_of_any_shape(
    both: tuple[GroundingDinoDetector, TransformersDetector], make_picture: MakePicture, size: tuple[int, int]
) -> None:
    picture = make_picture(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8))
    for detector in both:
        assert detector.refuse(picture) is None
        for item in detector.detect([picture], [["cat"]])[0].instances:
            assert 0 <= item.box[0] < item.box[2] <= picture.width
            assert 0 <= item.box[1] < item.box[3] <= picture.height


def test_a_picture_too_thin_for_the_processor_is_refused(
    both: tuple[GroundingDinoDetector, TransformersDetector], make_picture: MakePicture
) -> None:
    thin = make_picture(np.zeros((1, 3000, 3), np.uint8))
    assert both[1].refuse(thin) == ("too_thin", "3000x1 has no pixel left at the model's 160 px")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_runs(folders: tuple[Path, Path], pictures: list[Picture], dtype: str) -> None:
    for kind, folder in zip((GroundingDinoDetector, TransformersDetector), folders, strict=True):
        found = kind(settings(folder, dtype=dtype)).detect(pictures[:1], PHRASES[:1])
        assert found[0].instances
        assert all(np.isfinite(item.box).all() for item in found[0].instances)


def test_official_sizes() -> None:
    from groundingdino.datasets.transforms import resize
    from PIL import Image

    for width, height in [(640, 480), (480, 640), (800, 800), (1333, 400), (3000, 200), (500, 375), (1, 1), (7, 900)]:
        image, _ = resize(Image.new("L", (width, height)), None, 800, 1333)
        assert resized(width, height, 800, 1333) == image.size


def test_who_it_is(both: tuple[GroundingDinoDetector, TransformersDetector]) -> None:
    infos = [detector.info for detector in both]
    assert [info.adapter for info in infos] == ["groundingdino", "transformers"]
    assert [info.model for info in infos] == ["published", "transformers"]
    assert all(len(info.sha256) == 64 for info in infos)


def copied(folder: Path, target: Path, **changes: Any) -> Path:
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    config["groundingdino"].update(changes)
    (target / "config.json").write_text(json.dumps(config))
    return target


def test_weights_that_do_not_fit_are_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for name, changes, message in [
        ("layers", {"enc_layers": 3}, r"the weights do not fit the model: \d+ missing \("),
        ("width", {"dim_feedforward": 64}, r"\d+ of another shape \("),
        ("typo", {"encoder_layers": 2}, "unknown arguments: encoder_layers"),
        ("backbone", {"backbone": "resnet50"}, "resnet50 would be downloaded"),
        ("odd", {"hidden_dim": 65}, "the model cannot be built"),
    ]:
        with pytest.raises(ModelError, match=message):
            GroundingDinoDetector(settings(copied(folders[0], tmp_path / name, **changes)))
    with pytest.raises(ModelError, match="no section groundingdino"):
        GroundingDinoDetector(settings(folders[1]))
    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersDetector(settings(folders[0]))
    for source, kind in zip(folders, (GroundingDinoDetector, TransformersDetector), strict=True):
        target = tmp_path / f"cut-{source.name}"
        shutil.copytree(source, target)
        state = load_file(source / "model.safetensors")
        name = next(name for name in state if "bbox_embed" in name and "enc" not in name)
        save_file({key: value for key, value in state.items() if key != name}, target / "model.safetensors",
                  metadata={"format": "pt"})  # fmt: skip
        with pytest.raises(ModelError, match=r"missing \("):
            kind(settings(target))


def test_a_file_of_neither_published_size_is_refused(tmp_path: Path) -> None:
    torch.save({"model": {"a": torch.zeros(1)}}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match="neither Grounding DINO Swin-T nor Swin-B"):
        GroundingDinoDetector(settings(tmp_path / "a.pth"))


def test_a_published_file_needs_its_tokenizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PE_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    torch.save({"model": {"backbone.0.patch_embed.proj.weight": torch.zeros(96, 3, 4, 4)}}, tmp_path / "a.pth")
    with pytest.raises(ModelError, match=r"google-bert/bert-base-uncased .*tokenizer\.json"):
        GroundingDinoDetector(settings(tmp_path / "a.pth"))


@pytest.mark.slow
def test_a_file_of_the_published_size_is_built_without_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: list[Picture]
) -> None:
    """Swin-T and BERT base with random weights, as a .pth with the leftovers that the published one has."""
    from types import SimpleNamespace

    from transformers import AutoTokenizer, BertConfig

    from pe.annotators.detectors import _groundingdino as building

    monkeypatch.setenv("PE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PE_OFFLINE", "1")
    home = tmp_path / "cache" / "checkpoints" / "bert-base-uncased"
    tiny_models.save_bert_tokenizer(home)
    BertConfig().save_pretrained(home)
    arguments = building._published_arguments(96)
    arguments.update(use_checkpoint=False, use_transformer_ckpt=False, text_encoder_type=str(home))
    tokenizer = AutoTokenizer.from_pretrained(home)
    module = building._module(SimpleNamespace(**arguments), BertConfig(), tokenizer, None)
    state = {f"module.{key}": value for key, value in module.state_dict().items()}
    state["module.label_enc.weight"] = torch.zeros(2001, 256)
    state["module.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"model": state}, tmp_path / "swint.pth")
    detector = GroundingDinoDetector(settings(tmp_path / "swint.pth", box_threshold=0.0, text_threshold=0.0))
    (found,) = detector.detect(pictures[:1], [["cat"]])
    assert len(found.instances) + len(found.dropped) == 900
