"""Output folders with chosen records, written by the real writer."""

from __future__ import annotations

from pathlib import Path

from pe.schemas.sample import Object, Sample, dumps
from pe.shards.output import Output
from pe.shards.plan import extend_plan
from pe.shards.writer import ShardWriter
from tests.shards import factory

HOSTILE = "</script><img src=x onerror=\"window.pwned=1;document.title='pwned'\">"


def thing(phrase: str, number: int = 0, **more: object) -> Object:
    """An object with a box and a ring with a hole."""
    rings = [[2, 2, 20, 2, 20, 12, 2, 12], [5, 5, 5, 9, 9, 9, 9, 5]]
    return Object(id=number, phrase=phrase, score=0.875, bbox=(2, 2, 20, 12), rings=rings, **more)  # type: ignore[arg-type]


def write(root: Path, records: list[dict[str, object]], shard_inputs: int = 4) -> Output:
    """An output with one sample for each of `records`: "objects" and any fields of the record to replace."""
    files: dict[str, bytes | None] = {f"{i:05d}.jpg": factory.picture(i, (48, 32)) for i in range(len(records))}
    source = factory.BytesSource(files)
    output = Output(root)
    plan = extend_plan(output, source, factory.CONFIG, factory.CONFIG_HASH, shard_inputs=shard_inputs)
    for name in plan.names:
        piece = plan.slice(name)
        ledger = []
        with ShardWriter(output, name) as writer:
            for position, item in enumerate(piece.inputs):
                record = dict(records[int(item.id[:5])])
                data = item.read(source).data
                objects: list[Object] = record.pop("objects", [])  # type: ignore[assignment]
                sample = factory.sample(piece.key(position), data, objects, source=item.id)
                writer.add(Sample.model_validate(sample.model_dump() | record), data)
                ledger.append({"id": item.id, "status": "written", "key": sample.key})
            writer.commit(ledger=ledger, quarantine=[], config_hash=factory.CONFIG_HASH, input_hash=piece.input_hash)
    return output


def animals(root: Path) -> Output:
    """Ten samples in three shards: cats, dogs, both, none; negatives, drops, another source, hostile words."""
    dropped = {"phrase": "bird", "bbox": [1, 1, 5, 5], "reason": "small_mask", "score": 0.4}
    records: list[dict[str, object]] = [
        {"objects": [thing("cat")]},
        {"objects": [thing("dog")]},
        {"objects": [thing("cat"), thing("dog", 1), thing("cattle", 2)]},
        {"negatives_json": dumps(["unicorn"])},
        {"objects": [thing("dog")], "provenance_json": dumps({"dropped": [dropped]})},
        {"objects": [thing("cat")], "data_source": "other/pointing", "source": "elsewhere/x.jpg"},
        {
            "objects": [thing(HOSTILE, caption=HOSTILE, text=HOSTILE)],
            "caption": HOSTILE,
            "source": HOSTILE,
            "url": f"javascript:alert(1)//{HOSTILE}",
            "data_source": HOSTILE,
            "negatives_json": dumps([HOSTILE]),
            "provenance_json": dumps(
                {"detector": {"model": HOSTILE}, "dropped": [dropped | {"phrase": HOSTILE, "reason": HOSTILE}]}
            ),
        },
        {"objects": [thing("Cat")]},
        {"objects": [thing("émoji 🐈 \u202egnp.exe {{data}} \\1")]},
        {"objects": [thing("dog", orientation="simpleseg-compat")]},
    ]
    return write(root, records)
