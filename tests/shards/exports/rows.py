"""Output folders of training rows and of annotated samples with every kind of object, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from pe.geometry.masks import encode
from pe.geometry.rings import mask_to_rings
from pe.schemas.sample import Object, RewardModel, Sample, Verifier, dumps
from pe.shards.lease import claim
from pe.shards.output import Output
from pe.shards.writer import ShardWriter
from tests.shards import factory

CODECS = ("JPEG", "PNG", "WEBP")
SIZE = (40, 30)


def write(root: Path, samples: list[tuple[Sample, bytes]], shard: int = 4) -> Path:
    """`samples` as an output folder, `shard` of them a shard."""
    output = Output(root).create()
    (root / "plan.jsonl").write_text("")
    for part in range(0, len(samples), shard):
        name = f"0000-{part // shard:05d}"
        held = claim(output, name)
        assert held is not None
        with held, ShardWriter(output, name) as writer:
            ledger = []
            for sample, image in samples[part : part + shard]:
                writer.add(sample, image)
                ledger.append({"id": sample.key, "status": "written", "key": sample.key})
            writer.commit(ledger=ledger, quarantine=[], config_hash="", input_hash="")
    return root


def row(number: int, kind: str, **changes: Any) -> tuple[Sample, bytes]:
    """Row `number`: of three pictures in turn a JPEG, a PNG and a WebP; every row's truth is two boxes."""
    image = factory.picture(number, SIZE, CODECS[number % 3])
    phrase = ("a café", "dog's bowl", 'a "sign"')[number % 3]
    boxes = [[1.0, 2.0, 20.0, 15.0], [4.0, 3.0, 40.0, 30.0]]
    messages = [
        {"role": "system", "content": "You find things."},
        {"role": "user", "content": f"<image>\nDetect {phrase}."},
    ]
    if kind == "sft":
        messages.append({"role": "assistant", "content": f'[{{"bbox_2d": [1, 2, 20, 15], "label": "{phrase}"}}]'})
    truth = {"objects": [{"phrase": phrase, "bbox": box} for box in boxes], "negatives": []}
    record = factory.sample(f"0000-00000-{number:05d}", image).model_dump()
    record |= {
        "kind": kind,
        "data_source": "photos/detect" if number % 2 else "synth base/detect",
        "messages_json": dumps(messages),
        "gold_text": f"{phrase}: two boxes",
        "input_width": 56,
        "input_height": 28,
        "token_count": 10 + number,
        "ceilings_json": "[[1.0,0.97]]",
        "license": "CC-BY-4.0",
        "reward_model": RewardModel(ground_truth=dumps(truth), weights_json='{"accuracy":1.0,"format":0.1}'),
        "verifier": Verifier(name="detection", params_json='{"format":"qwen2.5-vl"}'),
        **changes,
    }
    return Sample.model_validate(record), image


def masked(number: int, phrase: str, mask: np.ndarray[Any, Any], epsilon: float = 0.0, **more: Any) -> Object:
    """An object with a mask and its rings."""
    rows, columns = np.nonzero(mask)
    rings = [ring.ravel().tolist() for ring in mask_to_rings(mask, epsilon)]
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    known = {"bbox": box, "mask": encode(mask), "rings": rings, "orientation": "cw", "epsilon": epsilon}
    return Object.model_validate({"id": number, "phrase": phrase, **known, **more})


def masks() -> dict[str, np.ndarray[Any, Any]]:
    """A box, a ring with a hole, two parts, a lone pixel and noise, 30 x 40."""
    shapes = {name: np.zeros(SIZE[::-1], bool) for name in ("box", "hole", "parts", "pixel")}
    shapes["box"][3:20, 5:30] = True
    shapes["hole"][2:25, 4:36] = True
    shapes["hole"][8:18, 10:20] = False
    shapes["hole"][11:13, 12:14] = True
    shapes["parts"][1:6, 1:9] = True
    shapes["parts"][20:28, 25:38] = True
    shapes["pixel"][29, 39] = True
    shapes["noise"] = np.random.default_rng(3).random(SIZE[::-1]) < 0.5
    return shapes


def annotated(root: Path, count: int = 6) -> Path:
    """`count` annotated samples: masks of every form, a box alone, a text with its quad, a picture with nothing."""
    samples = []
    for number in range(count):
        image = factory.picture(number, SIZE, CODECS[number % 3])
        objects = [masked(index, name, mask) for index, (name, mask) in enumerate(masks().items())]
        objects.append(Object(id=len(objects), phrase="bare box", score=0.5, bbox=(1.5, 2.0, 9.0, 8.25)))
        objects.append(
            Object(
                id=len(objects), phrase="text", bbox=(0.0, 0.0, 8.0, 4.0), text="EXIT", quad=[0, 0, 8, 0, 8, 4, 0, 4]
            )
        )
        sample = factory.sample(f"0000-00000-{number:05d}", image, objects if number != 1 else [])
        provenance = {
            "detector": {"adapter": "onnx", "model": "yolox", "license": "Apache-2.0"},
            "expressions": [{"text": "the left one", "kind": "referring", "objects": [0]}],
        }
        changes = {
            "negatives_json": json.dumps(["zebra", "pixel"] if number == 1 else ["zebra"]),
            "provenance_json": json.dumps(provenance),
            "license": ("CC-BY-4.0", "weird | *licence*")[number % 2],
            "url": "http://example.org/x.jpg",
        }
        samples.append((Sample.model_validate({**sample.model_dump(), **changes}), image))
    return write(root, samples)


def training(root: Path, kind: str, count: int = 7) -> Path:
    """`count` rows of a kind."""
    return write(root, [row(number, kind) for number in range(count)])
