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
from pe.annotators.detectors._groundingdino_names import from_transformers
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
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights as transformers saves them, for both libraries."""
    return tiny_models.grounding_dino(tmp_path_factory.mktemp("models") / "tiny-dino")


def settings(folder: Path, **changes: Any) -> AdapterSettings:
    return AdapterSettings(**{"model": str(folder), "box_threshold": 0.3, "text_threshold": 0.25, **changes})


@pytest.fixture(scope="module")
def both(folder: Path) -> tuple[GroundingDinoDetector, TransformersDetector]:
    return GroundingDinoDetector(settings(folder)), TransformersDetector(settings(folder))


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


# Another feature map, depth, width and rounding everywhere that both libraries have them.
OTHERS: dict[str, dict[str, Any]] = {
    "three levels": {
        "swin": {"depths": [1, 2, 1, 1]}, "num_feature_levels": 3, "encoder_n_points": 3,
        "decoder_bbox_embed_share": False, "dtype": "float16",
    },
    "four levels of three early stages": {
        "swin": {
            "depths": [2, 1, 2], "num_heads": [1, 2, 4], "window_size": 5, "mlp_ratio": 2.0, "qkv_bias": False,
            "layer_norm_eps": 1e-3, "out_features": ["stage1", "stage2", "stage3"],
        },
        "d_model": 128, "encoder_layers": 1, "decoder_layers": 1, "decoder_bbox_embed_share": False,
        "encoder_attention_heads": 8, "decoder_attention_heads": 8, "layer_norm_eps": 1e-3,
        "positional_embedding_temperature": 40, "max_text_len": 64, "num_queries": 30, "dtype": "float16",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(("shortest", "longest"), [(96, 160), (240, 420)])
def test_and_at_other_sizes(
    name: str, shortest: int, longest: int, tmp_path: Path, make_picture: MakePicture, pictures: list[Picture]
) -> None:
    """Pictures of every form, also larger than those that the model was made for."""
    folder = tiny_models.grounding_dino(tmp_path / "model", **OTHERS[name])
    changed(
        folder / "processor_config.json", image_processor={"size": {"shortest_edge": shortest, "longest_edge": longest}}
    )
    ours, theirs = GroundingDinoDetector(settings(folder)), TransformersDetector(settings(folder))
    random = np.random.default_rng(0)
    shapes = [(96, 96), (301, 1000), (640, 333)]
    asked = [*pictures[:2], *(make_picture(random.integers(0, 255, (*shape, 3), np.uint8)) for shape in shapes)]
    for picture in asked:
        pixels = ours._pixels(picture)
        assert torch.equal(pixels, theirs._inner._pixels(picture))
        scores, boxes = forward(ours, pixels, PHRASES[0])
        other_scores, other_boxes = forward(theirs._inner, pixels, PHRASES[0])
        limit = other_scores.shape[1]
        assert scores[:, :8].std() > 0.05
        assert not scores[:, limit:].any()
        assert np.abs(scores[:, :limit] - other_scores).max() < 1e-4
        assert np.abs(boxes - other_boxes).max() < 1e-4
    many = tuple(
        f"{colour} {thing}"
        for colour in ("red", "green", "blue", "grey")
        for thing in ("cat", "dog", "cow", "hat", "car", "kite")
    )
    assert ours._prompts(many) == theirs._inner._prompts(many)
    found = ours.detect(asked, PHRASES[:5])
    assert_same(found, theirs.detect(asked, PHRASES[:5]), score=1e-4)
    assert sum(len(item.instances) for item in found) > 20


def test_boxes_as_large_as_the_picture(folder: Path, pictures: list[Picture], tmp_path: Path) -> None:
    """Where the two libraries keep away from the edges by other amounts."""
    target = with_weights(folder, tmp_path / "model", "model.encoder_output_bbox_embed.layers.2.bias", 9.0)
    ours, theirs = GroundingDinoDetector(settings(target)), TransformersDetector(settings(target))
    pixels = ours._pixels(pictures[0])
    _, boxes = forward(ours, pixels, PHRASES[0])
    _, other_boxes = forward(theirs._inner, pixels, PHRASES[0])
    assert boxes.max() > 0.9995
    assert np.abs(boxes - other_boxes).max() < 1e-4


def test_a_vocabulary_without_a_question_mark(folder: Path, pictures: list[Picture], tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "tokenizer.json"
    path.write_text(path.read_text().replace('"?"', '"[unused1029]"'))
    ours, theirs = (kind(settings(path.parent)) for kind in (GroundingDinoDetector, TransformersDetector))
    pixels = ours._pixels(pictures[0])
    scores, _ = forward(ours, pixels, ["red zebra", "dog"])  # zebra is [UNK]
    other_scores, _ = forward(theirs._inner, pixels, ["red zebra", "dog"])
    assert np.abs(scores - other_scores).max() < 1e-4


def test_an_image_processor_in_a_file_of_its_own(folder: Path, pictures: list[Picture], tmp_path: Path) -> None:
    """The layout of older versions of transformers."""
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model" / "processor_config.json"
    config = json.loads(path.read_text())
    words = {**config["image_processor"], "processor_class": config["processor_class"]}
    path.with_name("preprocessor_config.json").write_text(json.dumps(words))
    path.unlink()
    ours, theirs = (kind(settings(path.parent)) for kind in (GroundingDinoDetector, TransformersDetector))
    assert min(ours._pixels(pictures[0]).shape[1:]) == 96
    assert_same(ours.detect(pictures[:2], PHRASES[:2]), theirs.detect(pictures[:2], PHRASES[:2]))


def test_and_in_the_other_direction(folder: Path, pictures: list[Picture], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    ours = GroundingDinoDetector(settings(folder))
    module = ours._built.module
    generator = torch.Generator().manual_seed(7)
    for parameter in module.parameters():
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=generator)
    names = list(load_file(folder / "model.safetensors"))
    state = tiny_models.from_published(module.state_dict(), names)
    unused = {name: torch.zeros(128) for name in names if "swin.layernorm" in name}
    shutil.copytree(folder, tmp_path / "model")
    save_file({**state, **unused}, tmp_path / "model" / "model.safetensors", metadata={"format": "pt"})
    theirs = TransformersDetector(settings(tmp_path / "model"))._inner
    pixels = ours._pixels(pictures[0])
    scores, boxes = forward(ours, pixels, PHRASES[0])
    other_scores, other_boxes = forward(theirs, pixels, PHRASES[0])
    assert np.abs(scores - other_scores).max() < 1e-4
    assert np.abs(boxes - other_boxes).max() < 1e-4
    round_trip = from_transformers({**state, **unused})
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
    for detector in both:
        assert detector.refuse(thin) == ("too_thin", "3000x1 has no pixel left at the model's 160 px")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_runs(folder: Path, pictures: list[Picture], dtype: str) -> None:
    for kind in (GroundingDinoDetector, TransformersDetector):
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
    assert [info.model for info in infos] == ["tiny-dino"] * 2
    assert infos[0].sha256 == infos[1].sha256 != ""


def changed(path: Path, **changes: Any) -> None:
    """Write `changes` into a JSON file; a dict goes into the dict that is there."""
    config = json.loads(path.read_text())
    for key, value in changes.items():
        config[key] = {**config[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(config))


def with_weights(folder: Path, target: Path, name: str, value: float | None) -> Path:
    """A copy of `folder` with one parameter set to `value`, or without it."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(folder, target)
    state = load_file(folder / "model.safetensors")
    if value is None:
        del state[name]
    else:
        state[name] = torch.full_like(state[name], value)
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    return target


