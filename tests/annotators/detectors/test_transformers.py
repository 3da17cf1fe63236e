from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from pe.annotators.base import AdapterSettings
from pe.annotators.detectors.transformers import TransformersDetector
from pe.errors import ModelError
from tests.annotators.detectors import tiny_models
from tests.annotators.detectors.conftest import MakePicture, open_picture

PHRASES = [
    ["red cat", "dog", "U.S. flag"],
    ["cow"],
    ["fire hydrant with a description longer than sixteen of this tokenizer's tokens", "person"],
    ["black hat", "dog", "kite"],
    [],
]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=["owlv2", "omdet-turbo", "mm-grounding-dino"])
def detector(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TransformersDetector:
    folder = tmp_path_factory.mktemp("models") / request.param
    builders: dict[str, Callable[[Path], Path]] = {
        "owlv2": tiny_models.owlv2,
        "omdet-turbo": tiny_models.omdet_turbo,
        "mm-grounding-dino": lambda path: tiny_models.grounding_dino(path, "mm-grounding-dino"),
    }
    settings = AdapterSettings(model=str(builders[request.param](folder)), box_threshold=0.3, nms_threshold=0.6)
    return TransformersDetector(settings)


def test_pictures_and_phrases_of_every_size_in_one_batch(detector: TransformersDetector, shared: Path) -> None:
    paths = sorted((shared / "photos" / "coco128" / "images").iterdir())[:5]
    pictures = [open_picture(path) for path in paths]
    together = detector.detect(pictures, PHRASES)
    assert sum(len(found.instances) for found in together) > 20
    for picture, asked, found in zip(pictures, PHRASES, together, strict=True):
        (alone,) = detector.detect([picture], [asked])
        assert [item.phrase for item in alone.instances] == [item.phrase for item in found.instances]
        assert alone.negatives == found.negatives
        phrases = {item.phrase for item in found.instances}
        assert sorted([*phrases, *found.negatives]) == sorted(asked)
        for one, other in zip(alone.instances, found.instances, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5)
            assert one.box == pytest.approx(other.box, abs=1e-2)
            assert 0 <= one.box[0] < one.box[2] <= picture.width
            assert 0 <= one.box[1] < one.box[3] <= picture.height
        assert all(item.reason in ("suppressed", "degenerate") for item in found.dropped)


def test_a_tiny_picture(detector: TransformersDetector, make_picture: MakePicture) -> None:
    picture = make_picture(np.full((1, 1, 3), 7, np.uint8))
    assert detector.refuse(picture) is None
    assert len(detector.detect([picture], [["cat"]])) == 1


def test_boxes_are_in_the_pictures_own_pixels(tmp_path: Path, make_picture: MakePicture) -> None:
    """OWLv2 sees the picture in the corner of a black square: the same pixels in a square give the same boxes."""
    detector = TransformersDetector(AdapterSettings(model=str(tiny_models.owlv2(tmp_path / "m")), box_threshold=0.2))
    generator = np.random.default_rng(3)
    wide = generator.integers(0, 255, (32, 64, 3), np.uint8)
    square = np.concatenate([wide, np.zeros_like(wide)])
    a, b = detector.detect([make_picture(wide), make_picture(square)], [["cat", "dog"]] * 2)
    assert a.instances
    inside = [item for item in b.instances if item.box[3] < 32]
    same = [item for item in a.instances if item.box[3] < 32]
    assert len(same) == len(inside) > 1
    for one, other in zip(same, inside, strict=True):
        assert one.box == pytest.approx(other.box, abs=0.5)


def test_what_is_no_zero_shot_detector_is_one_line(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    folder = tmp_path / "bert"
    BertModel(BertConfig(vocab_size=1100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)).save_pretrained(
        folder
    )
    tiny_models.save_bert_tokenizer(folder)
    with pytest.raises(ModelError) as caught:
        TransformersDetector(AdapterSettings(model=str(folder)))
    assert "\n" not in str(caught.value)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ModelError, match="cannot be loaded"):
        TransformersDetector(AdapterSettings(model=str(empty)))
