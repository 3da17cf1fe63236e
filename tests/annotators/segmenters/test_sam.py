from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from pe.annotators.base import AdapterSettings, Box, Instance
from pe.annotators.segmenters import _masks
from pe.annotators.segmenters._sam_build import build, from_transformers
from pe.annotators.segmenters.sam import SegmentAnything
from pe.annotators.segmenters.transformers import Transformers
from pe.errors import ModelError
from pe.shards.pictures import Picture

torch = pytest.importorskip("torch")
pytest.importorskip("segment_anything")

BOXES: list[Box] = [(0.1, 0.2, 0.6, 0.9), (0.5, 0.5, 0.95, 0.7), (0.0, 0.0, 1.0, 1.0), (0.3, 0.3, 0.31, 0.31)]


def picture(width: int, height: int) -> Picture:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    pixels = np.clip((cv2.GaussianBlur(pixels, (0, 0), 3).astype(int) - 100) * 6, 0, 255).astype(np.uint8)
    return Picture(Image.fromarray(pixels), b"", "PNG", width, height, "", "", "")


def instances(width: int, height: int, boxes: list[Box] = BOXES) -> list[Instance]:
    return [Instance("thing", 1.0, (x0 * width, y0 * height, x1 * width, y1 * height)) for x0, y0, x1, y1 in boxes]


def edited(folder: Path, target: Path, edit: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a model folder with other weights."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, target)
    state = load_file(target / "model.safetensors")
    edit(state)
    save_file(state, target / "model.safetensors", {"format": "pt"})
    return target


def test_same_weights_agree_with_sam_model(tiny_sam: Path) -> None:
    from transformers import SamModel

    ours, theirs = build(tiny_sam), SamModel.from_pretrained(tiny_sam).eval()
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    boxes = torch.tensor(BOXES) * 64
    with torch.no_grad():
        embedding = ours.image_encoder(pixels)
        sparse, dense = ours.prompt_encoder(None, boxes, None)
        logits, ious = ours.mask_decoder(embedding, ours.prompt_encoder.get_dense_pe(), sparse, dense, False)
        answer = theirs(pixel_values=pixels, input_boxes=boxes[None], multimask_output=False)
        other = theirs.get_image_embeddings(pixels)
    assert logits.std() > 0.5
    assert (embedding - other).abs().max() < 1e-4
    assert (logits - answer.pred_masks[0]).abs().max() < 1e-4
    assert (ious - answer.iou_scores[0]).abs().max() < 1e-4


@pytest.mark.parametrize("size", [(64, 64), (64, 48), (131, 200), (300, 33), (700, 500)])
def test_both_adapters_draw_the_same_masks(tiny_sam: Path, size: tuple[int, int]) -> None:
    settings = AdapterSettings(model=str(tiny_sam))
    ours = list(SegmentAnything(settings).segment(picture(*size), instances(*size)))
    theirs = list(Transformers(settings).segment(picture(*size), instances(*size)))
    kept = 0
    for one, other in zip(ours, theirs, strict=True):
        assert one.reason == other.reason
        if one.mask is None or other.mask is None:
            continue
        kept += 1
        assert one.mask.shape == (size[1], size[0])
        assert (one.mask & other.mask).sum() / (one.mask | other.mask).sum() > 0.999
        assert one.predicted_iou == pytest.approx(other.predicted_iou, abs=1e-4)
        assert one.stability == pytest.approx(other.stability, abs=1e-3)
    assert kept >= 2


def test_every_weight_has_a_place(tiny_sam: Path) -> None:
    from transformers import SamModel

    state = SamModel.from_pretrained(tiny_sam).state_dict()
    assert set(from_transformers(state)) == set(build(tiny_sam).state_dict())


def test_chunks_do_not_change_the_masks(tiny_sam: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    low, high = rng.uniform(0, 0.6, (500, 2)), rng.uniform(0.1, 0.4, (500, 2))
    boxes = [tuple(row) for row in np.hstack([low, low + high])]
    segmenter = SegmentAnything(AdapterSettings(model=str(tiny_sam)))
    once = list(segmenter.segment(picture(80, 60), instances(80, 60, boxes[:20])))
    many = list(segmenter.segment(picture(80, 60), instances(80, 60, boxes)))
    assert len(many) == 500
    monkeypatch.setattr(_masks, "MAX_BOXES", 3)
    few = list(segmenter.segment(picture(80, 60), instances(80, 60, boxes[:20])))
    for one, other, another in zip(once, few, many, strict=False):
        assert one.mask is not None
        assert other.mask is not None
        assert another.mask is not None
        assert (one.mask != other.mask).mean() < 1e-3
        assert (one.mask != another.mask).mean() < 1e-3


def test_reasons_and_thin_pictures(tiny_sam: Path) -> None:
    nothing = SegmentAnything(AdapterSettings(model=str(tiny_sam), mask_threshold=1e9))
    assert [part.reason for part in nothing.segment(picture(64, 64), instances(64, 64))] == ["empty_mask"] * 4
    for adapter in (SegmentAnything, Transformers):
        segmenter = adapter(AdapterSettings(model=str(tiny_sam)))
        assert list(segmenter.segment(picture(64, 64), [])) == []
        assert [part.reason for part in segmenter.segment(picture(200, 1), instances(200, 1))] == ["thin_picture"] * 4
        assert len(list(segmenter.segment(picture(120, 1), instances(120, 1)))) == 4


def test_bfloat16_encodes_and_decodes_close(tiny_sam: Path) -> None:
    full = list(SegmentAnything(AdapterSettings(model=str(tiny_sam))).segment(picture(64, 48), instances(64, 48)))
    half = SegmentAnything(AdapterSettings(model=str(tiny_sam), dtype="bfloat16"))
    for one, other in zip(full, half.segment(picture(64, 48), instances(64, 48)), strict=True):
        assert one.mask is not None
        assert other.mask is not None
        assert 0 < (one.mask != other.mask).mean() < 0.05


def test_info_has_no_path(tiny_sam: Path) -> None:
    info = SegmentAnything(AdapterSettings(model=str(tiny_sam))).info
    assert (info.adapter, info.model, len(info.sha256)) == ("sam", "tiny-sam", 64)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda state: state.pop("mask_decoder.iou_token.weight"), "1 missing"),
        (lambda state: state.update(extra=torch.zeros(1)), "1 left over"),
        (lambda state: state.update({"mask_decoder.iou_token.weight": torch.zeros(1, 7)}), "of another shape"),
    ],
)
def test_weights_that_do_not_all_fit(
    tiny_sam: Path, tmp_path: Path, edit: Callable[[dict[str, Any]], None], words: str
) -> None:
    folder = edited(tiny_sam, tmp_path / "broken", edit)
    with pytest.raises(ModelError, match=words):
        SegmentAnything(AdapterSettings(model=str(folder)))


