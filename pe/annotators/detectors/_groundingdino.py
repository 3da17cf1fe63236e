"""Building groundingdino-py's model: without a download, on transformers 5, at any width."""

from __future__ import annotations

import importlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pe.annotators.checkpoints import load_state, read_weights, resolve
from pe.errors import ModelError

# The patch embedding's width tells the two published models apart, whatever the file is called.
_PUBLISHED = {96: "GroundingDINO_SwinT_OGC", 128: "GroundingDINO_SwinB_cfg"}
_RESIZE = {"shortest": 800, "longest": 1333}


@dataclass(frozen=True, slots=True)
class Built:
    """The module in eval mode, its tokenizer, its width, and the sides that pictures are resized to."""

    module: Any
    tokenizer: Any
    hidden_dim: int
    shortest: int
    longest: int


def build(path: Path) -> Built:
    """The model of `path`: a published .pth or .safetensors file, or a folder.

    A folder has model.safetensors, the tokenizer's files and config.json {"groundingdino": {...}}: what differs from
    the Swin-T model's own arguments, with "bert" (BertConfig's arguments), "swin" (SwinTransformer's) and "resize"
    ({"shortest", "longest"}, pixels) beside them. Raises ModelError.
    """
    from transformers import AutoTokenizer, BertConfig

    if path.is_dir():
        own = _folder_config(path)
        bert, swin, resize = own.pop("bert", None), own.pop("swin", None), own.pop("resize", _RESIZE)
        arguments = _published_arguments(96)
        unknown = sorted(set(own) - set(arguments))
        if unknown:
            raise ModelError(f"{path / 'config.json'}: unknown arguments: {', '.join(unknown)}")
        arguments.update(own)
        state = read_weights(path / "model.safetensors")
        text_folder = path
    else:
        state = read_weights(path)
        embedding = state.get("backbone.0.patch_embed.proj.weight")
        if embedding is None or len(embedding) not in _PUBLISHED:
            raise ModelError(f"{path}: neither Grounding DINO Swin-T nor Swin-B; others need a folder with config.json")
        arguments, swin, resize, bert = _published_arguments(len(embedding)), None, _RESIZE, None
        text_folder = resolve("groundingdino", "bert-base-uncased").path
    try:
        tokenizer = AutoTokenizer.from_pretrained(text_folder, local_files_only=True)
        text_config = BertConfig(**bert) if bert else BertConfig.from_pretrained(text_folder, local_files_only=True)
        # Checkpointing trades time for memory in training only.
        arguments.update(use_checkpoint=False, use_transformer_ckpt=False, text_encoder_type=str(text_folder))
        module = _module(SimpleNamespace(**arguments), text_config, tokenizer, swin)
    except (OSError, ValueError, TypeError, KeyError, AssertionError, AttributeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{path}: the model cannot be built: {lines[0][:200]}") from error
    load_state(module, state, str(path))
    return Built(module.eval(), tokenizer, arguments["hidden_dim"], int(resize["shortest"]), int(resize["longest"]))


@contextmanager
def at_width(hidden_dim: int) -> Iterator[None]:
    """The two places of groundingdino-py that assume 256 wide models, made `hidden_dim` wide for a forward pass."""
    if hidden_dim == 256:
        yield
        return
    transformer: Any = importlib.import_module("groundingdino.models.GroundingDINO.transformer")
    sine = transformer.get_sine_pos_embed

    def text_sine(positions: Any, num_pos_feats: int, exchange_xy: bool) -> Any:
        return sine(positions, num_pos_feats=hidden_dim, exchange_xy=exchange_xy)

    with _replaced(
        (transformer, "get_sine_pos_embed", text_sine),
        (transformer, "gen_sineembed_for_position", partial(sine, num_pos_feats=hidden_dim // 2)),
    ):
        yield


def _folder_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads((path / "config.json").read_bytes())
        own = config["groundingdino"]
        if not isinstance(own, dict):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(
            f"{path}: config.json has no section groundingdino; a model of transformers is for --detector transformers"
        ) from None
    return dict(own)


def _published_arguments(width: int) -> dict[str, Any]:
    config = importlib.import_module(f"groundingdino.config.{_PUBLISHED[width]}")
    return {name: value for name, value in vars(config).items() if not name.startswith("_")}


def _module(arguments: SimpleNamespace, text_config: Any, tokenizer: Any, swin: dict[str, Any] | None) -> Any:
    # Its optional operator, timm's layout and torch's older names: nothing that a user can act on.
    warnings.filterwarnings("ignore", module=r"(groundingdino|timm|torch\.functional)\b")
    models: Any = importlib.import_module("groundingdino.models")
    detector: Any = importlib.import_module("groundingdino.models.GroundingDINO.groundingdino")
    backbone: Any = importlib.import_module("groundingdino.models.GroundingDINO.backbone.backbone")
    tokenizers: Any = importlib.import_module("groundingdino.util.get_tokenlizer")
    from transformers import BertModel

    if not arguments.backbone.startswith("swin"):
        raise ValueError(f"backbone {arguments.backbone} would be downloaded; only Swin is supported")
    changes: list[tuple[Any, str, Any]] = [
        (tokenizers, "get_tokenlizer", lambda name: tokenizer),
        (tokenizers, "get_pretrained_language_model", lambda name: BertModel(text_config)),
    ]
    if not hasattr(BertModel, "get_head_mask"):
        changes.append((detector, "BertModelWarper", _with_square_mask))
    if swin is not None:
        changes.append((backbone, "build_swin_transformer", partial(_small_swin, swin)))
    with _replaced(*changes):
        return models.build_model(arguments)


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


def _small_swin(swin: dict[str, Any], name: str, **arguments: Any) -> Any:
    module: Any = importlib.import_module("groundingdino.models.GroundingDINO.backbone.swin_transformer")
    return module.SwinTransformer(**{**arguments, **swin})


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
