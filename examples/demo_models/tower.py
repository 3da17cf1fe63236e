"""Trains the vision tower of the small base before it meets a word.

Readers on every patch name the thing that the patch shows and where its box ends; readers on every merged cell tell
whether a thing's box has its centre there, what it is and where (as FCOS, Tian et al. 2019, and CenterNet, Zhou et al.
2019, do). They are not part of the model. Muon (Jordan et al. 2024) moves the matrices, AdamW the rest.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from base_model import CELLS, GRID, PATCH, SIDE, build, patches, positions, processor, see
from detector import giou
from scenes import load
from torch.nn import functional

from pe.engines.synthetic.looks import COLOURS, SIZES, TEXTURES
from pe.engines.synthetic.outlines import SHAPES

LOOKS = (len(SHAPES), len(COLOURS), len(TEXTURES), len(SIZES))


class Targets:
    """What a batch of scenes shows, flipped or not: of each patch and each cell, in the order of the model.

    `owner` (B, GRID^2) is 1 + the thing that most of a patch shows, or 0; `centre` (B, CELLS^2) 1 + the thing whose box
    has its centre in the cell, or 0. `looks` (B, M, 4) are shape, colour, texture, size; `boxes` (B, M, 4) in pixels.
    """

    def __init__(self, data: dict[str, np.ndarray], rows: np.ndarray, flips: np.ndarray) -> None:
        pixels, owner, boxes = data["pixels"][rows], data["owner"][rows], data["boxes"][rows].copy()
        for i in np.flatnonzero(flips):
            pixels[i], owner[i] = pixels[i, :, ::-1], owner[i, :, ::-1]
            boxes[i][:, [0, 2]] = SIDE - boxes[i][:, [2, 0]]
        self.count = data["count"][rows]
        most = boxes.shape[1]
        blocks = owner.reshape(len(rows), GRID, PATCH, GRID, PATCH)
        share = np.stack([(blocks == k).sum((2, 4)) for k in range(most + 1)], -1)
        # A patch belongs to a thing that it shows a quarter of: thin things have no patch of their own.
        share[..., 0] = np.minimum(share[..., 0], PATCH * PATCH // 4)
        place = positions().numpy()
        self.owner = torch.from_numpy(share.argmax(-1)[:, place[:, 0], place[:, 1]])
        centre = np.zeros((len(rows), CELLS * CELLS), np.int64)
        for i, count in enumerate(self.count):
            for k in range(count):
                x, y = (boxes[i, k, :2] + boxes[i, k, 2:]) / 2 // (SIDE // CELLS)
                centre[i, int(min(y, CELLS - 1)) * CELLS + int(min(x, CELLS - 1))] = k + 1
        self.centre = torch.from_numpy(centre)
        self.looks = torch.from_numpy(np.concatenate([data["kinds"][rows], data["sizes"][rows][..., None]], -1))
        self.boxes = torch.from_numpy(boxes)
        self.pixels = pixels


class Readers(torch.nn.Module):
    """Linear heads on the patches and on the cells: is there something, what is it, how far to its four sides."""

    def __init__(self, tower: int, width: int) -> None:
        super().__init__()
        self.patch = torch.nn.Linear(tower, 1 + sum(LOOKS) + 4)
        self.cell = torch.nn.Linear(width, 1 + sum(LOOKS) + 4)
        with torch.no_grad():
            self.cell.bias[0] = -3.0
        step, cell = torch.arange(CELLS) + 0.5, SIDE // CELLS
        self.cells = torch.stack([step.repeat(CELLS), step.repeat_interleave(CELLS)], -1) * cell
        self.patches = (positions().flip(-1) + 0.5) * PATCH

    def loss(self, patches: torch.Tensor, cells: torch.Tensor, batch: Targets) -> torch.Tensor:
        """Binary cross entropy on presence, cross entropy on looks, L1 and GIoU on boxes, summed over both."""
        one = _loss(self.patch(patches).float(), self.patches, batch.owner, batch, 1.0)
        two = _loss(self.cell(cells).float(), self.cells, batch.centre, batch, 5.0)
        return one + two

    def boxes(self, out: torch.Tensor) -> torch.Tensor:
        """(..., CELLS^2, 4) corners in pixels of what the cells' readers said."""
        return _corners(out[..., -4:], self.cells)


