"""Trains the small base on questions about drawn scenes, from the tower on.

Several questions a picture share its tokens: each sees the picture and itself, as if it stood alone. A coordinate's
target is a narrow bell over its neighbours, since a bin beside the right one is nearly right. Readers on the tower (as
in tower.py) and on the picture's tokens in the language model keep what things are and where easy to read, so that a
question has only to be bound to them. They are not part of the model.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from base_model import CELLS, COORDINATES, SIDE, attend, build, patches, processor, see
from questions import SIZE, Asked, Asker
from scenes import load
from torch.nn import functional
from tower import LOOKS, Readers, Targets, optimizers

QUESTIONS, MOST_TOKENS = 3, 340
SYSTEM = "<|im_start|>system\nYou are a helpful assistant<|im_end|>\n"
USER = "<|im_start|>user\n<|vision_start|>" + "<|image_pad|>" * CELLS**2 + "<|vision_end|>"
ASK, END = "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
BELL = 5.0
"""Bins of a coordinate within one standard deviation of its target: 0.64 px of 128."""
PIXELS = [int(edge * (COORDINATES - 1) / SIDE + 0.5) for edge in range(SIDE + 1)]
"""The bins of whole pixels: boxes end nowhere else, and a bell over all of them would leave little for any one."""


@dataclass
class Packed:
    """A batch of pictures with their questions, as the language model gets it."""

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    picture: torch.Tensor
    wanted: torch.Tensor
    phrases: torch.Tensor
    leftmost: torch.Tensor


def next_boxes(answer: list[int], first: int) -> Iterator[tuple[int, list[float]]]:
    """Where in `answer` a box of four coordinate tokens starts, and the box as fractions."""
    number = [first <= token < first + COORDINATES for token in answer]
    for place in range(1, len(answer) - 4):
        if not number[place - 1] and all(number[place : place + 4]) and not number[place + 4]:
            yield place, [(token - first) / (COORDINATES - 1) for token in answer[place : place + 4]]


def pack(words: object, scenes: list[list[Asked]], system: list[bool]) -> Packed:
    """Questions of one picture after each other: each starts at the position after the picture and sees no other.

    `wanted` (B, L) is the token to be said after each place, or -1. `phrases` (P, 2) are row and place of the last
    token of each phrase asked for, `leftmost` (P, 4) its first box as fractions, -1 where nothing is there; and of each
    token after which a box is said, with that box.
    """
    texts: list[str] = []
    for asked, polite in zip(scenes, system, strict=True):
        texts.append((SYSTEM if polite else "") + USER)
        texts += [part for one in asked for part in (one.question + ASK, one.answer + END)]
    coded = words(texts, add_special_tokens=False, return_offsets_mapping=True)
    ids = iter(zip(coded["input_ids"], coded["offset_mapping"], strict=True))
    pad, coordinate = (words.convert_tokens_to_ids(token) for token in ("<|image_pad|>", "<0>"))
    rows, phrases, leftmost = [], [], []
    for asked in scenes:
        head, _ = next(ids)
        tokens, segment, wanted = list(head), [0] * len(head), [-1] * len(head)
        first = head.index(pad)
        spot = [
            *((k, k, k) for k in range(first)),
            *((first, first + k // CELLS, first + k % CELLS) for k in range(CELLS**2)),
            *((first + CELLS + k,) * 3 for k in range(len(head) - first - CELLS**2)),
        ]
        start = spot[-1][0] + 1
        for number, one in enumerate(asked, 1):
            (question, places), (answer, _) = next(ids), next(ids)
            if len(tokens) + len(question) + len(answer) > MOST_TOKENS and number > 1:
                continue
            for end, box in one.marks:
                token = next((k for k, (a, b) in enumerate(places) if a <= end < b), None)
                if token is not None:
                    phrases.append((len(rows), len(tokens) + token))
                    leftmost.append([value / SIDE for value in box] if box else [-1.0] * 4)
            for place, box in next_boxes(answer, coordinate):
                phrases.append((len(rows), len(tokens) + len(question) + place - 1))
                leftmost.append(box)
            tokens += [*question, *answer]
            segment += [number] * (len(question) + len(answer))
            spot += [(start + k,) * 3 for k in range(len(question) + len(answer))]
            wanted += [-1] * (len(question) - 1) + answer + [-1]
        rows.append((tokens, segment, spot, wanted, first))
    length = max(len(row[0]) for row in rows)
    batch = len(rows)
    packed = Packed(
        torch.zeros(batch, length, dtype=torch.long),
        torch.zeros(3, batch, length, dtype=torch.long),
        torch.zeros(batch, 1, length, length, dtype=torch.bool),
        torch.zeros(batch, CELLS**2, dtype=torch.long),
        torch.full((batch, length), -1),
        torch.tensor(phrases, dtype=torch.long).reshape(-1, 2),
        torch.tensor(leftmost, dtype=torch.float32).reshape(-1, 4),
    )
    lower = torch.ones(length, length, dtype=torch.bool).tril()
    for i, (tokens, segment, spot, wanted, first) in enumerate(rows):
        n = len(tokens)
        packed.ids[i, :n] = torch.tensor(tokens)
        packed.positions[:, i, :n] = torch.tensor(spot).T
        packed.wanted[i, :n] = torch.tensor(wanted)
        part = torch.tensor(segment + [-1] * (length - n))
        packed.mask[i, 0] = lower & ((part[None] == 0) | (part[None] == part[:, None]))
        packed.picture[i] = torch.arange(first, first + CELLS**2)
    return packed


def read(model: torch.nn.Module, packed: Packed, cells: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Last hidden states (B, L, width), normed; those of the picture's tokens after the second layer; those of the
    phrases asked for after the last but one."""
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import apply_rotary_pos_emb as turn

    text = model.model.language_model
    bias = torch.where(packed.mask, 0.0, -1e4).to(torch.bfloat16 if torch.is_autocast_enabled("cpu") else torch.float32)
    hidden = text.embed_tokens(packed.ids)
    place = packed.picture[..., None].expand(-1, -1, hidden.shape[-1])
    hidden = hidden.scatter(1, place, cells.to(hidden.dtype))
    rotary = text.rotary_emb(hidden, packed.positions)
    seen = asked = hidden
    for number, layer in enumerate(text.layers):
        attention, normed = layer.self_attn, layer.input_layernorm(hidden)
        batch, length, _ = normed.shape
        q, k, v = (
            project(normed).view(batch, length, -1, attention.head_dim).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        q, k = turn(q, k, *rotary)
        mixed = attend(q.to(v.dtype), k.to(v.dtype), v, attention.scaling, bias)
        hidden = hidden + attention.o_proj(mixed.transpose(1, 2).reshape(batch, length, -1))
        hidden = hidden + layer.mlp(layer.post_attention_layernorm(hidden))
        if number == 1:
            seen = hidden.gather(1, place)
        if number == len(text.layers) - 2:
            asked = hidden[packed.phrases[:, 0], packed.phrases[:, 1]]
    return text.norm(hidden), seen, asked


def say(hidden: torch.Tensor, table: torch.Tensor, wanted: torch.Tensor, first: int) -> torch.Tensor:
    """Cross entropy of the tokens `wanted`; of a coordinate, against a bell over the pixels around it."""
    chosen = wanted >= 0
    target = wanted[chosen]
    logits = (hidden[chosen] @ table.T).float()
    number = (target >= first) & (target < first + COORDINATES)
    word = functional.cross_entropy(logits[~number], target[~number], reduction="sum")
    bins = torch.arange(COORDINATES)
    away = (bins[None] - (target[number] - first)[:, None]).abs()
    whole = torch.zeros(COORDINATES, dtype=torch.bool).index_fill(0, torch.tensor(PIXELS), True)
    bell = torch.exp(-0.5 * (away / BELL) ** 2) * (whole | (away == 0))
    bell = bell / bell.sum(1, keepdim=True)
    chance = logits[number].log_softmax(1)[:, first : first + COORDINATES]
    entropy = -(bell * (bell + 1e-9).log()).sum()
    return (word - (bell * chance).sum() - entropy) / max(1, len(target))


class Within(torch.nn.Module):
    """Readers in the language model: on the picture's tokens as on the cells, the box in the picture's own frame; on
    the phrases of a question, whether there is such a thing and the leftmost one's box; before a box in an answer, that
    box."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = torch.nn.Linear(width, 1 + sum(LOOKS) + 4)
        self.phrase = torch.nn.Linear(width, 5)

    def asked(self, hidden: torch.Tensor, leftmost: torch.Tensor) -> torch.Tensor:
        """Binary cross entropy on presence, L1 on corners."""
        out = self.phrase(hidden).float()
        there = leftmost[:, 0] >= 0
        total = functional.binary_cross_entropy_with_logits(out[:, 0], there.float())
        return total + 4 * (out[there, 1:] - leftmost[there]).abs().sum(1).mean() / 4

    def loss(self, seen: torch.Tensor, batch: Targets) -> torch.Tensor:
        """Binary cross entropy on presence, cross entropy on looks, L1 on corners."""
        out = self.cell(seen).float()
        there = batch.centre > 0
        total = functional.binary_cross_entropy_with_logits(out[..., 0], there.float(), 1.0 + 4.0 * there)
        picture, spot = there.nonzero(as_tuple=True)
        thing = batch.centre[picture, spot] - 1
        chosen, looks = out[picture, spot], batch.looks[picture, thing]
        for column, part in enumerate(chosen[:, 1:-4].split(LOOKS, 1)):
            total = total + functional.cross_entropy(part, looks[:, column]) * (1.0 if column < 2 else 0.4)
        return total + 4 * (chosen[:, -4:] - batch.boxes[picture, thing] / SIDE).abs().mean()


@torch.no_grad()
def evaluate(model: torch.nn.Module, made: object, data: dict[str, np.ndarray], count: int) -> dict[str, float]:
    """Greedy answers to one detection question a scene: F1, precision and recall at IoU 0.5 with the right phrase."""
    from detector import giou

    model.eval()
    asker, words = Asker(), made.tokenizer
    rng = np.random.default_rng(9)
    hits = said = things = wrong = absences = silent = 0
    for start in range(0, count, 50):
        batch = Targets(data, np.arange(start, start + 50), np.zeros(50, bool))
        asked = []
        for i in range(50):
            looks, boxes = (part[i, : int(batch.count[i])].numpy() for part in (batch.looks, batch.boxes))
            asked.append(asker.boxes(rng, looks, boxes, 0.0))
        texts = [SYSTEM + USER + one.question + ASK for one in asked]
        given = words(texts, add_special_tokens=False, return_tensors="pt", padding=True)
        pad = words.convert_tokens_to_ids("<|image_pad|>")
        flat = patches(batch.pixels)
        out = model.generate(
            **given, pixel_values=flat.reshape(-1, flat.shape[-1]), mm_token_type_ids=(given["input_ids"] == pad).int(),
            image_grid_thw=torch.tensor([[1, 16, 16]] * 50), max_new_tokens=160, do_sample=False,
        )  # fmt: skip
        answers = words.batch_decode(out[:, given["input_ids"].shape[1] :], skip_special_tokens=True)
        for text, one in zip(answers, asked, strict=True):
            got, want = (asker.rexomni.decode(part, SIZE).objects for part in (text, one.answer))
            things, said = things + len(want), said + len(got)
            if not want:
                absences, silent = absences + 1, silent + (not got)
            left = list(want)
            for item in got:
                near = [other for other in left if other.phrase == item.phrase]
                iou = (
                    giou(torch.tensor([item.bbox or (0,) * 4]), torch.tensor([o.bbox for o in near]))[1] if near else []
                )
                best = int(iou.argmax()) if near else -1
                if near and iou[best] >= 0.5:
                    hits += 1
                    left.remove(near[best])
                elif not any(item.phrase == other.phrase for other in want):
                    wrong += 1
    model.train()
    rates = {"f1": 2 * hits / max(1, said + things), "precision": hits / max(1, said), "recall": hits / max(1, things)}
    rates |= {"hallucinated": wrong / max(1, said), "silent": silent / max(1, absences)}
    return {name: round(value, 4) for name, value in rates.items()}


def main() -> None:
    """Train, or go on where a checkpoint stands; the averaged weights go to OUT as transformers saves them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=Path, default=Path("build/demo-models/scenes"))
    parser.add_argument("--tower", type=Path, default=Path("build/demo-models/tower/checkpoint.pt"))
    parser.add_argument("--work", type=Path, default=Path("build/demo-models/base"))
    parser.add_argument("--out", type=Path, default=Path("pe/assets/demo/base"))
    parser.add_argument("--steps", type=int, default=2300)
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--chunks", type=int)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    arguments.work.mkdir(parents=True, exist_ok=True)
    data, held = load(arguments.scenes, "train", arguments.chunks), load(arguments.scenes, "test", 1)
    made = processor(arguments.work / "processor")
    words = made.tokenizer
    first = words.convert_tokens_to_ids("<0>")
    model = build(words)
    visual, width = model.model.visual, model.config.text_config.hidden_size
    readers, within = Readers(visual.config.hidden_size, width), Within(width)
    start = torch.load(arguments.tower, weights_only=True)
    visual.load_state_dict(start["visual"])
    readers.load_state_dict(start["readers"])
    movers = [
        *optimizers([model.model.language_model, within], arguments.rate),
        *optimizers([visual, readers], arguments.rate / 2),
    ]
    rates = [group["lr"] for mover in movers for group in mover.param_groups]
    average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    checkpoint, step, spent = arguments.work / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        for module, name in ((model, "model"), (readers, "readers"), (within, "within")):
            module.load_state_dict(kept[name])
        for mover, state in zip(movers, kept["movers"], strict=True):
            mover.load_state_dict(state)
        average, step, spent = kept["average"], kept["step"], kept["cpu_seconds"]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, from step {step}", flush=True)
    cpu, losses = time.process_time() - spent, []
    asker = Asker()
    parameters = [*model.parameters()]
    while step < arguments.steps:
        done = step / arguments.steps
        warm = min(1.0, (step + 1) / 100)
        scale = warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        rng = np.random.default_rng([3, step])
        rows = rng.integers(len(data["count"]), size=arguments.batch)
        flips = rng.random(arguments.batch) < 0.5
        batch = Targets(data, rows, flips)
        easy = max(0.0, 1.0 - done / 0.2)
        scenes = []
        for i, row in enumerate(rows):
            owner = data["owner"][row]
            owner = owner[:, ::-1] if flips[i] else owner
            scenes.append([asker.ask(rng, batch, i, owner, easy) for _ in range(QUESTIONS)])
        packed = pack(words, scenes, (rng.random(arguments.batch) < 0.6).tolist())
        with torch.autocast("cpu", torch.bfloat16):
            spots, cells = see(visual, patches(batch.pixels))
            hidden, seen, asked = read(model, packed, cells)
            said = say(hidden, model.get_input_embeddings().weight, packed.wanted, first)
        aside = readers.loss(spots.float(), cells.float(), batch) + within.loss(seen.float(), batch)
        bound = within.asked(asked.float(), packed.leftmost)
        loss = said + 0.15 * aside + bound
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        number = 0
        for mover in movers:
            for group in mover.param_groups:
                group["lr"] = rates[number] * scale
                number += 1
            mover.step()
            mover.zero_grad(set_to_none=True)
        step += 1
        losses.append((float(said.detach()), float(aside.detach()), float(bound.detach())))
        keep = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            moving = [(average[k], tensor) for k, tensor in model.state_dict().items() if tensor.is_floating_point()]
            torch._foreach_lerp_(*map(list, zip(*moving, strict=True)), 1 - keep)
        if step % 50 == 0:
            recent = np.mean(losses[-50:], 0).round(3).tolist()
            print(step, "loss", *recent, f"{time.process_time() - cpu:.0f} cpu-s", flush=True)
        if step % 250 == 0 or step == arguments.steps:
            partial = checkpoint.with_suffix(".part")
            kept = {"model": model.state_dict(), "readers": readers.state_dict(), "within": within.state_dict()}
            kept |= {"movers": [mover.state_dict() for mover in movers], "average": average, "step": step}
            torch.save(kept | {"cpu_seconds": time.process_time() - cpu}, partial)
            partial.replace(checkpoint)
            shadow = build(words)
            shadow.load_state_dict(average)
            recent = np.mean(losses[-250:], 0).round(4).tolist()
            line = {
                "step": step,
                "loss": recent[0],
                "aside": recent[1],
                "bound": recent[2],
                **evaluate(shadow, made, held, 200),
            }
            line["cpu_seconds"] = time.process_time() - cpu
            with (arguments.work / "curve.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            print(line, flush=True)
    shadow = build(words)
    shadow.load_state_dict(average)
    shadow.half().save_pretrained(arguments.out)
    processor(arguments.out)


if __name__ == "__main__":
    main()