def test_other_sizes_need_their_configuration(tiny_sam: Path, tmp_path: Path) -> None:
    path = tmp_path / "small.pth"
    torch.save(build(tiny_sam).state_dict(), path)
    with pytest.raises(ModelError, match="an image encoder 32 wide"):
        SegmentAnything(AdapterSettings(model=str(path)))
    folder = tmp_path / "folder"
    shutil.copytree(tiny_sam, folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "sam2"}))
    with pytest.raises(ModelError, match="sam2"):
        SegmentAnything(AdapterSettings(model=str(folder)))
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError):
        SegmentAnything(AdapterSettings(model=str(folder)))
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"no config\.json"):
        SegmentAnything(AdapterSettings(model=str(folder)))


def test_a_checkpoint_is_never_executed(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save(Trap(), tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(Trap(), protocol=2))
    for name in ("a.pth", "b.pth"):
        with pytest.raises(ModelError):
            SegmentAnything(AdapterSettings(model=str(tmp_path / name)))
    assert not (tmp_path / "owned").exists()


@pytest.mark.slow
def test_published_size_is_known_by_its_shapes(tmp_path: Path) -> None:
    from segment_anything import sam_model_registry

    path = tmp_path / "whatever.pth"
    torch.manual_seed(0)
    torch.save(sam_model_registry["vit_b"]().state_dict(), path)
    (part,) = SegmentAnything(AdapterSettings(model=str(path))).segment(picture(64, 48), instances(64, 48)[:1])
    assert part.reason in ("", "empty_mask", "small_mask")