def _corners(ends: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return torch.cat([places - ends[..., :2] * 32, places + ends[..., 2:] * 32], -1)


def _loss(
    out: torch.Tensor, places: torch.Tensor, owner: torch.Tensor, batch: Targets, positive: float
) -> torch.Tensor:
    there = owner > 0
    weight = torch.where(there, positive, 1.0)
    total = functional.binary_cross_entropy_with_logits(out[..., 0], there.float(), weight)
    picture, spot = there.nonzero(as_tuple=True)
    thing = owner[picture, spot] - 1
    chosen = out[picture, spot]
    looks, wanted = batch.looks[picture, thing], batch.boxes[picture, thing]
    for column, part in enumerate(chosen[:, 1:-4].split(LOOKS, 1)):
        total = total + functional.cross_entropy(part, looks[:, column]) * (1.0 if column < 2 else 0.4)
    got = _corners(chosen[:, -4:], places[spot])
    return total + (got - wanted).abs().mean() / 8 + (1 - giou(got, wanted)[0]).mean()


def optimizers(modules: list[torch.nn.Module], rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside blocks and layers, AdamW for embeddings, heads, norms and biases."""
    hidden, rest, seen = [], [], set()
    for module in modules:
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            inner = parameter.ndim == 2 and any(part in name for part in ("blocks.", "layers.", "merger."))
            (hidden if inner else rest).append(parameter)
    muon = torch.optim.Muon(hidden, lr=rate, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.99), weight_decay=0.0, fused=True)]


@torch.no_grad()
def evaluate(visual: torch.nn.Module, readers: Readers, data: dict[str, np.ndarray], count: int) -> dict[str, float]:
    """How right the readers are on `count` scenes: looks of patches and centres, F1 of things named and boxed."""
    right = np.zeros(6)
    total = np.zeros(2)
    hits = said = things = 0
    for start in range(0, count, 50):
        rows = np.arange(start, start + 50)
        batch = Targets(data, rows, np.zeros(50, bool))
        spots, cells = see(visual, patches(batch.pixels))
        for base, out, owner in ((0, readers.patch(spots), batch.owner), (3, readers.cell(cells), batch.centre)):
            picture, spot = (owner > 0).nonzero(as_tuple=True)
            looks = batch.looks[picture, owner[picture, spot] - 1]
            for column, part in enumerate(out[picture, spot][:, 1:-4].split(LOOKS, 1)[:3]):
                right[base + column] += float((part.argmax(1) == looks[:, column]).sum())
            total[base // 3] += len(spot)
        boxes = readers.boxes(out)
        shape, colour = (part.argmax(-1) for part in out[..., 1:-4].split(LOOKS, -1)[:2])
        for i in range(50):
            n = int(batch.count[i])
            things += n
            found = (out[i, :, 0] > 0).nonzero()[:, 0]
            said += len(found)
            used: set[int] = set()
            for cell in found.tolist():
                iou = giou(boxes[i, cell][None], batch.boxes[i, :n])[1] if n else torch.zeros(0)
                for k in iou.argsort(descending=True).tolist():
                    same = batch.looks[i, k, 0] == shape[i, cell] and batch.looks[i, k, 1] == colour[i, cell]
                    if iou[k] >= 0.5 and same and k not in used:
                        used.add(k)
                        hits += 1
                        break
    names = ("patch_shape", "patch_colour", "patch_texture", "cell_shape", "cell_colour", "cell_texture")
    rates = right / np.repeat(total, 3)
    return {**dict(zip(names, rates.round(4).tolist(), strict=True)), "f1": round(2 * hits / max(1, said + things), 4)}


def main() -> None:
    """Train, or go on where a checkpoint stands."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=Path, default=Path("build/demo-models/scenes"))
    parser.add_argument("--work", type=Path, default=Path("build/demo-models/tower"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunks", type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    arguments.work.mkdir(parents=True, exist_ok=True)
    data, held = load(arguments.scenes, "train", arguments.chunks), load(arguments.scenes, "test", 1)
    model = build(processor(arguments.work / "processor").tokenizer)
    visual = model.model.visual
    readers = Readers(visual.config.hidden_size, visual.config.out_hidden_size)
    movers = optimizers([visual, readers], arguments.rate)
    checkpoint, step, spent = arguments.work / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        visual.load_state_dict(kept["visual"])
        readers.load_state_dict(kept["readers"])
        for mover, state in zip(movers, kept["movers"], strict=True):
            mover.load_state_dict(state)
        step, spent = kept["step"], kept["cpu_seconds"]
    print(f"{sum(p.numel() for p in visual.parameters()):,} parameters, from step {step}", flush=True)
    cpu, losses = time.process_time() - spent, []
    while step < arguments.steps:
        warm = min(1.0, (step + 1) / 100)
        rate = arguments.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / arguments.steps)))
        rng = np.random.default_rng([2, step])
        rows = rng.integers(len(data["count"]), size=arguments.batch)
        batch = Targets(data, rows, rng.random(arguments.batch) < 0.5)
        with torch.autocast("cpu", torch.bfloat16):
            spots, cells = see(visual, patches(batch.pixels))
        loss = readers.loss(spots.float(), cells.float(), batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(visual.parameters(), 2.0)
        for mover in movers:
            for group in mover.param_groups:
                group["lr"] = rate
            mover.step()
            mover.zero_grad(set_to_none=True)
        step += 1
        losses.append(float(loss.detach()))
        if step % 50 == 0:
            print(step, f"loss {np.mean(losses[-50:]):.3f}", f"{time.process_time() - cpu:.0f} cpu-s", flush=True)
        if step % 200 == 0 or step == arguments.steps:
            partial = checkpoint.with_suffix(".part")
            kept = {"visual": visual.state_dict(), "readers": readers.state_dict(), "step": step}
            kept |= {"movers": [mover.state_dict() for mover in movers], "cpu_seconds": time.process_time() - cpu}
            torch.save(kept, partial)
            partial.replace(checkpoint)
            line = {"step": step, "loss": float(np.mean(losses[-200:])), **evaluate(visual, readers, held, 300)}
            line["cpu_seconds"] = time.process_time() - cpu
            with (arguments.work / "curve.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            print(line, flush=True)


if __name__ == "__main__":
    main()
