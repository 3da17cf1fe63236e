"""Trains the small Grounding DINO of the demo from scratch on drawn scenes.

transformers' own loss gives the proposal head no gradient and mixes up the prompts of a batch, so the loss is here:
focal (Lin et al. 2017) on every token, L1 and GIoU on the boxes, one-to-one for the last decoder layer (DETR, Carion et
al. 2020), several a thing before the last layer (H-DETR, Jia et al. 2023).
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
from scipy.optimize import linear_sum_assignment
from torch.nn import functional
from words import KINDS, LENGTH, encode, prompt, save_tokenizer

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
MANY = (4, 3, 3, 1)
"""Predictions a thing is the target of, in the proposals and in each decoder layer: the last finds each thing once."""


def build(width: int = 64, embed: int = 32, queries: int = 64) -> torch.nn.Module:
    """The model with a start from which it learns: the library's own leaves text and picture apart for long."""
    from transformers import BertConfig, GroundingDinoConfig, GroundingDinoForObjectDetection, SwinConfig

    swin = SwinConfig(
        image_size=128, embed_dim=embed, depths=[1, 2, 2, 1], num_heads=[1, 2, 4, 8], window_size=4,
        out_features=["stage2", "stage3", "stage4"], drop_path_rate=0.0,
    )  # fmt: skip
    bert = BertConfig(
        vocab_size=LENGTH, hidden_size=width, num_hidden_layers=1, num_attention_heads=4, intermediate_size=2 * width,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=bert, d_model=width, encoder_layers=2, decoder_layers=3,
        num_queries=queries, encoder_ffn_dim=4 * width, decoder_ffn_dim=4 * width, encoder_attention_heads=4,
        decoder_attention_heads=4, num_feature_levels=3, encoder_n_points=2, decoder_n_points=2, max_text_len=256,
        dropout=0.0, fusion_dropout=0.0, fusion_droppath=0.0, text_enhancer_dropout=0.0, attention_dropout=0.0,
        activation_dropout=0.0,
    )  # fmt: skip
    model = GroundingDinoForObjectDetection(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("vision_param", "text_param")):
                parameter.fill_(0.1)
        inner = model.model
        text_norm = inner.encoder.layers[-1].text_enhancer_layer.layer_norm_after
        text_norm.weight.fill_(0.25)
        # A token's logit is a plain dot product: one constant channel gives it the bias that a rare target needs.
        for norm, bias in ((text_norm, -2.0), (inner.decoder.layer_norm, 2.0), (inner.enc_output_norm, 2.0)):
            norm.weight[0] = 0.0
            norm.bias[0] = bias
    return model


