"""Trains the small SAM of the demo from scratch on drawn scenes: a mask for a box that is a little off.

Loss of Segment Anything (Kirillov et al. 2023): focal and Dice on the mask, squared error on the predicted IoU.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from scenes import load
from torch.nn import functional

MEAN = np.array([123.675, 116.28, 103.53], np.float32)
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)
SIDE, PATCH, WIDTH = 128, 4, 64
ENCODER, LAYERS, GLOBAL = 64, 4, [3]
BOXES = 3


def build() -> torch.nn.Module:
    """A SamModel with a start from which it learns; the library's own is next to zero in the encoder."""
    from transformers import SamConfig, SamModel

    config = SamConfig(
        vision_config={
            "hidden_size": ENCODER, "output_channels": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2,
            "image_size": SIDE, "patch_size": PATCH, "window_size": 8, "global_attn_indexes": GLOBAL,
            "num_pos_feats": WIDTH // 2, "mlp_dim": 4 * ENCODER,
        },
        prompt_encoder_config={
            "hidden_size": WIDTH, "image_size": SIDE, "patch_size": PATCH, "mask_input_channels": 8,
        },
        mask_decoder_config={
            "hidden_size": WIDTH, "mlp_dim": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4,
            "iou_head_hidden_dim": WIDTH, "iou_head_depth": 3,
        },
    )  # fmt: skip
    model = SamModel(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)
            elif parameter.ndim < 2 or "rel_pos" in name:
                parameter.zero_()
            elif "embed" in name or "token" in name:
                parameter.normal_(std=0.2)
            else:
                torch.nn.init.xavier_uniform_(parameter)
        torch.nn.init.kaiming_uniform_(model.vision_encoder.patch_embed.projection.weight, a=math.sqrt(5))
        positions = torch.randn(model.shared_image_embedding.positional_embedding.shape)
        for _, buffer in model.named_buffers():
            if buffer.shape == positions.shape:
                buffer.copy_(positions)
        for name, parameter in model.named_parameters():
            if name.endswith("positional_embedding"):
                parameter.copy_(positions)
                parameter.requires_grad_(False)
    return model


