from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pe.annotators.base import AdapterSettings, Box, Instance
from pe.annotators.segmenters.transformers import Transformers
from pe.errors import ModelError
from pe.shards.pictures import Picture

torch = pytest.importorskip("torch")

BOXES: list[Box] = [(10.0, 5.0, 60.0, 50.0), (0.0, 0.0, 90.0, 70.0), (40.5, 30.25, 80.0, 60.0)]


def picture(width: int = 90, height: int = 70) -> Picture:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x * 2 % 256, y * 3 % 256, (x * y) % 256], -1).astype(np.uint8)
    return Picture(Image.fromarray(pixels), b"", "PNG", width, height, "", "", "")


INSTANCES = [Instance("thing", 1.0, box) for box in BOXES]


def test_sam2_masks_are_those_of_its_own_processor(tiny_sam2: Path) -> None:
    from transformers import Sam2ImageProcessor, Sam2Model, Sam2Processor

    processor = Sam2Processor(Sam2ImageProcessor.from_pretrained(tiny_sam2), target_size=128)
    model = Sam2Model.from_pretrained(tiny_sam2).eval()
    inputs = processor(images=picture().image, input_boxes=[[list(box) for box in BOXES]], return_tensors="pt")
    with torch.no_grad():
        answer = model(**inputs, multimask_output=False)
    (expected,) = processor.post_process_masks(answer.pred_masks, inputs["original_sizes"])
    segments = list(Transformers(AdapterSettings(model=str(tiny_sam2))).segment(picture(), INSTANCES))
    for index, part in enumerate(segments):
        assert part.mask is not None
        np.testing.assert_array_equal(part.mask, expected[index, 0].numpy())
        assert part.predicted_iou == pytest.approx(answer.iou_scores[0, index, 0].item(), abs=1e-5)
        assert part.stability is not None
        assert 0 < part.stability < 1


def test_video_checkpoints_give_their_image_model(tiny_sam2: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "video"
    shutil.copytree(tiny_sam2, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "sam2_video", "architectures": ["Sam2VideoModel"]}
    (folder / "config.json").write_text(json.dumps(config))
    state = load_file(folder / "model.safetensors")
    state["memory_encoder.projection.weight"] = torch.zeros(3, 3)
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    expected = list(Transformers(AdapterSettings(model=str(tiny_sam2))).segment(picture(), INSTANCES))
    segments = list(Transformers(AdapterSettings(model=str(folder))).segment(picture(), INSTANCES))
    for one, other in zip(segments, expected, strict=True):
        assert one.mask is not None
        np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_lower_precision_runs_close(tiny_sam2: Path, dtype: str) -> None:
    full = list(Transformers(AdapterSettings(model=str(tiny_sam2))).segment(picture(), INSTANCES))
    half = Transformers(AdapterSettings(model=str(tiny_sam2), dtype=dtype))
    assert half._model.dtype == getattr(torch, dtype)
    for one, other in zip(full, half.segment(picture(), INSTANCES), strict=True):
        assert one.mask is not None
        assert other.mask is not None
        assert (one.mask != other.mask).mean() < 0.1


def test_one_embedding_for_all_boxes(tiny_sam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    segmenter = Transformers(AdapterSettings(model=str(tiny_sam)))
    calls: list[int] = []
    original = segmenter._model.get_image_embeddings

    def counted(pixels: Any) -> Any:
        calls.append(len(pixels))
        return original(pixels)

    monkeypatch.setattr(segmenter._model, "get_image_embeddings", counted)
    assert len(list(segmenter.segment(picture(), INSTANCES * 50))) == 150
    assert calls == [1]


def test_gray_and_palette_pictures(tiny_sam: Path, tiny_sam2: Path) -> None:
    for folder in (tiny_sam, tiny_sam2):
        segmenter = Transformers(AdapterSettings(model=str(folder)))
        for mode in ("L", "P", "RGBA", "1"):
            image = picture(30, 3).image.convert(mode)
            found = Picture(image, b"", "PNG", 30, 3, "", "", "")
            assert len(list(segmenter.segment(found, [Instance("thing", 1.0, (1, 1, 20, 3))]))) == 1


def test_problems_are_one_line(tiny_sam: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_sam, broken)
    state = load_file(broken / "model.safetensors")
    del state["mask_decoder.iou_token.weight"]
    save_file(state, broken / "model.safetensors", {"format": "pt"})
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text(json.dumps({"model_type": "vit"}))
    unprocessed = tmp_path / "unprocessed"
    shutil.copytree(tiny_sam, unprocessed)
    (unprocessed / "preprocessor_config.json").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    damaged = tmp_path / "damaged"
    shutil.copytree(tiny_sam, damaged)
    (damaged / "model.safetensors").write_bytes(b"\x00" * 100)
    narrow = tmp_path / "narrow"
    shutil.copytree(tiny_sam, narrow)
    config = json.loads((narrow / "config.json").read_text())
    config["mask_decoder_config"]["iou_head_hidden_dim"] = 20
    (narrow / "config.json").write_text(json.dumps(config))
    file = tmp_path / "weights.safetensors"
    shutil.copy(tiny_sam / "model.safetensors", file)
    for path, words in (
        (broken, "1 missing"),
        (other, "a vit model"),
        (unprocessed, "cannot be loaded"),
        (empty, "cannot be loaded"),
        (damaged, "cannot be loaded"),
        (narrow, "of another shape"),
        (file, "not a folder"),
        (tmp_path / "absent", "no such file"),
    ):
        with pytest.raises(ModelError, match=words) as caught:
            Transformers(AdapterSettings(model=str(path)))
        assert "\n" not in str(caught.value)