def test_weights_that_do_not_fit_are_refused(folder: Path, tmp_path: Path) -> None:
    for name, changes, message in [
        ("layers", {"encoder_layers": 3}, r"the weights do not fit the model: \d+ missing \("),
        ("width", {"encoder_ffn_dim": 64, "decoder_ffn_dim": 64}, r"\d+ of another shape \("),
        ("odd", {"d_model": 66}, "cannot be loaded"),
    ]:
        target = Path(shutil.copytree(folder, tmp_path / name))
        changed(target / "config.json", **changes)
        with pytest.raises(ModelError, match=message):
            GroundingDinoDetector(settings(target))
    for number, name in enumerate(
        [
            "model.encoder_output_bbox_embed.layers.0.bias",
            "model.decoder.layers.1.self_attn.key.weight",
            "model.backbone.conv_encoder.model.encoder.layers.1.blocks.0.attention.self.value.bias",
        ]
    ):
        target = with_weights(folder, tmp_path / f"cut-{number}", name, None)
        for kind in (GroundingDinoDetector, TransformersDetector):
            with pytest.raises(ModelError, match=r"1 missing \("):
                kind(settings(target))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_function": "gelu"}, "activation_function gelu"),
        ({"position_embedding_type": "learned"}, "position_embedding_type learned"),
        ({"two_stage": False}, "two_stage False"),
        ({"embedding_init_target": False}, "embedding_init_target False"),
        ({"query_dim": 2}, "query_dim 2"),
        ({"decoder_ffn_dim": 48}, "encoder_ffn_dim 96 and decoder_ffn_dim 48"),
        ({"decoder_attention_heads": 2}, "encoder_attention_heads 4 and decoder_attention_heads 2"),
        ({"max_text_len": 512}, r"max_text_len 512 \(at most 256\)"),
        ({"num_feature_levels": 2}, "2 feature levels for 3 stages"),
        ({"backbone_config": {"hidden_act": "relu"}}, "backbone hidden_act relu"),
        ({"backbone_config": {"use_absolute_embeddings": True}}, "backbone use_absolute_embeddings True"),
        ({"backbone_config": {"model_type": "resnet"}}, "backbone model_type resnet|cannot be loaded"),
        ({"backbone_config": {"out_features": ["stem", "stage2"], "out_indices": [0, 2]}}, "the backbone's stem"),
        ({"text_config": {"model_type": "roberta"}}, "a roberta text model"),
    ],
)
def test_what_groundingdino_py_lacks_is_one_line(
    changes: dict[str, Any], message: str, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "model")
    changed(tmp_path / "model" / "config.json", **changes)
    with pytest.raises(ModelError, match=message) as caught:
        GroundingDinoDetector(settings(tmp_path / "model"))
    assert "\n" not in str(caught.value)