def sample(
    data: dict[str, np.ndarray], rows: np.ndarray, rng: np.random.Generator, jitter: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures (B, 3, S, S), boxes (B, BOXES, 4) in pixels and masks (B, BOXES, S, S)."""
    pixels = (data["pixels"][rows].astype(np.float32) - MEAN) / DEVIATION
    owner = data["owner"][rows]
    boxes = np.zeros((len(rows), BOXES, 4), np.float32)
    masks = np.zeros((len(rows), BOXES, SIDE, SIDE), np.float32)
    for i, row in enumerate(rows):
        flip = jitter > 0 and rng.random() < 0.5
        if flip:
            pixels[i], owner[i] = pixels[i, :, ::-1].copy(), owner[i, :, ::-1].copy()
        count = int(data["count"][row])
        for k in range(BOXES):
            thing = int(rng.integers(count)) if jitter else k % count
            box = data["boxes"][row, thing].copy()
            if flip:
                box[[0, 2]] = SIDE - box[[2, 0]]
            side = np.tile(box[2:] - box[:2], 2)
            box = box + (rng.normal(size=4) * jitter * side).clip(-0.2 * side, 0.2 * side).astype(np.float32)
            boxes[i, k], masks[i, k] = box.clip(0, SIDE), owner[i] == thing + 1
    picture = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
    return picture, torch.from_numpy(boxes), torch.from_numpy(masks)


def predict(model: torch.nn.Module, pixels: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask logits (B, BOXES, S, S) and predicted IoU (B, BOXES)."""
    answer = model(pixel_values=pixels, input_boxes=boxes, multimask_output=False)
    logits = functional.interpolate(answer.pred_masks[:, :, 0], (SIDE, SIDE), mode="bilinear", align_corners=False)
    return logits, answer.iou_scores[:, :, 0]


def overlap(logits: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """IoU (B, BOXES) of the masks cut at 0."""
    mask, truth = logits > 0, masks > 0.5
    return (mask & truth).sum((-2, -1)) / (mask | truth).sum((-2, -1)).clamp(min=1)


@torch.no_grad()
def evaluate(model: torch.nn.Module, data: dict[str, np.ndarray], count: int) -> dict[str, float]:
    """Mean IoU from true boxes, and the mean error of the predicted IoU."""
    model.eval()
    rows = np.flatnonzero(data["count"][:count])
    ious, errors = [], []
    for start in range(0, len(rows), 25):
        chunk = rows[start : start + 25]
        pixels, boxes, masks = sample(data, chunk, np.random.default_rng(0), 0.0)
        logits, scores = predict(model, pixels, boxes)
        iou = overlap(logits, masks)
        fresh = torch.arange(BOXES)[None] < torch.from_numpy(data["count"][chunk])[:, None]
        ious.append(iou[fresh])
        errors.append((scores - iou).abs()[fresh])
    model.train()
    return {"iou": float(torch.cat(ious).mean()), "iou_error": float(torch.cat(errors).mean())}


def main() -> None:
    """Train, or go on where a checkpoint stands; the averaged weights go to OUT as transformers saves them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=Path, default=Path("build/demo-models/scenes"))
    parser.add_argument("--work", type=Path, default=Path("build/demo-models/segmenter"))
    parser.add_argument("--out", type=Path, default=Path("pe/assets/demo/sam"))
    parser.add_argument("--steps", type=int, default=6300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunks", type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    arguments.work.mkdir(parents=True, exist_ok=True)
    data = load(arguments.scenes, "train", arguments.chunks)
    things = np.flatnonzero(data["count"])
    held = load(arguments.scenes, "test", 1)
    model = build()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=arguments.rate, betas=(0.9, 0.99), weight_decay=0.02, fused=True)
    average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    checkpoint, step, spent = arguments.work / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        average, step, spent = kept["average"], kept["step"], kept["cpu_seconds"]
    print(f"{sum(p.numel() for p in parameters):,} parameters, {len(things):,} scenes, from step {step}", flush=True)
    model.train()
    since, cpu, losses = time.time(), time.process_time() - spent, []
    while step < arguments.steps:
        warm = min(1.0, (step + 1) / 200)
        rate = arguments.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / arguments.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng([2, step])
        pixels, boxes, masks = sample(data, things[rng.integers(len(things), size=arguments.batch)], rng, 0.05)
        logits, scores = predict(model, pixels, boxes)
        chance = logits.sigmoid()
        cross = functional.binary_cross_entropy_with_logits(logits, masks, reduction="none")
        focal = (cross * (1 - (chance * masks + (1 - chance) * (1 - masks))) ** 2).sum((-2, -1)) / masks.sum((-2, -1))
        dice = 1 - (2 * (chance * masks).sum((-2, -1)) + 1) / ((chance + masks).sum((-2, -1)) + 1)
        error = (scores - overlap(logits.detach(), masks)) ** 2
        loss = focal.mean() + dice.mean() + error.mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        losses.append(float(loss.detach()))
        keep = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            moving = [(average[k], tensor) for k, tensor in model.state_dict().items() if tensor.is_floating_point()]
            torch._foreach_lerp_(*map(list, zip(*moving, strict=True)), 1 - keep)
        if step % 100 == 0 or step == 20:
            seconds = f"{time.time() - since:.0f} s {time.process_time() - cpu:.0f} cpu-s"
            print(step, f"loss {np.mean(losses[-100:]):.3f}", seconds, flush=True)
        if step % 500 == 0 or step == arguments.steps:
            partial = checkpoint.with_suffix(".part")
            kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            kept |= {"average": average, "step": step, "cpu_seconds": time.process_time() - cpu}
            torch.save(kept, partial)
            partial.replace(checkpoint)
            shadow = build()
            shadow.load_state_dict(average)
            line = {"step": step, "loss": float(np.mean(losses[-500:])), **evaluate(shadow, held, 300)}
            line["cpu_seconds"] = time.process_time() - cpu
            with (arguments.work / "curve.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            print(line, flush=True)
    save(average, arguments.out)


def save(state: dict[str, torch.Tensor], folder: Path) -> None:
    """float16 weights, config and image processor, as transformers reads them."""
    from transformers import SamImageProcessorPil

    model = build()
    model.load_state_dict(state)
    model.half().save_pretrained(folder)
    SamImageProcessorPil(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": 4 * SIDE // PATCH},
        mask_pad_size={"height": 4 * SIDE // PATCH, "width": 4 * SIDE // PATCH},
    ).save_pretrained(folder)


if __name__ == "__main__":
    main()