def corners(boxes: torch.Tensor) -> torch.Tensor:
    """Centre x, y, width, height to x0, y0, x1, y1."""
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def giou(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """GIoU (Rezatofighi et al. 2019) and IoU of broadcast corner boxes."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - inter
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    iou = inter / (union + 1e-7)
    return iou - (hull - union) / (hull + 1e-7), iou


class Batch:
    """Pictures, prompts and targets of a step, padded where counts differ; boxes are cx, cy, w, h in fractions."""

    def __init__(self, data: dict[str, np.ndarray], rows: np.ndarray, rng: np.random.Generator, flip: bool) -> None:
        pixels = data["pixels"][rows].astype(np.float32) / 255
        pixels = (pixels - MEAN) / DEVIATION
        side = pixels.shape[1]
        ids, token_targets, boxes = [], [], []
        self.kinds = [torch.from_numpy(data["kinds"][row, : int(data["count"][row])]) for row in rows]
        for i, row in enumerate(rows):
            count = int(data["count"][row])
            box = data["boxes"][row, :count].copy()
            if flip and rng.random() < 0.5:
                pixels[i] = pixels[i, :, ::-1]
                box[:, [0, 2]] = side - box[:, [2, 0]]
            phrases, targets = prompt(rng, data["kinds"][row, :count])
            tokens, spans = encode(phrases)
            ids.append(tokens)
            token_targets.append([spans[t] for t in targets])
            boxes.append(np.hstack([box[:, :2] + box[:, 2:], 2 * (box[:, 2:] - box[:, :2])]) / (2 * side))
        length = max(map(len, ids))
        self.pixels = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        self.ids = torch.zeros(len(rows), length, dtype=torch.long)
        self.boxes, self.tokens = [], []
        for i, tokens in enumerate(ids):
            self.ids[i, : len(tokens)] = torch.tensor(tokens)
            hot = torch.zeros(len(boxes[i]), length)
            for k, span in enumerate(token_targets[i]):
                hot[k, span] = 1
            self.tokens.append(hot)
            self.boxes.append(torch.from_numpy(boxes[i]))
        self.mask = (self.ids != 0).long()


Found = list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]


def outputs(model: torch.nn.Module, batch: Batch) -> Found:
    """(token logits, boxes cxcywh, hidden states) of the encoder's proposals and of each decoder layer."""
    inner = model.model(
        pixel_values=batch.pixels, input_ids=batch.ids, attention_mask=batch.mask,
        token_type_ids=torch.zeros_like(batch.ids),
    )  # fmt: skip
    seen = inner.encoder_last_hidden_state_vision
    found = [(inner.enc_outputs_class, inner.enc_outputs_coord_logits.sigmoid(), seen)]
    reference = inner.init_reference_points
    for level in range(inner.intermediate_hidden_states.shape[1]):
        hidden = inner.intermediate_hidden_states[:, level]
        logits = model.class_embed[level](hidden, inner.encoder_last_hidden_state_text, batch.mask.bool())
        boxes = (model.bbox_embed[level](hidden) + torch.special.logit(reference, eps=1e-5)).sigmoid()
        found.append((logits, boxes, hidden))
        reference = inner.intermediate_reference_points[:, level]
    return found


def loss_of(found: Found, batch: Batch, readers: torch.nn.ModuleList) -> torch.Tensor:
    """The sum over heads of 2 focal + 4 L1 + 2 GIoU + 0.5 cross entropy of what the thing is, each by the targets.

    `readers` name shape, colour and texture from a hidden state: a prompt asks of few of them, and without this the
    features are long in coming. They are not part of the model.
    """
    length = batch.ids.shape[1]
    total = torch.zeros(())
    for head, (logits, boxes, hidden) in enumerate(found):
        logits = logits[..., :length].clamp(-30, 30)
        repeat = MANY[head]
        target = torch.zeros_like(logits)
        chosen: list[tuple[int, torch.Tensor, torch.Tensor]] = []
        with torch.no_grad():
            chance = logits.sigmoid()
            positive = 0.25 * (1 - chance) ** 2 * -torch.log(chance + 1e-8)
            negative = 0.75 * chance**2 * -torch.log(1 - chance + 1e-8)
            for i in range(len(batch.boxes)):
                if not len(batch.boxes[i]):
                    continue
                hot = batch.tokens[i] / batch.tokens[i].sum(1, keepdim=True)
                cost = 2 * (positive[i] - negative[i]) @ hot.T
                cost += 5 * torch.cdist(boxes[i], batch.boxes[i], p=1)
                cost += 2 * -giou(corners(boxes[i])[:, None], corners(batch.boxes[i])[None])[0]
                rows, columns = linear_sum_assignment(cost.repeat(1, repeat).numpy())
                queries, things = torch.from_numpy(rows), torch.from_numpy(columns % len(batch.boxes[i]))
                target[i, queries] = batch.tokens[i][things]
                chosen.append((i, queries, things))
        count = max(1, sum(len(queries) for _, queries, _ in chosen))
        valid = batch.mask[:, None].bool()
        chance = logits.sigmoid()
        cross = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        hard = target * (1 - chance) + (1 - target) * chance
        focal = (0.25 * target + 0.75 * (1 - target)) * hard**2 * cross
        total = total + 2 * (focal * valid).sum() / count
        if chosen:
            got = torch.cat([boxes[i, queries] for i, queries, _ in chosen])
            want = torch.cat([batch.boxes[i][things] for i, _, things in chosen])
            total = total + 4 * (got - want).abs().sum() / count
            total = total + 2 * (1 - giou(corners(got), corners(want))[0]).sum() / count
            named = readers[head](torch.cat([hidden[i, queries] for i, queries, _ in chosen])).split(KINDS, 1)
            kinds = torch.cat([batch.kinds[i][things] for i, _, things in chosen])
            for column, part in enumerate(named):
                total = total + 0.5 * functional.cross_entropy(part, kinds[:, column])
    return total


@torch.no_grad()
def evaluate(model: torch.nn.Module, data: dict[str, np.ndarray], count: int) -> dict[str, float]:
    """Pooled AP50 over `count` scenes with the right phrase: one list of boxes by score, for the training curve."""
    model.eval()
    rng = np.random.default_rng(5)
    scored: list[tuple[float, bool]] = []
    things = 0
    for start in range(0, count, 50):
        rows = np.arange(start, min(start + 50, count))
        batch = Batch(data, rows, rng, flip=False)
        logits, boxes, _ = outputs(model, batch)[-1]
        chance = logits[..., : batch.ids.shape[1]].sigmoid()
        for i in range(len(rows)):
            tokens = batch.ids[i].tolist()
            ends = [k for k, token in enumerate(tokens) if token == 1012]
            starts = [1, *(end + 1 for end in ends[:-1])]
            scores = torch.stack([chance[i, :, a:b].mean(1) for a, b in zip(starts, ends, strict=True)], 1)
            label = [starts.index(int(hot.nonzero()[0, 0])) for hot in batch.tokens[i]]
            things += len(label)
            best, which = scores.max(1)
            used = set()
            for q in best.argsort(descending=True).tolist():
                if best[q] < 0.05:
                    break
                hit = -1
                if label:
                    _, iou = giou(corners(boxes[i, q])[None], corners(batch.boxes[i]))
                    free = [
                        (float(iou[k]), k)
                        for k in range(len(label))
                        if label[k] == which[q] and k not in used and iou[k] >= 0.5
                    ]
                    hit = max(free)[1] if free else -1
                used.add(hit)
                scored.append((float(best[q]), hit >= 0))
    model.train()
    scored.sort(key=lambda item: -item[0])
    hits = np.cumsum([hit for _, hit in scored]) if scored else np.zeros(1)
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / max(things, 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return {"ap50": float(np.mean([best[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)]))}


def main() -> None:
    """Train, or go on where a checkpoint stands; the averaged weights go to OUT as transformers saves them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=Path, default=Path("build/demo-models/scenes"))
    parser.add_argument("--work", type=Path, default=Path("build/demo-models/detector"))
    parser.add_argument("--out", type=Path, default=Path("pe/assets/demo/grounding-dino"))
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunks", type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    arguments.work.mkdir(parents=True, exist_ok=True)
    data = load(arguments.scenes, "train", arguments.chunks)
    held = load(arguments.scenes, "test", 1)
    model = build()
    width = model.config.d_model
    readers = torch.nn.ModuleList(torch.nn.Linear(width, sum(KINDS)) for _ in range(1 + model.config.decoder_layers))
    parameters = [p for p in [*model.parameters(), *readers.parameters()] if p.requires_grad]
    decayed = [p for p in parameters if p.ndim > 1]
    plain = [p for p in parameters if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=arguments.rate, betas=(0.9, 0.99), fused=True)
    average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    checkpoint, step, spent = arguments.work / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(kept["model"])
        readers.load_state_dict(kept["readers"])
        optimizer.load_state_dict(kept["optimizer"])
        average, step, spent = kept["average"], kept["step"], kept["cpu_seconds"]
    print(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, {len(data['count']):,} scenes, from step {step}",
        flush=True,
    )
    model.train()
    since, cpu, losses = time.time(), time.process_time() - spent, []
    while step < arguments.steps:
        warm = min(1.0, (step + 1) / 200)
        rate = arguments.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / arguments.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        rng = np.random.default_rng([1, step])
        batch = Batch(data, rng.integers(len(data["count"]), size=arguments.batch), rng, flip=True)
        loss = loss_of(outputs(model, batch), batch, readers)
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
            kept = {"model": model.state_dict(), "readers": readers.state_dict(), "optimizer": optimizer.state_dict()}
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
    """float16 weights, config, tokenizer and image processor, as transformers reads them."""
    from transformers import AutoTokenizer, GroundingDinoImageProcessor, GroundingDinoProcessor

    model = build()
    model.load_state_dict(state)
    model.half().save_pretrained(folder)
    save_tokenizer(folder)
    pictures = GroundingDinoImageProcessor(size={"shortest_edge": 128, "longest_edge": 224})
    GroundingDinoProcessor(pictures, AutoTokenizer.from_pretrained(folder)).save_pretrained(folder)


if __name__ == "__main__":
    main()