def test_a_folder_of_something_else_is_refused(folder: Path, tmp_path: Path) -> None:
    other = tiny_models.grounding_dino(tmp_path / "mm", "mm-grounding-dino")
    with pytest.raises(ModelError, match="a mm-grounding-dino model, not grounding-dino: use --detector transformers"):
        GroundingDinoDetector(settings(other))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match=r"empty: no config\.json in it"):
        GroundingDinoDetector(settings(tmp_path / "empty"))
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"one \.safetensors file, not 0"):
        GroundingDinoDetector(settings(tmp_path / "bare"))


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
    from transformers import AutoTokenizer, BertConfig

    from pe.annotators.detectors import _groundingdino as building

    monkeypatch.setenv("PE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PE_OFFLINE", "1")
    home = tmp_path / "cache" / "checkpoints" / "bert-base-uncased"
    tiny_models.save_bert_tokenizer(home)
    BertConfig().save_pretrained(home)
    tokenizer = AutoTokenizer.from_pretrained(home)
    module = building._module(building._published_arguments(96), BertConfig(), tokenizer)
    state = {f"module.{key}": value for key, value in module.state_dict().items()}
    state["module.label_enc.weight"] = torch.zeros(2001, 256)
    state["module.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"model": state}, tmp_path / "swint.pth")
    detector = GroundingDinoDetector(settings(tmp_path / "swint.pth", box_threshold=0.0, text_threshold=0.0))
    (found,) = detector.detect(pictures[:1], [["cat"]])
    assert len(found.instances) + len(found.dropped) == 900
