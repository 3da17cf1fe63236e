"""Building groundingdino-py's model: without a download, on transformers 5, published or from a transformers folder."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pe.annotators._pretrained import reading
from pe.annotators.checkpoints import load_state, read_weights, resolve
from pe.annotators.detectors._groundingdino_config import model_arguments, read_config, set_norms, swin_arguments
from pe.annotators.detectors._groundingdino_names import from_transformers
from pe.errors import ModelError

# The patch embedding's width tells the two published models apart, whatever the file is called.
_PUBLISHED = {96: "GroundingDINO_SwinT_OGC", 128: "GroundingDINO_SwinB_cfg"}


@dataclass(frozen=True, slots=True)
class Built:
    """The module in eval mode, its tokenizer and how many tokens it reads; a transformers folder's image processor."""

    module: Any
    tokenizer: Any
    text_limit: int = 256
    images: Any = None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Where the module is called: one of a transformers folder computes as transformers does.

        groundingdino-py assumes a width of 256 in two functions, and keeps references 1e-3 away from 0 and 1 where
        transformers keeps them 1e-5 away, which moves boxes that are as large as the picture.
        """
        if self.images is None:
            yield
            return
        import torch

        transformer: Any = importlib.import_module("groundingdino.models.GroundingDINO.transformer")
        detector: Any = importlib.import_module("groundingdino.models.GroundingDINO.groundingdino")
        sine, width = transformer.get_sine_pos_embed, self.module.hidden_dim

        def text_sine(positions: Any, num_pos_feats: int, exchange_xy: bool) -> Any:
            return sine(positions, num_pos_feats=width, exchange_xy=exchange_xy)

        def logit(share: Any) -> Any:
            return torch.special.logit(share.float(), eps=1e-5)

        with _replaced(
            (transformer, "get_sine_pos_embed", text_sine),
            (transformer, "gen_sineembed_for_position", partial(sine, num_pos_feats=width // 2)),
            (transformer, "inverse_sigmoid", logit),
            (detector, "inverse_sigmoid", logit),
        ):
            yield


def build(path: Path) -> Built:
    """The model of `path`: a published .pth or .safetensors file, or a folder as transformers saves Grounding DINO.

    Raises ModelError when it is neither, or when the weights do not fit the model key by key.
    """
    return _from_transformers(path) if path.is_dir() else _published(path)


def _published(path: Path) -> Built:
    from transformers import AutoTokenizer, BertConfig

    state = read_weights(path)
    embedding = state.get("backbone.0.patch_embed.proj.weight")
    if embedding is None or len(embedding) not in _PUBLISHED:
        raise ModelError(
            f"{path}: neither Grounding DINO Swin-T nor Swin-B: name a transformers folder for another size"
        )
    folder = resolve("groundingdino", "bert-base-uncased").path
    with reading(str(path)):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        text_config = BertConfig.from_pretrained(folder, local_files_only=True)
        module = _module(_published_arguments(len(embedding)), text_config, tokenizer)
    load_state(module, state, str(path))
    return Built(module.eval(), tokenizer)


def _from_transformers(folder: Path) -> Built:
    from transformers import AutoImageProcessor, AutoTokenizer
    from transformers.models.grounding_dino.modeling_grounding_dino import SPECIAL_TOKENS

    config = read_config(folder)
    files = sorted(folder.glob("*.safetensors"))
    if len(files) != 1:
        raise ModelError(
            f"{folder}: a Grounding DINO folder holds config.json and one .safetensors file, not {len(files)}"
        )
    with reading(str(folder)):
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # Pillow's resize is the one that the published models were trained with.
        images = AutoImageProcessor.from_pretrained(folder, local_files_only=True, backend="pil")
        arguments = {**_published_arguments(96), **model_arguments(config)}
        module = _module(arguments, config.text_config, tokenizer, swin_arguments(config.backbone_config))
    set_norms(module, config)
    # transformers parts phrases at these numbers, whatever the vocabulary calls them.
    module.specical_tokens = SPECIAL_TOKENS
    load_state(module, from_transformers(read_weights(files[0])), str(folder))
    return Built(module.eval(), tokenizer, config.max_text_len, images)


def _published_arguments(width: int) -> dict[str, Any]:
    config = importlib.import_module(f"groundingdino.config.{_PUBLISHED[width]}")
    return {name: value for name, value in vars(config).items() if not name.startswith("_")}


def _module(arguments: dict[str, Any], text_config: Any, tokenizer: Any, swin: dict[str, Any] | None = None) -> Any:
    # Its optional operator, timm's layout and torch's older names: nothing that a user can act on.
    warnings.filterwarnings("ignore", module=r"(groundingdino|timm|torch\.functional)\b")
    models: Any = importlib.import_module("groundingdino.models")
    detector: Any = importlib.import_module("groundingdino.models.GroundingDINO.groundingdino")
    tokenizers: Any = importlib.import_module("groundingdino.util.get_tokenlizer")
    from transformers import BertModel

    changes: list[tuple[Any, str, Any]] = [
        (tokenizers, "get_tokenlizer", lambda name: tokenizer),
        (tokenizers, "get_pretrained_language_model", lambda name: BertModel(text_config)),
    ]
    if not hasattr(BertModel, "get_head_mask"):
        changes.append((detector, "BertModelWarper", _with_square_mask))
    if swin is not None:
        changes.append((detector, "build_backbone", partial(_backbone, swin)))
    # Checkpointing trades time for memory in training only.
    trained = {"use_checkpoint": False, "use_transformer_ckpt": False}
    with _replaced(*changes):
        return models.build_model(SimpleNamespace(**{**arguments, **trained}))


def _with_square_mask(bert_model: Any) -> Any:
    """transformers 5's BertModel, taking the (B, L, L) bool mask that keeps phrases apart."""
    import torch

    def additive(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        mask = kwargs.get("attention_mask")
        if mask is not None and mask.dim() == 3:
            dtype = module.embeddings.word_embeddings.weight.dtype
            closed = torch.zeros(mask.shape, dtype=dtype, device=mask.device)
            kwargs["attention_mask"] = closed.masked_fill(~mask.bool(), torch.finfo(dtype).min)[:, None]
        return args, kwargs

    bert_model.register_forward_pre_hook(additive, with_kwargs=True)
    return bert_model


def _backbone(swin: dict[str, Any], arguments: SimpleNamespace) -> Any:
    """groundingdino-py's own `build_backbone` knows the published sizes, and the last stages of four, only."""
    backbone: Any = importlib.import_module("groundingdino.models.GroundingDINO.backbone.backbone")
    module: Any = importlib.import_module("groundingdino.models.GroundingDINO.backbone.swin_transformer")
    trunk = module.SwinTransformer(**swin)
    joined = backbone.Joiner(trunk, backbone.build_position_encoding(arguments))
    joined.num_channels = [trunk.num_features[index] for index in swin["out_indices"]]
    return joined


@contextmanager
def _replaced(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    try:
        for owner, name, value in changes:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)
